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

import numpy as np
import numpy.typing as npt
from numba import njit

from stack_data.search.lexer import lexemes_bytes
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
    begins = starts[spans.piece[asked]]
    mine = lexemes_bytes(snippet, spans.begin[asked], spans.end[asked])
    theirs = lexemes_bytes(data, begins + spans.source_begin[asked], begins + spans.source_end[asked])
    equal = equal_texts(mine.code, mine.bounds, theirs.code, theirs.bounds)
    made = Spans(spans.rows.copy())
    made.kind[asked[equal]] = EXACT
    made.num_tokens[asked[equal]] = (mine.bounds[1:] - mine.bounds[:-1])[equal]
    return made


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _listed(rows, loosest):  # type: ignore[no-untyped-def]
    """Return the spans that lie in no other of their text of the same or a stricter kind, up to `loosest`."""
    order = np.argsort(rows[:, 9], kind="mergesort")
    for column in (2, 8, 7, 0):
        keys = rows[:, column][order]
        order = order[np.argsort(-keys if column == 8 else keys, kind="mergesort")]
    rows = rows[order]
    return rows[not_contained(rows[:, 0], rows[:, 7], rows[:, 8], rows[:, 2], loosest)]
