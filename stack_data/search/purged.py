"""A build's own index after a purge: what was erased from the build and its releases is removed and erased there too.

Reads the removal lists that the purge published (each signed as its release states). What they name goes if the index still has it of
that very release: so somebody who came back in a later release is not taken out of an index that was built anew. Then the segments are
merged, which writes the deny index first. Doing it again does nothing, and a killed one goes on where it was: what is removed but not
erased shows in the tombstones.

Not covered: indexes elsewhere, and releases of other builds in this one; whoever keeps them applies the removal lists.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stack_data import storage
from stack_data.errors import FairStackError, InputError
from stack_data.id_columns import hex_column
from stack_data.progress import Progress
from stack_data.release.removal_list import read
from stack_data.search import index_state, keyword_index, removals
from stack_data.search.build import begin
from stack_data.search.index import Index, open_index
from stack_data.search.merge import Merged, merge
from stack_data.search.segment import Segment

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Followed:
    """What an index came to. num_erased: contents whose text left the disk; deny_batch: hashes kept of them, "" for none; problem: why
    something is left to do, "" when nothing is; is_hidden: no answer has it any more even so."""

    index: Path
    num_places: int = 0
    num_erased: int = 0
    deny_batch: str = ""
    problem: str = ""
    is_hidden: bool = True


def follow(index: Path, lists: Sequence[Path], progress: Progress | None = None) -> Followed:
    """Remove from an index what removal lists of its releases name, and erase it. Errors are told in the answer, not raised."""
    removed = 0
    try:
        removed = sum(_remove(index, path) for path in lists)
    except FairStackError as error:
        return Followed(index, removed, problem=str(error), is_hidden=False)
    try:
        done = _erase(index, progress) if lists else None
    except FairStackError as error:
        return Followed(index, removed, problem=str(error))
    return Followed(index, removed, done.num_dropped, done.deny_batch) if done else Followed(index, removed)


def _erase(index: Path, progress: Progress | None) -> Merged | None:
    """Merge where something was removed; in any case clear away what killed writers left, and let the keyword index follow."""
    with storage.locked(index):
        _, segments = begin(index)
        is_left = any(bool(one.tombstones.any()) for one in segments)
    done = merge(index, progress=progress) if is_left else None
    if keyword_index.has_keywords(index):
        keyword_index.update(index, os.cpu_count() or 1)
    return done


def _remove(folder: Path, path: Path) -> int:
    """Remove what a list names and the index still has of its release; return how many places went."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    identity = read(raw, str(path), ()).header["identity"]
    releases = index_state.read(folder).releases
    numbers = [bit for bit, one in enumerate(releases) if one.identity == identity]
    if not numbers:
        return 0
    keys = [releases[bit].key for bit in numbers if releases[bit].key]
    listed = read(raw, str(path), keys).removal
    wanted = [(removals.CONTENT, one) for one in listed.contents.to_pylist()]
    wanted += [(removals.PLACE, one) for one in listed.places.to_pylist()]
    contents, places = _present(open_index(folder), wanted, numbers)
    return removals.remove(folder, contents=contents, places=places).num_places if contents or places else 0


def _present(index: Index, wanted: Sequence[removals.Entry], releases: Sequence[int]) -> tuple[list[str], list[str]]:
    """Return which contents and places that are wanted are still there in one of these releases."""
    mask = np.uint64(sum(1 << bit for bit in releases))
    contents, places = set[str](), set[str]()
    for segment in index.segments:
        rows = np.unique(removals.rows_of(wanted, segment))
        rows = rows[(segment.tombstones[rows] == 0) & (segment.places["releases"].to_numpy()[rows] & mask != 0)]
        if len(rows):
            contents |= _content_ids(segment, rows)
            places |= set(removals.place_ids_of(segment, rows))
    known = set(wanted)
    return (
        sorted(one for one in contents if (removals.CONTENT, one) in known),
        sorted(one for one in places if (removals.PLACE, one) in known),
    )


def _content_ids(segment: Segment, rows: Ints) -> set[str]:
    """Return the contents of documents, and of near duplicates beside them."""
    owners = pa.array(np.unique(segment.places["document"].to_numpy()[rows]))
    columns = segment.documents["content_id"].take(owners), segment.places["content_id"].take(pa.array(rows))
    return {one for column in columns for one in hex_column(column).to_pylist()}
