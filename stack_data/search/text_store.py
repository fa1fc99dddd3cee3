"""The released texts of a segment in compressed blocks, in the order of its documents.

texts.blocks   zstd frames one after the other, each of about 16 KiB of text
texts.index    uint64 arrays: where each document's text begins in the whole of all texts (D + 1), where each block's text begins
               (B + 1), where its frame begins (B + 1), and the sum of the frame's bytes (B)

Small texts share a block and lie in one block whole; a large one has blocks of its own. A frame is checked before it is decompressed,
every time. Choice: blocks of about 16 KiB, decompressed in 15 microseconds by contexts that are kept (pyarrow's codec makes a new one
each time, which takes 10 more); 64 KiB would be a tenth smaller, and take three times as long for a piece of a text.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import zstandard
from numba import njit

from stack_data.errors import InputError
from stack_data.search.pages import Bytes, byte_sum, read_ahead, touched_here_and_there

BLOCKS, INDEX = "texts.blocks", "texts.index"
BLOCK, MOST = 16 * 1024, 24 * 1024
"""The size of the blocks of large texts, and up to which texts are gathered in one."""
LEVEL = 3
_HELD = 8
Ints = npt.NDArray[np.int64]
_codecs = threading.local()


def _codec() -> tuple[zstandard.ZstdCompressor, zstandard.ZstdDecompressor]:
    """Return this thread's contexts; none is for several threads at a time."""
    if not hasattr(_codecs, "zstd"):
        _codecs.zstd = zstandard.ZstdCompressor(LEVEL), zstandard.ZstdDecompressor()
    return _codecs.zstd  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Packed:
    """Texts in blocks. frames: the compressed blocks; sizes int64[B]: of their texts; sums uint64[B]: of the frames."""

    frames: list[bytes]
    sizes: Ints
    sums: npt.NDArray[np.uint64]


def pack(data: Bytes, bounds: Ints) -> Packed:
    """Compress N texts, data[bounds[i]:bounds[i + 1]], into blocks. Without the GIL for nearly all of it."""
    cuts = _cuts(bounds)
    compressor, _ = _codec()
    frames = [compressor.compress(data[begin:end].data) for begin, end in zip(cuts[:-1], cuts[1:], strict=True)]
    sums = [byte_sum(np.frombuffer(one, np.uint8), 0, len(one)) for one in frames]
    return Packed(frames, np.diff(cuts), np.array(sums, np.uint64))


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _cuts(bounds):  # type: ignore[no-untyped-def]
    """Return where blocks begin and end."""
    cuts = np.empty(len(bounds) + (bounds[-1] - bounds[0]) // BLOCK + 1, np.int64)
    cuts[0], count = bounds[0], 1
    for row in range(len(bounds) - 1):
        begin, end = bounds[row], bounds[row + 1]
        if end - cuts[count - 1] > MOST and begin > cuts[count - 1]:
            cuts[count] = begin
            count += 1
        if end - begin > MOST:
            while cuts[count - 1] < end:
                cuts[count] = min(cuts[count - 1] + BLOCK, end)
                count += 1
    if cuts[count - 1] < bounds[-1]:
        cuts[count] = bounds[-1]
        count += 1
    return cuts[:count].copy()


class TextWriter:
    """Writes blocks as they come; `close` writes the index beside them."""

    def __init__(self, folder: Path) -> None:
        self._index = folder / INDEX
        self._file = (folder / BLOCKS).open("wb")
        self._sizes: list[Ints] = [np.zeros(1, np.int64)]
        self._frames: list[int] = [0]
        self._sums: list[npt.NDArray[np.uint64]] = []

    def add(self, packed: Packed) -> None:
        """Append the blocks of the texts that follow."""
        for frame in packed.frames:
            self._file.write(frame)
            self._frames.append(len(frame))
        self._sizes.append(packed.sizes)
        self._sums.append(packed.sums)

    def close(self, sizes: Ints) -> int:
        """Write the index; sizes int64[D]: bytes of each document's text. Returns the number of blocks."""
        self._file.close()
        texts, blocks = (np.cumsum(one) for one in (np.concatenate([[0], sizes]), np.concatenate(self._sizes)))
        arrays = [texts, blocks, np.cumsum(self._frames), *self._sums]
        self._index.write_bytes(b"".join(np.ascontiguousarray(one, np.uint64).tobytes() for one in arrays))
        return len(blocks) - 1


class TextStore:
    """The texts of a segment. Threads may read at the same time."""

    def __init__(self, path: Path, blocks: Bytes, index: Bytes, num_documents: int, num_blocks: int) -> None:
        """Take the mapped files; `index` was checked. InputError when they do not fit together."""
        self._path, self._raw = path, blocks
        self._asked = np.zeros(num_blocks + 1, np.uint8)
        touched_here_and_there(blocks)
        counts = np.cumsum([num_documents + 1, num_blocks + 1, num_blocks + 1, num_blocks])
        if len(index) != 8 * counts[-1]:
            raise self._damaged()
        self.begins, self._texts, self._frames, self._sums = np.split(index.view(np.int64), counts[:-1])
        if self._frames[-1] != len(blocks) or self.begins[-1] != self._texts[-1]:
            raise self._damaged()

    def _damaged(self) -> InputError:
        return InputError(
            f"{self._path} is damaged: its bytes are not those that were written; delete index.json and build the index anew (removals stay)"
        )

    def block(self, number: int) -> bytes:
        """Return the text of one block; InputError when it is damaged."""
        begin, end = int(self._frames[number]), int(self._frames[number + 1])
        if not 0 <= begin < end <= len(self._raw) or byte_sum(self._raw, begin, end) != self._sums[number].view(
            np.uint64
        ):
            raise self._damaged()
        size = int(self._texts[number + 1] - self._texts[number])
        try:
            found = _codec()[1].decompress(self._raw[begin:end].data, max_output_size=size)
        except zstandard.ZstdError as error:
            raise self._damaged() from error
        if len(found) != size:
            raise self._damaged()
        return found

    def read(self, rows: Ints) -> tuple[Bytes, Ints]:
        """Return the texts of N documents, one after the other, and their bounds int64[N + 1]; neighbours share a decompressed block."""
        return self._read(self.begins[rows], self.begins[rows + 1])

    def read_pieces(self, rows: Ints, begins: Ints, ends: Ints) -> tuple[Bytes, Ints]:
        """Return the bytes from begins[i] to ends[i] of each document's text, as `read` does whole texts."""
        starts = self.begins[rows]
        return self._read(starts + begins, starts + ends)

    def _read(self, begins: Ints, ends: Ints) -> tuple[Bytes, Ints]:
        """Return these bytes of all texts, and their bounds."""
        bounds = np.concatenate([[0], np.cumsum(ends - begins)])
        data = np.empty(bounds[-1], np.uint8)
        firsts = np.searchsorted(self._texts, begins, side="right") - 1
        lasts = np.searchsorted(self._texts, ends)
        self._read_ahead(firsts, lasts)
        held: dict[int, bytes] = {}
        columns = (begins, ends, firsts, lasts, bounds[:-1])
        for begin, end, first, last, at in zip(*(column.tolist() for column in columns), strict=True):
            for number in range(first, last):
                start = int(self._texts[number])
                low, high = max(begin, start), min(end, start + len(self._held(number, held)))
                piece = np.frombuffer(held[number], np.uint8, high - low, low - start)
                data[at + low - begin : at + high - begin] = piece
        return data, bounds

    def _held(self, number: int, held: dict[int, bytes]) -> bytes:
        """Return a block, one of the last few that were read."""
        if number not in held:
            if len(held) == _HELD:
                held.pop(next(iter(held)))
            held[number] = self.block(number)
        return held[number]

    def _read_ahead(self, firsts: Ints, lasts: Ints) -> None:
        """Have the frames of blocks read that were not asked for before."""
        new = np.flatnonzero(self._asked[firsts] == 0)
        if len(new):
            self._asked[firsts[new]] = 1
            read_ahead(self._raw, self._frames[firsts[new]], self._frames[lasts[new]])
