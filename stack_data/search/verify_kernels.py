"""From grams that may be equal to runs that are: the query's passes over tokens, compiled without the GIL.

A gram is asked for once however often the snippet's readings hold it; `distinct` finds which those are, and `common_runs` compares chains of
candidates token by token and extends to both sides.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from stack_data.search.borrowed import borrowed
from stack_data.search.eights import counted, pointer
from stack_data.search.filters import LOOK_BACK


@njit(cache=True, nogil=True)  # type: ignore[misc]
def distinct(hashes, left, right, wanted):  # type: ignore[no-untyped-def]
    """Return (first int64[U], last int64[U], earlier int64[G]) of G grams: the different ones that are wanted.

    first and last: where each occurs first and last; earlier: where the same gram was before, -1 for the first time.
    """
    total = len(hashes)
    size = 16
    while size < 2 * total:
        size *= 2
    slots = np.full(size, -1, np.int64)
    first, last, earlier = np.empty(total, np.int64), np.empty(total, np.int64), np.full(total, -1, np.int64)
    mask, count = np.uint64(size - 1), 0
    for at in range(total):
        if not wanted[at]:
            continue
        # Contexts count too: a gram that repeats itself stands beside thousands of them.
        slot = (hashes[at] ^ np.uint64(left[at]) << np.uint64(6) ^ np.uint64(right[at])) & mask
        while slots[slot] >= 0:
            other = first[slots[slot]]
            if hashes[other] == hashes[at] and left[other] == left[at] and right[other] == right[at]:
                break
            slot = (slot + np.uint64(1)) & mask
        if slots[slot] < 0:
            slots[slot] = count
            first[count] = at
            count += 1
        else:
            earlier[at] = last[slots[slot]]
        last[slots[slot]] = at
    return first[:count].copy(), last[:count].copy(), earlier


@njit(cache=True, nogil=True)  # type: ignore[misc]
def common_runs(pairs, chains, begins, ends, rows, view, bounds, source, source_begins, source_ends, least, limits):  # type: ignore[no-untyped-def]
    """Return (runs int64[F, 6], whether all were compared): maximal common runs of at least `least` tokens through chains.

    pairs, chains, begins, ends: of `Chains`; rows: int64[N, 3], a chain, the piece that it lies in, its token there less that of the
    reading; view, source: uint64 tokens of the readings and of the pieces, those of piece i are source_begins[i]:source_ends[i]. Columns:
    reading, piece, first token in the reading, in the piece, length, and the chain's first token in the reading: a run may begin up to
    LOOK_BACK tokens before it. limits: most tokens to compare, and most of one text and reading.
    """
    out, count, compared, of_text, is_whole = np.empty((16, 6), np.int64), 0, np.int64(0), np.int64(0), True
    mine, theirs = borrowed(view), borrowed(source)
    last_reading, last_text = np.int64(-1), np.int64(-1)
    for row in range(len(rows)):
        chain, piece, shift = rows[row]
        reading, text = pairs[chains[chain], 0], pairs[chains[chain], 1]
        if reading != last_reading or text != last_text:
            last_reading, last_text, of_text = reading, text, np.int64(0)
        begin = bounds[reading] + max(begins[chain] - LOOK_BACK, 0)
        stop = min(bounds[reading] + ends[chain], bounds[reading + 1])
        source_begin, source_end = source_begins[piece], source_ends[piece]
        apart = source_begin + shift - bounds[reading]
        until = begin
        for number in range(chains[chain], chains[chain + 1]):
            token = bounds[reading] + pairs[number, 3]
            if token < until:
                continue
            if compared > limits[0] or of_text > limits[1]:
                is_whole = False
                break
            here, there = token, token + apart
            while here < stop and there < source_end and mine[here] == theirs[there]:
                here += 1
                there += 1
            until = here
            first = token
            while (
                here > first > begin and first + apart > source_begin and mine[first - 1] == theirs[first - 1 + apart]
            ):
                first -= 1
            compared += here - first + 2
            of_text += here - first + 2
            if here - first >= least:
                if count == len(out):
                    wider = np.empty((2 * count, 6), np.int64)
                    wider[:count] = out
                    out = wider
                out[count, 0], out[count, 1], out[count, 2] = reading, piece, first - bounds[reading]
                out[count, 3], out[count, 4], out[count, 5] = first + apart - source_begin, here - first, begins[chain]
                count += 1
    return out[:count].copy(), is_whole


@njit(cache=True, nogil=True)  # type: ignore[misc]
def used_of(bounds, starts, limits):  # type: ignore[no-untyped-def]
    """Return the token after the last of each piece that begins before its limit, a byte of the piece: int64[P]."""
    used = np.empty(len(limits), np.int64)
    for piece in range(len(limits)):
        begin, end = bounds[piece], bounds[piece + 1]
        used[piece] = begin + np.searchsorted(starts[begin:end], limits[piece])
    return used


@njit(cache=True, nogil=True)  # type: ignore[misc]
def equal_texts(view, bounds, source, source_bounds):  # type: ignore[no-untyped-def]
    """Tell of N pairs of texts whether their tokens are equal: bool[N]."""
    equal = np.empty(len(bounds) - 1, np.bool_)
    for number in range(len(equal)):
        begin, size = bounds[number], bounds[number + 1] - bounds[number]
        other = source_bounds[number]
        same = source_bounds[number + 1] - other == size
        at = 0
        while same and at < size:
            same = view[begin + at] == source[other + at]
            at += 1
        equal[number] = same
    return equal


@njit(cache=True, nogil=True)  # type: ignore[misc]
def covered(texts, readings, begins, ends, num_texts, num_readings):  # type: ignore[no-untyped-def]
    """Return how many tokens of each reading the intervals of each text cover: int64[T, R]."""
    sums, until = np.zeros((num_texts, num_readings), np.int64), np.zeros((num_texts, num_readings), np.int64)
    for at in np.argsort(begins):
        text, reading = texts[at], readings[at]
        sums[text, reading] += max(0, ends[at] - max(begins[at], until[text, reading]))
        until[text, reading] = max(until[text, reading], ends[at])
    return sums


@njit(cache=True, nogil=True)  # type: ignore[misc]
def not_contained(texts, begins, ends, kinds, loosest):  # type: ignore[no-untyped-def]
    """Tell which spans lie in no other of the same or a stricter (smaller) kind of their text: bool[N].

    Sorted by (text, begin, -end, kind, ...): of equal ones the first stays. Only others of kinds up to `loosest` count.
    """
    stays = np.ones(len(texts), np.bool_)
    until = np.full(4, -1, np.int64)
    for at in range(len(texts)):
        if at == 0 or texts[at] != texts[at - 1]:
            until[:] = -1
        for kind in range(min(kinds[at], loosest) + 1):
            if until[kind] >= ends[at]:
                stays[at] = False
        until[kinds[at]] = max(until[kinds[at]], ends[at])
    return stays


@njit(cache=True, nogil=True)  # type: ignore[misc]
def locate(data, begin, offsets):  # type: ignore[no-untyped-def]
    """Return int64[N, 2] of places in the text that begins at `begin`: code points before each, and line ends before it.

    offsets: int64[N], bytes, ascending. Lines end with \\n, \\r\\n or \\r.
    """
    out = np.empty((len(offsets), 2), np.int64)
    points, lines, at = np.int64(0), np.int64(0), np.int64(begin)
    for number in range(len(offsets)):
        end = max(at, begin + offsets[number])
        more, ended = counted(pointer(data), at, end, len(data))
        points, lines, at = points + more, lines + ended, end
        out[number, 0], out[number, 1] = points, lines
    return out
