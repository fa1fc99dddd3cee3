"""The fetch step: units in, parts out. The only step that reads sources and the only one that meets bad bytes.

Writes, per source group: `files/` (each content once, original bytes), `provenance/` (each place), `repositories/`,
`decisions/fetch/` (which entries are no usable text, and why) and, last, the group's manifest. A part is cut at a
fixed size in listing order, so it never depends on workers. A group is read by one thread while another hashes and
writes the finished part; groups run side by side.

A unit that fails before its first entry is retried in place; one that breaks later makes its group start again, and
once its tries are used up it is left out and recorded, because a half-read repository has a half-known licence.

Units that have not changed since an earlier fetch of the group are read from its parts (earlier.py). Given up: a killed
group is read again from its start (its parts come out with the same bytes).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from stack_data import commits, storage
from stack_data.config import BuildConfig, LimitsConfig
from stack_data.config_sources import AnySource
from stack_data.earlier import EarlierParts
from stack_data.errors import SourceError, TemporarySourceError
from stack_data.filters.commits import RULE_VERSION as COMMIT_RULES
from stack_data.identity import content_id
from stack_data.layout import Build, part_name
from stack_data.lock import Group, Lock
from stack_data.manifest import PLAN_KEY, Manifest, Output, Plan, read_if_present, refuse_other_rules
from stack_data.reasons import Reason
from stack_data.records import FETCH_DECISIONS, FILES, PROVENANCE, REPOSITORIES
from stack_data.sources.source import Entry, Repository, SourceContext, Unit, UnitReading
from stack_data.tables import tables_version
from stack_data.text import RULE_VERSION as TEXT_RULES
from stack_data.text import Reading, reading_of

RULE_VERSION = 2
NEVER = "opted out"
"""Stands in a plan in place of what pins a unit that is not downloaded."""
log = logging.getLogger(__name__)

Reader = Callable[[str, Unit, SourceContext], UnitReading]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class FetchInputs:
    """What a fetch needs besides the group: where it writes, what it may use, how units are read.

    never: keys of units that have opted out and must not be downloaded; one that was read before is kept as it was read.
    """

    build: Build
    config: BuildConfig
    lock: Lock
    config_folder: Path
    secrets: Mapping[str, str]
    read: Reader
    progress: Progress
    never: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Part:
    """The rows of the part being filled: contents that are new to the group, and every place."""

    number: int
    num_bytes: int = 0
    text_bytes: int = 0
    ids: list[str] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    places: list[dict[str, Any]] = field(default_factory=list)
    reasons: list[Reason | None] = field(default_factory=list)
    details: list[str] = field(default_factory=list)


class _UnitBroke(Exception):
    """A unit failed after it had already yielded entries."""

    def __init__(self, unit: Unit, cause: SourceError) -> None:
        super().__init__(str(cause))
        self.unit, self.cause = unit, cause


def fetch_group(group: Group, inputs: FetchInputs) -> dict[str, str]:
    """Bring one group up to date; return its failed units with the reason of each (empty: complete).

    Raises StaleBuildError when the group was fetched with another configuration.
    """
    build = inputs.build
    manifest = read_if_present(build.group_manifest(group.name))
    plan = _plan(group, inputs, manifest or EarlierParts.manifest_of(build, group))
    if manifest:
        refuse_other_rules(build.group_manifest(group.name), manifest.plan, plan, "fetch")
        if manifest.plan == plan.to_json() and not manifest.counts["failures"]:
            inputs.progress(*_done(manifest))
            return {}
    failures: dict[str, str] = {}
    attempts: dict[str, int] = {}
    while True:
        try:
            _GroupWriter(group, inputs, plan, failures).run()
            break
        except _UnitBroke as broke:
            key = broke.unit.key
            attempts[key] = attempts.get(key, 0) + 1
            if not isinstance(broke.cause, TemporarySourceError) or attempts[key] >= inputs.config.limits.max_attempts:
                failures[key] = str(broke.cause)
            else:
                _pause(key, broke.cause, attempts[key], inputs.config.limits)
    for folder in (build.cache / group.name, build.cache / f"{group.name}.earlier"):
        shutil.rmtree(folder, ignore_errors=True)
    return failures


def _plan(group: Group, inputs: FetchInputs, made: Manifest | None) -> Plan:
    config = inputs.config
    source = next(source for source in config.sources if source.name == group.source)
    return Plan(
        kind=f"files/{group.name}",
        inputs=_pinned(group, inputs.never, made),
        config={
            "fetch": config.fetch.model_dump(mode="json", exclude={"units_per_group"}),
            # Retries and time do not change what is read.
            "limits": config.limits.model_dump(
                mode="json", exclude={"max_attempts", "retry_seconds", "max_unit_seconds"}
            ),
            "source": {"license": source.license, "audience": source.audience},
        },
        rules={"fetch": RULE_VERSION, "text": TEXT_RULES} | _rules_of_commits(group),
    )


def _rules_of_commits(group: Group) -> dict[str, int]:
    """Which commits are taken is decided here; groups that take none have no such rules."""
    if not any(unit.locked.get("commits") for unit in group.units):
        return {}
    return {"commits": COMMIT_RULES, "commit_tables": tables_version(("commits",))}


def _pinned(group: Group, never: frozenset[str], made: Manifest | None) -> dict[str, str]:
    """Return what pins each unit. One that has opted out stays as it was read, whatever became of it; if it never was, it is not."""
    read = {key: made.plan["inputs"][key] for key in made.counts["units"]} if made else {}
    return {unit.key: read.get(unit.key, NEVER) if unit.key in never else _digest(unit) for unit in group.units}


def _digest(unit: Unit) -> str:
    return hashlib.sha256(json.dumps([dict(unit.locked), unit.first_seen], sort_keys=True).encode()).hexdigest()


def _done(manifest: Manifest) -> tuple[int, int]:
    counts = manifest.counts["reasons"].values()
    return sum(count["places"] for count in counts), sum(count["bytes"] for count in counts)


def _pause(key: str, error: SourceError, attempt: int, limits: LimitsConfig) -> None:
    seconds = limits.retry_seconds * 2 ** (attempt - 1)
    log.warning("%s: %s; trying again in %.0f s", key, error, seconds)
    time.sleep(seconds)


class _GroupWriter:
    """Reads the units of a group, in order, into parts. One object per try."""

    def __init__(self, group: Group, inputs: FetchInputs, plan: Plan, failures: dict[str, str]) -> None:
        self.group, self.inputs, self.plan, self.failures = group, inputs, plan, failures
        self.build = inputs.build
        self.context = SourceContext(
            self.build.cache / group.name,
            inputs.config_folder,
            inputs.config.limits,
            inputs.lock.date,
            inputs.secrets,
        )
        self.earlier = EarlierParts.of(self.build, group, plan)
        self.repositories: list[Repository] = []
        self.units: dict[str, tuple[int, int]] = {}
        self.rows: dict[str, tuple[int, int]] = {}
        self.unusable: dict[str, Reason] = {}
        self.outputs: dict[str, Output] = {}
        self.counts: dict[str, dict[str, int]] = {}
        self.part = _Part(0)
        self.part_bytes: list[int] = []

    def run(self) -> None:
        """Write every part, the repositories and the manifest."""
        self.build.group_manifest(self.group.name).unlink(missing_ok=True)
        with ThreadPoolExecutor(1, thread_name_prefix="write") as writer:
            pending: Future[None] | None = None
            for unit in self.group.units:
                for first_repository, entry in self._entries(unit):
                    self.inputs.progress(1, max(entry.num_bytes, 0))
                    self._add(entry, first_repository)
                    if self._is_full():
                        pending = self._hand_over(writer, pending)
            if self.part.places or not self.part.number:
                pending = self._hand_over(writer, pending)
            if pending:
                pending.result()
        self._finish()

    def _entries(self, unit: Unit) -> Iterator[tuple[int, Entry]]:
        """Yield a unit's entries, each with the row of the unit's first repository."""
        if unit.key in self.failures or self.plan.inputs[unit.key] == NEVER:
            return
        if "gone" in unit.locked:
            return
        if "failed" in unit.locked:
            self.failures[unit.key] = str(unit.locked["failed"])
            return
        opened = self._open(unit)
        if opened is None:
            return
        reading, entry, deadline = opened
        first_repository = len(self.repositories)
        try:
            while entry is not None:
                yield first_repository, entry
                if time.monotonic() > deadline:
                    raise SourceError(
                        f"took longer than limits.max_unit_seconds ({self.context.limits.max_unit_seconds:g})"
                    )
                entry = next(reading.entries, None)
        except SourceError as error:
            raise _UnitBroke(unit, error) from error
        self.units[unit.key] = (first_repository, len(reading.repositories))
        self.repositories += reading.repositories

    def _open(self, unit: Unit) -> tuple[UnitReading, Entry | None, float] | None:
        """Start reading a unit, with retries; record its failure and return None when it cannot be read."""
        limits = self.context.limits
        if self.earlier and self.earlier.has(unit.key, self.plan.inputs[unit.key]):
            reading = self.earlier.read(unit.key)
            return reading, next(reading.entries, None), math.inf
        if unit.key in self.inputs.never:
            return None
        for attempt in range(1, limits.max_attempts + 1):
            deadline = time.monotonic() + limits.max_unit_seconds
            try:
                self.context.cache.mkdir(parents=True, exist_ok=True)
                reading = self.inputs.read(self.group.kind, unit, self.context)
                return reading, next(reading.entries, None), deadline
            except TemporarySourceError as error:
                if attempt == limits.max_attempts:
                    self.failures[unit.key] = str(error)
                else:
                    _pause(unit.key, error, attempt, limits)
            except SourceError as error:
                self.failures[unit.key] = str(error)
                break
        return None

    def _add(self, entry: Entry, first_repository: int) -> None:
        place: tuple[int, int] = (-1, -1)
        identity, reason = entry.content_id, entry.reason
        if entry.content is not None:
            identity = content_id(entry.content)
            place, reason = self._store(identity, entry.content)
        elif reason is None and identity is not None:
            # A further place of a content that this group has read: it is named, not read again.
            place = self.rows.get(identity, place)
            reason = None if place[0] >= 0 else self.unusable.get(identity, Reason.CONTENT_MISSING)
        self.part.places.append(
            {
                "content_id": identity, "file_part": place[0], "file_row": place[1],
                "repository": first_repository + entry.repository, "revision": entry.revision,
                # Paths may hold any bytes; the escaped form is the one everything else uses.
                "path": entry.path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"),
                "num_bytes": entry.num_bytes, "license": entry.license,
                "authors": [author._asdict() for author in entry.authors],
            }
        )  # fmt: skip
        self.part.reasons.append(reason)
        self.part.details.append(entry.detail)
        count = self.counts.setdefault(reason.value if reason else "", {"places": 0, "bytes": 0})
        count["places"] += 1
        count["bytes"] += max(entry.num_bytes, 0)

    def _store(self, identity: str, content: bytes) -> tuple[tuple[int, int], Reason | None]:
        """Return where in this group's files the content lies, adding it when it is new and text."""
        known = self.rows.get(identity)
        if known:
            return known, None
        if identity in self.unusable:
            return (-1, -1), self.unusable[identity]
        reading = reading_of(content, self.inputs.config.fetch.notebooks)
        if isinstance(reading, Reason):
            self.unusable[identity] = reading
            return (-1, -1), reading
        part = self.part
        self.rows[identity] = place = (part.number, len(part.ids))
        part.ids.append(identity)
        part.contents.append(content)
        part.readings.append(reading)
        part.num_bytes += len(content)
        part.text_bytes += reading.text_bytes
        return place, None

    def _is_full(self) -> bool:
        limits = self.inputs.config.fetch
        return self.part.num_bytes >= limits.part_bytes or len(self.part.places) >= limits.part_rows

    def _hand_over(self, writer: ThreadPoolExecutor, pending: Future[None] | None) -> Future[None]:
        # At most one part is being written while the next is filled: that bounds the memory of a group.
        if pending:
            pending.result()
        part, self.part = self.part, _Part(self.part.number + 1)
        self.part_bytes.append(part.text_bytes)
        return writer.submit(self._write, part)

    def _write(self, part: _Part) -> None:
        name = part_name(self.group.name, part.number)
        self._save(self.build.files(name), _files_table(part), "text")
        self._save(self.build.provenance(name), pa.Table.from_pylist(part.places, schema=PROVENANCE), "none")
        self._save(self.build.decisions("fetch", name), _decisions_table(part), "none")

    def _save(self, path: Path, table: pa.Table, holds: str) -> None:
        storage.write_parquet(path, table, {PLAN_KEY: self.plan.digest()})
        self.outputs[self.build.relative(path)] = Output.of(path, holds)

    def _finish(self) -> None:
        source = next(source for source in self.inputs.config.sources if source.name == self.group.source)
        days = {unit.key: unit.first_seen for unit in self.group.units}
        first_seen = [days[key] for key, (_, count) in self.units.items() for _ in range(count)]
        rows = [
            _repository_row(repository, self.group.kind, source, day)
            for repository, day in zip(self.repositories, first_seen, strict=True)
        ]
        self._save(self.build.repositories(self.group.name), pa.Table.from_pylist(rows, schema=REPOSITORIES), "none")
        counts = {
            "reasons": self.counts, "failures": self.failures, "parts": self.part.number,
            "part_bytes": self.part_bytes,
            "units": {key: list(place) for key, place in self.units.items()},
        }  # fmt: skip
        Manifest(self.plan.to_json(), self.outputs, counts).write(self.build.group_manifest(self.group.name))


def _files_table(part: _Part) -> pa.Table:
    return pa.table(
        {
            "content_id": part.ids,
            "sha256": [hashlib.sha256(content).hexdigest() for content in part.contents],
            "content": pa.array(part.contents, pa.large_binary()),
            "num_bytes": [len(content) for content in part.contents],
            "encoding": pa.array([one.encoding for one in part.readings], pa.string()).dictionary_encode(),
            "conversion": pa.array([one.conversion for one in part.readings], pa.string()).dictionary_encode(),
            "text_bytes": [one.text_bytes for one in part.readings],
            "sides": pa.array(
                [_sides(content, one) for content, one in zip(part.contents, part.readings, strict=True)],
                FILES.field("sides").type,
            ),
        }
    ).cast(FILES)


def _sides(content: bytes, reading: Reading) -> list[str] | None:
    return list(commits.side_ids(content.decode())) if reading.conversion == commits.CONVERSION else None


def _decisions_table(part: _Part) -> pa.Table:
    return pa.table(
        {
            "content_id": [place["content_id"] for place in part.places],
            "action": ["drop" if reason else "keep" for reason in part.reasons],
            "reason": [reason.value if reason else None for reason in part.reasons],
            "detail": part.details,
        },
        schema=pa.schema([pa.field(name, pa.string()) for name in FETCH_DECISIONS.names]),
    ).cast(FETCH_DECISIONS)


def _repository_row(repository: Repository, kind: str, source: AnySource, date: str) -> dict[str, Any]:
    row = dataclasses.asdict(repository)
    row |= {"source_kind": kind, "first_seen": date}
    if source.license and not row["declared_license"]:
        row |= {"declared_license": source.license, "declared_by": f"configuration of source {source.name}"}
    if source.audience != "public":
        row["audience"] = source.audience
    return row
