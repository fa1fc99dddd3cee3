"""What a content itself says about its licence: tags, fields, header notices and licence texts in comments.

Columnar: RE2 passes over the Arrow texts find the few per cent of files that say anything; only those reach
Python, and equal comment blocks are judged once. Looked at are the leading comment block (notices, texts, riders),
licence fields and `SPDX-License-Identifier` tags anywhere, and copyleft grants anywhere, because a bundle may carry
them in the middle. Reads no files; the header stage (stack_data/stages/header.py) stores the result.
"""

from __future__ import annotations

import bisect
import functools
import itertools
import re
from collections.abc import Collection, Iterator
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from stack_data.licenses import expressions
from stack_data.licenses.evidence import Evidence
from stack_data.licenses.notices import field_expression, notice_in
from stack_data.licenses.texts import find_header_texts

RULE_VERSION = 3
HEADER_CHARS = 24_000
"""A leading comment block is read this far: the longest licence texts people paste there fit."""

# One pass that clears files which say nothing at all.
SPEAKS = (
    r"(?i)licen[cs]e|\bgpl|gpl\b|copying|public domain|proprietary|confidential|permission|"
    r"redistribut|trade secret|unpublished|distribute|commercial|eula\b|prohibited|"
    r"(?:personal|private|academic|research|educational|evaluation) (?:use|purpose)|not be used (?:to|for|in)|not use (?:this|it|the)"
)
# Further passes, over the texts that speak at all, find those that may say something below their first comment.
_COPYLEFT_WORDS = r"(?:general[\s*#/;!%-]+public|mozilla\s+public|eclipse\s+public)[\s*#/;!%-]+licen[cs]e"
_TAG = "SPDX-License-Identifier:"
DEEP = {
    "tags": _TAG,
    "fields": r"(?im)@licen[cs]e|__licen[cs]e__|module_license|^[^\w\n]{0,24}licen[cs]e\s*:",
    "copyleft": "(?i)" + _COPYLEFT_WORDS,
}
_COPYLEFT = re.compile(_COPYLEFT_WORDS, re.IGNORECASE)
_LINE = re.compile(r"[ \t]*[^\n\r]{0,300}")
_SPEAKS = re.compile(SPEAKS)
# Paragraphs before the first and after the last of these words say nothing about terms.
_SPEAKS_FOLDED = re.compile(SPEAKS.removeprefix("(?i)"))
_EFFECT = re.compile(
    SPEAKS.removeprefix("(?i)")
    + r"|licen[cs]|warrant|grant|permi(?:ssion|t)|terms|condition|restrict|prohibit|forbid|allow|unauthori|"
    r"commercial|personal|research|academic|educational|evaluation|internal|consent|agreement|approval|copied|reproduc|"
    r"disclos|patent|liab|released|under\b|governed|covered|available|provided|placed|subject|accord|compet|ethical|military|"
    r"\bevil\b|\bfree\b|gratis|\bowner|propert|intellectual|apache|\bmit\b|\bbsd|mozilla|\bgnu\b|creative|boost|"
    r"zlib|eclipse|\bpsf\b|\buse\b|\bused\b"
)
_BLANK = re.compile(r"^[^\w\n]*\n", re.MULTILINE)
# A copyright line is judged as if it named nobody.
_COPYRIGHT = re.compile(r"^[^\w\n©]*(?:copyright|\(c\)|©)[^\n]*$", re.MULTILINE)
_HOLDER = "Copyright"
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


def speaking_rows(texts: pa.LargeStringArray) -> list[tuple[int, tuple[str, ...]]]:
    """Return the rows whose text may say something about a licence, and which kinds of DEEP to look for in each."""
    speaks = pc.match_substring_regex(texts, SPEAKS).fill_null(False)
    rows = pc.indices_nonzero(speaks)
    spoken = texts.take(rows)
    deep = [pc.match_substring_regex(spoken, pattern).to_pylist() for pattern in DEEP.values()]
    kinds = [tuple(itertools.compress(DEEP, flags)) for flags in zip(*deep, strict=True)]
    return list(zip(rows.to_pylist(), kinds, strict=True))


def evidence_in(text: str, deep: Collection[str] = tuple(DEEP)) -> tuple[Evidence, ...]:
    """Return what a content says about its own licence; paths are empty, the stage's readers fill them in.

    deep: which kinds of DEEP to look for below the first comment; by default all.
    """
    found: list[Evidence] = []
    end = 0
    for start, comment in leading_comments(text):
        end = start + len(comment)
        found += [replace(one, start=one.start + start, end=one.end + start) for one in _of_comment(comment)]
    for kind in deep:
        found += _deep_notices(text, end) if kind == "copyleft" else _READERS[kind](text)
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
    """Return what a comment says. What differs from file to file is cut away, so that each notice is judged once."""
    folded = block.lower()
    if len(folded) != len(block):
        return _of_core(block) if _SPEAKS.search(block) else ()
    if _SPEAKS_FOLDED.search(folded) is None:
        return ()
    offset, end = _core(folded)
    pieces, moves, kept, at = [], [(0, offset)], 0, offset
    for line in _COPYRIGHT.finditer(folded, offset, end):
        if _EFFECT.search(folded, line.start(), line.end()) is None:
            pieces += [block[at : line.start()], _HOLDER]
            kept += line.start() - at + len(_HOLDER)
            at = line.end()
            moves.append((kept, at))
    found = _of_core("".join([*pieces, block[at:end]]))
    return tuple(replace(one, start=_moved(moves, one.start), end=_moved(moves, one.end)) for one in found)


def _core(folded: str) -> tuple[int, int]:
    """Return the span from the first copyright line or paragraph with effect to the last paragraph with effect."""
    bounds = [0, *(line.end() for line in _BLANK.finditer(folded)), len(folded)]
    first, last = 0, len(bounds) - 2
    while first < last and _EFFECT.search(folded, bounds[first], bounds[first + 1]) is None:
        first += 1
    while last > first and _EFFECT.search(folded, bounds[last], bounds[last + 1]) is None:
        last -= 1
    copyright_line = _COPYRIGHT.search(folded, 0, bounds[first])
    return copyright_line.start() if copyright_line else bounds[first], bounds[last + 1]


def _moved(moves: list[tuple[int, int]], at: int) -> int:
    """Return the place in a comment of a place in its core; `moves`: (place in the core, place in the comment)."""
    before, after = moves[bisect.bisect_right(moves, at, key=lambda move: move[0]) - 1]
    return after + at - before


@functools.lru_cache(16384)
def _of_core(block: str) -> tuple[Evidence, ...]:
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


_READERS = {"tags": _tags, "fields": _fields}
