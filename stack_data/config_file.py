"""Reading configuration files: TOML and overrides in, a checked configuration or one clear error out.

An unknown key is refused with the nearest valid one; a wrong value with the value seen.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from stack_data.config import BuildConfig
from stack_data.config_errors import describe
from stack_data.errors import ConfigError, InputError

Checked = TypeVar("Checked", bound=BaseModel)


def load(path: Path, overrides: Iterable[str] = ()) -> BuildConfig:
    """Read a build configuration from a TOML file; see `load_as`."""
    return load_as(BuildConfig, path, overrides)


def load_as(model: type[Checked], path: Path, overrides: Iterable[str] = ()) -> Checked:
    """Read a configuration of some kind from a TOML file, with `a.b=value` overrides applied.

    Raises ConfigError with the file, the key, the value seen and the nearest valid key.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no configuration at {path}") from None
    except IsADirectoryError:
        raise ConfigError(f"{path} is a folder; name the TOML file in it") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no TOML: byte {error.start:,} is no UTF-8; save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is no TOML: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    return _checked(model, path, table, overrides)


def _checked(model: type[Checked], path: Path, table: dict[str, Any], overrides: Iterable[str]) -> Checked:
    for override in overrides:
        set_value(table, override)
    try:
        return model.model_validate(table)
    except ValidationError as error:
        raise ConfigError(f"{path}: {describe(error, model)}") from None


def load_resolved(path: Path, overrides: Iterable[str] = ()) -> BuildConfig:
    """Read the resolved configuration that a build saved beside its outputs, with overrides applied."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    return _checked(BuildConfig, path, table, overrides)


def set_value(table: dict[str, Any], override: str) -> None:
    """Set one value of a parsed TOML table, given as a.b=value; ConfigError when it is not of that form or a is no table."""
    key, equals, value = override.partition("=")
    parents = _key_parts(key)
    if not equals or not all(parents):
        raise ConfigError(f"--set {override!r} is not of the form a.b=value")
    try:
        parsed: Any = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    for name in parents[:-1]:
        step = table.setdefault(name, {})
        if not isinstance(step, dict):
            raise ConfigError(f"--set {override!r}: {name!r} holds a value and is no table")
        table = step
    table[parents[-1]] = parsed


def _key_parts(key: str) -> list[str]:
    """Return the parts of a dotted key as TOML reads it: names with spaces or dots stand in quotes."""
    try:
        table: Any = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        return key.split(".")
    parts = []
    while isinstance(table, dict):
        ((name, table),) = table.items()
        parts.append(name)
    return parts
