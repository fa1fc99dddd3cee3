"""Texts that contain other texts, whatever the white space, the case and the escapes: many patterns in one pass.

A text is folded while it is read: ASCII letters to lower case; white space and control characters left out; backslashes too, with
the n, r or t after them, so that a task inside a JSON string is the same as the task. Behind each folded byte stands a hash
of the last 32 (two bits of shift per byte, so older ones have left the 64); where it is that of a pattern's last 32, the whole
pattern is compared, byte by byte. So nothing is found that is not there, and a pattern needs at least 32 folded bytes.

Choice: fingerprints, not an automaton: the table of one is a few kilobytes and one look-up per byte, whatever the number of
patterns. (stack_data/licenses/automaton.py runs templates over words and is no fit.) Not covered: Unicode case; text with
other escapes (\\u2019, &lt;) or with signs at line beginnings (quoted, commented, a diff).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from stack_data.search.borrowed import borrowed

WINDOW = 32
_SLOTS_BITS = 16
_LEFT_OUT, _BACKSLASH, _FIRST_OF_TWO = 0, 1, 2  # what is not compared as it is; no folded byte is one of these
_FOLD = np.arange(256, dtype=np.uint8)
_FOLD[65:91] += 32
_FOLD[:33] = _LEFT_OUT
_FOLD[127] = _LEFT_OUT
_FOLD[92] = _BACKSLASH
_FOLD[0xC2] = _FIRST_OF_TWO
_GEAR = np.random.PCG64(20).random_raw(256).astype(np.uint64)
Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Patterns:
    """P folded patterns, one after the other: those of pattern p are folded[bounds[p]:bounds[p + 1]].

    slots: bool[65536] by the upper bits of the hash of a pattern's end; keys: sorted uint64[P], of which pattern: order[P].
    """

    folded: Bytes
    bounds: Places
    slots: npt.NDArray[np.bool_]
    keys: npt.NDArray[np.uint64]
    order: Places


def fold(text: str) -> bytes:
    """Return the bytes by which a text is compared."""
    data = np.frombuffer(text.encode(), np.uint8)
    folded: Bytes = _folded(data)
    return folded.tobytes()


def make_patterns(folded: Sequence[bytes]) -> Patterns:
    """Return the table of patterns; each is folded and has at least WINDOW bytes, else ValueError."""
    if any(len(one) < WINDOW for one in folded):
        raise ValueError(f"a pattern needs at least {WINDOW} bytes")
    bounds = np.cumsum([0, *map(len, folded)]).astype(np.int64)
    joined = np.frombuffer(b"".join(folded), np.uint8)
    keys = np.array([_hash(joined[end - WINDOW : end]) for end in bounds[1:].tolist()], np.uint64)
    order = np.argsort(keys, kind="stable")
    slots = np.zeros(1 << _SLOTS_BITS, bool)
    slots[keys >> np.uint64(64 - _SLOTS_BITS)] = True
    return Patterns(joined, bounds, slots, keys[order], order)


def find(patterns: Patterns, data: Bytes, begins: Places, ends: Places) -> npt.NDArray[np.int64]:
    """Return where N texts, begins[i]:ends[i] of data, contain patterns: int64[F, 4] of text, pattern, start, end.

    Start and end are byte offsets into the text, of its first place. In order of texts.
    """
    if not len(patterns.keys) or not len(begins):
        return np.empty((0, 4), np.int64)
    found: npt.NDArray[np.int64] = _find(
        data, begins, ends, patterns.folded, patterns.bounds, patterns.slots, patterns.keys, patterns.order
    )
    return found


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _hash(window):  # type: ignore[no-untyped-def]
    value = np.uint64(0)
    for byte in window:
        value = (value << np.uint64(2)) + _GEAR[byte]
    return value


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _step(data, at, end):  # type: ignore[no-untyped-def]
    """Return (folded byte or 0, bytes read)."""
    byte = data[at]
    kind = _FOLD[byte]
    if kind > _FIRST_OF_TWO:
        return kind, 1
    after = data[at + 1] if at + 1 < end else np.uint8(0)
    if kind == _BACKSLASH:
        return np.uint8(0), 2 if after | 32 in (110, 114, 116) else 1
    if kind == _FIRST_OF_TWO:
        return (np.uint8(0), 2) if after == 0xA0 else (byte, 1)  # a no-break space is white space too
    return np.uint8(0), 1


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _folded(data):  # type: ignore[no-untyped-def]
    out = np.empty(len(data), np.uint8)
    at, count = 0, 0
    while at < len(data):
        byte, size = _step(data, at, len(data))
        at += size
        if byte:
            out[count] = byte
            count += 1
    return out[:count].copy()


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _find(data, begins, ends, folded, bounds, slots, keys, order):  # type: ignore[no-untyped-def]
    longest = np.int64(0)
    for row in range(len(begins)):
        longest = max(longest, ends[row] - begins[row])
    clean = np.empty(longest, np.uint8)
    seen = np.full(len(keys), -1, np.int64)
    out = np.empty((64, 4), np.int64)
    count = 0
    for row in range(len(begins)):
        if count + len(keys) > len(out):
            wider = np.empty((2 * len(out) + len(keys), 4), np.int64)
            wider[:count] = out[:count]
            out = wider
        count = _find_in(
            borrowed(data), begins[row], ends[row], borrowed(folded), borrowed(bounds), borrowed(slots), borrowed(keys),
            borrowed(order), borrowed(clean), borrowed(seen), row, borrowed(out), count,
        )  # fmt: skip
    return out[:count].copy()


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _find_in(  # type: ignore[no-untyped-def]
    data, begin, end, folded, bounds, slots, keys, order, clean, seen, row, out, count
):
    """Write what one text contains from row `count` of `out` on, each pattern once; return how many rows there are then."""
    at, size, value = begin, 0, np.uint64(0)
    while at < end:
        byte = _FOLD[data[at]]
        if byte > _FIRST_OF_TWO:
            at += 1
        else:
            byte, step = _step(data, at, end)
            at += step
            if not byte:
                continue
        clean[size] = byte
        size += 1
        value = (value << np.uint64(2)) + _GEAR[byte]
        if not slots[value >> np.uint64(64 - _SLOTS_BITS)]:
            continue
        place = np.searchsorted(keys, value)
        while place < len(keys) and keys[place] == value:
            pattern = order[place]
            place += 1
            if seen[pattern] != row and _ends_with(clean, size, folded, bounds[pattern], bounds[pattern + 1]):
                seen[pattern] = row
                start = _origin(data, begin, end, size - (bounds[pattern + 1] - bounds[pattern]))
                out[count, 0], out[count, 1], out[count, 2], out[count, 3] = row, pattern, start - begin, at - begin
                count += 1
    return count


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _ends_with(clean, size, folded, first, last):  # type: ignore[no-untyped-def]
    if last - first > size:
        return False
    back = 1
    while back <= last - first and clean[size - back] == folded[last - back]:
        back += 1
    return back > last - first


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _origin(data, at, end, skipped):  # type: ignore[no-untyped-def]
    """Return where the folded byte number `skipped` of a text stands in it."""
    while at < end:
        byte, step = _step(data, at, end)
        if byte:
            if skipped == 0:
                return at
            skipped -= 1
        at += step
    return at
