"""Where words, strings, comments and operators end: what the lexer's pass asks at each place, compiled.

numba kernels over bytes from data[at] up to data[end]; a function that finds nothing returns `at` itself. Each byte is looked at a
bounded number of times: where a string or an expression turns out to have no end, `dead` remembers up to which place none of
its kind ends. `data` and all that `rules` holds but numbers are pointers (eights.py), so that nothing here counts references.
The compiled kernels that call these are renewed only when kernels.py changes: raise LEXER_VERSION there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from stack_data.search import families as of
from stack_data.search.eights import eight, equals, first, next_of, pointer
from stack_data.search.word_kernels import EMPTY, SEVEN, WORDLIKE, decode, hash_bytes, take, take_seven

_MOST = of.MOST_SIGNS
CODE, IN_LINE, IN_BLOCK, IN_STRING, IN_TRIPLE = 0, 1, 2, 8, 16
"""How a text may begin; the last three are the first of several, by block comment and by quote."""
PATTERN_SEED = np.uint64(0x9E3779B97F4A7C15 * 11 & (2**64 - 1))

_SEED = np.uint64(of.SEED)
_STRING_SEED, _CHARACTER_SEED = (np.uint64(0x9E3779B97F4A7C15 * odd & (2**64 - 1)) for odd in (5, 7))
_PREFIXES = np.zeros(256, np.int64)
_PREFIXES[list(b"rRbBfFtTuU")] = [1, 1, 2, 2, 4, 4, 16, 16, 8, 8]
_BACKSLASH, _TICK, _HASH, _DOUBLE = 92, 39, 35, 34


class Rules(NamedTuple):
    """What the kernels ask of one family: rows of families.FamilyTables, and `classes` of characters.py, as pointers.

    opens[byte]; signs[which, number, 4] and sizes[which, number], as [(4 * which + number) * 4] and [4 * which + number]; quotes[2, 3]
    as [3 * row + quote]; joins[128, 128] and thirds[128, 128] as [128 * first + second]; keywords[slot].
    """

    flags: Any
    kinds: Any
    opens: Any
    signs: Any
    sizes: Any
    quotes: Any
    joins: Any
    thirds: Any
    keywords: Any
    classes: Any


@njit(cache=True, nogil=True)  # type: ignore[misc]
def rules_of(tables, family, classes):  # type: ignore[no-untyped-def]
    """Return the rules of a family; whoever asks holds the tables."""
    return Rules(
        tables.flags[family], pointer(tables.kinds[family]), pointer(tables.opens[family]), pointer(tables.signs[family]),
        pointer(tables.sizes[family]), pointer(tables.quotes[family]), pointer(tables.joins[family]), pointer(tables.thirds),
        pointer(tables.keywords[family]), pointer(classes),
    )  # fmt: skip


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _matches(data, at, end, rules, which, number):  # type: ignore[no-untyped-def]
    """Tell whether a sign of comments stands at `at`."""
    size = rules.sizes[_MOST * which + number]
    if size == 0 or at + size > end:
        return False
    same = True
    for place in range(size):
        same &= data[at + place] == rules.signs[(_MOST * which + number) * _MOST + place]
    return same


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _block_end(data, at, end, rules, number):  # type: ignore[no-untyped-def]
    """Return the place after the next end of block comment `number`, or `end`."""
    begun = rules.signs[(_MOST * of.CLOSE + number) * _MOST]
    at = next_of(data, at, end, begun, begun, begun, begun)
    while at < end:
        if _matches(data, at, end, rules, of.CLOSE, number):
            return at + rules.sizes[_MOST * of.CLOSE + number]
        at = next_of(data, at + 1, end, begun, begun, begun, begun)
    return end


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _line_end(data, at, end):  # type: ignore[no-untyped-def]
    return next_of(data, at, end, 10, 13, 10, 13)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def line_break(data, at, end):  # type: ignore[no-untyped-def]
    """Return how many bytes the line break at `at` has, or 0."""
    if at < end and data[at] == 13:
        return 2 if at + 1 < end and data[at + 1] == 10 else 1
    return 1 if at < end and data[at] == 10 else 0


@njit(cache=True, nogil=True)  # type: ignore[misc]
def comment_end(data, at, start, end, rules):  # type: ignore[no-untyped-def]
    """Return where the comment at `at` ends, or `at` where none begins. A block without an end goes to the text's end."""
    for number in range(_MOST):
        if _matches(data, at, end, rules, of.OPEN, number):
            return _block_end(data, at + rules.sizes[_MOST * of.OPEN + number], end, rules, number)
    if rules.flags & of.COMMENTS_BEGIN_WORDS and at > start:
        before = data[at - 1]
        if WORDLIKE[before] or before >= 0x80 or before in (36, 123, 38, _BACKSLASH, _TICK, _DOUBLE):
            return at
    for number in range(_MOST):
        if _matches(data, at, end, rules, of.LINE, number):
            return _line_end(data, at, end)
    return at


@njit(cache=True, nogil=True)  # type: ignore[misc]
def enter(data, at, end, state, rules):  # type: ignore[no-untyped-def]
    """Return where code begins in a text that begins in the given state."""
    if state == IN_LINE:
        return _line_end(data, at, end)
    if IN_BLOCK <= state < IN_STRING:
        return _block_end(data, at, end, rules, state - IN_BLOCK)
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
        at = next_of(data, at + 1, end, quote, _BACKSLASH, quote if goes_on else 10, quote if goes_on else 13)
    return -1


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _triple_end(data, at, end, quote):  # type: ignore[no-untyped-def]
    at = next_of(data, at, end, quote, _BACKSLASH, quote, quote)
    while at + 2 < end:
        if data[at] == _BACKSLASH:
            at += 2
        elif data[at] == quote and data[at + 1] == quote and data[at + 2] == quote:
            return at + 3
        else:
            at += 1
        at = next_of(data, at, end, quote, _BACKSLASH, quote, quote)
    return -1


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _string_hash(data, at, end, value):  # type: ignore[no-untyped-def]
    """Hash what a string holds: an escaped quote is the quote, and \\r\\n is \\n."""
    packed = EMPTY
    while at < end:
        while packed == EMPTY and at + SEVEN < end:
            read = eight(data, at)
            if first(equals(read, _BACKSLASH) | equals(read, 13)) < SEVEN:
                break
            value = take_seven(value, read)
            at += SEVEN
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
def quoted(data, at, start, end, flags, last_byte, rules, dead):  # type: ignore[no-untyped-def]
    """Return (place after the string that begins at `at`, hash); `at` where the quote is only a sign."""
    quote = data[at]
    place = 0 if quote == _DOUBLE else 1 if quote == _TICK else 2
    rule = rules.quotes[place]
    if flags & of.STRINGS_ARE_VALUES and last_byte != 61:
        return at, _SEED
    if quote == _TICK and flags & of.QUOTES_BEGIN_WORDS and at > start:
        before = data[at - 1]
        if WORDLIKE[before] or before >= 0x80 or before in (41, 93, 125):
            return at, _SEED
    if rules.quotes[3 + place] and at + 2 < end and data[at + 1] == quote and data[at + 2] == quote:
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
def prefixed(data, begin, at, end, rules, dead):  # type: ignore[no-untyped-def]
    """Return (place after the string, hash) where the word from `begin` to `at` is a string's prefix, or (at, 0)."""
    quote = data[at]
    if rules.flags & of.RAW_STRINGS:
        return _raw(data, begin, at, end, dead) if quote in (_DOUBLE, _HASH) and at >= dead[7] else (at, _SEED)
    if quote not in (_DOUBLE, _TICK):
        return at, _SEED
    seen = 0
    for place in range(begin, at):
        seen |= _PREFIXES[data[place]] if _PREFIXES[data[place]] else 64
    if seen >= 64:
        return at, _SEED
    after, value = quoted(data, at, begin, end, 0, 0, rules, dead)
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
def operator_size(data, at, end, rules):  # type: ignore[no-untyped-def]
    """Return how many bytes the sign at `at` has: the longest operator of the family that stands there."""
    begun = data[at]
    if at + 1 >= end:
        return 1
    second = data[at + 1]
    if begun == _BACKSLASH:
        is_one = rules.flags & of.BACKSLASH_ESCAPES and 32 < second < 127 and not WORDLIKE[second]
        return 2 if is_one else 1
    if second >= 0x80:
        return 1
    join = rules.joins[128 * np.int64(begun) + second]
    if join > 1 and at + 2 < end and data[at + 2] < 0x80 and rules.thirds[128 * np.int64(join >> 1) + data[at + 2]]:
        return 3
    return 1 + (join & 1)
