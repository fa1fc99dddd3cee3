"""The benchmarks that a build is kept free of: loaded, made into the tables of both searches, and named by a digest.

`load` reads the configuration's benchmarks once per run. Each part of an item becomes a pattern that texts must not contain, if it
has at least MIN_PATTERN_BYTES when folded (containment.py); each solution is looked for by its tokens too (solutions.py), if it
has at least `min_tokens_reformatted` of them. What is neither is in `unchecked`.

Pieces of solutions (HumanEval infilling) are looked for as they are and in another layout, from MIN_PIECE_TOKENS on: with other
names they are a table, two loops or a chain of conditions, which one in twenty unrelated Python files has too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stack_data.config import DecontaminationConfig
from stack_data.decontamination import hub
from stack_data.decontamination.containment import Patterns, fold, make_patterns
from stack_data.decontamination.items import Item, infilling, read_items, shipped_humaneval
from stack_data.decontamination.solutions import Solutions, make_solutions
from stack_data.search.families import family_of
from stack_data.search.kernels import LEXER_VERSION

RULE_VERSION = 1
MIN_PATTERN_BYTES = 40
MIN_PIECE_TOKENS = 24
PIECES = "humaneval-infilling"
_NEVER = 1 << 40
_VERSIONS = (RULE_VERSION, LEXER_VERSION, MIN_PATTERN_BYTES, MIN_PIECE_TOKENS)


@dataclass(frozen=True, slots=True)
class Part:
    """One text that is looked for: of which benchmark and item, and which part of it."""

    benchmark: str
    item: str
    part: str
    text: str


@dataclass(frozen=True, slots=True)
class Unchecked:
    """A solution too short to be looked for; num_tokens: its code tokens."""

    benchmark: str
    item: str
    num_tokens: int


@dataclass(frozen=True, slots=True)
class Benchmarks:
    """Everything that texts are searched for.

    patterns and contained: folded texts and what each is; solutions: tables by language family with what each is; unchecked: what
    nothing looks for; digest: hex SHA-256 over all that can change a decision.
    """

    patterns: Patterns
    contained: tuple[Part, ...]
    solutions: tuple[tuple[Solutions, tuple[Part, ...]], ...]
    unchecked: tuple[Unchecked, ...]
    digest: str


def load(config: DecontaminationConfig, config_folder: Path, cache: Path | None = None) -> Benchmarks:
    """Return the benchmarks of a configuration. Paths of files are relative to `config_folder`; `cache`: where `datasets` keeps
    what it downloads. InputError for what cannot be read, naming it."""
    items: list[Item] = []
    for name in dict.fromkeys(config.benchmarks):
        if name == "humaneval":
            items += shipped_humaneval()
        elif name == PIECES:
            items += infilling(shipped_humaneval())
        else:
            items += hub.load_items(name, hub.PRESETS[name], cache)
    for file in config.files:
        items += read_items(config_folder / Path(file).expanduser())
    return make_benchmarks(items, config.min_tokens, config.min_tokens_reformatted)


def make_benchmarks(items: Sequence[Item], min_tokens: int = 16, min_tokens_reformatted: int = 8) -> Benchmarks:
    """Return the tables of items; see DecontaminationConfig for the two limits."""
    parts = [(Part(one.benchmark, one.item, part, text), one.language) for one in items for part, text in one.parts]
    folded = [(part, fold(part.text)) for part, _ in parts if part.benchmark != PIECES]
    contained = [(part, raw) for part, raw in folded if len(raw) >= MIN_PATTERN_BYTES]
    limits = min(min_tokens, min_tokens_reformatted), min_tokens
    tables = tuple((_search(group, family, limits), group) for family, group in _by_family(parts).items())
    stated = [
        _VERSIONS,
        limits,
        [(part.benchmark, part.item, part.part, part.text, language) for part, language in parts],
    ]
    digest = hashlib.sha256(json.dumps(stated, separators=(",", ":")).encode()).hexdigest()
    known = tuple(part for part, _ in contained)
    patterns = make_patterns([raw for _, raw in contained])
    return Benchmarks(patterns, known, tables, _unchecked(tables, frozenset(known), limits[0]), digest)


def _by_family(parts: Sequence[tuple[Part, str]]) -> dict[int, tuple[Part, ...]]:
    """Group solutions by the family they are lexed in."""
    groups: dict[int, list[Part]] = {}
    for part, language in parts:
        if part.part == "solution":
            groups.setdefault(family_of(language), []).append(part)
    return {family: tuple(group) for family, group in groups.items()}


def _search(group: Sequence[Part], family: int, limits: tuple[int, int]) -> Solutions:
    pieces = np.array([part.benchmark == PIECES for part in group], bool)
    exact = np.where(pieces, max(MIN_PIECE_TOKENS, limits[1]), limits[0])
    renamed = np.where(pieces, _NEVER, limits[1])
    return make_solutions([part.text for part in group], family, exact, renamed)


def _unchecked(
    tables: Sequence[tuple[Solutions, Sequence[Part]]], contained: frozenset[Part], least: int
) -> tuple[Unchecked, ...]:
    """Return the solutions that neither search looks for; pieces are no solutions of their own."""
    return tuple(
        Unchecked(part.benchmark, part.item, count)
        for solutions, group in tables
        for part, count in zip(group, solutions.num_code_tokens.tolist(), strict=True)
        if count < least and part.benchmark != PIECES and part not in contained
    )
