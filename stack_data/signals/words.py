"""The names and words of the marks, from the table `opt_out_signals`, and how a text is taken in.

Reads that table; writes nothing. All values are folded here, so that the readers of the formats compare folded words.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from stack_data.tables import load_table

MAX_BYTES = 500 * 1024
"""Bytes of a signal file that are read; the line that is cut there is left out."""
MAX_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Words:
    """The table, folded. Tuples keep its order; see there for what each says."""

    forge_folders: tuple[str, ...]
    forge_files: tuple[str, ...]
    root_files: tuple[str, ...]
    opt_out_keys: frozenset[str]
    permissions: frozenset[str]
    refusals: frozenset[str]
    topics: frozenset[str]
    yes: frozenset[str]
    no: frozenset[str]


@functools.cache
def words() -> Words:
    """Return the table."""
    table: dict[str, list[str]] = load_table("opt_out_signals")
    ordered: dict[str, Any] = {key: _folded(table[key]) for key in ("forge_folders", "forge_files", "root_files")}
    others: dict[str, Any] = {key: frozenset(_folded(table[key])) for key in table.keys() - ordered.keys() - {"about"}}
    return Words(**ordered, **others)


def _folded(names: list[str]) -> tuple[str, ...]:
    return tuple(name.lower() for name in names)


def shown(path: str) -> str:
    """Return a path as details show it: the end of one that is very long."""
    return path if len(path) <= MAX_SHOWN else f"...{path[-MAX_SHOWN:]}"


def head(text: str) -> bytes:
    """Return the first MAX_BYTES of a text in UTF-8 without a byte order mark, whole lines only where it is longer."""
    content = text[:MAX_BYTES].removeprefix("\ufeff").encode("utf-8", "replace")
    if len(text) <= MAX_BYTES and len(content) <= MAX_BYTES:
        return content
    return content[:MAX_BYTES].rpartition(b"\n")[0]
