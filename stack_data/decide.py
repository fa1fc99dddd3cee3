"""The deciding steps of a build: which files each reads, which function decides, what is written.

Only connects: the rules are in stages/, licenses/ and languages/; how steps are skipped and resumed is in pipeline.py.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stack_data import decide_contents, storage
from stack_data.commits import afters
from stack_data.config import BuildConfig, FilterConfig, LanguageConfig
from stack_data.contents import chunk_of, take_contents
from stack_data.decide_near import load_kernels, run_near
from stack_data.decide_optout import run_optout
from stack_data.decide_signal import run_signal
from stack_data.layout import part_name
from stack_data.licenses import curations as curation_files
from stack_data.licenses.policy import Policy, policy_of
from stack_data.licenses.texts import find_texts
from stack_data.manifest import PLAN_KEY, Output, Plan
from stack_data.pipeline import (
    PartStage,
    Run,
    count_reasons,
    finish_stage,
    is_done,
    known_hashes,
    run_part_stage,
)
from stack_data.records import FILTER_DECISIONS, HEADER_DECISIONS, LANGUAGE_DECISIONS
from stack_data.stages import exact, filter, header, language, license, pii
from stack_data.tables import FILTER_TABLES, LANGUAGE_TABLES, LICENSE_TABLES, tables_version
from stack_data.text import RULE_VERSION as TEXT_RULES
from stack_data.text import TEXT_COLUMNS, texts_of


@contextlib.contextmanager
def loading_tables(run: Run) -> Iterator[None]:
    """Load the licence tables, which takes a second, while a first fetch waits for disk and network."""
    if run.build.stage_manifest("header").exists():
        yield
        return
    thread = threading.Thread(target=find_texts, args=("MIT License",), name="tables")
    thread.start()
    try:
        yield
    finally:
        thread.join()


def load_everything() -> None:
    """Load every table and kernel that deciding needs, so that a clock started now times work alone."""
    texts = pa.array(["/* MIT License */ one two three four five six\n"], pa.large_string())
    ids, paths = pa.array(["0" * 40]), pa.array(["a.c"])
    find_texts(texts[0].as_py())
    header.decide(pa.chunked_array([ids]), texts)
    language.decide(ids, paths, texts, LanguageConfig())
    given = filter.Places(ids, paths, pa.array(["HTML"]), pa.array([""]), np.zeros(1, bool), texts)
    filter.decide(given, FilterConfig())
    load_kernels(texts)
    decide_contents.load_kernels(ids, texts)


def decide_all(run: Run) -> None:
    """Run every deciding stage after the fetch."""
    run_exact(run)
    run_part_stage(run, header_stage(run))
    run_license(run)
    run_part_stage(run, language_stage(run))
    run_part_stage(run, filter_stage(run))
    run_signal(run)
    run_near(run)
    decide_contents.run_content_steps(run)
    run_optout(run)


def run_exact(run: Run) -> None:
    """Bring decisions/exact up to date: one pass over all ids."""
    build, parts = run.build, [part for _, part in run.parts()]
    hashes = known_hashes(run)
    inputs = {name: hashes[name] for name in (build.relative(build.files(part)) for part in parts)}
    plan = Plan(kind="decisions/exact", inputs=inputs, rules={"exact": exact.RULE_VERSION})
    if is_done(run, "exact", plan):
        return
    run.progress.begin("exact", len(parts), None)
    ids = [storage.read_parquet(build.files(part), ["content_id"])["content_id"] for part in parts]
    results = []
    for part, table in zip(parts, exact.decide(parts, ids), strict=True):
        path = build.decisions("exact", part)
        storage.write_parquet(path, table, {PLAN_KEY: plan.digest()})
        results.append((build.relative(path), Output.of(path, "none"), count_reasons(path)))
        run.progress.advance(1, 0)
    finish_stage(run, "exact", plan, results)
    run.end_step()


def header_stage(run: Run) -> PartStage:
    """Return the stage that reads what contents say about their own licence."""
    build = run.build

    def decide(_group: str, part: str) -> pa.Table:
        decided = [
            header.decide(rows["content_id"], texts_of(rows))
            for rows in storage.read_row_groups(build.files(part), ["content_id", *TEXT_COLUMNS])
        ]
        return pa.concat_tables([HEADER_DECISIONS.empty_table(), *decided])

    rules = {"header": header.RULE_VERSION, "license_tables": tables_version(LICENSE_TABLES)}
    return PartStage("header", rules, {}, lambda _group, part: [build.files(part)], decide)


def language_stage(run: Run) -> PartStage:
    """Return the stage that names languages and vendored, documentation and generated files."""
    build, config = run.build, run.config.language

    def inputs(group: str, part: str) -> list[Path]:
        return _contents_and_places(run, group, part)

    def decide(group: str, part: str) -> pa.Table:
        places = storage.read_parquet(build.provenance(part), ["content_id", "path", "file_part", "file_row"])
        ids, paths = chunk_of(places["content_id"]), chunk_of(places["path"])

        def one(chosen: npt.NDArray[np.int64], texts: pa.Array, _conversions: pa.Array) -> pa.Table:
            picked = pa.array(chosen)
            return language.decide(ids.take(picked), paths.take(picked), texts, config)

        return _decide_places(run, group, part, places, one, LANGUAGE_DECISIONS)

    rules = {"language": language.RULE_VERSION, "language_tables": tables_version(LANGUAGE_TABLES)}
    return PartStage("language", rules, config.model_dump(mode="json"), inputs, decide)


def filter_stage(run: Run) -> PartStage:
    """Return the stage that drops texts not worth training on."""
    build, config = run.build, run.config.filter
    # An address of the network in a path is no person's.
    sought = tuple(kind for kind in run.config.pii.kinds if kind != "ip_address") if run.config.pii.enabled else ()

    def inputs(group: str, part: str) -> list[Path]:
        return [*_contents_and_places(run, group, part), build.decisions("language", part)]

    def decide(group: str, part: str) -> pa.Table:
        places = storage.read_parquet(build.provenance(part), ["content_id", "path", "file_part", "file_row"])
        known = storage.read_parquet(build.decisions("language", part), ["language", "is_generated"])
        paths = chunk_of(places["path"])
        languages, generated = _strings(known["language"]), known["is_generated"].to_numpy()

        def one(chosen: npt.NDArray[np.int64], texts: pa.Array, conversions: pa.Array) -> pa.Table:
            rows = pa.array(chosen)
            given = filter.Places(
                chunk_of(places["content_id"]).take(rows), paths.take(rows), languages.take(rows), conversions,
                generated[chosen], texts,
            )  # fmt: skip
            return filter.decide(given, config, sought)

        return _decide_places(run, group, part, places, one, FILTER_DECISIONS)

    rules = {
        "filter": filter.RULE_VERSION,
        "pii": pii.RULE_VERSION,
        "filter_tables": tables_version(FILTER_TABLES),
        "text": TEXT_RULES,
    }
    settings = config.model_dump(mode="json", exclude={"languages": {"__all__": {"max_language_bytes"}}})
    settings.pop("max_language_bytes")
    settings["secrets_in_paths"] = list(sought)
    return PartStage("filter", rules, settings, inputs, decide)


def _contents_and_places(run: Run, group: str, part: str) -> list[Path]:
    """Return the files that hold a part's places and their contents."""
    number = int(part.rpartition("-")[2])
    # Places may show contents that an earlier part of the group holds.
    earlier = [run.build.files(part_name(group, earlier)) for earlier in range(number + 1)]
    return [run.build.provenance(part), *earlier]


def _decide_places(
    run: Run, group: str, part: str, places: pa.Table,
    decide: Callable[[npt.NDArray[np.int64], pa.Array, pa.Array], pa.Table], schema: pa.Schema,
) -> pa.Table:  # fmt: skip
    """Return decisions about a part's places, in their order, asked of lots of them with texts and conversions."""
    decided, order = [schema.empty_table()], [np.empty(0, np.int64)]
    for chosen, texts, conversions in _texts_of_places(run, group, part, places):
        # What a language and a quality are told by is the file after the change.
        decided.append(decide(chosen, afters(texts, conversions), conversions))
        order.append(chosen)
    return pa.concat_tables(decided).combine_chunks().take(pa.array(np.argsort(np.concatenate(order))))


def _texts_of_places(
    run: Run, group: str, part: str, places: pa.Table
) -> Iterator[tuple[npt.NDArray[np.int64], pa.Array, pa.Array]]:
    """Yield places (rows of a part's provenance) with their texts, null where never read, and how those were made.

    A row group of contents at a time.
    """
    own = int(part.rpartition("-")[2])
    parts, rows = places["file_part"].to_numpy(), places["file_row"].to_numpy()
    first = 0
    for contents in storage.read_row_groups(run.build.files(part), TEXT_COLUMNS):
        chosen = np.flatnonzero((parts == own) & (rows >= first) & (rows < first + contents.num_rows))
        wanted = rows[chosen] - first
        is_whole = len(wanted) == contents.num_rows and bool((wanted == np.arange(len(wanted))).all())
        first += contents.num_rows
        if not is_whole:
            contents = contents.take(pa.array(wanted))
        yield chosen, texts_of(contents), _strings(contents["conversion"])
    for number in sorted({int(number) for number in np.unique(parts)} - {-1, own}):
        # Contents that an earlier part of the group holds.
        chosen = np.flatnonzero(parts == number)
        wanted, inverse = np.unique(rows[chosen], return_inverse=True)
        contents = take_contents(run.build, part_name(group, number), wanted)
        spread = pa.array(inverse)
        yield chosen, texts_of(contents).take(spread), _strings(contents["conversion"]).take(spread)
    unread = np.flatnonzero(parts < 0)
    yield unread, pa.nulls(len(unread), pa.large_string()), pa.array([""] * len(unread), pa.string())


def _strings(column: pa.ChunkedArray) -> pa.Array:
    return chunk_of(column.cast(pa.string()))


def run_license(run: Run) -> None:
    """Bring decisions/license up to date, one source group at a time."""
    build, config = run.build, run.config.license
    curations = own_curations(run.config, run.config_folder)
    hashes = known_hashes(run)
    settings = config.model_dump(mode="json", exclude={"curations"})
    # What people corrected is an input like any file: another correction decides anew and needs no flag.
    snapshot, written = build.stage_manifest("license").with_name("curations.json"), curations.to_json()
    corrected = {build.relative(snapshot): hashlib.sha256(written.encode()).hexdigest()}
    rules = {
        "license": license.RULE_VERSION,
        "header": header.RULE_VERSION,
        "license_tables": tables_version(LICENSE_TABLES),
    }

    def inputs(group: str) -> dict[str, str]:
        paths = [build.repositories(group)]
        for number in range(run.num_parts(group)):
            part = part_name(group, number)
            paths += [build.files(part), build.provenance(part), build.decisions("header", part)]
        return {name: hashes[name] for name in map(build.relative, paths)} | corrected

    groups = [group.name for group in run.lock.groups]
    merged = dict(corrected)
    for group in groups:
        merged |= inputs(group)
    plan = Plan(kind="decisions/license", inputs=merged, config=settings, rules=rules)
    if is_done(run, "license", plan):
        return
    storage.write_text(snapshot, written)
    policy = policy_of(config)
    sizes = run.part_bytes()
    run.progress.begin("license", len(groups), sum(sizes.values()))

    def one(group: str) -> list[tuple[str, Output, dict[str, int]]]:
        digest = Plan(kind=plan.kind, inputs=inputs(group), config=settings, rules=rules).digest()
        names = [part_name(group, number) for number in range(run.num_parts(group))]
        paths = [build.decisions("license", name) for name in (*names, f"{group}.verdicts", f"{group}.notices")]
        if any((storage.read_metadata(path) or {}).get(PLAN_KEY) != digest for path in paths):
            _decide_group(run, group, names, policy, curations, digest)
        run.progress.advance(1, sum(sizes[name] for name in names))
        outputs = [(build.relative(path), Output.of(path, "none"), count_reasons(path)) for path in paths[:-2]]
        extra: list[tuple[str, Output, dict[str, int]]] = [
            (build.relative(paths[-2]), Output.of(paths[-2], "none"), {}),
            (build.relative(paths[-1]), Output.of(paths[-1], "text"), {}),
        ]
        return outputs + extra

    results = [result for found in run.each(one, groups) for result in found]
    finish_stage(run, "license", plan, results)
    run.end_step()


def _decide_group(
    run: Run, group: str, names: Sequence[str], policy: Policy,
    curations: curation_files.Curations, digest: str,
) -> None:  # fmt: skip
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
        texts = texts_of(take_contents(run.build, part_name(group, number), rows))
        found |= {(number, int(row)): text for row, text in zip(rows, texts.to_pylist(), strict=True)}
    return [found[cell] for cell in cells]


def own_curations(config: BuildConfig, config_folder: Path) -> curation_files.Curations:
    """Return the curations in force: the shipped ones and those the configuration names."""
    own = config.license.curations
    return curation_files.load(config_folder / own if own else None)
