"""The second pass of an export: the rows of one output file, gathered from the spill files, rendered and written lot by lot."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stack_data import storage
from stack_data.chunks import Chunks
from stack_data.contents import chunk_of
from stack_data.export.layout import Layout, lay_out
from stack_data.export.options import FORMATS, Options
from stack_data.export.prepare import PREPARED
from stack_data.formats.documents import Files

_STRINGS = pa.list_(pa.string())

FILE_ROWS = pa.schema(
    [
        pa.field("text", pa.large_string()),
        pa.field("content_ids", _STRINGS),
        pa.field("kind", pa.string()),
        pa.field("repo_name", pa.string()),
        pa.field("host", pa.string()),
        pa.field("path", pa.string()),
        pa.field("language", pa.string()),
        pa.field("detected_licenses", _STRINGS),
        pa.field("star_events_count", pa.int64()),
        # Byte of `text` (UTF-8) at which the file's own text begins, and its length.
        pa.field("start", pa.int64()),
        pa.field("length_bytes", pa.int64()),
    ]
)

FILE = pa.struct(
    [
        pa.field("content_id", pa.string()),
        pa.field("path", pa.string()),
        pa.field("language", pa.string()),
        pa.field("start", pa.int64()),
        pa.field("length_bytes", pa.int64()),
    ]
)
"""A file in a document. start: byte of `text` (UTF-8) at which its own text begins."""

REPOSITORY_ROWS = pa.schema(
    [
        pa.field("text", pa.large_string()),
        pa.field("content_ids", _STRINGS),
        pa.field("kind", pa.string()),
        pa.field("repo_name", pa.string()),
        pa.field("host", pa.string()),
        # A repository of more than max_bytes has several rows: which of them this is, from 0, and how many there are.
        pa.field("part", pa.int32()),
        pa.field("num_parts", pa.int32()),
        pa.field("num_files", pa.int32()),
        pa.field("length_bytes", pa.int64()),
        pa.field(
            "languages", pa.list_(pa.struct([pa.field("language", pa.string()), pa.field("num_files", pa.int64())]))
        ),
        pa.field("detected_licenses", _STRINGS),
        pa.field("files", pa.list_(FILE)),
    ]
)


@dataclass(frozen=True, slots=True)
class Spilled:
    """Where rows for one output lie: spill file and number of the batch."""

    path: Path
    batch: int


def write_output(
    path: Path, spilled: Sequence[Spilled], options: Options, plan: dict[str, str], advance: Callable[[int, int], None]
) -> None:
    """Write one output file. plan: metadata by which a later run knows it; advance: told of outputs and bytes of text."""
    batches = []
    for spill_file, places in itertools.groupby(spilled, lambda one: one.path):
        with pa.memory_map(str(spill_file)) as source:
            opened = pa.ipc.open_file(source)
            batches += [opened.get_batch(one.batch) for one in places]
    table = pa.Table.from_batches(batches, PREPARED)
    rows, texts = table.drop_columns("text"), Chunks(table["text"].chunks, pa.large_string())
    sizes = _sizes(table["text"])
    layout = lay_out(rows, sizes, texts, options, lambda num_bytes: advance(0, num_bytes))
    schema = FILE_ROWS if options.rows == "files" else REPOSITORY_ROWS
    with storage.replacing(path) as temporary:
        writer = pq.ParquetWriter(
            temporary, schema.with_metadata(plan), compression="zstd", compression_level=3, write_statistics=False,
            use_dictionary=[name for name in schema.names if name not in ("text", "content_ids")],
        )  # fmt: skip
        with writer:
            for begin, end in layout.lots(sizes):
                made = _rows(rows, texts, layout, begin, end, options).cast(schema)
                # One combined table for each row group: other chunkings give other bytes.
                writer.write_table(made.combine_chunks(), row_group_size=max(made.num_rows, 1))
                advance(0, int(pc.sum(made["length_bytes"]).as_py()))
    advance(1, 0)


def _sizes(texts: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    return np.concatenate([np.empty(0, np.int64), *(pc.binary_length(one).to_numpy() for one in texts.chunks)])


def _rows(rows: pa.Table, texts: Chunks, layout: Layout, begin: int, end: int, options: Options) -> pa.Table:
    """Return the rows of the documents begin to end."""
    starts = layout.starts[begin : end + 1]
    chosen = layout.order[starts[0] : starts[-1]]
    taken = rows.take(pa.array(chosen))
    # A package that has no owner is `-/name` in columns, and its name in documents.
    names = pc.replace_substring_regex(chunk_of(taken["repo_name"]), "^-/", "")
    files = Files(
        texts.take(chosen), chunk_of(taken["path"]), names, chunk_of(taken["star_events_count"]),
        taken["whole"].to_numpy(), taken["key"].to_numpy(), starts - starts[0],
    )  # fmt: skip
    documents = FORMATS[options.format].render(files)
    lengths = pc.binary_length(files.texts)
    shared = {
        "text": documents.texts,
        "content_ids": _lists(files.starts, chunk_of(taken["content_id"])),
    }
    if options.rows == "files":
        same = ("kind", "repo_name", "host", "path", "language", "detected_licenses", "star_events_count")
        columns = {
            **shared,
            **{name: taken[name] for name in same},
            "start": pa.array(documents.at),
            "length_bytes": lengths,
        }
        return pa.table([columns[name] for name in FILE_ROWS.names], names=FILE_ROWS.names)
    return _repository_rows(shared, taken, files, documents.at, layout.part[begin:end], layout.num_parts[begin:end])


def _repository_rows(
    shared: dict[str, pa.Array], taken: pa.Table, files: Files, at: npt.NDArray[np.int64], part: npt.NDArray[np.int32],
    num_parts: npt.NDArray[np.int32],
) -> pa.Table:  # fmt: skip
    firsts, lengths = pa.array(files.starts[:-1]), pc.binary_length(files.texts)
    document = np.repeat(np.arange(len(firsts)), np.diff(files.starts))
    of_files = pa.StructArray.from_arrays(
        [
            chunk_of(taken["content_id"]),
            files.paths,
            chunk_of(taken["language"]),
            pa.array(at),
            lengths.cast(pa.int64()),
        ],
        fields=list(FILE),
    )
    kinds = chunk_of(taken["kind"].take(firsts))
    columns = {
        **shared, "kind": pc.if_else(taken["whole"].take(firsts), kinds, "repository"),
        "repo_name": taken["repo_name"].take(firsts), "host": taken["host"].take(firsts),
        "part": pa.array(part), "num_parts": pa.array(num_parts), "num_files": pa.array(np.diff(files.starts).astype(np.int32)),
        "length_bytes": pa.array(np.add.reduceat(lengths.to_numpy().astype(np.int64), files.starts[:-1])),
        "languages": _language_counts(document, taken["language"], len(firsts)),
        "detected_licenses": _distinct_licenses(document, chunk_of(taken["detected_licenses"]), len(firsts)),
        "files": _lists(files.starts, of_files),
    }  # fmt: skip
    return pa.table([columns[name] for name in REPOSITORY_ROWS.names], names=REPOSITORY_ROWS.names)


def _lists(starts: npt.NDArray[np.int64], values: pa.Array) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(starts.astype(np.int32)), values)


def _language_counts(document: npt.NDArray[np.int64], languages: pa.ChunkedArray, count: int) -> pa.Array:
    """Return the languages of each document with their numbers of files, in order of their names."""
    table = pa.table({"document": pa.array(document), "language": languages})
    counted = table.group_by(["document", "language"]).aggregate([([], "count_all")])
    counted = counted.sort_by([("document", "ascending"), ("language", "ascending")])
    values = pa.StructArray.from_arrays(
        [chunk_of(counted["language"]), chunk_of(counted["count_all"])],
        fields=list(REPOSITORY_ROWS.field("languages").type.value_type),
    )
    return _lists(np.searchsorted(counted["document"].to_numpy(), np.arange(count + 1)), values)


def _distinct_licenses(document: npt.NDArray[np.int64], licenses: pa.ListArray, count: int) -> pa.Array:
    """Return the licence ids of each document's files, each once, in order."""
    of = pa.array(document).take(pc.list_parent_indices(licenses))
    table = pa.table({"document": of, "license": pc.list_flatten(licenses)})
    distinct = table.group_by(["document", "license"]).aggregate([])
    distinct = distinct.sort_by([("document", "ascending"), ("license", "ascending")])
    return _lists(np.searchsorted(distinct["document"].to_numpy(), np.arange(count + 1)), chunk_of(distinct["license"]))
