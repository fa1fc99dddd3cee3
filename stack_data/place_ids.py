"""Place ids (identity.place_id) of many places at once, from columns: those of a table, and which rows of it a list of ids names.

A place id cannot be turned back, so whoever follows a removal list hashes every place there is. A hundred thousand distinct repositories
have millions of files: names are folded once each, and the messages are put together and hashed by kernels (sha256_kernels.py), a batch of
rows at a time, so that memory does not grow with the table. A few rows are hashed one by one, which needs no kernels loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data.id_columns import hex_column, id_bytes
from stack_data.identity import fold_name, place_id

_NAMES = ("host", "owner", "repo")
_COLUMNS = ("content_id", *_NAMES, "path")
_FEW, _BATCH = 10_000, 1 << 18
"""Rows below which loading the kernels takes longer than hashing without them; rows that are hashed at a time."""

Ints = npt.NDArray[np.int64]


def place_ids(rows: pa.Table) -> pa.ChunkedArray:
    """Return the place id of each row, string[N].

    rows: columns content_id (raw, or in hex), host, owner, repo (plain, or as a dictionary) and path, without nulls; others are not read.
    """
    return pa.chunked_array([hex_column(one) for one in _digests(rows)], pa.string())


def is_named(rows: pa.Table, ids: pa.Array) -> npt.NDArray[np.bool_]:
    """Return which rows (as of `place_ids`) have one of these place ids (string, in hex): bool[N]. What is no place id names none."""
    wanted = pa.array([bytes.fromhex(one) for one in ids.to_pylist() if len(one) == 64], pa.binary(32))
    found = [pc.is_in(one, wanted).to_numpy(zero_copy_only=False) for one in (_digests(rows) if len(wanted) else ())]
    return np.concatenate(found) if found else np.zeros(rows.num_rows, bool)


def _digests(rows: pa.Table) -> Iterator[pa.FixedSizeBinaryArray]:
    """Yield the place ids of the rows as raw bytes, a batch at a time."""
    chosen, folded = rows.select(_COLUMNS), dict[str, str]()
    for at in range(0, rows.num_rows, _BATCH):
        batch = chosen.slice(at, _BATCH)
        raw = _one_by_one(batch) if rows.num_rows < _FEW else _by_kernels(batch, folded)
        yield pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), batch.num_rows, [None, pa.py_buffer(raw)])


def _one_by_one(rows: pa.Table) -> bytes:
    ids, *others = (rows[name].to_pylist() for name in _COLUMNS)
    named = (one if isinstance(one, str) else one.hex() for one in ids)
    return b"".join(bytes.fromhex(place_id(*one)) for one in zip(named, *others, strict=True))


def _by_kernels(rows: pa.Table, folded: dict[str, str]) -> npt.NDArray[np.uint8]:
    """Return digests uint8[N, 32]; folded: names that were folded before, and gets the new ones."""
    from stack_data.sha256_kernels import place_digests

    paths = rows["path"].cast(pa.large_string()).combine_chunks()
    middles, middle_of = _middles(rows, folded)
    texts = pa.array(middles, pa.large_binary())
    digests = place_digests(_raw(rows["content_id"]), *_text(texts), middle_of, *_text(paths))
    return np.asarray(digests, np.uint8)


def _middles(rows: pa.Table, folded: dict[str, str]) -> tuple[list[bytes], Ints]:
    """Return what stands between id and path in the messages of distinct repositories, and which of them each row has: int64[N]."""
    columns = [_coded(rows[name]) for name in _NAMES]
    joined = np.zeros(rows.num_rows, np.int64)
    for column in columns:
        joined = joined * max(1, len(column.dictionary)) + column.indices.to_numpy()
    distinct = pa.array(joined).dictionary_encode()
    left, names = distinct.dictionary.to_numpy(), list[list[str]]()
    for column in reversed(columns):
        left, codes = np.divmod(left, max(1, len(column.dictionary)))
        names.append(column.dictionary.take(pa.array(codes)).to_pylist())
    for name in {one for column in names for one in column} - folded.keys():
        folded[name] = fold_name(name)
    middles = [
        "\0".join(("", *(folded[name] for name in reversed(one)), "")).encode("utf-8", "surrogateescape")
        for one in zip(*names, strict=True)
    ]
    return middles, distinct.indices.to_numpy().astype(np.int64)


def _coded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    joined = column.unify_dictionaries().combine_chunks()
    return joined.chunk(0) if isinstance(joined, pa.ChunkedArray) else joined


def _raw(ids: pa.ChunkedArray) -> npt.NDArray[np.uint8]:
    """Return content ids, raw or in hex, as uint8[N, 20]."""
    if pa.types.is_fixed_size_binary(ids.type):
        column = ids.combine_chunks()
        return np.frombuffer(column.buffers()[1], np.uint8)[20 * column.offset :][: 20 * len(column)].reshape(-1, 20)
    return id_bytes(ids).view(np.uint8).reshape(-1, 20)


def _text(column: Any) -> tuple[npt.NDArray[np.uint8], Ints]:
    """Return the bytes of a column of large text and where each value begins and ends in them: uint8[B], int64[N + 1]."""
    _, offsets, data = column.buffers()
    bounds = np.frombuffer(offsets, np.int64)[column.offset :][: len(column) + 1]
    return np.frombuffer(data, np.uint8) if data else np.empty(0, np.uint8), bounds
