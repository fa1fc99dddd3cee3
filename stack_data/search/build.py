"""Building an index out of releases, and adding one: new segments beside those that are there.

Reads release folders (released.py); writes INDEX (index_state.py). Texts are gathered row group by row group until there are about
`SEGMENT_BYTES` of them, ordered by content id and written as one segment (segment_writer.py). A content whose text the index
holds gets a row without a text; where a release shows another text of it (redacted anew), the new one takes the old one's place.

One writer at a time. A release appears when all of its segments do; killed before, it is as if nothing had been begun. The same
releases in the same order give the same bytes for any number of workers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from stack_data import storage
from stack_data.errors import InputError
from stack_data.memory import give_back
from stack_data.progress import Progress, Silent
from stack_data.search import deny, deny_store, index_state, removals
from stack_data.search.gathered import contents_of
from stack_data.search.index_state import SEGMENTS, State
from stack_data.search.protocol import Release
from stack_data.search.released import PlaceCursor, Rows, Shard, check_shard, groups_of, read_data, release_of
from stack_data.search.segment import Segment
from stack_data.search.segment_writer import in_order, write_segment

SEGMENT_BYTES = 512 << 20


@dataclass(frozen=True, slots=True)
class Added:
    """What adding a release came to; all 0 when the index had it already. num_texts: contents that were new, with their text."""

    release: Release
    num_segments: int
    num_contents: int
    num_texts: int
    num_places: int
    num_bytes: int


def build(
    releases: Sequence[Path], folder: Path, *, workers: int | None = None, segment_bytes: int = SEGMENT_BYTES,
    progress: Progress | None = None,
) -> list[Added]:  # fmt: skip
    """Make an index of releases in a folder, or add to the one that is there those that it lacks.

    Raises InputError when a release is none or damaged, or the folder holds something else; StorageError when the disk refuses.
    """
    if not releases:
        raise InputError("name at least one release, such as build/NAME/releases/1.0.0")
    for one in releases:
        release_of(one)
    if not (folder / index_state.INDEX).exists() and folder.exists() and (others := _strangers(folder)):
        raise InputError(f"{folder} is no search index and holds {others[0]}; name a new or empty folder")
    return [add(folder, one, workers=workers, segment_bytes=segment_bytes, progress=progress) for one in releases]


def _strangers(folder: Path) -> list[str]:
    if not folder.is_dir():
        return ["a file of that name"]
    own = {
        storage.LOCK_NAME,
        SEGMENTS,
        index_state.KEYWORDS,
        deny_store.DENY,
        removals.LOG,
        removals.APPLIED,
        removals.LOCK,
    }
    return sorted(name for name in os.listdir(folder) if name not in own and not name.endswith(".tmp"))


def add(
    folder: Path, release: Path, *, workers: int | None = None, segment_bytes: int = SEGMENT_BYTES,
    progress: Progress | None = None,
) -> Added:  # fmt: skip
    """Add a release to an index; nothing happens when the index has it. Errors as of `build`."""
    found, shards = release_of(release)
    with storage.locked(folder):
        state, segments = begin(folder)
        if found in state.releases:
            # A killed addition may have named its segments and no more.
            deny.follow_locked(folder)
            return Added(found, 0, 0, 0, 0, 0)
        if len(state.releases) == index_state.MAX_RELEASES:
            raise InputError(
                f"{folder} holds {index_state.MAX_RELEASES} releases, which is the most; build a new index"
            )
        return _Addition(folder, state, segments, found, workers or os.cpu_count() or 1, segment_bytes).run(
            shards, progress or Silent()
        )


def begin(folder: Path) -> tuple[State, list[Segment]]:
    """Return an index as it is, for a writer that holds it alone: rests of killed ones are cleared away. A new one is empty."""
    state = index_state.read(folder) if (folder / index_state.INDEX).exists() else State()
    with removals.removing(folder):
        index_state.clean(folder, state)
        segments = [Segment(folder / SEGMENTS / str(number), sha256) for number, sha256 in state.segments]
        removals.recover(folder, segments)
    return state, segments


class _Addition:
    """The making of a release's segments."""

    def __init__(
        self, folder: Path, state: State, segments: list[Segment], release: Release, workers: int, segment_bytes: int
    ) -> None:
        self.folder, self.state, self.release = folder, state, release
        self.workers, self.segment_bytes = workers, segment_bytes
        self.old, self.new = segments, list[Segment]()
        self.made: list[tuple[int, str]] = []
        self.counts = np.zeros(4, np.int64)

    def run(self, shards: Sequence[Shard], progress: Progress) -> Added:
        progress.begin("index", None, None)
        with ThreadPoolExecutor(self.workers, thread_name_prefix="index") as pool:
            held: list[Rows] = []
            size = 0
            for rows in _rows(shards, pool, self.workers):
                held.append(rows)
                size += rows.num_bytes
                if size >= self.segment_bytes:
                    self._write(held, pool, progress)
                    held, size = [], 0
            if held:
                self._write(held, pool, progress)
        state = index_state.with_segments(self.state, [*self.state.releases, self.release], self.made, keep=True)
        with removals.removing(self.folder):
            removals.settle(self.folder, state, self.new)
        deny.follow_locked(self.folder)
        progress.end()
        contents, texts, places, num_bytes = self.counts.tolist()
        return Added(self.release, len(self.made), contents, texts, places, num_bytes)

    def _write(self, held: list[Rows], pool: ThreadPoolExecutor, progress: Progress) -> None:
        number = self.state.following + len(self.made)
        contents = contents_of(held, len(self.state.releases), self.old, self.new)
        held.clear()
        folder = self.folder / SEGMENTS
        sha256 = write_segment(folder, number, contents, pool, self.workers)
        self.made.append((number, sha256))
        self.new.append(Segment(folder / str(number), sha256))
        num_texts = int((contents.documents["num_bytes"].to_numpy() >= 0).sum())
        size = int(contents.sizes.sum())
        self.counts += (len(contents.sizes), num_texts, contents.places.num_rows, size)
        progress.advance(len(contents.sizes), size)
        del contents
        give_back()


def _rows(shards: Sequence[Shard], pool: ThreadPoolExecutor, workers: int) -> Iterator[Rows]:
    """Yield the contents of a release with their places, in order; reading and decompressing run ahead on threads."""

    def check(shard: Shard) -> tuple[Shard, list[int]]:
        check_shard(shard)
        return shard, groups_of(shard)

    def groups() -> Iterator[tuple[Shard, int]]:
        for shard, numbers in in_order(pool, check, shards, 2 * workers):
            yield from ((shard, number) for number in numbers)

    def read(item: tuple[Shard, int]) -> tuple[Shard, pa.Table]:
        return item[0], read_data(*item)

    at, cursor = None, None
    for shard, data in in_order(pool, read, groups(), 2 * workers):
        if shard is not at or cursor is None:
            if cursor is not None:
                cursor.close()
            at, cursor = shard, PlaceCursor(shard)
        if data.num_rows:
            yield cursor.take(data)
    if cursor is not None:
        cursor.close()
