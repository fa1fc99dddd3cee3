"""Spans of matches: from tokens to bytes, and from bytes to code points and lines.

A span goes from the first byte of its first token to the last byte of its last one. Code points and lines are counted only over texts
that hold a match, in one pass each. Lines end with \\n, \\r\\n or \\r; a byte that is no UTF-8 counts as what its bits say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from numba import njit

from stack_data.search.lexer import Tokens
from stack_data.search.outlines import Pieces
from stack_data.search.verify_kernels import locate

Ints = npt.NDArray[np.int64]
_COLUMNS = (
    "text", "piece", "kind", "reading", "num_tokens", "first", "last", "begin", "end", "source_begin", "source_end",
)  # fmt: skip


class Spans:
    """N pairs of spans, columns int64[N]. text: which text; piece: which piece of it was read; kind: place in answer.KINDS; reading: of
    the snippet, -1 for lexemes; num_tokens: of that kind; first, last: the span's tokens in the reading, [first, last); begin, end:
    bytes of the snippet; source_begin, source_end: bytes of the text.

    All columns are one array, rows int64[N, 11], so that rows are chosen at once: a query makes many small ones of these.
    """

    __slots__ = ("rows",)

    def __init__(self, rows: Ints) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Ints:
            """Return a column, not copied: one property for each is made below."""

    def take(self, chosen: npt.NDArray[np.generic]) -> Spans:
        """Return some of them: bool[N] or their numbers."""
        return Spans(self.rows[chosen])


def _column(place: int) -> property:
    return property(lambda self: self.rows[:, place])


for _place, _name in enumerate(_COLUMNS):
    setattr(Spans, _name, _column(_place))


def spans_of(runs: Ints, kind: int, tokens: Tokens, source: Tokens, pieces: Pieces) -> Spans:
    """Return the spans of R common runs, int64[R, 5] of reading, piece, first token, first token of the piece, length.

    tokens: of the readings, source: of the pieces; lexemes have no reading.
    """
    mine, theirs = (tokens.bounds, tokens.starts, tokens.ends), (source.bounds, source.starts, source.ends)
    return Spans(_spans_of(runs, kind, *mine, *theirs, pieces.text, pieces.begin))


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _spans_of(runs, kind, bounds, starts, ends, source_bounds, source_starts, source_ends, text, begin):  # type: ignore[no-untyped-def]
    rows = np.empty((len(runs), 11), np.int64)
    for number in range(len(runs)):
        reading, piece, first, source_first, length = runs[number]
        here, there = bounds[reading] + first, source_bounds[piece] + source_first
        rows[number, 0], rows[number, 1], rows[number, 2], rows[number, 3] = text[piece], piece, kind, reading
        rows[number, 4], rows[number, 5], rows[number, 6] = length, first, first + length
        rows[number, 7], rows[number, 8] = starts[here], ends[here + length - 1]
        rows[number, 9] = begin[piece] + source_starts[there]
        rows[number, 10] = begin[piece] + source_ends[there + length - 1]
    return rows


def joined(parts: list[Spans]) -> Spans:
    """Return spans one after the other; of none, there is none."""
    if len(parts) == 1:
        return parts[0]
    return Spans(np.concatenate([np.empty((0, len(_COLUMNS)), np.int64), *(part.rows for part in parts)]))


def places_in(data: npt.NDArray[np.uint8], starts: Ints, marks: Ints, pieces: Ints, begins: Ints, ends: Ints) -> Ints:
    """Return (first line, last line, code points before, code points up to the end) of N spans: int64[N, 4].

    starts: where each piece of a text begins in data; marks int64[P, 5]: of `outlines`, what is before it; pieces: each span's piece;
    begins and ends: its bytes in the text.
    """
    # The last byte of a span tells its last line.
    return np.asarray(_places_in(data, starts, marks, pieces, begins, ends))


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _places_in(data, starts, marks, pieces, begins, ends):  # type: ignore[no-untyped-def]
    out = np.empty((len(pieces), 4), np.int64)
    order = np.argsort(pieces, kind="mergesort")
    at = 0
    while at < len(order):
        piece, stop = pieces[order[at]], at
        while stop < len(order) and pieces[order[stop]] == piece:
            stop += 1
        count = stop - at
        wanted = np.empty(3 * count, np.int64)
        for number in range(count):
            row = order[at + number]
            wanted[3 * number], wanted[3 * number + 1], wanted[3 * number + 2] = begins[row], ends[row] - 1, ends[row]
        wanted -= marks[piece, 2]
        ascending = np.argsort(wanted)
        found = locate(data, starts[piece], wanted[ascending])
        for number in range(3 * count):
            row, part = order[at + ascending[number] // 3], ascending[number] % 3
            if part == 0:
                out[row, 0], out[row, 2] = marks[piece, 4] + found[number, 1], marks[piece, 3] + found[number, 0]
            elif part == 1:
                out[row, 1] = marks[piece, 4] + found[number, 1]
            else:
                out[row, 3] = marks[piece, 3] + found[number, 0]
        at = stop
    return out
