"""Reading configuration files: TOML and overrides in, a checked configuration or one clear error out.

An unknown key is refused with the nearest valid one; a wrong value with the value seen.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from stack_data.config import BuildConfig
from stack_data.config_sources import KINDS
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
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
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
    if not equals or not key:
        raise ConfigError(f"--set {override!r} is not of the form a.b=value")
    try:
        parsed: Any = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    parents = _key_parts(key)
    for name in parents[:-1]:
        step = table.setdefault(name, {})
        if not isinstance(step, dict):
            raise ConfigError(f"--set {override!r}: {name} is not a table")
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


def describe(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the first complaints of a validation in words that say what to write instead."""
    complaints = []
    errors = error.errors()
    # "Too few items" follows from an item that was refused; the item's own complaint says it all.
    errors = [item for item in errors if item["type"] != "too_short"] or errors
    for item in errors[:3]:
        # pydantic puts the union's tag into the location; it is no key of the file.
        complaints.append(_complaint(item, [str(step) for step in item["loc"] if step not in KINDS], model))
    more = len(errors) - len(complaints)
    return "; ".join(complaints) + (f"; and {more} more" if more > 0 else "")


def _complaint(item: Any, path: list[str], model: type[BaseModel]) -> str:
    where, kind, seen = ".".join(path), item["type"], item["input"]
    if kind == "extra_forbidden":
        return f"unknown key {where!r}{_nearest(where, model)}"
    if kind == "missing":
        return f"{where!r} is missing"
    if kind == "union_tag_not_found":
        return f"'{where}.kind' is missing; it is one of: {', '.join(KINDS)}"
    if kind == "union_tag_invalid":
        return f"'{where}.kind' is {seen.get('kind')!r}; it is one of: {', '.join(KINDS)}"
    if kind in ("tuple_type", "list_type"):
        how = "; write each as a table: [[source]]" if where == "source" else ""
        return f"{where!r} must be a list{how} (seen: {seen!r:.80})"
    told = _WORDS.get(kind) or item["msg"].removeprefix("Value error, ")
    return (
        f"{where!r}: {told} (seen: {seen!r:.80})"
        if where and not isinstance(seen, dict)
        else ": ".join(filter(None, (where, told)))
    )


_WORDS = {"string_type": "must be text", "model_type": "must be a table", "bool_type": "must be true or false"}


def _nearest(where: str, model: type[BaseModel]) -> str:
    """Return where the key that was meant stands: the same name elsewhere first, then the name most like it."""
    keys = _keys(model)
    name = where.rpartition(".")[2]
    same = [key for key in keys if key.rpartition(".")[2] == name]
    hint = same or difflib.get_close_matches(where, keys, n=1) or _like(name, keys)
    return f"; did you mean {hint[0]!r}?" if hint else ""


def _like(name: str, keys: list[str]) -> list[str]:
    close = difflib.get_close_matches(name, [key.rpartition(".")[2] for key in keys], n=1)
    return [key for key in keys if close and key.rpartition(".")[2] == close[0]]


def _keys(model: type[BaseModel]) -> list[str]:
    """Return every key of a model as a file spells it, dotted; list items without their number."""
    keys: dict[str, None] = {}

    def visit(annotation: Any, prefix: str) -> None:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            for name, field in annotation.model_fields.items():
                keys[f"{prefix}{field.alias or name}"] = None
                visit(field.annotation, f"{prefix}{field.alias or name}.")
            return
        for argument in getattr(annotation, "__args__", ()) + getattr(annotation, "__metadata__", ()):
            visit(argument, prefix)

    visit(model, "")
    return list(keys)
