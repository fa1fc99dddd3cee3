"""Text statistics of released contents: lines, their lengths, and the share of alphanumeric characters.

One numba pass over the UTF-8 bytes of a column, without the GIL. Lines end at `\\n`, `\\r\\n` or `\\r`; lengths are in
code points without the line break; a character is alphanumeric when Python's str.isalnum says so.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa


class Statistics(NamedTuple):
    """Columns of statistics, one row per text."""

    num_lines: npt.NDArray[np.int32]
    avg_line_length: npt.NDArray[np.float64]
    max_line_length: npt.NDArray[np.int32]
    alphanum_fraction: npt.NDArray[np.float64]


@functools.cache
def _alphanumeric() -> npt.NDArray[np.uint8]:
    """Return whether each code point is alphanumeric: uint8[0x110000]."""
    return np.fromiter((chr(point).isalnum() for point in range(0x110000)), np.uint8, 0x110000)


def statistics_of(texts: pa.LargeStringArray) -> Statistics:
    """Return the statistics of N texts without nulls."""
    offsets = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]
    data = texts.buffers()[2]
    content = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)
    result = _measure(content, offsets, _alphanumeric())
    return Statistics(*result)


@numba.njit(nogil=True, cache=True)
def _measure(content, offsets, alphanumeric):  # type: ignore[no-untyped-def]  # pragma: no cover
    count = len(offsets) - 1
    num_lines = np.zeros(count, np.int32)
    averages = np.zeros(count, np.float64)
    longest = np.zeros(count, np.int32)
    fractions = np.zeros(count, np.float64)
    for row in range(count):
        at, end = offsets[row], offsets[row + 1]
        lines = 0
        length = 0
        total = 0
        best = 0
        alnum = 0
        chars = 0
        while at < end:
            byte = content[at]
            if byte < 128:
                point = np.int64(byte)
                at += 1
            elif byte < 224:
                point = (np.int64(byte & 31) << 6) | (content[at + 1] & 63)
                at += 2
            elif byte < 240:
                point = (np.int64(byte & 15) << 12) | (np.int64(content[at + 1] & 63) << 6) | (content[at + 2] & 63)
                at += 3
            else:
                point = (
                    (np.int64(byte & 7) << 18)
                    | (np.int64(content[at + 1] & 63) << 12)
                    | (np.int64(content[at + 2] & 63) << 6)
                    | (content[at + 3] & 63)
                )
                at += 4
            chars += 1
            if point == 10 or point == 13:
                if point == 13 and at < end and content[at] == 10:
                    at += 1
                    chars += 1
                lines += 1
                total += length
                if length > best:
                    best = length
                length = 0
            else:
                length += 1
                alnum += alphanumeric[point]
        if length > 0:
            lines += 1
            total += length
            if length > best:
                best = length
        num_lines[row] = lines
        longest[row] = best
        averages[row] = total / lines if lines else 0.0
        fractions[row] = alnum / chars if chars else 0.0
    return num_lines, averages, longest, fractions
