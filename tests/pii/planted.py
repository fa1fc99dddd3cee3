"""The planted secrets: tests/pii/planted.jsonl.

A line is {"half", "what", "parts"}. A part is text, or {kind: pieces} for what must be found there; texts and pieces are joined on
reading, so that no key of the file stands in it as it would be used. All of it is made up. `half` is "tuning" for what the
rules were made with, and "held-out" for what was written before they had been run on it and not looked at since.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyarrow as pa

PATH = Path(__file__).with_name("planted.jsonl")


@dataclass(frozen=True, slots=True)
class Planted:
    """A text and the spans to be found in it: (kind, start, end) in bytes."""

    half: str
    what: str
    text: str
    spans: tuple[tuple[str, int, int], ...]


@cache
def planted() -> tuple[Planted, ...]:
    """Return all of them."""
    return tuple(_joined(**json.loads(line)) for line in PATH.read_text(encoding="utf-8").splitlines())


def _joined(half: str, what: str, parts: list[str | dict[str, list[str]]]) -> Planted:
    text, spans = "", []
    for part in parts:
        if isinstance(part, str):
            text += part
            continue
        for kind, pieces in part.items():
            start = len(text.encode())
            text += "".join(pieces)
            spans.append((kind, start, len(text.encode())))
    return Planted(half, what, text, tuple(spans))


def column(texts: list[str]) -> pa.LargeStringArray:
    """Return texts as a column."""
    return pa.array(texts, pa.large_string())
