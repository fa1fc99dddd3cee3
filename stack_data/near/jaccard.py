"""Exact Jaccard similarity of pairs of shingle sets, many pairs at a time.

Sets stand one after the other in one array, which may be a mapped file. Pairs are grouped by their first set, whose
hash table is made once. Two distinct shingles count as one only if their 64-bit hashes are equal.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

_LEAST_TABLE = 1024


def shared(
    hashes: npt.NDArray[np.uint64],
    begin: npt.NDArray[np.int64],
    end: npt.NDArray[np.int64],
    first: npt.NDArray[np.int64],
    second: npt.NDArray[np.int64],
) -> npt.NDArray[np.int32]:
    """Return how many shingles the sets of each pair share: int32[K].

    hashes, begin, end: set i is hashes[begin[i]:end[i]]; first, second: sets by number, equal `first` together.
    """
    return np.asarray(_shared(hashes, begin, end, first, second))


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _shared(hashes, begin, end, first, second):  # type: ignore[no-untyped-def]
    out = np.zeros(len(first), np.int32)
    table = np.empty(_LEAST_TABLE, np.uint64)
    marks = np.zeros(_LEAST_TABLE, np.int32)
    mark = np.int32(0)
    mask = np.uint64(0)
    loaded = np.int64(-1)
    for pair in range(len(first)):
        if first[pair] != loaded:
            loaded = first[pair]
            start, stop = begin[loaded], end[loaded]
            size = _LEAST_TABLE
            while size < 2 * (stop - start):
                size *= 2
            if size > len(table):
                table = np.empty(size, np.uint64)
                marks = np.zeros(size, np.int32)
                mark = np.int32(0)
            mark += np.int32(1)
            mask = np.uint64(size - 1)
            for at in range(start, stop):
                slot = hashes[at] & mask
                while marks[slot] == mark:
                    slot = (slot + np.uint64(1)) & mask
                marks[slot] = mark
                table[slot] = hashes[at]
        for at in range(begin[second[pair]], end[second[pair]]):
            slot = hashes[at] & mask
            while marks[slot] == mark:
                if table[slot] == hashes[at]:
                    out[pair] += np.int32(1)
                    break
                slot = (slot + np.uint64(1)) & mask
    return out
