"""The documents of one or several folders of token shards, numbered one after the other, and the groups they belong to.

A document's number is its row in its folder's documents.arrow plus the rows of the folders before it; neither a drop nor another
number of workers changes it. Names of repositories and files are read when they are written into a row, so a place that left since is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from model.packing.mixture import Group
from stack_data.errors import InputError

Ints = npt.NDArray[np.int64]
VALIDATION = "validation"
"""The split that nothing is trained on."""
Names = tuple[npt.NDArray[np.uint8], Ints]
"""Strings one after the other, and where each begins: uint8[.], int64[N + 1]."""


class TokenSource(Protocol):
    """What is read of a folder of token shards (model.shards)."""

    @property
    def num_documents(self) -> int: ...
    @property
    def num_tokens(self) -> npt.NDArray[Any]: ...
    @property
    def is_dropped(self) -> npt.NDArray[np.bool_]: ...
    @property
    def content_ids(self) -> npt.NDArray[np.uint8]: ...
    @property
    def columns(self) -> pa.Table: ...
    @property
    def releases(self) -> tuple[str, ...]: ...
    @property
    def identity(self) -> str: ...
    def tokens(self, document: int) -> npt.NDArray[Any]: ...


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents to draw from.

    begins      int64[S + 1]: the number of the first document of each folder
    num_tokens  int64[D]: as tokenized, drops notwithstanding; content_ids uint8[D, 20]
    group_of    int32[D]: -1 for documents of another split
    repository_of  int64[D]: number of the repository that was displayed when the shards were made; 0: none
    num_held_out   documents of the train split that are left out, since another folder has their content in its validation split
    """

    sources: tuple[TokenSource, ...]
    begins: Ints
    num_tokens: Ints
    content_ids: npt.NDArray[np.uint8]
    groups: tuple[Group, ...]
    group_of: npt.NDArray[np.int32]
    repository_of: Ints
    num_held_out: int = 0

    @classmethod
    def of(cls, sources: tuple[TokenSource, ...], split: str = "train", beside: tuple[TokenSource, ...] = ()) -> Corpus:
        """Join folders of shards. InputError when none has a document of the split.

        What any of the folders, or of those `beside` them, holds out for validation is drawn from none for training. Drops change nothing of it.
        """
        begins = np.cumsum([0, *(source.num_documents for source in sources)])
        numbers: dict[Group, int] = {}
        group_of = np.concatenate([_groups_of(source, split, numbers) for source in sources])
        if not numbers:
            raise InputError(f"the shards hold no document of the split {split!r}: make them of a release that has one")
        content_ids = np.concatenate([source.content_ids for source in sources])
        is_held_out = np.zeros(len(group_of), bool)
        if split != VALIDATION and len(sources) + len(beside) > 1:
            is_held_out = np.isin(_raw(content_ids), _held_out((*sources, *beside))) & (group_of >= 0)
        group_of = np.where(is_held_out, np.int32(-1), group_of)
        left = set(np.unique(group_of).tolist())
        # Numbered by name: the order of folders or documents decides nothing.
        order = sorted(group for group, number in numbers.items() if number in left)
        if not order:
            raise InputError(
                f"all documents of the split {split!r} are held out by another folder's validation split; name other shards"
            )
        renumbered = np.full(len(numbers) + 1, -1, np.int32)  # the last is for documents of another split
        for number, group in enumerate(order):
            renumbered[numbers[group]] = number
        return cls(
            sources, begins, np.concatenate([np.asarray(source.num_tokens, np.int64) for source in sources]),
            content_ids, tuple(order), renumbered[group_of], _repositories_of(sources),
            int(is_held_out.sum()),
        )  # fmt: skip

    def sizes(self) -> Ints:
        """Return the tokens of each group, dropped documents included: int64[G]."""
        member = self.group_of >= 0
        return np.bincount(self.group_of[member], self.num_tokens[member], len(self.groups)).astype(np.int64)

    def texts(self, documents: Ints, firsts: Ints, counts: npt.NDArray[np.int32]) -> list[npt.NDArray[Any]]:
        """Return some tokens of each of some documents: views, uint[count]."""
        sources = np.searchsorted(self.begins, documents, side="right") - 1
        rows = (documents - self.begins[sources]).tolist()
        ends = (firsts + counts).tolist()
        wanted = zip(sources.tolist(), rows, firsts.tolist(), ends, strict=True)
        return [self.sources[source].tokens(row)[first:end] for source, row, first, end in wanted]

    def is_dropped(self, documents: Ints) -> npt.NDArray[np.bool_]:
        """Tell which documents are dropped by now: bool[N]."""
        if len(self.sources) == 1:
            return np.asarray(self.sources[0].is_dropped[documents])
        found = np.zeros(len(documents), bool)
        for source, begin, end in zip(self.sources, self.begins[:-1], self.begins[1:], strict=True):
            mine = (begin <= documents) & (documents < end)
            found[mine] = source.is_dropped[documents[mine] - begin]
        return found

    def names(self, column: str, documents: Ints) -> Names:
        """Return a column of strings of some documents; "" where there is none."""
        source_of = np.searchsorted(self.begins, documents, side="right") - 1
        order = np.argsort(source_of, kind="stable")
        taken = [pa.array([], pa.large_string())]
        for source in np.unique(source_of).tolist():
            rows = pa.array(documents[order][source_of[order] == source] - self.begins[source])
            taken.append(
                pa.concat_arrays(self.sources[source].columns[column].take(rows).cast(pa.large_string()).chunks)
            )
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        found = pa.concat_arrays(taken).take(pa.array(places)).fill_null("")
        if not len(found):
            return np.empty(0, np.uint8), np.zeros(1, np.int64)
        _, offsets, data = found.buffers()
        bounds = np.frombuffer(offsets, np.int64, len(found) + 1, 8 * found.offset)
        return np.frombuffer(data or b"", np.uint8)[bounds[0] :], bounds - bounds[0]

    def language_of(self, document: int) -> str:
        """Return the language of a document of the split."""
        return self.groups[int(self.group_of[document])].language


def _raw(content_ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.bytes_]:
    return np.ascontiguousarray(content_ids).view("S20").ravel()


def _held_out(sources: tuple[TokenSource, ...]) -> npt.NDArray[np.bytes_]:
    """Return the contents of validation splits."""
    found = []
    for source in sources:
        splits, split_of = _coded(source.columns["split"])
        is_member = np.isin(split_of, [number for number, name in enumerate(splits) if name == VALIDATION])
        found.append(_raw(source.content_ids[is_member]))
    return np.concatenate(found)


def _repositories_of(sources: tuple[TokenSource, ...]) -> Ints:
    """Return the number of each document's repository, those of each folder after those of the folders before it: int64[D]."""
    found, last = [np.empty(0, np.int64)], 0
    for source in sources:
        numbers = source.columns["repository"].to_numpy().astype(np.int64)
        found.append(np.where(numbers > 0, numbers + last, 0))
        last = max(last, int(found[-1].max(initial=0)))
    return np.concatenate(found)


def _groups_of(source: TokenSource, split: str, numbers: dict[Group, int]) -> npt.NDArray[np.int32]:
    """Return the number of each document's group, -1 for another split: int32[D]. numbers: filled with groups as they are met."""
    columns = [_coded(source.columns[name]) for name in ("language", "kind", "split")]
    releases = np.asarray(source.columns["release"].combine_chunks(), np.int64)
    (languages, language), (kinds, kind), (splits, split_of) = columns
    joined = (releases * (len(languages) + 1) + language) * (len(kinds) + 1) + kind
    is_member = np.isin(split_of, [number for number, name in enumerate(splits) if name == split])
    found = np.full(len(joined), -1, np.int32)
    values, firsts, inverse = np.unique(joined[is_member], return_index=True, return_inverse=True)
    rows = np.flatnonzero(is_member)[firsts]
    mine = [Group(source.releases[releases[row]], languages[language[row]], kinds[kind[row]]) for row in rows.tolist()]
    found[is_member] = (
        np.array([numbers.setdefault(group, len(numbers)) for group in mine], np.int32)[inverse] if len(values) else -1
    )
    return found


def _coded(column: pa.ChunkedArray) -> tuple[list[str], Ints]:
    """Return the values of a column and the number of each row's: a list, int64[D]."""
    joined = column.combine_chunks()
    joined = joined if isinstance(joined, pa.DictionaryArray) else joined.dictionary_encode()
    return ["" if name is None else name for name in joined.dictionary.to_pylist()], np.asarray(
        joined.indices.fill_null(0), np.int64
    )
