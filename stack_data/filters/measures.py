"""What the filters and a release know of texts: lines, their lengths, shares of characters, and runs of encoded data.

One numba kernel over the UTF-8 bytes of a column, without the GIL. Lines end at `\\n`, `\\r\\n` or `\\r`; lengths are in
code points without the line break; a character is a letter, alphanumeric or space when Python's str methods say so.

Encoded data are the matches of StarCoder2's three patterns as Python's `re` finds them, counted in code points:
base64 `[a-zA-Z0-9+/\\n=]{64,}`, bytes in hexadecimal `(?:\\b(?:0x|\\\\x)?[0-9a-fA-F]{2}(?:,|\\b\\s*)){8,}` and escapes
`(?:\\\\u[0-9a-fA-F]{4}){8,}`. Bytes in hexadecimal have a pass of their own: in the main one they cost twice as much.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

RULE_VERSION = 1

_ALPHANUMERIC, _LETTER, _SPACE, _WORD, _HEX, _BASE64 = (np.uint8(1 << bit) for bit in range(6))
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
    for bit, characters in (
        (_HEX, b"0123456789abcdefABCDEF"),
        (_BASE64, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/\n="),
    ):
        kinds[list(characters)] |= bit
    return kinds


@functools.cache
def _openings() -> npt.NDArray[np.bool_]:
    """Return which two bytes a byte in hexadecimal may begin with, by their 16-bit number: bool[65536]."""
    digits = b"0123456789abcdefABCDEF"
    found = np.zeros(1 << 16, np.bool_)
    found[[first << 8 | second for first in digits for second in digits]] = True
    found[[first << 8 | ord("x") for first in b"0\\"]] = True
    return found


def measure(texts: pa.LargeStringArray) -> Measures:
    """Measure N texts without nulls."""
    offsets = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]
    data = texts.buffers()[2]
    content = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)
    return Measures(*_measure(content, offsets, _kinds(), _openings()))


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
def _hex_runs(content, begin, end, kinds, openings):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return the longest run of bytes in hexadecimal, and the code points of all runs.

    A pass of its own: two bytes tell whether a unit may begin, and few places pass.
    """
    most, found = np.int64(0), np.int64(0)
    at, last = begin, end - (3 * _LEAST_UNITS - 1)
    while at <= last:
        if not openings[np.int64(content[at]) << 8 | content[at + 1]]:
            at += 1
            continue
        third = content[at + 2]
        if content[at + 1] != 120 and third < 128 and kinds[third] & _WORD:
            at += 1  # a third digit or letter: no byte
            continue
        if not (_is_boundary(content, at, begin, kinds) if at > begin else kinds[content[at]] & _WORD != 0):
            at += 1
            continue
        units, after, chars = _hex_bytes(content, at, end, kinds)
        if units >= _LEAST_UNITS:
            most, found, at = max(most, chars), found + chars, after
        else:
            at += 1
    return most, found


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _is_boundary(content, at, begin, kinds):  # type: ignore[no-untyped-def]  # pragma: no cover
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
def _measure(content, offsets, kinds, openings):  # type: ignore[no-untyped-def]  # pragma: no cover
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
        lines, total, best, line_start = 0, 0, 0, 0
        alnum, alpha, chars = 0, 0, 0
        most, found = np.int64(0), np.int64(0)
        last_other, escapes_from = at - 1, at
        while at < end:
            point, size = np.int64(content[at]), 1
            if point >= 128:
                point, size = _point(content, at)
            kind = kinds[point]
            alnum += kind & _ALPHANUMERIC
            alpha += (kind & _LETTER) >> 1
            # Runs are of one-byte characters, so bytes count them. The rare condition first: it is foreseen.
            if at - last_other > _LEAST_BASE64 and not kind & _BASE64:
                most, found = max(most, at - last_other - 1), found + at - last_other - 1
            if not kind & _BASE64:
                last_other = at + size - 1
            if point == 92 and at >= escapes_from:
                escapes_end = _escapes(content, at, end, kinds)
                if escapes_end - at >= 6 * _LEAST_UNITS:
                    most, found, escapes_from = max(most, escapes_end - at), found + escapes_end - at, escapes_end
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
        if end - last_other > _LEAST_BASE64:
            most, found = max(most, end - last_other - 1), found + end - last_other - 1
        hex_most, hex_found = _hex_runs(content, offsets[row], end, kinds, openings)
        most, found = max(most, hex_most), found + hex_found
        num_lines[row], longest_line[row], num_chars[row] = lines, best, chars
        longest[row], encoded[row] = most, found
        averages[row] = total / lines if lines else 0.0
        alphanumerics[row] = alnum / chars if chars else 0.0
        letters[row] = alpha / chars if chars else 0.0
    return num_lines, averages, longest_line, alphanumerics, letters, num_chars, longest, encoded
