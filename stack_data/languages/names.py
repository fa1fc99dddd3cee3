"""What a file's name says of its language: candidates by whole name, by extension, and manual pages.

A name is reduced to a key, the whole name where Linguist knows it ("Makefile") and otherwise its extension in lower
case, with the one before it where the two belong together (".blade.php"). A corpus has few distinct keys, so the
columns are reduced by Arrow and only distinct keys are looked up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from stack_data.languages.columns import either
from stack_data.languages.language import languages
from stack_data.languages.tables import read_table

WHOLE_NAME = "="
_MANUAL_PAGE = re.compile(r"\.(?:[1-9](?![0-9])[a-z_0-9]*|0p|n|man|mdoc)(?:\.in)?$")
MANUAL_PAGE_LANGUAGES = ("Roff Manpage", "Roff")


@dataclass(frozen=True, slots=True)
class NameClues:
    """What one key says.

    filename     languages of this whole name
    extension    languages of this extension, empty for a generic one
    generic      the extension is used by many formats that Linguist does not know
    manual_page  the extension is a section of the manual, perhaps of a template (`.3.in`)
    key          the extension that the heuristics go by
    """

    filename: tuple[str, ...] = ()
    extension: tuple[str, ...] = ()
    generic: bool = False
    manual_page: bool = False
    key: str = ""


@cache
def by_filename() -> dict[str, tuple[str, ...]]:
    """Return the languages of each whole file name."""
    found: dict[str, list[str]] = {}
    for name, language in languages().items():
        for filename in language.filenames:
            found.setdefault(filename, []).append(name)
    return {filename: tuple(names) for filename, names in found.items()}


@cache
def by_extension() -> dict[str, tuple[str, ...]]:
    """Return the languages of each extension in lower case, in Linguist's order."""
    found: dict[str, dict[str, None]] = {}
    for name, language in languages().items():
        for extension in language.extensions:
            found.setdefault(extension.lower(), {})[name] = None
    return {extension: tuple(names) for extension, names in found.items()}


@cache
def generic_extensions() -> frozenset[str]:
    """Return the extensions that count only together with a rule over the text."""
    return frozenset(read_table("linguist_languages")["generic_extensions"])


@cache
def _key_pattern() -> str:
    """Return the RE2 pattern of the extension of a name: a known double one, `.*.in`, or the last."""
    double = sorted(extension for extension in by_extension() if extension.count(".") > 1)
    return rf"(?s)(?P<key>{either(map(re.escape, double))}|\.[^.]*\.in|\.[^.]*)$"


def base_names(paths: pa.Array) -> pa.Array:
    """Return the last component of every path."""
    return pc.replace_substring_regex(paths, r"(?s)^.*/", "")


def name_keys(paths: pa.Array) -> pa.DictionaryArray:
    """Return the key of every path, dictionary-encoded; a name without dot that nobody knows has the key ""."""
    names = base_names(paths)
    extension = pc.struct_field(pc.extract_regex(pc.utf8_lower(names), _key_pattern()), "key").fill_null("")
    known = pc.is_in(names, value_set=pa.array(sorted(by_filename()), names.type))
    with_mark = pc.binary_join_element_wise(pa.scalar(WHOLE_NAME, names.type), names, pa.scalar("", names.type))
    return pc.if_else(known, with_mark, extension).dictionary_encode()


def name_clues(key: str) -> NameClues:
    """Return what a key of `name_keys` says."""
    filename: tuple[str, ...] = ()
    if key.startswith(WHOLE_NAME):
        filename = by_filename().get(key[1:], ())
        dot = key.find(".", 1)
        key = key[dot:].lower() if dot > 0 else ""
    manual_page = bool(_MANUAL_PAGE.search(key))
    if manual_page:
        key = key.removesuffix(".in")
    while key and key not in by_extension() and "." in key[1:]:
        key = key[key.index(".", 1) :]
    generic = key in generic_extensions()
    return NameClues(
        filename=filename,
        extension=() if generic else by_extension().get(key, ()),
        generic=generic,
        manual_page=manual_page,
        key=key,
    )
