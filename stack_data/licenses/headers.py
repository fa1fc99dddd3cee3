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
from dataclasses import replace

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
# A second pass, over the texts that speak at all, finds those that may say something below their first comment.
DEEP = (
    r"(?i)general\s+public\s+licen[cs]e|general[\s*#/;!%-]+public[\s*#/;!%-]+licen[cs]e|mozilla\s+public\s+licen[cs]e|"
    r"eclipse\s+public\s+licen[cs]e|spdx-license-identifier|@licen[cs]e|__licen[cs]e__|module_license|"
    r"(?m)^[^\w\n]{0,6}licen[cs]e\s*:"
)
_COPYLEFT = re.compile(
    r"(?:general[\s*#/;!%-]+public|mozilla\s+public|eclipse\s+public)[\s*#/;!%-]+licen[cs]e", re.IGNORECASE
)
_TAG = "SPDX-License-Identifier:"
_LINE = re.compile(r"[ \t]*[^\n\r]{0,300}")
_SPEAKS = re.compile(SPEAKS)
_FIELD_WORD = re.compile(r"licen[cs]e(?:__)?\b|MODULE_LICENSE", re.IGNORECASE)
_TAG_END = re.compile(r"\s*(?:\*+/|-->|\*\)|-\}|#\}|%>|\?>|\"\"\"|'''|[\"'`;,]|\\n|\|\s*$).*$", re.DOTALL)
_FIELD = re.compile(
    r"^[ \t]*(?:[/*#;%!\"'.<>-]{0,6}[ \t]*)?(?:__licen[cs]e__\s*=|@licen[cs]e\b:?|:licen[cs]e:|licen[cs]e\s*:{1,2}|"
    r"MODULE_LICENSE\s*\()[ \t]*(?P<value>[^\n\r]{1,160})",
    re.IGNORECASE | re.MULTILINE,
)
# One run of comments of one kind, or one line that may stand before or between them. Line comments of one kind belong
# together across blank lines: licence texts have paragraphs.
_PIECE = re.compile(
    r"\s*(?:(?P<comment>(?:/\*.*?(?:\*/|\Z)\s*)+|(?://[^\n]*(?:\n\s*|\Z))+|<!--.*?(?:-->|\Z)|\(\*.*?(?:\*\)|\Z)|\{-.*?(?:-\}|\Z)|"
    r"[rRbBuU]{0,2}(?:\"\"\".*?(?:\"\"\"|\Z)|'''.*?(?:'''|\Z))|"
    r"(?:\#(?!include|define|ifn?def|if\b|import|pragma|endif|el)[^\n]*(?:\n\s*|\Z))+|(?:--[^\n]*(?:\n\s*|\Z))+|(?:;[^\n]*(?:\n\s*|\Z))+|"
    r"(?:%[^\n]*(?:\n\s*|\Z))+|(?:\.\.[^\n]*(?:\n\s*|\Z))+|(?:dnl\b[^\n]*(?:\n\s*|\Z))+|(?:@?rem\b[^\n]*(?:\n\s*|\Z))+|"
    r"(?:!(?!=)[^\n]*(?:\n\s*|\Z))+|(?:[\"'][^\n]*(?:\n\s*|\Z))+)|"
    r"(?P<code><\?(?:php|xml)[^\n]*|<!doctype[^>]*>|@echo[^\n]*|\#(?:ifn?def|define|pragma|import)\b[^\n]*|package\s[^\n]*|"
    r"(?:from|import)\s[^\n]*))",
    re.DOTALL | re.IGNORECASE,
)
_AROUND = 500


def speaking_rows(texts: pa.LargeStringArray) -> list[tuple[int, bool]]:
    """Return the rows whose text may say something about a licence, and whether below its first comment too."""
    speaks = pc.match_substring_regex(texts, SPEAKS).fill_null(False)
    rows = pc.indices_nonzero(speaks)
    deep = pc.match_substring_regex(texts.take(rows), DEEP)
    return list(zip(rows.to_pylist(), deep.to_pylist(), strict=True))


def evidence_in(text: str, is_deep: bool = True) -> tuple[Evidence, ...]:
    """Return what a content says about its own licence; paths are empty, the stage's readers fill them in."""
    found: list[Evidence] = []
    end = 0
    for start, comment in leading_comments(text):
        end = start + len(comment)
        found += [replace(one, start=one.start + start, end=one.end + start) for one in _of_comment(comment)]
    if is_deep:
        found += _tags(text)
        found += _fields(text)
        found += _deep_notices(text, end)
    return tuple(dict.fromkeys(found))


def leading_comments(text: str) -> Iterator[tuple[int, str]]:
    """Yield (start, comment) of the comments and docstrings a file begins with, in its first HEADER_CHARS characters.

    Preamble such as imports and include guards may stand between them; the first line of other code ends the search.
    """
    head = text[:HEADER_CHARS]
    at = 0
    while match := _PIECE.match(head, at):
        if match["comment"]:
            yield match.start("comment"), match["comment"]
        at = match.end()


@functools.lru_cache(16384)
def _of_comment(block: str) -> tuple[Evidence, ...]:
    if _SPEAKS.search(block) is None:
        return ()
    texts = [one for one in find_header_texts(block).evidence if _is_licence_text(one)]
    whole = notice_in(block)
    if whole and whole.expression:
        # A standard notice quotes its licence: a fragment like it is that quotation, not an altered text.
        texts = [one for one in texts if not _is_quoted(one, whole.expression)]
    rest = block
    for one in reversed(texts):
        rest = rest[: one.start] + "\n" + rest[one.end :]
    # Notices and riders around a pasted text; a comment's other prose is no licence.
    notice = notice_in(rest) if texts else whole
    if notice and notice.expression not in {one.expression for one in texts if one.expression}:
        texts.append(Evidence("", 0, len(block), "notice", notice.expression, 1.0, notice.detail))
    return tuple(texts)


def _is_quoted(evidence: Evidence, expression: str) -> bool:
    nearest = re.match(r"nearest ([^\s:]+): does not begin like it", evidence.detail)
    return evidence.expression is None and nearest is not None and expressions.covers(expression, nearest[1])


def _is_licence_text(evidence: Evidence) -> bool:
    """A text that was recognised, or one that is nearly a known licence but altered."""
    return evidence.method == "text" and (evidence.expression is not None or evidence.detail.startswith("nearest"))


def _tags(text: str) -> Iterator[Evidence]:
    at = text.find(_TAG)
    while at >= 0:
        line_start = max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1
        value_start = at + len(_TAG)
        line = _LINE.match(text, value_start)
        assert line is not None
        # A tag in quotes is data of a program that writes or reads tags, unless the quotes are a docstring's.
        before = text[line_start:at].replace('"""', "").replace("'''", "")
        if not re.search(r"[\"'`]|[(\[{=]\s*$", before):
            yield _tag(line[0], value_start)
        at = text.find(_TAG, value_start)


def _tag(line: str, start: int) -> Evidence:
    value = _TAG_END.sub("", line).strip().rstrip(".*#/-").strip()
    expression = expressions.parse(value)
    detail = "" if expression else f"the tag's value {value[:40]!r} is no SPDX expression"
    return Evidence("", start, start + len(line), "tag", expression, 1.0, detail)


def _fields(text: str) -> Iterator[Evidence]:
    for word in _FIELD_WORD.finditer(text):
        line_start = max(text.rfind("\n", 0, word.start()), text.rfind("\r", 0, word.start())) + 1
        match = _FIELD.match(text, line_start) if word.start() - line_start <= 24 else None
        notice = field_expression(match["value"].rstrip(")").strip()) if match else None
        if match and notice:
            start, end = match.span("value")
            yield Evidence("", start, end, "notice", notice.expression, 1.0, notice.detail)


def _deep_notices(text: str, start: int) -> Iterator[Evidence]:
    """Copyleft grants below the leading comment; permissive ones there cover a part of the file and change nothing."""
    for match in _COPYLEFT.finditer(text, start):
        first = max(start, match.start() - _AROUND)
        notice = notice_in(text[first : match.end() + _AROUND])
        if notice and notice.expression and re.search(r"GPL|MPL|EPL", notice.expression):
            yield Evidence("", match.start(), match.end(), "notice", notice.expression, 1.0, notice.detail)
