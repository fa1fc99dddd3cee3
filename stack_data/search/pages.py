"""Checksums of pages of mapped files, so that a changed byte is noticed by whoever reads it.

A manifest's SHA-256 would mean to read everything before the first answer. Instead every file has a 64-bit sum for each 4 KiB, and
a page is checked the first time it is read: a third of a microsecond. Every step of a sum is one to one, so one changed
word always shows. Against accidents only: whoever can write the files can write their sums.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numba import njit

from stack_data.errors import InputError

PAGE = 4096
_MIX, _SEED = np.uint64(0xD6E8FEB86659FD93), np.uint64(0x9E3779B97F4A7C15)
Bytes = npt.NDArray[np.uint8]
Sums = npt.NDArray[np.uint64]


def map_file(path: Path, num_bytes: int | None = None) -> Bytes:
    """Map a file, read-only. InputError when it is not there or not of this size."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            found = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8) if size else _EMPTY
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    if num_bytes is not None and size != num_bytes:
        raise InputError(
            f"{path} is damaged: it has {size:,} bytes, its manifest says {num_bytes:,}; delete index.json and build the index anew (removals stay)"
        )
    return found


_EMPTY = np.empty(0, np.uint8)


def read_ahead(raw: Bytes, begins: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> None:
    """Have the system read bytes of a mapped file that will be needed, all at once instead of one after the other when they are touched."""
    if mapping := _mapping(raw):
        firsts = begins // PAGE * PAGE
        for first, size in zip(firsts.tolist(), (ends - firsts).tolist(), strict=True):
            if size > 0:
                mapping.madvise(mmap.MADV_WILLNEED, first, size)


def touched_here_and_there(raw: Bytes) -> None:
    """Tell the system that a mapped file is read here and there: what lies beside a page that is touched is not read with it."""
    if mapping := _mapping(raw):
        mapping.madvise(mmap.MADV_RANDOM)


def _mapping(raw: Bytes) -> mmap.mmap | None:
    """Return what an array of `map_file` maps; None where it is empty, or the system takes no advice."""
    found = raw.base.obj if isinstance(raw.base, memoryview) else None
    return found if isinstance(found, mmap.mmap) and hasattr(mmap, "MADV_RANDOM") else None


def num_pages(num_bytes: int) -> int:
    """Return how many sums a file of this size has."""
    return -(-num_bytes // PAGE)


@dataclass(frozen=True, slots=True)
class Pages:
    """A mapped file with its sums. seen: uint8[P], 1 for pages that were checked in this process."""

    path: Path
    raw: Bytes
    sums: Sums
    seen: Bytes

    @classmethod
    def of(cls, path: Path, raw: Bytes, sums: Sums) -> Pages:
        """Return a file of which nothing was checked yet."""
        return cls(path, raw, sums, np.zeros(len(sums), np.uint8))

    def check(self, begin: int = 0, end: int | None = None) -> None:
        """Check the pages of these bytes; InputError names the file when one was changed."""
        if not checked(self.raw, self.sums, self.seen, begin, len(self.raw) if end is None else end):
            raise self.damaged()

    def read_ahead(self, begins: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> None:
        """Have the pages of these bytes read that were not looked at before."""
        order = np.argsort(begins, kind="stable")
        firsts, stops = unseen(self.seen, begins[order], ends[order])
        read_ahead(self.raw, firsts * PAGE, stops * PAGE)

    def damaged(self) -> InputError:
        """Return the error for a page with another sum."""
        return InputError(
            f"{self.path} is damaged: its bytes are not those that were written; delete index.json and build the index anew (removals stay)"
        )


@njit(cache=True, nogil=True)  # type: ignore[misc]
def unseen(seen, begins, ends):  # type: ignore[no-untyped-def]
    """Return the runs of pages that were not checked yet, each page once: from and to, int64[R] each. begins, ends: of bytes, by begin."""
    runs, count, following = np.empty((2, len(begins) + 16), np.int64), 0, 0
    for number in range(len(begins)):
        if begins[number] >= ends[number]:
            continue
        for page in range(max(begins[number] // PAGE, following), (ends[number] - 1) // PAGE + 1):
            following = page + 1
            if seen[page]:
                continue
            if count and runs[1, count - 1] == page:
                runs[1, count - 1] = page + 1
                continue
            if count == runs.shape[1]:
                wider = np.empty((2, 2 * count), np.int64)
                wider[:, :count] = runs
                runs = wider
            runs[0, count], runs[1, count] = page, page + 1
            count += 1
    return runs[0, :count], runs[1, :count]


@njit(cache=True, nogil=True)  # type: ignore[misc]
def page_sums(raw):  # type: ignore[no-untyped-def]
    """Return the sums of the pages of a file: uint64[P]."""
    sums = np.empty(-(-len(raw) // PAGE), np.uint64)
    for page in range(len(sums)):
        sums[page] = byte_sum(raw, page * PAGE, min((page + 1) * PAGE, len(raw)))
    return sums


@njit(cache=True, nogil=True)  # type: ignore[misc]
def checked(raw, sums, seen, begin, end):  # type: ignore[no-untyped-def]
    """Tell whether the pages of the bytes from begin to end are as they were written."""
    if begin >= end:
        return True
    for page in range(begin // PAGE, (end - 1) // PAGE + 1):
        if seen[page] == 0:
            if byte_sum(raw, page * PAGE, min((page + 1) * PAGE, len(raw))) != sums[page]:
                return False
            seen[page] = 1
    return True


@njit(cache=True, nogil=True)  # type: ignore[misc]
def byte_sum(raw, begin, end):  # type: ignore[no-untyped-def]
    """Return the sum of bytes. begin need not be aligned."""
    whole = (end - begin) // 32 * 32
    words = raw[begin : begin + whole].view(np.uint64)
    one, two, three, four = _SEED, _SEED + np.uint64(1), _SEED + np.uint64(2), _SEED + np.uint64(3)
    for at in range(0, whole // 8, 4):
        one = (one ^ words[at]) * _MIX
        two = (two ^ words[at + 1]) * _MIX
        three = (three ^ words[at + 2]) * _MIX
        four = (four ^ words[at + 3]) * _MIX
    value = np.uint64(end - begin)
    for part in (one, two, three, four):
        value = ((value ^ (value >> np.uint64(32))) * _MIX) ^ part
    for at in range(begin + whole, end):
        value = ((value ^ (value >> np.uint64(32))) * _MIX) ^ np.uint64(raw[at])
    return value ^ (value >> np.uint64(29))
