"""Telephone numbers, when they are asked for: international ones that begin with +, and North American ones."""

from __future__ import annotations

import re

from stack_data.pii.source import Source, Span

_INTERNATIONAL = re.compile(rb"\+[1-9]\d{0,3}(?:[ .-]?\(?\d{1,5}\)?){2,6}")
_NORTH_AMERICAN = re.compile(rb"\(?[2-9]\d\d\)?(?: |[.-])[2-9]\d\d[.-]\d{4}")
_FICTIONAL = re.compile(rb"555[ .-]?01\d\d")
_OPERATOR = re.compile(rb"[=(,\[<>*/%&|^!?]\s+$|[(\[,]$|return\s+$")
_CODE = re.compile(rb"[\w)\]]\s*$")


def span(source: Source, start: int, end: int) -> Span | None:
    """Return the number text[start:end], if it is one and not one that is reserved for fiction."""
    found = source.text[start:end]
    digits = sum(48 <= byte <= 57 for byte in found)
    pattern = _INTERNATIONAL if found.startswith(b"+") else _NORTH_AMERICAN
    match = pattern.match(found)
    if match is None or _FICTIONAL.search(found) or len(set(found) - set(b"+-. ()")) < 3:
        return None
    stop = start + match.end()
    if found[1 : match.end()].isdigit() and _OPERATOR.search(source.before(start, 8)):
        return None  # a number with a sign
    if found.startswith(b"+") and (
        digits < 9 or _CODE.search(source.before(start, 4)) and not source.before(start, 4).endswith(b" ")
    ):
        return None
    if source.text[stop : stop + 1].isdigit() or (
        pattern is _NORTH_AMERICAN
        and source.text[stop : stop + 1] in (b"-", b".")
        and source.text[stop + 1 : stop + 2].isdigit()
    ):
        return None
    return Span("phone", start, stop)
