"""From an evidence file to its evidence: licence files, notices, manifests, READMEs, and curations over them.

Pure functions of path and text. A NOTICE informs and a README may quote, so what is not understood in them is no
evidence; what is known in them is. A manual's page may tell about any licence: only whole texts, and what it says of
itself or of the documentation, are evidence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from stack_data.licenses.curations import Curation, text_key
from stack_data.licenses.evidence import Evidence
from stack_data.licenses.files import Kind
from stack_data.licenses.metadata import declared
from stack_data.licenses.notices import field_expression, fold, notice_in, restriction_in
from stack_data.licenses.texts import find_texts, looks_like_license_text

RULE_VERSION = 2

_HEADING = re.compile(
    r"^(?:#{1,6}[ \t]*(?P<a>.*?licen[cs](?:e|ing).*?)#*[ \t]*$|(?P<b>[^\n]*licen[cs](?:e|ing)[^\n]*)\n[=~\-^*\"'#+]{3,}[ \t]*$)",
    re.IGNORECASE | re.MULTILINE,
)
_NEXT_HEADING = re.compile(r"^(?:#{1,6}[ \t]+\S|[^\n]+\n[=~\-^*\"'#+]{3,}[ \t]*$)", re.MULTILINE)
_SECTION_CHARS = 3000


def evidence_of(path: str, text: str, kind: Kind, curations: Mapping[str, Curation]) -> list[Evidence]:
    """Return what one evidence file says."""
    if kind == "manifest":
        return declared(path, text)
    if kind == "readme":
        return list(_readme(path, text))
    if kind == "page":
        return list(_page(path, text))
    curated = curations.get(text_key(text)) if curations else None
    if curated:
        return [curated.evidence(path, len(text))]
    found = list(find_texts(text, path).evidence)
    if kind == "notice":
        return [one for one in found if one.expression]
    return found or [_unreadable(path, text)]


_SELF = re.compile(
    r"\b(?:documentation|document|manual|guide|handbook|book|tutorial|docs|this work|this page)\b", re.IGNORECASE
)
_MARKUP = re.compile(r"<[^<>]{1,300}>")


def _page(path: str, text: str) -> list[Evidence]:
    """Return the licence texts on a page of a manual, and those its sentences put documentation under."""
    found = [one for one in find_texts(text, path).evidence if one.expression and one.method in ("text", "notice")]
    for paragraph in re.finditer(r"(?:[^\n]+\n?)+", text):
        if not _SELF.search(paragraph[0]) or any(
            one.start < paragraph.end() and paragraph.start() < one.end for one in found
        ):
            continue
        notice = notice_in(_MARKUP.sub(" ", paragraph[0]))
        if notice and notice.expression:
            found.append(Evidence(path, *paragraph.span(), "reference", notice.expression, 0.8))
    return found


def _unreadable(path: str, text: str) -> Evidence:
    words = len(text.split())
    return Evidence(path, 0, len(text), "text", None, 0.0, f"{words} words, none of which is a known licence")


def _readme(path: str, text: str) -> list[Evidence]:
    """Return the known licences that a README's licence section names, and what narrows them there."""
    found: list[Evidence] = []
    for heading in _HEADING.finditer(text):
        following = _NEXT_HEADING.search(text, heading.end())
        end = min(following.start() if following else len(text), heading.end() + _SECTION_CHARS)
        section = text[heading.end() : end]
        if looks_like_license_text(section):
            known = [one for one in find_texts(section, path).evidence if one.expression]
            found += [replace(one, start=one.start + heading.end(), end=one.end + heading.end()) for one in known]
        if not found:
            first = section.strip().split("\n\n")[0].strip()
            notice = notice_in(section) or field_expression(first)
            if notice and notice.expression and not notice.detail:
                found.append(Evidence(path, heading.end(), end, "reference", notice.expression, 0.8))
        narrowed = restriction_in(fold(section))
        if narrowed:
            found.append(Evidence(path, heading.end(), end, "reference", None, 0.0, f"says {narrowed[0][:40]!r}"))
    return found
