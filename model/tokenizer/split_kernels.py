"""Where words begin and end, compiled: what Digits(individual_digits=True) and then ByteLevel(use_regex=True) do, over raw bytes.

A number stands alone, and nothing is matched across it; between numbers the expression of GPT-2 holds:
's | 't | 're | 've | 'm | 'll | 'd | ?letters | ?others | white space but for its last, before a word | white space.
A byte that is part of no code point is a word of its own and, like a number, ends what stands before it. Surrogates written as three
bytes, overlong forms and code points above U+10FFFF are such bytes, as in Python's strict decoding.
"""

from __future__ import annotations

from numba import njit

from model.tokenizer.characters import INVALID, LETTER, NUMBER, OTHER, SPACE

REACH = 8
"""How many bytes on either side of a place `is_boundary` looks at, at most."""
_BLANK, _QUOTE = 32, 39


@njit(cache=True, nogil=True)  # type: ignore[misc]
def point(data, at, end):  # type: ignore[no-untyped-def]
    """Return (bytes, code point) of the character that begins at `at`; (1, -1) when none does."""
    first = data[at]
    if first < 0x80:
        return 1, int(first)
    if first < 0xC2 or first > 0xF4:
        return 1, -1
    size = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    if at + size > end:
        return 1, -1
    value = first & (0x7F >> size)
    for step in range(1, size):
        if data[at + step] & 0xC0 != 0x80:
            return 1, -1
        value = value << 6 | data[at + step] & 0x3F
    if (size == 3 and (value < 0x800 or 0xD800 <= value < 0xE000)) or (size == 4 and not 0x10000 <= value < 0x110000):
        return 1, -1
    return size, int(value)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def character(data, at, end, classes):  # type: ignore[no-untyped-def]
    """Return (bytes, class) of the character that begins at `at`."""
    first = data[at]
    if first < 0x80:
        return 1, classes[first]
    size, value = point(data, at, end)
    return (size, classes[value]) if value >= 0 else (1, INVALID)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def word_end(data, at, end, classes):  # type: ignore[no-untyped-def]
    """Return where the word that begins at `at` ends; `at` is where another word ended, or the start of the text."""
    first = data[at]
    if first == _QUOTE:
        size = _contraction(data, at, end)
        if size:
            return at + size
    size, kind = character(data, at, end, classes)
    if kind >= NUMBER:
        return at + size
    begin = at
    at += size
    if first == _BLANK and at < end:
        size, after = character(data, at, end, classes)
        if after in (LETTER, OTHER):
            at, kind = at + size, after
    last = begin
    while at < end:
        size, after = character(data, at, end, classes)
        if after != kind:
            # White space gives its last character to the word behind it, unless that is all there is of it.
            return last if kind == SPACE and after < NUMBER and last > begin else at
        last = at
        at += size
    return at


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _contraction(data, at, end):  # type: ignore[no-untyped-def]
    """Return the length of 's 't 'm 'd 're 've 'll at a quote; 0 for none."""
    if at + 1 >= end:
        return 0
    one = data[at + 1]
    if one == 115 or one == 116 or one == 109 or one == 100:  # s t m d
        return 2
    if at + 2 >= end:
        return 0
    two = data[at + 2]
    return 3 if (two == 101 and (one == 114 or one == 118)) or (one == 108 and two == 108) else 0  # re ve ll


@njit(cache=True, nogil=True)  # type: ignore[misc]
def is_boundary_of(classes, data, begin, end, at):  # type: ignore[no-untyped-def]
    """See `bpe_kernels.is_boundary`; classes: uint8[0x110000]."""
    if at <= begin or at >= end:
        return True
    start, before = _before(data, begin, end, at, classes)
    if start < 0:  # inside a character
        return False
    size, after = character(data, at, end, classes)
    if before >= NUMBER or after >= NUMBER:
        return True
    if after == SPACE:
        if before != SPACE:
            return True
        if at + size >= end:
            return False
        # The last white space before a word parts from the rest of its run, joins the word or stands alone.
        _, beyond = character(data, at + size, end, classes)
        return beyond in (LETTER, OTHER)
    if before == SPACE:
        if data[start] == _BLANK and start == at - 1:
            return False
        return start == begin or _before(data, begin, end, start, classes)[1] != SPACE
    if before == after:
        return False
    return not (before == OTHER and data[at - 1] == _QUOTE and _may_contract(data[at]))


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _may_contract(byte):  # type: ignore[no-untyped-def]
    return byte in (115, 116, 109, 100, 114, 118, 108)  # s t m d r v l


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _before(data, begin, end, at, classes):  # type: ignore[no-untyped-def]
    """Return (start, class) of the character that ends at `at`; (-1, 0) when `at` is inside one."""
    if data[at - 1] < 0x80:
        return at - 1, classes[data[at - 1]]
    start = at - 1
    while start > begin and start > at - 4 and data[start] & 0xC0 == 0x80:
        start -= 1
    size, kind = character(data, start, end, classes)
    if start + size > at:
        return -1, 0
    return (start, kind) if start + size == at else (at - 1, INVALID)
