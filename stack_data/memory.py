"""Giving memory back to the system between the steps of a build.

Arrow's allocator and glibc's keep what a step freed for the next one, but the next step asks for other sizes: over a
build the process would grow to the sum of the steps' peaks instead of their maximum.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable

import pyarrow as pa


def give_back() -> None:
    """Return freed memory to the system; harmless at any time, worthwhile between steps."""
    pa.default_memory_pool().release_unused()
    _trim()(0)


@functools.cache
def _trim() -> Callable[[int], object]:
    """Return glibc's malloc_trim, or something that does nothing where there is another C library."""
    try:
        found: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return lambda _: None
    return found
