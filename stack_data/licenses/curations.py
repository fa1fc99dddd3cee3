"""Decisions by people about licence texts that no rule understands, each with a name, a reason and a date.

Reads the shipped `curations.toml` table and, when configured, a file of the same form:

    [[curation]]
    text_sha256 = "..."          SHA-256 of the folded text (see `fold`)
    license = "Python-2.0"       SPDX expression
    person = "..."  reason = "..."  date = 2026-11-20

A curation wins over whatever was found in the text. Only texts can be curated here.
"""

from __future__ import annotations

import datetime
import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack_data.errors import ConfigError
from stack_data.licenses import expressions
from stack_data.tables import load_table

_FIELDS = {"text_sha256", "license", "person", "reason", "date", "about"}


@dataclass(frozen=True, slots=True)
class Curation:
    """What a person decided about a text."""

    license: str
    person: str
    reason: str
    date: str


def fold(text: str) -> str:
    """Return a text without case, digits and white space runs, so that a new year or release is the same text."""
    return re.sub(r"\s+", " ", re.sub(r"[\d.]+", "", text.casefold())).strip()


def text_key(text: str) -> str:
    """Return the SHA-256 under which a text is curated."""
    return hashlib.sha256(fold(text).encode("utf-8", "surrogatepass")).hexdigest()


def load(extra: Path | None = None) -> dict[str, Curation]:
    """Return the curations by text key; ConfigError names the entry that is wrong."""
    found = dict(_read(load_table("curations").get("curation", []), "the shipped curations"))
    if extra is not None:
        try:
            table = tomllib.loads(extra.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"license.curations: {extra}: {error}") from error
        found |= dict(_read(table.get("curation", []), str(extra)))
    return found


def _read(entries: Iterable[Mapping[str, Any]], origin: str) -> Iterable[tuple[str, Curation]]:
    for number, entry in enumerate(entries, 1):
        unknown = set(entry) - _FIELDS
        missing = {"text_sha256", "license", "person", "reason", "date"} - set(entry)
        if unknown or missing:
            wrong = f"unknown key {min(unknown)!r}" if unknown else f"{min(missing)!r} is missing"
            raise ConfigError(f"{origin}: curation {number}: {wrong}")
        if expressions.parse(str(entry["license"])) is None:
            raise ConfigError(f"{origin}: curation {number}: {entry['license']!r} is no SPDX expression")
        if not isinstance(entry["date"], datetime.date):
            raise ConfigError(f"{origin}: curation {number}: date {entry['date']!r} is no date (write 2026-11-20)")
        yield (
            str(entry["text_sha256"]),
            Curation(str(entry["license"]), str(entry["person"]), str(entry["reason"]), entry["date"].isoformat()),
        )
