"""Passwords in URLs: scheme://user:password@host; and scheme://key@host."""

from __future__ import annotations

import re
import urllib.parse

from stack_data.pii import secrets
from stack_data.pii.source import Source, Span

_DOCUMENTED = re.compile(rb"(?:[\w-]+\.)*(?:example\.(?:com|org|net)|(?:[\w-]+\.)*(?:example|invalid|test))\b")
_HEX = re.compile(rb"(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})")
_MOST = 300
"""The prefilter looks no further back for the beginning of a URL."""
_SIGN = re.compile(rb"[<>{}\[\]()|,;'\"\\ ]|\.\.\.|\*\*\*|^:")


def _is_key(user: bytes) -> bool:
    """Tell whether the user of a URL that has no password is a key, as in the addresses that programs report errors to."""
    drawn = _HEX.fullmatch(user) is not None or (not user.islower() and secrets.is_random(user, 20))
    return drawn and not secrets.is_placeholder(user)


def span(source: Source, start: int, end: int) -> Span | None:
    """Return the password text[start:end] of a URL, or its user, if that is one or a key in place of both."""
    text = source.text
    value = text[start:end]
    if text[start - 2 : start] == b"//":
        return Span("key", start, end) if _is_key(value) else None
    first = text.rfind(b"//", max(0, start - _MOST), start) + 2
    user = text[first : start - 1]
    if (
        len(value) < 4
        or _SIGN.search(value)
        or value.lower() == user.lower()
        or secrets.is_placeholder(urllib.parse.unquote_to_bytes(value))
    ):
        return None
    if _DOCUMENTED.match(text, end + 1, end + 200) and not secrets.is_password(value):
        return None
    if value.lower().endswith((b"pass", b"pwd", b"password")) and value.isalpha():
        return None
    has_letter = any(chr(byte).isalpha() for byte in value)
    if value.isdigit() or (not has_letter and len(value) < 8):
        return None  # a port, or numbers of another kind
    if value.isalpha() and (value.islower() or value.isupper()) and len(value) < 9:
        return None  # a word in an example
    return Span("password", start, end)
