"""In which order the contents that are candidates are read.

Where many contents are candidates, they are read in rounds: those first in which the longest match may be (an upper bound: a run holds
no more samples than the content has candidates), of equal ones the smallest content id. A content is left unread only when as many
contents as are listed for one place were read and match at each place of the snippet where it may match, so that what is rare is read however
common its surroundings are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from stack_data.search.candidates import Probed
from stack_data.search.protocol import SearchIndex
from stack_data.search.readings import Readings
from stack_data.search.views import LEXEME

Ints = npt.NDArray[np.int64]


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
    views = np.cumsum([0, *(len(one.document) for one in probed)])
    found = np.concatenate([one.document for one in probed])
    ascending = np.sort(found)
    strides, sizes = (np.array([getattr(one.view, name) for one in probed]) for name in ("stride", "k"))
    positions = np.concatenate([one.position for one in probed])
    documents, hits, bounds, most = _grouped(found, ascending, positions, views, strides, sizes)
    ids = index.content_ids(documents)
    order = _ranked(most, np.ascontiguousarray(ids).view(np.uint8).reshape(-1, ids.itemsize))
    hits, bounds = _reordered(hits, bounds, order)
    ranked = [(hits, one) for one in bounds]
    if len(documents) <= most_contents:
        return Queue(documents[order], ranked, True, documents[:0], documents[:0], documents[:0])
    touched = [tuple(column[one.query] for column in _lexemes_of(one, readings)) for one in probed]
    counts = (bounds[:, 1:] - bounds[:, :-1]).sum(axis=0)
    begins = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))
    lexemes, used = np.empty((2, begins[-1]), np.int64), begins[:-1].copy()
    for (first, last), rows in zip(touched, ranked, strict=True):
        _beside(first, last, *rows, lexemes, used)
    return Queue(documents[order], ranked, False, begins, lexemes[0], lexemes[1])


def _lexemes_of(probed: Probed, readings: Readings) -> tuple[Ints, Ints]:
    """Return which lexemes of the snippet each asked gram touches, from and to: int64[U]."""
    tokens = readings.lexemes if probed.view.name == LEXEME.name else readings.tokens
    reading = np.searchsorted(probed.bounds, probed.first, side="right") - 1
    first = tokens.bounds[reading] + probed.first - probed.bounds[reading]
    begin = np.searchsorted(readings.lexemes.ends, tokens.starts[first], side="right")
    end = np.searchsorted(readings.lexemes.starts, tokens.ends[first + probed.view.k - 1], side="left")
    return begin.astype(np.int64), end.astype(np.int64)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _grouped(found, ascending, positions, views, strides, sizes):  # type: ignore[no-untyped-def]
    """Return (documents int64[D], ascending; hits int64[M], bounds int64[V, D + 1], most int64[D]) of the hits of V views.

    hits[bounds[v, d]:bounds[v, d + 1]] are the hits of view v in document d, numbered within the view; most: how long the longest match of
    a document is at most, by the samples of one view that it has in common.
    """
    documents, count = np.empty(len(ascending), np.int64), 0
    for at in range(len(ascending)):
        if at == 0 or ascending[at] != ascending[at - 1]:
            documents[count] = ascending[at]
            count += 1
    documents = documents[:count]
    places = np.empty(len(found), np.int64)
    hits, bounds, most = (
        np.empty(len(found), np.int64),
        np.zeros((len(views) - 1, count + 1), np.int64),
        np.zeros(count, np.int64),
    )
    for view in range(len(views) - 1):
        begin, end = views[view], views[view + 1]
        for hit in range(begin, end):
            places[hit] = np.searchsorted(documents, found[hit])
            bounds[view, places[hit] + 1] += 1
        bounds[view, 0] = begin
        for document in range(count):
            bounds[view, document + 1] += bounds[view, document]
        free = bounds[view].copy()
        for hit in range(begin, end):
            hits[free[places[hit]]] = hit - begin
            free[places[hit]] += 1
        for document in range(count):
            samples = _num_different(positions[begin + hits[bounds[view, document] : bounds[view, document + 1]]])
            if samples:
                most[document] = max(most[document], (samples + 1) * strides[view] + sizes[view] - 1)
    return documents, hits, bounds, most


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _num_different(values):  # type: ignore[no-untyped-def]
    count, ascending = 0, np.sort(values)
    for at in range(len(ascending)):
        count += at == 0 or ascending[at] != ascending[at - 1]
    return count


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _ranked(most, ids):  # type: ignore[no-untyped-def]
    """Return the order of D documents: the highest `most` first, of equal ones the smallest id. ids: uint8[D, 20]."""
    order = np.arange(len(most))
    for part in range((ids.shape[1] - 1) // 8, -1, -1):
        keys = np.zeros(len(most), np.uint64)
        for at in range(len(most)):
            for byte in range(8 * part, min(8 * part + 8, ids.shape[1])):
                keys[at] = keys[at] << np.uint64(8) | np.uint64(ids[order[at], byte])
        order = order[np.argsort(keys, kind="mergesort")]
    return order[np.argsort(-most[order], kind="mergesort")]


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _reordered(hits, bounds, order):  # type: ignore[no-untyped-def]
    """Return hits and bounds as in `_grouped` for the documents in another order."""
    found, ends = np.empty_like(hits), np.empty_like(bounds)
    for view in range(len(bounds)):
        ends[view, 0] = bounds[view, 0]
        for at in range(len(order)):
            begin, end = bounds[view, order[at]], bounds[view, order[at] + 1]
            ends[view, at + 1] = ends[view, at] + end - begin
            found[ends[view, at] : ends[view, at + 1]] = hits[begin:end]
    return found, ends


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _beside(first, last, order, bounds, lexemes, used):  # type: ignore[no-untyped-def]
    """Add what the hits of a view touch to those of their documents."""
    for document in range(len(bounds) - 1):
        for at in range(bounds[document], bounds[document + 1]):
            lexemes[0, used[document]], lexemes[1, used[document]] = first[order[at]], last[order[at]]
            used[document] += 1


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
