"""Hashes of k tokens in a row, of any view of the lexer's tokens.

A k-gram never goes over the end of its text. Its hash is a polynomial over the tokens' hashes, rolled from one to the next, and
mixed at the end, so that any bits of it can be used. Kernels without the GIL. Two k-grams with one hash are taken for equal
here; whoever needs certainty compares the tokens.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

_STEP, _MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]


def kgrams(view: Hashes, bounds: Places, k: int, stride: int = 1) -> tuple[Hashes, Places]:
    """Return the k-grams of N texts that begin at tokens 0, stride, 2 * stride, ... of each.

    view: uint64[T], hashes of the tokens of all texts; bounds: int64[N + 1]. Returns (hashes uint64[G], bounds int64[N + 1]): the
    j-th k-gram of text i, which begins at its token j * stride, is hashes[bounds[i] + j].
    """
    if k < 1 or stride < 1:
        raise ValueError(f"k and stride are at least 1 (seen: k={k}, stride={stride})")
    counts = np.maximum(bounds[1:] - bounds[:-1] - (k - stride), 0) // stride
    grams = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))
    return _kgrams(view, bounds, grams, k, stride), grams


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _kgrams(view, bounds, grams, k, stride):  # type: ignore[no-untyped-def]
    hashes = np.empty(grams[-1], np.uint64)
    leading = np.uint64(1)  # what the first token of a k-gram is multiplied with
    for _ in range(k - 1):
        leading *= _STEP
    for row in range(len(bounds) - 1):
        rolled, until = np.uint64(0), bounds[row]
        for number in range(grams[row + 1] - grams[row]):
            first = bounds[row] + number * stride
            if first >= until:  # nothing of the one before is left
                rolled, until = np.uint64(0), first
            else:
                for at in range(first - stride if number else first, first):
                    rolled -= view[at] * leading
                    rolled = rolled * _STEP + view[until]
                    until += 1
            while until < first + k:
                rolled = rolled * _STEP + view[until]
                until += 1
            hashes[grams[row] + number] = mixed(rolled)
    return hashes


@njit(cache=True, nogil=True)  # type: ignore[misc]
def mixed(value):  # type: ignore[no-untyped-def]
    """Spread a value's bits over all of it; different values stay different."""
    value = (value ^ (value >> np.uint64(32))) * _MIX
    value = (value ^ (value >> np.uint64(32))) * _MIX
    return value ^ (value >> np.uint64(32))
