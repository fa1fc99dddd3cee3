"""An index that was opened to be asked: every segment that index.json lists, mapped, seen as one.

Implements protocol.SearchIndex. A content may have a row in several segments: one holds its text, the others add places of later releases.
Later segments come first where they differ, and a content lives while any of its own places does. Opening copies nothing but
one byte per place where suppression lists are given. `current` opens what was added since; what was removed since is seen at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stack_data.errors import InputError
from stack_data.optout.lists import SuppressionList
from stack_data.search import gone, index_state
from stack_data.search.documents import raw_column
from stack_data.search.facts import facts_of
from stack_data.search.grams import Grams
from stack_data.search.hiding import hide
from stack_data.search.index_state import SEGMENTS, State
from stack_data.search.outlines import Outlines
from stack_data.search.protocol import Candidates, Documents, Facts, Release, Texts
from stack_data.search.segment import ROW, Bools, Ints, Segment
from stack_data.search.views import VIEWS, View

_TRIES = 5


def open_index(folder: Path | str, lists: Sequence[SuppressionList] = ()) -> Index:
    """Open an index, a folder, to be asked; what the lists name, masked or removed, is hidden.

    Raises InputError when the folder is no index, is damaged, or was made with other parameters or another lexer.
    """
    return _opened(Path(folder), tuple(lists), {})


def _opened(folder: Path, lists: tuple[SuppressionList, ...], known: dict[tuple[int, str], Segment]) -> Index:
    """Open what index.json lists now, keeping the segments that are open already."""
    path = folder / index_state.INDEX
    for left in reversed(range(_TRIES)):
        signature = index_state.signature(path) if path.exists() else None
        state = index_state.read(folder)
        try:
            segments = [
                known[one] if one in known else Segment(folder / SEGMENTS / str(one[0]), one[1])
                for one in state.segments
            ]
            gone.check(folder, segments)
        except InputError:
            # A merge may have taken it away between the two looks.
            if left == 0 or index_state.signature(path) == signature:
                raise
            continue
        if lists:
            hide(segments, lists)
        return Index(folder, state, segments, lists, signature)
    raise AssertionError("unreachable")


class Index:
    """See the module. Threads may ask at the same time."""

    def __init__(
        self, folder: Path, state: State, segments: Sequence[Segment], lists: tuple[SuppressionList, ...],
        signature: tuple[int, int, int] | None,
    ) -> None:  # fmt: skip
        self.folder, self.state, self.segments = folder, state, tuple(segments)
        self._lists, self._signature = lists, signature
        self._path = folder / index_state.INDEX
        self._by_number = {one.number: one for one in segments}
        self._superseded = np.unique(np.concatenate([np.empty(0, np.int64), *(one.superseded for one in segments)]))

    @property
    def searched(self) -> tuple[Release, ...]:
        """The releases, in the order in which they were added."""
        return self.state.releases

    @property
    def views(self) -> tuple[View, ...]:
        """The views that can be asked."""
        return VIEWS

    def current(self) -> Index:
        """Return the index as it is now: itself when nothing was added or merged since. InputError when it is gone."""
        if index_state.signature(self._path) == self._signature:
            return self
        known = dict(zip(self.state.segments, self.segments, strict=True))
        return _opened(self.folder, self._lists, known)

    def candidates(self, grams: Grams, most: int | None = None) -> Candidates:
        """Return where grams of a query may occur, of the rarest grams about `most` places; InputError when what is read is damaged."""
        tables = [segment.samples[grams.view.name] for segment in self.segments]
        buckets = [table.buckets(grams) for table in tables]
        left_out = _too_common(sum((ends - begins for begins, ends in buckets), np.zeros(len(grams), np.int64)), most)
        found, withheld = [], [np.empty(0, np.int64)]
        for segment, table, (begins, ends) in zip(self.segments, tables, buckets, strict=True):
            query, rows, position = table.probe(grams, (begins, np.where(left_out, begins, ends)))
            if not len(rows):
                continue
            documents = rows | segment.number << 32
            if len(self._superseded):
                is_valid = ~_in_sorted(documents, self._superseded)
                query, position = query[is_valid], position[is_valid]
                rows, documents = rows[is_valid], documents[is_valid]
            lives = self._living(segment, rows)
            if not lives.all():
                withheld.append(documents[~lives])
                query, position, documents = query[lives], position[lives], documents[lives]
            found.append((query, documents, position))
        hidden = np.unique(np.concatenate(withheld)) if len(withheld) > 1 else withheld[0]
        return _joined(found, hidden, left_out)

    def _living(self, segment: Segment, rows: Ints) -> Bools:
        """Return which documents of a segment live by a place of any segment: bool[N]."""
        lives = segment.living(rows)
        if len(self.segments) > 1 and not lives.all():
            dead = np.flatnonzero(~lives)
            ids = segment.content_ids[rows[dead]]
            for other in self.segments:
                if other is not segment:
                    at = other.find(ids)
                    here = np.flatnonzero(at >= 0)
                    lives[dead[here]] |= other.living(at[here])
        return lives

    def living(self, documents: Documents) -> Bools:
        """Return which documents live: bool[D]."""
        lives = np.zeros(len(documents), bool)
        for segment, at, rows in self.split(documents):
            lives[at] = self._living(segment, rows)
        return lives

    def split(self, documents: Documents) -> Iterable[tuple[Segment, Ints, Ints]]:
        """Yield each segment with the places of its documents among those given, and their rows."""
        numbers = documents >> 32
        is_one = len(self.segments) == 1 and len(documents) > 0 and int(numbers.max()) == int(numbers.min())
        for number in [int(numbers[0])] if is_one else np.unique(numbers).tolist():
            at = np.arange(len(documents)) if is_one else np.flatnonzero(numbers == number)
            rows = (documents if is_one else documents[at]) & ROW
            segment = self._by_number.get(number)
            if segment is None or (rows >= len(segment)).any():
                raise InputError(
                    f"{self.folder} has no document {int(documents[at[0]])}; ask anew, the index was changed"
                )
            yield segment, at, rows

    def texts(self, documents: Documents) -> Texts:
        """Return the texts of documents, in their order; InputError when what is read is damaged."""
        ids, families = self.content_ids(documents), np.empty(len(documents), np.uint8)
        pieces: list[npt.NDArray[np.uint8]] = [np.empty(0, np.uint8)] * len(documents)
        for segment, at, rows in self.split(documents):
            families[at] = segment.families_of(rows)
            data, bounds = segment.texts.read(rows)
            for number, begin, end in zip(at.tolist(), bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
                pieces[number] = data[begin:end]
        bounds = np.cumsum([0, *map(len, pieces)])
        data = np.concatenate(pieces) if len(pieces) > 1 else pieces[0] if pieces else np.empty(0, np.uint8)
        buffers = [None, pa.py_buffer(bounds.astype(np.int64)), pa.py_buffer(data)]
        texts = pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(documents), buffers)
        return Texts(documents, raw_column(ids, 20), texts, families)

    def outlines(self, documents: Documents) -> Outlines:
        """Return what is known of documents before they are read, in their order; InputError when it is damaged."""
        families, sizes = np.empty(len(documents), np.uint8), np.empty(len(documents), np.int64)
        counts, parts, places = np.empty(len(documents), np.int64), [], []
        for segment, at, rows in self.split(documents):
            families[at], sizes[at] = segment.families_of(rows), segment.num_bytes[rows]
            counts[at], marks = segment.marks.read(rows)
            parts.append(marks)
            places.append(at)
        bounds = np.concatenate([[0], np.cumsum(counts)])
        return Outlines(families, sizes, bounds, _in_place(parts, places, bounds))

    def pieces(self, documents: Documents, begins: Ints, ends: Ints) -> tuple[npt.NDArray[np.uint8], Ints]:
        """Return the bytes from begins[i] to ends[i] of each document's text, one after the other, and their bounds int64[P + 1]."""
        bounds, parts, places = np.concatenate([[0], np.cumsum(ends - begins)]), [], []
        for segment, at, rows in self.split(documents):
            parts.append(segment.texts.read_pieces(rows, begins[at], ends[at])[0])
            places.append(at)
        return _in_place(parts, places, bounds), bounds

    def content_ids(self, documents: Documents) -> npt.NDArray[np.bytes_]:
        """Return the content ids of documents: bytes20[D]."""
        ids = np.empty(len(documents), "S20")
        for segment, at, rows in self.split(documents):
            ids[at] = segment.content_ids[rows]
        return ids

    def find(self, ids: npt.NDArray[np.bytes_]) -> Documents:
        """Return the documents that hold the texts of contents (bytes20[N]), -1 where there is none: int64[N]."""
        found = np.full(len(ids), -1)
        for segment in self.segments:
            rows = segment.find(ids)
            at = np.flatnonzero(rows >= 0)
            at = at[segment.num_bytes[rows[at]] >= 0]
            found[at] = rows[at] | segment.number << 32
        return found

    def facts(self, documents: Documents) -> list[Facts]:
        """Return what is known of documents, in their order; one without a place of its own left has no places."""
        return facts_of(self.segments, self.searched, documents, self.content_ids(documents))


def _in_place(parts: Sequence[npt.NDArray[Any]], places: Sequence[Ints], bounds: Ints) -> npt.NDArray[Any]:
    """Return rows of segments in the order of documents: part i has those of the documents places[i], bounds[d]:bounds[d + 1] of each."""
    if len(parts) < 2:
        return parts[0] if parts else np.empty(0, np.uint8)
    rows = [np.arange(bounds[one], bounds[one + 1]) for at in places for one in at.tolist()]
    joined = np.concatenate(parts)
    found = np.empty_like(joined)
    found[np.concatenate(rows)] = joined
    return found


def _in_sorted(values: Ints, ascending: Ints) -> Bools:
    at = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    return np.asarray(ascending[at] == values)


def _too_common(sizes: Ints, most: int | None) -> Bools:
    """Tell which grams are left out so that those that stay have about `most` samples in their buckets, the smallest first."""
    left_out = np.zeros(len(sizes), bool)
    if most is not None and sizes.sum() > most:
        order = np.argsort(sizes, kind="stable")
        left_out[order[1:][np.cumsum(sizes[order])[1:] > most]] = True
    return left_out


def _joined(
    found: Sequence[tuple[npt.NDArray[np.int32], Ints, npt.NDArray[np.int32]]], withheld: Ints, left_out: Bools
) -> Candidates:
    """Return the hits of all segments by (query, document, position)."""
    if len(found) == 1:
        query, document, position = found[0]
        return Candidates(query, document, position, withheld, left_out)
    empty = (np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.int32))
    query, document, position = (np.concatenate(column) for column in zip(empty, *found, strict=True))
    order = np.argsort(query, kind="stable")
    return Candidates(query[order], document[order], position[order], withheld, left_out)
