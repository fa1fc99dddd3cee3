"""sources.lock.json: every source resolved once, so that reruns read exactly the same things.

The lock holds the source tables as configured, their units (pinned to commits, versions, checksums), the groups
of units that share file names, and the day it was made, which is the date of everything the build writes. A
source or unit that could not be resolved is recorded and asked for again by the next run; nothing else changes.
Group sizes are fixed when a source is first locked, so numbering depends on the configured list alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from stack_data import storage
from stack_data.config import BuildConfig
from stack_data.config_sources import AnySource
from stack_data.errors import InputError, SourceError, StaleBuildError
from stack_data.layout import Build
from stack_data.manifest import differences
from stack_data.sources.source import Unit

FORMAT = "fairstack-lock/1"
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


def resolve(build: Build, config: BuildConfig, resolver: Resolver, today: str) -> Lock:
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
        _complete(locked.get(source.name), source, config.fetch.units_per_group, resolver, failures)
        for source in config.sources
    ]
    storage.write_json(build.lock, {"format": FORMAT, "date": old["date"], "sources": sources})
    return Lock(old["date"], tuple(_groups(sources)), failures)


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
            f"{build.lock} was made for other sources ({'; '.join(found[:3])}). To start anew, add: --anew fetch"
        )


def _complete(
    old: dict[str, Any] | None,
    source: AnySource,
    units_per_group: int,
    resolver: Resolver,
    failures: dict[str, str],
) -> dict[str, Any]:
    if old and old["units"] and all("failed" not in unit["locked"] for unit in old["units"]):
        return old
    try:
        units = resolver(source)
    except SourceError as error:
        failures[source.name] = str(error)
        units = []
    fresh: list[dict[str, Any]] = [{"key": unit.key, "locked": dict(unit.locked)} for unit in units]
    if old and old["units"]:
        resolved = {unit["key"]: unit for unit in fresh}
        fresh = [unit if "failed" not in unit["locked"] else resolved.get(unit["key"], unit) for unit in old["units"]]
    failures.update({unit["key"]: unit["locked"]["failed"] for unit in fresh if "failed" in unit["locked"]})
    return {
        "name": source.name, "kind": source.kind, "config": source.model_dump(mode="json"),
        "units_per_group": old["units_per_group"] if old else units_per_group, "units": fresh,
    }  # fmt: skip


def _groups(sources: Sequence[dict[str, Any]]) -> list[Group]:
    groups: list[Group] = []
    for source in sources:
        units = [Unit(unit["key"], unit["locked"]) for unit in source["units"]]
        size = source["units_per_group"]
        for start in range(0, len(units), size):
            # One group keeps the plain name; its parts then read `files/<source>-00000.parquet`.
            name = source["name"] if len(units) <= size else f"{source['name']}.{start // size:04d}"
            groups.append(Group(name, source["kind"], source["name"], len(groups), tuple(units[start : start + size])))
    return groups
