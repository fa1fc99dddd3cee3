"""One file of a release becomes one file of tokens: texts are encoded row group by row group, on threads, and written in order.

Writes tokens-NNNNN.bin and, when that is on the disk, parts/NNNNN.places.arrow and parts/NNNNN.documents.arrow, whose metadata hold the
digest of the plan and the SHA-256 of the tokens: a part that has them is done and is not made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from model.shards.sources import Part
from model.shards.tables import DOCUMENTS, PARTS, PLACES, tokens_file, write_table
from model.tokenizer.code_tokenizer import CodeTokenizer, Ints, Tokens
from stack_data import storage
from stack_data.errors import InputError
from stack_data.id_columns import id_bytes
from stack_data.near.shingles import text_bytes
from stack_data.progress import Progress
from stack_data.search.released import Shard, check_shard, groups_of
from stack_data.search.segment_writer import in_order

Held = npt.NDArray[np.bytes_]
DATA_COLUMNS = ["content_id", "content", "language", "conversion", "host", "repo_name", "path"]
PLACE_COLUMNS = [
    "released_content_id", "content_id", "relation", "host", "owner", "repo", "owner_id", "repo_id", "path", "is_vendor", "is_generated",
]  # fmt: skip
_KINDS = {"": "file", "commit": "commit", "notebook": "notebook"}


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes parts. held: ids of contents that earlier releases hold, per release; digest: of the plan; window: texts on their way."""

    folder: Path
    tokenizer: CodeTokenizer
    digest: str
    held: tuple[Held, ...]
    pool: ThreadPoolExecutor
    ahead: int
    progress: Progress

    def make(self, part: Part) -> None:
        """Write the files of a part; InputError when the release's are damaged, StorageError when the disk refuses."""
        check_shard(part.shard)
        rows: list[pa.Table] = []
        digest, begin = hashlib.sha256(), 0
        with storage.replacing(self.folder / tokens_file(part.number)) as temporary, temporary.open("wb") as file:
            for tokens, bounds, data in in_order(self.pool, self._encoded, self._groups(part), self.ahead):
                raw = np.ascontiguousarray(tokens, tokens.dtype.newbyteorder("<")).data
                file.write(raw)
                digest.update(raw)
                rows.append(_document_rows(part, data, bounds + begin))
                begin += len(tokens)
                self.progress.advance(data.num_rows, int(pc.sum(rows[-1]["num_bytes"]).as_py() or 0))
        documents = pa.concat_tables([DOCUMENTS.empty_table(), *rows])
        write_table(places_path(self.folder, part.number), _place_rows(part, documents), PLACES)
        said = {"plan": self.digest, "sha256": digest.hexdigest()}
        write_table(documents_path(self.folder, part.number), documents, DOCUMENTS, said)

    def _groups(self, part: Part) -> Iterator[tuple[Part, int]]:
        yield from ((part, group) for group in groups_of(part.shard))

    def _encoded(self, item: tuple[Part, int]) -> tuple[Tokens, Ints, pa.Table]:
        """Return the tokens of a row group, where those of each document begin, and what is said of them."""
        part, group = item
        data = _read(part.shard, group)
        if len(self.held[part.release]):
            data = data.filter(pa.array(~_isin(id_bytes(data["content_id"]), self.held[part.release]))).combine_chunks()
        texts = data["content"].combine_chunks()
        texts = pa.concat_arrays(texts.chunks) if isinstance(texts, pa.ChunkedArray) else texts
        raw, begins, ends = text_bytes(texts)
        tokens, bounds = self.tokenizer.encode(
            raw, np.concatenate([begins[:1], ends]) if len(ends) else np.zeros(1, np.int64)
        )
        sizes = pa.array((ends - begins).astype(np.uint32))
        return tokens.copy(), bounds, data.drop_columns(["content"]).append_column("num_bytes", sizes)


def documents_path(folder: Path, number: int) -> Path:
    """Return where a part's rows of documents.arrow wait."""
    return folder / PARTS / f"{number:05d}.documents.arrow"


def places_path(folder: Path, number: int) -> Path:
    """Return where a part's rows of places.arrow wait."""
    return folder / PARTS / f"{number:05d}.places.arrow"


def _read(shard: Shard, group: int) -> pa.Table:
    path = shard.folder / "data" / shard.name
    table = storage.read_row_group(path, group, DATA_COLUMNS)
    for name in ("content_id", "content"):
        if table[name].null_count:
            raise InputError(f"{path} is damaged: {name} is null in row group {group}; copy the release again")
    return table


def ids_of(shard: Shard) -> Held:
    """Return the content ids of a file of a release: bytes20[N]."""
    return id_bytes(storage.read_parquet(shard.folder / "data" / shard.name, ["content_id"])["content_id"])


def _isin(ids: Held, ordered: Held) -> npt.NDArray[np.bool_]:
    at = np.minimum(np.searchsorted(ordered, ids), len(ordered) - 1)
    return np.asarray(ordered[at] == ids)


def _document_rows(part: Part, data: pa.Table, bounds: Ints) -> pa.Table:
    count = data.num_rows
    columns: dict[str, Any] = {
        "content_id": _raw_column(data["content_id"]), "file": np.full(count, part.number, np.uint16),
        "offset": bounds[:-1].astype(np.uint64), "num_tokens": np.diff(bounds).astype(np.uint32), "num_bytes": data["num_bytes"],
        "language": data["language"].cast(pa.string()).fill_null(""), "kind": _kinds(data["conversion"]),
        "release": np.full(count, part.release, np.uint16), "split": pa.array([part.split] * count, pa.string()),
        "repository": np.zeros(count, np.uint32),  # numbered when all parts are there
        **{name: data[name].cast(pa.large_string()).fill_null("") for name in ("host", "repo_name", "path")},
    }  # fmt: skip
    return _table(columns, DOCUMENTS)


def _table(columns: dict[str, Any], schema: pa.Schema) -> pa.Table:
    chunks = {
        name: one if isinstance(one, pa.ChunkedArray) else pa.chunked_array([pa.array(one)])
        for name, one in columns.items()
    }
    cast = [
        chunks[field.name].dictionary_encode().cast(field.type)
        if pa.types.is_dictionary(field.type) and not pa.types.is_dictionary(chunks[field.name].type)
        else chunks[field.name].cast(field.type)
        for field in schema
    ]
    return pa.table(cast, schema=schema)


def _raw_column(ids: pa.ChunkedArray) -> pa.Array:
    raw = id_bytes(ids)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(20), len(raw), [None, pa.py_buffer(raw.tobytes())])


def _kinds(conversions: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return what kind of document each conversion makes: its name without the version, a file where there is none."""
    names = pc.replace_substring_regex(conversions.cast(pa.string()).fill_null(""), r"-.*$", "")
    known = {one: _KINDS.get(one, one) for one in names.unique().to_pylist()}
    return pa.chunked_array([pa.array([known[one] for one in names.to_pylist()], pa.string())])


def _place_rows(part: Part, documents: pa.Table) -> pa.Table:
    """Return the places of a part's documents; `document` counts from the part's first."""
    path = part.shard.folder / "provenance" / part.shard.name
    places = storage.read_parquet(path, PLACE_COLUMNS)
    owner = pc.index_in(_raw_column(places["released_content_id"]), documents["content_id"].combine_chunks())
    places, owner = places.filter(owner.is_valid()), owner.drop_null().to_numpy()
    order = np.argsort(owner, kind="stable")
    places = places.take(pa.array(order))
    columns: dict[str, Any] = {
        "document": owner[order].astype(np.uint32), "content_id": _raw_column(places["content_id"]),
        "is_copy": pc.or_(places["is_vendor"].fill_null(False), places["is_generated"].fill_null(False)),
        **{name: places[name] for name in ("relation", "host", "owner", "repo", "owner_id", "repo_id")},
        "path": places["path"].cast(pa.large_string()).fill_null(""),
    }  # fmt: skip
    return _table(columns, PLACES)
