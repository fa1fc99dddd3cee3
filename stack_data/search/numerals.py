"""Where numbers begin and end, and which are equal: part of the lexer's pass, compiled.

As in scanning.py, the compiled kernels that call these are renewed only when kernels.py changes: raise LEXER_VERSION there.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from stack_data.search.word_kernels import WORDLIKE, take

_SEED, _EMPTY = np.uint64(0x9E3779B97F4A7C15 * 3 & (2**64 - 1)), np.uint64(1)
_TICK, _DOT, _ZERO = 39, 46, 48


@njit(cache=True, nogil=True)  # type: ignore[misc]
def begins_number(data, at, start, end):  # type: ignore[no-untyped-def]
    """Tell whether the full stop at `at` begins a number: a digit follows, and no word, bracket or full stop stands before."""
    if at + 1 >= end or not 48 <= data[at + 1] <= 57:
        return False
    before = data[at - 1] if at > start else 32
    return not (WORDLIKE[before] or before >= 0x80 or before in (41, 93, _DOT))


@njit(cache=True, nogil=True)  # type: ignore[misc]
def number_end(data, at, end, ticks):  # type: ignore[no-untyped-def]
    """Return where the number at `at` ends: digits, letters, one full stop, the sign of an exponent."""
    is_hex = data[at] == 48 and at + 1 < end and data[at + 1] | 32 == 120
    has_dot = data[at] == _DOT
    at += 1
    while at < end:
        byte = data[at]
        after = data[at + 1] if at + 1 < end else 0
        if WORDLIKE[byte]:
            at += 1
            is_exponent = byte | 32 == (112 if is_hex else 101)
            if is_exponent and (after == 43 or after == 45) and at + 1 < end and 48 <= data[at + 1] <= 57:
                at += 1
        elif byte == _DOT and not has_dot and _is_decimal(data, at, end):
            has_dot = True
            at += 1
        elif ticks and byte == _TICK and WORDLIKE[after]:
            at += 2
        else:
            break
    return at


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _is_decimal(data, at, end):  # type: ignore[no-untyped-def]
    """Tell whether the full stop at `at` is a number's: neither a range (1..2) nor the name of a member (1.max) follows."""
    after = data[at + 1] if at + 1 < end else 0
    if after == _DOT or after >= 0x80:
        return False
    if not WORDLIKE[after] or 48 <= after <= 57:
        return True
    second = data[at + 2] if at + 2 < end else 32
    if after | 32 == 101:
        return 48 <= second <= 57 or second == 43 or second == 45
    return after | 32 in (100, 102, 106, 108) and not WORDLIKE[second]


@njit(cache=True, nogil=True)  # type: ignore[misc]
def number_hash(data, begin, end):  # type: ignore[no-untyped-def]
    """Hash a number as it is written, but for the case of letters, what separates digits, and 0 before or after the stop."""
    value, packed = _SEED, _EMPTY
    if data[begin] == _DOT:
        value, packed = take(value, packed, _ZERO)
    for place in range(begin, end):
        byte = data[place]
        if byte != 95 and byte != _TICK:
            value, packed = take(value, packed, byte + 32 if 65 <= byte <= 90 else byte)
    if data[end - 1] == _DOT:
        value, packed = take(value, packed, _ZERO)
    return value ^ packed
