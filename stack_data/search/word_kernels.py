"""Words and the hashes of tokens, compiled: what scanning.py and numerals.py build on.

A hash takes seven bytes with one multiplication; `take` does it byte by byte, the others eight bytes at a time, with the same result. `data`
and `classes` are pointers (eights.py). As in scanning.py, the compiled kernels that call these are renewed only when kernels.py changes.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from stack_data.search import families as of
from stack_data.search.characters import JOINED, LETTER
from stack_data.search.eights import eight, first, no_word, swapped

_SEED, _MIX, EMPTY = np.uint64(of.SEED), np.uint64(of.MIX), np.uint64(1)
SEVEN = 7
"""Bytes of one multiplication."""
_SEVENTH = np.uint64(1 << 56)
WORDLIKE = np.zeros(256, np.bool_)
WORDLIKE[list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")] = True


@njit(cache=True, nogil=True)  # type: ignore[misc]
def take(value, packed, byte):  # type: ignore[no-untyped-def]
    """Take one more byte into a hash, which is (value, packed) until `value ^ packed` ends it: one multiplication for 7 bytes."""
    packed = (packed << np.uint64(8)) | np.uint64(byte)
    if packed >> np.uint64(56):
        value = (value ^ packed) * _MIX
        return value ^ (value >> np.uint64(32)), EMPTY
    return value, packed


@njit(cache=True, nogil=True)  # type: ignore[misc]
def hash_bytes(data, at, end, value):  # type: ignore[no-untyped-def]
    """Return the hash of bytes, not mixed yet; `value` is a seed."""
    packed = EMPTY
    for place in range(at, end):
        value, packed = take(value, packed, data[place])
    return value ^ packed


@njit(cache=True, nogil=True)  # type: ignore[misc]
def decode(data, at, end):  # type: ignore[no-untyped-def]
    """Return (bytes, code point) of the character at `at`; (1, -1) where there is no valid UTF-8."""
    head = np.int64(data[at])
    if head < 0x80:
        return 1, head
    size = 2 if head < 0xE0 else 3 if head < 0xF0 else 4
    if head < 0xC2 or head > 0xF4 or at + size > end:
        return 1, -1
    point = head & (0x7F >> size)
    for place in range(at + 1, at + size):
        if data[place] & 0xC0 != 0x80:
            return 1, -1
        point = (point << 6) | (data[place] & 0x3F)
    if point > 0x10FFFF or (size == 3 and point < 0x800) or (size == 4 and point < 0x10000) or 0xD800 <= point < 0xE000:
        return 1, -1
    return size, point


@njit(cache=True, nogil=True)  # type: ignore[misc]
def take_seven(value, word):  # type: ignore[no-untyped-def]
    """Take the first seven bytes of a word of `eights` into a hash that has no packed byte, as `take` does one by one."""
    value = (value ^ (swapped(word) >> np.uint64(8)) ^ _SEVENTH) * _MIX
    return value ^ (value >> np.uint64(32))


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _take_rest(value, word, size):  # type: ignore[no-untyped-def]
    """Take the first `size` bytes of a word, less than seven, and end the hash."""
    # Shifted in two steps: by 64 bits at once is not defined.
    rest = swapped(word) >> np.uint64(8) >> np.uint64(8 * (SEVEN - size))
    return value ^ rest ^ (EMPTY << np.uint64(8 * size))


@njit(cache=True, nogil=True)  # type: ignore[misc]
def hash_run(data, at, size):  # type: ignore[no-untyped-def]
    """Return the hash of so many bytes, as `hash_bytes` does with the seed of words."""
    value = _SEED
    while size >= SEVEN:
        value = take_seven(value, eight(data, at))
        at, size = at + SEVEN, size - SEVEN
    return _take_rest(value, eight(data, at), size)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def ascii_word(data, at, end):  # type: ignore[no-untyped-def]
    """Return (end, hash) of the letters, digits and _ at `at`, ASCII alone; where there are none, of the byte at `at`."""
    read = eight(data, at)
    size = max(min(first(no_word(read)), end - at), 1)
    value = _SEED
    while size >= SEVEN:
        value = take_seven(value, read)
        at += SEVEN
        read = eight(data, at)
        size = min(first(no_word(read)), end - at)
    return at + size, _take_rest(value, read, size)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def word(data, at, end, classes):  # type: ignore[no-untyped-def]
    """Return (end, hash) of the word at `at`; `at` itself where there is none."""
    if data[at] < 0x80:
        after, hashed = ascii_word(data, at, end)
        if after == end or data[after] < 0x80:
            return after, hashed
    value, packed = _SEED, EMPTY
    while at < end:
        byte = data[at]
        if WORDLIKE[byte]:
            value, packed = take(value, packed, byte)
            at += 1
        elif byte >= 0x80:
            size, point = decode(data, at, end)
            if point < 0 or (classes[point] != LETTER and classes[point] != JOINED):
                break
            for place in range(at, at + size):
                value, packed = take(value, packed, data[place])
            at += size
        else:
            break
    return at, value ^ packed
