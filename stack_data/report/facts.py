"""What the reports of a build say, collected once: attrition, languages, licences, sizes, causes and samples.

Reads provenance, licence and language decisions, and the first lines of a few kept files. Samples and names come from
kept files only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stack_data import storage
from stack_data.contents import take_contents
from stack_data.fold import Fold
from stack_data.layout import Build
from stack_data.pii.placeholders import Style
from stack_data.redacted import Replaced, redactions_of, replaced_in
from stack_data.text import texts_of

SAMPLE_LINES = 14
SAMPLE_LANGUAGES = 60
TOP = 15


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart."""

    name: str
    num_files: int
    num_bytes: int


@dataclass(frozen=True, slots=True)
class Sample:
    """The first lines of a kept file."""

    language: str
    place: str
    license: str
    lines: str


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """Everything a report shows."""

    name: str
    fold: Fold
    languages: tuple[Bar, ...]
    licenses: tuple[Bar, ...]
    repositories: tuple[Bar, ...]
    sizes: tuple[Bar, ...]
    causes: tuple[Bar, ...]
    samples: tuple[Sample, ...]
    missing: tuple[tuple[str, str], ...] = ()
    num_repositories: int = 0
    replaced: tuple[Replaced, ...] = ()


def report_facts(
    build: Build, fold: Fold, groups: Sequence[str], failures: Mapping[str, str], placeholders: Style = "neutral"
) -> ReportFacts:
    """Collect the facts of a finished build.

    failures: source or unit -> why it is missing; placeholders: what stands for what is redacted in samples.
    """
    kept = fold.kept
    sizes = kept["num_bytes"]
    named = _names_by_group(build, groups)
    names = _repository_names(named, kept)
    return ReportFacts(
        build.folder.name, fold, bars(kept["language"].cast(pa.string()), sizes), bars(kept["expression"], sizes),
        bars(names, sizes), _size_bars(sizes), _causes(build, fold, named), _samples(build, kept, names, placeholders),
        tuple(sorted(failures.items())), _count_repositories(fold),
        replaced_in(build, kept),
    )  # fmt: skip


def _count_repositories(fold: Fold) -> int:
    """Return in how many repositories and packages the kept contents lie, all places counted."""
    return int(fold.places.group_by(["group", "repository"]).aggregate([]).num_rows)


def bars(names: pa.Array | pa.ChunkedArray, sizes: pa.ChunkedArray) -> tuple[Bar, ...]:
    """Return files and bytes by name, most bytes first."""
    table = pa.table({"name": names, "size": sizes})
    grouped = table.group_by("name").aggregate([("size", "count"), ("size", "sum")])
    ordered = grouped.take(pc.sort_indices(grouped, [("size_sum", "descending"), ("name", "ascending")]))
    return tuple(Bar(str(row["name"]), row["size_count"], row["size_sum"]) for row in ordered.to_pylist())


def _names_by_group(build: Build, groups: Sequence[str]) -> dict[str, list[str]]:
    """Return the names of the repositories of each source group, by row."""
    named = {}
    for group in groups:
        rows = storage.read_parquet(build.repositories(group), ["host", "owner", "repo"]).to_pylist()
        named[group] = ["/".join(one[key] for key in ("host", "owner", "repo") if one[key] != "-") for one in rows]
    return named


def _repository_names(named: dict[str, list[str]], kept: pa.Table) -> pa.Array:
    if not kept.num_rows:
        return pa.array([], pa.string())
    first = dict(zip(named, np.cumsum([0, *map(len, named.values())]), strict=False))
    column = kept["group"].combine_chunks()
    starts = np.array([first[group] for group in column.dictionary.to_pylist()], np.int64)
    rows_of = starts[column.indices.to_numpy(zero_copy_only=False)] + kept["repository"].to_numpy()
    return pa.array([name for names in named.values() for name in names], pa.string()).take(pa.array(rows_of))


_EDGES = (256, 1024, 4096, 16384, 65536, 262144, 1048576)
_EDGE_NAMES = (
    "< 256 B",
    "256 B - 1 kB",
    "1 - 4 kB",
    "4 - 16 kB",
    "16 - 64 kB",
    "64 - 256 kB",
    "256 kB - 1 MB",
    "> 1 MB",
)


def _size_bars(sizes: pa.ChunkedArray) -> tuple[Bar, ...]:
    values = sizes.to_numpy()
    bins = np.searchsorted(_EDGES, values, side="right")
    return tuple(
        Bar(name, int((bins == number).sum()), int(values[bins == number].sum()))
        for number, name in enumerate(_EDGE_NAMES)
    )


def _causes(build: Build, fold: Fold, named: dict[str, list[str]]) -> tuple[Bar, ...]:
    """Return the licence findings that cost most bytes, as repository, evidence file and finding."""
    dropped = fold.dropped.filter(pc.equal(fold.dropped["stage"].cast(pa.string()), "license"))
    details: list[str] = []
    sizes: list[int] = []
    parts = (
        dropped["place_part"].cast(pa.string()).to_numpy(zero_copy_only=False)
        if dropped.num_rows
        else np.empty(0, object)
    )
    for part in sorted(set(parts.tolist())):
        chosen = dropped.filter(pa.array(parts == part))
        decided = storage.read_parquet(build.decisions("license", part), ["reason", "detail"]).take(chosen["place_row"])
        places = storage.read_parquet(build.provenance(part), ["repository"]).take(chosen["place_row"])
        repositories = named[part.rpartition("-")[0]]
        for row, reason, detail, size in zip(
            places["repository"].to_pylist(),
            decided["reason"].cast(pa.string()).to_pylist(),
            decided["detail"].to_pylist(),
            chosen["num_bytes"].to_pylist(),
            strict=True,
        ):
            finding = detail or (reason or "license_elsewhere").replace("_", " ")
            details.append(f"{repositories[row]} · {finding}")
            sizes.append(size)
    return bars(pa.array(details, pa.string()), pa.chunked_array([pa.array(sizes, pa.int64())]))[:TOP]


def _samples(build: Build, kept: pa.Table, names: pa.Array, placeholders: Style) -> tuple[Sample, ...]:
    """Return one middling file of each of the largest languages: the first of those between 500 B and 5 kB by id."""
    largest = [bar.name for bar in bars(kept["language"].cast(pa.string()), kept["num_bytes"])][:SAMPLE_LANGUAGES]
    sizes = kept["num_bytes"].to_numpy()
    languages = kept["language"].cast(pa.string()).to_numpy(zero_copy_only=False)
    found = []
    for language in largest:
        rows = np.flatnonzero((languages == language) & (sizes >= 500) & (sizes <= 5000))
        if len(rows):
            ids = kept["content_id"].take(pa.array(rows)).to_pylist()
            row = int(rows[ids.index(min(ids))])
            found.append(_sample(build, kept.slice(row, 1).to_pylist()[0], language, names[row].as_py(), placeholders))
    return tuple(found)


def _sample(build: Build, row: dict[str, Any], language: str, repository: str, placeholders: Style) -> Sample:
    texts = texts_of(take_contents(build, row["part"], [row["row"]]))
    redactions = redactions_of(build, row["part"], placeholders)
    text = redactions.apply(texts, np.array([row["row"]]))[0][0].as_py()
    path = _row(build.provenance(row["place_part"]), row["place_row"], ["path"])["path"]
    lines = text.splitlines()[:SAMPLE_LINES]
    return Sample(language, f"{repository}: {path}", str(row["expression"]), "\n".join(line[:120] for line in lines))


def _row(path: Path, number: int, columns: list[str]) -> dict[str, Any]:
    """Return one row of a build's file, reading its row group alone."""
    group, at = divmod(number, storage.ROW_GROUP_ROWS)
    row: dict[str, Any] = storage.read_row_group(path, group, columns).slice(at, 1).to_pylist()[0]
    return row
