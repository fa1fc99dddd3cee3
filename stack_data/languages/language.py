"""What is known of each language: its kind, names, extensions, and the slug that releases use as folder name.

Reads the table linguist_languages. A language is a Linguist language and keeps Linguist's name everywhere;
columns hold names, folders hold slugs (formats.md, section 3).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

from stack_data.errors import ConfigError
from stack_data.languages.tables import read_table

LanguageType = Literal["programming", "markup", "data", "prose"]


@dataclass(frozen=True, slots=True)
class Language:
    """A language as Linguist describes it.

    group         name of the language it is counted under, for example "JavaScript" for "JSX", or None
    slug          fixed folder name, [a-z0-9-]+
    language_id   Linguist's number, stable over renames
    color         "#rrggbb" for plots, or None
    extensions    with their dot, the primary one first
    filenames     whole file names, case-sensitive
    interpreters  names that stand behind #!
    aliases       other names, lower-case, besides the name itself
    """

    name: str
    type: LanguageType
    group: str | None
    slug: str
    language_id: int
    color: str | None
    extensions: tuple[str, ...]
    filenames: tuple[str, ...]
    interpreters: tuple[str, ...]
    aliases: tuple[str, ...]


@cache
def languages() -> Mapping[str, Language]:
    """Return every language by name, in Linguist's order."""
    found = {}
    for entry in read_table("linguist_languages")["languages"]:
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
        }
        found[entry["name"]] = Language(**fields)
    return MappingProxyType(found)


@cache
def by_slug() -> Mapping[str, Language]:
    """Return every language by slug."""
    return MappingProxyType({language.slug: language for language in languages().values()})


@cache
def by_alias() -> Mapping[str, str]:
    """Return language names by lower-case name or alias; spaces of a name may be written as hyphens."""
    found: dict[str, str] = {}
    for name, language in languages().items():
        for alias in (name.lower(), name.lower().replace(" ", "-"), *map(str.lower, language.aliases)):
            found.setdefault(alias, name)
    return MappingProxyType(found)


def language_named(name: str) -> str:
    """Return a language's Linguist name by that name or an alias, in any case; ConfigError for what is neither, with the nearest."""
    found = name if name in languages() else by_alias().get(name.strip().lower())
    if found is None:
        near = difflib.get_close_matches(name.lower(), by_alias(), 1, 0.7)
        meant = f"; did you mean {by_alias()[near[0]]!r}?" if near else ""
        raise ConfigError(f"no language is called {name!r}{meant}")
    return found


def language_info(name: str) -> Language:
    """Return the facts of a language by its exact Linguist name; KeyError for a name that is none."""
    return languages()[name]
