"""Copyright lines: found, cleaned of comment marks, and kept for the notices a release ships."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Few lines hold one of these; only they are looked at closely.
_SIGN = re.compile(r"copyright|\(c\)|©", re.IGNORECASE)
_LINE = re.compile(
    r"^[ \t]*(?:[/*#;%!\"'<>.{(-]|dnl\b|rem\b|@copyright:?|:copyright:)*[ \t]*"
    r"(?P<line>(?:(?:portions|parts|code|original|some)\s+)?(?:copyright\b|\(c\)\s|©|SPDX-FileCopyrightText:)[^\n\r]{2,300})",
    re.IGNORECASE | re.MULTILINE,
)
# A statement has a year, a (c) sign or a capitalised holder; "copyright holders shall" is a sentence about them.
_STATEMENT = re.compile(r"\d{4}|\(c\)|©|(?i:copyright:?(?:\s+by)?)\s+[A-Z]|SPDX-FileCopyrightText")
_SENTENCE = re.compile(
    r"(?i)^copyright\s+(?:holders?|owners?|notices?|laws?|interest|and|or|in|is|disclaimer|of the|statement|status)\b"
)
_CLOSER = re.compile(r"\s*(?:\*+/|-->|\*\)|-\}|\"\"\"|''')?\s*$")
HEADER_LINES = 100


def copyright_lines(text: str) -> list[str]:
    """Return the copyright lines among the first HEADER_LINES lines, each once, in order."""
    head = "\n".join(text.split("\n", HEADER_LINES)[:HEADER_LINES])
    return _statements(head)


def copyright_statements(text: str) -> list[str]:
    """Return the copyright lines of a whole licence file, each once, in order."""
    return _statements(text)


def _statements(text: str) -> list[str]:
    lines = (_CLOSER.sub("", match["line"]).strip(" \t*#/-") for match in _candidates(text))
    return list(dict.fromkeys(line for line in lines if _STATEMENT.search(line) and not _SENTENCE.match(line)))


def _candidates(text: str) -> Iterator[re.Match[str]]:
    end = -1
    for sign in _SIGN.finditer(text):
        if sign.start() >= end:
            start = max(text.rfind("\n", 0, sign.start()), text.rfind("\r", 0, sign.start())) + 1
            match = _LINE.match(text, start)
            end = match.end() if match else sign.end()
            if match:
                yield match
