"""From rows of a release to the contents of a segment: ordered by content id, and compared with what the index holds already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data.errors import InputError
from stack_data.id_columns import id_bytes
from stack_data.near.shingles import text_bytes
from stack_data.optout.id_set import raw_ids
from stack_data.search import documents as tables
from stack_data.search.pages import Bytes
from stack_data.search.released import Rows
from stack_data.search.segment import Segment
from stack_data.search.segment_writer import Contents, Ints, Reader

_HASH_DIGITS = 64


def contents_of(held: Sequence[Rows], release: int, old: Sequence[Segment], new: Sequence[Segment]) -> Contents:
    """Return what a segment is made of. release: bit of the masks; old: segments of earlier releases; new: of this one.

    Raises InputError when a content occurs twice in the release, which no release does.
    """
    ids = np.concatenate([id_bytes(one.data["content_id"]) for one in held])
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    if np.any(ordered[1:] == ordered[:-1]) or any((one.find(ordered) >= 0).any() for one in new):
        raise InputError("the release holds a content twice; it is damaged: copy it again")
    data = pa.concat_tables([one.data.drop_columns(["content"]) for one in held]).take(pa.array(order))
    hashes = {name: _hashes(data[name]) for name in ("sha256", "text_sha256")}
    texts = [text_bytes(one.data["content"].chunk(0)) for one in held]
    lengths = np.concatenate([ends - begins for _, begins, ends in texts])[order]
    is_held, superseded = _compared(ordered, hashes["text_sha256"], old)
    sizes = np.where(is_held, 0, lengths)
    columns = {
        "content_id": tables.raw_column(ordered, 20),
        "language": data["language"].combine_chunks(), "license": joined_license(data["detected_licenses"]),
        "num_bytes": pa.array(np.where(is_held, -1, lengths).astype(np.int32)),
        "releases": pa.array(np.full(len(order), 1 << release, np.uint64)),
        **{name: tables.raw_column(column, 32) for name, column in hashes.items()},
    }  # fmt: skip
    return Contents(columns, _places(held, order, release), sizes, _reader(texts, order, sizes), superseded)


def _hashes(column: pa.ChunkedArray) -> npt.NDArray[np.bytes_]:
    return raw_ids(column.combine_chunks(), _HASH_DIGITS).view(f"S{_HASH_DIGITS // 2}").ravel()


def joined_license(ids: pa.ChunkedArray) -> pa.Array:
    """Return lists of SPDX ids as one expression each."""
    column = ids.combine_chunks()
    column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    return pc.binary_join(column, " AND ").fill_null("")


def _compared(
    ids: npt.NDArray[np.bytes_], text_hashes: npt.NDArray[np.bytes_], old: Sequence[Segment]
) -> tuple[npt.NDArray[np.bool_], Ints]:
    """Return which contents' texts the index holds, bool[D], and the documents whose text is another now, ascending."""
    holder, is_same = np.full(len(ids), -1), np.zeros(len(ids), bool)
    for segment in old:
        rows = segment.find(ids)
        at = np.flatnonzero(rows >= 0)
        at = at[segment.num_bytes[rows[at]] >= 0]
        holder[at] = rows[at] | segment.number << 32
        is_same[at] = tables.fixed(segment.documents["text_sha256"])[rows[at]] == text_hashes[at]
    return is_same, np.sort(holder[(holder >= 0) & ~is_same])


def _places(held: Sequence[Rows], order: Ints, release: int) -> pa.Table:
    """Return the places of contents, in their order."""
    first = np.cumsum([0, *(one.data.num_rows for one in held)])
    place_of = np.empty(len(order), np.int64)
    place_of[order] = np.arange(len(order))
    owner = place_of[np.concatenate([one.owner + start for one, start in zip(held, first[:-1], strict=True)])]
    by_document = np.argsort(owner, kind="stable")
    rows = pa.concat_tables([one.places for one in held]).take(pa.array(by_document))
    columns: dict[str, Any] = {
        name: rows[name] for name in ("host", "owner", "repo", "owner_id", "repo_id", "language")
    } | {name: rows[name].fill_null("") for name in ("revision", "path")}
    relation = pc.index_in(rows["relation"].combine_chunks(), pa.array(tables.RELATIONS))
    if relation.null_count:
        raise InputError("the release has places of an unknown relation; this version knows self, exact and near")
    return tables.places_table(
        columns | {
            "document": pa.array(owner[by_document].astype(np.uint32)),
            "releases": pa.array(np.full(len(owner), 1 << release, np.uint64)),
            "relation": tables.relation_column(relation.to_numpy().astype(np.int8)),
            "content_id": tables.raw_column(id_bytes(rows["content_id"]), 20),
            "license": joined_license(rows["detected_licenses"]),
        }
    )  # fmt: skip


def _reader(texts: Sequence[tuple[Bytes, Ints, Ints]], order: Ints, sizes: Ints) -> Reader:
    """Return what gives the texts of documents out of the row groups they came in."""
    counts = np.cumsum([0, *(len(begins) for _, begins, _ in texts)])
    chunk = np.searchsorted(counts, order, side="right") - 1
    begins = np.concatenate([one for _, one, _ in texts])[order]

    def read(first: int, last: int) -> tuple[Bytes, Ints]:
        bounds = np.concatenate([[0], np.cumsum(sizes[first:last])])
        spans = zip(chunk[first:last].tolist(), begins[first:last].tolist(), sizes[first:last].tolist(), strict=True)
        pieces = [texts[number][0][begin : begin + size] for number, begin, size in spans]
        return np.concatenate([np.empty(0, np.uint8), *pieces]), bounds

    return read
