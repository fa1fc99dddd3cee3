"""The import statements of many texts at once: lines that may be one, found by RE2 over Arrow columns.

Only hits become Python objects. A line in a comment or string counts like any other: what it names must still be a file of the
repository, and an order is a hint and no proof. Python's statements in brackets are read to their end; other languages' statements
that matter end on the line that names the target.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

RULE_VERSION = 1
_MOST_LINES = 100
"""Lines that a statement in brackets may have."""


@dataclass(frozen=True, slots=True)
class Family:
    """Languages whose statements look and mean alike. text: RE2 that a text with any statement holds, cheap to look for."""

    name: str
    languages: tuple[str, ...]
    text: str
    line: str


FAMILIES = (
    Family("python", ("Python", "Cython"), "import ", r"^\s*(?:from\s+[.\w]+\s+c?import\b|c?import\s+\w)"),
    Family(
        "javascript", ("JavaScript", "TypeScript", "TSX", "Vue", "Svelte"), r"[\"']\.",
        r"(?:^|[\s;=(,}{*!&|?:])(?:from|import|require)\s*\(?\s*[\"']\.\.?(?:/[^\"']*)?[\"']",
    ),
    Family("jvm", ("Java", "Kotlin", "Scala", "Groovy"), "(?:import|package) ", r"^\s*(?:import|package)\s+[\w.]+"),
    Family("go", ("Go",), "import", r"^\s*(?:import\s+)?(?:[\w.]+\s+)?\"[^\"\s]+\"\s*(?://.*)?$"),
    Family("go module", ("Go Module",), "module", r"^module\s+\S+"),
    Family(
        "rust", ("Rust",), "mod |use ",
        r"^\s*(?:pub(?:\([^)]*\))?\s+)?(?:mod\s+\w+\s*;|use\s+(?:crate|super|self)::)",
    ),
    Family(
        "c", ("C", "C++", "Objective-C", "Objective-C++", "Cuda", "OpenCL", "Metal", "HLSL", "GLSL"), "#",
        r"^\s*#\s*(?:include|import)\s*[\"<][^\">]+[\">]",
    ),
    Family("ruby", ("Ruby",), "require", r"^\s*require(?:_relative)?\s*\(?\s*[\"'][^\"']+[\"']"),
    Family(
        "php", ("PHP",), "namespace|use |require|include",
        r"^\s*(?:namespace|use)\s+[\\\w]+|\b(?:require|include)(?:_once)?\b[^;]*[\"'][^\"']+\.php[\"']",
    ),
    Family("c#", ("C#",), "using|namespace", r"^\s*(?:(?:global\s+)?using\s+(?:static\s+)?[\w.]+\s*;|namespace\s+[\w.]+)"),
)  # fmt: skip
FAMILY_OF = {language: family.name for family in FAMILIES for language in family.languages}


def statements(languages: pa.Array, texts: pa.LargeStringArray) -> list[tuple[str, ...]]:
    """Return for each of N texts the lines that may import something, in order, without the white space around them."""
    found: list[tuple[str, ...]] = [()] * len(texts)
    for family in FAMILIES:
        mine = np.flatnonzero(pc.is_in(languages, pa.array(family.languages)).to_numpy(zero_copy_only=False))
        if not len(mine):
            continue
        chosen = texts.take(pa.array(mine)) if len(mine) < len(texts) else texts
        maybe = np.flatnonzero(pc.match_substring_regex(chosen, family.text).to_numpy(zero_copy_only=False))
        for row, lines in _of_texts(family, chosen.take(pa.array(maybe))):
            found[mine[maybe[row]]] = lines
    return found


def _of_texts(family: Family, texts: pa.LargeStringArray) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield rows of texts with their statements, where there are any."""
    split = pc.split_pattern(texts, "\n")
    lines, starts = split.flatten(), np.asarray(split.offsets, np.int64) - int(split.offsets[0].as_py())
    hits = np.flatnonzero(pc.match_substring_regex(lines, family.line).to_numpy(zero_copy_only=False))
    if not len(hits):
        return
    words = pc.utf8_trim_whitespace(lines.take(pa.array(hits))).to_pylist()
    rows = np.searchsorted(starts, hits, side="right") - 1
    for row in np.unique(rows).tolist():
        mine = range(*np.searchsorted(rows, [row, row + 1]).tolist())
        end = int(starts[row + 1])
        yield (
            row,
            tuple(
                _whole(words[at], lines, int(hits[at]), end) if family.name == "python" else words[at] for at in mine
            ),
        )


def _whole(words: str, lines: pa.Array, line: int, end: int) -> str:
    """Return a Python statement with the lines that belong to it."""
    if "(" in words and ")" not in words:
        for row in range(line + 1, min(line + _MOST_LINES, end)):
            words += " " + lines[row].as_py().partition("#")[0].strip()
            if ")" in words:
                break
    return words
