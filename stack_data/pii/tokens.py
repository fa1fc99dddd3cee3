"""Keys and tokens with a known shape: the table of them, as the prefilter wants it and as the exact check does."""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from stack_data.pii import secrets
from stack_data.pii.source import Source, Span
from stack_data.tables import load_table

MOST = 4200
"""No shape is longer than this."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of token. before: bytes before the literal at which it may begin; random: it must look random too."""

    name: str
    pattern: re.Pattern[bytes]
    before: int
    kind: str
    random: bool


@dataclass(frozen=True, slots=True)
class Plugin:
    """A detector of detect-secrets, asked of the line that a literal stands in."""

    module: str
    name: str


class Literals(NamedTuple):
    """What the prefilter looks for: literal i is bytes[offsets[i]:offsets[i+1]] and has a run of least[i] bytes.

    heads: int16[65536], for two bytes where in `order` the literals that begin so are listed, up to a -1; -1 for none.
    """

    bytes: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]
    least: npt.NDArray[np.int64]
    heads: npt.NDArray[np.int16]
    order: npt.NDArray[np.int16]


@functools.cache
def _rules() -> list[tuple[bytes, int, Shape | Plugin]]:
    """Return (literal, least run, what to do), one for each literal."""
    table = load_table("pii_tokens")
    rules: list[tuple[bytes, int, Shape | Plugin]] = []
    for name, one in table["token"].items():
        # A token ends where its alphabet does: a longer run is something else.
        pattern = re.compile(one["shape"].encode() + rb"(?![A-Za-z0-9_-])")
        shape = Shape(name, pattern, one.get("before", 0), one.get("kind", "key"), one.get("random", False))
        rules += [(literal.encode(), one["least"], shape) for literal in one["literals"]]
    for name, one in table["plugin"].items():
        rules += [(literal.encode(), one["least"], Plugin(one["module"], name)) for literal in one["literals"]]
    return rules


@functools.cache
def literals() -> Literals:
    """Return the literals as arrays."""
    rules = _rules()
    by_head: dict[int, list[int]] = {}
    for number, (literal, _, _) in enumerate(rules):
        seconds = [literal[1]] if len(literal) > 1 else range(256)
        for second in seconds:
            by_head.setdefault(literal[0] << 8 | second, []).append(number)
    heads, order = np.full(65536, -1, np.int16), [-1]
    for head, numbers in sorted(by_head.items()):
        heads[head] = len(order)
        order += [*numbers, -1]
    sizes = [len(literal) for literal, _, _ in rules]
    return Literals(
        np.frombuffer(b"".join(literal for literal, _, _ in rules), np.uint8).copy(),
        np.cumsum([0, *sizes]),
        np.array([least for _, least, _ in rules]),
        heads,
        np.array(order, np.int16),
    )


def spans(source: Source, number: int, start: int) -> Iterator[Span]:
    """Yield the secrets at a literal of that number."""
    literal, _, rule = _rules()[number]
    if isinstance(rule, Plugin):
        yield from _of_plugin(source, rule, start)
        return
    match = _match(source.text, rule, start)
    if match is None:
        return
    first, last = match.span(1 if rule.pattern.groups else 0)
    value = source.text[first:last]
    if rule.kind == "password":
        if secrets.is_password(_decoded(value) if rule.name == "basic" else value):
            yield Span("password", first, last)
    elif not secrets.is_placeholder(value.replace(literal, b"", 1), rule.name == "jwt") and (
        not rule.random or secrets.is_random(value)
    ):
        yield Span("key", first, last)


def _match(text: bytes, rule: Shape, start: int) -> re.Match[bytes] | None:
    for begin in range(max(0, start - rule.before), start + 1):
        # Not from the middle of a word on, unless the literal itself is what begins it.
        if begin < start and begin > 0 and _is_word(text[begin - 1]):
            continue
        match = rule.pattern.match(text, begin, start + MOST)
        if match:
            return match
    return None


def _is_word(byte: int) -> bool:
    return 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122


def _decoded(value: bytes) -> bytes:
    """Return the password of HTTP's basic authentication; empty where it is none."""
    import base64

    try:
        decoded = base64.b64decode(value, validate=True)
    except ValueError:
        return b""
    return decoded.partition(b":")[2] if decoded.isascii() else b""


@functools.cache
def _detector(plugin: Plugin) -> Any:
    return getattr(importlib.import_module(f"detect_secrets.plugins.{plugin.module}"), plugin.name)()


def _of_plugin(source: Source, plugin: Plugin, start: int) -> Iterator[Span]:
    first, last = source.line(start, 1000)
    line = source.text[first:last]
    for value in _detector(plugin).analyze_string(line.decode("utf-8", "replace")):
        secret = value.encode()
        at = line.find(secret)
        if at >= 0 and not secrets.is_placeholder(secret):
            yield Span("key", first + at, first + at + len(secret))
