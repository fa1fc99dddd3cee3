"""Private keys in PEM and OpenPGP armour: what stands between the line that begins one and the line that ends it.

The body may be lines of a file, of a comment, or one line with escaped line ends. Public keys and certificates are left alone.
"""

from __future__ import annotations

import re

from stack_data.pii.source import Source, Span

_BEGIN = re.compile(rb"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_END = re.compile(rb"-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
BODY = re.compile(rb"(?<!\\)[A-Za-z0-9+/][A-Za-z0-9+/]{19,}={0,2}|(?<=\\[nr])[A-Za-z0-9+/]{20,}={0,2}")
"""A line of a body."""
_MOST = 20_000
_LINE = re.compile(rb"[\s\\nrt\"'+,;*#/>|-]{0,40}?[A-Za-z0-9+/]{16,}={0,2}")


def span(source: Source, start: int) -> Span | None:
    """Return the body of the private key whose armour begins here."""
    text = source.text
    begin = _BEGIN.match(text, start)
    if begin is None:
        return None
    end = _END.search(text, begin.end(), begin.end() + _MOST)
    stop = end.start() if end else _without_end(text, begin.end())
    lines = [match for match in BODY.finditer(text, begin.end(), stop) if _is_material(match[0])]
    if not lines or b"EXAMPLE" in text[begin.end() : stop]:
        return None
    last = lines[-1].end()
    tail = re.compile(rb"(?:\s|\\[nr]|[\"'+,*#/]){0,40}=?[A-Za-z0-9+/]{2,19}={0,2}(?=[\s\\\"'-])").match(
        text, last, stop + 1
    )
    return Span("key", lines[0].start(), tail.end() if tail else last)


def _without_end(text: bytes, at: int) -> int:
    while match := _LINE.match(text, at):
        at = match.end()
    return at


def _is_material(line: bytes) -> bool:
    return len(set(line)) > 8
