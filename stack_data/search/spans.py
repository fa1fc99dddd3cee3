"""Spans of matches: from tokens to bytes, and from bytes to code points and lines.

A span goes from the first byte of its first token to the last byte of its last one. Code points and lines are counted only over texts
that hold a match, in one pass each. Lines end with \\n, \\r\\n or \\r; a byte that is no UTF-8 counts as what its bits say.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from stack_data.search.lexer import Tokens
from stack_data.search.outlines import Pieces
from stack_data.search.verify_kernels import locate

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Spans:
    """N pairs of spans, columns int64[N]. text: which text; piece: which piece of it was read; kind: place in answer.KINDS; reading: of
    the snippet, -1 for lexemes; num_tokens: of that kind; first, last: the span's tokens in the reading, [first, last); begin, end:
    bytes of the snippet; source_begin, source_end: bytes of the text."""

    text: Ints
    piece: Ints
    kind: Ints
    reading: Ints
    num_tokens: Ints
    first: Ints
    last: Ints
    begin: Ints
    end: Ints
    source_begin: Ints
    source_end: Ints

    def __len__(self) -> int:
        return len(self.text)

    def take(self, chosen: npt.NDArray[np.generic]) -> Spans:
        """Return some of them: bool[N] or their numbers."""
        return Spans(*(getattr(self, column.name)[chosen] for column in fields(self)))


def spans_of(runs: Ints, kind: int, tokens: Tokens, source: Tokens, pieces: Pieces) -> Spans:
    """Return the spans of R common runs, int64[R, 5] of reading, piece, first token, first token of the piece, length.

    tokens: of the readings, source: of the pieces.
    """
    reading, piece, first, source_first, length = runs.T
    here, there = tokens.bounds[reading] + first, source.bounds[piece] + source_first
    return Spans(
        pieces.text[piece], piece, np.full(len(runs), kind), reading, length, first, first + length,
        tokens.starts[here].astype(np.int64), tokens.ends[here + length - 1].astype(np.int64),
        pieces.begin[piece] + source.starts[there], pieces.begin[piece] + source.ends[there + length - 1],
    )  # fmt: skip


def joined(parts: list[Spans]) -> Spans:
    """Return spans one after the other; of none, there is none."""
    if not parts:
        return Spans(*(np.zeros(0, np.int64) for _ in fields(Spans)))
    return Spans(*(np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(Spans)))


def places_in(data: npt.NDArray[np.uint8], starts: Ints, marks: Ints, pieces: Ints, begins: Ints, ends: Ints) -> Ints:
    """Return (first line, last line, code points before, code points up to the end) of N spans: int64[N, 4].

    starts: where each piece of a text begins in data; marks int64[P, 5]: of `outlines`, what is before it; pieces: each span's piece;
    begins and ends: its bytes in the text.
    """
    out = np.empty((len(pieces), 4), np.int64)
    for piece in np.unique(pieces).tolist():
        chosen = np.flatnonzero(pieces == piece)
        # The last byte of a span tells its last line.
        wanted = np.concatenate((begins[chosen], ends[chosen] - 1, ends[chosen])) - marks[piece, 2]
        offsets, back = np.unique(wanted, return_inverse=True)
        found = (locate(data, starts[piece], offsets) + marks[piece, 3:])[back].reshape(3, len(chosen), 2)
        out[chosen] = np.column_stack((found[0, :, 1], found[1, :, 1], found[0, :, 0], found[2, :, 0]))
    return out
