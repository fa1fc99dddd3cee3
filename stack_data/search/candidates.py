"""Which contents are worth reading for a snippet, and in which order.

Every gram of every reading is asked for, equal ones once; grams of few kinds of tokens, and blinded ones outside varied windows
(filters.py), are not: no match needs them. Where many contents are candidates, they are read in rounds: those first in which the
longest match may be (an upper bound: a run holds no more samples than the content has candidates), of equal ones the smallest content
id. A content is left unread only when `MOST_CONTENTS` contents that were read match at each place of the snippet where it may
match, so that what is rare is read however common its surroundings are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from stack_data.search.filters import of_many_kinds, varied_windows, within_varied
from stack_data.search.grams import grams_of
from stack_data.search.lexer import Tokens
from stack_data.search.protocol import SearchIndex
from stack_data.search.readings import Readings
from stack_data.search.verify_kernels import distinct
from stack_data.search.views import BLINDED, LEXEME, View

MOST_CONTENTS = 32
"""Contents listed for one place of a snippet."""
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Probed:
    """The candidates of one view.

    last, earlier: of `distinct`, over the grams of all readings; bounds int64[R + 1]: which are a reading's; query, document, position:
    of the candidates, [M] each; first_lexeme, last_lexeme int64[U]: which lexemes of the snippet each asked gram touches, [from, to);
    asked bool[G]: which grams were asked for;
    withheld: hidden documents that would be candidates.
    """

    view: View
    last: Ints
    earlier: Ints
    bounds: Ints
    query: npt.NDArray[np.int32]
    document: Ints
    position: npt.NDArray[np.int32]
    first_lexeme: Ints
    last_lexeme: Ints
    asked: npt.NDArray[np.bool_]
    withheld: Ints


def varied(readings: Readings) -> npt.NDArray[np.bool_]:
    """Tell of each token of the readings whether a varied window begins there."""
    return np.asarray(varied_windows(readings.blinded, readings.tokens.bounds))


def probe(index: SearchIndex, readings: Readings, view: View, is_varied: npt.NDArray[np.bool_]) -> Probed:
    """Ask an index for the grams of a snippet in one view."""
    tokens = readings.lexemes if view.name == LEXEME.name else readings.tokens
    grams = grams_of(tokens, view)
    if view.name == BLINDED.name:
        wanted = within_varied(is_varied, tokens.bounds, view.k)
        wanted &= of_many_kinds(readings.blinded, tokens.bounds, view.k)
    else:
        wanted = of_many_kinds(tokens.code, tokens.bounds, view.k)
    first, last, earlier = distinct(grams.hashes, grams.left, grams.right, wanted)
    asked = type(grams)(
        view, grams.hashes[first], grams.left[first], grams.right[first], np.array([0, len(first)], np.int64)
    )
    found = index.candidates(asked)
    begins, ends = _lexemes_of(first, grams.bounds, tokens, view.k, readings.lexemes)
    return Probed(
        view, last, earlier, grams.bounds, found.query, found.document, found.position, begins, ends, wanted,
        found.withheld,
    )  # fmt: skip


def _lexemes_of(grams: Ints, bounds: Ints, tokens: Tokens, k: int, lexemes: Tokens) -> tuple[Ints, Ints]:
    """Return which lexemes of the snippet grams touch, from and to."""
    reading = np.searchsorted(bounds, grams, side="right") - 1
    first = tokens.bounds[reading] + grams - bounds[reading]
    begin = np.searchsorted(lexemes.ends, tokens.starts[first], side="right")
    end = np.searchsorted(lexemes.starts, tokens.ends[first + k - 1], side="left")
    return begin.astype(np.int64), end.astype(np.int64)


@dataclass(frozen=True, slots=True)
class Queue:
    """The D documents that are candidates, in the order in which they are read.

    document int64[D]; begins int64[D + 1]: which hits are a document's; first_lexeme, last_lexeme: of the hits, [H] each.
    """

    document: Ints
    begins: Ints
    first_lexeme: Ints
    last_lexeme: Ints

    def __len__(self) -> int:
        return len(self.document)

    @property
    def is_short(self) -> bool:
        """Whether none is left unread for others' sake; hits are not told then."""
        return len(self.document) <= MOST_CONTENTS


def queued(index: SearchIndex, probed: list[Probed]) -> Queue:
    """Return all candidate documents in the order of reading."""
    everything = np.concatenate([one.document for one in probed])
    documents, rows = np.unique(everything, return_inverse=True)
    order = np.lexsort((by_content(index, documents), -_bounds_of(probed, rows, len(documents))))
    if len(documents) <= MOST_CONTENTS:
        return Queue(documents[order], np.zeros(len(documents) + 1, np.int64), documents[:0], documents[:0])
    first, last = (
        np.concatenate([getattr(one, column)[one.query] for one in probed])
        for column in ("first_lexeme", "last_lexeme")
    )
    rank = np.empty(len(documents), np.int64)
    rank[order] = np.arange(len(order))
    hits = np.argsort(rank[rows], kind="stable")
    begins = np.concatenate((np.zeros(1, np.int64), np.cumsum(np.bincount(rank[rows], minlength=len(order)))))
    return Queue(documents[order], begins, first[hits], last[hits])


def _bounds_of(probed: list[Probed], rows: Ints, num_documents: int) -> Ints:
    """Return how many tokens the longest match of each document has at most. rows: the documents of all candidates."""
    most = np.zeros(num_documents, np.int64)
    first = 0
    for one in probed:
        samples = (rows[first : first + len(one.document)] << 32) + one.position
        samples.sort()
        first += len(samples)
        _longest(samples, one.view.stride, one.view.k, most)
    return most


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _longest(samples, stride, k, most):  # type: ignore[no-untyped-def]
    """Raise the bounds of documents by the samples of a view, ascending: a document's row << 32 | position, some several times."""
    count, last = 0, np.int64(-1)
    for at in range(len(samples)):
        row = samples[at] >> 32
        if row != last:
            count, last = 0, row
        count += at == 0 or samples[at] != samples[at - 1]
        most[row] = max(most[row], (count + 1) * stride + k - 1)


def by_content(index: SearchIndex, documents: Ints) -> Ints:
    """Return numbers that are ordered as the documents' content ids: int64[D], equal for equal documents."""
    return np.asarray(np.unique(index.content_ids(documents), return_inverse=True)[1])


@njit(cache=True, nogil=True)  # type: ignore[misc]
def next_round(begins, first, last, is_read, coverage, most, size):  # type: ignore[no-untyped-def]
    """Return the next at most `size` documents to read, by their place in the queue; marks them in `is_read`.

    coverage int32[L]: how many contents match at each lexeme, of those read. Each document that is taken counts as one more.
    """
    planned = coverage.copy()
    chosen, count = np.empty(size, np.int64), 0
    for number in range(len(is_read)):
        if is_read[number]:
            continue
        is_open = False
        for hit in range(begins[number], begins[number + 1]):
            for at in range(first[hit], last[hit]):
                is_open |= planned[at] < most
            if is_open:
                break
        if not is_open:
            continue
        if count == size:
            break
        # Hits of one document overlap: each lexeme is counted once.
        mark = np.zeros(len(planned), np.bool_)
        for hit in range(begins[number], begins[number + 1]):
            mark[first[hit] : last[hit]] = True
        planned += mark
        is_read[number] = True
        chosen[count] = number
        count += 1
    return chosen[:count].copy()
