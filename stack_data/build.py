"""`fairstack data build`: every step of a build in order, each skipped when it is done.

This module only connects: which files a stage reads, which function decides, what is written. The rules are in
stages/, licenses/ and languages/; how steps are resumed is in pipeline.py.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from stack_data import storage
from stack_data.errors import ConfigError
from stack_data.layout import part_name
from stack_data.licenses import curations as curation_files
from stack_data.licenses.policy import policy_of
from stack_data.manifest import PLAN_KEY, Output, Plan
from stack_data.pipeline import (
    PartStage, Run, count_reasons, finish_stage, is_done, known_hashes, run_part_stage,
)  # fmt: skip
from stack_data.stages import exact, header, language, license
from stack_data.text import texts_of


def check_config(run: Run) -> None:
    """Refuse configurations that only a stage can judge, before anything is read."""
    policy_of(run.config.license)
    language.check(run.config.language)
    _curations(run)


def decide_all(run: Run) -> None:
    """Run every deciding stage after the fetch."""
    run_exact(run)
    run_part_stage(run, header_stage(run))
    run_license(run)
    run_part_stage(run, language_stage(run))


def run_exact(run: Run) -> None:
    """Bring decisions/exact up to date: one pass over all ids."""
    build, parts = run.build, [part for _, part in run.parts()]
    hashes = known_hashes(run)
    inputs = {name: hashes[name] for name in (build.relative(build.files(part)) for part in parts)}
    plan = Plan(kind="decisions/exact", inputs=inputs, rules={"exact": exact.RULE_VERSION})
    if is_done(run, "exact", plan):
        return
    run.progress.begin("exact", len(parts))
    ids = [storage.read_parquet(build.files(part), ["content_id"])["content_id"] for part in parts]
    results = []
    for part, table in zip(parts, exact.decide(parts, ids), strict=True):
        path = build.decisions("exact", part)
        storage.write_parquet(path, table, {PLAN_KEY: plan.digest()})
        results.append((build.relative(path), Output.of(path, "none"), count_reasons(path)))
        run.progress.advance(1, 0)
    finish_stage(run, "exact", plan, results)
    run.progress.end()


def header_stage(run: Run) -> PartStage:
    """Return the stage that reads what contents say about their own licence."""
    build = run.build

    def decide(_group: str, part: str) -> pa.Table:
        table = storage.read_parquet(build.files(part), ["content_id", "content", "encoding"])
        return header.decide(table["content_id"], texts_of(table["content"], table["encoding"]))

    return PartStage("header", {"header": header.RULE_VERSION}, {}, lambda _group, part: [build.files(part)], decide)


def language_stage(run: Run) -> PartStage:
    """Return the stage that names languages and vendored, documentation and generated files."""
    build, config = run.build, run.config.language

    def inputs(group: str, part: str) -> list[Path]:
        number = int(part.rpartition("-")[2])
        # Places may show contents that an earlier part of the group holds.
        return [build.provenance(part), *(build.files(part_name(group, earlier)) for earlier in range(number + 1))]

    def decide(group: str, part: str) -> pa.Table:
        places = storage.read_parquet(build.provenance(part), ["content_id", "path", "file_part", "file_row"])
        texts = _texts_of_places(run, group, part, places)
        return language.decide(_chunk(places["content_id"]), _chunk(places["path"]), texts, config)

    return PartStage("language", {"language": language.RULE_VERSION}, config.model_dump(mode="json"), inputs, decide)


def _chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _texts_of_places(run: Run, group: str, part: str, places: pa.Table) -> pa.Array:
    """Return the text of each place, null where it was never read: large_string[N]."""
    own = int(part.rpartition("-")[2])
    parts = places["file_part"].to_numpy()
    rows = places["file_row"].to_numpy()
    numbers = sorted({int(number) for number in np.unique(parts)} - {-1, own})
    table = storage.read_parquet(run.build.files(part), ["content", "encoding"])
    pools = [texts_of(table["content"], table["encoding"])]
    positions = np.where(parts == own, rows, -1).astype(np.int64)
    offset = len(pools[0])
    for number in numbers:
        wanted = np.unique(rows[parts == number])
        pools.append(_take_texts(run, part_name(group, number), wanted))
        positions = np.where(parts == number, offset + np.searchsorted(wanted, rows), positions)
        offset += len(wanted)
    joined = pools[0] if len(pools) == 1 else pa.concat_arrays(pools)
    return joined.take(pa.array(positions, mask=positions < 0))


def _take_texts(run: Run, part: str, rows: np.ndarray) -> pa.Array:  # type: ignore[type-arg]
    """Return the texts of some rows of a part, reading its row groups one by one."""
    taken, first = [], 0
    for group in storage.read_row_groups(run.build.files(part), ["content", "encoding"]):
        inside = rows[(rows >= first) & (rows < first + group.num_rows)] - first
        if len(inside):
            chosen = group.take(pa.array(inside))
            taken.append(texts_of(chosen["content"], chosen["encoding"]))
        first += group.num_rows
    return pa.concat_arrays(taken)


def run_license(run: Run) -> None:
    """Bring decisions/license up to date, one source group at a time."""
    build, config = run.build, run.config.license
    curations = _curations(run)
    hashes = known_hashes(run)
    settings = config.model_dump(mode="json", exclude={"curations"}) | {
        "curations": {key: curation.license for key, curation in sorted(curations.items())}
    }
    rules = {"license": license.RULE_VERSION, "header": header.RULE_VERSION}

    def inputs(group: str) -> dict[str, str]:
        paths = [build.repositories(group)]
        for number in range(run.num_parts(group)):
            part = part_name(group, number)
            paths += [build.files(part), build.provenance(part), build.decisions("header", part)]
        return {name: hashes[name] for name in map(build.relative, paths)}

    groups = [group.name for group in run.lock.groups]
    merged: dict[str, str] = {}
    for group in groups:
        merged |= inputs(group)
    plan = Plan(kind="decisions/license", inputs=merged, config=settings, rules=rules)
    if is_done(run, "license", plan):
        return
    policy = policy_of(config)
    run.progress.begin("license", len(groups))

    def one(group: str) -> list[tuple[str, Output, dict[str, int]]]:
        digest = Plan(kind=plan.kind, inputs=inputs(group), config=settings, rules=rules).digest()
        names = [part_name(group, number) for number in range(run.num_parts(group))]
        paths = [build.decisions("license", name) for name in (*names, f"{group}.verdicts", f"{group}.notices")]
        if any((storage.read_metadata(path) or {}).get(PLAN_KEY) != digest for path in paths):
            _decide_group(run, group, names, policy, curations, digest)
        run.progress.advance(1, 0)
        outputs = [(build.relative(path), Output.of(path, "none"), count_reasons(path)) for path in paths[:-2]]
        extra = [
            (build.relative(paths[-2]), Output.of(paths[-2], "none"), {}),
            (build.relative(paths[-1]), Output.of(paths[-1], "text"), {}),
        ]
        return outputs + extra

    results = [result for found in run.each(one, groups) for result in found]
    finish_stage(run, "license", plan, results)
    run.progress.end()


def _decide_group(run: Run, group: str, names: Sequence[str], policy, curations, digest: str) -> None:  # type: ignore[no-untyped-def]
    build = run.build
    columns = ["content_id", "file_part", "file_row", "repository", "path", "license"]
    parts = [storage.read_parquet(build.provenance(name), columns) for name in names]
    provenance = pa.concat_tables(parts)
    headers = [storage.read_parquet(build.decisions("header", name), ["evidence"])["evidence"] for name in names]
    places = license.GroupPlaces(
        provenance, storage.read_parquet(build.repositories(group)), _headers_of_places(provenance, headers),
        functools.partial(_read_texts, run, group),
    )  # fmt: skip
    verdicts = license.decide(places, policy, curations)
    metadata = {PLAN_KEY: digest}
    first = 0
    for name, part in zip(names, parts, strict=True):
        index = verdicts.index[first : first + part.num_rows]
        first += part.num_rows
        table = license.decisions_of(part, index, verdicts.verdicts)
        storage.write_parquet(build.decisions("license", name), table, metadata)
    storage.write_parquet(
        build.decisions("license", f"{group}.verdicts"), license.verdicts_table(verdicts.verdicts), metadata
    )
    storage.write_parquet(build.decisions("license", f"{group}.notices"), verdicts.notices, metadata)


def _headers_of_places(provenance: pa.Table, headers: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    """Return the header evidence of each place's content: string[N], null without."""
    if not headers:
        return pa.chunked_array([pa.nulls(provenance.num_rows, pa.string())])
    starts = np.cumsum([0, *(len(column) for column in headers)])
    parts = provenance["file_part"].to_numpy()
    rows = provenance["file_row"].to_numpy()
    positions = np.where(parts >= 0, starts[np.maximum(parts, 0)] + rows, -1).astype(np.int64)
    joined = pa.chunked_array([chunk for column in headers for chunk in column.chunks], pa.string()).combine_chunks()
    return pa.chunked_array([joined.take(pa.array(positions, mask=positions < 0))])


def _read_texts(run: Run, group: str, cells: Sequence[tuple[int, int]]) -> list[str]:
    """Return the texts of (file part, file row) pairs, each part opened once."""
    found: dict[tuple[int, int], str] = {}
    for number in sorted({part for part, _ in cells}):
        rows = np.unique([row for part, row in cells if part == number])
        texts = _take_texts(run, part_name(group, number), rows)
        found |= {(number, int(row)): text for row, text in zip(rows, texts.to_pylist(), strict=True)}
    return [found[cell] for cell in cells]


def _curations(run: Run) -> dict[str, curation_files.Curation]:
    own = run.config.license.curations
    path = run.config_folder / own if own else None
    if path is not None and not path.exists():
        raise ConfigError(f"license.curations: {path} does not exist")
    return curation_files.load(path)
