"""The kinds of sources, by name. Each module is imported when its kind is first used."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from types import ModuleType

from stack_data.config_sources import KINDS, AnySource
from stack_data.errors import SourceError
from stack_data.sources.source import Entry, SourceContext, Unit, UnitReading


def _module(kind: str) -> ModuleType:
    assert kind in KINDS, kind
    return importlib.import_module(f"stack_data.sources.{kind}")


def resolve(config: AnySource, context: SourceContext) -> list[Unit]:
    """Return the units of a configured source; SourceError when it cannot be resolved."""
    with _as_source_errors():
        units: list[Unit] = _module(config.kind).resolve(config, context)
    return units


def read(kind: str, unit: Unit, context: SourceContext) -> UnitReading:
    """Start reading a unit."""
    with _as_source_errors():
        reading: UnitReading = _module(kind).read(unit, context)
    return UnitReading(reading.repositories, _guarded(reading.entries))


def _guarded(entries: Iterator[Entry]) -> Iterator[Entry]:
    with _as_source_errors():
        yield from entries


@contextlib.contextmanager
def _as_source_errors() -> Iterator[None]:
    """What the system refuses (a file that may not be read, a folder that is gone) costs its unit, not the build."""
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise SourceError(f"{where}{error.strerror or error}") from error
