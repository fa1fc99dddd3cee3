"""The released texts of a segment in compressed blocks, in the order of its documents.

texts.blocks   zstd frames one after the other, each of about 12 KiB of text
texts.index    uint64 arrays: where each document's text begins in the whole of all texts (D + 1), where each block's text begins
               (B + 1), where its frame begins (B + 1), and the sum of the frame's bytes (B)

Small texts share a block and lie in one block whole; a large one has blocks of its own. A frame is checked before it is decompressed,
every time. Choice: blocks of about 12 KiB, decompressed in 14 microseconds by contexts that are kept (pyarrow's codec makes a new one each
time, which takes 10 more): a match is looked for in about 3 KiB of a text. zstd level 1 packs them a fifth faster than level 3, and a thirtieth worse.
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
from stack_data.search.borrowed import borrowed
from stack_data.search.memory_waits import rank
from stack_data.search.pages import Bytes, byte_sum, read_ahead, touched_here_and_there

BLOCKS, INDEX = "texts.blocks", "texts.index"
BLOCK, MOST = 12 * 1024, 18 * 1024
"""The size of the blocks of large texts, and up to which texts are gathered in one."""
LEVEL = 1
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

    def read(self, rows: Ints) -> tuple[Bytes, Ints]:
        """Return the texts of N documents, one after the other, and their bounds int64[N + 1]; neighbours share a decompressed block."""
        return self._read(self.begins[rows], self.begins[rows + 1])

    def read_pieces(self, rows: Ints, begins: Ints, ends: Ints) -> tuple[Bytes, Ints]:
        """Return the bytes from begins[i] to ends[i] of each document's text, as `read` does whole texts."""
        starts = self.begins[rows]
        return self._read(starts + begins, starts + ends)

    def _read(self, begins: Ints, ends: Ints) -> tuple[Bytes, Ints]:
        """Return these bytes of all texts, and their bounds; InputError when one of their blocks is damaged."""
        bounds, steps, new = _steps(self._texts, self._frames, self._asked, begins, ends)
        if len(new):
            read_ahead(self._raw, new[:, 0], new[:, 1])
        if not _are_whole(self._raw, self._sums, steps):
            raise self._damaged()
        held: dict[int, bytes] = {}
        parts = []
        for number, first, last, size, low, high in steps.tolist():
            if number not in held:
                if len(held) == _HELD:
                    held.pop(next(iter(held)))
                held[number] = self._block(first, last, size)
            parts.append(memoryview(held[number])[low:high])
        return np.frombuffer(bytearray().join(parts), np.uint8), bounds

    def _block(self, begin: int, end: int, size: int) -> bytes:
        """Return the text of a frame of the file, that has this size."""
        try:
            found = _codec()[1].decompress(self._raw[begin:end].data, max_output_size=size)
        except zstandard.ZstdError as error:
            raise self._damaged() from error
        if len(found) != size:
            raise self._damaged()
        return found


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _steps(texts, frames, asked, begins, ends):  # type: ignore[no-untyped-def]
    """Return how bytes of all texts are read: their bounds int64[N + 1]; steps int64[S, 6]: a block, where its frame begins and ends,
    its size, and from where to where in it; new int64[R, 2]: bytes of the file that were not asked for before.

    asked: of blocks, changed in place.
    """
    bounds, count = np.zeros(len(begins) + 1, np.int64), 0
    firsts, lasts = np.empty(len(begins), np.int64), np.empty(len(begins), np.int64)
    for number in range(len(begins)):
        first = last = rank(texts, begins[number], 0, len(texts))
        while texts[last] < ends[number]:
            last += 1
        bounds[number + 1] = bounds[number] + ends[number] - begins[number]
        firsts[number], lasts[number] = first, last
        count += last - first
    steps, new, at, num_new = np.empty((count, 6), np.int64), np.empty((count, 2), np.int64), 0, 0
    for number in range(len(begins)):
        for block in range(firsts[number], lasts[number]):
            start, stop, frame, frame_end = texts[block], texts[block + 1], frames[block], frames[block + 1]
            steps[at, 0], steps[at, 1], steps[at, 2], steps[at, 3] = block, frame, frame_end, stop - start
            steps[at, 4], steps[at, 5] = max(begins[number], start) - start, min(ends[number], stop) - start
            at += 1
            if asked[block]:
                continue
            asked[block] = 1
            if num_new and new[num_new - 1, 1] == frame:
                new[num_new - 1, 1] = frame_end
            else:
                new[num_new, 0], new[num_new, 1] = frame, frame_end
                num_new += 1
    return bounds, steps, new[:num_new]


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _are_whole(raw, sums, steps):  # type: ignore[no-untyped-def]
    """Tell whether the frames of steps are as they were written."""
    raw, known = borrowed(raw), borrowed(sums)
    for at in range(len(steps)):
        block, begin, end = steps[at, 0], steps[at, 1], steps[at, 2]
        if at and steps[at - 1, 0] == block:
            continue
        if not 0 <= begin < end <= len(raw) or byte_sum(raw, begin, end) != np.uint64(known[block]):
            return False
    return True
