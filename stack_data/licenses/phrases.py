"""Compiled tables of names, phrases and texts, loaded once and lazily.

Reads tables/spdx_licenses.json.xz and tables/license_phrases.toml; gives three programs for the automaton:
texts (licences, exceptions, notices), names (identifiers, names, titles and other names of licences), and
phrases (what may stand around texts). In phrases a licence's name is one word, as gaps.py folds it.
Loading takes about half a second and is done by the first text that is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack_data.licenses.templates import Program, Template, compile_templates, leading, plain, trailing
from stack_data.licenses.tokens import Spelling, make_spelling
from stack_data.licenses.variants import cut, widen
from stack_data.tables import load_table

NAME_WORD, BARE_WORD, LINE_WORD = "zzname", "zzbare", "zzline"  # no language has these words
_LEAST_CHARACTERS = 60  # of a text worth recognising
_LONGEST_TITLE = 14  # words; other parts before a licence are its preamble
_LEAST_PREAMBLE = 3  # words
_PLACEHOLDERS = {"{name}": NAME_WORD, "{line}": LINE_WORD}
_ANY_CHARACTERS = -20  # a slot of eight words: see templates.slot_words


@dataclass(frozen=True, slots=True)
class Library:
    """A program and, by template number, what it was compiled from."""

    program: Program
    templates: tuple[Template, ...]
    rank: NDArray[np.int32]  # which template is named when several match the same words; lowest wins


@dataclass(frozen=True, slots=True)
class Tables:
    """Everything recognition needs; `permissive` holds the identifiers of all Blue Oak tiers, `renamed` the
    licences that were listed together with an exception."""

    spelling: Spelling
    texts: Library
    names: Library
    phrases: Library
    permissive: frozenset[str]
    renamed: dict[str, str]


@lru_cache(maxsize=1)
def tables() -> Tables:
    """Load and compile the tables."""
    spdx = load_table("spdx_licenses")
    words = load_table("license_phrases")
    equal = {word.replace("-", ""): word.replace("-", " ") for word in spdx["compounds"]} | words["equal"]
    spelling = make_spelling(equal, set(words["operative"].split()), set(words["personal"].split()))
    tiers = load_table("blueoak_v15")["tiers"]
    permissive = frozenset(identifier for tier in tiers for identifier in tier["ids"])
    parts = (
        list(_texts(spdx, words, permissive)),
        list(_names(spdx, words)),
        list(_phrases(words)),
    )
    deprecated = {entry["id"] for entry in spdx["licenses"] if entry["deprecated"]}
    ranks = [[_rank(t, permissive, deprecated) for t in part] for part in parts]
    libraries = [
        Library(compile_templates(part, spelling), tuple(part), _places(rank))
        for part, rank in zip(parts, ranks, strict=True)
    ]
    return Tables(spelling, libraries[0], libraries[1], libraries[2], permissive, words["renamed"])


def _places(keys: list[tuple[bool, bool, bool, str]]) -> NDArray[np.int32]:
    places = np.empty(len(keys), np.int32)
    places[sorted(range(len(keys)), key=lambda at: keys[at])] = np.arange(len(keys), dtype=np.int32)
    return places


def _rank(template: Template, permissive: frozenset[str], deprecated: set[str]) -> tuple[bool, bool, bool, str]:
    """Order templates that match the same words: the stricter verdict, then current, `-only`, and the alphabet."""
    name = template.ids[0] if template.ids else ""
    return (name in permissive, name in deprecated, name.endswith(("-or-later", "-RFN", "-no-RFN")), name)


def _texts(spdx: dict[str, Any], words: dict[str, Any], permissive: frozenset[str]) -> Iterator[Template]:
    for entry in (*spdx["licenses"], *spdx["exceptions"]):
        if sum(len(node) for node in entry["template"] if isinstance(node, str)) < _LEAST_CHARACTERS:
            continue  # a mere title ("any-OSI") recognises nothing
        variants = words["variant"] if entry["id"] in permissive else ()
        yield Template((entry["id"],), entry["kind"], widen(entry["template"], variants))
        if len(plain(entry.get("notice", []))) > _LEAST_CHARACTERS:
            yield Template((entry["id"],), "notice", widen(entry["notice"], variants))
        for part in (*leading(entry["template"]), *trailing(entry["template"])):
            if len(part.split()) > _LEAST_PREAMBLE and not _is_title(part, set(words["generic"].split())):
                yield Template((entry["id"],), "preamble", [part])
        for part in words["part"]:
            if part["id"] == entry["id"]:
                yield Template((entry["id"],), "part", cut(entry["template"], part["first"], part["until"]))
    for grant in words["grant"]:
        yield Template((grant["id"],), "exception", list(parse_phrase(" ".join(grant["text"].split()))))


def _names(spdx: dict[str, Any], words: dict[str, Any]) -> Iterator[Template]:
    """Yield identifiers, names and titles; those of one short word are `bare`, the rest `name`."""
    generic = set(words["generic"].split())
    meant: dict[str, list[str]] = {}
    for entry in spdx["licenses"]:
        titles = [part for part in leading(entry["template"]) if _is_title(part, generic)]
        for alias in (entry["id"], entry["name"], *titles) if entry["id"] != "any-OSI" else ():
            meant.setdefault(re.sub(r"\s+", " ", alias).strip().lower(), []).append(entry["id"])
    for kind, table in (("name", words["names"]), ("bare", words["bare"])):
        for identifier, aliases in table.items():
            for alias in aliases:
                meant.pop(alias, None)
                yield Template((identifier,), kind, [alias])
    for alias, ids in meant.items():
        single = len(re.findall(r"\w+", alias)) == 1
        yield Template(tuple(dict.fromkeys(ids)), "bare" if single else "name", [alias])


def _is_title(part: str, generic: set[str]) -> bool:
    """Tell whether a leading part names its licence: short, and with a word that other titles lack."""
    words = re.findall(r"\w+", part.lower())
    distinct = [word for word in words if word not in generic and not word.isdigit() and len(word) > 1]
    return bool(distinct) and len(words) <= _LONGEST_TITLE and re.search(r"licen[sc]e|gpl", part, re.I) is not None


def _phrases(words: dict[str, Any]) -> Iterator[Template]:
    """Yield phrases by kind, and notices with the licence they state."""
    for kind, lines in words["phrases"].items():
        for line in lines:
            yield Template((), kind, list(parse_phrase(line)))
    for identifier, lines in words["notices"].items():
        for line in lines:
            yield Template((identifier,), "stated", list(parse_phrase(line)))


def parse_phrase(line: str) -> Iterator[Any]:
    """Yield the nodes of a phrase: alternatives in parentheses, placeholders as words of their own."""
    for piece in re.split(r"(\([^)]*\)|\{\w+\})", line):
        if piece.startswith("("):
            yield ["|", "", [filled for choice in piece[1:-1].split("|") for filled in _fill(choice)]]
        elif piece == "{bare}":
            yield ["|", "", [NAME_WORD, BARE_WORD]]
        elif piece == "{any}":
            yield ["*", "", _ANY_CHARACTERS]
        elif piece.strip():
            yield _PLACEHOLDERS.get(piece, piece)


def _fill(choice: str) -> list[str]:
    """Return a choice with its placeholders as words; {bare} makes two."""
    for placeholder, word in _PLACEHOLDERS.items():
        choice = choice.replace(placeholder, word)
    return [choice.replace("{bare}", word) for word in ((NAME_WORD, BARE_WORD) if "{bare}" in choice else ("",))]
