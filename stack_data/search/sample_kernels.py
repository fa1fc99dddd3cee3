"""Sorting samples into buckets and probing them, compiled; samples.py says what a table is."""

from __future__ import annotations

import numpy as np
from numba import njit

from stack_data.search.borrowed import borrowed
from stack_data.search.memory_waits import prefetch, rank
from stack_data.search.pages import PAGE, checked

REMAINDER = 12
"""Bits of a hash that stand beside a sample, after those that are its bucket's number."""
_REMAINDERS, _CONTEXTS = np.uint64((1 << REMAINDER) - 1), np.uint32(63)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def sort_samples(hashes, left, right, bits):  # type: ignore[no-untyped-def]
    """Return (offsets uint32[2^bits + 1], ordinals uint64[W], entries uint8[3 S]) of S samples; the ordinals of a bucket ascend."""
    shift = np.uint64(64 - bits)
    offsets = np.zeros((1 << bits) + 1, np.uint32)
    for value in hashes:
        offsets[np.int64(value >> shift) + 1] += np.uint32(1)
    for following in range(1, len(offsets)):
        offsets[following] += offsets[following - 1]
    free = offsets[:-1].copy()
    ordinals, entries = np.empty(len(hashes), np.uint32), np.empty(3 * len(hashes), np.uint8)
    for number, value in enumerate(hashes):
        bucket = np.int64(value >> shift)
        place = np.int64(free[bucket])
        free[bucket] += np.uint32(1)
        ordinals[place] = number
        word = (value >> np.uint64(64 - bits - REMAINDER)) & _REMAINDERS
        word |= np.uint64(left[number]) << np.uint64(12) | np.uint64(right[number]) << np.uint64(18)
        for byte in range(3):
            entries[3 * place + byte] = (word >> np.uint64(8 * byte)) & np.uint64(255)
    return offsets, _packed(ordinals), entries


@njit(cache=True, nogil=True)  # type: ignore[misc]
def ordinal_bits(count):  # type: ignore[no-untyped-def]
    """Return how many bits an ordinal below `count` needs."""
    bits = 1
    while count > 1 << bits:
        bits += 1
    return bits


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _packed(ordinals):  # type: ignore[no-untyped-def]
    """Return ordinals one after the other in as few bits as the largest needs."""
    width = ordinal_bits(len(ordinals))
    words = np.zeros((len(ordinals) * width + 63) // 64 + 1, np.uint64)
    for at in range(len(ordinals)):
        word, shift = at * width // 64, np.uint64(at * width % 64)
        words[word] |= np.uint64(ordinals[at]) << shift
        if shift + np.uint64(width) > np.uint64(64):
            words[word + 1] |= np.uint64(ordinals[at]) >> (np.uint64(64) - shift)
    return words


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _unpacked(words, at, width):  # type: ignore[no-untyped-def]
    """Return the ordinal at a place."""
    word, shift = at * width // 64, np.uint64(at * width % 64)
    value = words[word] >> shift
    if shift + np.uint64(width) > np.uint64(64):
        value |= words[word + 1] << (np.uint64(64) - shift)
    return value & ((np.uint64(1) << np.uint64(width)) - np.uint64(1))


@njit(cache=True, nogil=True)  # type: ignore[misc]
def bucket_places(hashes, bits, begin):  # type: ignore[no-untyped-def]
    """Return where in the file the bounds of each gram's bucket are: from and to, int64[G] each. begin: where the offsets begin."""
    at = np.empty(len(hashes), np.int64)
    for gram in range(len(hashes)):
        at[gram] = begin + 4 * np.int64(hashes[gram] >> np.uint64(64 - bits))
    return at, at + 8


@njit(cache=True, nogil=True)  # type: ignore[misc]
def buckets_seen(seen, hashes, bits, begin):  # type: ignore[no-untyped-def]
    """Tell whether the pages with the bounds of all grams' buckets were checked before. begin: as in `bucket_places`."""
    for gram in range(len(hashes)):
        at = begin + 4 * np.int64(hashes[gram] >> np.uint64(64 - bits))
        if seen[at // PAGE] == 0 or seen[(at + 7) // PAGE] == 0:
            return False
    return True


@njit(cache=True, nogil=True)  # type: ignore[misc]
def entries_seen(seen, begins, ends, at):  # type: ignore[no-untyped-def]
    """Tell whether the pages with the entries of all buckets were checked before. at: where the entries begin."""
    for gram in range(len(begins)):
        if begins[gram] < ends[gram]:
            for page in range((at + 3 * begins[gram]) // PAGE, (at + 3 * ends[gram] - 1) // PAGE + 1):
                if seen[page] == 0:
                    return False
    return True


@njit(cache=True, nogil=True)  # type: ignore[misc]
def buckets(table, hashes, left, right):  # type: ignore[no-untyped-def]
    """Return the samples of each gram's bucket, from and to, int64[G] each, none for a gram without contexts; and whether all is whole.

    Apart from the look at the samples, so that the memory of many buckets is waited for at once.
    """
    raw, sums, seen, offsets = borrowed(table.raw), borrowed(table.sums), borrowed(table.seen), borrowed(table.offsets)
    begin, _, _, bits = table.places
    num_samples = np.int64(table.firsts[-1])
    begins, ends = np.zeros(len(hashes), np.int64), np.zeros(len(hashes), np.int64)
    for gram in range(len(hashes)):
        prefetch(offsets, np.int64(hashes[gram] >> np.uint64(64 - bits)))
    for gram in range(len(hashes)):
        if left[gram] == 0 and right[gram] == 0:
            continue
        bucket = np.int64(hashes[gram] >> np.uint64(64 - bits))
        if not checked(raw, sums, seen, begin + 4 * bucket, begin + 4 * bucket + 8):
            return begins, ends, False
        begins[gram], ends[gram] = np.int64(offsets[bucket]), np.int64(offsets[bucket + 1])
        if not begins[gram] <= ends[gram] <= num_samples:
            return begins, ends, False
    entries = borrowed(table.entries)
    for gram in range(len(hashes)):
        prefetch(entries, 3 * begins[gram])
    return begins, ends, True


@njit(cache=True, nogil=True)  # type: ignore[misc]
def probe_samples(table, hashes, left, right, begins, ends, stride):  # type: ignore[no-untyped-def]
    """Return (query int32[M], row int64[M], position int32[M]) of the samples that G grams may equal, and whether nothing was damaged.

    table: samples.Arrays; begins, ends: of `buckets`. A gram with a hash and one context of a sample is a hit.
    """
    raw, sums, seen = borrowed(table.raw), borrowed(table.sums), borrowed(table.seen)
    ordinals, entries = borrowed(table.ordinals), borrowed(table.entries)
    _, ordinals_at, entries_at, bits = table.places
    width = ordinal_bits(np.int64(table.firsts[-1]))
    query, found = np.empty(64, np.int32), np.empty(64, np.uint32)
    count, whole = 0, True
    for gram in range(len(hashes)):
        begin, end = begins[gram], ends[gram]
        wanted = np.uint32((hashes[gram] >> np.uint64(64 - bits - REMAINDER)) & _REMAINDERS)
        whole &= checked(raw, sums, seen, entries_at + 3 * begin, entries_at + 3 * end)
        for at in range(begin, end if whole else begin):
            word = (
                np.uint32(entries[3 * at]) | np.uint32(entries[3 * at + 1]) << 8 | np.uint32(entries[3 * at + 2]) << 16
            )
            if word & np.uint32(_REMAINDERS) != wanted:
                continue
            before, after = word >> np.uint32(12) & _CONTEXTS, word >> np.uint32(18)
            if (before == 0 or before != left[gram]) and (after == 0 or after != right[gram]):
                continue
            word_at = ordinals_at + at * width // 64 * 8
            whole &= checked(raw, sums, seen, word_at, word_at + 16)
            if count == len(query):
                query, found = np.append(query, np.empty_like(query)), np.append(found, np.empty_like(found))
            query[count], found[count] = gram, _unpacked(ordinals, at, width)
            count += 1
    row, position, inside = _placed(found[:count], query[:count], borrowed(table.firsts), stride)
    return query[:count].copy(), row, position, whole and inside


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _placed(found, query, firsts, stride):  # type: ignore[no-untyped-def]
    """Return the documents' rows and the positions of samples by their ordinals, and whether all are in range."""
    row, position = np.empty(len(found), np.int64), np.empty(len(found), np.int32)
    low, high = 0, len(firsts) - 1
    for at in range(len(found)):
        ordinal = found[at]
        if ordinal >= firsts[high]:
            return row[:0], position[:0], False
        low = rank(firsts, ordinal, 0, high)
        row[at], position[at] = low, np.int32((ordinal - firsts[low]) * stride)
    return row, position, True
