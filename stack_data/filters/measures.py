"""What the filters and a release know of texts: lines, their lengths, shares of characters, and runs of encoded data.

One numba kernel over the UTF-8 bytes of a column, without the GIL. Lines end at `\\n`, `\\r\\n` or `\\r`; lengths are in
code points without the line break; a character is a letter, alphanumeric or space when Python's str methods say so.

Encoded data are the matches of StarCoder2's three patterns as Python's `re` finds them, counted in code points:
base64 `[a-zA-Z0-9+/\\n=]{64,}`, bytes in hexadecimal `(?:\\b(?:0x|\\\\x)?[0-9a-fA-F]{2}(?:,|\\b\\s*)){8,}` and escapes
`(?:\\\\u[0-9a-fA-F]{4}){8,}`. Counts, lines, base64 and the rest have a tight loop each: one loop for all of them is three times as slow.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

RULE_VERSION = 1

_ALPHANUMERIC, _LETTER, _SPACE, _WORD, _HEX = (np.uint8(1 << bit) for bit in range(5))
_BASE64, _OF_ESCAPES, _OF_HEX, _IN_LINE = (np.uint8(1 << bit) for bit in range(4))
_LEAST_BASE64, _LEAST_UNITS = 64, 8


class Measures(NamedTuple):
    """Columns, one row per text.

    alphanum_fraction, letter_fraction  share of the code points, line ends included; 0 for an empty text
    encoded_longest, encoded_chars      the longest match of the patterns for encoded data, and all of them together
    """

    num_lines: npt.NDArray[np.int32]
    avg_line_length: npt.NDArray[np.float64]
    max_line_length: npt.NDArray[np.int32]
    alphanum_fraction: npt.NDArray[np.float64]
    letter_fraction: npt.NDArray[np.float64]
    num_chars: npt.NDArray[np.int64]
    encoded_longest: npt.NDArray[np.int64]
    encoded_chars: npt.NDArray[np.int64]


@functools.cache
def _kinds() -> npt.NDArray[np.uint8]:
    """Return what each code point is, as bits: uint8[0x110000]."""
    kinds = np.zeros(0x110000, np.uint8)
    for bit, holds in ((_ALPHANUMERIC, str.isalnum), (_LETTER, str.isalpha), (_SPACE, str.isspace)):
        kinds |= np.fromiter((holds(chr(point)) for point in range(0x110000)), np.uint8, 0x110000) * bit
    kinds[(kinds & _ALPHANUMERIC) > 0] |= _WORD
    kinds[ord("_")] |= _WORD
    kinds[list(b"0123456789abcdefABCDEF")] |= _HEX
    return kinds


@functools.cache
def _byte_kinds() -> npt.NDArray[np.uint8]:
    """Return which runs each byte of UTF-8 may be in, as bits: uint8[256]."""
    kinds = np.zeros(256, np.uint8)
    digits = b"0123456789abcdefABCDEF"
    kinds[list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/\n=")] |= _BASE64
    kinds[list(digits + b"\\u")] |= _OF_ESCAPES
    kinds[list(digits + b"\\x,")] |= _OF_HEX
    kinds[[byte for byte in range(256) if byte >= 128 or chr(byte).isspace()]] |= _OF_HEX  # spaces that are not ASCII
    kinds[[byte for byte in range(256) if byte not in b"\r\n"]] |= _IN_LINE
    return kinds


def measure(texts: pa.LargeStringArray, encoded: bool = True) -> Measures:
    """Measure N texts without nulls. encoded: look for encoded data; without, their two columns are 0."""
    offsets = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]
    data = texts.buffers()[2]
    content = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)
    return Measures(*_measure(content, offsets, _kinds(), _byte_kinds(), encoded))


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _point(content, at):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return the code point at a position and its number of bytes."""
    byte = np.int64(content[at])
    if byte < 128:
        return byte, 1
    if byte < 224:
        return (byte & 31) << 6 | np.int64(content[at + 1] & 63), 2
    if byte < 240:
        return (byte & 15) << 12 | np.int64(content[at + 1] & 63) << 6 | np.int64(content[at + 2] & 63), 3
    return (
        (byte & 7) << 18
        | np.int64(content[at + 1] & 63) << 12
        | np.int64(content[at + 2] & 63) << 6
        | np.int64(content[at + 3] & 63)
    ), 4


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _hex_bytes(content, at, end, kinds):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Follow bytes in hexadecimal from a word boundary on; return how many, where they end, and their code points."""
    units, chars, is_word_before = 0, 0, False
    while at < end:
        # The boundary before a unit; the caller has seen that of the first.
        if units:
            point, _ = _point(content, at)
            if ((kinds[point] & _WORD) > 0) == is_word_before:
                break
        digits = at
        if at + 1 < end and content[at + 1] == 120 and (content[at] == 48 or content[at] == 92):  # 0x, \x
            digits = at + 2
        if digits + 1 >= end or not (kinds[content[digits]] & kinds[content[digits + 1]] & _HEX):
            break
        after = digits + 2
        length = after - at
        if after < end and content[after] == 44:  # a comma
            after, length, is_word_before = after + 1, length + 1, False
        else:
            if after < end:
                point, _ = _point(content, after)
                if kinds[point] & _WORD:
                    break
            is_word_before = True
            while after < end:
                point, size = _point(content, after)
                if not kinds[point] & _SPACE:
                    break
                after, length, is_word_before = after + size, length + 1, False
        at, units, chars = after, units + 1, chars + length
    return units, at, chars


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _hex_runs(content, begin, at, last, end, kinds):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return the longest run of bytes in hexadecimal that begins between `at` and `last`, and the code points of all."""
    most, found = np.int64(0), np.int64(0)
    while at < last:
        byte = content[at]
        if byte < 128 and (kinds[byte] & _HEX or byte == 92) and _is_boundary(content, at, begin, kinds):
            units, after, chars = _hex_bytes(content, at, end, kinds)
            if units >= _LEAST_UNITS:
                most, found, at = max(most, chars), found + chars, after
                continue
        at += 1
    return most, found


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _is_boundary(content, at, begin, kinds):  # type: ignore[no-untyped-def]  # pragma: no cover
    if at == begin:
        return kinds[content[at]] & _WORD != 0
    before = at - 1
    while before > begin and content[before] & 0xC0 == 0x80:
        before -= 1
    point, _ = _point(content, before)
    return (kinds[point] ^ kinds[content[at]]) & _WORD != 0


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _escapes(content, at, end, kinds):  # type: ignore[no-untyped-def]  # pragma: no cover
    r"""Return where escapes of the form \u0000 that begin at a position end."""
    while at + 6 <= end and content[at] == 92 and content[at + 1] == 117:
        if not kinds[content[at + 2]] & kinds[content[at + 3]] & kinds[content[at + 4]] & kinds[content[at + 5]] & _HEX:
            break
        at += 6
    return at


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _is_ascii(content, at, end):  # type: ignore[no-untyped-def]  # pragma: no cover
    joined = np.uint8(0)
    for place in range(at, end):
        joined |= content[place]
    return joined < 128


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _count_ascii(content, at, end):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return letters and digits; comparisons alone, so that the compiler counts many bytes at once."""
    letters, digits = np.int64(0), np.int64(0)
    for place in range(at, end):
        byte = content[place]
        letters += np.int64(np.uint8((byte | 32) - 97) < 26)
        digits += np.int64(np.uint8(byte - 48) < 10)
    return letters, digits


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _lines_ascii(content, at, end, kinds):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return the lines, their characters without line ends, and the longest."""
    feeds, returns, both = 0, 0, 0
    for place in range(at, end):
        feeds += content[place] == 10
        returns += content[place] == 13
    if returns:
        for place in range(at, end - 1):
            both += content[place] == 13 and content[place + 1] == 10
    is_open = end > at and content[end - 1] != 10 and content[end - 1] != 13
    return feeds + returns - both + is_open, end - at - feeds - returns, _longest_line(content, at, end, kinds)


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _longest_line(content, at, end, kinds):  # type: ignore[no-untyped-def]  # pragma: no cover
    best = 0
    while at + best < end:
        # A longer line has no end among the next best + 1 bytes.
        run_begin, run_end = _next_run(content, at, end, best + 1, kinds, _IN_LINE)
        if run_begin < 0:
            break
        best, at = run_end - run_begin, run_end + 1
    return best


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _next_run(content, at, end, length, kinds, kind):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return begin and end of the next run of at least `length` bytes of a kind; (-1, -1) where there is none.

    Most bytes are jumped over: a run that begins here holds the byte `length` - 1 further on, so that is looked at first, and
    then backwards.
    """
    while at + length <= end:
        place = at + length - 1
        while place >= at and kinds[content[place]] & kind:
            place -= 1
        if place < at:
            after = at + length
            while after < end and kinds[content[after]] & kind:
                after += 1
            return at, after
        at = place + 1
    return -1, -1


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _encoded(content, begin, end, kinds, byte_kinds):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return the longest run of encoded data, and the code points of all."""
    most, found = np.int64(0), np.int64(0)
    at = begin
    while True:
        at, after = _next_run(content, at, end, _LEAST_BASE64, byte_kinds, _BASE64)
        if at < 0:
            break
        most, found, at = max(most, after - at), found + after - at, after
    at = begin
    while True:
        at, after = _next_run(content, at, end, 6 * _LEAST_UNITS, byte_kinds, _OF_ESCAPES)
        if at < 0:
            break
        while at < after:
            escapes_end = _escapes(content, at, end, kinds)
            if escapes_end - at >= 6 * _LEAST_UNITS:
                most, found = max(most, escapes_end - at), found + escapes_end - at
            at = max(escapes_end, at + 1)
    at = begin
    while True:
        at, after = _next_run(content, at, end, 3 * _LEAST_UNITS - 1, byte_kinds, _OF_HEX)
        if at < 0:
            break
        hex_most, hex_found = _hex_runs(content, begin, at, after, end, kinds)
        most, found, at = max(most, hex_most), found + hex_found, after
    return most, found


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _measure(content, offsets, kinds, byte_kinds, wants_encoded):  # type: ignore[no-untyped-def]  # pragma: no cover
    count = len(offsets) - 1
    num_lines = np.zeros(count, np.int32)
    averages = np.zeros(count, np.float64)
    longest_line = np.zeros(count, np.int32)
    alphanumerics = np.zeros(count, np.float64)
    letters = np.zeros(count, np.float64)
    num_chars = np.zeros(count, np.int64)
    longest = np.zeros(count, np.int64)
    encoded = np.zeros(count, np.int64)
    for row in range(count):
        at, end = offsets[row], offsets[row + 1]
        if _is_ascii(content, at, end):
            chars = end - at
            alpha, digits = _count_ascii(content, at, end)
            alnum = alpha + digits
            lines, total, best = _lines_ascii(content, at, end, byte_kinds)
        else:
            chars, alpha, alnum, lines, total, best = _count_any(content, at, end, kinds)
        if wants_encoded:
            longest[row], encoded[row] = _encoded(content, at, end, kinds, byte_kinds)
        num_lines[row], longest_line[row], num_chars[row] = lines, best, chars
        averages[row] = total / lines if lines else 0.0
        alphanumerics[row] = alnum / chars if chars else 0.0
        letters[row] = alpha / chars if chars else 0.0
    return num_lines, averages, longest_line, alphanumerics, letters, num_chars, longest, encoded


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _count_any(content, at, end, kinds):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return characters, letters, letters and digits, lines, their characters and the longest, of any text."""
    lines, total, best, line_start = 0, 0, 0, 0
    alnum, alpha, chars = 0, 0, 0
    while at < end:
        point, size = _point(content, at)
        kind = kinds[point]
        alnum += kind & _ALPHANUMERIC
        alpha += (kind & _LETTER) >> 1
        at += size
        chars += 1
        if point == 10 or point == 13:
            lines += 1
            total += chars - 1 - line_start
            best = max(best, chars - 1 - line_start)
            if point == 13 and at < end and content[at] == 10:
                at += 1
                chars += 1
            line_start = chars
    if chars > line_start:
        lines += 1
        total += chars - line_start
        best = max(best, chars - line_start)
    return chars, alpha, alnum, lines, total, best
