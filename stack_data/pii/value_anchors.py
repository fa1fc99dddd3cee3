"""Values in their notations, as kernels for the prefilter: quoted, bare, or in Ruby's %q(...); and which of them may be secrets.

A value is left out when it cannot be a secret: no letter, neither digit nor sign, or white space in it and fewer than two digits.
named_anchors.py says where values stand.
"""

from __future__ import annotations

import numba
import numpy as np

WORD, QUOTE, SPACE, _STOP, _LETTER, _OTHER = (np.uint8(1 << bit) for bit in range(6))
_MOST_VALUE, _LEAST_VALUE, _MOST_SPACES = 512, 5, 6


def _kinds() -> np.ndarray:  # type: ignore[type-arg]
    kinds = np.zeros(256, np.uint8)
    kinds[list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.")] |= WORD
    kinds[list(b"\"'`")] |= QUOTE
    kinds[list(b" \t")] |= SPACE
    kinds[list(b" \t\r\n\f\v\"'`,;&<>()[]{}|\\")] |= _STOP
    kinds[list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")] |= _LETTER
    kinds[list(b"0123456789!@#*?~^")] |= _OTHER
    return kinds


BYTES = _kinds()


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def spaces(content, at, end):  # type: ignore[no-untyped-def]  # pragma: no cover
    most = min(end, at + 40)
    while at < most and BYTES[content[at]] & SPACE:
        at += 1
    return at


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def percent(content, at, end):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return what stands in Ruby's %q(v), %Q[v] and %{v}."""
    at += 1
    if at < end and (content[at] | 32) == 113:
        at += 1
    if at + 2 >= end or content[at] not in (40, 91, 123, 60, 124, 33):
        return -1, -1
    close = content[at]
    close = close + 1 if close == 40 else close + 2 if close in (91, 123, 60) else close
    start = at + 1
    stop, most = start, min(end, start + _MOST_VALUE)
    while stop < most and content[stop] != close and content[stop] > 32:
        stop += 1
    return (start, stop) if stop < most and content[stop] == close else (-1, -1)


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def quoted(content, at, end):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return what stands between quotes here, on one line; with white space two digits too. Prefixes such as b and []byte( pass."""
    most = min(end, at + 14)
    place = at
    while place < most and not BYTES[content[place]] & QUOTE:
        byte = content[place]
        letter = (byte | 32) - 97 < 26 and byte >= 65
        if not (letter or byte == 91 or byte == 93 or byte == 40 or byte == 58 or byte == 92 or byte == 64):
            return -1, -1
        place += 1
    if place >= most:
        return -1, -1
    if place - at > 1 and not _is_wrapper(content, at, place):
        return -1, -1
    quote, escaped = content[place], place > at and content[place - 1] == 92
    start = place + 1
    if start + 1 < end and content[start] == quote and content[start + 1] == quote:  # triple quotes
        start += 2
    stop, most = start, min(end, start + _MOST_VALUE)
    gaps, digits = 0, 0
    while stop < most:
        byte = content[stop]
        if byte == quote or byte == 10 or byte == 13:
            break
        if byte == 92:
            if escaped and stop + 1 < end and content[stop + 1] == quote:
                return start, stop
            stop += 1
        elif BYTES[byte] & SPACE:
            gaps += 1
            if gaps > _MOST_SPACES:
                return -1, -1
        elif 48 <= byte <= 57:
            digits += 1
        stop += 1
    if stop >= most or content[stop] != quote or (gaps and (digits < 2 or content[start] == 32)):
        return -1, -1
    return start, stop


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _is_wrapper(content, at, place):  # type: ignore[no-untyped-def]  # pragma: no cover
    r"""Tell whether `[]byte(`, `String::from(`, `SecretStr(` or `\` (an escaped quote) with a letter stands here."""
    if content[place - 1] != 40:
        return place - at == 2
    if place - at < 5:
        return False
    byte = content[at]
    return (byte == 91 and content[at + 1] == 93) or byte == 83  # [], S


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def bare(content, at, end, how):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return a value without quotes. how: what stood before it: = : > | { or a space for an = with spaces around it."""
    stop, most = at, min(end, at + _MOST_VALUE)
    while stop < most and not BYTES[content[stop]] & _STOP:
        stop += 1
    if stop - at < _LEAST_VALUE:
        return -1, -1
    if how == 62:  # up to the closing tag
        return (at, stop) if stop + 1 < end and content[stop] == 60 and content[stop + 1] == 47 else (-1, -1)
    if stop >= most:
        return (at, stop) if stop == end else (-1, -1)
    byte = content[stop]
    if how == 124:  # up to the next cell
        after = spaces(content, stop, end)
        return (at, stop) if after < end and content[after] == 124 else (-1, -1)
    if how == 123:
        return (at, stop) if byte == 125 else (-1, -1)
    if byte == 10 or byte == 13 or BYTES[byte] & QUOTE or byte == 92:
        return at, stop
    if byte == 59 or byte == 38 or byte == 60:
        return at, stop
    if BYTES[byte] & SPACE:
        after = spaces(content, stop, end)
        if after >= end or content[after] == 10 or content[after] == 13 or content[after] == 35 or how == 61:
            return at, stop
    return -1, -1


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def may_be_secret(content, start, stop):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Tell whether a value has a letter, and a digit or a sign that identifiers have not."""
    if stop - start < _LEAST_VALUE:
        return False
    joined = np.uint8(0)
    for place in range(start, stop):
        joined |= BYTES[content[place]]
    return joined & _LETTER and joined & _OTHER
