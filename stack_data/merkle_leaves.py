"""The sorted leaves of a release's Merkle trees on disk: content ids, and repository names of which some may have left.

contents.leaves  the 20-byte content ids, ascending
names.leaves     header `<24s q q` (format, number of leaves, number that left); int64 ends of the leaves' text, from a
                 leading 0; the text of all leaves, ascending, without separators; for each leaf that left, by index,
                 int64 index and 32-byte leaf hash. A leaf that left has no text, so nothing tells how long it was

Numbers are little-endian. Readers take what they need by position. Writing names holds their text once or twice in
memory. Not covered: one who guesses a name that left can still compare its hash, and its neighbours bound it.
"""

from __future__ import annotations

import os
import struct
import weakref
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data import storage
from stack_data.errors import InputError

NAMES_FORMAT = b"fairstack-names/1"
ID_BYTES = 20
_HEADER = struct.Struct("<24sqq")
_LEFT = struct.Struct("<q32s")


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of a leaf (RFC 9162, 2.1.1)."""
    return sha256(b"\0" + leaf).digest()


class Reader:
    """A file read at positions; several threads may share one. Closed at the latest when it is no longer used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            raise InputError(f"{path} does not exist: this release has no Merkle trees, or is not whole") from None
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from error
        self.close = weakref.finalize(self, os.close, self._descriptor)
        self.num_bytes = os.fstat(self._descriptor).st_size

    def at(self, position: int, count: int) -> bytes:
        """Return `count` bytes from `position`; InputError when the file does not reach that far."""
        if min(position, count) < 0 or position + count > self.num_bytes:
            raise damaged(self.path)
        return os.pread(self._descriptor, count, position)


def damaged(path: Path) -> InputError:
    """Return the error for a file of a tree that is not what it should be."""
    return InputError(f"{path} is damaged; get this file of the release again")


class Leaves(Protocol):
    """Sorted leaves of a tree in a file."""

    path: Path
    size: int

    def texts(self, start: int, end: int) -> list[bytes | None]:
        """Return the leaves start..end, None for those that left."""

    def hashes(self, start: int, end: int) -> bytes:
        """Return the leaf hashes of start..end, joined."""

    def neighbours(self, key: bytes) -> tuple[int, int]:
        """Return the last leaf below a key (or -1) and the first at or above it (or the size); not those that left."""

    def close(self) -> None:
        """Close the file."""


class ContentLeaves:
    """contents.leaves, read lazily. Raises InputError when it is missing or cut."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "contents.leaves"
        self._file = Reader(self.path)
        self.size = self._file.num_bytes // ID_BYTES
        if self._file.num_bytes % ID_BYTES:
            raise damaged(self.path)

    def texts(self, start: int, end: int) -> list[bytes | None]:
        """Return the ids start..end."""
        found = self._file.at(start * ID_BYTES, (end - start) * ID_BYTES)
        return [found[at : at + ID_BYTES] for at in range(0, len(found), ID_BYTES)]

    def hashes(self, start: int, end: int) -> bytes:
        """Return the leaf hashes of start..end, joined."""
        found = self._file.at(start * ID_BYTES, (end - start) * ID_BYTES)
        return b"".join([sha256(b"\0" + found[at : at + ID_BYTES]).digest() for at in range(0, len(found), ID_BYTES)])

    def neighbours(self, key: bytes) -> tuple[int, int]:
        """Return the last id below a key (or -1) and the first at or above it (or the size)."""
        above = bisect_left(range(self.size), key, key=lambda index: self._file.at(index * ID_BYTES, ID_BYTES))
        return above - 1, above

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class NameLeaves:
    """names.leaves, read lazily. Raises InputError when it is missing, cut or of a newer format."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "names.leaves"
        self._file = Reader(self.path)
        known, self.size, self.num_left = _HEADER.unpack(self._file.at(0, _HEADER.size))
        if known.rstrip(b"\0") != NAMES_FORMAT:
            seen = known.rstrip(b"\0").decode(errors="replace")
            raise InputError(f"{self.path} is of format {seen!r}, this version reads {NAMES_FORMAT.decode()!r}")
        self.text_at = _HEADER.size + 8 * (self.size + 1)
        self._left_at = self.text_at + self.end(self.size)
        if self._file.num_bytes != self._left_at + self.num_left * _LEFT.size:
            raise damaged(self.path)

    def end(self, number: int) -> int:
        """Return where the text of the first `number` leaves ends."""
        return self._ends(number, number)[0]

    def _ends(self, start: int, end: int) -> tuple[int, ...]:
        count = end - start + 1
        return struct.unpack(f"<{count}q", self._file.at(_HEADER.size + 8 * start, 8 * count))

    def texts(self, start: int, end: int) -> list[bytes | None]:
        """Return the names start..end, None for those that left."""
        ends = self._ends(start, end)
        text = self._file.at(self.text_at + ends[0], ends[-1] - ends[0])
        cuts = [at - ends[0] for at in ends]
        return [text[a:b] if b > a else None for a, b in zip(cuts, cuts[1:], strict=False)]

    def hashes(self, start: int, end: int) -> bytes:
        """Return the leaf hashes of start..end, joined; of those that left, the stored ones."""
        left = self.left(start, end)
        texts = self.texts(start, end)
        if left.keys() != {start + at for at, text in enumerate(texts) if text is None}:
            raise damaged(self.path)
        return b"".join(leaf_hash(text) if text else left[start + at] for at, text in enumerate(texts))

    def left(self, start: int, end: int) -> dict[int, bytes]:
        """Return the hashes of those of the leaves start..end that left, by index."""
        low = bisect_left(range(self.num_left), start, key=lambda number: self._left(number)[0])
        high = bisect_left(range(low, self.num_left), end, key=lambda number: self._left(number)[0]) + low
        return dict(self._left(number) for number in range(low, high))

    def _left(self, number: int) -> tuple[int, bytes]:
        index, kept = _LEFT.unpack(self._file.at(self._left_at + number * _LEFT.size, _LEFT.size))
        return index, kept

    def neighbours(self, key: bytes) -> tuple[int, int]:
        """Return the last name below a key (or -1) and the first at or above it (or the size)."""
        between = bisect_left(range(self.size), True, key=lambda index: self._reaches(index, key))
        # Leaves without text end where the one before them ends: the run of equal ends is what lies between two names.
        end = self.end(between)
        return bisect_left(range(between), end, key=self.end) - 1, self._next(between)

    def _next(self, index: int) -> int:
        """Return the first leaf at or after an index that has its text, or the size."""
        end = self.end(index)
        if index < self.size and self.end(index + 1) > end:
            return index
        return index + bisect_right(range(index, self.size + 1), end, key=self.end) - 1

    def _reaches(self, index: int, key: bytes) -> bool:
        found = self._next(index)
        text = self.texts(found, found + 1)[0] if found < self.size else None
        return text is None or text >= key

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def write_ids(folder: Path, ids: npt.NDArray[np.bytes_]) -> None:
    """Write contents.leaves: the distinct of bytes20[N], in any order. TypeError for ids of another width."""
    if ids.dtype != f"S{ID_BYTES}":
        raise TypeError(f"ids are raw, of {ID_BYTES} bytes, not {ids.dtype}")
    found = np.sort(ids)
    again = np.flatnonzero(found[1:] == found[:-1])
    if len(again):
        found = np.delete(found, again)
    with storage.replacing(folder / "contents.leaves") as temporary:
        found.tofile(temporary)


def write_names(folder: Path, names: Sequence[str] | pa.Array | pa.ChunkedArray) -> None:
    """Write names.leaves: the distinct folded names, in any order. ValueError for an empty one, which would read as left."""
    array = names if isinstance(names, pa.Array | pa.ChunkedArray) else pa.array(names, pa.large_string())
    array = pc.unique(array.cast(pa.large_string()).cast(pa.large_binary()))
    array = array.take(pc.sort_indices(array))
    lengths = pc.binary_length(array).to_numpy(zero_copy_only=False)
    if array.null_count or not lengths.all():
        raise ValueError("a repository without a name")
    _write(folder, lengths, [memoryview(array.buffers()[2] or b"")[: lengths.sum()]], {})


def _write(folder: Path, lengths: npt.NDArray[np.int64], texts: Iterable[memoryview], left: dict[int, bytes]) -> None:
    with storage.replacing(folder / "names.leaves") as temporary, temporary.open("wb") as file:
        file.write(_HEADER.pack(NAMES_FORMAT, len(lengths), len(left)))
        file.write(np.concatenate([[0], np.cumsum(lengths)]).astype("<i8").tobytes())
        file.writelines(texts)
        file.writelines(_LEFT.pack(index, left[index]) for index in sorted(left))


def tombstone_names(folder: Path, names: Iterable[str]) -> int:
    """Put the leaf hash in the place of each of these folded names; return how many were there as text.

    folder: `merkle` of a release. Root, nodes and positions stay; names that are not there are passed over. The file is
    the same whatever the order, and in however many calls, names leave. Raises InputError and StorageError.
    """
    leaves = NameLeaves(folder)
    left = leaves.left(0, leaves.size)
    leaves.close()
    stored = np.memmap(leaves.path, np.uint8, mode="r")
    ends = stored[_HEADER.size : leaves.text_at].view("<i8").astype(np.int64)
    text = stored[leaves.text_at : leaves.text_at + int(ends[-1])].data
    array = pa.Array.from_buffers(pa.large_binary(), leaves.size, [None, pa.py_buffer(ends), pa.py_buffer(text)])
    wanted = pa.array([name.encode() for name in names if name], pa.large_binary())
    gone = np.flatnonzero(pc.is_in(array, value_set=wanted).to_numpy(zero_copy_only=False))
    if len(gone):
        left |= {index: leaf_hash(bytes(text[ends[index] : ends[index + 1]])) for index in gone.tolist()}
        lengths = np.diff(ends)
        lengths[gone] = 0
        kept = zip([0, *ends[gone + 1].tolist()], [*ends[gone].tolist(), int(ends[-1])], strict=True)
        _write(folder, lengths, (text[start:end] for start, end in kept), left)
    return len(gone)
