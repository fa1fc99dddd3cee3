"""Reading a configured source in a test: resolve, then every entry of every unit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from stack_data.config import LimitsConfig
from stack_data.config_sources import AnySource
from stack_data.errors import SourceError
from stack_data.sources import kinds
from stack_data.sources.source import Entry, Repository, SourceContext, Unit


def context(folder: Path, **limits: Any) -> SourceContext:
    """Return a context whose cache lies below `folder`."""
    cache = folder / "cache"
    cache.mkdir(exist_ok=True)
    return SourceContext(cache, folder, LimitsConfig(**limits), "2026-01-01", {})


def units(folder: Path, kind: str, **settings: Any) -> list[Unit]:
    """Resolve a source."""
    source: AnySource = TypeAdapter(AnySource).validate_python({"name": "s", "kind": kind, **settings})
    return kinds.resolve(source, context(folder))


def read(
    folder: Path, kind: str, limits: dict[str, Any] | None = None, **settings: Any
) -> tuple[list[Repository], list[Entry]]:
    """Resolve and read a source; a failed unit is raised."""
    repositories: list[Repository] = []
    entries: list[Entry] = []
    for unit in units(folder, kind, **settings):
        if "failed" in unit.locked:
            raise SourceError(str(unit.locked["failed"]))
        reading = kinds.read(kind, unit, context(folder, **(limits or {})))
        entries += list(reading.entries)
        repositories += reading.repositories
    return repositories, entries


def contents(entries: list[Entry]) -> dict[str, bytes | str | None]:
    """Return path -> bytes, or the reason's name."""
    return {entry.path: entry.reason.value if entry.reason else entry.content for entry in entries}
