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
    everything = joined(spans)
    kept, cover = _of_one_state(everything, num_readings)
    # Inside an exact match all is exact or looser: it need not be compared.
    kept = with_exact(_listed(kept, EXACT), snippet, data, starts)
    return Classified(_listed(kept, RENAMED), cover)


def _of_one_state(spans: Spans, num_readings: int) -> tuple[Spans, Ints]:
    """Return the spans of the reading kept for each text, and what each reading covers at most."""
    is_read = spans.reading >= 0
    if not is_read.any():
        return spans, np.zeros(num_readings, np.int64)
    asked = spans.take(is_read)
    num_texts = int(spans.text.max()) + 1
    sums = covered(asked.text, asked.reading, asked.first, asked.last, num_texts, num_readings)
    # Of equal ones the first, which is the state of code.
    best = np.argmax(sums, axis=1)
    keeps = ~is_read | (spans.reading == best[spans.text])
    return (spans if keeps.all() else spans.take(keeps)), sums.max(axis=0)


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


def _listed(spans: Spans, loosest: int) -> Spans:
    """Return the spans that lie in no other of their text of the same or a stricter kind, up to `loosest`."""
    order = np.lexsort((spans.source_begin, spans.kind, -spans.end, spans.begin, spans.text))
    spans = spans.take(order)
    return spans.take(not_contained(spans.text, spans.begin, spans.end, spans.kind, loosest))
