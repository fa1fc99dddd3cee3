"""The kinds of sources, by name. Each module is imported when its kind is first used."""

from __future__ import annotations

import importlib
from types import ModuleType

from stack_data.config import AnySource
from stack_data.sources.source import SourceContext, Unit, UnitReading

KINDS = ("git", "archive", "directory", "environment", "packages", "huggingface", "software_heritage")


def _module(kind: str) -> ModuleType:
    assert kind in KINDS, kind
    return importlib.import_module(f"stack_data.sources.{kind}")


def resolve(config: AnySource, context: SourceContext) -> list[Unit]:
    """Return the units of a configured source; SourceError when it cannot be resolved."""
    units: list[Unit] = _module(config.kind).resolve(config, context)
    return units


def read(kind: str, unit: Unit, context: SourceContext) -> UnitReading:
    """Start reading a unit."""
    reading: UnitReading = _module(kind).read(unit, context)
    return reading
