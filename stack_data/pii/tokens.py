"""Keys and tokens with a known shape: the table of them, as the prefilter wants it and as the exact check does."""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from stack_data.pii import secrets
from stack_data.pii.source import Source, Span
from stack_data.tables import load_table

MOST = 4200
"""No shape is longer than this."""
_AFTER = 120
"""Nor those that begin before their literal, from there on."""
_NEAR = 300
_BLOCK = 1000
_VALUE = re.compile(rb"[A-Za-z0-9_-]{24,}")
"""What the detectors of detect-secrets look for beside a name."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of token. before: bytes before the literal at which it may begin; random, symbols: it must look drawn too.

    beside: what is secret near it and gives itself away by nothing else.
    """

    name: str
    pattern: re.Pattern[bytes]
    before: int
    kind: str
    random: bool
    symbols: bool
    beside: re.Pattern[bytes] | None


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
        shape = _shape(name, one)
        rules += [(literal.encode(), one["least"], shape) for literal in one["literals"]]
    for name, one in table["plugin"].items():
        rules += [(literal.encode(), one["least"], Plugin(one["module"], name)) for literal in one["literals"]]
    return rules


def _shape(name: str, one: Mapping[str, Any]) -> Shape:
    before = one.get("before", 0)
    # A token ends where its alphabet does: a longer run is something else. Nor does it begin in the middle of a word,
    # unless the literal itself is what begins it.
    pattern = (rb"(?<![A-Za-z0-9])" if before else b"") + b"(?:" + one["shape"].encode() + rb")(?![A-Za-z0-9_-])"
    beside = re.compile(one["beside"].encode()) if "beside" in one else None
    drawn = one.get("random", False), one.get("symbols", False)
    return Shape(name, re.compile(pattern), before, one.get("kind", "key"), *drawn, beside)


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
    if _is_secret(rule, source.text[first:last], literal):
        yield Span(rule.kind, first, last)
        if rule.beside:
            yield from _beside(source.text, rule.beside, first, last)


def _is_secret(rule: Shape, value: bytes, literal: bytes) -> bool:
    if rule.kind == "password":
        return secrets.is_password(_decoded(value) if rule.name == "basic" else value)
    if rule.symbols:
        return secrets.is_symbolic(value.replace(literal, b"", 1))
    if secrets.is_placeholder(value.replace(literal, b"", 1), rule.name == "jwt"):
        return False
    return not rule.random or secrets.is_random(value)


def _beside(text: bytes, pattern: re.Pattern[bytes], first: int, last: int) -> Iterator[Span]:
    most = min(len(text), last + _NEAR)
    for match in pattern.finditer(text, max(0, first - _NEAR), most):
        value = match[0]
        # Hexadecimal digits and paths have the length of a key, too; and what the stretch cuts off is not known.
        if (
            not value.islower()
            and secrets.is_random(value, 32)
            and not secrets.is_placeholder(value)
            and (match.end() < most or most == len(text))
        ):
            yield Span("key", *match.span())


def _match(text: bytes, rule: Shape, start: int) -> re.Match[bytes] | None:
    if not rule.before:
        return rule.pattern.match(text, start, start + MOST)
    match = rule.pattern.search(text, max(0, start - rule.before), start + _AFTER)
    return match if match and match.start() <= start else None


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
    # Each stretch is shown to each detector once, however often the literal stands in it.
    block, until = source.known.get((plugin.name, 0), (-1, 0))
    if block == start // _BLOCK and start < until:
        return
    first, last = source.stretch(start, _BLOCK)
    source.known[plugin.name, 0] = start // _BLOCK, last
    line = source.text[first:last]
    if not _VALUE.search(line):
        return
    for value in _detector(plugin).analyze_string(line.decode("utf-8", "replace")):
        secret = value.encode()
        at = line.find(secret)
        if at >= 0 and not secrets.is_placeholder(secret):
            yield Span("key", first + at, first + at + len(secret))
