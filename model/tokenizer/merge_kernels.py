"""Merging the bytes of a word into tokens, compiled: the merge of lowest rank first, leftmost first among equals, until none is left.

In short words the lowest rank is looked for again and again; in long ones a heap keeps the ranks, so that a line of a million letters takes
n log n steps and not n * n. Both give the same tokens. Merges are looked up in an open-addressing table of pairs.
"""

from __future__ import annotations

import numpy as np
from numba import njit

SHORT = 48
"""Words of more bytes than this are merged with a heap."""
NONE = np.uint64(0xFFFFFFFFFFFFFFFF)
"""No merge, and an empty slot of a table."""
_MIX, _LOW = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xFFFFFFFF)
_32, _29, _7 = np.uint64(32), np.uint64(29), np.uint64(7)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def pair_value(left, right, pairs):  # type: ignore[no-untyped-def]
    """Return rank << 32 | merged of two tokens; NONE when they do not merge."""
    key = left << _32 | right
    mixed = key * _MIX
    mask = np.uint64(len(pairs) // 2 - 1)
    slot = (mixed ^ mixed >> _29) >> _7 & mask
    while True:
        at = np.int64(slot) * 2
        found = pairs[at]
        if found == key:
            return pairs[at + 1]
        if found == NONE:
            return NONE
        slot = slot + np.uint64(1) & mask


@njit(cache=True, nogil=True)  # type: ignore[misc]
def fill_pairs(lefts, rights, merged, pairs):  # type: ignore[no-untyped-def]
    """Enter merges, int64[M] in order of rank, into an empty table. Of equal pairs the last counts, as in the library."""
    mask = np.uint64(len(pairs) // 2 - 1)
    for rank in range(len(lefts)):
        key = np.uint64(lefts[rank]) << _32 | np.uint64(rights[rank])
        mixed = key * _MIX
        slot = (mixed ^ mixed >> _29) >> _7 & mask
        while pairs[np.int64(slot) * 2] != NONE and pairs[np.int64(slot) * 2] != key:
            slot = slot + np.uint64(1) & mask
        pairs[np.int64(slot) * 2] = key
        pairs[np.int64(slot) * 2 + 1] = np.uint64(rank) << _32 | np.uint64(merged[rank])


@njit(cache=True, nogil=True)  # type: ignore[misc]
def merge_short(data, begin, end, byte_ids, pairs, ids, ranks, out, at):  # type: ignore[no-untyped-def]
    """Merge a word of at most SHORT bytes by scanning for the lowest rank again and again."""
    count = end - begin
    for number in range(count):
        ids[number] = np.uint64(byte_ids[data[begin + number]])
    for number in range(count - 1):
        ranks[number] = pair_value(ids[number], ids[number + 1], pairs)
    while count > 1:
        best, where = NONE, 0
        for number in range(count - 1):
            if ranks[number] < best:
                best, where = ranks[number], number
        if best == NONE:
            break
        ids[where] = best & _LOW
        count -= 1
        for number in range(where + 1, count):
            ids[number] = ids[number + 1]
            ranks[number - 1] = ranks[number]
        if where > 0:
            ranks[where - 1] = pair_value(ids[where - 1], ids[where], pairs)
        if where < count - 1:
            ranks[where] = pair_value(ids[where], ids[where + 1], pairs)
    for number in range(count):
        out[at + number] = ids[number]
    return at + count


@njit(cache=True, nogil=True)  # type: ignore[misc]
def merge_long(data, begin, end, byte_ids, pairs, out, at):  # type: ignore[no-untyped-def]
    """Merge a long word: a heap of rank << 32 | place, and links between the places that are left."""
    size = end - begin
    ids, values = np.empty(size, np.uint64), np.full(size, NONE, np.uint64)
    before, after = np.arange(-1, size - 1), np.arange(1, size + 1)
    # Every merge makes at most two new pairs, so this is room for all that are ever entered.
    heap, filled = np.empty(3 * size, np.uint64), 0
    for number in range(size):
        ids[number] = np.uint64(byte_ids[data[begin + number]])
    for number in range(size - 1):
        filled = _enter(heap, filled, values, number, pair_value(ids[number], ids[number + 1], pairs))
    while filled:
        top = heap[0]
        filled = _drop_top(heap, filled)
        here = np.int64(top & _LOW)
        if values[here] == NONE or values[here] >> _32 != top >> _32:
            continue  # what it spoke of has been merged since
        ids[here] = values[here] & _LOW
        gone = after[here]
        values[gone] = NONE
        after[here] = after[gone]
        if after[here] < size:
            before[after[here]] = here
            filled = _enter(heap, filled, values, here, pair_value(ids[here], ids[after[here]], pairs))
        else:
            values[here] = NONE
        left = before[here]
        if left >= 0:
            filled = _enter(heap, filled, values, left, pair_value(ids[left], ids[here], pairs))
    here = np.int64(0)
    while here < size:
        out[at] = ids[here]
        at += 1
        here = after[here]
    return at


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _enter(heap, filled, values, place, value):  # type: ignore[no-untyped-def]
    """Note the merge at a place; enter it into the heap when there is one. Return how many entries there are."""
    values[place] = value
    if value == NONE:
        return filled
    item, at = value >> _32 << _32 | np.uint64(place), filled
    while at > 0 and heap[(at - 1) >> 1] > item:
        heap[at] = heap[(at - 1) >> 1]
        at = (at - 1) >> 1
    heap[at] = item
    return filled + 1


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _drop_top(heap, filled):  # type: ignore[no-untyped-def]
    """Take the least entry off the heap; return how many are left."""
    filled -= 1
    item, at = heap[filled], 0
    while 2 * at + 1 < filled:
        child = 2 * at + 1
        if child + 1 < filled and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= item:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = item
    return filled
