r"""Patterns of git attributes, as git matches them, compiled to RE2 over bytes.

Pure functions. Git compares bytes, so `?` is one byte of UTF-8; case counts. A pattern without a slash is held against
the file name, any other against the path below the folder of its file. What gitignore would do and gitattributes does not:
a folder's pattern says nothing of the files in it, and `folder/` matches no file at all. Three habits of git are kept,
because people's files were written against them: what stands before the first special character is compared apart, so that
`doc/x**` reaches below `doc/x1/`; a class that is not closed, and a name of a class that is none, match nothing;
a class never matches `/`. pathspec is not used: its dialects are those of gitignore, where `docs` reaches `docs/a.c`, and
it knows no classes by name.

RE2 matches in linear time; the patterns that make it slow are told apart by `cost`.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass

_SPECIAL = b"*?[\\"
_CLASSES: dict[bytes, str] = {
    b"alpha": string.ascii_letters, b"digit": string.digits, b"alnum": string.ascii_letters + string.digits,
    b"upper": string.ascii_uppercase, b"lower": string.ascii_lowercase, b"xdigit": string.hexdigits,
    b"punct": string.punctuation, b"space": " \t\n\r", b"blank": " \t",
    b"print": "".join(map(chr, range(32, 127))), b"graph": "".join(map(chr, range(33, 127))),
    b"cntrl": "".join(map(chr, [*range(32), 127])),
}  # fmt: skip
_FREE = 8
"""Single-byte wildcards that a pattern with a star may have before RE2 may need more states than it keeps."""


class _NeverMatches(Exception):
    """The pattern is malformed in a way that lets git match nothing."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern: what it is held against, and how.

    on_name  against the file's name; else against the path below the folder
    literal  bytes that the name ends with (ends=True), is, or that the path begins with
    regex    RE2 over the whole name, or over what follows the literal in the path; None: the literal is all of it
    cost     bytes of work per byte matched, about
    """

    on_name: bool
    literal: bytes
    ends: bool = False
    regex: bytes | None = None
    cost: int = 1


def compile_pattern(pattern: bytes) -> Pattern | None:
    """Return the pattern of an attributes line, unquoted; None when it matches no file."""
    pattern = pattern.split(b"\0")[0]
    if not pattern or pattern.endswith(b"/"):
        return None
    try:
        return _on_path(pattern.removeprefix(b"/")) if b"/" in pattern else _on_name(pattern)
    except _NeverMatches:
        return None


def _on_name(pattern: bytes) -> Pattern:
    length = _literal_length(pattern)
    if length == len(pattern):
        return Pattern(True, pattern)
    if pattern.startswith(b"*") and _literal_length(pattern[1:]) == len(pattern) - 1:
        return Pattern(True, pattern[1:], ends=True)
    return Pattern(True, b"", regex=rb"(?s)\A" + _translate(pattern) + rb"\z", cost=cost_of(pattern, _singles(pattern)))


def _on_path(pattern: bytes) -> Pattern:
    length = _literal_length(pattern)
    literal, rest = pattern[:length], pattern[length:]
    return Pattern(
        False, literal, regex=_translate(rest) + rb"\z" if rest else None, cost=cost_of(rest, _singles(rest))
    )


def _literal_length(pattern: bytes) -> int:
    return next((index for index, byte in enumerate(pattern) if byte in _SPECIAL), len(pattern))


def _singles(pattern: bytes) -> int:
    return pattern.count(b"?") + pattern.count(b"[")


def cost_of(pattern: bytes, singles: int = 0) -> int:
    """Return the cost of a pattern with so many single-byte wildcards."""
    return 1 + len(pattern) // 64 if singles <= _FREE or b"*" not in pattern else 10 * len(pattern)


def _translate(pattern: bytes) -> bytes:
    out, at = [], 0
    while at < len(pattern):
        byte = pattern[at : at + 1]
        if byte == b"*":
            piece, at = _stars(pattern, at)
        elif byte == b"[":
            piece, at = _class(pattern, at + 1)
        elif byte == b"?":
            piece, at = b"[^/]", at + 1
        else:
            at += byte == b"\\"
            if at == len(pattern):
                raise _NeverMatches
            piece, at = quote(pattern[at : at + 1]), at + 1
        out.append(piece)
    return b"".join(out)


def _stars(pattern: bytes, at: int) -> tuple[bytes, int]:
    """Translate a run of stars. Two or more between slashes, or ends, cross folders."""
    end = at
    while pattern[end : end + 1] == b"*":
        end += 1
    after = pattern[end:]
    crosses = (
        end - at > 1 and (at == 0 or pattern[at - 1 : at] == b"/") and (not after or after.startswith((b"/", b"\\/")))
    )
    if crosses and after.startswith(b"/"):
        return rb"(?:.*/)?", end + 1
    return (rb".*" if crosses else rb"[^/]*"), end


def _class(pattern: bytes, at: int) -> tuple[bytes, int]:
    """Translate what follows `[`: git's loop, which always takes a first character, even `]`."""
    negated = pattern[at : at + 1] in (b"!", b"^")
    at += negated
    found: set[int] = set()
    before = 0
    while True:
        byte = _byte(pattern, at)
        last = byte
        if byte == 0x5C:
            at += 1
            last = _byte(pattern, at)
            found.add(last)
        elif byte == 0x2D and before and pattern[at + 1 : at + 2] not in (b"", b"]"):
            at += 1
            at += pattern[at] == 0x5C
            found.update(range(before, _byte(pattern, at) + 1))
            last = 0
        elif byte == 0x5B and pattern[at + 1 : at + 2] == b":":
            named, at = _named(pattern, at)
            found.update(named)
            last = byte if named == {0x5B} else 0
        else:
            found.add(byte)
        before, at = last, at + 1
        if pattern[at : at + 1] == b"]":
            break
    return _bytes_regex({*range(256)} - found if negated else found), at + 1


def _named(pattern: bytes, at: int) -> tuple[set[int], int]:
    """Return the bytes of `[:name:]` and where it ends; `[` alone where it is no such thing."""
    end = pattern.find(b"]", at + 2)
    if end < 0:
        raise _NeverMatches
    if end == at + 2 or pattern[end - 1 : end] != b":":
        return {0x5B}, at
    name = pattern[at + 2 : end - 1]
    if name not in _CLASSES:
        raise _NeverMatches
    return set(_CLASSES[name].encode()), end


def _byte(pattern: bytes, at: int) -> int:
    if at >= len(pattern):
        raise _NeverMatches
    return pattern[at]


def _bytes_regex(found: set[int]) -> bytes:
    found = found - {0x2F, 0}
    if not found:
        raise _NeverMatches
    ranges: list[list[int]] = []
    for byte in sorted(found):
        if ranges and ranges[-1][1] == byte - 1:
            ranges[-1][1] = byte
        else:
            ranges.append([byte, byte])
    return b"[" + b"".join(rb"\x%02x-\x%02x" % (first, last) for first, last in ranges) + b"]"


def quote(literal: bytes) -> bytes:
    """Return RE2 that matches these bytes and nothing else."""
    return re.sub(rb"[^A-Za-z0-9_]", lambda found: rb"\x%02x" % found[0][0], literal)
