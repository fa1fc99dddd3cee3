"""What look-ups by name need of all segments of an opened index together: which repositories, contents and places are the same.

Made once for each opened index, by the first look-up (`joined`), in memory: 4 bytes for each place; where segments have contents in common
(several releases), 4 more, 8 for each row of a document, and 4 for each content and segment. A hundred thousand places take about
10 ms. It depends on nothing that a removal changes: tombstones and lists are looked at when a question is asked.

Numbers of repositories ascend with their keys, so everything of an owner lies in a row. Two places are the same when content, repository
(by its folded name), path, revision and whether it is a near duplicate are; a 64-bit hash tells them apart.

Choice: in memory and not in a file, because a file of a segment cannot know the segments that are added later.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data.memory import give_back
from stack_data.search.documents import NEAR
from stack_data.search.hiding import repository_rows
from stack_data.search.owned_kernels import host_codes, local_numbers, lower_bound, number_ids, place_keys
from stack_data.search.segment import Segment

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint32]
ID_COLUMNS = ("owner_id", "repo_id")
_NAMED = ("language", "license")


class Segmented(Protocol):
    """An index on this machine, as look-ups need it."""

    @property
    def segments(self) -> Sequence[Segment]:
        """Its segments, in the order in which they were made."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What is the same in other segments. contents: uint32[D], the number of each document's content; rows: int32[C], the row of each
    content here or -1; places: uint32[P], the number of each place among those of its repository."""

    contents: Codes
    rows: npt.NDArray[np.int32]
    places: Codes


@dataclass(frozen=True, slots=True)
class Part:
    """A segment. first: how many documents the segments before have; numbers: uint32[R], its repositories' numbers, ascending;
    repositories: uint32[P], that of each place; begins, counts: int64[R], their runs of repository_places; names: dictionaries;
    documents, releases, codes: columns of places."""

    segment: Segment
    first: int
    numbers: Codes
    repositories: Codes
    begins: Ints
    counts: Ints
    documents: Codes
    releases: npt.NDArray[np.uint64]
    names: dict[str, list[str]]
    codes: dict[str, npt.NDArray[np.int32]]
    shared: Shared | None


@dataclass(frozen=True, slots=True)
class Ids:
    """Numbers that hosts gave: repository number and value, int64[M] each, ascending by both; order: by value."""

    repositories: Ints
    values: Ints
    order: Ints

    @classmethod
    def of(cls, repositories: Ints, values: Ints) -> Ids:
        """Return pairs, each once."""
        order = np.lexsort((values, repositories))
        repositories, values = repositories[order], values[order]
        is_first = np.ones(len(order), bool)
        is_first[1:] = (repositories[1:] != repositories[:-1]) | (values[1:] != values[:-1])
        repositories, values = repositories[is_first], values[is_first]
        return cls(repositories, values, np.argsort(values, kind="stable"))

    def of_repositories(self, numbers: Ints) -> tuple[Ints, Ints]:
        """Return (repositories, values) of the pairs of these repositories, ascending."""
        begins, ends = (np.searchsorted(self.repositories, numbers, side) for side in ("left", "right"))
        at = runs(begins, ends - begins)
        return self.repositories[at], self.values[at]

    def with_value(self, value: int) -> Ints:
        """Return the repositories that have a value."""
        begin, end = (int(np.searchsorted(self.values[self.order], value, side)) for side in ("left", "right"))
        return self.repositories[self.order[begin:end]]


@dataclass(frozen=True, slots=True)
class Joined:
    """See the module. keys: of all repositories, ascending; hosts: folded, of those keys; host_codes: int32[R]; ids: by column of ID_COLUMNS;
    sizes: int64[C], bytes of each content, where segments share contents; num_places: int64[R] then."""

    parts: tuple[Part, ...]
    keys: pa.StringArray
    hosts: tuple[str, ...]
    host_codes: npt.NDArray[np.int32]
    ids: dict[str, Ids]
    sizes: Ints
    num_places: Ints

    @property
    def is_shared(self) -> bool:
        """Whether some content has rows in several segments."""
        return any(one.shared is not None for one in self.parts)

    def position(self, key: str) -> int:
        """Return the first repository whose key is not below one."""
        wanted = np.frombuffer(key.encode("utf-8", "surrogatepass"), np.uint8)
        return int(lower_bound(*text_of(self.keys), len(self.keys), wanted))

    def label(self, number: int) -> tuple[str, str]:
        """Return (host, owner/repo) of a repository, spelled as in the first segment that has it."""
        for part in self.parts:
            row = int(np.searchsorted(part.numbers, number))
            if row < len(part.numbers) and part.numbers[row] == number:
                host, owner, repo = (part.segment.repositories[name][row].as_py() for name in ("host", "owner", "repo"))
                return host, f"{owner}/{repo}"
        raise AssertionError("unreachable")


_KNOWN: weakref.WeakKeyDictionary[Segmented, Joined] = weakref.WeakKeyDictionary()


def joined(index: Segmented) -> Joined:
    """Return what an opened index's segments have in common; made at the first call, and kept as long as the index is open."""
    found = _KNOWN.get(index)
    if found is None:
        # Threads that come at once make the same; the last one stays.
        found = _KNOWN[index] = _made(index.segments)
    return found


def _made(segments: Sequence[Segment]) -> Joined:
    keys = _keys(segments)
    parts = [_part(one, keys, first) for one, first in zip(segments, _firsts(segments), strict=True)]
    sizes = counts = np.empty(0, np.int64)
    if len(segments) > 1 and shares(segments):
        shared, sizes, counts = _shared(parts, len(keys))
        # What it took is several times what it made.
        give_back()
        parts = [_with(part, one) for part, one in zip(parts, shared, strict=True)]
    codes = host_codes(*text_of(keys), len(keys))
    starts = np.searchsorted(codes, np.arange(codes[-1] + 1 if len(codes) else 0)).tolist()
    hosts = tuple(keys[row].as_py().partition("/")[0] for row in starts)
    return Joined(tuple(parts), keys, hosts, codes, {name: _ids(parts, name) for name in ID_COLUMNS}, sizes, counts)


def _keys(segments: Sequence[Segment]) -> pa.StringArray:
    every = [one.repositories["key"] for one in segments]
    if len(every) == 1:
        return every[0]
    names = pa.concat_arrays([pa.array([], pa.string()), *every]).unique()
    return names.take(pc.sort_indices(names))


def _firsts(segments: Sequence[Segment]) -> list[int]:
    return [0, *np.cumsum([len(one) for one in segments]).tolist()][: len(segments)]


def _part(segment: Segment, keys: pa.StringArray, first: int) -> Part:
    table, places = segment.repositories, segment.places
    numbers = pc.index_in(table["key"], keys).to_numpy(zero_copy_only=False).astype(np.uint32)
    begins, counts = (table[name].to_numpy().astype(np.int64) for name in ("begin", "num_places"))
    return Part(
        segment, first, numbers, numbers[repository_rows(segment)], begins, counts, places["document"].to_numpy(),
        places["releases"].to_numpy(), {name: places[name].dictionary.to_pylist() for name in _NAMED},
        {name: places[name].indices.to_numpy() for name in _NAMED}, None,
    )  # fmt: skip


def _with(part: Part, shared: Shared) -> Part:
    return Part(
        part.segment, part.first, part.numbers, part.repositories, part.begins, part.counts, part.documents, part.releases,
        part.names, part.codes, shared,
    )  # fmt: skip


def shares(segments: Sequence[Segment]) -> bool:
    """Return whether some content has rows in several segments: in all but one of them without its text, or superseded."""
    return any(len(one.superseded) or bool((one.num_bytes < 0).any()) for one in segments)


def _shared(parts: Sequence[Part], num_repositories: int) -> tuple[list[Shared], Ints, Ints]:
    """Return what segments share, the sizes of contents, and how many places each repository has."""
    raw = [one.segment.content_ids.view(np.uint8).reshape(-1, 20) for one in parts]
    every, count = number_ids(np.concatenate(raw))
    contents = np.split(every, np.cumsum([len(one) for one in raw])[:-1])
    sizes = np.zeros(count, np.int64)
    for part, numbers in zip(parts, contents, strict=True):
        has = np.flatnonzero(part.segment.num_bytes >= 0)
        sizes[numbers[has]] = part.segment.num_bytes[has]
    keys = np.concatenate([_place_keys(part, ids) for part, ids in zip(parts, raw, strict=True)])
    repositories = np.concatenate([one.repositories for one in parts])
    places, counts = local_numbers(keys, repositories, num_repositories)
    split = np.split(places, np.cumsum([len(one.repositories) for one in parts])[:-1])
    return [Shared(one, _rows(one, count), two) for one, two in zip(contents, split, strict=True)], sizes, counts


def _rows(contents: Codes, count: int) -> npt.NDArray[np.int32]:
    rows = np.full(count, -1, np.int32)
    rows[contents] = np.arange(len(contents), dtype=np.int32)
    return rows


def _place_keys(part: Part, ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    places = part.segment.places
    texts = [one for name in ("path", "revision") for one in text_of(places[name])]
    is_near = part.segment.relations == NEAR
    return np.asarray(place_keys(part.documents, ids, part.repositories, is_near, *texts), np.uint64)


def _ids(parts: Sequence[Part], name: str) -> Ids:
    pairs = [(np.empty(0, np.int64), np.empty(0, np.int64))]
    for part in parts:
        values = part.segment.repositories[name].fill_null(0).to_numpy()
        rows = np.flatnonzero(values)
        pairs.append((part.numbers[rows].astype(np.int64), values[rows]))
    return Ids.of(*(np.concatenate(column) for column in zip(*pairs, strict=True)))


def text_of(column: pa.StringArray) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    """Return offsets (int32[N + 1]) and bytes of a column of strings, nothing copied."""
    _, offsets, data = column.buffers()
    return np.frombuffer(offsets or bytes(4), np.int32)[column.offset :], np.frombuffer(data or b"", np.uint8)


def runs(begins: Ints, counts: Ints) -> Ints:
    """Return begins[i], begins[i] + 1, ... of each, counts[i] of them, one after the other."""
    ends = np.cumsum(counts)
    return np.asarray(np.repeat(begins - (ends - counts), counts) + np.arange(ends[-1] if len(ends) else 0), np.int64)
