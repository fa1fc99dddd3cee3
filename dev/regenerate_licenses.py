"""Regenerates the licence tables of stack_data/tables/ from their published origins.

Reads, through the ordinary package clients (`npm pack`, `mvn dependency:copy`), into a temporary folder:
  npm spdx-license-list        plain texts, names and addresses of every SPDX licence (CC0-1.0)
  Maven java-spdx-library      the matching markup of licences, notices and exceptions (data: CC0-1.0)
  npm @blueoak/list            tiers of permissive licences (CC0-1.0)
Writes spdx_licenses.json.xz and blueoak_v15.json.gz; the same origins give the same bytes.

A template is a list of nodes: a string is literal text; ["?", nodes] may be absent; ["*", original, most]
is a slot of at most `most` characters; ["|", original, choices] is one of some texts, in which an ellipsis
stands for a slot. The regular expressions of the markup are expanded here, so that no reader needs them.
Given up: licences newer than the markup's list come from their plain texts, with placeholders found by rule.

Run: python dev/regenerate_licenses.py [--from FOLDER]   (FOLDER: tarballs and jar fetched before)
"""

from __future__ import annotations

import argparse
import gzip
import io
import itertools
import json
import lzma
import re
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TABLES = Path(__file__).resolve().parent.parent / "stack_data" / "tables"
TEXTS = ("spdx-license-list", "6.12.0")
MARKUP = ("org.spdx:java-spdx-library", "1.1.11")
TIERS = ("@blueoak/list", "15.0.0")
ELLIPSIS = "\u2026"
MOST_CHOICES = 48

Node = Any  # str | ["?", list[Node]] | ["*", str, int] | ["|", str, list[str]]

_MARK = re.compile(
    r'<<(beginOptional)[^>]*>>|<<(endOptional)>>|<<var;name="[^"]*";original="(.*?)";match="(.*?)">>', re.S
)


def main() -> None:
    """Fetch the origins and write both tables."""
    parser = argparse.ArgumentParser(description="Regenerate the licence tables.")
    parser.add_argument("--from", dest="folder", type=Path, help="folder with the tarballs and the jar")
    folder = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as scratch:
        origin = folder or fetch(Path(scratch))
        write(TABLES / "spdx_licenses.json.xz", license_table(origin))
        write(TABLES / "blueoak_v15.json.gz", tier_table(origin))


def fetch(folder: Path) -> Path:
    """Download the three origins into `folder`."""
    for name, version in (TEXTS, TIERS):
        subprocess.run(["npm", "pack", "--silent", f"{name}@{version}"], cwd=folder, check=True)
    artifact = ":".join(MARKUP)
    copy = ["mvn", "-q", "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"]
    subprocess.run(copy, cwd=folder, check=True)
    return folder


def write(path: Path, table: dict[str, Any]) -> None:
    """Write `table` compressed by the ending of `path`, without any time stamp."""
    data = (json.dumps(table, ensure_ascii=False, separators=(",", ":"), sort_keys=True) + "\n").encode()
    if path.suffix == ".xz":
        path.write_bytes(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))
        return
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=9, mtime=0, filename="") as stream:
        stream.write(data)
    path.write_bytes(buffer.getvalue())


def tier_table(folder: Path) -> dict[str, Any]:
    """Return the Blue Oak tiers, best first, each with its SPDX identifiers."""
    ratings = json.loads(tar_member(folder, "blueoak-list-*.tgz", "package/index.json"))
    tiers = [{"name": r["name"], "ids": [entry["id"] for entry in r["licenses"]]} for r in ratings]
    about = {"origin": f"npm {TIERS[0]}", "version": TIERS[1], "license": "CC0-1.0"}
    return {"about": about, "tiers": tiers}


def license_table(folder: Path) -> dict[str, Any]:
    """Return every licence and exception with its template, sorted by identifier."""
    plain = json.loads(tar_member(folder, "spdx-license-list-*.tgz", "package/spdx-full.json"))
    marked = markup(folder)
    licenses = [license_entry(name, plain.get(name), marked.get(name)) for name in sorted(plain.keys() | marked.keys())]
    return {
        "compounds": compounds(licenses),
        "about": {
            "origin": f"npm {TEXTS[0]} and Maven {MARKUP[0]}",
            "version": f"{TEXTS[1]} and {MARKUP[1]}",
            "license": "CC0-1.0",
        },
        "licenses": [entry for entry in licenses if entry["kind"] == "license"],
        "exceptions": [entry for entry in licenses if entry["kind"] == "exception"],
    }


def compounds(entries: list[dict[str, Any]]) -> list[str]:
    """Return the hyphenated words of all texts, so that spellings without the hyphen can be told to be equal."""
    text = json.dumps([entry["template"] for entry in entries], ensure_ascii=False).replace("\\n", " ").lower()
    return sorted(set(re.findall(r"(?<![\w-])[a-z]{2,}-[a-z]{2,}(?![\w-])", text)))


def license_entry(name: str, plain: dict[str, Any] | None, marked: dict[str, Any] | None) -> dict[str, Any]:
    """Join what both origins say of one identifier."""
    facts = marked or {}
    template = facts.get("licenseExceptionTemplate") or facts.get("standardLicenseTemplate")
    text = (plain or {}).get("licenseText") or facts.get("licenseExceptionText") or facts.get("licenseText")
    entry = {
        "id": name,
        "name": (plain or facts)["name"],
        "kind": "exception" if "licenseExceptionId" in facts else "license",
        "deprecated": bool(facts.get("isDeprecatedLicenseId")),
        "marked": bool(template),
        "template": parse_markup(template) if template else parse_plain(text),
    }
    notice = facts.get("standardLicenseHeaderTemplate") or facts.get("standardLicenseHeader")
    if notice:
        entry["notice"] = parse_markup(notice)
    return entry


def markup(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the records of the markup's archive by identifier."""
    records = {}
    jar = next(iter(sorted(folder.glob("java-spdx-library-*.jar"))))
    with zipfile.ZipFile(jar) as archive:
        for member in archive.namelist():
            if member.startswith("resources/stdlicenses/") and member.endswith(".json"):
                record = json.loads(archive.read(member))
                name = record.get("licenseId") or record.get("licenseExceptionId")
                if name:
                    records[name] = record
    return records


def tar_member(folder: Path, pattern: str, member: str) -> bytes:
    """Return one member of the only tarball that matches `pattern`."""
    with tarfile.open(next(iter(sorted(folder.glob(pattern))))) as archive:
        stream = archive.extractfile(member)
        assert stream is not None
        return stream.read()


def parse_markup(template: str) -> list[Node]:
    """Parse the markup of a template into nodes."""
    stack: list[list[Node]] = [[]]
    position = 0
    for mark in _MARK.finditer(template):
        add_text(stack[-1], template[position : mark.start()])
        position = mark.end()
        if mark[1]:
            stack.append([])
        elif mark[2]:
            inner = stack.pop()
            stack[-1].append(["?", inner])
        else:
            stack[-1].append(variable(mark[3], mark[4]))
    add_text(stack[-1], template[position:])
    assert len(stack) == 1, "optional parts do not nest"
    return stack[0]


def add_text(nodes: list[Node], text: str) -> None:
    """Append literal text, blanks folded and lines kept; nothing for white space alone."""
    if text.strip():
        nodes.append(re.sub(r"[^\S\n]*\n\s*", "\n", re.sub(r"[^\S\n]+", " ", text)))


def variable(original: str, match: str) -> Node:
    """Return the slot or choice that a variable part allows."""
    bounds = re.fullmatch(r"\.(?:\{0,(\d+)\}|\+|\*)", match)
    if bounds:
        return ["*", original, int(bounds[1] or 500)]
    choices = sorted(set(expand(re._parser.parse(match))))  # type: ignore[attr-defined]
    choices += [choice.replace("(s)", "s") for choice in choices if "(s)" in choice]  # "name(s)" stands for both
    assert len(choices) <= MOST_CHOICES, match
    return ["|", original, choices]


def expand(pattern: Any) -> Iterator[str]:
    """Yield the texts that a parsed expression accepts, an ellipsis for each part without bounds."""
    for pieces in itertools.product(*(list(expand_one(*item)) for item in pattern)):
        yield "".join(pieces)


_PUNCTUATION = " .,;:-#*"


def expand_one(operator: Any, argument: Any) -> Iterator[str]:
    """Yield the texts of one element of a parsed expression."""
    name = str(operator)
    if name == "LITERAL":
        yield chr(argument)
    elif name == "IN":
        yield from class_members(argument)
    elif name == "BRANCH":
        for branch in argument[1]:
            yield from expand(branch)
    elif name == "SUBPATTERN":
        yield from expand(argument[3])
    elif name == "MAX_REPEAT" and argument[1] == 1:
        yield ""
        yield from expand(argument[2])
    elif name == "MAX_REPEAT" and str(argument[2][0][0]) == "ANY":
        yield ELLIPSIS
    elif name == "MAX_REPEAT":
        yield ELLIPSIS if any(text.strip(_PUNCTUATION) for text in expand(argument[2])) else ""
    elif name in ("ANY", "CATEGORY"):
        yield " "
    elif name == "AT":
        yield ""
    else:
        raise ValueError(f"the markup uses {name}, which this script does not expand")


def class_members(members: Any) -> Iterator[str]:
    """Yield the letters and digits of a character class and one space for all its punctuation; a range is a slot."""
    if any(str(kind) in ("RANGE", "NEGATE") for kind, _ in members):
        yield ELLIPSIS
        return
    characters = {chr(value) if str(kind) == "LITERAL" else " " for kind, value in members}
    yield from sorted({character if character.isalnum() else " " for character in characters})


_PLACEHOLDER = re.compile(
    r"<(?!https?:)[^<>@\n]{1,60}>"
    r"|[\[{](?=[^\]}\n]*(?:year|yyyy|name|owner|holder|author|organi[sz]ation|date|email))[^\]}\n]{1,60}[\]}]",
    re.I,
)
_COPYRIGHT = re.compile(r"\W*(?:copyright|\(c\)|\u00a9|portions copyright|all rights reserved)", re.I)


def parse_plain(text: str) -> list[Node]:
    """Make a template from a plain text: head of titles and copyright lines, then text with placeholders."""
    nodes: list[Node] = []
    paragraphs = [p for p in re.split(r"\n\s*\n", text) if p.strip()]
    while len(paragraphs) > 1 and is_head(paragraphs[0]):
        head = re.sub(r"\s+", " ", paragraphs.pop(0)).strip()
        nodes.append(["*", head, 5000] if _COPYRIGHT.match(head) else ["?", [head]])
    body = "\n\n".join(paragraphs)
    position = 0
    for mark in _PLACEHOLDER.finditer(body):
        add_text(nodes, body[position : mark.start()])
        nodes.append(["*", mark[0], 500])
        position = mark.end()
    add_text(nodes, body[position:])
    return nodes


def is_head(paragraph: str) -> bool:
    """Tell whether a first paragraph is a title or a copyright notice."""
    words = paragraph.split()
    return bool(_COPYRIGHT.match(paragraph)) and len(words) < 60 or len(words) <= 12


if __name__ == "__main__":
    main()
