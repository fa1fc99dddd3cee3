"""The passes over tokens behind solutions.py, compiled: what is style alone, and where solutions stand.

numba kernels without the GIL, linear in the tokens but for comparisons of candidates, which end at the first difference.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from stack_data.search.borrowed import borrowed
from stack_data.search.kernels import KEYWORD, NAME, NUMBER, OPERATOR, STRING

_STEP = np.uint64(0x9E3779B97F4A7C15)
_DEEPEST = 1 << 12
_SEMICOLON = 59


@njit(cache=True, nogil=True)  # type: ignore[misc]
def reduce_all(data, begins, bounds, code, kinds, starts, ends, signs):  # type: ignore[no-untyped-def]
    """Return (bounds int64[N + 1], index int64[R]) of the tokens that are left; `signs`: hashes of ( ) [ ] { } : def class."""
    index = np.empty(len(code), np.int64)
    left = np.zeros(len(bounds), np.int64)
    stack = np.empty(_DEEPEST, np.uint8)
    count = 0
    for row in range(len(bounds) - 1):
        count = _reduce(
            borrowed(data), begins[row], bounds[row], bounds[row + 1], borrowed(code), borrowed(kinds), borrowed(starts),
            borrowed(ends), signs, borrowed(stack), borrowed(index), count,
        )  # fmt: skip
        left[row + 1] = count
    return left, index[:count]


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _reduce(  # type: ignore[no-untyped-def]
    data, begin, first, last, code, kinds, starts, ends, signs, stack, index, count
):
    depth = 0
    for at in range(first, last):
        value = code[at]
        if kinds[at] == STRING:
            if depth == 0 and _is_statement(data, begin, first, last, at, code, kinds, starts, ends, signs):
                continue
        elif kinds[at] == KEYWORD and depth and (value == signs[7] or value == signs[8]):
            # def or class at the beginning of a line: whatever was opened before was no bracket of code.
            if at == first or _has_break(data, begin + ends[at - 1], begin + starts[at]):
                depth = 0
        elif kinds[at] == OPERATOR:
            if value == signs[0] or value == signs[2] or value == signs[4]:
                groups = value == signs[0] and _groups(data, begin, first, at, depth, code, kinds, starts, ends, signs)
                if depth < _DEEPEST:
                    stack[depth] = groups
                depth += 1
                if groups:
                    continue
            elif depth and (value == signs[1] or value == signs[3] or value == signs[5]):
                depth -= 1
                if value == signs[1] and depth < _DEEPEST and stack[depth]:
                    continue
        index[count] = at
        count += 1
    return count


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _groups(data, begin, first, at, depth, code, kinds, starts, ends, signs):  # type: ignore[no-untyped-def]
    """Tell whether the parenthesis at a token only groups: what stands before it can be no function."""
    if at == first:
        return True
    kind, value = kinds[at - 1], code[at - 1]
    closes = value == signs[1] or value == signs[3] or value == signs[5]
    if kind in (NAME, STRING) or closes:
        return depth == 0 and _has_break(data, begin + ends[at - 1], begin + starts[at])
    return True


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _is_statement(data, begin, first, last, at, code, kinds, starts, ends, signs):  # type: ignore[no-untyped-def]
    """Tell whether a string is a statement: alone on its lines, and nothing before it goes on."""
    if at > first:
        value = code[at - 1]
        ended = value == signs[1] or value == signs[3] or value == signs[5] or value == signs[6]
        if kinds[at - 1] == OPERATOR and not ended:
            return False
        if value != signs[6] and not _has_break(data, begin + ends[at - 1], begin + starts[at]):
            return False
    return at + 1 == last or _has_break(data, begin + ends[at], begin + starts[at + 1])


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _has_break(data, start, end):  # type: ignore[no-untyped-def]
    for at in range(start, end):  # noqa: SIM110  (numba compiles loops, not generators)
        if data[at] == 10 or data[at] == 13:
            return True
    return False


@njit(cache=True, nogil=True)  # type: ignore[misc]
def strings_over_lines(data, begins, bounds, kinds, starts, ends, least):  # type: ignore[no-untyped-def]
    """Return the insides of long strings with line breaks: int64[S, 3] of text, begin, end in `data`."""
    out = np.empty((64, 3), np.int64)
    count = 0
    for row in range(len(bounds) - 1):
        for at in range(bounds[row], bounds[row + 1]):
            if kinds[at] != STRING or ends[at] - starts[at] < least:
                continue
            start, end = begins[row] + starts[at], begins[row] + ends[at]
            if not _has_break(data, start, end):
                continue
            quote = data[end - 1]
            while start < end and data[start] != quote:  # a prefix
                start += 1
            size = 3 if data[end - 2] == quote and data[end - 3] == quote else 1
            if count == len(out):
                wider = np.empty((2 * count, 3), np.int64)
                wider[:count] = out
                out = wider
            out[count, 0], out[count, 1], out[count, 2] = row, start + size, max(start + size, end - size)
            count += 1
    return out[:count].copy()


@njit(cache=True, nogil=True)  # type: ignore[misc]
def find_all(data, begins, tokens, bounds, index, signs, solutions, tables):  # type: ignore[no-untyped-def]
    """Return int64[F, 5] of text, solution, view, start and end: see stack_data.decontamination.solutions.find.

    tokens: (code, blinded, kinds) of what is left, (starts, ends) of all tokens; bounds and index: of what is left.
    """
    reduced, blinded, reduced_kinds, firsts, lasts = tokens
    of, wanted, wanted_kinds, wanted_names = solutions
    named = np.zeros(max(1, np.max(np.append(wanted_names, 0)) + 1), np.uint64)
    out = np.empty((64, 5), np.int64)
    seen = np.full((2, len(of)), -1, np.int64)
    count = 0
    for row in range(len(begins)):
        if count + 2 * len(of) > len(out):
            wider = np.empty((2 * len(out) + 2 * len(of), 5), np.int64)
            wider[:count] = out[:count]
            out = wider
        for view in range(2):
            window, slots, keys, order = tables[view]
            count = _find_in(
                borrowed(data), begins[row], bounds[row], bounds[row + 1], borrowed(blinded if view else reduced),
                borrowed(reduced), borrowed(reduced_kinds), borrowed(index), borrowed(firsts), borrowed(lasts), borrowed(of),
                borrowed(wanted), borrowed(wanted_kinds), borrowed(wanted_names), borrowed(named), window, signs, borrowed(slots),
                borrowed(keys), borrowed(order), view, borrowed(seen), row, borrowed(out), count,
            )  # fmt: skip
    return out[:count].copy()


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _find_in(  # type: ignore[no-untyped-def]
    data, begin, first, last, rolled, code, kinds, index, firsts, lasts, of, wanted, wanted_kinds, wanted_names, named, window,
    signs, slots, keys, order, view, seen, row, out, count,
):  # fmt: skip
    """Roll one view of one text past a table, compare what it names, write each solution once."""
    if not len(keys):
        return count
    leading = np.uint64(1)
    for _ in range(window):
        leading *= _STEP
    value = np.uint64(0)
    for at in range(first, last):
        value = value * _STEP + rolled[at]
        if at - first >= window:
            value -= rolled[at - window] * leading
        if at - first + 1 < window or not slots[value >> np.uint64(48)]:
            continue
        start = at - window + 1
        place = np.searchsorted(keys, value)
        while place < len(keys) and keys[place] == value:
            one = order[place]
            place += 1
            if seen[view, one] == row or seen[0, one] == row:
                continue
            size = of[one + 1] - of[one]
            if start + size > last:
                continue
            if view == 0:
                same = _is_equal(code, start, wanted, of[one], size)
            else:
                same = _is_renamed(code, kinds, start, wanted, wanted_kinds, wanted_names, of[one], size, named)
            if same and _is_whole(data, begin, first, last, code, index, firsts, lasts, start, start + size, signs):
                seen[view, one] = row
                out[count, 0], out[count, 1], out[count, 2] = row, one, view
                out[count, 3], out[count, 4] = firsts[index[start]], lasts[index[start + size - 1]]
                count += 1
    return count


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _is_equal(code, start, wanted, first, size):  # type: ignore[no-untyped-def]
    same = 0
    while same < size and code[start + same] == wanted[first + same]:
        same += 1
    return same == size


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _is_renamed(  # type: ignore[no-untyped-def]
    code, kinds, start, wanted, wanted_kinds, wanted_names, first, size, named
):
    """Tell whether tokens are those of a solution but for names, one to one, and the values of numbers and strings."""
    known = 0
    for at in range(size):
        kind = wanted_kinds[first + at]
        if kinds[start + at] != kind:
            return False
        if kind == NAME:
            name = wanted_names[first + at]
            if name < known:
                if named[name] != code[start + at]:
                    return False
                continue
            for other in range(known):
                if named[other] == code[start + at]:
                    return False
            named[known] = code[start + at]
            known += 1
        elif kind != NUMBER and kind != STRING and code[start + at] != wanted[first + at]:
            return False
    return True


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _is_whole(data, begin, first, last, code, index, firsts, lasts, start, stop, signs):  # type: ignore[no-untyped-def]
    """Tell whether tokens start:stop begin and end where statements do; what was left out around them does not count."""
    if start > first and code[start - 1] not in (signs[6], signs[4], signs[5]):
        before, after = lasts[index[start - 1]], firsts[index[start]]
        if not (_has_break(data, begin + before, begin + after) or _has_semicolon(data, begin + before, begin + after)):
            return False
    if stop == last or code[stop] == signs[5]:
        return True
    before, after = lasts[index[stop - 1]], firsts[index[stop]]
    return _has_break(data, begin + before, begin + after) or _has_semicolon(data, begin + before, begin + after)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _has_semicolon(data, start, end):  # type: ignore[no-untyped-def]
    while start < end and data[start] != _SEMICOLON:
        start += 1
    return start < end
