"""What the search asks of tokens beyond being equal, compiled: enough variety, and names that correspond one to one.

Tables of data, lists of imports and long enumerations look alike once names and literals are blinded. So a renamed match must hold,
all along it, two conditions that every part of a match has as well:

- each `WINDOW` tokens of it in a row have at least `LEAST_VARIED` different runs of four tokens (0.4 for each token);
- names correspond one to one: wherever one text has a name, the other has that name's partner, both ways. Numbers and strings are free.
  Names of members, which follow `.`, `->`, `::` or `?.` in the match, correspond among themselves: who renames a variable does not
  rename the attribute of that name (`self.size = size`). What stands before a match is not seen, so its first token is bound by nothing.

A common run that breaks a condition is cut into its longest stretches that hold both, whatever lies around them: two stretches may
overlap where a name changes its partner. None is shorter than WINDOW. Choice: windows instead of one share for the whole run, because
long real code repeats itself (its share of different runs of four falls with its length) and because a table beside copied code would
hide it.

Grams of one or two kinds of tokens (`0 0 0 0`, `- - - -`, `a . a . a`) are not looked for in any view: they name no source.
Kernels without the GIL, linear in the tokens. Not covered: types of names, scopes.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from stack_data.search.families import token_hash
from stack_data.search.kernels import NAME

WINDOW, LEAST_VARIED = 50, 20
RUN = 4
LEAST_KINDS = 3
LOOK_BACK = 1
"""Tokens before a name that say whether it is a member's."""
_MEMBERS = tuple(np.uint64(token_hash(sign)) for sign in (b".", b"->", b"::", b"?."))
_STEP, _MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def varied_windows(view, bounds):  # type: ignore[no-untyped-def]
    """Tell of each token of N texts whether WINDOW tokens begin there that are varied: bool[T].

    view: uint64[T], blinded tokens; bounds: int64[N + 1].
    """
    total = len(view)
    varied = np.zeros(total, np.bool_)
    before, after = _neighbours(view, bounds)
    runs = WINDOW - RUN + 1  # in a window
    for row in range(len(bounds) - 1):
        begin, end = bounds[row], bounds[row + 1]
        different = 0
        for run in range(begin, end - RUN + 1):
            first = run - runs + 1  # the window that ends with this run
            if first > begin and after[first - 1] >= run:  # the last of its kind leaves
                different -= 1
            if before[run] < max(first, begin):
                different += 1
            if first >= begin:
                varied[first] = different >= LEAST_VARIED
    return varied


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _neighbours(view, bounds):  # type: ignore[no-untyped-def]
    """Return where the same run of four tokens begins before and after each one: int64[T] twice, -1 and T where it does not."""
    total = len(view)
    before, after = np.full(total, -1, np.int64), np.full(total, total, np.int64)
    size = 16
    while size < 2 * total:
        size *= 2
    keys, last = np.zeros(size, np.uint64), np.full(size, -1, np.int64)
    mask = np.uint64(size - 1)
    for row in range(len(bounds) - 1):
        for run in range(bounds[row], bounds[row + 1] - RUN + 1):
            key = np.uint64(row)
            for at in range(run, run + RUN):
                key = (key ^ view[at]) * _MIX
                key ^= key >> np.uint64(32)
            slot = key & mask
            while last[slot] >= 0 and keys[slot] != key:
                slot = (slot + np.uint64(1)) & mask
            if last[slot] >= 0:
                before[run] = last[slot]
                after[last[slot]] = run
            keys[slot], last[slot] = key, run
    return before, after


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _num_grams(bounds, k):  # type: ignore[no-untyped-def]
    total = 0
    for row in range(len(bounds) - 1):
        total += max(bounds[row + 1] - bounds[row] - k + 1, 0)
    return total


@njit(cache=True, nogil=True)  # type: ignore[misc]
def within_varied(varied, bounds, k):  # type: ignore[no-untyped-def]
    """Tell of each gram of k tokens whether it lies in a varied window: bool[G], in the order of `grams_of`."""
    wanted = np.zeros(_num_grams(bounds, k), np.bool_)
    number = 0
    for row in range(len(bounds) - 1):
        latest = -1
        for first in range(bounds[row], bounds[row + 1] - k + 1):
            if varied[first]:
                latest = first
            wanted[number] = latest >= 0 and first + k <= latest + WINDOW
            number += 1
    return wanted


@njit(cache=True, nogil=True)  # type: ignore[misc]
def of_many_kinds(view, bounds, k):  # type: ignore[no-untyped-def]
    """Tell of each gram of k tokens whether it has at least LEAST_KINDS different tokens: bool[G], in the order of `grams_of`."""
    wanted = np.zeros(_num_grams(bounds, k), np.bool_)
    number = 0
    for row in range(len(bounds) - 1):
        for first in range(bounds[row], bounds[row + 1] - k + 1):
            wanted[number] = _has_three(view, first, k)
            number += 1
    return wanted


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _has_three(view, first, k):  # type: ignore[no-untyped-def]
    one = view[first]
    other = one
    for at in range(first + 1, first + k):
        if view[at] != one:
            if other == one:
                other = view[at]
            elif view[at] != other:
                return True
    return False


@njit(cache=True, nogil=True)  # type: ignore[misc]
def renamed_stretches(runs, varied, code, kinds, bounds, source_code, source_kinds, source_bounds):  # type: ignore[no-untyped-def]
    """Cut R common runs of blinded tokens into stretches that hold both conditions: int64[S, 5], columns as in `runs` but the last.

    runs: int64[R, 6] of reading, text, first token in the reading, first token in the text, length, and the first token of the reading
    that a stretch may begin with: those before it are only looked at. `varied` as `varied_windows` gives it for the readings, whose
    tokens are code and kinds with their bounds; source_*: those of the texts.
    """
    out, count = np.empty((max(16, len(runs)), 5), np.int64), 0
    for number in range(len(runs)):
        reading, text, first, source, length, least = runs[number]
        here, there = bounds[reading] + first, source_bounds[text] + source
        earliest = _earliest_partners(code, kinds, here, source_code, there, length)
        at = max(least - first, 0)
        while at + WINDOW <= length:
            if not varied[here + at]:
                at += 1
                continue
            stop = at  # the last window of the stretch of varied ones
            while stop + 1 + WINDOW <= length and varied[here + stop + 1]:
                stop += 1
            end = stop + WINDOW
            begin = at
            for last in range(at, end):
                begin = max(begin, earliest[last])
                is_cut = last + 1 == end or earliest[last + 1] > begin
                if is_cut and last + 1 - begin >= WINDOW:
                    if count == len(out):
                        wider = np.empty((2 * count, 5), np.int64)
                        wider[:count] = out
                        out = wider
                    out[count, 0], out[count, 1], out[count, 2] = reading, text, first + begin
                    out[count, 3], out[count, 4] = source + begin, last + 1 - begin
                    count += 1
            at = stop + 1
    return out[:count].copy()


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _earliest_partners(code, kinds, here, source_code, there, length):  # type: ignore[no-untyped-def]
    """Return from which token on the names up to each token correspond one to one: int64[length], ascending."""
    size = 16
    while size < 2 * length:
        size *= 2
    mine, theirs = np.full(size, -1, np.int64), np.full(size, -1, np.int64)
    roles = np.zeros(length, np.uint8)
    earliest = np.zeros(length, np.int64)
    begin = np.int64(0)
    for at in range(length):
        if kinds[here + at] == NAME:
            roles[at] = role_of(code, here, here + at)
            slot = _slot_of(mine, code, roles, here, at)
            last = mine[slot]
            if last >= 0 and source_code[there + last] != source_code[there + at]:
                begin = max(begin, last + 1)
            mine[slot] = at
            slot = _slot_of(theirs, source_code, roles, there, at)
            last = theirs[slot]
            if last >= 0 and code[here + last] != code[here + at]:
                begin = max(begin, last + 1)
            theirs[slot] = at
        earliest[at] = begin
    return earliest


@njit(cache=True, nogil=True)  # type: ignore[misc]
def role_of(code, begin, at):  # type: ignore[no-untyped-def]
    """Return what a name is, in tokens that begin at `begin`: 1 of a member, 0 another, 2 where what stands before it is not seen."""
    if at == begin:
        return np.uint8(2)
    before = code[at - 1]
    return np.uint8(before == _MEMBERS[0] or before == _MEMBERS[1] or before == _MEMBERS[2] or before == _MEMBERS[3])


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _slot_of(last, code, roles, begin, at):  # type: ignore[no-untyped-def]
    """Return the slot of a name, or of a member's: the one that holds an earlier place of it, or a free one."""
    mask = np.uint64(len(last) - 1)
    slot = (code[begin + at] ^ (code[begin + at] >> np.uint64(29)) ^ np.uint64(roles[at])) & mask
    while last[slot] >= 0 and (code[begin + last[slot]] != code[begin + at] or roles[last[slot]] != roles[at]):
        slot = (slot + np.uint64(1)) & mask
    return slot
