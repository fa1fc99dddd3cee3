"""From texts to sets of shingles and MinHash signatures, in one pass over Arrow bytes.

Tokens are the maximal runs of [A-Za-z0-9_] in the UTF-8 text; shingles are 5 tokens in a row, as a set of 64-bit
hashes; permutation j of a shingle is a[j] * x + b[j] modulo 2^32 over the upper half x of its hash, and the signature
is the least value of each permutation. Empty tokens cannot occur (The Stack v2's tokens were mostly empty ones).

numba kernels without the GIL and without an object per file: threads take row groups. The shingles of a file are made
distinct in a hash table before they are permuted, so the sets that exact verification needs come for free.
Not covered: texts in other encodings than UTF-8; callers decode first.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

RULE_VERSION = 1
SHINGLE_TOKENS = 5
MAX_PERMUTATIONS = 1024

_WORD = np.zeros(256, np.bool_)
_WORD[list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")] = True
_OFFSET, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)  # FNV-1a
_MIX, _STEP = np.uint64(0xD6E8FEB86659FD93), np.uint64(0x9E3779B97F4A7C15)
_LEAST_TABLE = 1024


@dataclass(frozen=True, slots=True)
class Permutations:
    """The permutations of a signature: x -> multiplier * x + increment modulo 2^32, P of each, multipliers odd."""

    seed: int
    multipliers: npt.NDArray[np.uint32]
    increments: npt.NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.multipliers)


@functools.lru_cache(8)
def permutations(count: int = 256, seed: int = 1) -> Permutations:
    """Return the first `count` permutations of a seed; the first n of more are the same n."""
    raw = np.random.PCG64(seed).random_raw(count)
    multipliers = (raw & np.uint64(0xFFFFFFFF)).astype(np.uint32) | np.uint32(1)
    return Permutations(seed, multipliers, (raw >> np.uint64(32)).astype(np.uint32))


@dataclass(frozen=True, slots=True)
class Signed:
    """What is known of N texts.

    signatures  uint32[N, P]; a row of 0xffffffff where a text has no shingle
    counts      distinct shingles of each text: int32[N]
    hashes      the shingles of all texts one after the other, distinct within a text, unordered: uint64[counts.sum()]
    """

    signatures: npt.NDArray[np.uint32]
    counts: npt.NDArray[np.int32]
    hashes: npt.NDArray[np.uint64]


def sign(texts: pa.Array, using: Permutations) -> Signed:
    """Sign texts: string, large_string, binary or large_binary[N] in UTF-8; nulls count as empty."""
    data, starts, ends = text_bytes(texts)
    return Signed(*_sign(data, starts, ends, _WORD, using.multipliers, using.increments))


def text_bytes(texts: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the bytes of an array's buffer, and where each text begins and ends in it; nothing is copied."""
    wide = pa.types.is_large_string(texts.type) or pa.types.is_large_binary(texts.type)
    _, offsets, values = texts.buffers()
    if offsets is None or not len(texts):
        return np.empty(0, np.uint8), np.empty(0, np.int64), np.empty(0, np.int64)
    places = np.frombuffer(offsets, np.int64 if wide else np.int32)[texts.offset : texts.offset + len(texts) + 1]
    data = np.frombuffer(values, np.uint8) if values is not None else np.empty(0, np.uint8)
    starts, ends = places[:-1].astype(np.int64), places[1:].astype(np.int64)
    if texts.null_count:
        ends = np.where(texts.is_null().to_numpy(zero_copy_only=False), starts, ends)
    return data, starts, ends


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _sign(data, starts, ends, word, multipliers, increments):  # type: ignore[no-untyped-def]
    count = len(starts)
    longest = np.int64(0)
    for row in range(count):
        longest = max(longest, ends[row] - starts[row])
    tokens = np.empty(longest // 2 + 1, np.uint64)
    table = np.empty(_LEAST_TABLE, np.uint64)
    marks = np.zeros(_LEAST_TABLE, np.int32)
    signatures = np.full((count, len(multipliers)), np.uint32(0xFFFFFFFF))
    counts = np.zeros(count, np.int32)
    hashes = np.empty(1 << 16, np.uint64)
    used = 0
    mark = np.int32(0)
    for row in range(count):
        number = _tokenize(data, starts[row], ends[row], word, tokens)
        shingles = number - SHINGLE_TOKENS + 1
        if shingles <= 0:
            continue
        size = _LEAST_TABLE
        while size < 2 * shingles:
            size *= 2
        if size > len(table):
            table = np.empty(size, np.uint64)
            marks = np.zeros(size, np.int32)
            mark = np.int32(0)
        if used + shingles > len(hashes):
            wider = np.empty(max(2 * len(hashes), used + shingles), np.uint64)
            wider[:used] = hashes[:used]
            hashes = wider
        mark += np.int32(1)
        distinct = _distinct(tokens, shingles, table, marks, mark, np.uint64(size - 1), hashes, used)
        _least(hashes, used, used + distinct, multipliers, increments, signatures[row])
        counts[row] = distinct
        used += distinct
    return signatures, counts, hashes[:used].copy()


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _tokenize(data, start, end, word, tokens):  # type: ignore[no-untyped-def]
    """Write the hash of each token; return how many there are."""
    number = 0
    at = start
    while at < end:
        if not word[data[at]]:
            at += 1
            continue
        hashed = _OFFSET
        while at < end and word[data[at]]:
            hashed = (hashed ^ np.uint64(data[at])) * _PRIME
            at += 1
        tokens[number] = hashed
        number += 1
    return number


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _distinct(tokens, shingles, table, marks, mark, mask, out, begin):  # type: ignore[no-untyped-def]
    """Append the distinct shingles to `out` from `begin` on; return how many. `mark` empties the table."""
    found = 0
    for first in range(shingles):
        hashed = tokens[first]
        for other in range(1, SHINGLE_TOKENS):
            hashed *= _STEP
            hashed = (hashed ^ (hashed >> np.uint64(29))) + tokens[first + other]
        hashed = _mixed(hashed * _STEP)
        slot = hashed & mask
        while marks[slot] == mark and table[slot] != hashed:
            slot = (slot + np.uint64(1)) & mask
        if marks[slot] != mark:
            marks[slot] = mark
            table[slot] = hashed
            out[begin + found] = hashed
            found += 1
    return found


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _mixed(value):  # type: ignore[no-untyped-def]
    value = (value ^ (value >> np.uint64(32))) * _MIX
    value = (value ^ (value >> np.uint64(32))) * _MIX
    return value ^ (value >> np.uint64(32))


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _least(hashes, begin, end, multipliers, increments, signature):  # type: ignore[no-untyped-def]
    """Lower a signature to the least value of each permutation; the inner loop is one vector instruction per lane."""
    for at in range(begin, end):
        value = np.uint32(hashes[at] >> np.uint64(32))
        for number in range(len(multipliers)):
            signature[number] = min(signature[number], np.uint32(multipliers[number] * value + increments[number]))
