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

from stack_data.search.aliases import Aliases
from stack_data.search.clone_urls import Asked, asked_of
from stack_data.search.joined import Joined, joined
from stack_data.search.owned import Held, Repositories, beside, content_numbers, places_of, repositories_of, sizes_of
from stack_data.search.owned_kernels import bits_of, distinct
from stack_data.search.protocol import Release
from stack_data.search.segment import Segment

MOST_REPOSITORIES = 200
_MOST_LIKE = 20
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
    """An answer. repositories: (host, owner/repo, files shown), most files first, at most MOST_REPOSITORIES of num_repositories.

    aliases: (other name that is asked for, host, owner/repo that was found by it).
    """

    asked: Asked
    released: Counts
    num_repositories: int
    repositories: tuple[tuple[str, str, int], ...]
    exact: Elsewhere
    near: Elsewhere
    searched: tuple[Release, ...]
    aliases: tuple[tuple[str, str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the answer as JSON values."""
        counted = {name: getattr(self.released, name) for name in Counts.__dataclass_fields__}
        return {
            "name": self.asked.name, "released": {"bytes": counted.pop("num_bytes"), **counted},
            "num_repositories": self.num_repositories,
            "repositories": [{"host": host, "repo_name": name, "files": files} for host, name, files in self.repositories],
            "aliases": [{"alias": alias, "host": host, "repo_name": name} for alias, host, name in self.aliases],
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
    return asked_of(text, joined(index).hosts)


def owner(index: Segments, asked: Asked, aliases: Aliases | None = None) -> Owned:
    """Return what an index has of an owner or repository; all counts are 0 when it has nothing, or nothing any more.

    aliases: other names to follow.
    """
    found = repositories_of(index, asked, aliases)
    mine = _at_path(places_of(found), asked.path)
    own, near = _split(mine)
    count, repositories = _repositories(own, found.index, MOST_REPOSITORIES)
    return Owned(
        asked, _counts(own, found.index, index.searched), count, tuple(repositories), _elsewhere(own, found),
        _elsewhere(near, found), index.searched, _followed(mine, found),
    )  # fmt: skip


def called(index: Segments, asked: Asked) -> tuple[str, ...]:
    """Return the first repositories, host/owner/repo, that an index shows something of and that are called as an owner was: who maintains a
    package often asks for its name."""
    known = joined(index)
    at = np.flatnonzero(pc.ends_with(known.keys, f"/{asked.owner}").to_numpy(zero_copy_only=False))[:_MOST_LIKE]
    names = ["/".join(known.label(number)) for number in at.tolist()]
    return tuple(one for one in names if owner(index, asked_in(index, one)).released.files)


def _followed(mine: Sequence[Held], found: Repositories) -> tuple[tuple[str, str, str], ...]:
    """Return the other names that led to something, and to what."""
    if not found.followed:
        return ()
    shown = {number for one in mine for number in one.repositories().tolist()}
    return tuple((name, *found.index.label(number)) for name, number in found.followed if number in shown)


def _split(places: Sequence[Held]) -> tuple[list[Held], list[Held]]:
    """Return the places of released files, and those of near duplicates that were dropped beside one."""
    near = [one.is_near() for one in places]
    return (
        [one.where(~hit) if hit.any() else one for one, hit in zip(places, near, strict=True)],
        [one.where(hit) for one, hit in zip(places, near, strict=True)],
    )


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


def _counts(places: Sequence[Held], known: Joined, releases: Sequence[Release]) -> Counts:
    bits = bits_of(np.concatenate([np.empty(0, np.uint64), *(one.releases for one in places)])).tolist()
    versions = {one.label: count for one, count in zip(releases, bits, strict=False) if count}
    contents, num_bytes = _sizes(places, known)
    return Counts(
        sum(map(len, places)), contents, num_bytes, _tally(places, "language"), _tally(places, "license"), versions
    )


def _sizes(places: Sequence[Held], known: Joined) -> tuple[int, int]:
    """Return how many contents these are, and their bytes."""
    present = [content_numbers(one) for one in places if len(one)]
    if not present:
        return 0, 0
    contents = distinct(np.concatenate(present))
    return len(contents), sizes_of(known, contents)


def _tally(places: Sequence[Held], name: str) -> dict[str, int]:
    """Return how many places have each value of a column, the most first."""
    total: Counter[str] = Counter()
    for one in places:
        if len(one):
            counts = np.bincount(one.part.codes[name][one.rows])
            for code in np.flatnonzero(counts).tolist():
                total[one.part.names[name][code]] += int(counts[code])
    return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))


def _repositories(places: Sequence[Held], known: Joined, most: int) -> tuple[int, list[tuple[str, str, int]]]:
    """Return how many repositories there are, and (host, owner/repo, files) of those with most files, ties by name."""
    numbers = [one.repositories() for one in places if len(one)]
    if not numbers:
        return 0, []
    found, counts = np.unique(np.concatenate(numbers), return_counts=True)
    chosen = np.lexsort((found, -counts))[:most]
    return len(found), [(*known.label(int(found[at])), int(counts[at])) for at in chosen.tolist()]


def _elsewhere(own: Sequence[Held], found: Repositories) -> Elsewhere:
    """Return how much others hold of the very contents that these places are of, or are near duplicates of."""
    if not any(map(len, own)):
        return Elsewhere(0, 0, 0, 0)
    places = beside(own, found)
    return Elsewhere(*_sizes(places, found.index), sum(map(len, places)), _repositories(places, found.index, 0)[0])


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


def files(index: Segments, asked: Asked, first: int = 0, count: int = PAGE, aliases: Aliases | None = None) -> Page:
    """Return a page of the files released under a name, by repository and path."""
    own, _ = _split(_at_path(places_of(repositories_of(index, asked, aliases)), asked.path))
    return _page(own, index.searched, first, count)


def copies(
    index: Segments, asked: Asked, relation: str = "exact", first: int = 0, count: int = PAGE, aliases: Aliases | None = None
) -> Page:  # fmt: skip
    """Return a page of others' places that hold the contents of a name (exact), or files near to them (near)."""
    found = repositories_of(index, asked, aliases)
    own, near = _split(_at_path(places_of(found), asked.path))
    return _page(beside(near if relation == "near" else own, found), index.searched, first, count)


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
