"""What is wrong with a configuration, in sentences: the dotted key, what it must be, the value seen, the key that was meant.

Reads pydantic's errors by their type, place and input; its own words are for programmers and are shown only for a type that no setting
raises today. Sentences of checks that span several keys are those of the checks, in config.py and beside it. Writes nothing.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError

_TABLE, _NUMBER, _WHOLE, _DATE = (
    "must be a table", "must be a number", "must be a whole number", "must be a date such as 2026-01-31",
)  # fmt: skip
MUST: Mapping[str, str] = {
    "int_type": _WHOLE, "int_parsing": _WHOLE, "int_from_float": _WHOLE, "int_parsing_size": f"{_WHOLE} of 64 bits",
    "float_type": _NUMBER, "float_parsing": _NUMBER, "finite_number": "must be a finite number",
    "bool_type": "must be true or false", "string_type": "must be text in quotes",
    "dict_type": _TABLE, "model_type": _TABLE, "model_attributes_type": _TABLE,
    "list_type": "must be a list", "tuple_type": "must be a list", "too_short": "must hold at least {min_length}",
    "date_type": _DATE, "date_parsing": _DATE, "date_from_datetime_parsing": _DATE, "date_from_datetime_inexact": _DATE,
    "greater_than": "must be greater than {gt}", "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}", "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
}  # fmt: skip
"""What a value must be, by pydantic's type of error; names in braces are of the error's context."""

_VERSION = "must be MAJOR.MINOR.PATCH, such as 1.2.0"
PATTERNS: Mapping[str, str] = {
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$": "must be letters, digits, '.', '_' and '-', the first of them a letter or digit, 64 at most",
    r"^[a-z0-9][a-z0-9_-]{0,39}$": "must be lower-case letters, digits, '_' and '-', the first of them a letter or digit, 40 at most",
    r"^\d+\.\d+\.\d+$": _VERSION,
    r"^(\d+\.\d+\.\d+)?$": f"{_VERSION}, or empty",
    r"^[A-Za-z0-9][A-Za-z0-9.+-]*$|^$": "must be one id as the Hub names licences, such as apache-2.0, or empty",
}
"""What text must be, by the pattern of its field."""

_SHOWN = 3
_LONGEST = 80


def describe(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the first three complaints of a validation as one line that says what to write instead, and how many more there are."""
    errors = error.errors()
    # "Too few items" follows from an item that was refused; the item's own complaint says it all.
    errors = [item for item in errors if item["type"] != "too_short"] or errors
    complaints = [_complaint(item, _place(model, item["loc"])) for item in errors[:_SHOWN]]
    more = f"; and {len(errors) - _SHOWN} more" if len(errors) > _SHOWN else ""
    return "; ".join(complaints) + more


@dataclass(frozen=True)
class _Place:
    """Where an error is: the parts of its key, the model it was found in, the table it stands in, and what it is annotated as."""

    parts: tuple[str, ...]
    whole: type[BaseModel]
    table: type[BaseModel]
    annotation: Any

    @property
    def key(self) -> str:
        return _dotted(self.parts)


def _place(model: type[BaseModel], location: tuple[int | str, ...]) -> _Place:
    """Walk a location of pydantic's down the model; the tag of a choice among tables stands in it and is no key of the file."""
    parts: list[str] = []
    table, annotation = model, cast(Any, model)
    for step in location:
        choices = _tables(annotation)
        if len(choices) > 1:
            annotation = next(one for one in choices if step in get_args(one.model_fields["kind"].annotation))
            continue
        parts.append(str(step))
        if choices:
            table, annotation = choices[0], _keys(choices[0]).get(str(step))
        else:
            annotation = _items(annotation)
    inner = _tables(annotation)
    return _Place(tuple(parts), model, inner[0] if len(inner) == 1 else table, annotation)


def _tables(annotation: Any) -> list[type[BaseModel]]:
    """Return the tables that a value of this annotation may be; several where `kind` says which."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (tuple, list, dict):
        return []
    return [table for one in get_args(annotation) for table in _tables(one)]


def _items(annotation: Any) -> Any:
    """Return the annotation of a list's items or a table's values; None where it is neither."""
    if get_origin(annotation) in (tuple, list, dict):
        return [one for one in get_args(annotation) if one is not Ellipsis][-1]
    return next((found for one in get_args(annotation) if (found := _items(one)) is not None), None)


def _keys(table: type[BaseModel]) -> dict[str, Any]:
    """Return the annotation of each key of a table, by the key as a file spells it."""
    return {field.alias or name: field.annotation for name, field in table.model_fields.items()}


def _complaint(item: Any, place: _Place) -> str:
    kind, seen, key = item["type"], item["input"], place.key
    if kind == "extra_forbidden":
        return f"unknown key '{key}'{_hint(place)}"
    if kind == "missing":
        return _missing(place)
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        told = "is missing" if kind == "union_tag_not_found" else f"is {_shown(seen['kind'])}"
        return f"'{key}.kind' {told}; it is one of: {', '.join(_kinds(place.annotation))}"
    if kind == "value_error":
        told = item["msg"].removeprefix("Value error, ")
        return told if not key or told.startswith(f"'{key}") else f"{key}: {told}"
    return f"'{key}' {_must(item, place)} (seen: {_shown(seen)})"


def _must(item: Any, place: _Place) -> str:
    kind, context = item["type"], item.get("ctx", {})
    if kind == "string_pattern_mismatch":
        return PATTERNS.get(context["pattern"], f"must match {context['pattern']}")
    if kind not in MUST:
        return f"is refused: {item['msg']}"
    numbers = {name: f"{value:g}" if isinstance(value, float) else value for name, value in context.items()}
    return MUST[kind].format_map(numbers) + _spelling(place, item["input"])


def _spelling(place: _Place, seen: object) -> str:
    """Return how it is written, where one stands for several or several for one."""
    if _is_list_of_tables(place.annotation):
        return f"; write each of its tables as [[{_dotted([one for one in place.parts if not one.isdigit()])}]]"
    if isinstance(seen, list) and _tables(place.annotation) and not place.parts[-1].isdigit():
        return f", written once as [{place.key}]"
    return f", such as [{_shown(seen)}]" if isinstance(seen, str) and _items(place.annotation) is str else ""


def _missing(place: _Place) -> str:
    if _is_list_of_tables(place.annotation):
        return f"the table [[{place.key}]] is missing"
    return f"the table [{place.key}] is missing" if _tables(place.annotation) else f"'{place.key}' is missing"


def _is_list_of_tables(annotation: Any) -> bool:
    return get_origin(annotation) in (tuple, list) and bool(_tables(_items(annotation)))


def _kinds(annotation: Any) -> list[str]:
    return [kind for table in _tables(annotation) for kind in get_args(table.model_fields["kind"].annotation)]


def _hint(place: _Place) -> str:
    """Return where the key that was meant stands: the same name elsewhere, the name most like it, or else the keys of its table."""
    *prefix, name = place.parts
    siblings = list(_keys(place.table))
    # What one source may say is no hint for another, nor for the tables within it.
    elsewhere = [path for path in _paths(place.whole) if not prefix or path[0] != prefix[0]]
    same = [path for path in elsewhere if path[-1] == name]
    close = _like(name, siblings)
    meant = same[0] if same else (*prefix, close) if close else None
    if meant is None and (close := _like(name, [path[-1] for path in elsewhere], least=0.8)):
        meant = next(path for path in elsewhere if path[-1] == close)
    if meant:
        return f"; did you mean '{_dotted(meant)}'?"
    holder = f"'{_dotted(prefix)}'" if prefix else "the file"
    return f"; {holder} may hold: {', '.join(siblings)}"


def _like(name: str, names: list[str], least: float = 0.6) -> str | None:
    """Return the one of some names that is most like this one, in whatever case; None when none is."""
    by_lower = {one.lower(): one for one in reversed(names)}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=least)
    return by_lower[close[0]] if close else None


def _paths(table: type[BaseModel], prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return every key of a model, those of tables in lists without their number; tables under names of one's own are not entered."""
    paths: dict[tuple[str, ...], None] = {}
    for name, annotation in _keys(table).items():
        path = (*prefix, name)
        paths[path] = None
        inner = _items(annotation) if _is_list_of_tables(annotation) else annotation
        for one in _tables(inner):
            paths.update(dict.fromkeys(_paths(one, path)))
    return list(paths)


def _dotted(parts: tuple[str, ...] | list[str]) -> str:
    """Return a key as TOML reads it: names with spaces or dots stand in quotes."""
    return ".".join(one if re.fullmatch(r"[A-Za-z0-9_-]+", one) else json.dumps(one) for one in parts)


def _shown(value: object) -> str:
    """Return a value as TOML spells it, cut to what a line has room for."""
    text = _spelled(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _spelled(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_dotted([str(key)])} = {_spelled(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_spelled, value)) + "]"
    return repr(value) if isinstance(value, str) else str(value)
