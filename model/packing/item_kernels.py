"""Kernels that plan: documents into items, and items into rows. numba, without the GIL.

An item is one document, or one chunk of a long one, with what is put around it. Its room in a row follows from the number of
tokens the document had when it was tokenized and from draws alone, never from its text or its place: so a document that is
dropped later leaves its room empty and moves nothing.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from model.fim.draws import IS_FIM, ORDER, WITH_PATH, WITH_REPOSITORY, chance, content_key, item_key, lane, spread

# What is done with an item: bits of its flags.
FIM, LAST, REPOSITORY, PATH = np.uint8(1), np.uint8(2), np.uint8(4), np.uint8(8)
# JOINED: one of several files that stand together; FOLLOWS: not the first of them; CLOSES: nothing follows it. See joining.py.
JOINED, FOLLOWS, CLOSES = np.uint8(16), np.uint8(32), np.uint8(64)
FIM_TOKENS = 3


@njit(cache=True, nogil=True)  # type: ignore[misc]
def content_keys(seed, content_ids):  # type: ignore[no-untyped-def]
    """Return the key of each content: uint64[D]. content_ids: uint8[D, 20]."""
    keys = np.empty(len(content_ids), np.uint64)
    for at in range(len(content_ids)):
        keys[at] = content_key(seed, content_ids[at])
    return keys


@njit(cache=True, nogil=True)  # type: ignore[misc]
def item_keys(keys, chunks, epochs):  # type: ignore[no-untyped-def]
    """Return the key of each item: uint64[I]. keys: of its content."""
    found = np.empty(len(keys), np.uint64)
    for at in range(len(keys)):
        found[at] = item_key(keys[at], chunks[at], epochs[at])
    return found


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _flags_of(key, chunk, fim_rate, repository_rate, path_rate):  # type: ignore[no-untyped-def]
    flags = np.uint8(0)
    if chance(key, IS_FIM, fim_rate):
        flags |= FIM
    if chunk == 0 and chance(key, WITH_REPOSITORY, repository_rate):
        flags |= REPOSITORY
    if chunk == 0 and chance(key, WITH_PATH, path_rate):
        flags |= PATH
    return flags


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _around(flags, slack, metadata):  # type: ignore[no-untyped-def]
    """Return the room for what is put around a text that does not end its document."""
    room = 0
    if flags & FIM:
        room += FIM_TOKENS + slack + 1  # a middle ends with the end of text, wherever it is
    if flags & (REPOSITORY | PATH):
        room += metadata
    return room


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _chunk(num_tokens, first, flags, positions, slack, metadata):  # type: ignore[no-untyped-def]
    """Return (how many tokens a chunk takes, whether it is the last, how many positions are kept for it)."""
    around = _around(flags, slack, metadata)
    end = 0 if flags & FIM else 1
    # An item of n tokens takes n - 1 positions.
    room = positions + 1 - around
    if num_tokens - first + end <= room:
        return num_tokens - first, True, num_tokens - first + end + around - 1
    if num_tokens - first <= room:  # all but the end of text would fit: one token goes to the chunk that ends
        return num_tokens - first - 1, False, num_tokens - first - 1 + around - 1
    return room, False, room + around - 1


@njit(cache=True, nogil=True)  # type: ignore[misc]
def count_items(keys, num_tokens, epoch, rates, sizes):  # type: ignore[no-untyped-def]
    """Return how many items some documents have in an epoch. See items_of."""
    count = 0
    for at in range(len(keys)):
        first, chunk = np.int64(0), 0
        while first < num_tokens[at]:
            flags = _flags_of(item_key(keys[at], chunk, epoch), chunk, rates[0], rates[1], rates[2])
            taken, _, _ = _chunk(num_tokens[at], first, flags, sizes[0], sizes[1], sizes[2])
            first += taken
            chunk += 1
        count += chunk
    return count


@njit(cache=True, nogil=True)  # type: ignore[misc]
def items_of(keys, num_tokens, epoch, rates, sizes, count):  # type: ignore[no-untyped-def]
    """Cut documents into items.

    keys: uint64[D], content keys; num_tokens: int64[D]; rates: (fim, repository, path); sizes: positions of a row, slack and
    metadata tokens. Returns of each item: the document's row in keys int64[I], chunk int32[I], first token int64[I],
    number of tokens int32[I], positions int32[I], flags uint8[I], order uint64[I].
    """
    rows, chunks = np.empty(count, np.int64), np.empty(count, np.int32)
    firsts, counts = np.empty(count, np.int64), np.empty(count, np.int32)
    rooms, all_flags, orders = np.empty(count, np.int32), np.empty(count, np.uint8), np.empty(count, np.uint64)
    item = 0
    for at in range(len(keys)):
        first, chunk = np.int64(0), 0
        while first < num_tokens[at]:
            key = item_key(keys[at], chunk, epoch)
            flags = _flags_of(key, chunk, rates[0], rates[1], rates[2])
            taken, is_last, room = _chunk(num_tokens[at], first, flags, sizes[0], sizes[1], sizes[2])
            rows[item], chunks[item], firsts[item], counts[item], rooms[item] = at, chunk, first, taken, room
            all_flags[item] = flags | LAST if is_last else flags
            orders[item] = lane(key, ORDER)
            first += taken
            chunk += 1
            item += 1
    return rows, chunks, firsts, counts, rooms, all_flags, orders


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _lowest_bit(word):  # type: ignore[no-untyped-def]
    """Return the place of the lowest bit that is set; the word is not zero."""
    place = 0
    for step in (32, 16, 8, 4, 2, 1):
        if word & ((np.uint64(1) << np.uint64(step)) - np.uint64(1)) == 0:
            word >>= np.uint64(step)
            place += step
    return place


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _tightest(words, least):  # type: ignore[no-untyped-def]
    """Return the smallest free space of at least `least` that some row has, or -1."""
    at = least >> 6
    word = words[at] & ~((np.uint64(1) << np.uint64(least & 63)) - np.uint64(1))
    while word == 0:
        at += 1
        if at == len(words):
            return -1
        word = words[at]
    return at * 64 + _lowest_bit(word)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _longest_first(lengths, positions):  # type: ignore[no-untyped-def]
    """Return the order of items by length, longest first, equal ones as they come: int64[I]."""
    begins = np.zeros(positions + 2, np.int64)
    for length in lengths:
        begins[positions - length + 1] += 1
    begins = np.cumsum(begins)
    order = np.empty(len(lengths), np.int64)
    for item in range(len(lengths)):
        order[begins[positions - lengths[item]]] = item
        begins[positions - lengths[item]] += 1
    return order


@njit(cache=True, nogil=True)  # type: ignore[misc]
def best_fit(lengths, positions):  # type: ignore[no-untyped-def]
    """Give each item, longest first, the row whose free space it fills best; a new row where none has room.

    lengths: int32[I], each 0 to positions. Returns (row of each item int64[I], free space of each row int32[R]).
    """
    heads, words = np.full(positions + 1, -1, np.int64), np.zeros((positions >> 6) + 1, np.uint64)
    below, row_of = np.empty(len(lengths), np.int64), np.empty(len(lengths), np.int64)
    free, num_rows = np.empty(len(lengths), np.int32), 0
    for item in _longest_first(lengths, positions):
        space = _tightest(words, np.int64(lengths[item]))
        if space < 0:
            row, space = num_rows, positions
            num_rows += 1
        else:
            row = heads[space]
            heads[space] = below[row]
            if heads[space] < 0:
                words[space >> 6] &= ~(np.uint64(1) << np.uint64(space & 63))
        left = space - lengths[item]
        below[row], heads[left] = heads[left], row
        words[left >> 6] |= np.uint64(1) << np.uint64(left & 63)
        row_of[item], free[row] = row, left
    return row_of, free[:num_rows].copy()


@njit(cache=True, nogil=True)  # type: ignore[misc]
def shuffled(num_rows, seed, window):  # type: ignore[no-untyped-def]
    """Return the new number of each row of a window: long items come first in packing, and not in training. int64[R]."""
    key = spread(spread(np.uint64(seed)) ^ np.uint64(window))
    orders = np.empty(num_rows, np.uint64)
    for row in range(num_rows):
        orders[row] = spread(key ^ np.uint64(row))
    numbers = np.empty(num_rows, np.int64)
    numbers[np.argsort(orders, kind="mergesort")] = np.arange(num_rows)
    return numbers


@njit(cache=True, nogil=True)  # type: ignore[misc]
def lay_out(order, row_of, free, rooms, flags):  # type: ignore[no-untyped-def]
    """Lay the items of each row one after the other; what a row has to spare goes to its items that may need it.

    order: int64[I], items by row. Returns (start position int32[I], positions int32[I], bounds of rows int64[R + 1]), in that order.
    """
    starts, lengths = np.empty(len(order), np.int32), np.empty(len(order), np.int32)
    bounds, cut = np.zeros(len(free) + 1, np.int64), np.zeros(len(free), np.int32)
    for item in order:
        bounds[row_of[item] + 1] += 1
        cut[row_of[item]] += flags[item] & FIM
    bounds = np.cumsum(bounds)
    for row in range(len(free)):
        start, spare, takers = 0, free[row], cut[row]
        for at in range(bounds[row], bounds[row + 1]):
            length = rooms[order[at]]
            if flags[order[at]] & FIM:
                length += spare // takers
                spare -= spare // takers
                takers -= 1
            starts[at], lengths[at] = start, length
            start += length
    return starts, lengths, bounds
