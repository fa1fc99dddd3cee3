"""Which contents are worth reading for a snippet, and in which order.

Every gram of every reading is asked for, equal ones once; grams of few kinds of tokens, and blinded ones outside varied windows
(filters.py), are not: no match needs them. Where many contents are candidates, they are read in rounds: those first in which the
longest match may be (an upper bound: a run holds no more samples than the content has candidates), of equal ones the smallest content
id. A content is left unread only when as many contents as are listed for one place were read and match at each place of the snippet where it may
match, so that what is rare is read however common its surroundings are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from stack_data.search.filters import of_many_kinds, varied_windows, within_varied
from stack_data.search.grams import grams_of
from stack_data.search.protocol import SearchIndex
from stack_data.search.readings import Readings
from stack_data.search.verify_kernels import distinct
from stack_data.search.views import BLINDED, LEXEME, View

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Probed:
    """The candidates of one view.

    first, last, earlier: of `distinct`, over the grams of all readings; bounds int64[R + 1]: which are a reading's; query, document,
    position: of the candidates, [M] each; asked bool[G]: which grams were asked for; withheld: hidden documents that would be candidates;
    is_whole: whether no gram that should be asked for stands at too many places.
    """

    view: View
    last: Ints
    earlier: Ints
    bounds: Ints
    query: npt.NDArray[np.int32]
    document: Ints
    position: npt.NDArray[np.int32]
    first: Ints
    asked: npt.NDArray[np.bool_]
    withheld: Ints
    is_whole: bool


def varied(readings: Readings) -> npt.NDArray[np.bool_]:
    """Tell of each token of the readings whether a varied window begins there."""
    return np.asarray(varied_windows(readings.blinded, readings.tokens.bounds))


def probe(
    index: SearchIndex, readings: Readings, view: View, is_varied: npt.NDArray[np.bool_], most: int | None = None
) -> Probed:
    """Ask an index for the grams of a snippet in one view; most: about how many candidates, of all but the commonest grams."""
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
    found = index.candidates(asked, most)
    _unask(wanted, found.left_out, last, earlier)
    return Probed(
        view, last, earlier, grams.bounds, found.query, found.document, found.position, first, wanted,
        found.withheld, not found.left_out.any(),
    )  # fmt: skip


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _unask(asked, left_out, last, earlier):  # type: ignore[no-untyped-def]
    """Take grams that were left out from those that were asked for, wherever they stand in the readings."""
    for number in range(len(left_out)):
        at = last[number] if left_out[number] else -1
        while at >= 0:
            asked[at] = False
            at = earlier[at]


def _lexemes_of(probed: Probed, readings: Readings) -> tuple[Ints, Ints]:
    """Return which lexemes of the snippet each asked gram touches, from and to: int64[U]."""
    tokens = readings.lexemes if probed.view.name == LEXEME.name else readings.tokens
    reading = np.searchsorted(probed.bounds, probed.first, side="right") - 1
    first = tokens.bounds[reading] + probed.first - probed.bounds[reading]
    begin = np.searchsorted(readings.lexemes.ends, tokens.starts[first], side="right")
    end = np.searchsorted(readings.lexemes.starts, tokens.ends[first + probed.view.k - 1], side="left")
    return begin.astype(np.int64), end.astype(np.int64)


@dataclass(frozen=True, slots=True)
class Queue:
    """The D documents that are candidates, in the order in which they are read.

    document int64[D]; rows: of each view, which of its candidates are a document's: (order int64[M], bounds int64[D + 1]); is_short:
    whether none is left unread for others' sake; begins int64[D + 1], first_lexeme, last_lexeme int64[H]: what the candidates of each
    document touch, where it is not short.
    """

    document: Ints
    rows: list[tuple[Ints, Ints]]
    is_short: bool
    begins: Ints
    first_lexeme: Ints
    last_lexeme: Ints

    def __len__(self) -> int:
        return len(self.document)


def queued(index: SearchIndex, readings: Readings, probed: list[Probed], most_contents: int) -> Queue:
    """Return all candidate documents in the order of reading."""
    everything = np.sort(np.concatenate([one.document for one in probed]))
    documents = everything[np.append(True, everything[1:] != everything[:-1])] if len(everything) else everything
    most = np.zeros(len(documents), np.int64)
    grouped = [by_document(documents, one.document) for one in probed]
    for one, rows in zip(probed, grouped, strict=True):
        _longest(*rows, one.position, one.view.stride, one.view.k, most)
    order = np.lexsort((index.content_ids(documents), -most))
    ranked = [in_order(*rows, order) for rows in grouped]
    if len(documents) <= most_contents:
        return Queue(documents[order], ranked, True, documents[:0], documents[:0], documents[:0])
    touched = [tuple(column[one.query] for column in _lexemes_of(one, readings)) for one in probed]
    counts = sum((bounds[1:] - bounds[:-1] for _, bounds in ranked), np.zeros(len(order), np.int64))
    begins = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))
    lexemes, used = np.empty((2, begins[-1]), np.int64), begins[:-1].copy()
    for (first, last), rows in zip(touched, ranked, strict=True):
        _beside(first, last, *rows, lexemes, used)
    return Queue(documents[order], ranked, False, begins, lexemes[0], lexemes[1])


@njit(cache=True, nogil=True)  # type: ignore[misc]
def by_document(documents, of_hit):  # type: ignore[no-untyped-def]
    """Return which of M hits are of each of D documents, ascending: (order int64[M], bounds int64[D + 1])."""
    places, bounds = np.searchsorted(documents, of_hit), np.zeros(len(documents) + 1, np.int64)
    for place in places:
        bounds[place + 1] += 1
    bounds = np.cumsum(bounds)
    free, order = bounds[:-1].copy(), np.empty(len(of_hit), np.int64)
    for hit in range(len(of_hit)):
        order[free[places[hit]]] = hit
        free[places[hit]] += 1
    return order, bounds


@njit(cache=True, nogil=True)  # type: ignore[misc]
def in_order(order, bounds, documents):  # type: ignore[no-untyped-def]
    """Return the hits of some documents, in their order, as `by_document` does."""
    ends = np.zeros(len(documents) + 1, np.int64)
    for at in range(len(documents)):
        ends[at + 1] = ends[at] + bounds[documents[at] + 1] - bounds[documents[at]]
    found = np.empty(ends[-1], np.int64)
    for at in range(len(documents)):
        found[ends[at] : ends[at + 1]] = order[bounds[documents[at]] : bounds[documents[at] + 1]]
    return found, ends


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _beside(first, last, order, bounds, lexemes, used):  # type: ignore[no-untyped-def]
    """Add what the hits of a view touch to those of their documents."""
    for document in range(len(bounds) - 1):
        for at in range(bounds[document], bounds[document + 1]):
            lexemes[0, used[document]], lexemes[1, used[document]] = first[order[at]], last[order[at]]
            used[document] += 1


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _longest(order, bounds, position, stride, k, most):  # type: ignore[no-untyped-def]
    """Raise the upper bounds of how long the longest match of each document is, by the samples of a view that it has in common."""
    for document in range(len(bounds) - 1):
        count, found = 0, np.sort(position[order[bounds[document] : bounds[document + 1]]])
        for at in range(len(found)):
            count += at == 0 or found[at] != found[at - 1]
        if count:
            most[document] = max(most[document], (count + 1) * stride + k - 1)


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
