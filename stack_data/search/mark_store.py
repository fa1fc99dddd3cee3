"""The marks of a segment's texts (outlines.py), mapped: where a reader may begin in the middle of a text.

texts.marks   uint32[D + 1]: the marks of document d are bounds[d]:bounds[d + 1], padded to a multiple of 8 bytes; then uint32[M, 5], the
              marks: code tokens, lexemes, bytes and code points before each, and its line

Pages are checked when they are read. Every document has a mark at its beginning, those too whose text lies in another segment.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numba import njit

from stack_data.search.borrowed import borrowed
from stack_data.search.pages import Pages, checked

MARKS = "texts.marks"
Ints = npt.NDArray[np.int64]
Marks = npt.NDArray[np.uint32]


def write_marks(path: Path, parts: Sequence[tuple[Ints, Marks]]) -> None:
    """Write the outlines of lots of documents, one after the other: (bounds int64[N + 1], marks uint32[M, 5]) each."""
    counts = [np.diff(bounds) for bounds, _ in parts]
    bounds = np.cumsum(np.concatenate([[0], *counts])).astype(np.uint32)
    with path.open("wb") as file:
        file.write(bounds.data)
        file.write(bytes(-bounds.nbytes % 8))
        for _, marks in parts:
            file.write(np.ascontiguousarray(marks).data)


class MarkStore:
    """The marks of a segment. Threads may read at the same time."""

    def __init__(self, pages: Pages, num_documents: int) -> None:
        """Take the mapped file; InputError when it is not of this many documents."""
        begin = 4 * (num_documents + 1)
        begin += -begin % 8
        pages.check(4 * num_documents, min(begin, len(pages.raw)))
        if len(pages.raw) < begin:
            raise pages.damaged()
        self._pages = pages
        self._bounds = pages.raw[: 4 * (num_documents + 1)].view(np.uint32)
        self._begin = begin
        if begin + 20 * int(self._bounds[-1]) != len(pages.raw):
            raise pages.damaged()
        self._marks = pages.raw[begin:].view(np.uint32)

    def read(self, rows: Ints) -> tuple[Ints, Marks]:
        """Return the marks of N documents, one after the other: (how many each has int64[N], uint32[M, 5]). InputError when damaged."""
        pages = self._pages
        counts, marks, is_whole = _read(pages.raw, pages.sums, pages.seen, self._bounds, self._marks, self._begin, rows)
        if not is_whole:
            raise pages.damaged()
        return counts, marks


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _read(raw, sums, seen, bounds, marks, marks_at, rows):  # type: ignore[no-untyped-def]
    """See MarkStore.read; and whether what was read is as it was written."""
    raw, sums, seen, bounds, marks = borrowed(raw), borrowed(sums), borrowed(seen), borrowed(bounds), borrowed(marks)
    counts, total = np.empty(len(rows), np.int64), np.int64(0)
    for number in range(len(rows)):
        row = rows[number]
        if not checked(raw, sums, seen, 4 * row, 4 * row + 8):
            return counts[:0], np.empty((0, 5), np.uint32), False
        begin, end = np.int64(bounds[row]), np.int64(bounds[row + 1])
        if not 0 <= begin < end <= len(marks) // 5:
            return counts[:0], np.empty((0, 5), np.uint32), False
        counts[number] = end - begin
        total += end - begin
    out, at = np.empty((total, 5), np.uint32), 0
    for number in range(len(rows)):
        begin = np.int64(bounds[rows[number]])
        end = begin + counts[number]
        if not checked(raw, sums, seen, marks_at + 20 * begin, marks_at + 20 * end):
            return counts[:0], out[:0], False
        for mark in range(begin, end):
            for column in range(5):
                out[at, column] = marks[5 * mark + column]
            at += 1
    return counts, out, True
