"""The build: which steps run, in which order, over which parts; resuming, skipping and refusing.

fetch -> exact -> header -> license -> language -> filter -> signal -> signatures -> near -> decontamination -> malware -> pii
-> optout -> release. A step whose manifest has the present plan is skipped; a part whose file carries the present plan is inherited,
so a killed step goes on where it stopped; outputs of other rules are refused with the flag that makes them anew. Parts run on
threads: the work is Arrow, RE2, hashing and compression, which release the GIL, and every output depends on its part's inputs alone, never on who made it.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from stack_data import lock as locks
from stack_data import manifest, memory, storage
from stack_data.config import BuildConfig
from stack_data.fetch import FetchInputs, Reader, fetch_group
from stack_data.layout import Build, part_name
from stack_data.lock import Lock, Resolver
from stack_data.manifest import PLAN_KEY, Manifest, Output, Plan
from stack_data.optout.lists import SuppressionList
from stack_data.progress import Progress, Silent
from stack_data.registry import epochs

log = logging.getLogger(__name__)

STEPS = (
    "fetch",
    "exact",
    "header",
    "license",
    "language",
    "filter",
    "signal",
    "signatures",
    "near",
    "decontamination",
    "malware",
    "pii",
    "optout",
    "release",
)

CONTENT_STEPS = ("decontamination", "malware", "pii")
"""The steps that look at single contents once it is known which are kept otherwise; rows aligned with files/."""

DECIDING = ("exact", "header", "license", "language", "filter", "signal", "near", *CONTENT_STEPS, "optout")
"""The steps whose manifests say what a release is made of; signatures are only there when near duplicates are sought."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a build: what the steps share. lists: the suppression lists in force."""

    build: Build
    config: BuildConfig
    lock: Lock
    workers: int
    progress: Progress
    secrets: Mapping[str, str]
    config_folder: Path
    lists: Sequence[SuppressionList] = ()

    def parts(self) -> list[tuple[str, str]]:
        """Return (group, part) of every part, in order."""
        return parts_of(self.build, self.lock)

    def part_bytes(self) -> dict[str, int]:
        """Return the bytes of text of every part."""
        return {
            part_name(group.name, number): int(size)
            for group in self.lock.groups
            for number, size in enumerate(manifest.read(self.build.group_manifest(group.name)).counts["part_bytes"])
        }

    def num_parts(self, group: str) -> int:
        """Return how many parts a fetched group has."""
        return int(manifest.read(self.build.group_manifest(group)).counts["parts"])

    def each(self, work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        """Apply `work` to each item on the run's threads; results in order, the first error raised."""
        with ThreadPoolExecutor(self.workers, thread_name_prefix="stage") as pool:
            return list(pool.map(work, items))

    def end_step(self) -> None:
        """Finish a step that progress has begun to show."""
        self.progress.end()
        memory.give_back()


def parts_of(build: Build, lock: Lock | None = None) -> list[tuple[str, str]]:
    """Return (group, part) of every part of a fetched build, in order. lock: where it was read before."""
    return [
        (group.name, part_name(group.name, number))
        for group in (lock or locks.read(build)).groups
        for number in range(int(manifest.read(build.group_manifest(group.name)).counts["parts"]))
    ]


def start(
    config: BuildConfig, config_folder: Path, folder: Path, *, resolver: Resolver, secrets: Mapping[str, str],
    today: str, anew: str | None = None, progress: Progress | None = None, lists: Sequence[SuppressionList] = (),
) -> Run:  # fmt: skip
    """Resolve the sources of a build and return the run; nothing is read yet."""
    build = Build(folder)
    if anew:
        remove_from(build, anew)
    if folder.exists():
        storage.remove_temporaries(folder)
    lock = locks.resolve(build, config, resolver, today, config_folder)
    return Run(build, config, lock, workers_of(config), progress or Silent(), secrets, config_folder, lists)


def workers_of(config: BuildConfig) -> int:
    """Return how many threads a build uses."""
    return config.run.workers or os.cpu_count() or 1


def remove_from(build: Build, step: str) -> None:
    """Delete the outputs of a step and of all that follow from it, so that they are made anew."""
    for name in STEPS[STEPS.index(step) :]:
        if name == "fetch":
            for folder in ("files", "provenance", "repositories", "cache", "decisions", "purges"):
                shutil.rmtree(build.folder / folder, ignore_errors=True)
            build.lock.unlink(missing_ok=True)
        else:
            shutil.rmtree(build.stage_manifest(name).parent, ignore_errors=True)


def fetch(run: Run, read: Reader, never: frozenset[str] = frozenset()) -> dict[str, str]:
    """Run the fetch step; return the failures by unit, those of the lock included. never: units that have opted out."""
    run.progress.begin("fetch", None, listed_bytes(run.lock))
    inputs = FetchInputs(
        run.build, run.config, run.lock, run.config_folder, run.secrets, read, run.progress.advance, never
    )
    results = run.each(lambda group: fetch_group(group, inputs), run.lock.groups)
    shutil.rmtree(run.build.cache, ignore_errors=True)
    failures = dict(run.lock.failures)
    for result in results:
        failures |= result
    run.end_step()
    return failures


def listed_bytes(lock: Lock) -> int | None:
    """Return how many bytes the listings of a lock have; None where a unit was not listed when it was locked."""

    def listed(locked: Any) -> int | None:
        if not isinstance(locked, Mapping):
            return None
        if "num_bytes" in locked:
            return int(locked["num_bytes"])
        inner = [size for size in map(listed, locked.values()) if size is not None]
        return sum(inner) if inner else None

    sizes = [listed(unit.locked) for group in lock.groups for unit in group.units]
    return None if None in sizes else sum(size for size in sizes if size is not None)


@dataclass(frozen=True, slots=True)
class PartStage:
    """A stage whose decisions about a part depend on inputs that can be listed beforehand.

    inputs  files a part's decisions depend on
    decide  makes the table of one part
    holds   what a purge would find in it: none, text or signatures
    extra   SHA-256 of further inputs of every part by path: snapshots of what lies outside the build, already written
    """

    name: str
    rules: Mapping[str, int]
    config: Mapping[str, Any]
    inputs: Callable[[str, str], list[Path]]
    decide: Callable[[str, str], pa.Table]
    holds: str = "none"
    extra: Mapping[str, str] = field(default_factory=dict)


def run_part_stage(run: Run, stage: PartStage) -> None:
    """Bring the decisions of a stage up to date, part by part."""
    build, parts = run.build, run.parts()
    hashes = known_hashes(run)
    plan = Plan(
        kind=f"decisions/{stage.name}",
        inputs={name: hashes[name] for group, part in parts for name in map(build.relative, stage.inputs(group, part))}
        | dict(stage.extra),
        config=stage.config, rules=stage.rules,
    )  # fmt: skip
    if is_done(run, stage.name, plan):
        return
    sizes = run.part_bytes()
    run.progress.begin(stage.name, len(parts), sum(sizes.values()))

    def one(place: tuple[str, str]) -> tuple[str, Output, dict[str, int]]:
        group, part = place
        path = build.decisions(stage.name, part)
        inputs = {name: hashes[name] for name in map(build.relative, stage.inputs(group, part))} | dict(stage.extra)
        digest = Plan(kind=plan.kind, inputs=inputs, config=stage.config, rules=stage.rules).digest()
        if (storage.read_metadata(path) or {}).get(PLAN_KEY) != digest:
            storage.write_parquet(path, stage.decide(group, part), {PLAN_KEY: digest})
        run.progress.advance(1, sizes[part])
        return build.relative(path), Output.of(path, stage.holds), count_reasons(path)

    results = run.each(one, parts)
    finish_stage(run, stage.name, plan, results)
    run.end_step()


def is_done(run: Run, name: str, plan: Plan) -> bool:
    """Return whether a stage's manifest has this plan; StaleBuildError when its rules or config differ."""
    path = run.build.stage_manifest(name)
    old = manifest.read_if_present(path)
    if old is None:
        return False
    manifest.refuse_other_rules(path, old.plan, plan, name)
    return dict(old.plan) == plan.to_json()


def finish_stage(run: Run, name: str, plan: Plan, results: Iterable[tuple[str, Output, Mapping[str, int]]]) -> None:
    """Write a stage's manifest and delete files of parts that no longer exist."""
    outputs: dict[str, Output] = {}
    counts: dict[str, int] = {}
    for path, output, reasons in results:
        outputs[path] = output
        for reason, count in reasons.items():
            counts[reason] = counts.get(reason, 0) + count
    Manifest(plan.to_json(), outputs, {"reasons": counts}).write(run.build.stage_manifest(name))
    for file in run.build.stage_manifest(name).parent.glob("*.parquet"):
        if run.build.relative(file) not in outputs:
            file.unlink()


def count_reasons(path: Path) -> dict[str, int]:
    """Return how many rows of a decision file have each reason ("" for kept ones); nothing where it has no reasons."""
    if "reason" not in storage.read_schema(path).names:
        return {}
    column = storage.read_parquet(path, ["reason"])["reason"].cast(pa.string())
    return {row["values"] or "": row["counts"] for row in column.value_counts().to_pylist()}


def unfinished(run: Run) -> str | None:
    """Return the first step that is missing, or was decided over other parts than the build has now; None when all is done.

    A run that was stopped leaves the later steps of the run before it: they are whole, but speak of something else.
    """
    for group in run.lock.groups:
        made = manifest.read_if_present(run.build.group_manifest(group.name))
        if made is None or any(not (run.build.folder / name).exists() for name in made.outputs):
            return "fetch"
    hashes, places = known_hashes(run), {run.build.relative(run.build.files(part)) for _, part in run.parts()}
    for step in DECIDING:
        made = manifest.read_if_present(run.build.stage_manifest(step))
        if made is None:
            return step
        inputs = made.plan["inputs"]
        current = hashes | {
            name: storage.sha256_file(run.build.folder / name) for name in inputs if name.endswith(".json")
        }
        if any(current.get(name) != digest for name, digest in inputs.items()):
            return step
        if step in ("exact", "header", *CONTENT_STEPS) and not places <= inputs.keys():
            return step
        if step == "optout" and (
            dict(made.plan["lists"]) != epochs(run.lists) or _is_new(run.build, run.build.recheck, inputs)
        ):
            return step
    return None


def _is_new(build: Build, path: Path, inputs: Mapping[str, str]) -> bool:
    """Return whether a file that a step takes where it is there was not there when the step was done."""
    return path.exists() and build.relative(path) not in inputs


def known_hashes(run: Run) -> dict[str, str]:
    """Return the SHA-256 of every file that a manifest of this build lists, by path inside the build."""
    known: dict[str, str] = {}
    for group in run.lock.groups:
        outputs = manifest.read(run.build.group_manifest(group.name)).outputs
        known |= {name: output.sha256 for name, output in outputs.items()}
    for step in STEPS[1:-1]:
        listed = manifest.read_if_present(run.build.stage_manifest(step))
        if listed:
            known |= {name: output.sha256 for name, output in listed.outputs.items()}
    return known
