"""Kernels of the deny index: which of many hashes are among those stored, and runs of hits. numba, without the GIL."""

from __future__ import annotations

import numpy as np
from numba import njit

FILTER_BITS = 24


@njit(cache=True, nogil=True)  # type: ignore[misc]
def filter_of(stored):  # type: ignore[no-untyped-def]
    """Return a table that says of most hashes at once that they are not stored: uint8[2^21], a bit for each first 24 bits."""
    table = np.zeros(1 << (FILTER_BITS - 3), np.uint8)
    for value in stored:
        first = np.int64(value >> np.uint64(64 - FILTER_BITS))
        table[first >> 3] |= np.uint8(1 << (first & 7))
    return table


@njit(cache=True, nogil=True)  # type: ignore[misc]
def first_of_run(ascending):  # type: ignore[no-untyped-def]
    """Return the row of the first value that equals each: int64[N]."""
    first = np.empty(len(ascending), np.int64)
    for at in range(len(ascending)):
        first[at] = first[at - 1] if at and ascending[at] == ascending[at - 1] else at
    return first


@njit(cache=True, nogil=True)  # type: ignore[misc]
def find(stored, table, hashes):  # type: ignore[no-untyped-def]
    """Return the first row of each hash among those stored, which ascend; -1 for the others: int64[G]."""
    found = np.full(len(hashes), -1, np.int64)
    for at in range(len(hashes)):
        value = hashes[at]
        first = np.int64(value >> np.uint64(64 - FILTER_BITS))
        if not table[first >> 3] >> (first & 7) & 1:
            continue
        low, high = 0, len(stored)
        while low < high:
            middle = (low + high) // 2
            if stored[middle] < value:
                low = middle + 1
            else:
                high = middle
        if low < len(stored) and stored[low] == value:
            found[at] = low
    return found


@njit(cache=True, nogil=True)  # type: ignore[misc]
def refusing_run(hits, exclusive, counts, k, shortest, first_token, most_needed):  # type: ignore[no-untyped-def]
    """Return (first, end) of the first run of hits that refuses, in tokens, or (-1, -1).

    hits, exclusive, counts: bool[G], of the grams in a row; a run refuses when it holds `shortest` grams in a row, from one that counts on, of
    which at least half are exclusive, and at least `most_needed` of its tokens from `first_token` on.
    """
    at = 0
    while at < len(hits):
        if not hits[at]:
            at += 1
            continue
        begin = at
        while at < len(hits) and hits[at]:
            at += 1
        end = at + k - 1
        if at - begin < shortest or end - max(begin, first_token) < most_needed:
            continue
        count = 0
        for row in range(begin, at):
            count += exclusive[row]
            if row - begin >= shortest:
                count -= exclusive[row - shortest]
            if row - begin + 1 >= shortest and 2 * count >= shortest and counts[row - shortest + 1]:
                return begin, end
    return -1, -1
