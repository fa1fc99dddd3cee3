"""Bytes at an address, eight at a time: loads, tests and searches within 64-bit words, compiled.

`pointer(array)` is where the items of an array begin, for the innermost loops of kernels: indexing it counts no references, looks at no
length and does not count negative indexes from the end. The caller must hold the array for as long. Eight bytes are read wherever a text
has one: whoever hands a pointer to texts on sees to it that SLACK bytes after the last of them can be read. They are not used.

The first byte of a text is the lowest of a word. A test answers with the highest bit of each byte for which it holds, and `first` tells
which is the lowest of them. The compiled kernels that call these are renewed only when their own files change.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

SLACK = 72
"""Bytes that are read beyond a text, at most."""
_ONES, _HIGHS = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
_LOWS = np.uint64(0x7F7F7F7F7F7F7F7F)
_CASE, _UNDERSCORES = np.uint64(0x2020202020202020), np.uint64(0x5F5F5F5F5F5F5F5F)
# What added to a byte below 128 sets its highest bit: from '!' on, from 'a' on, after 'z', from '0' on, after '9'.
_FROM_33 = np.uint64(0x5F5F5F5F5F5F5F5F)
_FROM_A, _AFTER_Z = np.uint64(0x1F1F1F1F1F1F1F1F), np.uint64(0x0505050505050505)
_FROM_0, _AFTER_9 = np.uint64(0x5050505050505050), np.uint64(0x4646464646464646)
_GATHER = np.uint64(0x0102040810204080)


@intrinsic  # type: ignore[untyped-decorator]
def pointer(_typing: Any, array: Any) -> Any:
    """Return where the items of a contiguous array begin."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, values[0]).data

    return types.CPointer(array.dtype)(array), build


@intrinsic  # type: ignore[untyped-decorator]
def eight(_typing: Any, data: Any, at: Any) -> Any:
    """Return the eight bytes from data[at] on as uint64, the first one lowest. data: a pointer to bytes."""

    def build(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        place = builder.gep(values[0], [values[1]])
        word = builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()))
        word.align = 1
        return word

    return types.uint64(data, types.int64), build


@intrinsic  # type: ignore[untyped-decorator]
def lowest(_typing: Any, word: Any) -> Any:
    """Return the number of the lowest bit that is set; 64 where none is."""

    def build(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return builder.cttz(values[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), build


@intrinsic  # type: ignore[untyped-decorator]
def swapped(_typing: Any, word: Any) -> Any:
    """Return a word's bytes in the other order."""

    def build(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return builder.bswap(values[0])

    return types.uint64(types.uint64), build


@intrinsic  # type: ignore[untyped-decorator]
def marked(_typing: Any, tested: Any) -> Any:
    """Return how many bytes a test marked."""

    def build(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return builder.ctpop(values[0])

    return types.int64(types.uint64), build


@njit(cache=True, nogil=True)  # type: ignore[misc]
def first(tested):  # type: ignore[no-untyped-def]
    """Return the number, 0 to 7, of the first byte that a test marked; 8 where it marked none."""
    return lowest(tested) >> 3


@njit(cache=True, nogil=True)  # type: ignore[misc]
def equals(word, byte):  # type: ignore[no-untyped-def]
    """Mark the bytes that are `byte`."""
    other = word ^ (_ONES * np.uint64(byte))
    return ~((other & _LOWS) + _LOWS | other) & _HIGHS


@njit(cache=True, nogil=True)  # type: ignore[misc]
def no_word(word):  # type: ignore[no-untyped-def]
    """Mark the bytes that are none of A-Z, a-z, 0-9 and _."""
    low = word & _LOWS
    letter = low | _CASE
    found = (letter + _FROM_A) & ~(letter + _AFTER_Z)
    found |= (low + _FROM_0) & ~(low + _AFTER_9)
    found |= ~((low ^ _UNDERSCORES) + _LOWS)
    return ~(found & ~word) & _HIGHS


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _gathered(tested):  # type: ignore[no-untyped-def]
    """Return the marks of a test as the lowest eight bits of a word."""
    return ((tested >> np.uint64(7)) * _GATHER) >> np.uint64(56)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def sixty_four(data, at):  # type: ignore[no-untyped-def]
    """Return which of the 64 bytes from data[at] on belong to words and which are signs, a bit each, and whether all are ASCII."""
    words, signs, highs = np.uint64(0), np.uint64(0), np.uint64(0)
    for part in range(8):
        word = eight(data, at + 8 * part)
        others = no_word(word)
        # Above the blank, and not 127.
        visible = (word + _FROM_33) & ~(word + _ONES) & others
        words |= _gathered(others ^ _HIGHS) << np.uint64(8 * part)
        signs |= _gathered(visible) << np.uint64(8 * part)
        highs |= word
    return words, signs, highs & _HIGHS == 0


@njit(cache=True, nogil=True)  # type: ignore[misc]
def counted(data, begin, stop, end):  # type: ignore[no-untyped-def]
    """Return how many code points begin and how many lines end from data[begin] to data[stop], in a text up to `end`.

    Lines end with \\n, \\r\\n or \\r. Nothing beyond `stop` but the byte at it is looked at.
    """
    points, lines, returns, at = np.int64(0), np.int64(0), np.int64(0), begin
    while at + 8 <= stop:
        word = eight(data, at)
        # All bytes begin a code point but those of the form 10xxxxxx.
        points += 8 - marked(word & ~(word << np.uint64(1)) & _HIGHS)
        lines += marked(equals(word, 10))
        returns += marked(equals(word, 13))
        at += 8
    for place in range(at, stop):
        points += (data[place] & 0xC0) != 0x80
        lines += data[place] == 10
        returns += data[place] == 13
    if returns:
        for place in range(begin, stop):
            lines += data[place] == 13 and not (place + 1 < end and data[place + 1] == 10)
    return points, lines


@njit(cache=True, nogil=True)  # type: ignore[misc]
def past_blanks(data, at, end):  # type: ignore[no-untyped-def]
    """Return the first place from `at` on that is no blank, or `end`."""
    while at < end:
        size = first(equals(eight(data, at), 32) ^ _HIGHS)
        at += size
        if size < 8:
            break
    return min(at, end)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def next_of(data, at, end, one, other, third, fourth):  # type: ignore[no-untyped-def]
    """Return the first place from `at` on of one of four bytes, or `end`."""
    while at < end:
        word = eight(data, at)
        size = first(equals(word, one) | equals(word, other) | equals(word, third) | equals(word, fourth))
        at += size
        if size < 8:
            break
    return min(at, end)
