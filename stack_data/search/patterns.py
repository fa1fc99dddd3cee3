"""Grams of blinded tokens that also say which of their names are the same one, compiled without the GIL.

A renamed match must have names that correspond one to one (filters.py), so wherever a name of one text occurs again, its partner does
too. Therefore a name counts, in the window that is hashed, as how many tokens before it the same name stood last, or as a name alone when
that is not in the window. Names of members are told from others, as in filters.py; of the first token of a window that cannot be seen, so
nothing refers to it. Of the texts that share boilerplate but no renamed copy, this leaves fewer than half to be read.

The gram's window is the gram. The left context's is that context and the gram, all of which it hashes; the right context's is the gram and
that context, of which it hashes the context.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from stack_data.search.filters import role_of
from stack_data.search.kernels import NAME
from stack_data.search.kgrams import mixed

_STEP, _AGAIN = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def bits_of(value):  # type: ignore[no-untyped-def]
    """Return the 6 bits that stand for a context: 1 to 63."""
    return np.uint8(mixed(value) % np.uint64(63) + np.uint64(1))


@njit(cache=True, nogil=True)  # type: ignore[misc]
def pattern_grams(blinded, code, kinds, bounds, k, context, stride):  # type: ignore[no-untyped-def]
    """Return (hashes uint64[G], left uint8[G], right uint8[G]) of the grams at tokens 0, stride, 2 * stride, ... of N texts.

    blinded, code: uint64[T]; kinds: uint8[T]; bounds: int64[N + 1]; context bits as in `grams`.
    """
    count = np.int64(0)
    for row in range(len(bounds) - 1):
        count += max(bounds[row + 1] - bounds[row] - k + stride, 0) // stride
    hashes, left, right = np.empty(count, np.uint64), np.zeros(count, np.uint8), np.zeros(count, np.uint8)
    back = _back_to_same(code, kinds, bounds)
    number = 0
    for row in range(len(bounds) - 1):
        begin, end = bounds[row], bounds[row + 1]
        for first in range(begin, end - k + 1, stride):
            hashes[number] = mixed(_rolled(blinded, back, first, first, first + k))
            if first - begin >= context:
                window = first - context
                left[number] = bits_of(_rolled(blinded, back, window, window, first + k))
            if end - first - k >= context:
                right[number] = bits_of(_rolled(blinded, back, first, first + k, first + k + context))
            number += 1
    return hashes, left, right


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _rolled(blinded, back, window, begin, end):  # type: ignore[no-untyped-def]
    """Return a hash of the tokens from begin to end, names told apart by what a window holds that begins at `window`."""
    value = np.uint64(0)
    for at in range(begin, end):
        again = np.uint64(back[at]) if back[at] < at - window else np.uint64(0)
        value = value * _STEP + (blinded[at] ^ (again * _AGAIN))
    return value


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _back_to_same(code, kinds, bounds):  # type: ignore[no-untyped-def]
    """Return how many tokens before each name the same one stands in its text: int64[T], 0 where it does not, and for other tokens."""
    back, roles = np.zeros(len(code), np.int64), np.zeros(len(code), np.uint8)
    most = 0
    for row in range(len(bounds) - 1):
        most = max(most, bounds[row + 1] - bounds[row])
    size = 16
    while size < 2 * most:
        size *= 2
    # Slots of earlier texts are free: what stands in them lies before this text.
    last, mask = np.full(size, -1, np.int64), np.uint64(size - 1)
    for row in range(len(bounds) - 1):
        begin = bounds[row]
        for at in range(begin, bounds[row + 1]):
            if kinds[at] != NAME:
                continue
            roles[at] = role_of(code, begin, at)
            slot = (code[at] ^ (code[at] >> np.uint64(29)) ^ np.uint64(roles[at])) & mask
            while last[slot] >= begin and (code[last[slot]] != code[at] or roles[last[slot]] != roles[at]):
                slot = (slot + np.uint64(1)) & mask
            if last[slot] >= begin:
                back[at] = at - last[slot]
            last[slot] = at
    return back
