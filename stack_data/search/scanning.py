"""Where words, strings, comments and operators end: what the lexer's pass asks at each place, compiled.

numba kernels over bytes from `at` up to `end`; a function that finds nothing returns `at` itself. Each byte is looked at a
bounded number of times: where a string or an expression turns out to have no end, `dead` remembers up to which place none of
its kind ends. Tables are those of stack_data.search.families.FamilyTables, `classes` that of stack_data.search.characters.
The compiled kernels that call these are renewed only when kernels.py changes: raise LEXER_VERSION there.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from stack_data.search import families as of
from stack_data.search.characters import JOINED, LETTER

CODE, IN_LINE, IN_BLOCK, IN_STRING, IN_TRIPLE = 0, 1, 2, 8, 16
"""How a text may begin; the last three are the first of several, by block comment and by quote."""
PATTERN_SEED = np.uint64(0x9E3779B97F4A7C15 * 11 & (2**64 - 1))

_SEED, _MIX, _EMPTY = np.uint64(of.SEED), np.uint64(of.MIX), np.uint64(1)
_STRING_SEED, _CHARACTER_SEED = (np.uint64(0x9E3779B97F4A7C15 * odd & (2**64 - 1)) for odd in (5, 7))
WORDLIKE = np.zeros(256, np.bool_)
WORDLIKE[list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")] = True
_PREFIXES = np.zeros(256, np.int64)
_PREFIXES[list(b"rRbBfFtTuU")] = [1, 1, 2, 2, 4, 4, 16, 16, 8, 8]
_BACKSLASH, _TICK, _HASH, _DOUBLE = 92, 39, 35, 34


@njit(cache=True, nogil=True)  # type: ignore[misc]
def take(value, packed, byte):  # type: ignore[no-untyped-def]
    """Take one more byte into a hash, which is (value, packed) until `value ^ packed` ends it: one multiplication for 7 bytes."""
    packed = (packed << np.uint64(8)) | np.uint64(byte)
    if packed >> np.uint64(56):
        value = (value ^ packed) * _MIX
        return value ^ (value >> np.uint64(32)), _EMPTY
    return value, packed


@njit(cache=True, nogil=True)  # type: ignore[misc]
def hash_bytes(data, at, end, value):  # type: ignore[no-untyped-def]
    """Return the hash of bytes, not mixed yet; `value` is a seed."""
    packed = _EMPTY
    for place in range(at, end):
        value, packed = take(value, packed, data[place])
    return value ^ packed


@njit(cache=True, nogil=True)  # type: ignore[misc]
def decode(data, at, end):  # type: ignore[no-untyped-def]
    """Return (bytes, code point) of the character at `at`; (1, -1) where there is no valid UTF-8."""
    first = np.int64(data[at])
    if first < 0x80:
        return 1, first
    size = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    if first < 0xC2 or first > 0xF4 or at + size > end:
        return 1, -1
    point = first & (0x7F >> size)
    for place in range(at + 1, at + size):
        if data[place] & 0xC0 != 0x80:
            return 1, -1
        point = (point << 6) | (data[place] & 0x3F)
    if point > 0x10FFFF or (size == 3 and point < 0x800) or (size == 4 and point < 0x10000) or 0xD800 <= point < 0xE000:
        return 1, -1
    return size, point


@njit(cache=True, nogil=True)  # type: ignore[misc]
def word(data, at, end, classes):  # type: ignore[no-untyped-def]
    """Return (end, hash) of the word at `at`; `at` itself where there is none."""
    value, packed = _SEED, _EMPTY
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


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _matches(data, at, end, signs, sizes, this, which, number):  # type: ignore[no-untyped-def]
    """Tell whether a sign of family `this` stands at `at`."""
    size = sizes[this, which, number]
    if size == 0 or at + size > end:
        return False
    same = True
    for place in range(size):
        same &= data[at + place] == signs[this, which, number, place]
    return same


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _block_end(data, at, end, signs, sizes, this, number):  # type: ignore[no-untyped-def]
    """Return the place after the next end of block comment `number`, or `end`."""
    first = signs[this, of.CLOSE, number, 0]
    while at < end:
        if data[at] == first and _matches(data, at, end, signs, sizes, this, of.CLOSE, number):
            return at + sizes[this, of.CLOSE, number]
        at += 1
    return end


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _line_end(data, at, end):  # type: ignore[no-untyped-def]
    while at < end and data[at] != 10 and data[at] != 13:
        at += 1
    return at


@njit(cache=True, nogil=True)  # type: ignore[misc]
def line_break(data, at, end):  # type: ignore[no-untyped-def]
    """Return how many bytes the line break at `at` has, or 0."""
    if at < end and data[at] == 13:
        return 2 if at + 1 < end and data[at + 1] == 10 else 1
    return 1 if at < end and data[at] == 10 else 0


@njit(cache=True, nogil=True)  # type: ignore[misc]
def comment_end(data, at, start, end, this, flags, signs, sizes):  # type: ignore[no-untyped-def]
    """Return where the comment at `at` ends, or `at` where none begins. A block without an end goes to the text's end."""
    for number in range(sizes.shape[2]):
        if _matches(data, at, end, signs, sizes, this, of.OPEN, number):
            return _block_end(data, at + sizes[this, of.OPEN, number], end, signs, sizes, this, number)
    if flags & of.COMMENTS_BEGIN_WORDS and at > start:
        before = data[at - 1]
        if WORDLIKE[before] or before >= 0x80 or before in (36, 123, 38, _BACKSLASH, _TICK, _DOUBLE):
            return at
    for number in range(sizes.shape[2]):
        if _matches(data, at, end, signs, sizes, this, of.LINE, number):
            return _line_end(data, at, end)
    return at


@njit(cache=True, nogil=True)  # type: ignore[misc]
def enter(data, at, end, this, state, signs, sizes):  # type: ignore[no-untyped-def]
    """Return where code begins in a text that begins in the given state."""
    if state == IN_LINE:
        return _line_end(data, at, end)
    if IN_BLOCK <= state < IN_STRING:
        return _block_end(data, at, end, signs, sizes, this, state - IN_BLOCK)
    if state >= IN_STRING:
        quote = _quote_byte(state & 7)
        after = _string_end(data, at, end, quote, True) if state < IN_TRIPLE else _triple_end(data, at, end, quote)
        return after if after >= 0 else end
    return at


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _quote_byte(place):  # type: ignore[no-untyped-def]
    return _DOUBLE if place == 0 else _TICK if place == 1 else 96


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _string_end(data, at, end, quote, goes_on):  # type: ignore[no-untyped-def]
    """Return the place after the closing quote, or -1; `goes_on`: over lines."""
    while at < end:
        byte = data[at]
        if byte == quote:
            return at + 1
        if byte == _BACKSLASH:
            at += max(1, line_break(data, at + 1, end))
        elif not goes_on and (byte == 10 or byte == 13):
            return -1
        at += 1
    return -1


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _triple_end(data, at, end, quote):  # type: ignore[no-untyped-def]
    while at + 2 < end:
        if data[at] == _BACKSLASH:
            at += 2
        elif data[at] == quote and data[at + 1] == quote and data[at + 2] == quote:
            return at + 3
        else:
            at += 1
    return -1


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _string_hash(data, at, end, value):  # type: ignore[no-untyped-def]
    """Hash what a string holds: an escaped quote is the quote, and \\r\\n is \\n."""
    packed = _EMPTY
    while at < end:
        byte = data[at]
        if byte == _BACKSLASH or byte == 13:
            after = data[at + 1] if at + 1 < end else np.uint8(0)
            if byte == 13 and after != 10:
                value, packed = take(value, packed, byte)
            elif byte == _BACKSLASH and after not in (_DOUBLE, _TICK, 96):
                value, packed = take(value, packed, byte)
                if at + 1 < end:
                    at += 1
                    value, packed = take(value, packed, after)
        else:
            value, packed = take(value, packed, byte)
        at += 1
    return value ^ packed


@njit(cache=True, nogil=True)  # type: ignore[misc]
def quoted(data, at, start, end, this, flags, last_byte, quotes, dead):  # type: ignore[no-untyped-def]
    """Return (place after the string that begins at `at`, hash); `at` where the quote is only a sign."""
    quote = data[at]
    place = 0 if quote == _DOUBLE else 1 if quote == _TICK else 2
    rule = quotes[this, 0, place]
    if flags & of.STRINGS_ARE_VALUES and last_byte != 61:
        return at, _SEED
    if quote == _TICK and flags & of.QUOTES_BEGIN_WORDS and at > start:
        before = data[at - 1]
        if WORDLIKE[before] or before >= 0x80 or before in (41, 93, 125):
            return at, _SEED
    if quotes[this, 1, place] and at + 2 < end and data[at + 1] == quote and data[at + 2] == quote:
        after = _triple_end(data, at + 3, end, quote) if dead[3 + place] < end else -1
        if after >= 0:
            return after, _string_hash(data, at + 3, after - 3, _STRING_SEED)
        dead[3 + place] = end
    if rule == of.CHARACTER:
        after = _string_end(data, at + 1, min(end, at + 14), quote, False)
        is_one = after >= 0 and (data[at + 1] == _BACKSLASH or after - at - 2 == decode(data, at + 1, end)[0])
        return (after, _string_hash(data, at + 1, after - 1, _CHARACTER_SEED)) if is_one else (at, _SEED)
    if at < dead[place]:
        return at, _SEED
    after = _string_end(data, at + 1, end, quote, rule == of.MANY_LINES)
    if after < 0:
        dead[place] = end if rule == of.MANY_LINES else _line_end(data, at, end)
        return at, _SEED
    return after, _string_hash(data, at + 1, after - 1, _STRING_SEED)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def prefixed(data, begin, at, end, this, flags, quotes, dead):  # type: ignore[no-untyped-def]
    """Return (place after the string, hash) where the word from `begin` to `at` is a string's prefix, or (at, 0)."""
    quote = data[at]
    if flags & of.RAW_STRINGS:
        return _raw(data, begin, at, end, dead) if quote in (_DOUBLE, _HASH) and at >= dead[7] else (at, _SEED)
    if quote not in (_DOUBLE, _TICK):
        return at, _SEED
    seen = 0
    for place in range(begin, at):
        seen |= _PREFIXES[data[place]] if _PREFIXES[data[place]] else 64
    if seen >= 64:
        return at, _SEED
    after, value = quoted(data, at, begin, end, this, 0, 0, quotes, dead)
    if after == at:
        return at, _SEED
    escapes = False
    for place in range(at, after):
        escapes |= data[place] == _BACKSLASH
    # u is style alone, and r where nothing is escaped.
    seen &= ~8 if escapes else ~9
    return after, value ^ np.uint64(seen)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _raw(data, begin, at, end, dead):  # type: ignore[no-untyped-def]
    """Return (place after, hash) of a raw string: R"x(...)x" where the word ends in R, r#"..."# where it ends in r."""
    last = data[at - 1]
    content = at
    if last == 82 and data[at] == _DOUBLE:
        while content < end and content - at < 18 and data[content] != 40:
            content += 1
        size = content - at - 1
        closing = 41
    elif last == 114 and (at - begin == 1 or (at - begin == 2 and data[begin] in (98, 99))):
        while content < end and data[content] == _HASH and content - at < 255:
            content += 1
        size = content - at
        closing = _DOUBLE
    else:
        return at, _SEED
    if content >= end or data[content] != (40 if last == 82 else _DOUBLE):
        return at, _SEED
    content += 1
    place = content
    while place + size < end:
        if data[place] == closing and _closes(data, place + 1, end, at, size, last == 82):
            after = place + 1 + size + (1 if last == 82 else 0)
            return after, hash_bytes(data, content, place, _STRING_SEED)
        place += 1
    dead[7] = end
    return at, _SEED


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _closes(data, at, end, begin, size, is_named):  # type: ignore[no-untyped-def]
    """Tell whether the name (or the # signs) that began a raw string stands at `at`."""
    for place in range(size):
        if data[at + place] != (data[begin + 1 + place] if is_named else _HASH):
            return False
    return not is_named or (at + size < end and data[at + size] == _DOUBLE)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def expression_end(data, at, end, dead):  # type: ignore[no-untyped-def]
    """Return the place after the regular expression that begins at `at` and ends on its line, or `at`."""
    place = at + 1
    if at < dead[6]:
        return at
    in_set = False
    while place < end and data[place] != 10 and data[place] != 13:
        byte = data[place]
        if byte == _BACKSLASH:
            place += 1
        elif byte == 91:
            in_set = True
        elif byte == 93:
            in_set = False
        elif byte == 47 and not in_set and place > at + 1:
            place += 1
            while place < end and 97 <= data[place] <= 122:
                place += 1
            return place
        place += 1
    dead[6] = _line_end(data, at, end)
    return at


@njit(cache=True, nogil=True)  # type: ignore[misc]
def operator_size(data, at, end, this, flags, joins, thirds):  # type: ignore[no-untyped-def]
    """Return how many bytes the sign at `at` has: the longest operator of the family that stands there."""
    first = data[at]
    if at + 1 >= end:
        return 1
    second = data[at + 1]
    if first == _BACKSLASH:
        is_one = flags & of.BACKSLASH_ESCAPES and 32 < second < 127 and not WORDLIKE[second]
        return 2 if is_one else 1
    if second >= 0x80:
        return 1
    join = joins[this, first, second]
    if join > 1 and at + 2 < end and data[at + 2] < 0x80 and thirds[join >> 1, data[at + 2]]:
        return 3
    return 1 + (join & 1)
