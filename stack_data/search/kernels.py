"""The lexer's pass over texts, compiled: numba kernels that read Arrow buffers and hold no lock.

What begins and ends where is in scanning.py and numerals.py; here tokens are told apart, hashed and written. `tables` is
stack_data.search.families.FamilyTables, `classes` the table of stack_data.search.characters.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from stack_data.search import families as of
from stack_data.search.borrowed import borrowed
from stack_data.search.characters import LETTER, SIGN
from stack_data.search.numerals import begins_number, number_end, number_hash
from stack_data.search.scanning import (
    PATTERN_SEED,
    comment_end,
    decode,
    enter,
    expression_end,
    hash_bytes,
    line_break,
    operator_size,
    prefixed,
    quoted,
    take,
    word,
)

LEXER_VERSION = 2
"""Raised with every change of any token or hash. It stands here so that a change in those modules, or of a constant in families.py,
renews the compiled kernels too."""
NAME, KEYWORD, NUMBER, STRING, OPERATOR = 1, 2, 3, 4, 5
"""Kinds of tokens."""

_SEED, _MIX, _EMPTY = np.uint64(of.SEED), np.uint64(of.MIX), np.uint64(1)
_BLIND_NAME, _BLIND_NUMBER, _BLIND_STRING = (
    np.uint64(of.token_hash(word)) for word in (b"\0name", b"\0number", b"\0string")
)
_PREFIXED = of.STRING_PREFIXES | of.RAW_STRINGS
_BLANK, _DOT, _SLASH = 32, 46, 47


@njit(cache=True, nogil=True)  # type: ignore[misc]
def lex_all(data, begins, ends, family, states, tables, classes):  # type: ignore[no-untyped-def]
    """Return (bounds, code, kinds, starts, ends) of N texts; see stack_data.search.lexer.Tokens."""
    bounds = np.zeros(len(begins) + 1, np.int64)
    room = _room(begins, ends)
    code, spans, kinds = _columns(room)
    raw, letters = borrowed(data), borrowed(classes)
    signs, sizes, quotes = borrowed(tables.signs), borrowed(tables.sizes), borrowed(tables.quotes)
    joins, thirds, keywords = borrowed(tables.joins), borrowed(tables.thirds), borrowed(tables.keywords)
    dead = np.empty(8, np.int64)  # up to where none of a kind ends: " ' ` strings, triple " ', expressions, raw strings
    count = 0
    for row in range(len(begins)):
        need = count + ends[row] - begins[row]
        if need > len(code):
            code, spans, kinds = _wider(code, spans, kinds, count, need)
        dead[:] = begins[row]
        bytes_of, opens = borrowed(tables.kinds[family[row]]), borrowed(tables.opens[family[row]])
        at = enter(raw, begins[row], ends[row], family[row], states[row], signs, sizes)
        count = _lex(
            raw, at, begins[row], ends[row], family[row], tables.flags[family[row]], bytes_of, opens, signs, sizes, quotes, joins,
            thirds, keywords, letters, borrowed(dead), borrowed(code), borrowed(kinds), borrowed(spans), count,
        )  # fmt: skip
        bounds[row + 1] = count
    return bounds, code[:count], kinds[:count], spans[0, :count], spans[1, :count]


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _lex(  # type: ignore[no-untyped-def]
    data, at, start, end, this, flags, bytes_of, opens, signs, sizes, quotes, joins, thirds, keywords, classes, dead, code, kinds,
    spans, count,
):  # fmt: skip
    """Write the tokens of one text from token `count` on; return how many there are then."""
    last_kind, last_byte = 0, 0
    while at < end:
        byte = data[at]
        kind = bytes_of[byte]
        if kind == of.SPACE:
            at += 1
            while at < end and data[at] == _BLANK:  # indentation
                at += 1
            continue
        begin = at
        if opens[byte]:
            at = comment_end(data, at, start, end, this, flags, signs, sizes)
            if at > begin:
                continue
        if kind == of.DROPPED:
            at += 1
            continue
        found, value = 0, _SEED
        if kind == of.WORD or kind == of.HIGH:
            at, value = word(data, at, end, classes)
            if at > begin:
                found = NAME
                if at < end and data[at] in (34, 35, 39) and at - begin <= 3 and flags & _PREFIXED:
                    after, hashed = prefixed(data, begin, at, end, this, flags, quotes, dead)
                    if after > at:
                        at, value, found = after, hashed, STRING
            else:
                size, point = decode(data, at, end)
                at += size
                if point >= 0 and classes[point] != SIGN:
                    continue
                value = hash_bytes(data, begin, at, _SEED)
                found = OPERATOR
        elif kind == of.DIGIT or (byte == _DOT and begins_number(data, at, start, end)):
            at = number_end(data, at, end, flags & of.TICKS_IN_NUMBERS)
            value = number_hash(data, begin, at)
            found = NUMBER
        elif kind == of.QUOTE:
            after, value = quoted(data, at, start, end, this, flags, last_byte, quotes, dead)
            if after > at:
                at, found = after, STRING
        elif kind == of.BACKSLASH:
            size = line_break(data, at + 1, end)
            if size:
                at += 1 + size
                continue
        elif byte == _SLASH and flags & of.REGULAR_EXPRESSIONS and not _is_value(last_kind, last_byte):
            after = expression_end(data, at, end, dead)
            if after > at:
                value, found = hash_bytes(data, at, after, PATTERN_SEED), STRING
                at = after
        if not found:
            found = OPERATOR
            at += operator_size(data, at, end, this, flags, joins, thirds)
            value = hash_bytes(data, begin, at, _SEED)
        value = _mixed(value)
        if found == NAME:
            found, value = _keyword(data, begin, at, value, this, keywords, flags)
        code[count], kinds[count] = value, found
        spans[0, count], spans[1, count] = begin - start, at - start
        count += 1
        last_kind, last_byte = found, data[at - 1]
    return count


@njit(cache=True, nogil=True)  # type: ignore[misc]
def lexemes_all(data, begins, ends, classes):  # type: ignore[no-untyped-def]
    """Return (bounds, code, kinds, starts, ends): runs of letters, digits and _, and single signs; nothing is left out."""
    bounds = np.zeros(len(begins) + 1, np.int64)
    room = _room(begins, ends)
    code, spans, kinds = _columns(room)
    raw, letters = borrowed(data), borrowed(classes)
    count = 0
    for row in range(len(begins)):
        need = count + ends[row] - begins[row]
        if need > len(code):
            code, spans, kinds = _wider(code, spans, kinds, count, need)
        out = (borrowed(code), borrowed(kinds), borrowed(spans))
        count = _lexemes(raw, begins[row], ends[row], letters, *out, count)
        bounds[row + 1] = count
    return bounds, code[:count], kinds[:count], spans[0, :count], spans[1, :count]


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _lexemes(data, start, end, classes, code, kinds, spans, count):  # type: ignore[no-untyped-def]
    at = start
    while at < end:
        size, point = decode(data, at, end)
        kind = classes[point] if point >= 0 else np.uint8(SIGN)
        if kind != LETTER and kind != SIGN:
            at += size
            continue
        begin, value, packed = at, _SEED, _EMPTY
        found = NAME if kind == LETTER else OPERATOR
        same = True
        while same:
            for place in range(at, at + size):
                value, packed = take(value, packed, data[place])
            at += size
            same = False
            if found == NAME and at < end:
                size, point = decode(data, at, end)
                same = point >= 0 and classes[point] == LETTER
        code[count], kinds[count] = _mixed(value ^ packed), found
        spans[0, count], spans[1, count] = begin - start, at - start
        count += 1
    return count


@njit(cache=True, nogil=True)  # type: ignore[misc]
def blind(code, kinds):  # type: ignore[no-untyped-def]
    """Return the hashes of the blinded view: one for all names, one for all numbers, one for all strings."""
    blinded = np.empty(len(code), np.uint64)
    for at in range(len(code)):
        kind = kinds[at]
        value = code[at]
        value = _BLIND_NAME if kind == NAME else value
        value = _BLIND_NUMBER if kind == NUMBER else value
        blinded[at] = _BLIND_STRING if kind == STRING else value
    return blinded


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _room(begins, ends):  # type: ignore[no-untyped-def]
    """Return room for most batches: pages that are never written cost nothing, and a text has no more tokens than bytes."""
    total, longest = np.int64(64), np.int64(0)
    for row in range(len(begins)):
        total += (ends[row] - begins[row]) // 3
        longest = max(longest, ends[row] - begins[row])
    return total + longest


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _columns(room):  # type: ignore[no-untyped-def]
    """Return empty columns code, spans and kinds in one block, which the allocator keeps for the next call."""
    block = np.empty(17 * room, np.uint8)
    spans = block[8 * room : 16 * room].view(np.int32).reshape((2, room))
    return block[: 8 * room].view(np.uint64), spans, block[16 * room :]


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _wider(code, spans, kinds, count, need):  # type: ignore[no-untyped-def]
    wider_code, wider_spans, wider_kinds = _columns(max(2 * len(code), need))
    wider_code[:count] = code[:count]
    wider_spans[:, :count] = spans[:, :count]
    wider_kinds[:count] = kinds[:count]
    return wider_code, wider_spans, wider_kinds


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _mixed(value):  # type: ignore[no-untyped-def]
    value = (value ^ (value >> np.uint64(32))) * _MIX
    value = (value ^ (value >> np.uint64(32))) * _MIX
    return value ^ (value >> np.uint64(32))


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _keyword(data, begin, end, value, this, keywords, flags):  # type: ignore[no-untyped-def]
    """Return (KEYWORD or NAME, hash); where case does not matter, a keyword has the hash of its lower case."""
    lower = value
    if flags & of.FOLD:
        lower, packed = _SEED, _EMPTY
        for place in range(begin, end):
            byte = data[place]
            lower, packed = take(lower, packed, byte + 32 if 65 <= byte <= 90 else byte)
        lower = _mixed(lower ^ packed)
    mask = np.uint64(keywords.shape[1] - 1)
    slot = lower & mask
    while keywords[this, slot] != 0:
        if keywords[this, slot] == lower:
            return KEYWORD, lower
        slot = (slot + np.uint64(1)) & mask
    return NAME, value


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _is_value(kind, byte):  # type: ignore[no-untyped-def]
    """Tell whether a token ends a value, so that / after it divides."""
    return kind in (NAME, NUMBER, STRING) or byte in (41, 93, 125)
