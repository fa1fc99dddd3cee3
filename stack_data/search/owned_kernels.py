"""Kernels over places and contents of several segments: numba, without the GIL, one pass each.

Ids are uint8[N, 20] and ascend where that is said. Places are told apart by 64-bit hashes of everything that names them; two places with
one hash would count as one.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from stack_data.search.kgrams import mixed

_STEP = np.uint64(0x9E3779B97F4A7C15)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def place_keys(rows, documents, ids, repository, paths, path_data, revisions, revision_data):  # type: ignore[no-untyped-def]
    """Return a hash of each place: uint64[K]. documents: their rows of ids; repository: uint64[K], a hash of its folded name;
    paths and revisions: int32 offsets into their bytes, by row of places."""
    keys = np.empty(len(rows), np.uint64)
    for at in range(len(rows)):
        value = _hashed(ids[documents[at]], 0, 20, repository[at])
        value = _hashed(path_data, paths[rows[at]], paths[rows[at] + 1], value)
        keys[at] = _hashed(revision_data, revisions[rows[at]], revisions[rows[at] + 1], value)
    return keys


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _hashed(data, begin, end, value):  # type: ignore[no-untyped-def]
    """Return a hash of some bytes and of the value before, four bytes a step."""
    at = begin
    while at + 4 <= end:
        word = np.uint64(data[at]) | np.uint64(data[at + 1]) << np.uint64(8)
        word |= np.uint64(data[at + 2]) << np.uint64(16) | np.uint64(data[at + 3]) << np.uint64(24)
        value = (value ^ word) * _STEP
        value ^= value >> np.uint64(32)
        at += 4
    word = np.uint64(end - at + 1)
    while at < end:
        word = word << np.uint64(8) | np.uint64(data[at])
        at += 1
    return mixed((value ^ word) * _STEP)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def first_equal(keys):  # type: ignore[no-untyped-def]
    """Return for each key the number of the first one that equals it: int64[K]."""
    size = 16
    while size < 2 * len(keys):
        size *= 2
    slots = np.full(size, -1, np.int64)
    found = np.empty(len(keys), np.int64)
    for at in range(len(keys)):
        slot = np.int64(mixed(keys[at]) & np.uint64(size - 1))
        while slots[slot] >= 0 and keys[slots[slot]] != keys[at]:
            slot = (slot + 1) & (size - 1)
        if slots[slot] < 0:
            slots[slot] = at
        found[at] = slots[slot]
    return found


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _less(left, right):  # type: ignore[no-untyped-def]
    """Return whether the first of two ids is the smaller one."""
    for at in range(len(left)):
        if left[at] != right[at]:
            return left[at] < right[at]
    return False


@njit(cache=True, nogil=True)  # type: ignore[misc]
def find_ascending(wanted, ids):  # type: ignore[no-untyped-def]
    """Return the rows of ids (ascending, each once) that are among those wanted (ascending): int64[F], ascending."""
    found = np.empty(len(wanted), np.int64)
    count, low = 0, 0
    for at in range(len(wanted)):
        step, high = 1, low
        while high < len(ids) and _less(ids[high], wanted[at]):
            low = high + 1
            high += step
            step *= 2
        high = min(high, len(ids))
        while low < high:
            middle = (low + high) // 2
            if _less(ids[middle], wanted[at]):
                low = middle + 1
            else:
                high = middle
        if low < len(ids) and not _less(wanted[at], ids[low]):
            found[count] = low
            count += 1
    return found[:count].copy()


@njit(cache=True, nogil=True)  # type: ignore[misc]
def others(documents, begins, end, mine):  # type: ignore[no-untyped-def]
    """Return the rows of places of documents that are not among mine; all ascend. begins: uint32[D]; end: behind the last."""
    count = 0
    for document in documents:
        count += (begins[document + 1] if document + 1 < len(begins) else end) - begins[document]
    found = np.empty(count, np.int64)
    count, at = 0, 0
    for document in documents:
        stop = begins[document + 1] if document + 1 < len(begins) else end
        for row in range(begins[document], stop):
            while at < len(mine) and mine[at] < row:
                at += 1
            if at == len(mine) or mine[at] != row:
                found[count] = row
                count += 1
    return found[:count].copy()


@njit(cache=True, nogil=True)  # type: ignore[misc]
def merged(left, right):  # type: ignore[no-untyped-def]
    """Return what is in either of two ascending arrays, each once, ascending."""
    found = np.empty(len(left) + len(right), np.int64)
    count, one, other = 0, 0, 0
    while one < len(left) or other < len(right):
        if other == len(right) or (one < len(left) and left[one] <= right[other]):
            other += other < len(right) and left[one] == right[other]
            found[count] = left[one]
            one += 1
        else:
            found[count] = right[other]
            other += 1
        count += 1
    return found[:count].copy()
