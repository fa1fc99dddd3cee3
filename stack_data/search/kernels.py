"""The lexer's pass over texts, compiled: numba kernels that read Arrow buffers and hold no lock.

What begins and ends where is in scanning.py and numerals.py; here tokens are told apart, hashed and written. `tables` is
stack_data.search.families.FamilyTables, `classes` the table of stack_data.search.characters. After the last text eights.SLACK bytes of
`data` can be read: lexer.py sees to it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from stack_data.search import families as of
from stack_data.search.characters import LETTER, SIGN
from stack_data.search.eights import lowest, past_blanks, pointer, sixty_four
from stack_data.search.numerals import begins_number, number_end, number_hash
from stack_data.search.scanning import (
    PATTERN_SEED,
    comment_end,
    enter,
    expression_end,
    line_break,
    operator_size,
    prefixed,
    quoted,
    rules_of,
)
from stack_data.search.word_kernels import WORDLIKE, ascii_word, decode, hash_bytes, hash_run, take, word

LEXER_VERSION = 2
"""Raised with every change of any token or hash. It stands here so that a change in those modules, or of a constant in families.py,
renews the compiled kernels too."""
NAME, KEYWORD, NUMBER, STRING, OPERATOR = 1, 2, 3, 4, 5
"""Kinds of tokens."""

_SEED, _MIX, _EMPTY = np.uint64(of.SEED), np.uint64(of.MIX), np.uint64(1)
_NONE, _ONE, _SLOTS = np.uint64(0), np.uint64(1), np.uint64(of.KEYWORD_SLOTS - 1)
_BLIND_NAME, _BLIND_NUMBER, _BLIND_STRING = (
    np.uint64(of.token_hash(word)) for word in (b"\0name", b"\0number", b"\0string")
)
_PREFIXED = of.STRING_PREFIXES | of.RAW_STRINGS
_DOT, _SLASH = 46, 47


class _Columns(NamedTuple):
    """Where tokens are written: pointers, see stack_data.search.lexer.Tokens."""

    code: Any
    kinds: Any
    starts: Any
    ends: Any


@njit(cache=True, nogil=True)  # type: ignore[misc]
def lex_all(data, begins, ends, family, states, tables, classes):  # type: ignore[no-untyped-def]
    """Return (bounds, code, kinds, starts, ends) of N texts; see stack_data.search.lexer.Tokens."""
    bounds = np.zeros(len(begins) + 1, np.int64)
    code, spans, kinds = _columns(_room(begins, ends))
    raw = pointer(data)
    dead = np.empty(8, np.int64)  # up to where none of a kind ends: " ' ` strings, triple " ', expressions, raw strings
    count = 0
    for row in range(len(begins)):
        need = count + ends[row] - begins[row]
        if need > len(code):
            code, spans, kinds = _wider(code, spans, kinds, count, need)
        dead[:] = begins[row]
        rules = rules_of(tables, family[row], classes)
        out = _Columns(pointer(code), pointer(kinds), pointer(spans[0]), pointer(spans[1]))
        at = enter(raw, begins[row], ends[row], states[row], rules)
        count = _lex(raw, at, begins[row], ends[row], family[row], rules, pointer(dead), out, count)
        bounds[row + 1] = count
    return bounds, code[:count], kinds[:count], spans[0, :count], spans[1, :count]


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _lex(data, at, start, end, this, rules, dead, out, count):  # type: ignore[no-untyped-def]
    """Write the tokens of one text from token `count` on; return how many there are then."""
    flags = rules.flags
    last_kind, last_byte = 0, 0
    while at < end:
        byte = data[at]
        kind = rules.kinds[byte]
        if kind == of.SPACE:
            at = past_blanks(data, at + 1, end)
            continue
        begin = at
        if rules.opens[byte]:
            at = comment_end(data, at, start, end, rules)
            if at > begin:
                continue
        if kind == of.DROPPED:
            at += 1
            continue
        found, value = 0, _SEED
        if kind == of.WORD or kind == of.HIGH:
            at, value = word(data, at, end, rules.classes)
            if at > begin:
                found = NAME
                if at < end and data[at] in (34, 35, 39) and at - begin <= 3 and flags & _PREFIXED:
                    after, hashed = prefixed(data, begin, at, end, rules, dead)
                    if after > at:
                        at, value, found = after, hashed, STRING
            else:
                size, point = decode(data, at, end)
                at += size
                if point >= 0 and rules.classes[point] != SIGN:
                    continue
                value = hash_bytes(data, begin, at, _SEED)
                found = OPERATOR
        elif kind == of.DIGIT or (byte == _DOT and begins_number(data, at, start, end)):
            at = number_end(data, at, end, flags & of.TICKS_IN_NUMBERS)
            value = number_hash(data, begin, at)
            found = NUMBER
        elif kind == of.QUOTE:
            after, value = quoted(data, at, start, end, flags, last_byte, rules, dead)
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
            at += operator_size(data, at, end, rules)
            value = hash_bytes(data, begin, at, _SEED)
        value = _mixed(value)
        if found == NAME:
            found, value = _keyword(data, begin, at, value, rules)
        out.code[count], out.kinds[count] = value, found
        out.starts[count], out.ends[count] = begin - start, at - start
        count += 1
        last_kind, last_byte = found, data[at - 1]
    return count


@njit(cache=True, nogil=True)  # type: ignore[misc]
def lexemes_all(data, begins, ends, classes):  # type: ignore[no-untyped-def]
    """Return (bounds, code, kinds, starts, ends): runs of letters, digits and _, and single signs; nothing is left out."""
    bounds = np.zeros(len(begins) + 1, np.int64)
    code, spans, kinds = _columns(_room(begins, ends))
    count = 0
    for row in range(len(begins)):
        need = count + ends[row] - begins[row]
        if need > len(code):
            code, spans, kinds = _wider(code, spans, kinds, count, need)
        out = _Columns(pointer(code), pointer(kinds), pointer(spans[0]), pointer(spans[1]))
        count = _lexemes(pointer(data), begins[row], ends[row], pointer(classes), out, count)
        bounds[row + 1] = count
    return bounds, code[:count], kinds[:count], spans[0, :count], spans[1, :count]


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _lexemes(data, start, end, classes, out, count):  # type: ignore[no-untyped-def]
    """Write the lexemes of one text from lexeme `count` on; return how many there are then. Blocks begin where no lexeme goes on."""
    at = start
    while at < end:
        block, stop = at, min(at + 64, end)
        words, signs, is_ascii = sixty_four(data, at)
        if not is_ascii:
            at, count = _lexemes_one_by_one(data, at, stop, start, end, classes, out, count)
            continue
        begins = (words & ~(words << _ONE)) | signs
        if stop - block < 64:
            begins &= (_ONE << np.uint64(stop - block)) - _ONE
        after = stop
        while begins != _NONE:
            place = lowest(begins)
            begins &= begins - _ONE
            run = lowest(~(words >> np.uint64(place)))
            begin = block + place
            if begin + run < stop:
                after, value = begin + max(run, 1), hash_run(data, begin, max(run, 1))
            else:
                after, value = ascii_word(data, begin, end)
            out.code[count] = _mixed(value)
            out.kinds[count] = OPERATOR if run == 0 else NAME
            out.starts[count], out.ends[count] = begin - start, after - start
            count += 1
        at = max(stop, after)
        if at < end and data[at] >= 0x80 and WORDLIKE[data[at - 1]]:
            begin, at = start + out.starts[count - 1], _letters_end(data, at, end, classes)
            out.code[count - 1], out.ends[count - 1] = _mixed(hash_bytes(data, begin, at, _SEED)), at - start
    return count


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _lexemes_one_by_one(data, at, stop, start, end, classes, out, count):  # type: ignore[no-untyped-def]
    """Write the lexemes that begin before `stop`; return where the last one ends, or `stop`, and how many there are then."""
    while at < stop:
        begin = at
        size, point = decode(data, at, end)
        kind = classes[point] if point >= 0 else np.uint8(SIGN)
        at += size
        if kind != LETTER and kind != SIGN:
            continue
        if kind == LETTER:
            at = _letters_end(data, at, end, classes)
        out.code[count], out.kinds[count] = (
            _mixed(hash_bytes(data, begin, at, _SEED)),
            NAME if kind == LETTER else OPERATOR,
        )
        out.starts[count], out.ends[count] = begin - start, at - start
        count += 1
    return at, count


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _letters_end(data, at, end, classes):  # type: ignore[no-untyped-def]
    """Return where the run of letters, digits and _ that goes on at `at` ends."""
    while at < end:
        size, point = decode(data, at, end)
        if point < 0 or classes[point] != LETTER:
            break
        at += size
    return at


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
def _keyword(data, begin, end, value, rules):  # type: ignore[no-untyped-def]
    """Return (KEYWORD or NAME, hash); where case does not matter, a keyword has the hash of its lower case."""
    lower = value
    if rules.flags & of.FOLD:
        lower, packed = _SEED, _EMPTY
        for place in range(begin, end):
            byte = data[place]
            lower, packed = take(lower, packed, byte + 32 if 65 <= byte <= 90 else byte)
        lower = _mixed(lower ^ packed)
    slot = lower & _SLOTS
    while rules.keywords[slot] != 0:
        if rules.keywords[slot] == lower:
            return KEYWORD, lower
        slot = (slot + _ONE) & _SLOTS
    return NAME, value


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _is_value(kind, byte):  # type: ignore[no-untyped-def]
    """Tell whether a token ends a value, so that / after it divides."""
    return kind in (NAME, NUMBER, STRING) or byte in (41, 93, 125)
