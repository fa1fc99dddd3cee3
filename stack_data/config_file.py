"""Reading configuration files: TOML and overrides in, a checked configuration or one clear error out.

An unknown key is refused with the nearest valid one; a wrong value with the value seen.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from stack_data.config import BuildConfig
from stack_data.errors import ConfigError, InputError


def load(path: Path, overrides: Iterable[str] = ()) -> BuildConfig:
    """Read a build configuration from a TOML file, with `a.b=value` overrides applied.

    Raises ConfigError with the file, the key, the value seen and the nearest valid key.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no configuration at {path}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    for override in overrides:
        _override(table, override)
    try:
        return BuildConfig.model_validate(table)
    except ValidationError as error:
        raise ConfigError(f"{path}: {describe(error, BuildConfig)}") from None


def load_resolved(path: Path, overrides: Iterable[str] = ()) -> BuildConfig:
    """Read the resolved configuration that a build saved beside its outputs, with overrides applied."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    for override in overrides:
        _override(table, override)
    try:
        return BuildConfig.model_validate(table)
    except ValidationError as error:
        raise ConfigError(f"{path}: {describe(error, BuildConfig)}") from None


def _override(table: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {override!r} is not of the form a.b=value")
    try:
        parsed: Any = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    parents = key.split(".")
    for name in parents[:-1]:
        step = table.setdefault(name, {})
        if not isinstance(step, dict):
            raise ConfigError(f"--set {override!r}: {name} is not a table")
        table = step
    table[parents[-1]] = parsed


def describe(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the first complaints of a validation in words that say what to write instead."""
    complaints = []
    errors = error.errors()
    # "Too few items" follows from an item that was refused; the item's own complaint says it all.
    errors = [item for item in errors if item["type"] != "too_short"] or errors
    for item in errors[:3]:
        # pydantic puts the union's tag into the location; it is no key of the file.
        path = [str(step) for step in item["loc"] if step not in _KINDS]
        where = ".".join(path) or "the file"
        if item["type"] == "extra_forbidden":
            hint = difflib.get_close_matches(path[-1], _keys(model), n=1)
            nearest = f"; did you mean {hint[0]!r}?" if hint else ""
            complaints.append(f"unknown key {where!r}{nearest}")
        elif item["type"] == "missing":
            complaints.append(f"{where!r} is missing")
        else:
            complaints.append(f"{where!r}: {item['msg'].removeprefix('Value error, ')} (seen: {item['input']!r:.80})")
    more = len(errors) - len(complaints)
    return "; ".join(complaints) + (f"; and {more} more" if more > 0 else "")


_KINDS = {"git", "archive", "directory", "environment", "packages", "huggingface", "software_heritage"}


def _keys(model: type[BaseModel]) -> list[str]:
    seen: set[type[BaseModel]] = set()
    keys: list[str] = []

    def visit(annotation: Any) -> None:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            if annotation not in seen:
                seen.add(annotation)
                for name, field in annotation.model_fields.items():
                    keys.append(field.alias or name)
                    visit(field.annotation)
            return
        for argument in getattr(annotation, "__args__", ()) + getattr(annotation, "__metadata__", ()):
            visit(argument)

    visit(model)
    return keys
