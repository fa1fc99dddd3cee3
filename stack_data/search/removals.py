"""Taking owners, repositories, contents and places out of an index, at once and for good.

`remove` appends to INDEX/removals.jsonl what goes, as {"kind", "id"}: the content id, the place id, or the SHA-256 of a folded name, so that
the file names nobody; then it sets the tombstones of the places in every segment, which open readers see at once, and states in
INDEX/removals.applied which are set (gone.py). The log is applied to every later segment too. What a killed removal or damage left is made
good by the next writer, out of the log. A removal waits for nobody: segments are made beside it, and only their naming in index.json takes
the same lock.

An owner has the repositories of its subgroups, and on gist.github.com those of its GitHub name. Numeric ids, paths and spread are
suppression lists' to say: `lists` resolves those of effect `remove` and takes the places out that they name now.
"""

from __future__ import annotations

import bisect
import contextlib
import fcntl
import hashlib
import json
import mmap
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from stack_data import storage
from stack_data.errors import InputError
from stack_data.identity import fold_name
from stack_data.optout.lists import SuppressionList
from stack_data.place_ids import is_named, place_ids
from stack_data.search import gone, index_state
from stack_data.search.documents import fixed, repository_key
from stack_data.search.gone import Stated
from stack_data.search.hiding import suppressed
from stack_data.search.index import Index
from stack_data.search.segment import GONE, TOMBSTONES, Ints, Segment

LOG, APPLIED, LOCK = "removals.jsonl", gone.APPLIED, "removals.lock"
OWNER, REPOSITORY, CONTENT, PLACE = KINDS = ("owner", "repository", "content", "place")
_GIST, _GITHUB = "gist.github.com/", "github.com/"
Entry = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Removed:
    """What a removal took: places, and contents of which no place of their own is left."""

    num_places: int
    num_contents: int


def remove(
    folder: Path, *, owners: Iterable[str] = (), repositories: Iterable[str] = (), contents: Iterable[str] = (),
    places: Iterable[str] = (), lists: Sequence[SuppressionList] = (),
) -> Removed:  # fmt: skip
    """Take places out of an index. owners: host/owner; repositories: host/owner/repo; contents, places: ids in hex.

    What the index does not hold is remembered for releases that are added later. Raises InputError for what is no such name or id, and
    for a damaged index; StorageError when the disk refuses.
    """
    names = [_owner(one) for one in owners], [_repository(one) for one in repositories]
    ids = [_id(one, 40, "content") for one in contents], [_id(one, 64, "place") for one in places]
    with removing(folder):
        state = index_state.read(folder)
        segments = [Segment(folder / index_state.SEGMENTS / str(number), sha256) for number, sha256 in state.segments]
        for path in folder.glob(f".{APPLIED}.*.tmp"):
            path.unlink(missing_ok=True)
        stated = recover(folder, segments)
        index = Index(folder, state, segments, (), None)
        entries = [(OWNER, _hashed(one)) for one in names[0]] + [(REPOSITORY, _hashed(one)) for one in names[1]]
        entries += [(CONTENT, one) for one in ids[0]] + [(PLACE, one) for one in ids[1]]
        rows = [np.concatenate([*(_named(segment, *names)), _of_ids(segment, *ids)]) for segment in index.segments]
        if lists:
            found = suppressed(index.segments, lists, ("remove",))
            for number, (segment, gone) in enumerate(zip(index.segments, found, strict=True)):
                at = np.flatnonzero(gone)
                entries += [(PLACE, one) for one in place_ids_of(segment, at)]
                rows[number] = np.concatenate([rows[number], at])
        return _carry_out(folder, index, stated, entries, rows)


def _owner(name: str) -> str:
    host, _, owner = fold_name(name).strip("/").partition("/")
    if not host or not owner:
        raise InputError(f"{name!r} is no owner; write host/owner, such as github.com/octocat")
    return f"{host}/{owner}"


def _repository(name: str) -> str:
    parts = name.strip("/").split("/")
    if len(parts) < 3 or not all(parts):
        raise InputError(
            f"{name!r} is no repository; write host/owner/repository, such as github.com/octocat/hello or pypi/-/name"
        )
    return repository_key(parts[0], "/".join(parts[1:-1]), parts[-1])


def _id(value: str, digits: int, kind: str) -> str:
    if not re.fullmatch(f"[0-9a-f]{{{digits}}}", value):
        raise InputError(f"{value!r} is no {kind} id: it must be {digits} lower-case hex digits")
    return value


def _hashed(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


@contextlib.contextmanager
def removing(folder: Path) -> Iterator[None]:
    """Hold the right to change tombstones, removals.jsonl and index.json; waits for another holder, who needs a moment only."""
    if not folder.is_dir():
        raise InputError(f"{folder} is no search index: there is no such folder")
    try:
        handle = (folder / LOCK).open("ab")
    except OSError as error:
        raise storage.refused(folder / LOCK, error) from error
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _carry_out(folder: Path, index: Index, stated: Stated, entries: Sequence[Entry], rows: Sequence[Ints]) -> Removed:
    """Write down what goes, then take it out."""
    touched = [
        segment.places["document"].to_numpy()[at].astype(np.int64) | segment.number << 32
        for segment, at in zip(index.segments, rows, strict=True)
    ]
    documents = np.unique(np.concatenate([np.empty(0, np.int64), *touched]))
    documents = documents[index.living(documents)]
    known = set(read_log(folder))
    size = append(folder, [one for one in dict.fromkeys(entries) if one not in known])
    if any(bool((segment.tombstones[at] == 0).any()) for segment, at in zip(index.segments, rows, strict=True)):
        gone.write(folder, replace(stated, is_settled=False))
    count = sum(bury(segment, at) for segment, at in zip(index.segments, rows, strict=True))
    _state(folder, stated, gone.stated_of(size, index.segments))
    dead = documents[~index.living(documents)]
    return Removed(count, len(np.unique(index.content_ids(dead))))


def _state(folder: Path, before: Stated, after: Stated) -> None:
    if after != before:
        gone.write(folder, after)


def append(folder: Path, entries: Sequence[Entry]) -> int:
    """Add entries to the log, on the disk when this returns; return its size in bytes."""
    path = folder / LOG
    text = "".join(json.dumps({"kind": kind, "id": one}) + "\n" for kind, one in entries)
    try:
        with path.open("ab") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
            return file.tell()
    except OSError as error:
        raise storage.refused(path, error) from error


def read_log(folder: Path) -> list[Entry]:
    """Return the entries of the log. InputError when a line is damaged; one without an end was never carried out."""
    path = folder / LOG
    try:
        raw = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    entries = []
    for number, line in enumerate(raw.split(b"\n")[:-1], 1):
        try:
            one = json.loads(line)
            entry = (one["kind"], one["id"])
        except (ValueError, KeyError, TypeError):
            entry = ("", "")
        if entry[0] not in KINDS or not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", str(entry[1])):
            raise InputError(f"{path} is damaged: line {number} is no removal; it must be made good by hand")
        entries.append(entry)
    return entries


def recover(folder: Path, segments: Sequence[Segment]) -> Stated:
    """Carry out what a killed removal left undone, and set anew what damage unset; return what the index states then. Call while `removing`.

    InputError where tombstones hide what the log does not name: one of the two is damaged, and nobody can tell which.
    """
    path = folder / LOG
    raw = path.read_bytes() if path.exists() else b""
    size = raw.rfind(b"\n") + 1
    if size < len(raw):
        os.truncate(path, size)
    try:
        stated = gone.read(folder)
    except InputError:
        stated = Stated(-1)
    if (stated.size, stated.is_settled) == (size, True) and gone.is_of(stated, segments):
        return stated
    entries = read_log(folder)
    for segment in segments:
        rows = rows_of(entries, segment)
        if len(np.setdiff1d(np.flatnonzero(segment.tombstones), rows)):
            raise InputError(
                f"{segment.folder / TOMBSTONES} hides places that {path} does not name: one of the two is damaged"
                "; delete index.json and build the index anew (removals stay)"
            )
        bury(segment, rows)
    now = gone.stated_of(size, segments)
    _state(folder, stated, now)
    return now


def apply(entries: Iterable[Entry], segments: Iterable[Segment]) -> None:
    """Set the tombstones of what entries of the log name."""
    entries = list(entries)
    for segment in segments:
        bury(segment, rows_of(entries, segment))


def rows_of(entries: Iterable[Entry], segment: Segment) -> Ints:
    """Return the place rows that entries of the log name."""
    by_kind: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for kind, one in entries:
        by_kind[kind].add(one)
    rows = [_of_ids(segment, sorted(by_kind[CONTENT]), sorted(by_kind[PLACE]))]
    if by_kind[OWNER] or by_kind[REPOSITORY]:
        rows += _hidden_names(segment, by_kind[OWNER], by_kind[REPOSITORY])
    return np.concatenate(rows)


def bury(segment: Segment, rows: Ints) -> int:
    """Set tombstones; return how many were not set before."""
    fresh = np.unique(rows[segment.tombstones[rows] != GONE])
    if not len(fresh):
        return 0
    path = segment.folder / TOMBSTONES
    try:
        with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
            for row in fresh.tolist():
                mapped[row] = GONE
            mapped.flush()
    except OSError as error:
        raise storage.refused(path, error) from error
    return len(fresh)


def _named(segment: Segment, owners: Sequence[str], repositories: Sequence[str]) -> list[Ints]:
    """Return the place rows of owners and repositories by their folded names."""
    ranges = []
    for owner in owners:
        for name in (owner, _GIST + owner.removeprefix(_GITHUB)) if owner.startswith(_GITHUB) else (owner,):
            # Everything that begins with name/: "0" is the sign after "/".
            ranges.append((_position(segment, f"{name}/"), _position(segment, f"{name}0")))
    for key in repositories:
        at = _position(segment, key)
        is_here = at < segment.repositories.num_rows and segment.repositories["key"][at].as_py() == key
        ranges.append((at, at + is_here))
    return [_rows_of(segment, number) for begin, end in ranges for number in range(begin, end)]


def _position(segment: Segment, key: str) -> int:
    """Return the first repository whose key is not below one."""
    keys = segment.repositories["key"]
    return bisect.bisect_left(range(len(keys)), key, key=lambda at: keys[at].as_py())


def _rows_of(segment: Segment, repository: int) -> Ints:
    begin = segment.repositories["begin"][repository].as_py()
    count = segment.repositories["num_places"][repository].as_py()
    return segment.repository_places[begin : begin + count].astype(np.int64)


def _hidden_names(segment: Segment, owners: set[str], repositories: set[str]) -> list[Ints]:
    """Return the place rows of owners and repositories by the hashes of their folded names."""
    found = []
    for number, key in enumerate(segment.repositories["key"].to_pylist()):
        steps = key.split("/")
        above = ["/".join(steps[:count]) for count in range(2, len(steps))]
        above += [_GITHUB + one.removeprefix(_GIST) for one in above if one.startswith(_GIST)]
        if _hashed(key) in repositories or any(_hashed(one) in owners for one in above):
            found.append(_rows_of(segment, number))
    return found


def _of_ids(segment: Segment, contents: Sequence[str], places: Sequence[str]) -> Ints:
    """Return the place rows of contents, and beside others of their near duplicates, and of places."""
    found = [np.empty(0, np.int64)]
    if contents:
        wanted = np.array(sorted(bytes.fromhex(one) for one in contents), "S20")
        rows = segment.find(wanted)
        found += [np.arange(*segment.place_bounds.of(row)) for row in rows[rows >= 0].tolist()]
        own = fixed(segment.places["content_id"])
        at = np.minimum(np.searchsorted(wanted, own), len(wanted) - 1)
        found.append(np.flatnonzero(wanted[at] == own))
    if places:
        named = is_named(pa.Table.from_batches([segment.places]), pa.array(places))
        found.append(np.flatnonzero(named))
    return np.concatenate(found)


def place_ids_of(segment: Segment, rows: Ints) -> list[str]:
    """Return the place ids of place rows."""
    chosen = segment.places.take(pa.array(rows))
    return [str(one) for one in place_ids(pa.Table.from_batches([chosen])).to_pylist()]


def settle(folder: Path, state: index_state.State, segments: Iterable[Segment]) -> None:
    """Name new segments in index.json, after everything that was ever removed was taken out of them. Call while `removing`."""
    segments = list(segments)
    apply(read_log(folder), segments)
    # Readers of the segments before and of those after find theirs stated.
    before = gone.read(folder)
    both = replace(before, segments={**before.segments, **gone.stated_of(0, segments).segments})
    _state(folder, before, both)
    index_state.write(folder, state)
    named = {str(number) for number, _ in state.segments}
    _state(folder, both, replace(both, segments={name: one for name, one in both.segments.items() if name in named}))
