"""The tables of a folder of shards as Arrow schemas, the names of its files, and how a table is written there.

documents.arrow has one row a document, whose number is its row and never changes. places.arrow says where documents, and the near
duplicates that were dropped beside them, were found: it is what opt-outs are resolved against. Both are mapped, never loaded whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from stack_data import storage
from stack_data.errors import InputError

DOCUMENTS_FILE, PLACES_FILE, DROPPED_FILE, MANIFEST = "documents.arrow", "places.arrow", "dropped.u8", "manifest.json"
TOKENIZER, DROPS, PARTS = "tokenizer", "drops", "parts"
"""Folders: a copy of the tokenizer; what was dropped; what a build that is not finished has done."""

RULE_VERSION = 2
"""Of what is in a folder of shards. Folders of another one are refused."""

_NAME = pa.dictionary(pa.int32(), pa.string())

DOCUMENTS = pa.schema(
    [
        pa.field("content_id", pa.binary(20)),
        # The file of tokens, where the document begins in it (in tokens), and how many there are; drops change none of it.
        pa.field("file", pa.uint16()),
        pa.field("offset", pa.uint64()),
        pa.field("num_tokens", pa.uint32()),
        pa.field("num_bytes", pa.uint32()),
        pa.field("language", _NAME),
        # file, commit or notebook: which kind of document the text was made as.
        pa.field("kind", _NAME),
        # Number of the release in the manifest's list.
        pa.field("release", pa.uint16()),
        pa.field("split", _NAME),
        # The displayed place; "" where nothing may be said any more.
        pa.field("host", pa.large_string()),
        pa.field("repo_name", pa.large_string()),
        pa.field("path", pa.large_string()),
        # The repository that was displayed when the shards were made, by number from 1; 0: none was. It is never changed, so that
        # files stay beside each other in rows whatever leaves, and names nobody.
        pa.field("repository", pa.uint32()),
    ]
)

PLACES = pa.schema(
    [
        pa.field("document", pa.uint32()),
        # The document's own id, or that of the near duplicate that stands there.
        pa.field("content_id", pa.binary(20)),
        pa.field("relation", _NAME),
        pa.field("host", _NAME),
        pa.field("owner", _NAME),
        pa.field("repo", _NAME),
        pa.field("owner_id", pa.int64()),
        pa.field("repo_id", pa.int64()),
        pa.field("path", pa.large_string()),
        pa.field("is_copy", pa.bool_()),
    ]
)
"""By document, the displayed place first, near duplicates last. is_copy: vendored or generated there."""


def tokens_file(number: int) -> str:
    """Return the name of a file of tokens."""
    return f"tokens-{number:05d}.bin"


def write_table(path: Path, table: pa.Table, schema: pa.Schema, metadata: Mapping[str, str] | None = None) -> None:
    """Write a table as one batch, atomically; equal rows give equal bytes. StorageError when the disk refuses."""
    columns = [_own(table[field.name], field.type) for field in schema]
    made = schema.with_metadata(dict(metadata) if metadata else None)
    with storage.replacing(path) as temporary:
        batch = pa.RecordBatch.from_arrays(columns, schema=made)
        with pa.OSFile(str(temporary), "wb") as file, pa.ipc.new_file(file, made) as writer:
            writer.write_batch(batch)


def _own(column: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    """Return a column as one array of a type; a dictionary holds its own values only, in order of appearance."""
    if not pa.types.is_dictionary(kind):
        return _joined(column.cast(kind))
    plain = _joined(column.cast(kind.value_type))
    return plain.dictionary_encode().cast(kind)


def _joined(column: pa.ChunkedArray) -> pa.Array:
    joined = column.combine_chunks()
    return pa.concat_arrays(joined.chunks) if isinstance(joined, pa.ChunkedArray) else joined


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """Return a table that was written with `write_table`, mapped; InputError when it is missing or damaged."""
    try:
        with pa.memory_map(str(path)) as file:
            table = pa.ipc.open_file(file).read_all()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} is damaged: {storage.first_line(error)}") from error
    if not table.schema.equals(schema):
        raise InputError(f"{path} is damaged: its columns are not those of this version")
    return table


def raw_ids(column: pa.ChunkedArray) -> Any:
    """Return a column of fixed-size ids as bytes, without copying where it is one chunk: uint8[N, width]."""
    import numpy as np

    width = column.type.byte_width
    chunks = [
        np.frombuffer(one.buffers()[1], np.uint8)[one.offset * width : (one.offset + len(one)) * width]
        for one in column.chunks
        if len(one)
    ]
    joined = chunks[0] if len(chunks) == 1 else np.concatenate([np.empty(0, np.uint8), *chunks])
    return joined.reshape(-1, width)
