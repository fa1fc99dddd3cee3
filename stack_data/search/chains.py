"""Chains: candidates of one document that lie on one diagonal, and how far a match through them can go at most.

A pair is a gram of a reading and a sample of a text that may be equal. Pairs of one reading and text whose tokens have the same distance
are on one diagonal, and a match holds every sample in it as a pair of its diagonal. So where the next sample's gram was asked for and is
no pair, the match ends before it: a chain states the tokens of the reading between those ends. Only they need to be read, and a chain that lies
inside a match already found need not be read at all.

Compiled without the GIL. Work is bounded: pairs of one text and of all; what is left out is told, and its chains then are as long as the reading.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

MOST_PAIRS = 200_000, 20_000
"""Pairs that one query looks at in one round and view, and those of one text: more occur only where both repeat themselves."""
Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Chains:
    """C chains of one view. pairs int64[H, 5]: reading, text, token of the text less that of the reading, both tokens, in this order; bounds
    int64[C + 1]: which pairs are a chain's; begin, end int64[C]: the tokens of the reading that a match may have; is_whole: whether no
    pair was left out."""

    pairs: Ints
    bounds: Ints
    begin: Ints
    end: Ints
    is_whole: bool

    def __len__(self) -> int:
        return len(self.begin)


def chains_of(
    query: npt.NDArray[np.int32], position: npt.NDArray[np.int32], hits: tuple[Ints, Ints], places: Ints, last: Ints, earlier: Ints,
    grams: Ints, asked: Flags, families: npt.NDArray[np.uint8], text_families: npt.NDArray[np.uint8], is_known: bool, k: int, stride: int,
) -> Chains:  # fmt: skip
    """Return the chains of T texts: query and position, [M] each, are of candidates, hits of `Queue.rows`, places where they say of each text
    which are its own.

    last, earlier: of `distinct`; grams int64[R + 1]: those of each reading; asked bool[G]: which were asked for; families of the readings and
    texts are compared unless `is_known`.
    """
    readings = families, text_families, is_known
    keys, is_cut = _keys(query, position, *hits, places, last, earlier, grams, *readings, MOST_PAIRS)
    keys.sort()
    pairs, bounds, begin, end = _chained(keys, asked, grams, k, stride, is_cut)
    return Chains(pairs, bounds, begin, end, not is_cut.any())


_TOKENS = 24
"""Bits of a place in a key. What lies beyond 16 million tokens of a text is left out, and that is told; a round has fewer than 2^15 pairs
of a reading and a text."""


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _keys(query, position, order, bounds, places, last, earlier, grams, families, text_families, is_known, limits):  # type: ignore[no-untyped-def]
    """Return the pairs that candidates stand for, and of which texts some were left out.

    A pair is one number, uint64[H], so that they are sorted at once: reading and text, difference of the tokens, token of the text.
    """
    count = 0
    for place in places:
        count += bounds[place + 1] - bounds[place]
    out, used = np.empty(4 * count + 16, np.uint64), 0
    is_cut = np.zeros(len(places), np.bool_)
    for row in range(len(places)):
        of_text = 0
        for number in range(bounds[places[row]], bounds[places[row] + 1]):
            at, there = last[query[order[number]]], np.int64(position[order[number]])
            while at >= 0:
                reading = np.searchsorted(grams, at, side="right") - 1
                if is_known or families[reading] == text_families[row]:
                    token = at - grams[reading]
                    if used == limits[0] or of_text == limits[1] or max(there, token) >= 1 << _TOKENS:
                        is_cut[row] = True
                        break
                    if used == len(out):
                        wider = np.empty(2 * used, np.uint64)
                        wider[:used] = out
                        out = wider
                    of_text += 1
                    shift = there - token + (1 << _TOKENS)
                    key = np.uint64(reading * len(places) + row) << np.uint64(2 * _TOKENS + 1)
                    out[used] = key | np.uint64(shift) << np.uint64(_TOKENS) | np.uint64(there)
                    used += 1
                at = earlier[at]
    return out[:used].copy(), is_cut


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _pairs(keys, num_texts):  # type: ignore[no-untyped-def]
    """Return what keys say: int64[H, 5], see Chains."""
    pairs = np.empty((len(keys), 5), np.int64)
    for number in range(len(keys)):
        group = np.int64(keys[number] >> np.uint64(2 * _TOKENS + 1))
        shift = np.int64(keys[number] >> np.uint64(_TOKENS) & np.uint64((2 << _TOKENS) - 1)) - (1 << _TOKENS)
        position = np.int64(keys[number] & np.uint64((1 << _TOKENS) - 1))
        pairs[number, 0], pairs[number, 1], pairs[number, 2] = group // num_texts, group % num_texts, shift
        pairs[number, 3], pairs[number, 4] = position - shift, position
    return pairs


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _chained(keys, asked, grams, k, stride, is_cut):  # type: ignore[no-untyped-def]
    """Return (pairs, bounds, begin, end) of Chains; keys are in order."""
    pairs = _pairs(keys, len(is_cut))
    bounds, begin = np.empty(len(pairs) + 1, np.int64), np.empty(len(pairs), np.int64)
    end = np.empty(len(pairs), np.int64)
    count = 0
    for number in range(len(pairs)):
        reading, token = pairs[number, 0], pairs[number, 3]
        first, size = grams[reading], grams[reading + 1] - grams[reading]
        is_joined = number > 0
        for column in range(3):
            is_joined = is_joined and pairs[number - 1, column] == pairs[number, column]
        if is_joined:
            for sample in range(pairs[number - 1, 3] + stride, token, stride):
                is_joined = is_joined and not asked[first + sample]
        if is_cut[pairs[number, 1]]:
            low, high = np.int64(-1), size
        else:
            low, high = token - stride, token + stride
            while low >= 0 and not asked[first + low]:
                low -= stride
            while high < size and not asked[first + high]:
                high += stride
        if not is_joined:
            bounds[count] = number
            begin[count] = 0 if low < 0 else low + 1
            count += 1
        end[count - 1] = min(high, size) + k - 1
    bounds[count] = len(pairs)
    return pairs, bounds[: count + 1].copy(), begin[:count].copy(), end[:count].copy()
