"""Kernels over names, places and contents of segments: numba, without the GIL, one pass each.

Ids are uint8[N, 20]. Places are told apart by 64-bit hashes of everything that names them; two places with
one hash would count as one.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from stack_data.search.kgrams import mixed

_STEP = np.uint64(0x9E3779B97F4A7C15)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def place_keys(documents, ids, repositories, is_near, paths, path_data, revisions, revision_data):  # type: ignore[no-untyped-def]
    """Return a hash of each place: uint64[P]. documents: its row of ids; repositories: the number of its repository; paths and
    revisions: int32 offsets into their bytes."""
    keys = np.empty(len(documents), np.uint64)
    for at in range(len(documents)):
        value = mixed(np.uint64(repositories[at]) << np.uint64(1) | np.uint64(is_near[at]))
        value = _hashed(ids[documents[at]], 0, 20, value)
        value = _hashed(path_data, paths[at], paths[at + 1], value)
        keys[at] = _hashed(revision_data, revisions[at], revisions[at + 1], value)
    return keys


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _hashed(data, begin, end, value):  # type: ignore[no-untyped-def]
    """Return a hash of some bytes and of the value before, four bytes a step."""
    at = begin
    while at + 4 <= end:
        word = np.uint64(data[at]) | np.uint64(data[at + 1]) << np.uint64(8)
        word |= np.uint64(data[at + 2]) << np.uint64(16) | np.uint64(data[at + 3]) << np.uint64(24)
        value = (value ^ word) * _STEP
        value ^= value >> np.uint64(32)
        at += 4
    word = np.uint64(end - at + 1)
    while at < end:
        word = word << np.uint64(8) | np.uint64(data[at])
        at += 1
    return mixed((value ^ word) * _STEP)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def first_equal(keys):  # type: ignore[no-untyped-def]
    """Return for each key the number of the first one that equals it: int64[K]."""
    size = 16
    while size < 2 * len(keys):
        size *= 2
    slots = np.full(size, -1, np.int64)
    found = np.empty(len(keys), np.int64)
    for at in range(len(keys)):
        slot = np.int64(mixed(keys[at]) & np.uint64(size - 1))
        while slots[slot] >= 0 and keys[slots[slot]] != keys[at]:
            slot = (slot + 1) & (size - 1)
        if slots[slot] < 0:
            slots[slot] = at
        found[at] = slots[slot]
    return found


@njit(cache=True, nogil=True)  # type: ignore[misc]
def number_ids(ids):  # type: ignore[no-untyped-def]
    """Number ids (uint8[N, 20]) in the order of their first appearance: returns (uint32[N], how many there are)."""
    size = 16
    while size < 2 * len(ids):
        size *= 2
    slots = np.full(size, -1, np.int64)
    numbers, count = np.empty(len(ids), np.uint32), 0
    for at in range(len(ids)):
        slot = np.int64(_hashed(ids[at], 0, 20, np.uint64(0)) & np.uint64(size - 1))
        while slots[slot] >= 0 and not _equal(ids[slots[slot]], ids[at]):
            slot = (slot + 1) & (size - 1)
        if slots[slot] < 0:
            slots[slot] = at
            numbers[at] = count
            count += 1
        else:
            numbers[at] = numbers[slots[slot]]
    return numbers, count


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _equal(left, right):  # type: ignore[no-untyped-def]
    at = 0
    while at < len(left) and left[at] == right[at]:
        at += 1
    return at == len(left)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def local_numbers(keys, repositories, num_repositories):  # type: ignore[no-untyped-def]
    """Number the places of each repository, equal keys alike, in order of appearance: returns (uint32[P], int64[R] how many)."""
    first = first_equal(keys)
    numbers, counts = np.empty(len(keys), np.uint32), np.zeros(num_repositories, np.int64)
    for at in range(len(keys)):
        if first[at] == at:
            numbers[at] = counts[repositories[at]]
            counts[repositories[at]] += 1
        else:
            numbers[at] = numbers[first[at]]
    return numbers, counts


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _is_gone(row, tombstones, hidden):  # type: ignore[no-untyped-def]
    return tombstones[row] != 0 or (len(hidden) == len(tombstones) and hidden[row] != 0)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def shown_of(begins, counts, repository_places, tombstones, hidden):  # type: ignore[no-untyped-def]
    """Return the rows of places of repositories that are neither removed nor hidden: int64[K]."""
    found, count = np.empty(counts.sum(), np.int64), 0
    for run in range(len(begins)):
        for at in range(begins[run], begins[run] + counts[run]):
            row = np.int64(repository_places[at])
            if not _is_gone(row, tombstones, hidden):
                found[count] = row
                count += 1
    return found[:count].copy()


@njit(cache=True, nogil=True)  # type: ignore[misc]
def gather_shown(begins, counts, slots, repository_places, places, releases, tombstones, hidden, masks):  # type: ignore[no-untyped-def]
    """Add the releases of shown places to masks, and return the rows of those that were not there yet with their slots.

    slots: int64[run], where the places of a run's repository begin in masks; places: the number of each place in its repository.
    """
    rows, where, count = np.empty(counts.sum(), np.int64), np.empty(counts.sum(), np.int64), 0
    for run in range(len(begins)):
        for at in range(begins[run], begins[run] + counts[run]):
            row = np.int64(repository_places[at])
            if _is_gone(row, tombstones, hidden):
                continue
            slot = slots[run] + np.int64(places[row])
            if masks[slot] == 0:
                rows[count], where[count] = row, slot
                count += 1
            masks[slot] |= releases[row]
    return rows[:count].copy(), where[:count].copy()


@njit(cache=True, nogil=True)  # type: ignore[misc]
def others(documents, begins, end, repositories, mine, relations, near, tombstones, hidden):  # type: ignore[no-untyped-def]
    """Return the rows of the shown places of documents that are of other repositories than mine (ascending) and no near duplicates.

    documents: each once, -1 for none; begins: uint32[D]; end: behind the last place.
    """
    count = 0
    for document in documents:
        if document >= 0:
            count += (begins[document + 1] if document + 1 < len(begins) else end) - begins[document]
    found, count = np.empty(count, np.int64), 0
    for document in documents:
        if document < 0:
            continue
        stop = begins[document + 1] if document + 1 < len(begins) else end
        for row in range(begins[document], stop):
            if relations[row] == near or _is_gone(row, tombstones, hidden) or _is_among(repositories[row], mine):
                continue
            found[count] = row
            count += 1
    return found[:count].copy()


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _is_among(value, ascending):  # type: ignore[no-untyped-def]
    low, high = 0, len(ascending)
    while low < high:
        middle = (low + high) // 2
        if ascending[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low < len(ascending) and ascending[low] == value


@njit(cache=True, nogil=True)  # type: ignore[misc]
def distinct(values):  # type: ignore[no-untyped-def]
    """Return the values (int64[N], not negative), each once, in order of appearance."""
    size = 16
    while size < 2 * len(values):
        size *= 2
    slots, found, count = np.full(size, -1, np.int64), np.empty(len(values), np.int64), 0
    for value in values:
        slot = np.int64(mixed(np.uint64(value)) & np.uint64(size - 1))
        while slots[slot] >= 0 and slots[slot] != value:
            slot = (slot + 1) & (size - 1)
        if slots[slot] < 0:
            slots[slot] = value
            found[count] = value
            count += 1
    return found[:count].copy()


@njit(cache=True, nogil=True)  # type: ignore[misc]
def bits_of(masks):  # type: ignore[no-untyped-def]
    """Return how many masks have each bit: int64[64]."""
    counts = np.zeros(64, np.int64)
    for mask in masks:
        bit = 0
        while mask:
            counts[bit] += np.int64(mask & np.uint64(1))
            mask >>= np.uint64(1)
            bit += 1
    return counts


@njit(cache=True, nogil=True)  # type: ignore[misc]
def lower_bound(offsets, data, count, wanted):  # type: ignore[no-untyped-def]
    """Return the first of ascending strings that is not below one. offsets: int32[count + 1] into data; all are bytes."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if _is_below(data, offsets[middle], offsets[middle + 1], wanted):
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _is_below(data, begin, end, wanted):  # type: ignore[no-untyped-def]
    for at in range(min(end - begin, len(wanted))):
        if data[begin + at] != wanted[at]:
            return data[begin + at] < wanted[at]
    return end - begin < len(wanted)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def host_codes(offsets, data, count):  # type: ignore[no-untyped-def]
    """Number the hosts of ascending keys (host/...), which lie in a row each: int32[count]."""
    codes = np.zeros(count, np.int32)
    for row in range(1, count):
        one, other, at = offsets[row - 1], offsets[row], 0
        while data[one + at] == data[other + at] and data[one + at] != 47:
            at += 1
        codes[row] = codes[row - 1] + (data[one + at] != data[other + at])
    return codes


@njit(cache=True, nogil=True)  # type: ignore[misc]
def prefix_range(values, order, wanted):  # type: ignore[no-untyped-def]
    """Return (begin, end) of the rows in `order` whose first eight bytes are those wanted. values: uint8[N, w], by them in that order."""
    bounds = np.zeros(2, np.int64)
    for side in range(2):
        low, high = bounds[0], len(order)
        while low < high:
            middle = (low + high) // 2
            row = order[middle]
            at = 0
            while at < 8 and values[row, at] == wanted[at]:
                at += 1
            if (at == 8 and side == 1) or (at < 8 and values[row, at] < wanted[at]):
                low = middle + 1
            else:
                high = middle
        bounds[side] = low
    return bounds[0], bounds[1]
