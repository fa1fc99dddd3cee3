"""Checking a whole index: every byte against its hash, every text decoded and hashed again, every removal carried out.

What answering checks as it goes (sizes, sums of pages, bounds) is for accidents; this reads everything and compares it with SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from stack_data import storage
from stack_data.errors import InputError
from stack_data.search import documents as tables
from stack_data.search import gone, index_state, removals
from stack_data.search.segment import SUPERSEDED, TOMBSTONES, Segment

_LOT = 256


@dataclass(slots=True)
class IndexCheck:
    """What was found. problems: one line each; none means that the index is whole."""

    num_segments: int = 0
    num_contents: int = 0
    num_bytes: int = 0
    problems: list[str] = field(default_factory=list)


def verify_index(folder: Path) -> IndexCheck:
    """Read and check everything in an index. InputError when the folder is none, or index.json cannot be read."""
    result = IndexCheck()
    segments = []
    for number, sha256 in index_state.read(folder).segments:
        result.num_segments += 1
        try:
            segments.append(Segment(folder / index_state.SEGMENTS / str(number), sha256))
        except InputError as error:
            result.problems.append(str(error))
    for segment in segments:
        result.problems += [*_files(segment), *_order(segment), *_texts(segment, result)]
    result.problems += [*_shared(segments), *_removals(folder, segments)]
    return result


def _files(segment: Segment) -> Iterator[str]:
    for name, output in segment.manifest.outputs.items():
        if storage.sha256_file(segment.folder / name) != output.sha256:
            yield f"{segment.folder / name}: its bytes are not those of the manifest"


def _order(segment: Segment) -> Iterator[str]:
    """Check the order of documents, places and repositories."""
    folder = segment.folder
    if np.any(segment.content_ids[1:] <= segment.content_ids[:-1]):
        yield f"{folder / tables.DOCUMENTS_FILE}: content ids do not ascend"
    owners = segment.places["document"].to_numpy()
    bounds = np.append(segment.place_bounds.begins, segment.place_bounds.end).astype(np.int64)
    if not np.array_equal(owners, np.repeat(np.arange(len(segment)), bounds[1:] - bounds[:-1])):
        yield f"{folder / tables.PLACES_FILE}: places are not beside their documents"
    if not np.array_equal(np.sort(segment.repository_places), np.arange(segment.places.num_rows)):
        yield f"{folder / tables.REPOSITORY_PLACES_FILE}: does not list every place once"
    keys = segment.repositories["key"].to_pylist()
    if keys != sorted(set(keys)):
        yield f"{folder / tables.REPOSITORIES_FILE}: keys do not ascend"
    documents, places = (pa.Table.from_batches([one]) for one in (segment.documents, segment.places))
    if not np.array_equal(segment.hash_order, tables.hash_order(documents, places)):
        yield f"{folder / tables.HASHES_FILE}: hashes do not ascend"
    if np.any(segment.superseded[1:] <= segment.superseded[:-1]):
        yield f"{folder / SUPERSEDED}: does not ascend"


def _texts(segment: Segment, result: IndexCheck) -> Iterator[str]:
    """Decode and hash every text."""
    hashes = tables.fixed(segment.documents["text_sha256"])
    rows = np.flatnonzero(segment.num_bytes >= 0)
    result.num_contents += len(rows)
    for start in range(0, len(rows), _LOT):
        chosen = rows[start : start + _LOT]
        try:
            data, bounds = segment.texts.read(chosen)
        except InputError as error:
            yield str(error)
            return
        result.num_bytes += len(data)
        for row, begin, end in zip(chosen.tolist(), bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            digest = hashlib.sha256(data[begin:end].data).digest()
            if digest.rstrip(b"\0") != hashes[row] or end - begin != segment.num_bytes[row]:
                name = segment.content_ids[row].ljust(20, b"\0").hex()
                yield f"{segment.folder}: {name}: text_sha256 or num_bytes is not the text's"


def _shared(segments: list[Segment]) -> Iterator[str]:
    """Check that every content has one text that counts."""
    if not segments:
        return
    superseded = np.concatenate([one.superseded for one in segments])
    every = np.unique(np.concatenate([one.content_ids for one in segments]))
    counts = np.zeros(len(every), np.int64)
    for segment in segments:
        rows = np.flatnonzero(segment.num_bytes >= 0)
        rows = rows[~np.isin(rows | segment.number << 32, superseded)]
        counts[np.searchsorted(every, segment.content_ids[rows])] += 1
    wrong = int((counts != 1).sum())
    if wrong:
        yield f"{segments[0].folder.parent}: {wrong:,} contents have no text, or several"


def _removals(folder: Path, segments: list[Segment]) -> Iterator[str]:
    """Check that everything in the log of removals is hidden, and nothing else."""
    try:
        entries, stated = removals.read_log(folder), gone.read(folder)
    except InputError as error:
        yield str(error)
        return
    for segment in segments:
        left = int((segment.tombstones[removals.rows_of(entries, segment)] == 0).sum())
        if left:
            yield f"{segment.folder}: {left:,} places are shown although they were removed; the next add, merge or remove hides them"
        elif not stated.agrees(segment):
            yield f"{segment.folder / TOMBSTONES}: is not what {gone.APPLIED} says was removed"
