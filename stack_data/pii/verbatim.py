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
_SIGN = re.compile(rb"(?i)copyright|\(c\)|\xc2\xa9")
"""What every copyright line holds."""
_BLOCK = 400
_SPEAKS = re.compile(rb"(?i)licen[cs]e|permission|redistribut|warrant|copyright")


def is_verbatim(source: Source, at: int) -> bool:
    """Tell whether a position is in a copyright line, or in a licence text or line of the header."""
    if _has_sign(source) and _is_copyright(source, at):
        return True
    if at > 4 * HEADER_CHARS:
        return False
    # The same object for all positions: its hash, by which the answers are kept, is made once.
    head: bytes = source.known.setdefault(("head", 0), source.text[: 4 * HEADER_CHARS])
    if any(start <= at < end for start, end in _texts(head)):
        return True
    first, last = source.line(at)
    line = source.text[first:last].decode("utf-8", "replace")
    return _LICENCE_LINE.search(line) is not None and any(start <= at < end for start, end in _comments(head))


def _has_sign(source: Source) -> bool:
    """Tell whether a copyright line is anywhere in the text."""
    known: bool | None = source.known.get(("sign", 0))
    if known is None:
        known = source.known["sign", 0] = _SIGN.search(source.text) is not None
    return known


def _is_copyright(source: Source, at: int) -> bool:
    first, last = source.stretch(at, _BLOCK)
    known: bool | None = source.known.get(("copyright", first))
    if known is None:
        line = source.text[first:last].decode("utf-8", "replace")
        known = source.known["copyright", first] = bool(copyright_statements(line))
    return known


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
