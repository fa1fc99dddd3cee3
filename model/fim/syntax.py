"""Cuts along the syntax tree: the middle is a node, or a run of siblings, as tree-sitter parses the text.

Grammars are wheels of their own (tree-sitter-python and so on), loaded when a text of their language is first met. Sizes follow the
two ways in which code is written: a node is one of those around a random place, each as likely; a run is the smallest one of siblings
that covers two random places. A language without a grammar and a document that does not parse are left to random cuts; of a chunk, whose
edges rarely parse, nodes without an error inside are taken. Which cut an item gets follows from its key, the text and the grammar's
version. Parsing holds Python's lock and takes a few MB/s, the only part of making rows that does.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from model.fim.draws import FIRST_CUT, IS_NODE, IS_SYNTAX, SECOND_CUT, WHICH_NODE, below, chance

RANDOM = (-1, -1)
"""No cut of its own: the kernel draws one."""
_NODE_RATE = 0.5
_MAX_BYTES = 1 << 20
"""Longer texts get random cuts: parsing is linear, but such files are data."""

GRAMMARS = {
    "Python": ("tree_sitter_python", "language"),
    "JavaScript": ("tree_sitter_javascript", "language"),
    "TypeScript": ("tree_sitter_typescript", "language_typescript"),
    "TSX": ("tree_sitter_typescript", "language_tsx"),
    "Java": ("tree_sitter_java", "language"),
    "Go": ("tree_sitter_go", "language"),
    "Rust": ("tree_sitter_rust", "language"),
    "C": ("tree_sitter_c", "language"),
    "C++": ("tree_sitter_cpp", "language"),
}
"""Linguist name -> (module, function that gives the grammar)."""


@cache
def grammar(language: str) -> Any:
    """Return the grammar of a language, None where there is none or its wheel is not installed."""
    if language not in GRAMMARS:
        return None
    module, function = GRAMMARS[language]
    try:
        import tree_sitter

        return tree_sitter.Language(getattr(importlib.import_module(module), function)())
    except ImportError:
        return None


def grammar_versions() -> dict[str, str]:
    """Return the version of tree-sitter and of each grammar wheel that is installed."""
    found = {}
    for name in sorted({"tree-sitter", *(module.replace("_", "-") for module, _ in GRAMMARS.values())}):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


class SyntaxCuts:
    """Cuts for items. Threads may share one: each has parsers of its own."""

    def __init__(self, rate: float) -> None:
        """rate: share of the items that are asked about which get a cut along the tree."""
        self._rate, self._parsers = rate, threading.local()

    def versions(self) -> dict[str, str]:
        """Return what the cuts depend on beside texts and keys; nothing when none are made."""
        return grammar_versions() if self._rate else {}

    def cuts(self, key: np.uint64, language: str, text: Callable[[], bytes], is_whole: bool = True) -> tuple[int, int]:
        """Return two places in a text's bytes, in order; RANDOM where a random cut was drawn or none can be had.

        text: gives the bytes, called only when they are wanted; is_whole: it is a document, not a chunk of one.
        """
        if not chance(key, IS_SYNTAX, self._rate) or grammar(language) is None:
            return RANDOM
        data = text()
        if not 0 < len(data) <= _MAX_BYTES:
            return RANDOM
        tree = self._parser(language).parse(data)
        if tree.root_node.child_count == 0 or (is_whole and tree.root_node.has_error):
            return RANDOM
        if chance(key, IS_NODE, _NODE_RATE):
            return _node(tree, below(key, FIRST_CUT, len(data)), key)
        places = below(key, FIRST_CUT, len(data)), below(key, SECOND_CUT, len(data))
        return _run(tree, min(places), max(places))

    def _parser(self, language: str) -> Any:
        import tree_sitter

        if not hasattr(self._parsers, language):
            setattr(self._parsers, language, tree_sitter.Parser(grammar(language)))
        return getattr(self._parsers, language)


def _node(tree: Any, place: int, key: np.uint64) -> tuple[int, int]:
    """Return one of the named nodes around a place, without the root, each equally likely."""
    cursor, found = tree.walk(), set()
    while _descends(cursor, place, place, is_strict=False):
        node = cursor.node
        if node.is_named and not node.has_error and node.start_byte < node.end_byte:
            found.add((node.start_byte, node.end_byte))
    distinct = sorted(found)
    return distinct[below(key, WHICH_NODE, len(distinct))] if distinct else RANDOM


def _run(tree: Any, begin: int, end: int) -> tuple[int, int]:
    """Return the run of siblings that covers two places as closely as can be."""
    cursor = tree.walk()
    while _descends(cursor, begin, end):
        if not cursor.node.child_count:
            cursor.goto_parent()
            break
    after = [child for child in cursor.node.children if child.end_byte > begin]
    touched = [child for child in after if child.start_byte <= end] or after[:1]
    if not touched or any(child.has_error for child in touched):
        return RANDOM
    return touched[0].start_byte, touched[-1].end_byte


def _descends(cursor: Any, begin: int, end: int, is_strict: bool = True) -> bool:
    """Move a cursor to the child that covers two places; tell whether there is one. Not strict: or to the first one behind them."""
    # Not Node.first_child_for_byte: where there is no such child, some versions of the binding crash.
    if cursor.goto_first_child_for_byte(begin) is None:
        return False
    if not is_strict or (cursor.node.start_byte <= begin and end < cursor.node.end_byte):
        return True
    cursor.goto_parent()
    return False
