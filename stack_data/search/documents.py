"""The tables of a segment: one row per content, its places, and its repositories. Schemas, and how they are made.

documents.arrow     by content_id; `place_begin` is the row of places.arrow where its places begin, up to the next row's
places.arrow        by (document, rank); `releases` is a mask: bit r is the r-th release of the index
repositories.arrow  by `key`, which is how names are compared; `begin` and `num_places` are a run of repository_places.u32,
                    which holds rows of places.arrow, ascending
hashes.order        uint32: rows of documents.arrow by sha256, then by text_sha256, then rows of places.arrow of near duplicates by
                    content_id; by the first eight bytes, equal ones by row

All Arrow files are of one IPC batch, not compressed, so that a reader maps them. `num_bytes` is -1 where a content's text lies in another
segment and this row only adds places. Repositories have no aliases: a release does not state them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data.identity import fold_name

DOCUMENTS_FILE, PLACES_FILE, REPOSITORIES_FILE = "documents.arrow", "places.arrow", "repositories.arrow"
REPOSITORY_PLACES_FILE = "repository_places.u32"
HASHES_FILE = "hashes.order"
RELATIONS = ("self", "exact", "near")
SELF, EXACT, NEAR = range(3)
"""Codes of the column `relation`: its dictionary is always RELATIONS."""
_NAMES = pa.dictionary(pa.int32(), pa.string())

DOCUMENTS = pa.schema(
    [
        pa.field("content_id", pa.binary(20)),
        pa.field("sha256", pa.binary(32)),
        pa.field("text_sha256", pa.binary(32)),
        pa.field("language", _NAMES),
        pa.field("license", _NAMES),
        pa.field("num_bytes", pa.int32()),
        pa.field("releases", pa.uint64()),
        pa.field("place_begin", pa.uint32()),
        pa.field("num_lexemes", pa.int32()),
        pa.field("num_code_tokens", pa.int32()),
    ]
)

PLACES = pa.schema(
    [
        pa.field("document", pa.uint32()),
        pa.field("releases", pa.uint64()),
        pa.field("relation", pa.dictionary(pa.int8(), pa.string())),
        # Its own: of a near duplicate another than the document's.
        pa.field("content_id", pa.binary(20)),
        pa.field("host", _NAMES),
        pa.field("owner", _NAMES),
        pa.field("repo", _NAMES),
        pa.field("owner_id", pa.int64()),
        pa.field("repo_id", pa.int64()),
        pa.field("revision", pa.string()),
        pa.field("path", pa.string()),
        pa.field("language", _NAMES),
        pa.field("license", _NAMES),
    ]
)

REPOSITORIES = pa.schema(
    [
        pa.field("key", pa.string()),
        pa.field("host", pa.string()),
        pa.field("owner", pa.string()),
        pa.field("repo", pa.string()),
        pa.field("owner_id", pa.int64()),
        pa.field("repo_id", pa.int64()),
        pa.field("num_places", pa.uint32()),
        pa.field("begin", pa.uint32()),
    ]
)


def repository_key(host: str, owner: str, repo: str) -> str:
    """Return the name by which a repository or package is found: folded host/owner/repo.

    The Python registry takes runs of - _ . for one another.
    """
    host, owner, repo = (fold_name(one) for one in (host, owner, repo))
    return f"{host}/{owner}/{re.sub('[-_.]+', '-', repo) if host == 'pypi' else repo}"


def raw_column(ids: npt.NDArray[Any], width: int) -> pa.Array:
    """Return raw ids (any array of N * width bytes) as fixed_size_binary(width)[N]."""
    raw = np.ascontiguousarray(ids).view(np.uint8).reshape(-1)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(raw) // width, [None, pa.py_buffer(raw)])


def fixed(column: pa.Array) -> npt.NDArray[np.bytes_]:
    """Return a column of fixed_size_binary(w) as bytes_w[N], nothing copied."""
    width = column.type.byte_width
    return np.frombuffer(column.buffers()[1], f"S{width}")[column.offset : column.offset + len(column)]


def numbers(column: pa.Array) -> npt.NDArray[Any]:
    """Return a column of numbers without nulls as an array, nothing copied; pyarrow's own way would import pandas first."""
    kind = np.dtype(str(column.type))
    return (
        np.frombuffer(column.buffers()[1], kind)[column.offset : column.offset + len(column)]
        if len(column)
        else np.empty(0, kind)
    )


def row_column(rows: npt.NDArray[Any]) -> pa.Array:
    """Return rows as the column that `take` wants, without importing pandas either."""
    return pa.Int64Array.from_buffers(pa.int64(), len(rows), [None, pa.py_buffer(np.ascontiguousarray(rows, np.int64))])


def relation_column(codes: npt.NDArray[np.int8]) -> pa.Array:
    """Return codes of relations as the column of PLACES."""
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int8()), pa.array(RELATIONS))


def places_table(columns: dict[str, Any]) -> pa.Table:
    """Return columns as a table of PLACES, in one chunk; names may be plain strings."""
    return _table(columns, PLACES)


def documents_table(columns: dict[str, Any]) -> pa.Table:
    """Return columns as a table of DOCUMENTS, in one chunk."""
    return _table(columns, DOCUMENTS)


def _table(columns: dict[str, Any], schema: pa.Schema) -> pa.Table:
    made = {}
    for field in schema:
        column = columns[field.name]
        column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else pa.array(column)
        if pa.types.is_dictionary(field.type) and field.type == _NAMES:
            # Dictionaries hold their own values only, in order of appearance: equal rows give equal bytes.
            column = (pc.cast(column, pa.string()) if pa.types.is_dictionary(column.type) else column).fill_null("")
            column = column.dictionary_encode()
        made[field.name] = column.cast(field.type)
    return pa.table(made, schema=schema)


def repositories_of(places: pa.Table) -> tuple[pa.Table, npt.NDArray[np.uint32]]:
    """Return the repositories of places (a table of PLACES in one chunk), and the place rows of each, one after the other."""
    columns = {name: places[name].chunk(0) if places.num_rows else places[name].combine_chunks() for name in ("host", "owner", "repo")}  # fmt: skip
    codes = np.stack([one.indices.to_numpy(zero_copy_only=False).astype(np.int64) for one in columns.values()])
    distinct, first, of_place = np.unique(codes, axis=1, return_index=True, return_inverse=True)
    names = [[columns[name].dictionary[code].as_py() for code in row] for name, row in zip(columns, distinct.tolist(), strict=True)]  # fmt: skip
    keys = np.array([repository_key(*one) for one in zip(*names, strict=True)], object)
    # Names that fold to one key are one repository, shown as it is first spelled.
    order = np.lexsort((first, keys)) if len(keys) else np.empty(0, np.int64)
    is_first = np.ones(len(keys), bool)
    is_first[1:] = keys[order][1:] != keys[order][:-1]
    number = np.empty(len(keys), np.int64)
    number[order] = np.cumsum(is_first) - 1
    rows = number[of_place.ravel()]
    counts = np.bincount(rows, minlength=int(is_first.sum()))
    shown = pa.array(first[order][is_first])
    table = pa.table(
        {
            "key": pa.array(keys[order][is_first].tolist(), pa.string()),
            **{name: pc.cast(columns[name].take(shown), pa.string()) for name in columns},
            "owner_id": places["owner_id"].take(shown), "repo_id": places["repo_id"].take(shown),
            "num_places": counts.astype(np.uint32), "begin": (np.cumsum(counts) - counts).astype(np.uint32),
        },
        schema=REPOSITORIES,
    )  # fmt: skip
    return table, np.argsort(rows, kind="stable").astype(np.uint32)


def hash_order(documents: pa.Table, places: pa.Table) -> npt.NDArray[np.uint32]:
    """Return what hashes.order holds of a segment's tables: uint32[2 D + N], N being its places of near duplicates."""
    near = np.flatnonzero(_only(places, "relation").indices.to_numpy() == NEAR)
    ids = leading(_only(places, "content_id"))[near]
    orders = [np.argsort(leading(_only(documents, name)), kind="stable") for name in ("sha256", "text_sha256")]
    return np.concatenate([*orders, near[np.argsort(ids, kind="stable")]]).astype(np.uint32)


def _only(table: pa.Table, name: str) -> Any:
    column = table[name].combine_chunks()
    return column.chunk(0) if isinstance(column, pa.ChunkedArray) else column


def leading(column: pa.Array) -> npt.NDArray[np.uint64]:
    """Return the first eight bytes of ids or hashes as numbers that ascend as they do: uint64[N]."""
    raw = fixed(column).view(np.uint8).reshape(len(column), column.type.byte_width)
    return np.ascontiguousarray(raw[:, :8]).view(">u8")[:, 0].astype(np.uint64)


def write_batch(path: Path, table: pa.Table) -> None:
    """Write a table as an Arrow IPC file of one batch."""
    batches = table.combine_chunks().to_batches()
    batch = batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_batch(batch)
