"""How far the chains of a round go: which are read first, which need not be read, and what of their texts is.

The longest chain of each text and view is read at once, and so is every other one that lies in no chain that is likely a match, as far as
the round's bytes last. What is left then is read where no match that was found leaves nothing of it to be listed.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from stack_data.search.chains import Chains, Flags, Ints
from stack_data.search.filters import LOOK_BACK
from stack_data.search.lexer import Tokens
from stack_data.search.spans import Spans
from stack_data.search.verify_kernels import covered

LIKELY = 2
"""Pairs of a chain that is likely a match. By chance one pair is found now and then."""


class Reach:
    """The C chains of all views of a round, of T texts.

    rows int64[C, 9], view by view: view (its place among those of the round), text, reading (-1 for lexemes), shift (token of the text less
    that of the reading), begin and end (tokens of the reading that a match may have), first and last (bytes of the snippet there, from and
    to), pairs (how many). bounds: which rows are a view's.
    """

    __slots__ = ("bounds", "num_texts", "rows")

    def __init__(self, parts: list[Ints], num_texts: int) -> None:
        """Take the rows of each view, as `rows_of` gives them."""
        self.rows = np.concatenate(parts) if parts else np.zeros((0, 9), np.int64)
        self.bounds = [0]
        for part in parts:
            self.bounds.append(self.bounds[-1] + len(part))
        self.num_texts = num_texts

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, chosen: Flags, view: int) -> Flags:
        """Return the part of flags that is of a view."""
        return chosen[self.bounds[view] : self.bounds[view + 1]]

    def leading(self) -> tuple[Flags, Flags]:
        """Return bool[C] twice: the longest chain of each text and view, and the others that lie in no chain of their text of the same or a
        stricter view that is likely a match."""
        return leading(self.rows, len(self.bounds) - 1, self.num_texts, LIKELY)  # type: ignore[no-any-return]

    def asked(self, chosen: Flags) -> Ints:
        """Return what chains need of their texts, the longest of each view first: their numbers, and rows for `outlines.pieces_for`, int64[N, 5]."""
        return np.asarray(_asked(self.rows, chosen))

    def left(self, done: Flags, spans: Spans, num_readings: int, loosest: Ints) -> Flags:
        """Return the chains that were not read and may hold what none of the spans does: bool[C].

        loosest int64[V]: of each view, the loosest kind of a span that leaves nothing of a chain inside it.
        """
        return np.asarray(_left(self.rows, done, spans.rows, self.num_texts, num_readings, loosest))


def rows_of(chains: Chains, view: int, is_lexeme: bool, tokens: Tokens) -> Ints:
    """Return the rows of `Reach` of the chains of a view. tokens: of the readings, or of the snippet's lexemes."""
    ends = chains.begin, chains.end
    return np.asarray(
        _rows(chains.pairs, chains.bounds, *ends, view, is_lexeme, tokens.bounds, tokens.starts, tokens.ends)
    )


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _rows(pairs, bounds, begin, end, view, is_lexeme, token_bounds, starts, ends):  # type: ignore[no-untyped-def]
    rows = np.empty((len(begin), 9), np.int64)
    for chain in range(len(begin)):
        reading, text, shift = pairs[bounds[chain], 0], pairs[bounds[chain], 1], pairs[bounds[chain], 2]
        at = token_bounds[reading]
        rows[chain, 0], rows[chain, 1], rows[chain, 2], rows[chain, 3] = view, text, reading, shift
        if is_lexeme:
            rows[chain, 2] = -1
        rows[chain, 4], rows[chain, 5] = begin[chain], end[chain]
        rows[chain, 6], rows[chain, 7] = starts[at + begin[chain]], ends[at + end[chain] - 1]
        rows[chain, 8] = bounds[chain + 1] - bounds[chain]
    return rows


@njit(cache=True, nogil=True)  # type: ignore[misc]
def leading(rows, num_views, num_texts, likely):  # type: ignore[no-untyped-def]
    """See Reach.leading; of equal lengths the first is the longest. likely: from how many pairs on a chain is likely a match."""
    best = np.full((num_views, num_texts), -1, np.int64)
    is_longest, is_apart = np.zeros(len(rows), np.bool_), np.zeros(len(rows), np.bool_)
    for chain in range(len(rows)):
        other = best[rows[chain, 0], rows[chain, 1]]
        if other < 0 or rows[chain, 5] - rows[chain, 4] > rows[other, 5] - rows[other, 4]:
            best[rows[chain, 0], rows[chain, 1]] = chain
    for chain in range(len(rows)):
        text = rows[chain, 1]
        is_longest[chain] = best[rows[chain, 0], text] == chain
        is_apart[chain] = not is_longest[chain]
        for view in range(rows[chain, 0] + 1):
            other = best[view, text]
            if other >= 0 and rows[other, 8] >= likely:
                is_inside = rows[other, 6] <= rows[chain, 6] and rows[chain, 7] <= rows[other, 7]
                is_apart[chain] = is_apart[chain] and not is_inside
    return is_longest, is_apart


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _asked(rows, chosen):  # type: ignore[no-untyped-def]
    """See Reach.asked: number of the chain, text, whether it is of lexemes, first token and the one after the last."""
    numbers = np.flatnonzero(chosen)
    lengths = np.empty(len(numbers), np.int64)
    for at in range(len(numbers)):
        chain = numbers[at]
        lengths[at] = (rows[chain, 0] << 40) - (rows[chain, 5] - rows[chain, 4])
    out = np.empty((len(numbers), 5), np.int64)
    order = np.argsort(lengths, kind="mergesort")
    for at in range(len(numbers)):
        chain = numbers[order[at]]
        shift = rows[chain, 3]
        out[at, 0], out[at, 1], out[at, 2] = chain, rows[chain, 1], rows[chain, 2] < 0
        out[at, 3], out[at, 4] = rows[chain, 4] + shift - LOOK_BACK, rows[chain, 5] + shift
    return out


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _left(rows, done, spans, num_texts, num_readings, loosest):  # type: ignore[no-untyped-def]
    """See Reach.left. spans: rows of `Spans`."""
    is_beaten = _beaten(rows, spans, num_texts, num_readings)
    spans = spans[np.argsort(spans[:, 7], kind="mergesort")]
    groups = spans[:, 0] * (num_readings + 1) + spans[:, 3] + 1
    order = np.argsort(groups, kind="mergesort")
    groups, begins, until = groups[order], spans[:, 7][order], _furthest(groups[order], spans[order])
    wanted = np.zeros(len(rows), np.bool_)
    for chain in range(len(rows)):
        text, reading = rows[chain, 1], rows[chain, 2]
        if done[chain] or (reading >= 0 and is_beaten[text, reading]):
            continue
        group = text * (num_readings + 1) + reading + 1
        low, high = np.searchsorted(groups, group), np.searchsorted(groups, group + 1)
        before = low + np.searchsorted(begins[low:high], rows[chain, 6])
        until_here = low + np.searchsorted(begins[low:high], rows[chain, 6] + 1)
        kind = loosest[rows[chain, 0]]
        is_inside = before > low and until[kind, before - 1] >= rows[chain, 7]
        # One that is equal may be another place of the text.
        is_inside = is_inside or (until_here > low and until[kind, until_here - 1] > rows[chain, 7])
        wanted[chain] = not is_inside
    return wanted


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _furthest(groups, spans):  # type: ignore[no-untyped-def]
    """Return how far spans of each kind or a stricter one go in the snippet, of those up to each span in its group: int64[3, S]."""
    until = np.zeros((3, len(spans)), np.int64)
    for at in range(len(spans)):
        for kind in range(3):
            if at and groups[at] == groups[at - 1]:
                until[kind, at] = until[kind, at - 1]
            if spans[at, 2] <= kind:
                until[kind, at] = max(until[kind, at], spans[at, 8])
    return until


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _beaten(rows, spans, num_texts, num_readings):  # type: ignore[no-untyped-def]
    """Tell of each text and reading whether all its chains cover fewer tokens than matches of another reading do: bool[T, R]."""
    if num_readings == 1:
        return np.zeros((num_texts, num_readings), np.bool_)
    code, read = rows[rows[:, 2] >= 0], spans[spans[:, 3] >= 0]
    most = covered(code[:, 1], code[:, 2], code[:, 4], code[:, 5], num_texts, num_readings)
    found = covered(read[:, 0], read[:, 3], read[:, 5], read[:, 6], num_texts, num_readings)
    is_beaten = np.zeros((num_texts, num_readings), np.bool_)
    for text in range(num_texts):
        highest = found[text].max()
        for reading in range(num_readings):
            is_beaten[text, reading] = most[text, reading] < highest
    return is_beaten
