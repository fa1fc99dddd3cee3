"""What leaves token shards: the places that suppression lists and removal lists name, and the documents of which no place is left.

`stack_data.optout.resolve` decides on suppression lists, with what shards know: names, the host's numbers, paths, contents and near
duplicates. They do not know who wrote a file nor which copy is the oldest, so e-mail entries, and a spread that nobody has granted, are
the builder's to resolve: its removal lists name what they reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from model.shards.tables import raw_ids
from stack_data.id_columns import hex_column
from stack_data.optout import Places, resolve
from stack_data.optout.lists import SuppressionList
from stack_data.place_ids import is_named
from stack_data.release.removal import Removal

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
_REPOSITORY = ("host", "owner", "repo", "owner_id", "repo_id")


@dataclass(frozen=True, slots=True)
class Leaving:
    """places: bool[P], rows of places.arrow that go; documents: int64[G], documents that go altogether, ascending."""

    places: Bools
    documents: Ints


def leaving(
    documents: pa.Table, places: pa.Table, is_dropped: Bools, lists: Sequence[SuppressionList], removals: Sequence[Removal]
) -> Leaving:  # fmt: skip
    """Say what goes. Raises nothing for what the shards do not hold."""
    goes = np.zeros(places.num_rows, bool)
    if not places.num_rows:
        return Leaving(goes, np.empty(0, np.int64))
    if lists:
        goes |= _suppressed(documents, places, lists)
    for removal in removals:
        goes |= _removed(documents, places, removal)
    owner = places["document"].to_numpy().astype(np.int64)
    is_own = ~_is_near(places)
    touched, left = np.zeros((2, documents.num_rows), bool)
    touched[owner[goes]] = True
    left[owner[is_own & ~goes]] = True
    gone = np.flatnonzero(touched & ~left & ~is_dropped)
    # The near duplicates that were dropped beside a document go with it.
    return Leaving(goes | np.isin(owner, gone), gone)


def _is_near(places: pa.Table) -> Bools:
    return np.asarray(pc.equal(places["relation"].cast(pa.string()), "near").to_numpy(), bool)


def _suppressed(documents: pa.Table, places: pa.Table, lists: Sequence[SuppressionList]) -> Bools:
    """Return which places suppression lists take out, of effect `remove`: bool[P]."""
    known = [replace(one, entries=tuple(entry for entry in one.entries if entry.kind != "email")) for one in lists]
    first, of_row = _distinct(places)
    repositories = places.select(_REPOSITORY).take(pa.array(first))
    repositories = pa.table({name: _plain(repositories[name]) for name in _REPOSITORY})
    asked = Places(
        _hex(places["content_id"]),
        of_row,
        _one(places["path"]),
        None,
        _one(places["is_copy"]).to_numpy(zero_copy_only=False),
    )
    return np.asarray(resolve([asked], repositories, known, near=_near(documents, places)).rows[0], bool)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def _one(column: pa.ChunkedArray) -> pa.Array:
    joined = column.combine_chunks()
    return joined.chunk(0) if isinstance(joined, pa.ChunkedArray) else joined


def _hex(column: pa.ChunkedArray) -> pa.Array:
    return hex_column(_one(column))


def _distinct(places: pa.Table) -> tuple[Ints, Ints]:
    """Return the first row of each distinct repository, and the repository of each row: int64[R], int64[P]."""
    of_row, first = np.zeros(places.num_rows, np.int64), np.zeros(1, np.int64)
    for name in _REPOSITORY:
        column = _one(places[name])
        coded = column if isinstance(column, pa.DictionaryArray) else column.dictionary_encode()
        code = coded.indices.fill_null(-1).to_numpy().astype(np.int64) + 1
        _, first, of_row = np.unique(of_row * (int(code.max()) + 1) + code, return_index=True, return_inverse=True)
    return first, of_row


def _near(documents: pa.Table, places: pa.Table) -> pa.Table:
    """Return pairs of near duplicates: the contents of documents, and of the places that were dropped beside them."""
    rows = pa.array(np.flatnonzero(_is_near(places)))
    owner = places["document"].take(rows)
    columns = {"first_id": documents["content_id"].take(owner), "second_id": places["content_id"].take(rows)}
    return pa.table({name: pa.chunked_array([_hex(one)], pa.string()) for name, one in columns.items()})


def _removed(documents: pa.Table, places: pa.Table, removal: Removal) -> Bools:
    """Return which places a removal list takes out: those of its contents, and the very places it names: bool[P]."""
    goes = np.zeros(places.num_rows, bool)
    if len(removal.contents):
        wanted = np.array([bytes.fromhex(one) for one in removal.contents.to_pylist()], "S20")
        of_document = np.isin(_raw(documents["content_id"]), wanted)
        goes |= of_document[places["document"].to_numpy()] | np.isin(_raw(places["content_id"]), wanted)
    if len(removal.places):
        goes |= is_named(places, removal.places)
    return goes


def _raw(column: pa.ChunkedArray) -> npt.NDArray[np.bytes_]:
    return np.ascontiguousarray(raw_ids(column)).view("S20").ravel()
