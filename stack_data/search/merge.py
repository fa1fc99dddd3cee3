"""Merging: the living contents of all segments written anew as few large ones, and what was removed dropped from the disk.

Contents are taken in the order of their ids, with the text that counts, the places that are left (equal ones of several releases once),
and the releases that hold them. Hashes of what is dropped go to the deny index first (deny.py). Texts are lexed again, since a table keeps
too few bits of a hash to be sorted into a larger one. A segment has at most `MERGED_BYTES` of text; memory is about a sixth of that, for
its samples. Readers go on with the old segments until they ask for the `current` index. Removals wait for the last moment of a merge only,
and hold for what it made.

Choice: everything is written anew, whatever its size; whoever adds small releases to a large index merges seldom.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data import storage
from stack_data.memory import give_back
from stack_data.optout.lists import SuppressionList
from stack_data.progress import Progress, Silent
from stack_data.search import deny, index_state, removals
from stack_data.search import documents as tables
from stack_data.search.build import begin
from stack_data.search.index_state import SEGMENTS
from stack_data.search.pages import Bytes
from stack_data.search.segment import Ints, Segment
from stack_data.search.segment_writer import Contents, Reader, write_segment

MERGED_BYTES = 8 << 30
_KEY = ("document", "content_id", "host", "owner", "repo", "revision", "path")


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge came to: segments before and after, contents that stay and that were dropped.

    deny_batch: the hashes by which completions that repeat the dropped ones are refused; "" when there are none.
    """

    num_before: int
    num_after: int
    num_contents: int
    num_dropped: int
    deny_batch: str


@dataclass(frozen=True, slots=True)
class _Living:
    """Contents that stay, by id. text: (segment, row) of the text of each; facts: of its newest row; int64[2, D] each."""

    ids: npt.NDArray[np.bytes_]
    text: Ints
    facts: Ints
    sizes: Ints


def merge(
    folder: Path, *, lists: Sequence[SuppressionList] = (), workers: int | None = None, segment_bytes: int = MERGED_BYTES,
    progress: Progress | None = None,
) -> Merged:  # fmt: skip
    """Write an index's segments anew. lists: what they take out with effect `remove` is removed before.

    Nothing is written where there is one segment and nothing was removed. Raises InputError for a damaged index or one that another
    process writes, StorageError when the disk refuses; either leaves the index as it was.
    """
    if lists:
        removals.remove(folder, lists=lists)
    workers, progress = workers or os.cpu_count() or 1, progress or Silent()
    index_state.read(folder)
    with storage.locked(folder):
        state, segments = begin(folder)
        if len(segments) == 1 and not segments[0].tombstones.any():
            return Merged(1, 1, len(segments[0]), 0, "")
        known, living = _living(segments)
        # After it is settled what is dropped: a removal that comes now is dropped by the next merge.
        batch = deny.update_locked(folder, progress).batch
        progress.begin("merge", len(living.ids), int(living.sizes.sum()))
        made: list[tuple[int, str]] = []
        with ThreadPoolExecutor(workers, thread_name_prefix="merge") as pool:
            for first, last in _cuts(living.sizes, segment_bytes):
                contents = _contents(segments, living, first, last)
                number = state.following + len(made)
                made.append((number, write_segment(folder / SEGMENTS, number, contents, pool, workers)))
                progress.advance(last - first, int(contents.sizes.sum()))
                give_back()
        with removals.removing(folder):
            new = [Segment(folder / SEGMENTS / str(number), sha256) for number, sha256 in made]
            removals.settle(folder, index_state.with_segments(state, state.releases, made, keep=False), new)
        for segment in segments:
            shutil.rmtree(segment.folder, ignore_errors=True)
        progress.end()
        return Merged(len(segments), len(made), len(living.ids), known - len(living.ids), batch)


def _living(segments: Sequence[Segment]) -> tuple[int, _Living]:
    """Return how many contents there are, and those that live."""
    every = np.concatenate([np.empty(0, "S20"), *(one.content_ids for one in segments)])
    ids = np.unique(every)
    superseded = np.concatenate([np.empty(0, np.int64), *(one.superseded for one in segments)])
    lives = np.zeros(len(ids), bool)
    text, facts = np.full((2, len(ids)), -1), np.full((2, len(ids)), -1)
    sizes = np.zeros(len(ids), np.int64)
    for number, segment in enumerate(segments):
        rows = segment.find(ids)
        at = np.flatnonzero(rows >= 0)
        here = rows[at]
        alive = segment.living(here)
        lives[at] |= alive
        facts[:, at[alive]] = np.stack([np.full(int(alive.sum()), number), here[alive]])
        has = (segment.num_bytes[here] >= 0) & ~np.isin(here | segment.number << 32, superseded)
        text[:, at[has]] = np.stack([np.full(int(has.sum()), number), here[has]])
        sizes[at[has]] = segment.num_bytes[here[has]]
    return len(ids), _Living(ids[lives], text[:, lives], facts[:, lives], sizes[lives])


def _cuts(sizes: Ints, segment_bytes: int) -> list[tuple[int, int]]:
    """Cut contents into segments of at least so many bytes of text."""
    ends = np.cumsum(sizes)
    cuts, first = [], 0
    while first < len(sizes):
        done = int(ends[first - 1]) if first else 0
        last = min(len(sizes), int(np.searchsorted(ends, done + segment_bytes)) + 1)
        cuts.append((first, last))
        first = last
    return cuts


def _contents(segments: Sequence[Segment], living: _Living, first: int, last: int) -> Contents:
    ids, text, facts = living.ids[first:last], living.text[:, first:last], living.facts[:, first:last]
    sizes = living.sizes[first:last]
    places = _places(segments, ids)
    owners = places["document"].to_numpy()
    own = np.flatnonzero(places["relation"].chunk(0).indices.to_numpy() != tables.NEAR)
    releases = np.zeros(len(ids), np.uint64)
    np.bitwise_or.at(releases, owners[own], places["releases"].to_numpy()[own])
    columns = {name: _column(segments, name, facts) for name in ("sha256", "language", "license")}
    columns["text_sha256"] = _column(segments, "text_sha256", text)
    columns |= {
        "content_id": tables.raw_column(ids, 20), "num_bytes": pa.array(sizes.astype(np.int32)),
        "releases": pa.array(releases),
    }  # fmt: skip
    return Contents(columns, places, sizes, _reader(segments, text, sizes), np.empty(0, np.int64))


def _column(segments: Sequence[Segment], name: str, at: Ints) -> pa.Array:
    """Return a column of documents, each of its (segment, row): at int64[2, D]."""
    parts = [pa.array([], tables.DOCUMENTS.field(name).type)]
    back = np.empty(at.shape[1], np.int64)
    done = 0
    for number in np.unique(at[0]).tolist():
        rows = np.flatnonzero(at[0] == number)
        parts.append(segments[number].documents[name].take(pa.array(at[1, rows])))
        back[rows] = done + np.arange(len(rows))
        done += len(rows)
    if pa.types.is_dictionary(parts[0].type):
        parts = [pc.cast(one, pa.string()) for one in parts]
    return pa.concat_arrays(parts).take(pa.array(back))


def _places(segments: Sequence[Segment], ids: npt.NDArray[np.bytes_]) -> pa.Table:
    """Return the places that are left of contents, by (document, own or near, newest segment, rank), each once."""
    found = [tables.PLACES.empty_table()]
    for segment in reversed(segments):
        rows = segment.find(ids)
        owner = np.full(len(segment), -1)
        owner[rows[rows >= 0]] = np.flatnonzero(rows >= 0)
        document = owner[segment.places["document"].to_numpy()]
        chosen = np.flatnonzero((document >= 0) & segment.shown(0, segment.places.num_rows))
        table = pa.Table.from_batches([segment.places]).take(pa.array(chosen))
        found.append(table.set_column(0, "document", pa.array(document[chosen].astype(np.uint32))))
    rows = pa.concat_tables([_plain(one) for one in found]).combine_chunks()
    is_near = pc.equal(rows["relation"], "near")
    rows = rows.append_column("is_near", is_near).append_column("at", pa.array(np.arange(rows.num_rows)))
    kept = _distinct(rows)
    order = np.lexsort((kept["at"].to_numpy(), kept["is_near"].to_numpy(), kept["document"].to_numpy()))
    return _ranked(kept.take(pa.array(order)))


def _plain(places: pa.Table) -> pa.Table:
    """Return places with names spelled out, so that tables of several segments can be joined."""
    fields = [
        pa.field(one.name, pa.string() if pa.types.is_dictionary(one.type) else one.type) for one in places.schema
    ]
    return places.cast(pa.schema(fields))


def _distinct(rows: pa.Table) -> pa.Table:
    """Return the first of equal places, held by the releases of all. A release is in one segment only, so masks add up."""
    keys = [*_KEY, "is_near"]
    sums = rows.group_by(keys).aggregate([("at", "min"), ("releases", "sum")])
    order = pc.sort_indices(sums["at_min"])
    first = rows.take(sums["at_min"].take(order))
    at = rows.schema.get_field_index("releases")
    return first.set_column(at, "releases", sums["releases_sum"].take(order).cast(pa.uint64()))


def _ranked(rows: pa.Table) -> pa.Table:
    """Return places as a table of PLACES; the first own place of a document is the displayed one."""
    owners, is_near = rows["document"].to_numpy(), rows["is_near"].to_numpy()
    is_first = np.ones(len(owners), bool)
    is_first[1:] = owners[1:] != owners[:-1]
    codes = np.where(is_near, tables.NEAR, np.where(is_first, tables.SELF, tables.EXACT)).astype(np.int8)
    columns = {name: rows[name] for name in tables.PLACES.names if name != "relation"}
    return tables.places_table(columns | {"relation": tables.relation_column(codes)})


def _reader(segments: Sequence[Segment], at: Ints, sizes: Ints) -> Reader:
    """Return what gives the texts of documents out of the segments that hold them."""

    def read(first: int, last: int) -> tuple[Bytes, Ints]:
        bounds = np.concatenate([[0], np.cumsum(sizes[first:last])])
        data = np.empty(bounds[-1], np.uint8)
        for number in np.unique(at[0, first:last]).tolist():
            rows = np.flatnonzero(at[0, first:last] == number)
            texts, begins = segments[number].texts.read(at[1, first:last][rows])
            for row, start, end in zip(rows.tolist(), begins[:-1].tolist(), begins[1:].tolist(), strict=True):
                data[bounds[row] : bounds[row + 1]] = texts[start:end]
        return data, bounds

    return read
