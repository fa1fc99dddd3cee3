"""Rules about locations, as robots.txt writes them: the beginning of a path, `*` for anything, `$` for the end.

Pure functions. A location speaks of the paths below the repository's root, with or without a leading `/`; escapes as in
addresses (`%20`) are resolved. Bytes are compared, and case counts.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stack_data.signals.tree import Tree
from stack_data.signals.wildmatch import Pattern, cost_of, quote


class Rule(NamedTuple):
    """What is said of a location ("" is all): whether training is reserved there."""

    location: str
    is_reserved: bool


def pattern_of(location: str) -> Pattern:
    """Return the pattern of a location."""
    at_end = location.endswith("$")
    content = urllib.parse.unquote_to_bytes(location.removesuffix("$").encode("utf-8", "replace"))
    content = re.sub(rb"\*+", b"*", content.removeprefix(b"/"))
    first, *rest = content.split(b"*")
    regex = b"".join(b".*" + quote(piece) for piece in rest) + (rb"\z" if at_end else b"")
    return Pattern(False, first, regex=regex, cost=cost_of(content))


def decide(rules: Sequence[Rule], tree: Tree) -> npt.NDArray[np.bool_]:
    """Return which rows of the tree are reserved: bool[N]. The first rule that reaches a path decides. Raises TooMuchWork."""
    reserved, decided = np.zeros(len(tree), bool), np.zeros(len(tree), bool)
    for rule in rules:
        rows, mask = tree.matching(pattern_of(rule.location), b"")
        new = ~decided[rows] if mask is None else mask & ~decided[rows]
        decided[rows] |= new
        if rule.is_reserved:
            reserved[rows] |= new
        if decided.all():
            break
    return reserved
