"""Suppression lists over an index: which places a reader does not show.

`stack_data.optout.resolve` decides, on the places and repositories of all segments, with what an index knows: names, the host's
numbers, paths, contents, and near duplicates. It does not know who wrote a file nor which copy is the oldest, so e-mail entries and the
spread that nobody has granted are the builder's to resolve: its removal lists name what they reach.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from stack_data.id_columns import hex_column
from stack_data.optout import Places, resolve
from stack_data.optout.lists import SuppressionList
from stack_data.search.documents import NEAR
from stack_data.search.segment import Bools, Segment

_REPOSITORY = ("host", "owner", "repo", "owner_id", "repo_id")


def hide(segments: Sequence[Segment], lists: Sequence[SuppressionList]) -> None:
    """Let segments hide what lists name, with effect mask or remove."""
    for segment, rows in zip(segments, suppressed(segments, lists, ("mask", "remove")), strict=True):
        segment.hidden = np.ascontiguousarray(rows).view(np.uint8)


def suppressed(
    segments: Sequence[Segment], lists: Sequence[SuppressionList], effects: Sequence[str]
) -> tuple[Bools, ...]:
    """Return which place rows of each segment the lists take out: bool[P] each."""
    known = [replace(one, entries=tuple(entry for entry in one.entries if entry.kind != "email")) for one in lists]
    tables = [pa.Table.from_batches([one.repositories]).select(_REPOSITORY) for one in segments]
    repositories = pa.concat_tables(tables) if tables else pa.table({})
    return resolve(_Parts(segments), repositories, known, effects=effects, near=_near(segments)).rows if tables else ()


@dataclass(frozen=True, slots=True)
class _Parts:
    """The places of segments as `resolve` reads them, made anew each time."""

    segments: Sequence[Segment]

    def __iter__(self) -> Iterator[Places]:
        first = 0
        for segment in self.segments:
            yield Places(
                hex_column(segment.places["content_id"]), first + repository_rows(segment), segment.places["path"]
            )
            first += segment.repositories.num_rows


def repository_rows(segment: Segment) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the row of repositories.arrow that each place is of: int64[P]."""
    rows = np.empty(segment.places.num_rows, np.int64)
    rows[segment.repository_places] = np.repeat(
        np.arange(segment.repositories.num_rows), segment.repositories["num_places"].to_numpy()
    )
    return rows


def _near(segments: Sequence[Segment]) -> pa.Table:
    """Return pairs of near duplicates: the contents of documents, and of the places that were dropped beside them."""
    first, second = [], []
    for segment in segments:
        rows = np.flatnonzero(segment.relations == NEAR)
        owners = segment.places["document"].to_numpy()[rows]
        first.append(hex_column(segment.documents["content_id"].take(pa.array(owners))))
        second.append(hex_column(segment.places["content_id"].take(pa.array(rows))))
    return pa.table(
        {"first_id": pa.chunked_array(first, pa.string()), "second_id": pa.chunked_array(second, pa.string())}
    )
