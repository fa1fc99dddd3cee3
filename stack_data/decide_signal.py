"""The signal step of a build: places that their own repository reserves (stack_data/signals).

Reads provenance, repositories and the texts of signal files; writes decisions/signal/, aligned with provenance/, a source group at a
time. It does not depend on any suppression list.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import pyarrow as pa

from stack_data import storage
from stack_data.contents import take_contents
from stack_data.layout import part_name
from stack_data.manifest import PLAN_KEY, Output, Plan
from stack_data.pipeline import Run, count_reasons, finish_stage, is_done, known_hashes
from stack_data.signals import RULE_VERSION
from stack_data.stages import signal
from stack_data.tables import SIGNAL_TABLES, tables_version
from stack_data.text import texts_of

_COLUMNS = ["content_id", "file_part", "file_row", "repository", "path"]


def run_signal(run: Run) -> None:
    """Bring decisions/signal up to date."""
    build, hashes = run.build, known_hashes(run)
    rules = {"signal": signal.RULE_VERSION, "signals": RULE_VERSION, "signal_tables": tables_version(SIGNAL_TABLES)}

    def inputs(group: str) -> dict[str, str]:
        names = [part_name(group, number) for number in range(run.num_parts(group))]
        paths = [build.repositories(group), *map(build.provenance, names), *map(build.files, names)]
        return {name: hashes[name] for name in map(build.relative, paths)}

    groups = [group.name for group in run.lock.groups]
    merged = {name: digest for group in groups for name, digest in inputs(group).items()}
    plan = Plan(kind="decisions/signal", inputs=merged, rules=rules)
    if is_done(run, "signal", plan):
        return
    run.progress.begin("signal", len(groups), None)

    def one(group: str) -> list[tuple[str, Output, dict[str, int]]]:
        digest = Plan(kind=plan.kind, inputs=inputs(group), rules=rules).digest()
        names = [part_name(group, number) for number in range(run.num_parts(group))]
        paths = [build.decisions("signal", name) for name in names]
        if any((storage.read_metadata(path) or {}).get(PLAN_KEY) != digest for path in paths):
            _decide_group(run, group, names, digest)
        run.progress.advance(1, 0)
        return [(build.relative(path), Output.of(path, "none"), count_reasons(path)) for path in paths]

    results = [result for found in run.each(one, groups) for result in found]
    finish_stage(run, "signal", plan, results)
    run.end_step()


def _decide_group(run: Run, group: str, names: Sequence[str], digest: str) -> None:
    build = run.build
    parts = [storage.read_parquet(build.provenance(name), _COLUMNS) for name in names]
    repositories = storage.read_parquet(build.repositories(group))
    read = functools.partial(_read_texts, run, group)
    decided = signal.decide(signal.Places(pa.concat_tables(parts), repositories, read))
    first = 0
    for name, part in zip(names, parts, strict=True):
        rows = decided.slice(first, part.num_rows)
        first += part.num_rows
        storage.write_parquet(build.decisions("signal", name), rows, {PLAN_KEY: digest})


def _read_texts(run: Run, group: str, cells: Sequence[tuple[int, int]]) -> list[str | None]:
    """Return the texts of (file part, file row) pairs, which are in ascending order inside one part."""
    part = cells[0][0]
    texts = texts_of(take_contents(run.build, part_name(group, part), [row for _, row in cells]))
    found: list[str | None] = texts.to_pylist()
    return found
