"""Columns of ids: as raw bytes to sort by, as seeded hashes to draw by, and in hex as they are shown."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_MASK = 0xFFFFFFFFFFFFFFFF
_DIGITS = np.frombuffer(bytes(range(256)).hex().encode(), np.uint16)
"""The two hex digits of each byte, as they lie in memory."""


def id_bytes(ids: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.bytes_]:
    """Return hex content ids as raw 20-byte values: bytes20[N]."""
    if isinstance(ids, pa.ChunkedArray):
        ids = ids.combine_chunks() if ids.num_chunks != 1 else ids.chunk(0)
    if len(ids) == 0:
        return np.empty(0, "S20")
    characters = np.frombuffer(ids.buffers()[2], np.uint8)[_first_offset(ids) :][: 40 * len(ids)]
    # '0'-'9' are 48-57, 'a'-'f' 97-102.
    nibbles = np.where(characters < 58, characters - 48, characters - 87).astype(np.uint8)
    return (nibbles[0::2] << 4 | nibbles[1::2]).view("S20").ravel()


def _first_offset(ids: pa.StringArray) -> int:
    offsets = np.frombuffer(ids.buffers()[1], np.int32)
    return int(offsets[ids.offset])


def hex_column(ids: pa.FixedSizeBinaryArray) -> pa.Array:
    """Return raw ids as hex digits: string[N]."""
    width = ids.type.byte_width
    raw = np.frombuffer(ids.buffers()[1], np.uint8)[ids.offset * width : (ids.offset + len(ids)) * width]
    offsets = np.arange(len(ids) + 1, dtype=np.int32) * np.int32(2 * width)
    return pa.StringArray.from_buffers(len(ids), pa.py_buffer(offsets), pa.py_buffer(_DIGITS[raw]))


def content_hash(ids: pa.Array | pa.ChunkedArray, seed: int) -> npt.NDArray[np.uint64]:
    """Return hash(seed, content_id): uint64[N]. Ids are hashes already; this mixes the seed in (splitmix64)."""
    raw = id_bytes(ids)
    words = np.frombuffer(raw.tobytes(), np.uint8).reshape(-1, 20)[:, :8].copy().view("<u8").ravel().astype(np.uint64)
    with np.errstate(over="ignore"):
        return mixed(words + np.uint64((0x9E3779B97F4A7C15 * (seed + 1)) & _MASK))


def mixed(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return words with every bit depending on every bit (splitmix64's finisher): uint64[N]."""
    with np.errstate(over="ignore"):
        words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(words ^ (words >> np.uint64(31)), np.uint64)
