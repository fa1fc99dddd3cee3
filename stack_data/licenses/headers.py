"""What a content itself says about its licence: tags, fields, header notices and licence texts in comments.

Columnar: RE2 passes over the Arrow texts find the few per cent of files that say anything; only those reach
Python, and equal comment blocks are judged once. Looked at are the leading comment block (notices, texts, riders),
licence fields and `SPDX-License-Identifier` tags anywhere, and copyleft grants anywhere, because a bundle may carry
them in the middle. Reads no files; the header stage (stack_data/stages/header.py) stores the result.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from stack_data.licenses import expressions
from stack_data.licenses.evidence import Evidence
from stack_data.licenses.notices import field_expression, notice_in
from stack_data.licenses.texts import find_header_texts

RULE_VERSION = 1
HEADER_CHARS = 24_000
"""A leading comment block is read this far: the longest licence texts people paste there fit."""

# One pass that clears files which say nothing at all.
SPEAKS = (
    r"(?i)licen[cs]e|\bgpl|gpl\b|copying|public domain|proprietary|confidential|permission|"
    r"redistribut|trade secret|unpublished|distribute"
)
_DEEP = re.compile(
    r"general\s+public\s+licen[cs]e|mozilla\s+public\s+licen[cs]e|eclipse\s+public\s+licen[cs]e|SPDX-License-Identifier|"
    r"general[\s*#/;!%-]+public[\s*#/;!%-]+licen[cs]e|@licen[cs]e|__licen[cs]e__|MODULE_LICENSE|non-?commercial|"
    r"^\W{0,6}licen[cs]e\s*:",
    re.IGNORECASE | re.MULTILINE,
)
_TAG = re.compile(r"^(?P<before>.{0,80}?)SPDX-License-Identifier:[ \t]*(?P<value>[^\n\r]{1,300})", re.MULTILINE)
_TAG_END = re.compile(r"\s*(?:\*+/|-->|\*\)|-\}|#\}|%>|\?>|\"\"\"|'''|[\"'`;,]|\\n|\|\s*$).*$", re.DOTALL)
_FIELD = re.compile(
    r"^[ \t]*(?:[/*#;%!\"'.<>-]{0,6}[ \t]*)?(?:__licen[cs]e__\s*=|@licen[cs]e\b:?|:licen[cs]e:|licen[cs]e\s*:{1,2}|"
    r"MODULE_LICENSE\s*\()[ \t]*(?P<value>[^\n\r]{1,160})",
    re.IGNORECASE | re.MULTILINE,
)
_CODE_COMMENT = re.compile(r"/\*|//|#|\"\"\"|'''|<!--|\(\*|\{-|--|;|%|\.\.|dnl\b|rem\b|!|\"|'", re.IGNORECASE)
_BLOCK = re.compile(
    r"(?:\s*(?:/\*.*?(?:\*/|\Z)|//[^\n]*|<!--.*?(?:-->|\Z)|\(\*.*?(?:\*\)|\Z)|\{-.*?(?:-\}|\Z)|"
    r"[rRbBuU]{0,2}\"\"\".*?(?:\"\"\"|\Z)|[rRbBuU]{0,2}'''.*?(?:'''|\Z)|#(?!include|define|if|import|pragma|endif|el)[^\n]*|"
    r"--[^\n]*|;[^\n]*|%[^\n]*|\.\.[^\n]*|dnl\b[^\n]*|rem\b[^\n]*|@echo[^\n]*|!(?!=)[^\n]*|\"[^\n]*|'[^\n]*|"
    r"<\?(?:php|xml)[^\n]*|<!doctype[^>]*>|\"use strict\";?|[#/]?(?:ifndef|define|pragma once)\b[^\n]*|"
    r"#(?:ifndef|define|pragma)\b[^\n]*|package\s[^\n]*|(?:from|import)\s[^\n]*))*",
    re.DOTALL | re.IGNORECASE,
)
_AROUND = 500


def speaking_rows(texts: pa.LargeStringArray) -> list[int]:
    """Return the rows whose text holds any word that header evidence could begin with."""
    hits = pc.match_substring_regex(texts, SPEAKS)
    return [int(row) for row in pc.indices_nonzero(hits.fill_null(False)).to_pylist()]


def evidence_in(text: str) -> tuple[Evidence, ...]:
    """Return what a content says about its own licence; paths are empty, the stage's readers fill them in."""
    block = leading_comment(text)
    found = list(_of_block(block)) if block else []
    if _DEEP.search(text):
        found += _tags(text)
        found += _fields(text)
        found += _deep_notices(text, len(block))
    return tuple(dict.fromkeys(found))


def leading_comment(text: str) -> str:
    """Return the comments, docstrings and preamble lines a file begins with, at most HEADER_CHARS of them."""
    if not _CODE_COMMENT.search(text[:2000]):
        return ""
    match = _BLOCK.match(text[:HEADER_CHARS])
    return match[0] if match else ""


@functools.lru_cache(16384)
def _of_block(block: str) -> tuple[Evidence, ...]:
    if re.search(SPEAKS[4:], block, re.IGNORECASE) is None:
        return ()
    texts = find_header_texts(block).evidence
    if any(one.expression and one.method in ("text", "notice") for one in texts):
        return texts
    notice = notice_in(block)
    if notice is None:
        return ()
    return (Evidence("", 0, len(block), "notice", notice.expression, 1.0, notice.detail),)


def _tags(text: str) -> Iterator[Evidence]:
    for match in _TAG.finditer(text):
        # A tag in quotes is data of a program that writes or reads tags, unless the quotes are a docstring's.
        if re.search(r"[\"'`(\[{=]\s*$|[\"'`]", match["before"].replace('"""', "").replace("'''", "")):
            continue
        value = _TAG_END.sub("", match["value"]).strip().rstrip(".*#/-").strip()
        expression = expressions.parse(value)
        detail = "" if expression else f"the tag's value {value[:40]!r} is no SPDX expression"
        yield Evidence("", match.start("value"), match.end("value"), "tag", expression, 1.0, detail)


def _fields(text: str) -> Iterator[Evidence]:
    for match in _FIELD.finditer(text):
        notice = field_expression(match["value"].rstrip(")").strip())
        if notice:
            yield Evidence(
                "", match.start("value"), match.end("value"), "notice", notice.expression, 1.0, notice.detail
            )


def _deep_notices(text: str, start: int) -> Iterator[Evidence]:
    """Copyleft grants below the leading comment; permissive ones there cover a part of the file and change nothing."""
    for match in _DEEP.finditer(text, start):
        if match[0][0] not in "GgMmEeNn" or not match[0].lower().endswith(("license", "licence")):
            continue
        first = max(start, match.start() - _AROUND)
        notice = notice_in(text[first : match.end() + _AROUND])
        if notice and notice.expression and re.search(r"GPL|MPL|EPL", notice.expression):
            yield Evidence("", match.start(), match.end(), "notice", notice.expression, 1.0, notice.detail)
