"""Passwords and keys that are assigned to a name which says so."""

from __future__ import annotations

import functools
import re

from stack_data.pii import secrets
from stack_data.pii.source import Source, Span
from stack_data.tables import load_table

_WORD = re.compile(rb"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_HASHES = re.compile(
    rb"(?i)\b(?:sha\d*|md5|hash|digest|checksum|integrity|commit|revision|etag|fingerprint|uuid|guid|thumbprint)"
)
_HEX = re.compile(rb"[0-9a-fA-F]+")
_WEAK = frozenset((b"key", b"keys", b"token", b"tokens"))
_EXPLICIT = re.compile(rb"secret|(?:api|access|auth|private|master|app|client|account|service)(?:key|token)")
"""Names of which even a UUID is the secret."""
_PERCENT = re.compile(rb"%[qQ]?[(\[{<|!]$")
_CALLEE = re.compile(
    rb"(?i)\b(?:define|\w*env|get|set\w*|put|config|insert|\w*property|add\w*|default|param\w*|replace|string\w*|option|field)\(\s*[\"']$"
)
"""What takes a name and a value: define("NAME", "v")."""
_SETTER = re.compile(
    rb"(?i)(?:set|with|use|add|put|update|change|reset)_?[a-z0-9_]+|(?:password|passwd|passphrase|secret|token|api_?key|access_?key)"
)


@functools.cache
def _words(name: str) -> frozenset[bytes]:
    return frozenset(load_table("pii_words")["names"][name].encode().split())


@functools.lru_cache(8192)
def kind_of_name(name: bytes) -> str:
    """Return what a name holds: "password", "key", "weak" for a key that may be of a table or a dictionary, or ""."""
    words = [word.lower() for word in _WORD.findall(name)]
    if any(word in _words("never") for word in words):
        return ""
    if words and words[-1] in (b"id", b"ids") and words[-2:-1] != [b"secret"]:
        return ""
    joined = b"".join(words)
    keys = [word for word in words if word in _words("key") or any(part in word for part in _words("key_inside"))]
    if keys and (words[-1] in keys or not _is_password(words, joined)):
        strong = len(words) > 1 or any(word not in _WEAK for word in keys)
        return "key" if strong else "weak"
    return "password" if _is_password(words, joined) else ""


def _is_password(words: list[bytes], joined: bytes) -> bool:
    return any(word in _words("password") for word in words) or any(
        part in joined for part in _words("password_inside")
    )


def span(source: Source, start: int, end: int, first: int, last: int) -> Span | None:
    """Return the secret that is the value text[start:end] of the name text[first:last], if it is one."""
    text = source.text
    name, value, between = text[first:last], text[start:end], text[last:start]
    kind = kind_of_name(name)
    if not kind or secrets.OWN.fullmatch(name) or not _is_assigned(source, first, name, between):
        return None
    quoted = text[start - 1 : start] in (b'"', b"'", b"`") or _PERCENT.search(between) is not None
    if not quoted and between != b"=" and secrets.TYPE.fullmatch(value):
        return None
    if kind == "password":
        good = secrets.is_password(value) and (quoted or _is_setting(source, first, last, value))
        return Span(kind, start, end) if good or (quoted and secrets.is_passphrase(value)) else None
    return Span("key", start, end) if _is_key(source, first, name, value, kind == "weak", quoted) else None


def _is_key(source: Source, first: int, name: bytes, value: bytes, weak: bool, quoted: bool) -> bool:
    """Tell whether the value of a name of keys is one. weak: of a name that others have as well."""
    if quoted and not weak and secrets.is_symbolic(value):
        return True
    if _EXPLICIT.search(_plain(name)) and secrets.is_drawn_uuid(value):
        return True
    if not secrets.is_key(value, 16 if weak or not quoted else 12):
        return False
    hashed = weak and len(value) in (32, 40, 64, 128) or _HASHES.search(source.before(first, 60) + name)
    return not (hashed and _HEX.fullmatch(value))


def _plain(name: bytes) -> bytes:
    return name.lower().translate(None, b"_-.")


def _is_assigned(source: Source, first: int, name: bytes, between: bytes) -> bool:
    """Tell whether a value belongs to a name: assigned, compared, an argument, or quoted after it."""
    if source.text[max(0, first - 2) : first] == b"::":
        return False  # the last part of a name of a type
    if b"=" in between or b":" in between or between.startswith(b">") or b"||" in between or b"??" in between:
        return True
    if b"|" in between:  # the row of a table
        return source.before(first, 200).lstrip(b" \t*#/>").startswith(b"|")
    if between.startswith(b"("):
        return _SETTER.fullmatch(name.rpartition(b".")[2]) is not None
    if b"," in between:
        return _CALLEE.search(source.before(first, 40)) is not None
    return b"`" not in between and name.lower() != b"pass"


def _is_setting(source: Source, first: int, last: int, value: bytes) -> bool:
    """Tell whether a value without quotes is one of a settings file or of a string, and no name of a variable."""
    if source.text[last : last + 1] in (b"=", b":", b">") and source.text[last + 1 : last + 2] not in (b" ", b"="):
        return True
    return not re.fullmatch(rb"[a-z_]+\d{0,2}", value)
