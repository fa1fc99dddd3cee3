"""Sections of a licence file that name the files they cover, and fields that state a licence.

Three kinds are read: stanzas of fields (`Name:`, `Files:`, `License:`, as wheels of numpy and scipy list what
they bundle), the Debian copyright format, and sentences such as "The files in src/foo are under the following
license:". A section speaks for its files only, so its evidence gets their patterns.

A section's reach is the dangerous side: too long, and a text meant for everything would count for a few files.
So a stanza ends at the next stanza or at a ruled line, and a sentence reaches the first text after it only.
Texts that a file repeats at its end ("full text of licenses referred to above") go to the stanzas that name them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from stack_data.licenses import expressions
from stack_data.licenses.evidence import Evidence
from stack_data.licenses.names import expression_of

_FIELD = r"(?:Name|Files?|Paths?|Package|Library|Component|Project|Module)"
_HEAD = re.compile(rf"^(?P<indent>[ \t]*){_FIELD}[ \t]*:[ \t]*\S.*$", re.I | re.M)
_FILES = re.compile(
    r"^(?P<indent>[ \t]*)(?:Files?|Paths?)[ \t]*:[ \t]*(?P<value>.*(?:\n(?P=indent)[ \t]+(?!\w+:)\S.*)*)",
    re.I | re.M,
)
_RULE = re.compile(r"^[-=*#_~]{4,}[ \t]*$", re.M)
_LICENSE = re.compile(
    r"^[ \t#*-]*(?P<tag>SPDX-License-Identifier|Licen[sc]es?)[ \t]*:[ \t]*(?P<value>\S.*?)[ \t]*$",
    re.I | re.M,
)
_REFERRED = re.compile(r"licen[sc]es?(?: texts?)? referred to above", re.I)
_SENTENCE = re.compile(
    r"(?:\b(?:files?|director(?:y|ies)|folders?|code|subdirector(?:y|ies)|submodules?)\b|\bapplies to\b)(?P<middle>[^.:]*?(?:\.(?!\s)[^.:]*?)*)"
    r"\b(?:following|below|reproduced|as follows|licen[cs]ed as)\b",
    re.I,
)
_PATH = re.compile(
    r"(?<![\w:/@.-])[`'\"(]?((?:[\w.*+-]+/)+[\w.*+-]*|[\w*+-]+\.(?:py|pyx|pyi|c|cc|cpp|h|hpp|js|ts|css|rs|go|java|rb|sh|m4|s|S))\b"
)
_STATEMENT = re.compile(
    r"(?:^|(?<=\n\n))The files?[ \n](?:(?:and|,|[\w.*+-]*/[\w./*+-]+|[\w*+-]+\.\w+)[ \n,]*)+"
    r"(?:is|are|was|were)\b[^.]*?\b(?:vendored|copied|taken|licen[cs]ed|under the (?:terms|licen[cs]e))"
)
_EXCEPT = re.compile(r"\b(?:except|excluding|other than|unless|not|but)\b", re.I)
_NO_PATH = re.compile(r"[a-zA-Z]+/[a-z]+")  # "and/or", "use/inclusion"
_ANNOUNCES = re.compile(r"\b(?:following|below|reproduced|as follows|licen[cs]ed as)\b", re.I)
_REACH = 2000  # characters from a sentence to the text it announces


@dataclass(frozen=True, slots=True)
class Section:
    """A span of the file that speaks for `files` only; `single`: for the first text after it only."""

    start: int
    end: int
    files: tuple[str, ...]
    single: bool = False
    label: str = ""  # the value of its License field, folded


def fields(text: str) -> Iterator[tuple[int, int, Evidence]]:
    """Yield (start, end, evidence) for each licence field whose value is an expression or a known name."""
    for field in _LICENSE.finditer(text):
        value = field["value"].strip("`'\"<>*").removesuffix("*/").removesuffix("-->").strip()
        expression = expression_of(value)
        if expression is not None:
            method = "tag" if field["tag"].lower().startswith("spdx") else "reference"
            found = Evidence("", *field.span("value"), method, expression)  # type: ignore[arg-type]
            yield field.start("tag"), field.end("value"), found


def sections(text: str, evidence: Sequence[Evidence] = ()) -> list[Section]:
    """Return the sections of a file in order; sentences inside the texts of `evidence` announce nothing."""
    announced = [
        section for gap in _gaps(text, evidence) for section in (*_statements(text, *gap), *_sentences(text, *gap))
    ]
    return sorted([*_stanzas(text), *announced], key=lambda section: section.start)


def _gaps(text: str, evidence: Sequence[Evidence]) -> Iterator[tuple[int, int]]:
    """Yield the spans outside of recognised texts that may name a file: what stands in a licence says nothing of paths."""
    start = 0
    for one in evidence:
        if one.method == "text" and one.expression:
            if one.start > start and _PATH.search(text, start, one.start):
                yield start, one.start
            start = max(start, one.end)
    if _PATH.search(text, start):
        yield start, len(text)


def _stanzas(text: str) -> Iterator[Section]:
    heads = [head for head in _HEAD.finditer(text) if not _follows_field(text, head.start())]
    ends = [rule.start() for rule in _RULE.finditer(text)] if heads else []
    debian = re.match(r"\s*Format(?:-Specification)?\s*:", text) is not None
    starts = [head.start() for head in heads]
    if debian:
        starts = [m.start() for m in re.finditer(r"^(?:Files|License)[ \t]*:", text, re.M) if _opens(text, m.start())]
    for at, start in enumerate(starts):
        following = starts[at + 1] if at + 1 < len(starts) else len(text)
        end = following if debian else min([following, *(rule for rule in ends if rule > start)])
        files = _FILES.search(text, start, end)
        label = re.compile(r"^[ \t]*Licen[sc]e[ \t]*:[ \t]*(.*)$", re.I | re.M).search(text, start, end)
        patterns = paths(files["value"]) if files else ()
        if patterns or debian:
            yield Section(start, end, patterns, label=label[1].strip().lower() if label else "")


def _follows_field(text: str, start: int) -> bool:
    """Tell whether the line before is a field too, so that this one does not open a stanza."""
    before = text[:start].rstrip("\n").rpartition("\n")[2] if text[start - 1 : start] == "\n" else ""
    adjacent = not text[max(0, start - 2) : start].startswith("\n\n"[:2]) and text[max(0, start - 2) : start] != "\n\n"
    return adjacent and re.match(r"[ \t]*\w[\w-]*[ \t]*:", before) is not None


def _opens(text: str, start: int) -> bool:
    """Tell whether a line is the first of its paragraph."""
    return (
        start == 0
        or text[:start].endswith("\n\n")
        or re.search(r"\n[ \t]*\n\Z", text[max(0, start - 200) : start]) is not None
    )


def paths(value: str) -> tuple[str, ...]:
    """Return the patterns of a Files field; none when a part of it is no path."""
    parts = [part.strip("`'\"") for part in re.split(r"[\s,]+", value) if part.strip("`'\",")]
    if not parts or any(not re.fullmatch(r"[\w.*?+@%/\[\]{}~-]+", part) for part in parts):
        return ()
    if len(parts) > 1 and not all(re.search(r"[/.*]", part) for part in parts):
        return ()  # prose
    return tuple(dict.fromkeys(parts))


def _sentences(text: str, start: int, end: int) -> Iterator[Section]:
    """Yield sentences between two places such as "The files in a/b are under the following license"."""
    for sentence in _SENTENCE.finditer(text, start, end) if _ANNOUNCES.search(text, start, end) else ():
        before = (text.rfind(mark, start, sentence.start()) for mark in (". ", "\n\n"))
        begin = max(start, *(at + 1 for at in before))
        head = text[begin : sentence.end()]
        found = _named(head)
        announces = _ANNOUNCES.search(head, max(m.end() for m in _PATH.finditer(head))) if found else None
        if announces and len(head) < 800 and not _EXCEPT.search(head) and "://" not in head:
            yield Section(begin, sentence.end(), found, single=True)


def _statements(text: str, start: int, end: int) -> Iterator[Section]:
    """Yield paragraphs such as "The files a.h and b.h are vendored from X under the terms of Y": all of it is theirs."""
    for opening in _STATEMENT.finditer(text, start, end):
        close = text.find("\n\n", opening.end(), end)
        paragraph = text[opening.start() : close if close >= 0 else end]
        found = _named(opening[0])
        if found and len(paragraph) < 800 and not _EXCEPT.search(paragraph):
            yield Section(opening.start(), opening.start() + len(paragraph), found)


def _named(sentence: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(m[1].rstrip(".") for m in _PATH.finditer(sentence) if not _NO_PATH.fullmatch(m[1])))


def scope(text: str, evidence: Sequence[Evidence]) -> list[Evidence]:
    """Return the evidence with the files each speaks for; `evidence` is in order of the text."""
    known = sections(text, evidence)
    if not known:
        return list(evidence)
    scoped = list(evidence)
    for section in known:
        inside = [at for at, one in enumerate(scoped) if section.start <= one.start < section.end]
        if section.single:
            inside += _announced(scoped, section)
        for at in inside:
            if not scoped[at].files and section.files:
                scoped[at] = replace(scoped[at], files=section.files)
    scoped = _debian_texts(scoped, known)
    return _referred(text, scoped)


def _announced(evidence: list[Evidence], section: Section) -> list[int]:
    """Return the first text after a sentence and the names that stand before it, when it is near."""
    after = [at for at, one in enumerate(evidence) if section.end <= one.start < section.end + _REACH]
    for count, at in enumerate(after):
        if evidence[at].method in ("text", "notice"):
            return after[: count + 1]
    return []


def _debian_texts(evidence: list[Evidence], known: list[Section]) -> list[Evidence]:
    """Give the texts of stand-alone License paragraphs the files of the stanzas that name them."""
    alone = [section for section in known if not section.single and not section.files and section.label]
    out = list(evidence)
    for section in alone:
        users = [s for s in known if s.files and section.label in re.split(r"\s+(?:or|and)\s+|,\s*", s.label)]
        files = tuple(dict.fromkeys(file for user in users for file in user.files))
        for at, one in enumerate(out):
            if files and section.start <= one.start < section.end:
                out[at] = replace(one, files=files)
    return out


def _referred(text: str, evidence: list[Evidence]) -> list[Evidence]:
    """Scope full texts at the end of a file to the stanzas above that name the same licence."""
    mark = _REFERRED.search(text)
    if mark is None:
        return evidence
    out = []
    for one in evidence:
        if one.start > mark.start() and one.expression and not one.files:
            files = [f for user in evidence if user.files and _names_same(user, one) for f in user.files]
            one = replace(one, files=tuple(dict.fromkeys(files)))
        out.append(one)
    return out


def _names_same(user: Evidence, full: Evidence) -> bool:
    if user.expression is None or full.expression is None:
        return False
    if expressions.is_exception(full.expression):
        return full.expression in user.expression
    return expressions.covers(user.expression, full.expression)
