"""The release step: from the fold to a folder that stands on its own.

Writes data/, provenance/, notices/ (sharded alike), NOTICE/, ledger/, merkle/, README.md, croissant.json and, last, manifest.json,
whose SHA-256 is the release's identity (writer.py). A release follows the newest one below its version, or the one that is
named: it inherits its splits and shard counts, states what changed, and raises the first number when something is taken back.
A killed release is made again from its start and comes out with the same bytes; a finished one is skipped, or refused when it
would differ.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stack_data import manifest, storage
from stack_data.errors import InputError, StaleBuildError
from stack_data.fold import Fold, fold
from stack_data.manifest import Manifest, Plan
from stack_data.pipeline import DECIDING, Run
from stack_data.purges import records
from stack_data.redacted import RULE_VERSION as REDACTION_RULES
from stack_data.registry import epochs
from stack_data.release.parent import (
    Parent,
    changes_of,
    check_version,
    find_parent,
    is_comparable,
    reasons_of,
    same_shards,
)
from stack_data.release.shards import RULE_VERSION as SHARD_RULES
from stack_data.release.shards import Inherited, assign
from stack_data.release.sources import ReleaseRows, select
from stack_data.release.writer import Writer
from stack_data.reviewed import reviews

RULE_VERSION = 4


def plan_of(run: Run, parent: Parent | None) -> Plan:
    """Return what determines a release: every decision manifest, the fetched files, its parent, the release's configuration."""
    names = {
        run.build.group_manifest(group.name): name
        for group, name in zip(run.lock.groups, _group_names(run), strict=True)
    }
    paths = [*names, *(run.build.stage_manifest(step) for step in DECIDING)]
    inputs = {names.get(path) or run.build.relative(path): storage.sha256_file(path) for path in paths}
    if parent:
        inputs[f"releases/{parent.version}/manifest.json"] = parent.identity
    found = reviews(run.build.folder, run.config.release.version)
    if found:
        inputs[f"reviews/{found.version}.json"] = found.sheet_sha256
    config = run.config.release.model_dump(mode="json") | {
        "name": run.config.name, "date": run.lock.date, "places": run.config.license.places,
        "parent": parent.version if parent else "", "placeholders": run.config.pii.placeholders,
    }  # fmt: skip
    return Plan(
        kind=f"release/{run.config.release.version}", inputs=inputs, config=config,
        rules={"release": RULE_VERSION, "shards": SHARD_RULES, "redaction": REDACTION_RULES}, lists=epochs(run.lists),
    )  # fmt: skip


def _group_names(run: Run) -> list[str]:
    """Return how a release names the manifests of source groups: those of another audience have no name in it."""
    found = []
    for number, group in enumerate(run.lock.groups):
        path = run.build.group_manifest(group.name)
        audiences = set(storage.read_parquet(run.build.repositories(group.name), ["audience"])["audience"].to_pylist())
        is_other = bool(audiences) and run.config.release.audience not in audiences
        found.append(f"files/{number}-of-another-audience.manifest.json" if is_other else run.build.relative(path))
    return found


def audience_fold(run: Run, joined: Fold | None = None) -> Fold:
    """Return the fold of what the release's audience sees. joined: the fold of everything, where it was made before."""
    audience = run.config.release.audience
    seen = {
        one
        for group in run.lock.groups
        for one in storage.read_parquet(run.build.repositories(group.name), ["audience"])["audience"].to_pylist()
    }
    if joined is not None and seen <= {audience}:
        return joined
    if audience not in seen:
        raise InputError(
            f"nothing to release: no file is kept for audience {audience!r}; this build has {', '.join(sorted(seen))}"
        )
    return fold(run.build, run.config, run.parts(), audience)


def release(run: Run, joined: Fold | None = None, full: bool = False) -> Path:
    """Make the release the configuration names and return its folder.

    joined: the fold of the whole build, where it was made before; full: write every byte anew, whatever the parent has.
    Raises StaleBuildError when that version exists and would come out differently, InputError for a version that is too low.
    """
    config = run.config.release
    folder = run.build.release(config.version)
    parent = find_parent(run.build, config.version, config.parent, config.audience)
    plan = plan_of(run, parent)
    old = manifest.read_if_present(folder / "manifest.json")
    if old is not None:
        if _but_reviews(old.plan) == _but_reviews(plan.to_json()):
            _check_sizes(folder, old)
            return folder
        found = list(dict.fromkeys(map(_in_words, manifest.differences(old.plan, plan.to_json()))))
        raise StaleBuildError(
            f"release {config.version} exists and would now differ ({'; '.join(found[:2])}); a release never "
            f"changes: name another version, e.g. --set release.version={_next(config.version)}"
        )
    _refuse_below(run, parent)
    shutil.rmtree(folder, ignore_errors=True)
    seen = audience_fold(run, joined)
    rows = select(run.build, seen, [group.name for group in run.lock.groups])
    if rows.kept.num_rows == 0:
        raise InputError(f"nothing to release: no file is kept for audience {config.audience!r}")
    _write(run, seen, rows, parent, plan, folder, full)
    return folder


def _refuse_below(run: Run, parent: Parent | None) -> None:
    """Refuse a new release below the newest of its audience, unless its parent is named: that is no slip then."""
    config = run.config.release
    newest = find_parent(run.build, "999999999.0.0", "", config.audience)
    if newest and not config.parent and (parent is None or parent.version != newest.version):
        raise InputError(
            f"release {config.version} would be below {newest.version}, the newest; name a higher version, or its parent: --parent"
        )


def _write(
    run: Run, seen: Fold, rows: ReleaseRows, parent: Parent | None, plan: Plan, folder: Path, full: bool
) -> None:
    # A near duplicate holds a file in its own split too: what is trained on is never nearly validated on.
    contents = np.concatenate([rows.place_content, rows.near_content])
    repositories = np.concatenate([rows.place_repository, rows.near_repository])
    inherited = _inherited(run, rows, parent) if parent else None
    assignment = assign(rows.kept, contents, repositories, rows.keys(), run.config.release, inherited)
    writer = Writer(run, seen, rows, assignment, folder)
    changes: dict[str, Any] = {}
    same: set[str] = set()
    if parent:
        released, comparable = writer.released(), is_comparable(parent, plan)
        found = changes_of(parent, released, comparable)
        check_version(run.config.release.version, parent, found)
        changes = reasons_of(parent, found, released, seen)
        if comparable and not full:
            same = {name for name in same_shards(parent, released) if parent.has_whole(name)}
    writer.write(plan, parent, changes, same)


def _inherited(run: Run, rows: ReleaseRows, parent: Parent) -> Inherited:
    """Return what a release takes over from its parent."""
    train, ids = parent.split("train"), rows.kept["content_id"].combine_chunks()
    if run.build.edges.exists():
        edges = storage.read_parquet(run.build.edges, ["first_id", "second_id"])
        first, second = edges["first_id"].combine_chunks(), edges["second_id"].combine_chunks()
        nearly = [second.filter(pc.is_in(first, train)), first.filter(pc.is_in(second, train))]
        train = pa.concat_arrays([train, *nearly])
    trained = np.asarray(pc.is_in(ids, train).to_numpy(zero_copy_only=False), bool)
    # What the parent validates on is in its train for nobody, whatever it is near to.
    held_out = pc.is_in(ids, parent.split("validation")).to_numpy(zero_copy_only=False)
    return Inherited(trained & ~held_out, parent.p, parent.counts)


def _but_reviews(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return a plan without reviews: one that was read later is for the next release and makes no other of this one."""
    inputs = {name: digest for name, digest in plan["inputs"].items() if not name.startswith("reviews/")}
    return {**plan, "inputs": inputs}


def _check_sizes(folder: Path, made: Manifest) -> None:
    """Raise InputError when a file of a release is missing or of another size; `verify` reads every byte."""
    purged = {name for record in records(folder) for name in record.files}
    for name, output in made.outputs.items():
        path = folder / name
        if name not in purged and (not path.is_file() or path.stat().st_size != output.num_bytes):
            state = "changed" if path.is_file() else "missing"
            raise InputError(f"{path} is {state}, so this release is damaged; delete {folder} and make it again")


def _in_words(difference: str) -> str:
    """Return a difference of plans as what it means: which step decided otherwise, which source has other files."""
    step = re.match(r"(?:inputs\.)?decisions/(\w+)/manifest\.json changed", difference)
    source = re.match(r"(?:inputs\.)?files/(.+?)(?:-\d+)?\.manifest\.json(?: changed|: )", difference)
    return (
        f"the {step[1]} step decided otherwise"
        if step
        else f"source {source[1]} has other files"
        if source
        else difference
    )


def _next(version: str) -> str:
    major = int(version.split(".")[0])
    return f"{major + 1}.0.0"
