"""What stays as it is because a licence asks for it: copyright lines, and licence texts and lines in a header.

Personal data in them are left alone; keys and passwords never are. Copyright lines are those of licenses/copyrights.py, anywhere in a text.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from stack_data.licenses.copyrights import copyright_statements
from stack_data.licenses.headers import HEADER_CHARS, evidence_in, leading_comments
from stack_data.licenses.texts import find_header_texts
from stack_data.pii.source import Source

_LICENCE_LINE = re.compile(r"(?i)licen[cs]|permission|redistribut|warrant|copying|trademark")
_SPEAKS = re.compile(rb"(?i)licen[cs]e|permission|redistribut|warrant|copyright")


def is_verbatim(source: Source, at: int) -> bool:
    """Tell whether a position is in a copyright line, or in a licence text or line of the header."""
    first, last = source.line(at)
    line = source.text[first:last].decode("utf-8", "replace")
    if _is_copyright(line):
        return True
    if at > 4 * HEADER_CHARS:
        return False
    head = source.text[: 4 * HEADER_CHARS]
    return any(start <= at < end for start, end in _texts(head)) or (
        _LICENCE_LINE.search(line) is not None and any(start <= at < end for start, end in _comments(head))
    )


@functools.lru_cache(4096)
def _is_copyright(line: str) -> bool:
    return bool(copyright_statements(line))


@functools.lru_cache(2)
def _comments(head: bytes) -> Sequence[tuple[int, int]]:
    """Return the leading comments of a text, in bytes."""
    text = head.decode("utf-8", "ignore")
    return [_in_bytes(text, start, start + len(comment)) for start, comment in leading_comments(text)]


@functools.lru_cache(2)
def _texts(head: bytes) -> Sequence[tuple[int, int]]:
    """Return the licence texts in the leading comments, in bytes."""
    if not _SPEAKS.search(head):
        return []
    text = head.decode("utf-8", "ignore")
    # A file that begins with no comment may be a licence itself.
    found = evidence_in(text, ()) if _comments(head) else find_header_texts(text[:HEADER_CHARS]).evidence
    return [_in_bytes(text, one.start, one.end) for one in found if one.method == "text"]


def _in_bytes(text: str, start: int, end: int) -> tuple[int, int]:
    before = len(text[:start].encode())
    return before, before + len(text[start:end].encode())
