"""The places of an owner or a repository in the segments of an index, and what else holds the same contents.

Reads mapped tables and what joins them (joined.py); writes nothing. A name is found by binary search among the repositories. Where the
index has the host's numbers, the same account under another name is found too: an owner asked for by name has every repository that
carries the owner's number on that host, a repository those that carry its number. Places that were removed or are hidden do not exist
here, whoever asks: no answer tells that somebody left.

What is returned are arrays: nothing is made per place but what a page shows. One content may have rows in several segments, and one
place may be in several releases: each is returned once, as a row of the first segment that shows it, with the releases of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data.identity import fold_name
from stack_data.search.aliases import Alias, Aliases
from stack_data.search.clone_urls import Asked
from stack_data.search.documents import NEAR
from stack_data.search.joined import Joined, Part, Segmented, joined
from stack_data.search.names import beginnings
from stack_data.search.owned_kernels import distinct, first_equal, gather_shown, others, shown_of
from stack_data.search.segment import Segment

Ints = npt.NDArray[np.int64]
Masks = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Held:
    """K places of one segment. rows, documents: int64[K]; releases: uint64[K], of equal places in other segments too."""

    part: Part
    rows: Ints
    documents: Ints
    releases: Masks

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def segment(self) -> Segment:
        """The segment whose rows these are."""
        return self.part.segment

    def contents(self) -> Ints:
        """Return the rows of the documents, each once."""
        return np.asarray(distinct(self.documents), np.int64)

    def repositories(self) -> Ints:
        """Return the number of each place's repository."""
        return self.part.repositories[self.rows].astype(np.int64)

    def is_near(self) -> npt.NDArray[np.bool_]:
        """Return which places are of near duplicates that were dropped."""
        return np.asarray(self.segment.relations[self.rows] == NEAR)

    def where(self, chosen: npt.NDArray[np.bool_]) -> Held:
        """Return some of the places."""
        return Held(self.part, self.rows[chosen], self.documents[chosen], self.releases[chosen])

    def column(self, name: str) -> pa.Array:
        """Return a column of places."""
        return self.segment.places[name].take(pa.array(self.rows))


def hosts_of(segments: Sequence[Segment]) -> tuple[str, ...]:
    """Return the hosts of segments, folded."""
    found = {fold_name(host) for one in segments for host in one.places["host"].dictionary.to_pylist()}
    return tuple(sorted(found))


@dataclass(frozen=True, slots=True)
class Repositories:
    """Repositories that are asked for. numbers: int64[R], of `index` (see Joined), ascending; followed: by which other name, and whose."""

    index: Joined
    numbers: Ints
    followed: tuple[tuple[str, int], ...] = ()


def repositories_of(index: Segmented, asked: Asked, aliases: Aliases | None = None) -> Repositories:
    """Return what is asked about: by name, by the host's numbers of what has that name, and by the other names that are known.

    A name that somebody only claims is followed where nothing of the name itself is shown.
    """
    known = joined(index)
    named = _named(known, beginnings(asked, known.hosts))
    found = Repositories(known, _numbered(known, named, asked))
    others = aliases.of(asked) if aliases else []
    found = _following(found, [one for one in others if not one.is_claimed])
    claimed = [one for one in others if one.is_claimed]
    return _following(found, claimed) if claimed and not any(map(len, places_of(found))) else found


def _following(found: Repositories, others: Sequence[Alias]) -> Repositories:
    """Add the repositories that other names lead to."""
    pairs = [(one.name, _named(found.index, [one.target])) for one in others]
    new = [(name, int(rows[0])) for name, rows in pairs if len(rows) and rows[0] not in found.numbers]
    if not new:
        return found
    numbers = np.union1d(found.numbers, np.array([number for _, number in new], np.int64))
    return Repositories(found.index, numbers, (*found.followed, *new))


def _named(known: Joined, starts: Iterable[str]) -> Ints:
    found = [np.empty(0, np.int64)]
    for start in starts:
        first = known.position(start)
        if start.endswith("/"):
            # "0" follows "/": all keys that begin with the start lie between them.
            last = known.position(start[:-1] + "0")
        else:
            last = first + (first < len(known.keys) and known.keys[first].as_py() == start)
        if last > first:
            found.append(np.arange(first, last))
    return np.unique(np.concatenate(found)) if len(found) > 2 else found[-1]


def _numbered(known: Joined, named: Ints, asked: Asked) -> Ints:
    """Return repositories by name, and those that carry a number of theirs on the same host.

    Numbers count where they are the owner's own, not a subgroup's.
    """
    ids = known.ids["repo_id" if asked.repo else "owner_id"]
    repositories, values = ids.of_repositories(named)
    if len(repositories) and not asked.repo:
        slashes = pc.count_substring(known.keys.take(pa.array(repositories)), "/").to_numpy()
        own = slashes == 2 + asked.owner.count("/")
        repositories, values = repositories[own], values[own]
    pairs = set(zip(known.host_codes[repositories].tolist(), values.tolist(), strict=True))
    found = [one[known.host_codes[one] == host] for host, value in pairs for one in (ids.with_value(value),)]
    return np.unique(np.concatenate([named, *found])) if found else named


def places_of(found: Repositories) -> list[Held]:
    """Return the places of repositories, of every segment."""
    known, masks = found.index, np.empty(0, np.uint64)
    slots = np.empty(0, np.int64)
    if known.is_shared:
        ends = np.cumsum(known.num_places[found.numbers])
        slots = ends - known.num_places[found.numbers]
        masks = np.zeros(ends[-1] if len(ends) else 0, np.uint64)
    made = [_held_of(part, found.numbers, slots, masks) for part in known.parts]
    if not known.is_shared:
        return [one for one, _ in made]
    # Only now have the masks the releases of all segments.
    return [Held(one.part, one.rows, one.documents, masks[where]) for one, where in made]


def _held_of(part: Part, numbers: Ints, slots: Ints, masks: Masks) -> tuple[Held, Ints]:
    """Return a segment's places of repositories that were not met yet, and where their releases are in masks."""
    at = np.searchsorted(part.numbers, numbers)
    here = (
        np.flatnonzero(part.numbers[np.minimum(at, len(part.numbers) - 1)] == numbers) if len(part.numbers) else at[:0]
    )
    at = at[here]
    segment, none = part.segment, np.empty(0, np.int64)
    if not len(at):
        return _held(part, none), none
    begins, counts = part.begins[at], part.counts[at]
    if part.shared is None:
        rows = shown_of(begins, counts, segment.repository_places, segment.tombstones, segment.hidden)
        return _held(part, rows), none
    rows, where = gather_shown(
        begins, counts, slots[here], segment.repository_places, part.shared.places, part.releases, segment.tombstones,
        segment.hidden, masks,
    )  # fmt: skip
    return _held(part, rows), where


def _held(part: Part, rows: Ints) -> Held:
    return Held(part, rows, part.documents[rows].astype(np.int64), part.releases[rows])


def content_numbers(places: Held) -> Ints:
    """Return the number of each place's content: equal for equal contents of the index's segments."""
    shared = places.part.shared
    return (
        places.documents + places.part.first if shared is None else shared.contents[places.documents].astype(np.int64)
    )


def sizes_of(known: Joined, contents: Ints) -> int:
    """Return the bytes of contents, by their numbers, in all."""
    if known.is_shared:
        return int(known.sizes[contents].sum())
    total = 0
    for part in known.parts:
        rows = contents[(contents >= part.first) & (contents < part.first + len(part.segment))] - part.first
        total += int(part.segment.num_bytes[rows].sum())
    return total


def beside(mine: Sequence[Held], found: Repositories) -> list[Held]:
    """Return the other own places of the contents of these places, in every segment: those of other repositories."""
    known = found.index
    numbers = np.empty(0, np.int64)
    if known.is_shared:
        present = [content_numbers(one) for one in mine if len(one)]
        numbers = distinct(np.concatenate(present)) if present else numbers
    rows = [
        _others(part, _documents(part, own, numbers), found.numbers)
        for part, own in zip(known.parts, mine, strict=True)
    ]
    parts = [_held(part, one) for part, one in zip(known.parts, rows, strict=True)]
    return _once(parts) if known.is_shared else parts


def _documents(part: Part, own: Held, numbers: Ints) -> Ints:
    """Return the rows of contents in a segment, -1 for those it has not."""
    return own.contents() if part.shared is None else part.shared.rows[numbers].astype(np.int64)


def _others(part: Part, documents: Ints, mine: Ints) -> Ints:
    if not len(documents):
        return documents
    segment = part.segment
    bounds = segment.place_bounds
    found = others(
        documents, bounds.begins, bounds.end, part.repositories, mine, segment.relations, NEAR, segment.tombstones, segment.hidden
    )  # fmt: skip
    return np.asarray(found, np.int64)


def _once(parts: list[Held]) -> list[Held]:
    """Leave of equal places the first, with the releases of all."""
    if sum(len(one) > 0 for one in parts) < 2:
        return parts
    keys = [one.repositories() << 32 | one.part.shared.places[one.rows] for one in parts if one.part.shared is not None]
    first = first_equal(np.concatenate(keys).view(np.uint64))
    masks = np.concatenate([one.releases for one in parts])
    again = np.flatnonzero(first != np.arange(len(first)))
    np.bitwise_or.at(masks, first[again], masks[again])
    keep = np.ones(len(first), bool)
    keep[again] = False
    cuts = np.cumsum([len(one) for one in parts])[:-1]
    columns = zip(parts, np.split(masks, cuts), np.split(keep, cuts), strict=True)
    return [Held(one.part, one.rows, one.documents, mask).where(kept) for one, mask, kept in columns]
