"""From common runs of tokens to matches: the reading that is kept, the kind, and what is listed for a content.

Input are the maximal common runs of each view between a snippet's readings and the texts of a batch. For each text

1. the runs of one start state are kept: those that cover most tokens of the snippet in the code and blinded views (of equal ones
   the state of code, then the first); lexemes have no states;
2. a kind is given by what is equal: `exact` where all lexemes of both spans are, whichever view found them, else `reformatted` for the
   code view and `renamed` for the blinded one;
3. a match whose span of the snippet lies in another's of the same or a stricter kind is left out; of equal ones the smallest source
   offset stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from stack_data.search.lexer import Tokens, lexemes_bytes
from stack_data.search.spans import Spans, joined
from stack_data.search.verify_kernels import covered, equal_texts, not_contained

EXACT, REFORMATTED, RENAMED = range(3)
"""Places in answer.KINDS."""
Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Classified:
    """What is listed of a batch of texts. spans: by text; covered: the most tokens of each reading that one text covers, int64[R]."""

    spans: Spans
    covered: Ints


def classify(spans: list[Spans], num_readings: int, snippet: Bytes, data: Bytes, starts: Ints) -> Classified:
    """Return the matches of texts. spans: of the views, in any order.

    data: the bytes of what was read; starts: where the text of each piece would begin in it, were it there whole.
    """
    rows, cover = _of_one_state(joined(spans).rows, num_readings)
    # Inside an exact match all is exact or looser: it need not be compared.
    kept = with_exact(Spans(_listed(rows, EXACT)), snippet, data, starts)
    return Classified(Spans(_listed(kept.rows, RENAMED)), cover)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _of_one_state(rows, num_readings):  # type: ignore[no-untyped-def]
    """Return the spans of the reading kept for each text, and what each reading covers at most. rows: of `Spans`."""
    num_texts, most = 0, np.zeros(num_readings, np.int64)
    for at in range(len(rows)):
        num_texts = max(num_texts, rows[at, 0] + 1)
    asked = rows[rows[:, 3] >= 0]
    if not len(asked):
        return rows, most
    sums = covered(asked[:, 0], asked[:, 3], asked[:, 5], asked[:, 6], num_texts, num_readings)
    keeps = np.empty(len(rows), np.bool_)
    for at in range(len(rows)):
        # Of equal ones the first, which is the state of code.
        keeps[at] = rows[at, 3] < 0 or rows[at, 3] == np.argmax(sums[rows[at, 0]])
    for text in range(num_texts):
        most = np.maximum(most, sums[text])
    return rows[keeps], most


def with_exact(spans: Spans, snippet: Bytes, data: Bytes, starts: Ints) -> Spans:
    """Return spans, those of the code view whose lexemes are equal as exact ones with the number of their lexemes."""
    asked = np.flatnonzero(spans.kind == REFORMATTED)
    if not len(asked):
        return spans
    made = Spans(spans.rows.copy())
    counts, is_aligned = _counts_in_pieces(spans.rows[asked], snippet, data, starts)
    if not is_aligned.all():
        apart = np.flatnonzero(~is_aligned)
        counts[apart] = _counts_apart(spans.take(asked[apart]), snippet, data, starts)
    equal = counts > 0
    made.kind[asked[equal]] = EXACT
    made.num_tokens[asked[equal]] = counts[equal]
    return made


def _counts_in_pieces(rows: Ints, snippet: Bytes, data: Bytes, starts: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Return how many lexemes both sides of spans have, 0 where they are not equal, and which spans begin and end where lexemes do.

    What the spans of a piece cover is lexed once: they overlap where both texts repeat themselves.
    """
    pieces, begins, ends, mine = _covered_by(rows, starts)
    return _equal_lexemes(  # type: ignore[no-any-return]
        rows, pieces, begins, starts, mine, *_columns(lexemes_bytes(snippet, mine[:1], mine[1:])),
        *_columns(lexemes_bytes(data, begins, ends)),
    )  # fmt: skip


def _columns(tokens: Tokens) -> tuple[npt.NDArray[Any], ...]:
    return tokens.bounds, tokens.code, tokens.starts, tokens.ends


def _counts_apart(spans: Spans, snippet: Bytes, data: Bytes, starts: Ints) -> Ints:
    """Return the same of spans of which one cuts a lexeme of another in two: each is lexed by itself."""
    begins = starts[spans.piece]
    mine = lexemes_bytes(snippet, spans.begin, spans.end)
    theirs = lexemes_bytes(data, begins + spans.source_begin, begins + spans.source_end)
    equal = equal_texts(mine.code, mine.bounds, theirs.code, theirs.bounds)
    return np.asarray(np.where(equal, mine.bounds[1:] - mine.bounds[:-1], 0))


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _covered_by(rows, starts):  # type: ignore[no-untyped-def]
    """Return the pieces of spans, ascending; from where to where in the data their spans go; and in the snippet."""
    pieces = np.unique(rows[:, 1])
    begins, ends = np.full(len(pieces), np.iinfo(np.int64).max), np.zeros(len(pieces), np.int64)
    mine = np.array([rows[:, 7].min(), rows[:, 8].max()])
    for at in range(len(rows)):
        number = np.searchsorted(pieces, rows[at, 1])
        begins[number] = min(begins[number], starts[rows[at, 1]] + rows[at, 9])
        ends[number] = max(ends[number], starts[rows[at, 1]] + rows[at, 10])
    return pieces, begins, ends, mine


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _equal_lexemes(  # type: ignore[no-untyped-def]
    rows, pieces, piece_begins, piece_starts, mine, _bounds, code, starts, ends, source_bounds, source_code, source_starts, source_ends
):  # fmt: skip
    counts, is_aligned = np.zeros(len(rows), np.int64), np.ones(len(rows), np.bool_)
    for at in range(len(rows)):
        number = np.searchsorted(pieces, rows[at, 1])
        apart = piece_starts[rows[at, 1]] - piece_begins[number]
        low, high = source_bounds[number], source_bounds[number + 1]
        first, last = _between(starts, ends, rows[at, 7] - mine[0], rows[at, 8] - mine[0])
        begin, end = rows[at, 9] + apart, rows[at, 10] + apart
        other, other_last = _between(source_starts[low:high], source_ends[low:high], begin, end)
        is_aligned[at] = first >= 0 and other >= 0
        if is_aligned[at] and last - first == other_last - other:
            size = 0
            while first + size < last and code[first + size] == source_code[low + other + size]:
                size += 1
            counts[at] = size if first + size == last else 0
    return counts, is_aligned


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _between(starts, ends, begin, end):  # type: ignore[no-untyped-def]
    """Return the lexemes from a byte to another, [from, up to); -1 where none begins or ends there."""
    first, last = np.searchsorted(starts, begin), np.searchsorted(ends, end)
    if first >= len(starts) or last >= len(ends) or starts[first] != begin or ends[last] != end:
        return -1, -1
    return first, last + 1


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _listed(rows, loosest):  # type: ignore[no-untyped-def]
    """Return the spans that lie in no other of their text of the same or a stricter kind, up to `loosest`."""
    order = np.argsort(rows[:, 9], kind="mergesort")
    for column in (2, 8, 7, 0):
        keys = rows[:, column][order]
        order = order[np.argsort(-keys if column == 8 else keys, kind="mergesort")]
    rows = rows[order]
    return rows[not_contained(rows[:, 0], rows[:, 7], rows[:, 8], rows[:, 2], loosest)]
