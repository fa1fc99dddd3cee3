"""The places of an owner or a repository in the segments of an index, and what else holds the same contents.

Reads the mapped tables; writes nothing. A name is found by binary search in a segment's repositories. Where the index has the host's
numbers, the same account under another name is found too: an owner asked for by name has every repository that carries the owner's
number on that host, a repository those that carry its number. Places that were removed or are hidden do not exist here, whoever asks:
no answer tells that somebody left.

What is returned are arrays: nothing is made per place but what a page shows. One content may have rows in several segments, and one
place may be in several releases: `Held.releases` joins them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stack_data.identity import fold_name
from stack_data.search.clone_urls import Asked
from stack_data.search.documents import repository_key
from stack_data.search.families import token_hash
from stack_data.search.names import beginnings
from stack_data.search.owned_kernels import find_ascending, first_equal, merged, others, place_keys
from stack_data.search.segment import Segment

Ints = npt.NDArray[np.int64]
Masks = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Held:
    """K places of one segment, by rows of places, ascending; so are their documents.

    rows, documents: int64[K]; releases: uint64[K]; relations: int8[K].
    """

    segment: Segment
    rows: Ints
    documents: Ints
    releases: Masks
    relations: npt.NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.rows)

    def contents(self) -> Ints:
        """Return the rows of the documents, each once, ascending."""
        is_first = np.ones(len(self), bool)
        is_first[1:] = self.documents[1:] != self.documents[:-1]
        return np.asarray(self.documents[is_first])

    def where(self, chosen: npt.NDArray[np.bool_]) -> Held:
        """Return some of the places."""
        return Held(
            self.segment, self.rows[chosen], self.documents[chosen], self.releases[chosen], self.relations[chosen]
        )

    def column(self, name: str) -> pa.Array:
        """Return a column of places."""
        return self.segment.places[name].take(pa.array(self.rows))

    def codes(self, name: str) -> Ints:
        """Return the codes of a dictionary column of places."""
        return np.asarray(self.segment.places[name].indices.to_numpy()[self.rows], np.int64)


def held(segment: Segment, rows: Ints) -> Held:
    """Return these places of a segment, without those removed or hidden."""
    if not len(rows):
        return Held(segment, rows, rows, rows.view(np.uint64), np.empty(0, np.int8))
    shown = rows[segment.tombstones[rows] == 0]
    if len(segment.hidden) == len(segment.tombstones):
        shown = shown[segment.hidden[shown] == 0]
    documents = segment.places["document"].to_numpy()[shown].astype(np.int64)
    return Held(segment, shown, documents, segment.places["releases"].to_numpy()[shown], segment.relations[shown])


def raw_ids(segment: Segment) -> npt.NDArray[np.uint8]:
    """Return the content ids of a segment's documents: uint8[D, 20], ascending."""
    return segment.content_ids.view(np.uint8).reshape(-1, 20)


def content_keys(places: Held) -> npt.NDArray[np.uint64]:
    """Return the first eight bytes of the ids of `places.contents()`: what contents of several segments are told apart by."""
    return np.ascontiguousarray(raw_ids(places.segment)[places.contents(), :8]).view(np.uint64)[:, 0]


def hosts_of(segments: Sequence[Segment]) -> tuple[str, ...]:
    """Return the hosts of an index, folded."""
    found = {fold_name(host) for one in segments for host in one.places["host"].dictionary.to_pylist()}
    return tuple(sorted(found))


@dataclass(frozen=True, slots=True)
class Repositories:
    """Rows of repositories of one segment that are asked for: int64[R]; places: their rows of places, shown or not, ascending."""

    segment: Segment
    rows: Ints
    places: Ints


def repositories_of(segments: Sequence[Segment], asked: Asked) -> list[Repositories]:
    """Return what is asked about in each segment; by the numbers found in any of them too."""
    starts = beginnings(asked, hosts_of(segments))
    named = [_named(one, starts) for one in segments]
    numbers = {pair for segment, rows in zip(segments, named, strict=True) for pair in _numbers(segment, rows, asked)}
    return [
        _with_places(segment, np.union1d(rows, _numbered(segment, numbers, asked)) if numbers else rows)
        for segment, rows in zip(segments, named, strict=True)
    ]


def _named(segment: Segment, starts: Sequence[str]) -> Ints:
    keys = segment.repositories["key"]
    found = [np.empty(0, np.int64)]
    for start in starts:
        first = bisect_left(range(len(keys)), start, key=lambda row: keys[row].as_py())
        if start.endswith("/"):
            # "0" follows "/": all keys that begin with the start lie between them.
            last = bisect_left(range(len(keys)), start[:-1] + "0", key=lambda row: keys[row].as_py())
        else:
            last = first + (first < len(keys) and keys[first].as_py() == start)
        found.append(np.arange(first, last))
    return np.unique(np.concatenate(found)) if len(found) > 2 else found[-1]


def _id_column(asked: Asked) -> str:
    return "repo_id" if asked.repo else "owner_id"


def _numbers(segment: Segment, rows: Ints, asked: Asked) -> Iterator[tuple[str, int]]:
    """Yield (folded host, number) of repositories, where they have one and are the owner's own, not a subgroup's."""
    if not len(rows):
        return
    chosen = segment.repositories.take(pa.array(rows))
    wanted = fold_name(asked.owner)
    for number, host, owner in zip(
        *(chosen[name].to_pylist() for name in (_id_column(asked), "host", "owner")), strict=True
    ):
        if number and fold_name(owner) == wanted:
            yield fold_name(host), number


def _numbered(segment: Segment, numbers: set[tuple[str, int]], asked: Asked) -> Ints:
    column = segment.repositories[_id_column(asked)]
    values = np.frombuffer(column.buffers()[1], np.int64)[column.offset : column.offset + len(column)]
    hosts, found = segment.repositories["host"], []
    for host, number in numbers:
        for row in np.flatnonzero(values == number).tolist():
            if column[row].is_valid and fold_name(hosts[row].as_py()) == host:
                found.append(row)
    return np.array(sorted(found), np.int64)


def _with_places(segment: Segment, rows: Ints) -> Repositories:
    if not len(rows):
        return Repositories(segment, rows, rows)
    begins, counts = (segment.repositories[name].to_numpy()[rows].astype(np.int64) for name in ("begin", "num_places"))
    places = segment.repository_places[_runs(begins, counts)].astype(np.int64)
    return Repositories(segment, rows, np.sort(places) if len(rows) > 1 else places)


def _runs(begins: Ints, counts: Ints) -> Ints:
    """Return begins[i], begins[i] + 1, ..., counts[i] of each, one after the other."""
    ends = np.cumsum(counts)
    return np.asarray(np.repeat(begins - (ends - counts), counts) + np.arange(ends[-1] if len(ends) else 0), np.int64)


def places_of(found: Sequence[Repositories]) -> list[Held]:
    """Return the places of repositories, a place of several releases once."""
    return _joined([held(one.segment, one.places) for one in found])


def beside(mine: Sequence[Held], found: Sequence[Repositories]) -> list[Held]:
    """Return the other places of the contents of these places, in every segment: those of other repositories."""
    parts = []
    shares = _shares([one.segment for one in found])
    for one in found if any(map(len, mine)) else ():
        segment, documents = one.segment, np.empty(0, np.int64)
        for own in (own for own in mine if len(own)):
            contents = own.contents()
            if own.segment is not segment:
                if not shares:
                    continue
                contents = find_ascending(raw_ids(own.segment)[contents], raw_ids(segment))
            documents = merged(documents, contents)
        bounds = segment.place_bounds
        parts.append(held(segment, others(documents, bounds.begins, bounds.end, one.places)))
    return _joined(parts)


def _joined(parts: list[Held]) -> list[Held]:
    """Join a place that several segments have (of one content) into its first row, with the releases of all."""
    if sum(len(one) > 0 for one in parts) < 2 or not _shares([one.segment for one in parts]):
        return parts
    first = first_equal(np.concatenate([_keys(one) for one in parts]))
    masks = np.concatenate([one.releases for one in parts])
    again = np.flatnonzero(first != np.arange(len(first)))
    np.bitwise_or.at(masks, first[again], masks[again])
    keep = np.ones(len(first), bool)
    keep[again] = False
    cuts = np.cumsum([len(one) for one in parts])[:-1]
    columns = zip(parts, np.split(masks, cuts), np.split(keep, cuts), strict=True)
    return [replace(one, releases=mask).where(kept) for one, mask, kept in columns]


def _shares(segments: Sequence[Segment]) -> bool:
    """Return whether some content has rows in several segments: in all but one of them without its text, or superseded."""
    return any(len(one.superseded) or bool((one.num_bytes < 0).any()) for one in segments)


def _keys(places: Held) -> npt.NDArray[np.uint64]:
    segment = places.segment
    columns = (segment.places[name] for name in ("path", "revision"))
    texts = [part for column in columns for part in _text(column)]
    return np.asarray(
        place_keys(places.rows, places.documents, raw_ids(segment), repository_hashes(places), *texts), np.uint64
    )


def _text(column: pa.Array) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    _, offsets, data = column.buffers()
    return np.frombuffer(offsets, np.int32)[column.offset :], np.frombuffer(data or b"", np.uint8)


def repository_hashes(places: Held) -> npt.NDArray[np.uint64]:
    """Return a hash of each place's folded host/owner/repo: uint64[K]."""
    columns = [places.segment.places[name] for name in ("host", "owner", "repo")]
    codes = np.zeros(len(places), np.int64)
    for name, column in zip(("host", "owner", "repo"), columns, strict=True):
        codes = codes * len(column.dictionary) + places.codes(name)
    first = first_equal(codes.view(np.uint64))
    hashes = np.zeros(len(places), np.uint64)
    for at in np.flatnonzero(first == np.arange(len(first))).tolist():
        row = int(places.rows[at])
        hashes[at] = token_hash(repository_key(*(column[row].as_py() for column in columns)).encode())
    return np.asarray(hashes[first])
