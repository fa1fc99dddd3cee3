"""A fixed set of hex ids that columns are looked up in, part by part.

pyarrow's index_in makes a table of the whole set for every column it is given: with millions of ids and a thousand parts nothing
else takes time. Here ids are sorted once as numbers, by their last 64 bits, which are those of a hash: their leading bits say where to
look, and a few halvings find the place. Ids that share all 64 bits are told apart one after the other. Correct whatever somebody
crafts, and then slow only for that. Memory: 28 bytes per content id, 36 per keyed hash.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_Words = npt.NDArray[np.uint64]
_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)
_VALUES = np.zeros(256, np.uint8)
_VALUES[_DIGITS] = np.arange(16)

CONTENT_DIGITS, EMAIL_DIGITS = 40, 64

_LOT = 65536
"""Ids that are spelled out at a time."""


@dataclass(frozen=True, slots=True)
class IdSet:
    """N distinct ids of one length, a multiple of 8 digits.

    words   uint64[W, N]: the digits as numbers, sorted by the last word
    starts  int32[2**bits + 1]: the first id whose last word begins with so many bits of this value or a greater one
    """

    words: _Words
    starts: npt.NDArray[np.int32]
    digits: int

    @classmethod
    def of(cls, columns: Iterable[pa.Array], digits: int = CONTENT_DIGITS) -> IdSet:
        """Return the distinct ids of string columns; nulls are left out."""
        return cls.joined([raw_ids(column, digits) for column in columns], digits)

    @classmethod
    def joined(cls, raw: Iterable[npt.NDArray[np.uint8]], digits: int = CONTENT_DIGITS) -> IdSet:
        """Return the distinct ids of arrays of raw ids (raw_ids)."""
        words = _words(np.concatenate([np.empty((0, digits // 2), np.uint8), *raw]))
        words = words[:, np.lexsort(words)]
        is_first = np.ones(words.shape[1], bool)
        is_first[1:] = (words[:, 1:] != words[:, :-1]).any(axis=0)
        words = np.ascontiguousarray(words[:, is_first])
        bits = max(1, words.shape[1].bit_length() - 1)
        sizes = np.bincount((words[-1] >> np.uint64(64 - bits)).astype(np.int64), minlength=2**bits)
        return cls(words, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32), digits)

    def __len__(self) -> int:
        return int(self.words.shape[1])

    def index_in(self, column: pa.Array) -> npt.NDArray[np.int64]:
        """Return the number of each id of a string column, -1 for null and for ids that are not here: int64[M]."""
        found = np.full(len(column), -1)
        if not len(self):
            return found
        rows = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False)) if column.null_count else None
        text = _text(column.drop_null(), self.digits)
        keys = _words(_bytes(text[:, -16:]))[0]
        at = self._first(keys)
        pending = np.flatnonzero(self.words[-1][np.minimum(at, len(self) - 1)] == keys)
        at, wanted = at[pending], _words(_bytes(text[pending]))
        places = pending if rows is None else rows[pending]
        while len(at):
            is_here = (self.words[:, at] == wanted).all(axis=0)
            found[places[is_here]] = at[is_here]
            # The next id may share the last word.
            left = ~is_here & (at + 1 < len(self))
            left[left] = self.words[-1][at[left] + 1] == wanted[-1][left]
            at, wanted, places = at[left] + 1, wanted[:, left], places[left]
        return found

    def _first(self, keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
        """Return the number of the first id whose last word is not below each key: int64[M]."""
        values, bits = self.words[-1], (len(self.starts) - 1).bit_length() - 1
        group = (keys >> np.uint64(64 - bits)).astype(np.int64)
        low, high = self.starts[group].astype(np.int64), self.starts[group + 1].astype(np.int64)
        while (low < high).any():
            middle = (low + high) >> 1
            is_below = (low < high) & (values[np.minimum(middle, len(values) - 1)] < keys)
            low, high = np.where(is_below, middle + 1, low), np.where(is_below, high, middle)
        return low

    def ids(self, numbers: npt.NDArray[np.int64]) -> pa.Array:
        """Return ids by their numbers: string[M]."""
        if len(numbers) * self.digits >= 2**31:
            raise OverflowError(f"{len(numbers):,} ids are more than one column holds")
        text = np.empty((len(numbers), self.digits), np.uint8)
        for start in range(0, len(numbers), _LOT):
            raw = np.ascontiguousarray(self.words[:, numbers[start : start + _LOT]].T.astype(">u8"))
            raw = raw.view(np.uint8).reshape(len(raw), 8 * len(self.words))[:, -self.digits // 2 :]
            text[start : start + _LOT, 0::2], text[start : start + _LOT, 1::2] = _DIGITS[raw >> 4], _DIGITS[raw & 15]
        offsets = np.arange(len(numbers) + 1, dtype=np.int32) * np.int32(self.digits)
        return pa.StringArray.from_buffers(len(numbers), pa.py_buffer(offsets), pa.py_buffer(text))


def raw_ids(column: pa.Array, digits: int = CONTENT_DIGITS) -> npt.NDArray[np.uint8]:
    """Return the ids of a string column that are not null as raw bytes: uint8[M, digits / 2]."""
    return _bytes(_text(column.drop_null(), digits))


def _text(ids: pa.Array, digits: int) -> npt.NDArray[np.uint8]:
    """Return the digits of a string column without nulls, without copying: uint8[M, digits]; ValueError for other lengths."""
    if not len(ids):
        return np.empty((0, digits), np.uint8)
    offsets = np.frombuffer(ids.buffers()[1], np.int32)[ids.offset : ids.offset + len(ids) + 1]
    if (np.diff(offsets) != digits).any():
        raise ValueError(f"ids must have {digits} digits, there are some of another length")
    return np.frombuffer(ids.buffers()[2], np.uint8)[offsets[0] : offsets[-1]].reshape(len(ids), digits)


def _bytes(text: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    values = _VALUES[text]
    return np.asarray(values[:, 0::2] << 4 | values[:, 1::2], np.uint8)


def _words(raw: npt.NDArray[np.uint8]) -> _Words:
    """Return raw ids as big-endian numbers: uint64[W, M]; shorter ids have zeros before them."""
    padded = np.zeros((len(raw), -(-raw.shape[1] // 8) * 8), np.uint8)
    padded[:, padded.shape[1] - raw.shape[1] :] = raw
    return np.ascontiguousarray(padded.view(">u8").astype(np.uint64).T)
