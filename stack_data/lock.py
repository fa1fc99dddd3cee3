"""sources.lock.json: every source resolved once, so that reruns read exactly the same things.

The lock holds the source tables as configured, their units (pinned to commits, versions, checksums) with the day each
was first seen, the groups of units that share file names, and the day it was made, which is the date of everything the
build writes. A source or unit that could not be resolved is recorded and asked for again by the next run; nothing else
changes. Group sizes are fixed when a source is first locked, so numbering depends on the configured list alone.

`refresh` asks every source again: units that moved are pinned anew, new ones are put behind the others, and one that is
gone keeps its place, empty, so that no other unit is renumbered.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack_data import storage
from stack_data.config import BuildConfig
from stack_data.config_sources import AnySource
from stack_data.errors import InputError, SourceError, StaleBuildError
from stack_data.layout import Build
from stack_data.manifest import differences, told
from stack_data.sources.source import Unit

FORMAT = "fairstack-lock/2"
log = logging.getLogger(__name__)

Resolver = Callable[[AnySource], list[Unit]]


@dataclass(frozen=True, slots=True)
class Group:
    """Units of one source that are written under one name."""

    name: str
    kind: str
    source: str
    order: int
    units: tuple[Unit, ...]


@dataclass(frozen=True, slots=True)
class Lock:
    """The resolved sources. `failures`: source or unit key -> what went wrong when it was resolved."""

    date: str
    groups: tuple[Group, ...]
    failures: dict[str, str]


@dataclass(frozen=True, slots=True)
class Changes:
    """What a refresh found, as unit keys. `failures`: source or unit -> why it stays as it was locked."""

    changed: tuple[str, ...]
    new: tuple[str, ...]
    gone: tuple[str, ...]
    failures: dict[str, str]

    def __bool__(self) -> bool:
        return bool(self.changed or self.new or self.gone)


def resolve(build: Build, config: BuildConfig, resolver: Resolver, today: str, config_folder: Path) -> Lock:
    """Return the build's lock, resolving what it lacks.

    Raises StaleBuildError when the build was locked for other sources.
    """
    old: dict[str, Any] = {"date": _date(config, today), "sources": []}
    if build.lock.exists():
        old = _read(build)
    locked = {source["name"]: source for source in old["sources"]}
    _refuse_other_sources(build, config, locked)
    failures: dict[str, str] = {}
    sources = [
        _complete(locked.get(source.name), source, config.fetch.units_per_group, resolver, failures, old["date"])
        for source in config.sources
    ]
    return _write(build, old["date"], config_folder, sources, failures)


def refresh(
    build: Build, config: BuildConfig, resolver: Resolver, today: str, config_folder: Path
) -> tuple[Lock, Changes]:
    """Lock every source of a build anew; return the lock and what changed. Raises StaleBuildError when a source vanished."""
    locked = {source["name"]: source for source in _read(build)["sources"]}
    missing = sorted(locked.keys() - {source.name for source in config.sources})
    if missing:
        raise StaleBuildError(
            f"the configuration has no source {missing[0]} any more; build under another name without it"
        )
    date = _date(config, today)
    found = Changes((), (), (), {})
    sources = []
    for source in config.sources:
        renewed, changes = _renew(locked.get(source.name), source, config.fetch.units_per_group, resolver, date)
        sources.append(renewed)
        found = Changes(
            found.changed + changes.changed, found.new + changes.new, found.gone + changes.gone, found.failures | changes.failures
        )  # fmt: skip
    if not found:
        date = _read(build)["date"]
    return _write(build, date, config_folder, sources, found.failures), found


def config_folder(build: Build) -> Path:
    """Return the folder that relative paths of the build's configuration start from."""
    return Path(_read(build)["config_folder"])


def _write(
    build: Build, date: str, config_folder: Path, sources: list[dict[str, Any]], failures: dict[str, str]
) -> Lock:
    value = {"format": FORMAT, "date": date, "config_folder": str(config_folder), "sources": sources}
    storage.write_json(build.lock, value)
    return Lock(date, tuple(_groups(sources)), failures)


def _renew(
    old: dict[str, Any] | None, source: AnySource, units_per_group: int, resolver: Resolver, today: str
) -> tuple[dict[str, Any], Changes]:
    """Return a source locked anew, its units in their old places, and what changed."""
    failures: dict[str, str] = {}
    if old is None or not old["units"]:
        fresh = _complete(old, source, units_per_group, resolver, failures, today)
        return fresh, Changes((), tuple(unit["key"] for unit in fresh["units"]), (), failures)
    try:
        resolved = {unit.key: dict(unit.locked) for unit in resolver(source)}
    except SourceError as error:
        return old, Changes((), (), (), {source.name: f"{error}; it stays as it was"})
    units: list[dict[str, Any]] = []
    changed: list[str] = []
    gone: list[str] = []
    for unit in old["units"]:
        now = resolved.pop(unit["key"], {"gone": today})
        if "failed" in now:
            failures[unit["key"]] = now["failed"] + ("" if "failed" in unit["locked"] else "; it stays as it was")
            now = unit["locked"]
        if "gone" in now and "gone" in unit["locked"]:
            now = unit["locked"]
        if now != unit["locked"]:
            (gone if "gone" in now else changed).append(unit["key"])
        units.append(unit | {"locked": now})
    units += [{"key": key, "locked": now, "first_seen": today} for key, now in resolved.items()]
    failures |= {key: now["failed"] for key, now in resolved.items() if "failed" in now}
    renewed = old | {"config": source.model_dump(mode="json"), "units": units}
    return renewed, Changes(tuple(changed), tuple(resolved), tuple(gone), failures)


def read(build: Build) -> Lock:
    """Return the lock of a build as it stands."""
    value = _read(build)
    unresolved = [source["name"] for source in value["sources"] if not source["units"]]
    return Lock(
        value["date"], tuple(_groups(value["sources"])), dict.fromkeys(unresolved, "nothing of it could be resolved")
    )


def _read(build: Build) -> dict[str, Any]:
    value = storage.read_json(build.lock)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise InputError(f"{build.lock} is of format {value.get('format')!r}, this version reads {FORMAT!r}")
    return value


def _date(config: BuildConfig, today: str) -> str:
    return config.date.isoformat() if config.date else today


def _refuse_other_sources(build: Build, config: BuildConfig, locked: dict[str, dict[str, Any]]) -> None:
    current = {source.name: source.model_dump(mode="json") for source in config.sources}
    # A new source may be added to a build; one that is locked may not change or vanish.
    found = [
        difference
        for name, source in locked.items()
        for difference in (
            differences(source["config"], current[name], f"source {name}.")
            if name in current
            else [f"source {name}: gone"]
        )
    ]
    if found:
        raise StaleBuildError(
            f"{build.lock} was made for other sources ({told(found)}). To start anew, add: --anew fetch"
        )


def _complete(
    old: dict[str, Any] | None,
    source: AnySource,
    units_per_group: int,
    resolver: Resolver,
    failures: dict[str, str],
    today: str,
) -> dict[str, Any]:
    if old and old["units"] and all("failed" not in unit["locked"] for unit in old["units"]):
        return old
    try:
        units = resolver(source)
    except SourceError as error:
        failures[source.name] = str(error)
        units = []
    fresh: list[dict[str, Any]] = [
        {"key": unit.key, "locked": dict(unit.locked), "first_seen": today} for unit in units
    ]
    if old and old["units"]:
        resolved = {unit["key"]: unit["locked"] for unit in fresh}
        fresh = [
            unit if "failed" not in unit["locked"] else unit | {"locked": resolved.get(unit["key"], unit["locked"])}
            for unit in old["units"]
        ]
    failures.update({unit["key"]: unit["locked"]["failed"] for unit in fresh if "failed" in unit["locked"]})
    return {
        "name": source.name, "kind": source.kind, "config": source.model_dump(mode="json"),
        "units_per_group": old["units_per_group"] if old else units_per_group, "units": fresh,
        # One group keeps the plain name, also when more follow it later.
        "plain_first": old["plain_first"] if old and old["units"] else len(fresh) <= units_per_group,
    }  # fmt: skip


def _groups(sources: Sequence[dict[str, Any]]) -> list[Group]:
    groups: list[Group] = []
    for source in sources:
        units = [Unit(unit["key"], unit["locked"], unit["first_seen"]) for unit in source["units"]]
        size = source["units_per_group"]
        for start in range(0, len(units), size):
            is_plain = source["plain_first"] and start == 0  # files/<source>-00000.parquet
            name = source["name"] if is_plain else f"{source['name']}.{start // size:04d}"
            groups.append(Group(name, source["kind"], source["name"], len(groups), tuple(units[start : start + size])))
    return groups
