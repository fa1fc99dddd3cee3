"""Texts as they are shown to others: with what the pii step found in them replaced. Counts of what was replaced.

Reads decisions/pii/. Whatever leaves a build takes its texts from here: releases, samples in reports.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data import storage
from stack_data.contents import chunk_of
from stack_data.layout import Build
from stack_data.pii.placeholders import Style
from stack_data.pii.redaction import redact

RULE_VERSION = 1
"""Of what stands for what is redacted."""


@dataclass(frozen=True, slots=True)
class Redactions:
    """What is replaced in the texts of one part. spans: list of SPAN, one list per row of files/, null for none."""

    spans: pa.Array
    placeholders: Style

    def apply(self, texts: pa.LargeStringArray, rows: npt.NDArray[np.int64]) -> tuple[pa.LargeStringArray, pa.Array]:
        """Return the texts of rows of the part as they are shown, and how many spans were replaced in each: int32[N]."""
        spans = self.spans.take(pa.array(rows))
        counts = pc.list_value_length(spans).fill_null(0)
        return (redact(texts, spans, self.placeholders) if pc.any(pc.greater(counts, 0)).as_py() else texts), counts


def redactions_of(build: Build, part: str, placeholders: Style) -> Redactions:
    """Read what is replaced in the texts of a part."""
    return Redactions(chunk_of(storage.read_parquet(build.decisions("pii", part), ["spans"])["spans"]), placeholders)


@dataclass(frozen=True, slots=True)
class Replaced:
    """How many files have spans of one kind, and how many spans."""

    kind: str
    num_files: int
    num_spans: int


def replaced_in(build: Build, kept: pa.Table) -> tuple[Replaced, ...]:
    """Return what is replaced in kept contents (columns part and row of fold.KEPT), the commonest kind first."""
    files: dict[str, int] = {}
    spans: dict[str, int] = {}
    parts = kept["part"].combine_chunks()
    codes, rows = parts.indices.to_numpy(zero_copy_only=False), kept["row"].to_numpy()
    for code in np.unique(codes).tolist():
        path = build.decisions("pii", parts.dictionary[code].as_py())
        lists = chunk_of(storage.read_parquet(path, ["spans"])["spans"]).take(pa.array(rows[codes == code]))
        flat = pa.table({"row": pc.list_parent_indices(lists), "kind": pc.list_flatten(lists).field("kind")})
        counted = flat.group_by("kind").aggregate([("row", "count"), ("row", "count_distinct")]).to_pylist()
        for one in counted:
            files[one["kind"]] = files.get(one["kind"], 0) + one["row_count_distinct"]
            spans[one["kind"]] = spans.get(one["kind"], 0) + one["row_count"]
    return tuple(Replaced(kind, files[kind], spans[kind]) for kind in sorted(spans, key=lambda one: (-spans[one], one)))
