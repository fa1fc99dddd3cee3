"""Which repositories, paths, contents and authors the entries of suppression lists name.

Reads a table of repositories (records.REPOSITORIES); places are then looked up by their repository's row. Names are compared
NFKC and case-folded; where an entry and a repository both carry the host's number, the numbers alone decide, so that neither a
rename loses an opt-out nor a squatted name gains one. An owner has the repositories of its subgroups, and on gist.github.com those
of its GitHub name.

Other names of a repository are followed only where nobody but the host can have written them: the name it redirects to now
(`renamed_to`). Aliases of a table may be former names, which anybody can register again, and a package states its project URL itself:
what they would reach is `linked` and waits for a moderator, unless the entry says that one has granted it.
"""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pathspec
import pyarrow as pa
import pyarrow.compute as pc

from stack_data.identity import fold_name
from stack_data.optout.id_set import CONTENT_DIGITS, EMAIL_DIGITS, IdSet
from stack_data.optout.lists import Entry
from stack_data.optout.name_columns import fold_column

MATCHES, EXACT, EXACT_GRANTED, NEAR, NEAR_GRANTED = 1, 2, 4, 8, 16
"""What an entry asks for, as bits: entries that meet at one place are joined by OR."""

_SAME_OWNERS = {"gist.github.com": "github.com"}
"""Hosts whose owners are those of another host."""

_RUNS = "[-_.]+"

Name = tuple[str, str, str]


def flags_of(entry: Entry) -> int:
    """Return an entry's bits."""
    if entry.spread == "none":
        return MATCHES
    granted = entry.granted == "moderator"
    asked = MATCHES | EXACT | (EXACT_GRANTED if granted else 0)
    return asked | ((NEAR | (NEAR_GRANTED if granted else 0)) if entry.spread == "near" else 0)


@dataclass(frozen=True, slots=True)
class Targets:
    """What entries reach among R repositories.

    repository  uint8[R]: bits of entries that name the whole repository
    linked      bool[R]: entries reach it only through a name that somebody else may hold
    paths       row of a repository -> bits and matcher of each path entry; has_paths: bool[R]
    contents    content ids and the bits of each (uint8); emails: keyed hashes and their bits, likewise
    """

    repository: npt.NDArray[np.uint8]
    linked: npt.NDArray[np.bool_]
    paths: Mapping[int, Sequence[tuple[int, Callable[[str], bool]]]]
    has_paths: npt.NDArray[np.bool_]
    contents: IdSet
    content_flags: npt.NDArray[np.uint8]
    emails: IdSet
    email_flags: npt.NDArray[np.uint8]


@dataclass(slots=True)
class _Index:
    """Entries by what they name."""

    owners: dict[tuple[str, str], list[Entry]] = field(default_factory=lambda: defaultdict(list))
    owner_ids: dict[tuple[str, int], list[Entry]] = field(default_factory=lambda: defaultdict(list))
    repositories: dict[Name, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    repository_ids: dict[tuple[str, int], list[Entry]] = field(default_factory=lambda: defaultdict(list))


def targets_of(entries: Iterable[Entry], repositories: pa.Table, renamed_to: Mapping[int, str]) -> Targets:
    """Look up entries among repositories. renamed_to: host/owner/repo to which the host redirects a repository's row now."""
    entries = list(entries)
    index = _index(entries)
    flags = np.zeros(repositories.num_rows, np.uint8)
    linked = np.zeros(repositories.num_rows, bool)
    paths: dict[int, list[tuple[int, Callable[[str], bool]]]] = defaultdict(list)
    for row, hits, loose in _reached(index, repositories, renamed_to):
        linked[row] = bool(loose) and not hits
        for entry in dict.fromkeys(hits):
            if entry.kind == "path":
                paths[row].append((flags_of(entry), _matcher(entry.glob)))
            else:
                flags[row] |= flags_of(entry)
    has_paths = np.zeros(len(flags), bool)
    has_paths[list(paths)] = True
    contents = _joined([(one.content_id, flags_of(one)) for one in entries if one.kind == "content"], CONTENT_DIGITS)
    emails = _joined([(one.email_hash, flags_of(one)) for one in entries if one.kind == "email"], EMAIL_DIGITS)
    return Targets(flags, linked, paths, has_paths, *contents, *emails)


def unreached(entries: Iterable[Entry], repositories: pa.Table, renamed_to: Mapping[int, str]) -> list[Entry]:
    """Return the entries that name an owner, repository or package of which there is none, in their order."""
    named = [one for one in entries if one.kind in ("owner", "repository", "path", "package")]
    found = {one for _, hits, loose in _reached(_index(named), repositories, renamed_to) for one in (*hits, *loose)}
    return [one for one in named if one not in found]


def _reached(
    index: _Index, repositories: pa.Table, renamed_to: Mapping[int, str]
) -> Iterator[tuple[int, list[Entry], list[Entry]]]:
    """Yield rows of repositories with the entries that reach them, and those that do through a name others may hold."""
    for row, own, other, owner_id, repo_id in _named(
        repositories, _candidates(index, repositories, renamed_to), renamed_to
    ):
        hits = _by_number(index, own[0][0], owner_id, repo_id) + [
            one for name in own for one in _by_name(index, name, owner_id, repo_id)
        ]
        loose = [one for name in other for one in _by_name(index, name, owner_id, repo_id)]
        yield row, hits + [one for one in loose if one.granted == "moderator"], loose


def _index(entries: Iterable[Entry]) -> _Index:
    index = _Index()
    for entry in entries:
        host = fold_name(entry.host)
        if entry.kind == "owner":
            index.owners[host, fold_name(entry.name)].append(entry)
            if entry.numeric_id:
                index.owner_ids[host, entry.numeric_id].append(entry)
        elif entry.kind in ("repository", "path", "package"):
            index.repositories[_split(host, entry.name)].append(entry)
            if entry.numeric_id:
                index.repository_ids[host, entry.numeric_id].append(entry)
    return index


def _split(host: str, name: str) -> Name:
    """Return the folded (host, owner, repo) of a name such as owner/repo, -/package, @scope/package or package."""
    owner, _, repo = fold_name(name).removeprefix("@").rpartition("/")
    return _folded(host, owner or "-", repo)


def _folded(host: str, owner: str, repo: str) -> Name:
    host, owner, repo = fold_name(host), fold_name(owner), fold_name(repo)
    # The Python registry takes runs of these characters for one another.
    return host, owner, re.sub(_RUNS, "-", repo) if host == "pypi" else repo


def _candidates(index: _Index, repositories: pa.Table, renamed_to: Mapping[int, str]) -> npt.NDArray[np.int64]:
    """Return the rows of repositories that entries may name, and some that they do not: whatever host they are of.

    Most repositories have nothing to do with any entry; only the others are looked at one by one.
    """
    maybe = np.zeros(repositories.num_rows, bool)
    if not (index.owners or index.owner_ids or index.repositories or index.repository_ids):
        return np.flatnonzero(maybe)
    maybe[list(renamed_to)] = True
    present = set(repositories.column_names)
    if "aliases" in present:
        maybe |= _true(pc.greater(pc.list_value_length(repositories["aliases"]), 0))
    owners, repos = fold_column(repositories["owner"]), fold_column(repositories["repo"])
    owner_names = {owner.partition("/")[0] for _, owner in index.owners}
    maybe |= _is_any(pc.replace_substring_regex(owners, "(?s)/.*", ""), owner_names)
    full_names = {f"{owner}/{re.sub(_RUNS, '-', repo)}" for _, owner, repo in index.repositories}
    maybe |= _is_any(
        pc.binary_join_element_wise(owners, pc.replace_substring_regex(repos, _RUNS, "-"), "/"), full_names
    )
    for name, numbers in (("owner_id", index.owner_ids), ("repo_id", index.repository_ids)):
        if name in present:
            maybe |= _is_any(repositories[name].cast(pa.int64()), {number for _, number in numbers if number < 2**63})
    return np.flatnonzero(maybe)


def _is_any(column: pa.Array | pa.ChunkedArray, values: set[Any]) -> npt.NDArray[np.bool_]:
    return _true(pc.is_in(column, pa.array(list(values), column.type)))


def _true(column: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    return np.asarray(column.fill_null(False).to_numpy(zero_copy_only=False), bool)


def _named(
    repositories: pa.Table, rows: npt.NDArray[np.int64], renamed_to: Mapping[int, str]
) -> Iterator[tuple[int, list[Name], list[Name], int | None, int | None]]:
    """Yield for these rows of repositories: the row, its names that are certain, those that are not, and its numbers."""
    chosen = repositories.take(pa.array(rows))
    columns = [
        chosen[name].to_pylist() if name in chosen.column_names else [None] * len(rows)
        for name in ("host", "owner", "repo", "owner_id", "repo_id", "aliases")
    ]
    for row, host, owner, repo, owner_id, repo_id, aliases in zip(rows.tolist(), *columns, strict=True):
        own = [_folded(host, owner, repo)]
        if row in renamed_to:
            own.append(_parsed(renamed_to[row]))
        yield row, own, [_parsed(alias) for alias in aliases or () if alias.count("/") >= 2], owner_id, repo_id


def _parsed(name: str) -> Name:
    host, _, rest = name.partition("/")
    owner, _, repo = rest.rpartition("/")
    return _folded(host, owner, repo)


def _by_number(index: _Index, host: str, owner_id: int | None, repo_id: int | None) -> list[Entry]:
    home = _SAME_OWNERS.get(host, host)
    by_owner = index.owner_ids.get((home, owner_id), []) if owner_id else []
    return [*by_owner, *(index.repository_ids.get((host, repo_id), []) if repo_id else [])]


def _by_name(index: _Index, name: Name, owner_id: int | None, repo_id: int | None) -> Iterator[Entry]:
    host, owner, _ = name
    for entry in index.repositories.get(name, ()):
        if not (entry.numeric_id and repo_id):
            yield entry
    steps = owner.split("/")
    for length in range(1, len(steps) + 1):
        for home in dict.fromkeys((host, _SAME_OWNERS.get(host, host))):
            for entry in index.owners.get((home, "/".join(steps[:length])), ()):
                # The number of a subgroup is not that of its group: only like is compared with like.
                if not (entry.numeric_id and owner_id and length == len(steps)):
                    yield entry


@functools.lru_cache(maxsize=100_000)
def _matcher(glob: str) -> Callable[[str], bool]:
    return pathspec.GitIgnoreSpec.from_lines([glob]).match_file


def _joined(pairs: Sequence[tuple[str, int]], digits: int) -> tuple[IdSet, npt.NDArray[np.uint8]]:
    ids = pa.array([one for one, _ in pairs], pa.string())
    known = IdSet.of([ids], digits)
    flags = np.zeros(len(known), np.uint8)
    np.bitwise_or.at(flags, known.index_in(ids), np.array([bits for _, bits in pairs], np.uint8))
    return known, flags
