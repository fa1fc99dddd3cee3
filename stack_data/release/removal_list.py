"""Removal lists: what later left a release, for those who hold a copy of it. Format `fairstack-removals/1`, JSON lines.

First line: the header (release version and identity, epoch, how many entries, which suppression lists it follows). Then one entry
a line: {"content_id"} of a file that left altogether, or {"place_id"} of a place (identity.place_id: a hash, no name). Last line: the
builder's signature (stack_data/signing.py). Always the full set for its release; the epoch rises with every list that says more.

What left is asked of the release's own provenance, since the build may have moved on: the same `resolve`, and the places of
the build that are reserved in their repository, gone from their host or an author's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stack_data import manifest, signing, storage
from stack_data.decide_optout import repositories_of
from stack_data.errors import ConfigError, InputError
from stack_data.optout import Places, SuppressionList, resolve
from stack_data.pipeline import Run
from stack_data.place_ids import is_named, place_ids
from stack_data.records import REPOSITORIES
from stack_data.registry import epochs
from stack_data.release.removal import Removal

FORMAT = "fairstack-removals/1"
_HEADER = {"format", "name", "release", "identity", "epoch", "key_id", "num_entries", "created", "lists"}
_DIGITS = {"content_id": "[0-9a-f]{40}", "place_id": "[0-9a-f]{64}"}
_COLUMNS = ["released_content_id", "content_id", "relation", "host", "owner", "repo", "owner_id", "repo_id", "path", "is_vendor", "is_generated"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class RemovalList:
    """A removal list that was read and checked."""

    header: Mapping[str, Any]
    removal: Removal


def removal_of(run: Run, folder: Path) -> Removal:
    """Return what of a release has left by what the build knows now."""
    tables = [storage.read_parquet(path, _COLUMNS) for path in sorted((folder / "provenance").rglob("*.parquet"))]
    rows = pa.concat_tables(tables)
    gone = _resolved(run, rows)
    known = _left_places(run, rows["content_id"].combine_chunks().unique())
    hit = pc.is_in(rows["content_id"], known["content_id"].combine_chunks().unique()).to_numpy()
    if hit.any():
        suspects = np.flatnonzero(hit)
        gone[suspects[is_named(rows.take(pa.array(suspects)), place_ids(known))]] = True
    own = pc.not_equal(rows["relation"], "near").to_numpy()
    released = rows["released_content_id"].combine_chunks()
    stays = released.filter(pa.array(own & ~gone)).unique()
    left = released.filter(pa.array(own & gone)).unique()
    contents = left.filter(pc.invert(pc.is_in(left, stays)))
    # Places of contents that leave altogether need no entry of their own.
    single = gone & ~pc.is_in(released, contents).to_numpy(zero_copy_only=False)
    places = place_ids(rows.take(pa.array(np.flatnonzero(single)))).unique()
    return Removal(contents.take(pc.sort_indices(contents)), places.take(pc.sort_indices(places)))


def _resolved(run: Run, rows: pa.Table) -> Any:
    """Apply the lists in force to a release's provenance: bool[N]."""
    repositories, of_row = _repositories(run, rows)
    copies = [rows[name].fill_null(True).to_numpy() for name in ("is_vendor", "is_generated")]
    places = Places(
        rows["content_id"].combine_chunks(), of_row, rows["path"].combine_chunks(), None, copies[0] | copies[1]
    )
    lists = [_direct(one) for one in run.lists]
    return np.array(resolve([places], repositories, lists, author_share=run.config.optout.author_share).rows[0])


def _direct(one: SuppressionList) -> SuppressionList:
    """Return a list without what a release cannot answer: who wrote a file, and whether all its other places are younger.

    Those places are asked of the build, which knows more places than a release shows.
    """
    entries = tuple(replace(entry, spread="none") for entry in one.entries if entry.kind != "email")
    return replace(one, entries=entries)


def _repositories(run: Run, rows: pa.Table) -> tuple[pa.Table, Any]:
    """Return the repositories of provenance rows, with what the build knows of them, and each row's: int64[N]."""
    names = ["host", "owner", "repo", "owner_id", "repo_id"]
    distinct = rows.select(names).group_by(names).aggregate([])
    key = _keys(rows)
    own = _keys(distinct)
    of_row = pc.index_in(key, own).to_numpy(zero_copy_only=False).astype(np.int64)
    built, _ = repositories_of(run)
    at = pc.index_in(own, _keys(built))
    columns: dict[str, Any] = {}
    for field in REPOSITORIES:
        columns[field.name] = distinct[field.name] if field.name in names else built[field.name].take(at)
    return pa.table(columns), of_row


def _keys(rows: pa.Table) -> pa.Array:
    names = (
        pc.cast(rows[name], pa.string()).fill_null("") for name in ("host", "owner", "repo", "owner_id", "repo_id")
    )
    joined = pc.binary_join_element_wise(*names, "\n")
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


def _left_places(run: Run, ids: pa.Array) -> pa.Table:
    """Return the places of the build that left, of contents with these ids: content_id, host, owner, repo, path."""
    names = ["content_id", "host", "owner", "repo", "path"]
    tables = [pa.schema([(name, pa.string()) for name in names]).empty_table()]
    for group, part in run.parts():
        reasons = storage.read_parquet(run.build.decisions("optout", part), ["reason"])["reason"]
        rows = pc.indices_nonzero(reasons.is_valid())
        if len(rows):
            places = storage.read_parquet(run.build.provenance(part), ["content_id", "repository", "path"]).take(rows)
            places = places.filter(pc.is_in(places["content_id"], ids))
            owners = storage.read_parquet(run.build.repositories(group), ["host", "owner", "repo"]).take(
                places["repository"]
            )
            tables.append(pa.table([places["content_id"], *owners.columns, places["path"]], names=names))
    return pa.concat_tables(tables)


def publish(run: Run, folder: Path, secret: str) -> Path | None:
    """Write the removal list of a release, signed where there is a key, when it says more than the last; return the newest, or None."""
    made = manifest.read(folder / "manifest.json")
    removal = removal_of(run, folder)
    shelf = run.build.removals(folder.name)
    earlier = sorted(shelf.glob("*.jsonl"), key=lambda path: int(path.stem))
    entries = [{"content_id": one} for one in removal.contents.to_pylist()]
    entries += [{"place_id": one} for one in removal.places.to_pylist()]
    lines = [json.dumps(one) for one in entries]
    if earlier and earlier[-1].read_text(encoding="utf-8").splitlines()[1:][: len(lines)] == lines:
        return earlier[-1]
    if not earlier and not entries:
        return None
    header = {
        "format": FORMAT, "name": run.config.name, "release": folder.name, "identity": storage.sha256_file(folder / "manifest.json"),
        "epoch": int(earlier[-1].stem) + 1 if earlier else 1, "key_id": _key_id(made, secret), "num_entries": len(entries),
        "created": run.lock.date, "lists": epochs(run.lists),
    }  # fmt: skip
    text = "".join(line + "\n" for line in (json.dumps(header), *lines))
    path = shelf / f"{header['epoch']}.jsonl"
    storage.write_text(path, signing.signed(text, secret) if secret else text)
    return path


def _key_id(made: manifest.Manifest, secret: str) -> str:
    """Return the key_id that a list is signed with; ConfigError when the release states another key."""
    stated, own = made.plan["config"].get("key", ""), signing.public_key(secret) if secret else ""
    if stated and stated != own:
        raise ConfigError(
            f"release {made.plan['config']['version']} states that its removal lists are signed with key {signing.key_id(stated)}; set "
            f"{signing.SECRET} to its secret"
        )
    return signing.key_id(own) if own else ""


def read(raw: bytes, origin: str, trusted: Iterable[str]) -> RemovalList:
    """Parse and check a removal list. trusted: public keys; none: it may be unsigned. InputError names the line."""
    lines = raw.split(b"\n")
    if lines.pop() != b"" or not lines:
        raise InputError(f"{origin}: line {len(lines) + 1}: has no end; the file was cut off")
    header = signing.json_line(lines[0], origin, 1)
    if header.get("format") != FORMAT or set(header) != _HEADER:
        raise InputError(f"{origin}: line 1: format is {header.get('format')!r}, this version reads {FORMAT!r}")
    last = signing.json_line(lines[-1], origin, len(lines))
    trusted = list(trusted)
    if set(last) == {"signature"} and trusted:
        body = raw[: raw.rindex(b"\n", 0, len(raw) - 1) + 1]
        signing.check(body, str(last["signature"]), str(header["key_id"]), trusted, origin)
    elif trusted:
        raise InputError(f"{origin}: line {len(lines)}: no signature; this release's removal lists are signed")
    rows = lines[1:-1] if set(last) == {"signature"} else lines[1:]
    if len(rows) != header["num_entries"]:
        raise InputError(f"{origin}: line 1: num_entries is {header['num_entries']}, the file has {len(rows)}")
    found: dict[str, list[str]] = {"content_id": [], "place_id": []}
    for at, line in enumerate(rows, 2):
        one = signing.json_line(line, origin, at)
        kind = next(iter(one), "")
        if len(one) != 1 or kind not in found or not re.fullmatch(_DIGITS[kind], str(one[kind])):
            raise InputError(f"{origin}: line {at}: is no content_id and no place_id: {line[:60]!r}")
        found[kind].append(one[kind])
    return RemovalList(
        header, Removal(pa.array(found["content_id"], pa.string()), pa.array(found["place_id"], pa.string()))
    )
