"""What an index has of an owner, a repository or a package: an answer in three parts.

released    files released under that name: counts, bytes, languages, licences, releases; the files themselves page by page
dropped     what a build had of it and did not release, by reason (dropped.py); only where a build is given
elsewhere   what lives on in others' copies: the same contents at places of others, and others' released files of which a file of
            this name is a near duplicate that was dropped

Reads mapped tables. What was removed is in no part of the answer, not even as a count: who asks for a name is told nothing of who
left. `files` counts places, `contents` and bytes each content once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stack_data.search.clone_urls import Asked, asked_of
from stack_data.search.documents import NEAR
from stack_data.search.owned import (
    Held,
    Repositories,
    beside,
    content_keys,
    hosts_of,
    places_of,
    repositories_of,
    repository_hashes,
)
from stack_data.search.owned_kernels import first_equal
from stack_data.search.protocol import Release
from stack_data.search.segment import Segment

MOST_REPOSITORIES = 200
PAGE = 100


class Segments(Protocol):
    """An index on this machine, as look-ups need it."""

    @property
    def segments(self) -> Sequence[Segment]:
        """Its segments, in the order in which they were made."""

    @property
    def searched(self) -> tuple[Release, ...]:
        """Its releases; the r-th is bit r of masks."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How much. files: places; contents and num_bytes: each content once; by language and licence: files, most first."""

    files: int
    contents: int
    num_bytes: int
    languages: dict[str, int]
    licenses: dict[str, int]
    versions: dict[str, int]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Copies at others' places. contents: how many different ones; places and repositories: at which others have them."""

    contents: int
    num_bytes: int
    places: int
    repositories: int


@dataclass(frozen=True, slots=True)
class Owned:
    """An answer. repositories: (host, owner/repo, files shown), most files first, at most MOST_REPOSITORIES of num_repositories."""

    asked: Asked
    released: Counts
    num_repositories: int
    repositories: tuple[tuple[str, str, int], ...]
    exact: Elsewhere
    near: Elsewhere
    searched: tuple[Release, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the answer as JSON values."""
        counted = {name: getattr(self.released, name) for name in Counts.__dataclass_fields__}
        return {
            "name": self.asked.name, "released": {"bytes": counted.pop("num_bytes"), **counted},
            "num_repositories": self.num_repositories,
            "repositories": [{"host": host, "repo_name": name, "files": files} for host, name, files in self.repositories],
            "elsewhere": {"exact": _elsewhere_json(self.exact), "near": _elsewhere_json(self.near)},
            "searched": [{"release": one.label, "identity": one.identity} for one in self.searched],
        }  # fmt: skip


def _elsewhere_json(found: Elsewhere) -> dict[str, int]:
    return {
        "contents": found.contents,
        "bytes": found.num_bytes,
        "places": found.places,
        "repositories": found.repositories,
    }


def asked_in(index: Segments, text: str) -> Asked:
    """Return what a text asks about, its hosts being those of the index too; InputError when it names nothing."""
    return asked_of(text, hosts_of(index.segments))


def owner(index: Segments, asked: Asked) -> Owned:
    """Return what an index has of an owner or repository; all counts are 0 when it has nothing, or nothing any more."""
    found = repositories_of(index.segments, asked)
    mine = _at_path(places_of(found), asked.path)
    own, near = ([one.where((one.relations == NEAR) == is_near) for one in mine] for is_near in (False, True))
    repositories = _repositories(own)
    return Owned(
        asked, _counts(own, index.searched), len(repositories), tuple(repositories[:MOST_REPOSITORIES]),
        _elsewhere(_copies(own, found)), _elsewhere(_copies(near, found)), index.searched,
    )  # fmt: skip


def _at_path(places: list[Held], path: str) -> list[Held]:
    """Leave the places at a path, or below it."""
    if not path:
        return places
    chosen = []
    for one in places:
        column = one.column("path")
        hit = pc.or_(pc.equal(column, path), pc.starts_with(column, path.rstrip("/") + "/"))
        chosen.append(one.where(hit.to_numpy(zero_copy_only=False)))
    return chosen


def _counts(places: Sequence[Held], releases: Sequence[Release]) -> Counts:
    versions = {
        one.label: count
        for bit, one in enumerate(releases)
        if (count := sum(int(np.count_nonzero(held.releases >> np.uint64(bit) & np.uint64(1))) for held in places))
    }
    contents, num_bytes = _sizes(places)
    return Counts(
        sum(map(len, places)), contents, num_bytes, _tally(places, "language"), _tally(places, "license"), versions
    )


def _sizes(places: Sequence[Held]) -> tuple[int, int]:
    """Return how many contents these are, and their bytes; a row that adds places to a content of another segment has no size."""
    present = [one for one in places if len(one)]
    sizes = [np.maximum(one.segment.num_bytes[one.contents()].astype(np.int64), 0) for one in present]
    if len(present) < 2:
        return sum(map(len, sizes)), sum(int(one.sum()) for one in sizes)
    first = first_equal(np.concatenate([content_keys(one) for one in present]))
    best = np.zeros(len(first), np.int64)
    np.maximum.at(best, first, np.concatenate(sizes))
    return int((first == np.arange(len(first))).sum()), int(best.sum())


def _tally(places: Sequence[Held], name: str) -> dict[str, int]:
    """Return how many places have each value of a column, the most first."""
    total: Counter[str] = Counter()
    for one in places:
        column = one.segment.places[name]
        counts = np.bincount(column.indices.to_numpy()[one.rows], minlength=len(column.dictionary))
        for code in np.flatnonzero(counts).tolist():
            total[column.dictionary[code].as_py()] += int(counts[code])
    return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))


def _repositories(places: Sequence[Held]) -> list[tuple[str, str, int]]:
    """Return (host, owner/repo, files) of repositories, most files first; a name is spelled as in its first segment."""
    total: Counter[int] = Counter()
    names: dict[int, tuple[str, str]] = {}
    for one in places:
        hashes = repository_hashes(one)
        first = first_equal(hashes)
        counts = np.bincount(first, minlength=1)
        for at in np.flatnonzero(counts).tolist():
            total[int(hashes[at])] += int(counts[at])
            host, owner, repo = (
                one.segment.places[name][int(one.rows[at])].as_py() for name in ("host", "owner", "repo")
            )
            names.setdefault(int(hashes[at]), (host, f"{owner}/{repo}"))
    found = [(*names[key], count) for key, count in total.items()]
    return sorted(found, key=lambda item: (-item[2], item[:2]))


def _copies(places: Sequence[Held], found: Sequence[Repositories]) -> list[Held]:
    """Return others' places that hold the very contents that these places are of, or are near duplicates of."""
    return [one.where(one.relations != NEAR) for one in beside(places, found)]


def _elsewhere(others: Sequence[Held]) -> Elsewhere:
    return Elsewhere(*_sizes(others), sum(map(len, others)), len(_repositories(others)))


# Pages


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list. rows: what stands on it; total: how long the list is; next: where the next page begins, None at the end."""

    rows: tuple[dict[str, Any], ...]
    total: int
    next: int | None

    def to_json(self) -> dict[str, Any]:
        """Return the page as JSON values."""
        return {"rows": list(self.rows), "total": self.total, "next": self.next}


def files(index: Segments, asked: Asked, first: int = 0, count: int = PAGE) -> Page:
    """Return a page of the files released under a name, by repository and path."""
    places = _at_path(places_of(repositories_of(index.segments, asked)), asked.path)
    return _page([one.where(one.relations != NEAR) for one in places], index.searched, first, count)


def copies(index: Segments, asked: Asked, relation: str = "exact", first: int = 0, count: int = PAGE) -> Page:
    """Return a page of others' places that hold the contents of a name (exact), or files near to them (near)."""
    found = repositories_of(index.segments, asked)
    is_near = relation == "near"
    mine = [one.where((one.relations == NEAR) == is_near) for one in _at_path(places_of(found), asked.path)]
    return _page(_copies(mine, found), index.searched, first, count)


_ORDER = ("host", "owner", "repo", "path", "revision")


def _page(places: Sequence[Held], releases: Sequence[Release], first: int, count: int) -> Page:
    total = sum(map(len, places))
    if first >= total:
        return Page((), total, None)
    table = pa.concat_tables([_sortable(one, number) for number, one in enumerate(places)])
    order = pc.sort_indices(table, [(name, "ascending") for name in (*_ORDER, "part", "at")])
    chosen = table.take(order[first : first + count]).select(["part", "at"]).to_pylist()
    rows = tuple(_place(places[one["part"]], one["at"], releases) for one in chosen)
    return Page(rows, total, first + count if first + count < total else None)


def _sortable(places: Held, number: int) -> pa.Table:
    columns = {name: places.column(name).cast(pa.string()) for name in _ORDER}
    return pa.table(columns | {"part": pa.array(np.full(len(places), number)), "at": pa.array(np.arange(len(places)))})


def _place(places: Held, at: int, releases: Sequence[Release]) -> dict[str, Any]:
    row, mask = int(places.rows[at]), int(places.releases[at])
    host, owner, repo, path, revision, language, expression, relation = (
        places.segment.places[name][row].as_py()
        for name in (*_ORDER[:3], "path", "revision", "language", "license", "relation")
    )
    return {
        "content_id": places.segment.places["content_id"][row].as_py().hex(), "host": host, "repo_name": f"{owner}/{repo}",
        "path": path, "revision": revision or None, "language": language or None, "license": expression or None,
        "relation": relation, "versions": [one.label for bit, one in enumerate(releases) if mask >> bit & 1],
    }  # fmt: skip
