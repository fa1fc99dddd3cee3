"""The released rows of one part of the build: contents with everything that is said of them, ready for their shards.

Reads a part of files/, the provenance parts of the displayed places, header and licence decisions. One part at a time:
memory is bounded by the part size, not by the corpus.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data import storage
from stack_data.filters.measures import measure
from stack_data.layout import Build
from stack_data.licenses import expressions
from stack_data.licenses.copyrights import copyright_lines
from stack_data.pii.placeholders import Style
from stack_data.redacted import redactions_of
from stack_data.release.tables import DATA, NOTICES
from stack_data.text import TEXT_COLUMNS, is_plain, texts_of


class PlaceReader:
    """Reads columns of provenance and licence decisions by (part, row); keeps the last few parts."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self._parts: dict[str, pa.Table] = {}

    def take(self, parts: pa.DictionaryArray, rows: npt.NDArray[np.int32]) -> pa.Table:
        """Return path, revision, verdict, is_vendor and is_generated of each place, in order."""
        codes = parts.indices.to_numpy(zero_copy_only=False)
        order = np.argsort(codes, kind="stable")
        taken = []
        for code in np.unique(codes).tolist():
            chosen = order[codes[order] == code]
            taken.append(self._part(parts.dictionary[code].as_py()).take(pa.array(rows[chosen])))
        inverse = np.empty(len(order), np.int64)
        inverse[order] = np.arange(len(order))
        return pa.concat_tables(taken).take(pa.array(inverse)) if taken else self._empty()

    def _part(self, part: str) -> pa.Table:
        if part not in self._parts:
            if len(self._parts) >= 4:
                self._parts.pop(next(iter(self._parts)))
            table = storage.read_parquet(self._build.provenance(part), ["path", "revision"])
            verdict = storage.read_parquet(self._build.decisions("license", part), ["verdict"])["verdict"]
            table = table.append_column("verdict", verdict)
            marks = storage.read_parquet(self._build.decisions("language", part), ["is_vendor", "is_generated"])
            for name in marks.column_names:
                table = table.append_column(name, marks[name])
            self._parts[part] = table
        return self._parts[part]

    @staticmethod
    def _empty() -> pa.Table:
        return pa.table(
            {
                "path": pa.array([], pa.string()),
                "revision": pa.array([], pa.string()),
                "verdict": pa.array([], pa.int32()),
                "is_vendor": pa.array([], pa.bool_()),
                "is_generated": pa.array([], pa.bool_()),
            }
        )


def licenses_of(column: pa.ChunkedArray) -> pa.Array:
    """Return the sorted licence ids of each expression: list<string>[N]. Each distinct expression is parsed once."""
    encoded = (
        column.combine_chunks().dictionary_encode() if column.num_chunks != 1 else column.chunk(0).dictionary_encode()
    )
    lists = pa.array([list(expressions.ids(one)) for one in encoded.dictionary.to_pylist()], pa.list_(pa.string()))
    return lists.take(encoded.indices)


def rows_of_part(
    build: Build, part: str, kept: pa.Table, repositories: Sequence[Mapping[str, Any]],
    repository_rows: npt.NDArray[np.int64], placeholders: Style,
) -> Iterator[tuple[npt.NDArray[np.int64], pa.Table, pa.Table]]:  # fmt: skip
    """Yield a part's kept contents a row group at a time: rows of `kept`, data rows, notice rows (with the verdict).

    kept: the part's rows of KEPT; repository_rows: row of `repositories` of each displayed place; placeholders: what stands for
    what is redacted.
    """
    reader, wanted, first = PlaceReader(build), kept["row"].to_numpy(), 0
    redactions = redactions_of(build, part, placeholders)
    for group in storage.read_row_groups(build.files(part), ["sha256", *TEXT_COLUMNS]):
        chosen = np.flatnonzero((wanted >= first) & (wanted < first + group.num_rows))
        if len(chosen):
            files = group.take(pa.array(wanted[chosen] - first)).combine_chunks()
            texts, counts = redactions.apply(texts_of(files), wanted[chosen].astype(np.int64))
            taken = kept.take(pa.array(chosen))
            yield chosen, *_rows_of(reader, files, texts, counts, taken, repositories, repository_rows[chosen])
        first += group.num_rows


def _rows_of(
    reader: PlaceReader, files: pa.Table, texts: pa.LargeStringArray, counts: pa.Array, kept: pa.Table,
    repositories: Sequence[Mapping[str, Any]], repository_rows: npt.NDArray[np.int64],
) -> tuple[pa.Table, pa.Table]:  # fmt: skip
    places = reader.take(kept["place_part"].combine_chunks(), kept["place_row"].to_numpy())
    data = _data_rows(kept, files, texts, counts, places, repositories, repository_rows)
    notices = pa.table(
        {
            "content_id": kept["content_id"], "copyrights": _copyrights(texts),
            "group": kept["group"].cast(pa.string()), "verdict": places["verdict"],
        }
    )  # fmt: skip
    return data, notices


def _data_rows(
    kept: pa.Table, files: pa.Table, texts: pa.LargeStringArray, counts: pa.Array, places: pa.Table,
    repositories: Sequence[Mapping[str, Any]], repository_rows: npt.NDArray[np.int64],
) -> pa.Table:  # fmt: skip
    measured = measure(texts, encoded=False)
    plain = is_plain(files["encoding"], files["conversion"]) & (counts.to_numpy() == 0)
    used, inverse = np.unique(repository_rows, return_inverse=True)
    named = [repositories[row] for row in used.tolist()]
    spread = pa.array(inverse)
    columns: dict[str, Any] = {
        "content_id": kept["content_id"], "content": texts, "path": places["path"],
        "repo_name": pa.array([f"{one['owner']}/{one['repo']}" for one in named], pa.string()).take(spread),
        "host": pa.array([one["host"] for one in named], pa.string()).take(spread),
        "revision_id": places["revision"], "language": kept["language"], "extension": kept["extension"],
        "length_bytes": pc.binary_length(texts), "detected_licenses": licenses_of(kept["expression"]),
        "license_type": kept["license_type"], "is_vendor": kept["is_vendor"], "is_generated": kept["is_generated"],
        "source_kind": pa.array([one["source_kind"] for one in named], pa.string()).take(spread),
        "star_events_count": pa.array([one["stars"] for one in named], pa.int64()).take(spread),
        "num_lines": measured.num_lines, "avg_line_length": measured.avg_line_length,
        "max_line_length": measured.max_line_length, "alphanum_fraction": measured.alphanum_fraction,
        "near_duplicate_cluster": kept["near_duplicate_cluster"], "num_provenances": kept["num_provenances"],
        "sha256": files["sha256"], "text_sha256": _text_hashes(texts, files["sha256"], plain),
        "encoding": files["encoding"], "conversion": files["conversion"],
        "num_redactions": counts,
    }  # fmt: skip
    return pa.table([columns[name] for name in DATA.names], names=DATA.names).cast(DATA)


def _text_hashes(texts: pa.LargeStringArray, originals: pa.ChunkedArray, plain: npt.NDArray[np.bool_]) -> pa.Array:
    """A text whose bytes are the original's has the original's hash; only the others are hashed again."""
    others = pa.array(np.flatnonzero(~plain))
    hashes = [hashlib.sha256(text.as_py().encode()).hexdigest() for text in texts.take(others)]
    column = originals.combine_chunks() if isinstance(originals, pa.ChunkedArray) else originals
    return pc.replace_with_mask(column, pa.array(~plain), pa.array(hashes, pa.string()))


def _copyrights(texts: pa.LargeStringArray) -> pa.Array:
    """Return the copyright lines of each file's header: list<string>[N]."""
    maybe = pc.match_substring_regex(texts, r"(?i)copyright|\(c\)|©").to_numpy(zero_copy_only=False)
    found: list[list[str]] = [[]] * len(texts)
    for row in np.flatnonzero(maybe).tolist():
        found[row] = copyright_lines(texts[row].as_py())
    return pa.array(found, NOTICES.field("copyrights").type)
