"""The shingle sets of a build's texts on disk, for exact comparison: one file of 64-bit hashes, appended by threads.

Lives only while a build runs. Of parts whose signatures were inherited only those sets are added that a comparison needs.
"""

from __future__ import annotations

import mmap
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stack_data import storage


class ShingleSpill:
    """Hashes of whole parts, in the order in which they were signed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._starts: dict[str, int] = {}
        self._lock = threading.Lock()
        self._size = 0
        self._maps: dict[Path, mmap.mmap] = {}
        shutil.rmtree(folder, ignore_errors=True)

    @property
    def path(self) -> Path:
        """The file of hashes."""
        return self.folder / "shingles.u64"

    def append(self, hashes: npt.NDArray[np.uint64], part: str | None = None) -> int:
        """Add hashes, of a whole part where one is named, and return where they begin; StorageError when the disk refuses."""
        try:
            with self._lock:
                self.folder.mkdir(parents=True, exist_ok=True)
                with self.path.open("ab") as file:
                    hashes.tofile(file)
                start = self._size
                self._size += len(hashes)
                if part is not None:
                    self._starts[part] = start
                return start
        except OSError as error:
            raise storage.refused(self.path, error) from error

    def start(self, part: str) -> int | None:
        """Return where the hashes of a part begin, or None when they are not there."""
        return self._starts.get(part)

    def hashes(self) -> npt.NDArray[np.uint64]:
        """Return all hashes as a mapped file."""
        return np.frombuffer(self._map(self.path), np.uint64) if self._size else np.empty(0, np.uint64)

    def signatures(self, width: int) -> npt.NDArray[np.uint32]:
        """Return the signatures that were written to `signatures_path` as a mapped file: uint32[N, width]."""
        if not self.signatures_path.stat().st_size:
            return np.empty((0, width), np.uint32)
        return np.frombuffer(self._map(self.signatures_path), np.uint32).reshape(-1, width)

    @property
    def signatures_path(self) -> Path:
        """The file of signatures."""
        return self.folder / "signatures.u32"

    def _map(self, path: Path) -> mmap.mmap:
        """Map a file, once for each size it has."""
        size = path.stat().st_size
        known = self._maps.get(path)
        if known is None or len(known) != size:
            with path.open("rb") as file:
                self._maps[path] = known = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return known

    def forget(self) -> None:
        """Let go of the mapped pages that were read; they stay in the system's cache as long as there is room."""
        for mapped in self._maps.values():
            mapped.madvise(mmap.MADV_DONTNEED)

    def room(self, name: str, shape: tuple[int, int]) -> npt.NDArray[np.uint64]:
        """Return a mapped file of 64-bit values. Its blocks are reserved first: a full disk is an error, not a crash."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / name).open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(8 * shape[0] * shape[1], 1))
        return np.asarray(np.memmap(self.folder / name, np.uint64, "r+", shape=shape))

    def remove(self) -> None:
        """Delete the files."""
        self._maps.clear()
        shutil.rmtree(self.folder, ignore_errors=True)
