"""Wordings that are equal in effect to a phrase of the templates, and are accepted in its place.

Reads the `variant` entries of tables/license_phrases.toml: {text, also}. Where a permissive template has the
text, literally or as one of the choices of a variable part, each of `also` is a further choice there. Every
entry was read beside the texts it stands for and changes neither what is allowed nor what is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

Node = Any  # see dev/regenerate_licenses.py


def widen(nodes: Sequence[Node], variants: Sequence[dict[str, Any]]) -> list[Node]:
    """Return the nodes with all variants as choices."""
    out = list(nodes)
    for variant in variants:
        pattern = re.compile(r"\s+".join(map(re.escape, variant["text"].split())))
        out = list(_widen_all(out, pattern, variant))
    return out


def _widen_all(nodes: Iterable[Node], pattern: re.Pattern[str], variant: dict[str, Any]) -> Iterator[Node]:
    for node in nodes:
        if isinstance(node, str):
            yield from _split(node, pattern, variant)
        elif node[0] == "?":
            yield ["?", list(_widen_all(node[1], pattern, variant))]
        elif node[0] == "|" and variant["text"] in node[2]:
            yield ["|", node[1] or variant["text"], [*node[2], *variant["also"]]]
        else:
            yield node


def _split(text: str, pattern: re.Pattern[str], variant: dict[str, Any]) -> Iterator[Node]:
    """Yield the literal with each occurrence of the variant's text as a choice."""
    position = 0
    for found in pattern.finditer(text):
        if found.start() > position:
            yield text[position : found.start()]
        yield ["|", variant["text"], [variant["text"], *variant["also"]]]
        position = found.end()
    if position < len(text):
        yield text[position:]


def cut(nodes: Sequence[Node], first: str, until: str) -> list[Node]:
    """Return the nodes from the one that holds `first` up to the one that holds `until` (empty: to the end)."""
    begin = next(at for at, node in enumerate(nodes) if first in _text(node))
    end = next((at for at, node in enumerate(nodes) if until and until in _text(node)), len(nodes))
    head = nodes[begin]
    return [*(head[1] if not isinstance(head, str) else [head]), *nodes[begin + 1 : end]]


def _text(node: Node) -> str:
    if isinstance(node, str):
        return node
    return " ".join(map(_text, node[1])) if node[0] == "?" else ""
