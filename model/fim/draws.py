"""Random draws that are a pure function of what is drawn for: no state, no order, equal on every machine and thread.

A key is a hash of (seed, content_id, chunk, epoch); each question asked of it has a lane of its own, so that a new question
changes no older answer. Mixing is splitmix64's finaliser over counters. Given up: cryptographic strength, which nobody needs here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_LOW = np.uint64(0xFFFFFFFF)

# The questions. Numbers are part of the format: a change of one changes every draw made of it.
IS_FIM, IS_SPM, FIRST_CUT, SECOND_CUT, IS_SYNTAX, IS_NODE, WHICH_NODE, WITH_REPOSITORY, WITH_PATH, ORDER, IS_JOINED = (
    range(11)
)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def spread(value):  # type: ignore[no-untyped-def]
    """Return splitmix64's output for a counter: uint64 to uint64, one to one."""
    value = np.uint64(value) + _GOLDEN
    value = (value ^ (value >> np.uint64(30))) * _FIRST
    value = (value ^ (value >> np.uint64(27))) * _SECOND
    return value ^ (value >> np.uint64(31))


@njit(cache=True, nogil=True)  # type: ignore[misc]
def content_key(seed, content_id):  # type: ignore[no-untyped-def]
    """Return the key of a content under a seed. content_id: uint8[20], of which the first 16 bytes count."""
    value = spread(np.uint64(seed))
    for half in range(2):
        word = np.uint64(0)
        for at in range(8):
            word = word << np.uint64(8) | np.uint64(content_id[8 * half + at])
        value = spread(value ^ word)
    return value


@njit(cache=True, nogil=True)  # type: ignore[misc]
def item_key(content, chunk, epoch):  # type: ignore[no-untyped-def]
    """Return the key of one chunk of a content in one epoch. content: its content_key."""
    return spread(spread(content ^ np.uint64(chunk)) ^ np.uint64(epoch))


@njit(cache=True, nogil=True)  # type: ignore[misc]
def lane(key, question):  # type: ignore[no-untyped-def]
    """Return 64 random bits for one question."""
    return spread(key ^ (np.uint64(question + 1) * _GOLDEN))


@njit(cache=True, nogil=True)  # type: ignore[misc]
def chance(key, question, rate):  # type: ignore[no-untyped-def]
    """Return whether something of that probability happens: never at 0, always at 1."""
    return np.float64(lane(key, question) >> np.uint64(11)) * 2.0**-53 < rate


@njit(cache=True, nogil=True)  # type: ignore[misc]
def below(key, question, count):  # type: ignore[no-untyped-def]
    """Return a number from 0 to count - 1, all equally likely (to count / 2**32). count: 1 to 2**32 - 1."""
    return np.int64(((lane(key, question) >> np.uint64(32)) * np.uint64(count)) >> np.uint64(32))


def key_of(seed: int, content_id: npt.NDArray[np.uint8], chunk: int = 0, epoch: int = 0) -> np.uint64:
    """Return the key of draws of one chunk of one content in one epoch."""
    # Seeds below zero are taken as their two's complement, as numpy would.
    content = content_key(np.uint64(seed & 0xFFFFFFFFFFFFFFFF), content_id)
    return np.uint64(item_key(np.uint64(content), np.uint64(chunk), np.uint64(epoch)))
