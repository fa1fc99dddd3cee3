"""What package manifests declare: evidence from pyproject.toml, METADATA, package.json and their like.

`declared(path, text)` returns the evidence of one manifest. A statement that names no known licence is evidence
too, with expression None: it must not read as silence. Pointers ("see LICENSE") and empty fields say nothing.
Not covered: manifests that have to be run to be read (setup.py, gemspecs); of setup.py the literal arguments
are read with a pattern, which finds what nearly all of them write.
"""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from email.parser import HeaderParser
from typing import Any
from xml.etree import ElementTree

from stack_data.licenses import expressions
from stack_data.licenses.evidence import Evidence
from stack_data.licenses.names import MAX_NAME_CHARS, classifier_expression, expression_of

Statement = tuple[str, str]
"""(kind, value): kind is "name" (a name or expression), "expression" (SPDX only) or "classifier"."""

_POINTER = re.compile(
    r"^\s*(?:(?:please\s+)?(?:see|refer to|check|read)\b.{0,80}|(?:file:\s*)?\S*(?:licen[cs]e|copying)\S*)\s*$",
    re.IGNORECASE | re.DOTALL,
)
_EMPTY = {"", "unknown", "none", "n/a", "tbd", "license", "other/unknown", "dual license", "other"}


def reader_of(name: str) -> Callable[[str], list[Statement]] | None:
    """Return the reader for a manifest's file name, or None when the name is no manifest's."""
    folded = name.casefold()
    if folded in _READERS:
        return _READERS[folded]
    return _pom if folded.endswith(".pom") else None


def declared(path: str, text: str) -> list[Evidence]:
    """Return what the manifest at `path` states about the licence of its folder; [] when it states nothing."""
    reader = reader_of(path.rsplit("/", 1)[-1])
    if reader is None:
        return []
    try:
        statements = reader(text.removeprefix("\ufeff"))
    except (ValueError, TypeError, AttributeError, KeyError, configparser.Error, ElementTree.ParseError) as error:
        # An unreadable manifest states nothing; the folder's other evidence decides.
        del error
        return []
    return _evidence(path, text, statements)


def _evidence(path: str, text: str, statements: list[Statement]) -> list[Evidence]:
    specific: dict[str | None, str] = {}
    for kind, value in statements:
        expression = _expression(kind, value)
        if expression != "":
            specific.setdefault(expression, value)
    known = [expression for expression in specific if expression]
    # "BSD License" as a classifier beside "BSD-3-Clause" as the name is one statement, told twice.
    kept = {
        expression: value
        for expression, value in specific.items()
        if not (expression and _is_vaguer(expression, known)) and not (expression is None and known and len(value) > 60)
    }
    return [_one(path, text, expression, value) for expression, value in kept.items()]


def _one(path: str, text: str, expression: str | None, value: str) -> Evidence:
    start = max(text.find(value), 0)
    end = start + len(value) if text.startswith(value, start) else 0
    detail = "" if expression else f"states {' '.join(value.split())[:60]!r}, which is no known licence"
    return Evidence(path, start if end else 0, end, "metadata", expression, 1.0, detail)


def _is_vaguer(expression: str, others: list[str]) -> bool:
    if expressions.has_choice(expression) or len(expressions.ids(expression)) != 1:
        return False
    return any(
        other != expression
        and expression not in expressions.ids(other)
        and any(_specifies(one, expression) for one in expressions.ids(other))
        for other in others
    )


def _specifies(license_id: str, vague: str) -> bool:
    members = expressions.FAMILIES.get(vague)
    if members:
        return license_id in members
    # "GPL" beside "GPL-3.0-only"; "LGPL" beside "LGPL-2.1-only".
    return (
        vague.endswith("GPL-1.0-or-later")
        and license_id.startswith("GPL-")
        or (vague == "LGPL-2.0-or-later" and license_id.startswith("LGPL-"))
    )


def _expression(kind: str, value: str) -> str | None:
    """Return the expression of a statement, "" when it says nothing, None when it says something unknown."""
    value = value.strip()
    if value.casefold() in _EMPTY:
        return ""
    if kind == "classifier":
        return classifier_expression(value)
    if kind == "text":
        return _expression_of_text(value)
    known = expressions.parse(value) if kind == "expression" else expression_of(value)
    if known is None and _POINTER.match(value):
        return ""
    return known if known or len(value) <= MAX_NAME_CHARS or "\n" not in value else _expression_of_text(value)


def _expression_of_text(value: str) -> str | None:
    """A whole licence text in a field: recognised word by word, like a licence file."""
    from stack_data.licenses.texts import find_texts

    found = [finding.expression for finding in find_texts(value).evidence]
    if found and all(found):
        return expressions.all_of([expression for expression in found if expression])
    # Old packages put "BSD, see LICENSE for details" or a first line with the name above a description.
    return expression_of(value.splitlines()[0]) if value.strip() else ""


def _core_metadata(text: str) -> list[Statement]:
    message = HeaderParser().parsestr(text)
    statements: list[Statement] = [("expression", str(value)) for value in message.get_all("License-Expression", [])]
    if not statements:
        statements = [("name", _unfold(str(value))) for value in message.get_all("License", [])]
        statements += [("classifier", str(value)) for value in message.get_all("Classifier", [])]
    return statements


def _unfold(value: str) -> str:
    # Continuation lines of a long licence field start with blanks or a bar.
    return re.sub(r"\n[ \t]*\|?[ \t]*", "\n", value)


def _pyproject(text: str) -> list[Statement]:
    table = tomllib.loads(text)
    statements: list[Statement] = []
    for section in (
        table.get("project", {}),
        table.get("tool", {}).get("poetry", {}),
        table.get("tool", {}).get("flit", {}).get("metadata", {}),
    ):
        stated = section.get("license")
        if isinstance(stated, dict):
            statements.append(
                ("text" if len(stated.get("text", "")) > MAX_NAME_CHARS else "name", stated.get("text", ""))
            )
        elif isinstance(stated, str):
            statements.append(("name", stated))
        statements += [("classifier", value) for value in section.get("classifiers", []) if isinstance(value, str)]
    return statements


def _setup_cfg(text: str) -> list[Statement]:
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(text)
    if not parser.has_section("metadata"):
        return []
    metadata = dict(parser.items("metadata"))
    statements: list[Statement] = [
        ("name", metadata[key]) for key in ("license", "licence", "license_expression") if key in metadata
    ]
    lines = re.split(r"[\n,]", metadata.get("classifiers", metadata.get("classifier", "")))
    return statements + [("classifier", line.strip()) for line in lines]


_SETUP_LICENSE = re.compile(r"\blicen[cs]e(?:_expression)?\s*=\s*[rbu]?([\"'])(.{1,200}?)\1")
_SETUP_CLASSIFIER = re.compile(r"[\"'](License\s*::[^\"'\n]+)[\"']")


def _setup_py(text: str) -> list[Statement]:
    names: list[Statement] = [("name", match[2]) for match in _SETUP_LICENSE.finditer(text)]
    return names + [("classifier", match[1]) for match in _SETUP_CLASSIFIER.finditer(text)]


def _package_json(text: str) -> list[Statement]:
    table = json.loads(text)
    if not isinstance(table, dict):
        return []
    stated = table.get("license", table.get("licenses", table.get("licence")))
    return [("name", value) for value in _npm_values(stated)]


def _npm_values(stated: Any) -> Iterator[str]:
    if isinstance(stated, str):
        # npm's own words for "see that file" and for "nobody may use it".
        if stated.upper().startswith("SEE LICEN"):
            return
        yield "proprietary" if stated.upper() == "UNLICENSED" else stated
    elif isinstance(stated, dict):
        yield str(stated.get("type") or stated.get("name") or stated.get("url") or "")
    elif isinstance(stated, list):
        for entry in stated:
            yield from _npm_values(entry)


def _cargo(text: str) -> list[Statement]:
    table = tomllib.loads(text)
    sections = (table.get("package", {}), table.get("workspace", {}).get("package", {}))
    return [("name", section["license"]) for section in sections if isinstance(section.get("license"), str)]


def _pom(text: str) -> list[Statement]:
    if "<!DOCTYPE" in text[:2000] or "<!ENTITY" in text:
        # Entity definitions are how XML explodes; no manifest needs them.
        return []
    root = ElementTree.fromstring(text)
    statements: list[Statement] = []
    for element in root:
        if element.tag.rsplit("}", 1)[-1] == "licenses":
            for stated in element:
                fields = {child.tag.rsplit("}", 1)[-1]: (child.text or "").strip() for child in stated}
                name, url = fields.get("name", ""), fields.get("url", "")
                statements.append(("name", name if expression_of(name) or not expression_of(url) else url))
    return statements


def _composer(text: str) -> list[Statement]:
    stated = json.loads(text).get("license", "")
    # Composer defines a list as a choice.
    return [("name", " OR ".join(stated) if isinstance(stated, list) else str(stated))]


def _r_description(text: str) -> list[Statement]:
    stated = HeaderParser().parsestr(text).get("License", "")
    return [("name", re.sub(r"\s*\|\s*", " OR ", re.sub(r"\s*\+\s*file\s+LICEN[CS]E", "", str(stated))))]


_READERS: dict[str, Callable[[str], list[Statement]]] = {
    "metadata": _core_metadata,
    "pkg-info": _core_metadata,
    "pyproject.toml": _pyproject,
    "setup.cfg": _setup_cfg,
    "setup.py": _setup_py,
    "package.json": _package_json,
    "cargo.toml": _cargo,
    "pom.xml": _pom,
    "composer.json": _composer,
    "description": _r_description,
}
