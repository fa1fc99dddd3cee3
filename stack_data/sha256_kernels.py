"""SHA-256 of many short messages at once, compiled: those of place ids (identity.place_id), put together here from columns.

LANES messages go through the rounds in step, so that the machine's wide registers hold the same word of several of them. Every loop over
lanes stands in a function of its own that reads and writes rows of few arrays: only so does the compiler find out that it may be done at
once. Not covered: long messages, whose hashing the library does as fast.
"""

from __future__ import annotations

from math import isqrt

import numpy as np
import numpy.typing as npt
from numba import njit

LANES = 128
_ID, _BLOCK, _WORDS, _ROUNDS, _STATE = 20, 64, 16, 64, 8
_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)


def _cube_root(number: int) -> int:
    root = 1 << (number.bit_length() + 2) // 3
    while (lower := (2 * root + number // root**2) // 3) < root:
        root = lower
    return root


def _words(numbers: list[int]) -> npt.NDArray[np.uint32]:
    return np.array([one & 0xFFFFFFFF for one in numbers], np.uint32)


# The first 32 bits behind the point of the square and cube roots of the first primes.
_PRIMES = [one for one in range(2, 312) if all(one % other for other in range(2, isqrt(one) + 1))]
_BEGIN = _words([isqrt(one << 64) for one in _PRIMES[:_STATE]])
_CONSTANTS = _words([_cube_root(one << 96) for one in _PRIMES])


@njit(cache=True, nogil=True)  # type: ignore[misc]
def place_digests(ids, middles, middle_ends, middle_of, paths, path_ends):  # type: ignore[no-untyped-def]
    """Return the SHA-256 of N messages, uint8[N, 32]: a content id in hex, what stands between it and the path, the path.

    ids uint8[N, 20]; middles: text of M distinct ones, middle_ends int64[M + 1] from a leading bound, middle_of int64[N]; paths: text,
    path_ends int64[N + 1] likewise.
    """
    digests = np.empty((len(ids), 32), np.uint8)
    longest = 2 * _ID + np.max(np.diff(middle_ends)) + np.max(np.diff(path_ends)) if len(ids) else 0
    messages = np.empty((LANES, (longest + 9 + _BLOCK - 1) // _BLOCK * _BLOCK), np.uint8)
    words = messages.view(np.uint32)
    state, work = np.empty((_STATE, LANES), np.uint32), np.empty((_STATE, LANES), np.uint32)
    schedule, added = np.empty((_ROUNDS, LANES), np.uint32), np.empty(LANES, np.uint32)
    num_blocks = np.zeros(LANES, np.int64)
    for first in range(0, len(ids), LANES):
        count = min(LANES, len(ids) - first)
        num_blocks[:] = 0
        for lane in range(count):
            row = first + lane
            middle = middles[middle_ends[middle_of[row]] : middle_ends[middle_of[row] + 1]]
            path = paths[path_ends[row] : path_ends[row + 1]]
            num_blocks[lane] = _write(messages[lane], ids[row], middle, path)
        for number in range(_STATE):
            state[number] = _BEGIN[number]
        for block in range(num_blocks.max()):
            _load(schedule, words, block)
            _compress(state, schedule, work, added)
            for lane in range(count):
                if num_blocks[lane] == block + 1:
                    _store(digests[first + lane], state, lane)
    return digests


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _write(message, identity, middle, path):  # type: ignore[no-untyped-def]
    """Write a padded message; return its number of blocks."""
    for at in range(_ID):
        message[2 * at], message[2 * at + 1] = _DIGITS[identity[at] >> 4], _DIGITS[identity[at] & 15]
    size = 2 * _ID
    for at in range(len(middle)):
        message[size + at] = middle[at]
    size += len(middle)
    for at in range(len(path)):
        message[size + at] = path[at]
    size += len(path)
    count = (size + 8) // _BLOCK + 1
    message[size] = 0x80
    for at in range(size + 1, count * _BLOCK):
        message[at] = 0
    for at in range(8):
        message[count * _BLOCK - 1 - at] = ((8 * size) >> (8 * at)) & 0xFF
    return count


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _load(schedule, words, block):  # type: ignore[no-untyped-def]
    """Take a block's sixteen words, which are written big-endian."""
    for word in range(_WORDS):
        for lane in range(LANES):
            one = words[lane, _WORDS * block + word]
            swapped = (one & 0xFF) << 24 | (one & 0xFF00) << 8 | (one >> 8) & 0xFF00 | one >> 24
            schedule[word, lane] = np.uint32(swapped)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _store(digest, state, lane):  # type: ignore[no-untyped-def]
    for at in range(32):
        digest[at] = (state[at >> 2, lane] >> np.uint32(24 - 8 * (at & 3))) & 0xFF


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _compress(state, schedule, work, added):  # type: ignore[no-untyped-def]
    """Take the block whose first words are in schedule uint32[64, LANES] into state uint32[8, LANES].

    Which row of `work` is which of the eight variables turns by one with every round, so that nothing is moved.
    """
    for at in range(_WORDS, _ROUNDS):
        _expand(schedule, at)
    work[:] = state
    for at in range(_ROUNDS):
        a, b, c, d = (0 - at) & 7, (1 - at) & 7, (2 - at) & 7, (3 - at) & 7
        e, f, g, h = (4 - at) & 7, (5 - at) & 7, (6 - at) & 7, (7 - at) & 7
        _first_half(added, work, e, f, g, h, schedule, at, _CONSTANTS[at])
        _add(work, d, added)
        _second_half(work, a, b, c, h, added)
    for number in range(_STATE):
        for lane in range(LANES):
            state[number, lane] = np.uint32(state[number, lane] + work[number, lane])


@njit(cache=True, nogil=True, inline="always")  # type: ignore[misc]
def _turned(word, count):  # type: ignore[no-untyped-def]
    return np.uint32((word >> np.uint32(count)) | np.uint32(word << np.uint32(32 - count)))


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _expand(schedule, at):  # type: ignore[no-untyped-def]
    for lane in range(LANES):
        old, new = schedule[at - 15, lane], schedule[at - 2, lane]
        low = _turned(old, 7) ^ _turned(old, 18) ^ np.uint32(old >> np.uint32(3))
        high = _turned(new, 17) ^ _turned(new, 19) ^ np.uint32(new >> np.uint32(10))
        schedule[at, lane] = np.uint32(schedule[at - 16, lane] + low + schedule[at - 7, lane] + high)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _first_half(added, work, e, f, g, h, schedule, at, constant):  # type: ignore[no-untyped-def]
    for lane in range(LANES):
        one = work[e, lane]
        mixed = _turned(one, 6) ^ _turned(one, 11) ^ _turned(one, 25)
        chosen = (one & work[f, lane]) ^ (~one & work[g, lane])
        added[lane] = np.uint32(work[h, lane] + mixed + chosen + constant + schedule[at, lane])


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _second_half(work, a, b, c, h, added):  # type: ignore[no-untyped-def]
    for lane in range(LANES):
        one, two, three = work[a, lane], work[b, lane], work[c, lane]
        mixed = _turned(one, 2) ^ _turned(one, 13) ^ _turned(one, 22)
        work[h, lane] = np.uint32(added[lane] + mixed + ((one & two) ^ (one & three) ^ (two & three)))


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _add(work, d, added):  # type: ignore[no-untyped-def]
    for lane in range(LANES):
        work[d, lane] = np.uint32(work[d, lane] + added[lane])
