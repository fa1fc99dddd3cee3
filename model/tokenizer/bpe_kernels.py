"""Byte pair encoding of words, compiled: numba kernels that hold no lock and have no state, so any number of threads may run them.

A word that the vocabulary holds whole is looked up; any other is put together from its bytes (merge_kernels.py). Bulk encoding keeps the
tokens of words it has met. `Tables` is made by model.tokenizer.bpe_tables.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from model.tokenizer.merge_kernels import NONE, SHORT, merge_long, merge_short
from model.tokenizer.split_kernels import is_boundary_of, word_end
from stack_data.search.borrowed import borrowed

WHOLE = 16
"""Words of at most so many bytes are looked up."""
KEPT = 6
"""Words of at most so many tokens are kept by `encode_all`."""
_CACHE = 1 << 14
_MIX, _MIX_2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_LOW = np.uint64(0xFFFFFFFF)
_32, _29, _8 = np.uint64(32), np.uint64(29), np.uint64(8)


class Tables(NamedTuple):
    """What the kernels know of a tokenizer.

    classes     uint8[0x110000]: see characters.py
    byte_ids    int32[256]: the token of each byte
    pairs       uint64[2 * P]: left << 32 | right, then rank << 32 | merged; open addressing, NONE where empty
    whole       uint64[3 * W]: the first 8 bytes of a word, the next 8, then length << 32 | token; NONE where empty
    token_data  uint8[.]: the bytes of all tokens; token_bounds: int64[V + 1]
    """

    classes: npt.NDArray[np.uint8]
    byte_ids: npt.NDArray[np.int32]
    pairs: npt.NDArray[np.uint64]
    whole: npt.NDArray[np.uint64]
    token_data: npt.NDArray[np.uint8]
    token_bounds: npt.NDArray[np.int64]


Array = npt.NDArray[Any]


@njit(cache=True, nogil=True)  # type: ignore[misc]
def is_boundary(tables, data, begin, end, at):  # type: ignore[no-untyped-def]
    """Tell whether the tokens of data[begin:end] are those of data[begin:at] and then those of data[at:end], whatever stands further off.

    Only bytes within split_kernels.REACH of `at` are looked at, so the answer holds for every text that is the same there; one that
    begins or ends nearer must be asked with its own `begin` and `end`. False may also mean: not certain.
    """
    return is_boundary_of(borrowed(tables.classes), borrowed(data), begin, end, at)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def encode_into(tables, data, begin, end, out, at):  # type: ignore[no-untyped-def]
    """Write the tokens of the text data[begin:end] to out from `at` on; return where they end. There are at most end - begin."""
    classes, byte_ids, raw, to = borrowed(tables.classes), borrowed(tables.byte_ids), borrowed(data), borrowed(out)
    pairs, whole = borrowed(tables.pairs), borrowed(tables.whole)
    ids, ranks = np.empty(SHORT, np.uint64), np.empty(SHORT, np.uint64)
    while begin < end:
        stop = word_end(raw, begin, end, classes)
        at = _word(raw, begin, stop, byte_ids, pairs, whole, borrowed(ids), borrowed(ranks), to, at)
        begin = stop
    return at


@njit(cache=True, nogil=True)  # type: ignore[misc]
def encode_all(tables, data, bounds, out):  # type: ignore[no-untyped-def]
    """Write the tokens of D texts, bounds int64[D + 1], one after the other; return where each begins and the last ends, int64[D + 1]."""
    classes, byte_ids, raw, to = borrowed(tables.classes), borrowed(tables.byte_ids), borrowed(data), borrowed(out)
    pairs, whole = borrowed(tables.pairs), borrowed(tables.whole)
    ids, ranks = np.empty(SHORT, np.uint64), np.empty(SHORT, np.uint64)
    keys, counts = np.full(2 * _CACHE, NONE, np.uint64), np.zeros(_CACHE, np.uint16)
    kept = np.empty(KEPT * _CACHE, out.dtype)
    found = np.zeros(len(bounds), np.int64)
    at = 0
    for row in range(len(bounds) - 1):
        begin, end = bounds[row], bounds[row + 1]
        while begin < end:
            stop = word_end(raw, begin, end, classes)
            at = _cached_word(
                raw, begin, stop, byte_ids, pairs, whole, borrowed(ids), borrowed(ranks), borrowed(keys), borrowed(counts),
                borrowed(kept), to, at,
            )  # fmt: skip
            begin = stop
        found[row + 1] = at
    return found


@njit(cache=True, nogil=True)  # type: ignore[misc]
def decode_all(token_data, token_bounds, tokens, out):  # type: ignore[no-untyped-def]
    """Write the bytes of tokens to out, one after the other."""
    at = 0
    for token in tokens:
        for source in range(token_bounds[token], token_bounds[token + 1]):
            out[at] = token_data[source]
            at += 1


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _word_key(data, begin, end):  # type: ignore[no-untyped-def]
    """Return the bytes of a word of at most WHOLE bytes as two numbers."""
    low, high = np.uint64(0), np.uint64(0)
    for at in range(min(end, begin + 8) - 1, begin - 1, -1):
        low = low << _8 | np.uint64(data[at])
    for at in range(end - 1, begin + 7, -1):
        high = high << _8 | np.uint64(data[at])
    return low, high


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _word_hash(low, high, size):  # type: ignore[no-untyped-def]
    mixed = (low + np.uint64(size)) * _MIX ^ (high + (low >> _32)) * _MIX_2
    return (mixed ^ mixed >> _29) * _MIX >> _32


@njit(cache=True, nogil=True)  # type: ignore[misc]
def whole_token(low, high, size, hashed, whole):  # type: ignore[no-untyped-def]
    """Return the token that a whole word is; -1 when it is none."""
    mask = np.uint64(len(whole) // 3 - 1)
    slot = hashed & mask
    while True:
        at = np.int64(slot) * 3
        value = whole[at + 2]
        if value == NONE:
            return -1
        if whole[at] == low and whole[at + 1] == high and value >> _32 == size:
            return np.int64(value & _LOW)
        slot = slot + np.uint64(1) & mask


@njit(cache=True, nogil=True)  # type: ignore[misc]
def fill_whole(tables, whole):  # type: ignore[no-untyped-def]
    """Enter every token that its own bytes are encoded as, alone, into an empty table."""
    bounds = tables.token_bounds
    ids, ranks = np.empty(SHORT, np.uint64), np.empty(SHORT, np.uint64)
    out = np.empty(SHORT, np.int64)
    mask = np.uint64(len(whole) // 3 - 1)
    for token in range(len(bounds) - 1):
        begin, end = bounds[token], bounds[token + 1]
        if not 0 < end - begin <= WHOLE:
            continue
        count = merge_short(tables.token_data, begin, end, tables.byte_ids, tables.pairs, ids, ranks, out, 0)
        if count != 1 or out[0] != token:
            continue
        low, high = _word_key(tables.token_data, begin, end)
        slot = _word_hash(low, high, end - begin) & mask
        while whole[np.int64(slot) * 3 + 2] != NONE:
            slot = slot + np.uint64(1) & mask
        at = np.int64(slot) * 3
        whole[at], whole[at + 1], whole[at + 2] = low, high, np.uint64(end - begin) << _32 | np.uint64(token)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _word(data, begin, end, byte_ids, pairs, whole, ids, ranks, out, at):  # type: ignore[no-untyped-def]
    """Write the tokens of one word; return where they end."""
    size = end - begin
    if size == 1:
        out[at] = byte_ids[data[begin]]
        return at + 1
    if size <= WHOLE:
        low, high = _word_key(data, begin, end)
        token = whole_token(low, high, size, _word_hash(low, high, size), whole)
        if token >= 0:
            out[at] = token
            return at + 1
    if size <= SHORT:
        return merge_short(data, begin, end, byte_ids, pairs, ids, ranks, out, at)
    return merge_long(data, begin, end, byte_ids, pairs, out, at)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _cached_word(  # type: ignore[no-untyped-def]
    data, begin, end, byte_ids, pairs, whole, ids, ranks, keys, counts, kept, out, at
):
    """Write the tokens of one word, from the cache when it was met before; return where they end.

    keys: uint64[2 * C], counts: length << 8 | tokens, kept: [KEPT * C].
    """
    size = end - begin
    if size == 1:
        out[at] = byte_ids[data[begin]]
        return at + 1
    if size > WHOLE:
        return _word(data, begin, end, byte_ids, pairs, whole, ids, ranks, out, at)
    low, high = _word_key(data, begin, end)
    hashed = _word_hash(low, high, size)
    slot = np.int64(hashed) & (len(counts) - 1)
    count = counts[slot]
    if keys[2 * slot] == low and keys[2 * slot + 1] == high and count >> 8 == size:
        for number in range(count & 0xFF):
            out[at + number] = kept[KEPT * slot + number]
        return at + (count & 0xFF)
    token = whole_token(low, high, size, hashed, whole)
    if token >= 0:
        out[at] = token
        after = at + 1
    else:
        after = merge_short(data, begin, end, byte_ids, pairs, ids, ranks, out, at)
    if after - at <= KEPT:
        keys[2 * slot], keys[2 * slot + 1], counts[slot] = low, high, size << 8 | after - at
        for number in range(after - at):
            kept[KEPT * slot + number] = out[at + number]
    return after
