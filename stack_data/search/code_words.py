"""Words of code for keyword search: identifiers split on camel and snake case, and the compound ones as they are written.

The lexer's lexemes (runs of letters, digits and `_`) are split before a capital that follows a small letter or a digit, before the
last of several capitals that a small letter follows, and at `_`: `parseHTTPRequest_v2` is parse, HTTP, Request, v2. Digits stay with
the letters before them (sha256, int32). Han and Kana, which are written without spaces, are one word a character. Punctuation is no
word. Parts over MOST_BYTES (encoded data) are left out.

Index and query share these functions, so a phrase is the same words in a row however they are joined. Small letters are
Arrow's, code point by code point. Kernels without the GIL; no Python object per word but in `words_of`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from stack_data.near.shingles import text_bytes
from stack_data.search.lexer import NAME, lexemes

WORDS_VERSION = 1
"""Raised with every change of any word: an index with another version is not searched."""
MOST_BYTES = 80

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]


class Words(NamedTuple):
    """The W words of N texts: those of text i are bounds[i]:bounds[i + 1].

    data: the bytes they lie in; starts and ends: int64[W], where; lexeme: int64[W], the number of the lexeme each is part of.
    """

    data: Bytes
    bounds: Places
    starts: Places
    ends: Places
    lexeme: Places


def words(texts: pa.Array) -> Words:
    """Split N texts into words."""
    data, starts, ends, bounds = _lexemes(texts)
    return Words(data, *_split(data, starts, ends, bounds))


def streams(texts: pa.Array) -> tuple[pa.LargeStringArray, pa.LargeStringArray]:
    """Return for each of N texts its words, in small letters, and its compound identifiers as they are; each has a space behind it."""
    data, starts, ends, bounds = _lexemes(texts)
    found = Words(data, *_split(data, starts, ends, bounds))
    compound = np.bincount(found.lexeme, minlength=len(starts)) > 1
    chosen = np.flatnonzero(compound & (ends - starts <= MOST_BYTES))
    return (
        pc.utf8_lower(_joined(data, found.starts, found.ends, found.bounds)),
        _joined(data, starts[chosen], ends[chosen], np.searchsorted(chosen, bounds)),
    )


def spelled(found: Words) -> pa.LargeStringArray:
    """Return the W words themselves, in small letters: large_string[W]."""
    each = np.arange(len(found.starts) + 1, dtype=np.int64)
    return pc.utf8_lower(pc.utf8_rtrim(_joined(found.data, found.starts, found.ends, each), " "))


def words_of(text: str) -> list[list[str]]:
    """Return the words of a query, in small letters, by the lexemes they are parts of."""
    found = words(pa.array([text], pa.large_string()))
    grouped: dict[int, list[str]] = {}
    for lexeme, word in zip(found.lexeme.tolist(), spelled(found).to_pylist(), strict=True):
        grouped.setdefault(lexeme, []).append(word)
    return list(grouped.values())


def _lexemes(texts: pa.Array) -> tuple[Bytes, Places, Places, Places]:
    """Return (data, starts, ends, bounds) of the words among the lexemes, starts and ends as places in the data."""
    data, begins, _ = text_bytes(texts)
    tokens = lexemes(texts)
    first = np.repeat(begins, np.diff(tokens.bounds))
    is_word = np.flatnonzero(tokens.kinds == NAME)
    starts, ends = (first[is_word] + column[is_word] for column in (tokens.starts, tokens.ends))
    return data, starts, ends, np.searchsorted(is_word, tokens.bounds)


def _joined(data: Bytes, starts: Places, ends: Places, bounds: Places) -> pa.LargeStringArray:
    buffer, offsets = _join(data, starts, ends, bounds)
    # Words begin and end at whole characters of texts that are UTF-8.
    return pa.LargeStringArray.from_buffers(len(bounds) - 1, pa.py_buffer(offsets), pa.py_buffer(buffer))


_NONE, _LOWER, _UPPER, _DIGIT, _BREAK, _ALONE = range(6)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _kind(data, at, end):  # type: ignore[no-untyped-def]
    """Return what kind of sign stands at a byte, and how many bytes it has."""
    byte = data[at]
    if byte == 95:
        return _BREAK, 1
    if byte < 0x80:
        if 48 <= byte <= 57:
            return _DIGIT, 1
        return (_UPPER if 65 <= byte <= 90 else _LOWER), 1
    if byte < 0xC0 or byte < 0xE0:
        return _LOWER, (1 if byte < 0xC0 else min(2, end - at))
    if byte < 0xF0:
        if at + 3 > end:
            return _LOWER, end - at
        point = (np.int64(byte & 15) << 12) | (np.int64(data[at + 1] & 63) << 6) | np.int64(data[at + 2] & 63)
        alone = 0x3040 <= point < 0x3100 or 0x3400 <= point < 0xA000 or 0xF900 <= point < 0xFB00
        return (_ALONE if alone else _LOWER), 3
    return _LOWER, min(4, end - at)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _split(data, starts, ends, bounds):  # type: ignore[no-untyped-def]
    """Return (bounds, starts, ends, lexeme) of the words; see Words."""
    room = len(starts) + len(starts) // 2 + 16
    places, owner = np.empty((2, room), np.int64), np.empty(room, np.int64)
    new = np.zeros(len(bounds), np.int64)
    count = 0
    for row in range(len(bounds) - 1):
        for one in range(bounds[row], bounds[row + 1]):
            if count + ends[one] - starts[one] > room:
                room = 2 * room + ends[one] - starts[one]
                wider, owners = np.empty((2, room), np.int64), np.empty(room, np.int64)
                wider[:, :count], owners[:count] = places[:, :count], owner[:count]
                places, owner = wider, owners
            count = _split_one(data, starts[one], ends[one], one, places, owner, count)
        new[row + 1] = count
    return new, places[0, :count].copy(), places[1, :count].copy(), owner[:count].copy()


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _split_one(data, start, end, number, places, owner, count):  # type: ignore[no-untyped-def]
    """Write the parts of one lexeme; return how many words there are then."""
    begin, at, last, before = start, start, _NONE, start
    while at <= end:
        kind, size = _kind(data, at, end) if at < end else (_BREAK, 1)
        cut = at
        if last == _UPPER and kind == _LOWER and before > begin:
            cut = before  # HTTPRequest: the last capital begins the next part
            is_cut = True
        else:
            after_small = last in (_LOWER, _DIGIT)
            is_cut = kind in (_BREAK, _ALONE) or last == _ALONE or (kind == _UPPER and after_small)
        if is_cut:
            if cut > begin and cut - begin <= MOST_BYTES:
                places[0, count], places[1, count], owner[count] = begin, cut, number
                count += 1
            begin = cut + 1 if kind == _BREAK else cut
        before, last = at, kind
        at += size
    return count


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _join(data, starts, ends, bounds):  # type: ignore[no-untyped-def]
    """Return (bytes, offsets int64[N + 1]) of pieces separated by spaces, in rows."""
    offsets = np.zeros(len(bounds), np.int64)
    for row in range(len(bounds) - 1):
        size = 0
        for one in range(bounds[row], bounds[row + 1]):
            size += ends[one] - starts[one] + 1
        offsets[row + 1] = offsets[row] + size
    buffer = np.empty(offsets[-1], np.uint8)
    at = 0
    for one in range(len(starts)):
        for byte in range(starts[one], ends[one]):
            buffer[at] = data[byte]
            at += 1
        buffer[at] = 32
        at += 1
    return buffer, offsets
