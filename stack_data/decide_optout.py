"""The opt-out steps of a build: which units are never fetched, and which places leave, by whose word.

Reads provenance, repositories, vendored and generated marks, near-duplicate edges, the suppression lists in force, what signals in
the repositories say (decisions/signal/) and what their hosts said when they were last asked (recheck.json); writes
decisions/optout/, aligned with provenance/. Nothing before it depends on it: a newer list re-runs this step, the fold and the release.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data import signals, storage
from stack_data.contents import chunk_of
from stack_data.decide_recheck import Rechecked, rechecked
from stack_data.fetch import NEVER
from stack_data.layout import part_name
from stack_data.lock import Group
from stack_data.manifest import PLAN_KEY, Output, Plan, read, read_if_present
from stack_data.optout import Entry, Places, Resolution, SuppressionList, resolve
from stack_data.optout.resolve import RULE_VERSION
from stack_data.optout.targets import unreached
from stack_data.pipeline import Run, count_reasons, finish_stage, known_hashes
from stack_data.reasons import LEAVING, Reason
from stack_data.records import OPTOUT_DECISIONS, REPOSITORIES
from stack_data.registry import epochs
from stack_data.rows import numpy_of
from stack_data.sources.source import Unit
from stack_data.stages.decisions import decision_columns
from stack_data.tables import SIGNAL_TABLES, tables_version


@dataclass(frozen=True, slots=True)
class PartPlaces:
    """The places of parts of a build, read anew each time they are asked for."""

    run: Run
    parts: Sequence[tuple[str, str]]
    first_repository: dict[str, int]
    with_authors: bool

    def __iter__(self) -> Iterator[Places]:
        for group, part in self.parts:
            columns = ["content_id", "repository", "path", *(["authors"] if self.with_authors else [])]
            table = storage.read_parquet(self.run.build.provenance(part), columns).combine_chunks()
            marks = storage.read_parquet(self.run.build.decisions("language", part), ["is_vendor", "is_generated"])
            rows = table["repository"].to_numpy().astype(np.int64) + self.first_repository[group]
            yield Places(
                chunk_of(table["content_id"]), rows, chunk_of(table["path"]),
                chunk_of(table["authors"]) if self.with_authors else None,
                marks["is_vendor"].to_numpy() | marks["is_generated"].to_numpy(),
            )  # fmt: skip


def repositories_of(run: Run) -> tuple[pa.Table, dict[str, int]]:
    """Return the repositories of all groups and the first row of each group."""
    tables, first, count = [REPOSITORIES.empty_table()], {}, 0
    for group in run.lock.groups:
        table = storage.read_parquet(run.build.repositories(group.name))
        first[group.name] = count
        count += table.num_rows
        tables.append(table.select(REPOSITORIES.names))
    return pa.concat_tables(tables), first


def never_fetched(groups: Sequence[Group], lists: Sequence[SuppressionList]) -> frozenset[str]:
    """Return the keys of units whose repository or package has opted out as a whole: they are not downloaded."""
    named = [unit for group in groups for unit in group.units if {"host", "owner", "repo"} <= unit.locked.keys()]
    if not named or not lists:
        return frozenset()
    table = pa.Table.from_pylist([_as_repository(unit) for unit in named], schema=REPOSITORIES)
    count = len(named)
    places = Places(pa.nulls(count, pa.string()), np.arange(count), pa.array([""] * count))
    # Authors are not known before a repository is read, so e-mail entries wait for the step after it.
    whole = [_whole_only(one) for one in lists]
    hit = resolve([places], table, whole).rows[0]
    return frozenset(unit.key for unit, gone in zip(named, hit.tolist(), strict=True) if gone)


def unread(run: Run) -> frozenset[str]:
    """Return the keys of units that were not read because they had opted out when the build was fetched."""
    return frozenset(
        key
        for group in run.lock.groups
        for key, digest in read(run.build.group_manifest(group.name)).plan["inputs"].items()
        if digest == NEVER
    )


def _as_repository(unit: Unit) -> dict[str, Any]:
    known = {name: unit.locked.get(name) for name in ("owner_id", "repo_id", "aliases")}
    return known | {
        "source_kind": "", "host": unit.locked["host"], "owner": unit.locked["owner"], "repo": unit.locked["repo"],
        "audience": "", "authors_known": False,
    }  # fmt: skip


def _whole_only(one: SuppressionList) -> SuppressionList:
    """Return a list with the entries that are about whole repositories and packages."""
    entries = tuple(entry for entry in one.entries if entry.kind not in ("email", "path", "content"))
    return replace(one, entries=entries)


def unreached_by(run: Run, asked: SuppressionList) -> list[Entry]:
    """Return the entries of a list that name an owner, repository or package that this build has not."""
    repositories, first = repositories_of(run)
    return unreached(asked.in_force(), repositories, _renamed(run, first))


def _renamed(run: Run, first: dict[str, int]) -> dict[int, str]:
    """Return for rows of repositories the name that their host redirects them to now."""
    return {first[group] + row: name for group, rows in rechecked(run).renamed_to.items() for row, name in rows.items()}


def resolution_of(run: Run, lists: Sequence[SuppressionList]) -> Resolution:
    """Apply suppression lists to every place of a fetched build."""
    repositories, first = repositories_of(run)
    with_authors = any(entry.kind == "email" for one in lists for entry in one.entries)
    places = PartPlaces(run, run.parts(), first, with_authors)
    near = storage.read_parquet(run.build.edges, ["first_id", "second_id"]) if run.build.edges.exists() else None
    found = resolve(
        places,
        repositories,
        lists,
        near=near,
        renamed_to=_renamed(run, first),
        author_share=run.config.optout.author_share,
    )
    return with_commits(run, found, lists)


def with_commits(run: Run, found: Resolution, lists: Sequence[SuppressionList]) -> Resolution:
    """Let commits go with the files they hold: where a repository's file goes, its commits with that file before or after do.

    So do all commits with a content that an entry names, also one that is nowhere in the corpus as a file.
    """
    sides = {group.name: _sides(run, group) for group in run.lock.groups}
    held = [_held(run, part, sides[group]) for group, part in run.parts()]
    if not any(one.num_rows for one in held):
        return found
    named = {entry.content_id for one in lists for entry in one.in_force() if entry.kind == "content"}
    gone = _gone(run, found, pc.unique(pa.concat_tables(held)["side"]))
    rows = []
    for (group, _), mask, commits in zip(run.parts(), found.rows, held, strict=True):
        taken = mask.copy()
        for one in commits.to_pylist():
            if one["side"] in named or (group, one["repository"], one["side"]) in gone:
                taken[one["row"]] = True
        rows.append(taken)
    return replace(found, rows=tuple(rows))


_HELD = pa.schema([("row", pa.int64()), ("repository", pa.int32()), ("side", pa.string())])


def _sides(run: Run, group: Group) -> dict[str, list[str]]:
    """Return the sides of every commit of a group by its content id."""
    if not any(one.name == group.source and getattr(one, "commits", 0) for one in run.config.sources):
        return {}
    found: dict[str, list[str]] = {}
    for number in range(run.num_parts(group.name)):
        files = storage.read_parquet(run.build.files(part_name(group.name, number)), ["content_id", "sides"])
        commits = files.filter(files["sides"].is_valid())
        found |= dict(zip(commits["content_id"].to_pylist(), commits["sides"].to_pylist(), strict=True))
    return found


def _held(run: Run, part: str, sides: Mapping[str, Sequence[str]]) -> pa.Table:
    """Return the places of a part that are commits, once for each of their sides."""
    if not sides:
        return _HELD.empty_table()
    places = storage.read_parquet(run.build.provenance(part), ["content_id", "repository"])
    rows = pc.indices_nonzero(pc.is_in(places["content_id"], pa.array(sorted(sides))))
    found = [
        {"row": row, "repository": place["repository"], "side": side}
        for row, place in zip(rows.to_pylist(), places.take(rows).to_pylist(), strict=True)
        for side in sides[place["content_id"]]
    ]
    return pa.Table.from_pylist(found, schema=_HELD)


def _gone(run: Run, found: Resolution, sides: pa.Array) -> set[tuple[str, int, str]]:
    """Return (group, repository, content id) of the places that go and hold one of these contents."""
    gone: set[tuple[str, int, str]] = set()
    for (group, part), mask in zip(run.parts(), found.rows, strict=True):
        if mask.any():
            places = storage.read_parquet(run.build.provenance(part), ["content_id", "repository"])
            mine = places.filter(pc.and_(pa.array(mask), pc.is_in(places["content_id"], sides)).fill_null(False))
            gone.update((group, one["repository"], one["content_id"]) for one in mine.to_pylist())
    return gone


def run_optout(run: Run) -> Resolution | None:
    """Bring decisions/optout up to date; return what the lists came to, or None when the step was done."""
    build, parts, hashes = run.build, run.parts(), known_hashes(run)
    names = [build.relative(build.repositories(group.name)) for group in run.lock.groups]
    for _, part in parts:
        names += [build.relative(build.provenance(part)), build.relative(build.decisions("language", part))]
        names += [build.relative(build.decisions("signal", part))]
    if build.edges.exists():
        names.append(build.relative(build.edges))
    inputs = {name: hashes[name] for name in names if name in hashes}
    if build.recheck.exists():
        inputs[build.relative(build.recheck)] = storage.sha256_file(build.recheck)
    plan = Plan(
        kind="decisions/optout", inputs=inputs, config={"author_share": run.config.optout.author_share},
        rules={
            "optout": RULE_VERSION, "signals": signals.RULE_VERSION, "signal_tables": tables_version(SIGNAL_TABLES),
        },
        lists=epochs(run.lists),
    )  # fmt: skip
    made = read_if_present(build.stage_manifest("optout"))
    if made is not None and dict(made.plan) == plan.to_json():
        return None
    run.progress.begin("optout", len(parts), None)
    found = resolution_of(run, run.lists)
    known = rechecked(run)
    results = []
    for (group, part), named in zip(parts, found.rows, strict=True):
        path = build.decisions("optout", part)
        storage.write_parquet(path, _decisions(run, group, part, named, known), {PLAN_KEY: plan.digest()})
        results.append((build.relative(path), Output.of(path, "none"), count_reasons(path)))
        run.progress.advance(1, 0)
    finish_stage(run, "optout", plan, results)
    run.end_step()
    return found


def _decisions(run: Run, group: str, part: str, named: npt.NDArray[np.bool_], known: Rechecked) -> pa.Table:
    """Return the decisions about one part's places: of several reasons the first of LEAVING."""
    places = storage.read_parquet(run.build.provenance(part), ["content_id", "repository", "path"])
    signal = storage.read_parquet(run.build.decisions("signal", part), ["reason", "detail"])
    gone = np.isin(places["repository"].to_numpy(), list(known.gone.get(group, ())))
    before = numpy_of(pc.is_valid(signal["reason"])).astype(bool)
    codes = np.select(
        [named, before | known.reserved_places(group, places), gone],
        [LEAVING.index(one) for one in (Reason.OPTED_OUT, Reason.RESERVED_IN_REPOSITORY, Reason.SOURCE_GONE)], -1,
    )  # fmt: skip
    told = pc.if_else(pa.array(codes == LEAVING.index(Reason.RESERVED_IN_REPOSITORY)), signal["detail"], None)
    details = told.combine_chunks() if isinstance(told, pa.ChunkedArray) else told
    return pa.table(decision_columns(places["content_id"], codes, LEAVING, details)).cast(OPTOUT_DECISIONS)
