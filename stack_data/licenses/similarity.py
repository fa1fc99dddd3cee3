"""Finds the template that an unmatched stretch of text is nearest to, to say what it is and what differs.

Runs only where the word-by-word comparison failed. An index of all runs of five template words is built at
the first need (about 0.2 s); a stretch is scored against a template by the Dice coefficient of their runs.
A score never makes a text permissive: it names copyleft and other texts that deviate a little (reflowed
preambles, filled-in names), and gives the difference as evidence for the altered rest.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stack_data.licenses import automaton
from stack_data.licenses.phrases import Library, tables
from stack_data.licenses.templates import WORD, plain
from stack_data.licenses.tokens import COVERED, SKIP, Words, tokenize

RUN = 5
LEAST_WORDS = 24  # shorter stretches are left to the words around texts
_PREFERENCE = 1.15  # an altered permissive text is called that, not the rare licence that happens to be as near
_FAR = 80  # words without a common run that end a stretch
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Nearest:
    """A stretch of words (begin to end), the template nearest to it, and their Dice coefficient."""

    template: int
    begin: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class _Index:
    keys: NDArray[np.uint64]  # sorted
    templates: NDArray[np.int32]  # parallel to keys
    sizes: NDArray[np.int32]  # runs of each template


def nearest(words: Words, library: Library) -> list[Nearest]:
    """Return the stretches outside COVERED words that resemble a template, in order, without overlap."""
    free = np.flatnonzero((words.flags & (COVERED | SKIP)) == 0)
    found: list[Nearest] = []
    for _ in range(64):
        if len(free) < LEAST_WORDS:
            break
        best = _best(words, free, library)
        if best is None:
            break
        found.append(best)
        free = free[(free < best.begin) | (free >= best.end)]
    return sorted(found, key=lambda stretch: stretch.begin)


def _best(words: Words, free: NDArray[np.intp], library: Library) -> Nearest | None:
    index, permissive = _index(), tables().permissive
    runs = _runs(words.hash[free])
    low = np.searchsorted(index.keys, runs, "left")
    high = np.searchsorted(index.keys, runs, "right")
    counts = high - low
    if not counts.any():
        return None
    places = np.repeat(np.arange(len(runs)), counts)
    offsets = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
    owners = index.templates[np.repeat(low, counts) + offsets]
    hits = np.bincount(owners, minlength=len(index.sizes))
    best: Nearest | None = None
    order = np.lexsort((library.rank, -hits / np.sqrt(index.sizes + 1.0)))[:12]
    for template in order[hits[order] >= RUN]:
        candidate = _stretch(int(template), np.unique(places[owners == template]), free, int(index.sizes[template]))
        if library.templates[template].ids[0] in permissive:
            candidate = replace(candidate, score=candidate.score * _PREFERENCE)
        if best is None or candidate.score > best.score:
            best = candidate
    if best is not None and library.templates[best.template].ids[0] in permissive:
        best = replace(best, score=best.score / _PREFERENCE)
    return best if best is not None and best.score >= 0.25 else None


def _stretch(template: int, places: NDArray[np.intp], free: NDArray[np.intp], size: int) -> Nearest:
    """Return the stretch with most hits among those that gaps of _FAR words separate."""
    cuts = np.flatnonzero(np.diff(free[places]) > _FAR) + 1
    longest = max(np.split(places, cuts), key=len)
    begin, end = int(free[longest[0]]), int(free[min(longest[-1] + RUN - 1, len(free) - 1)]) + 1
    span = int(longest[-1] - longest[0]) + 1
    return Nearest(template, begin, end, 2.0 * len(longest) / (size + span))


def _runs(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the hash of each run of words."""
    count = max(0, len(hashes) - RUN + 1)
    keys = np.zeros(count, np.uint64)
    for offset in range(RUN):
        keys = (keys ^ hashes[offset : offset + count]) * _MULTIPLIER
    return keys


@lru_cache(maxsize=1)
def _index() -> _Index:
    tables_ = tables()
    texts = [plain(template.nodes) for template in tables_.texts.templates]
    words = tokenize("\n\n".join(texts), tables_.spelling)
    ends = np.cumsum([len(text) + 2 for text in texts])
    counted = (words.flags & SKIP) == 0
    owner = np.searchsorted(ends, words.start[counted], "right").astype(np.int32)
    keys = _runs(words.hash[counted])
    inside = owner[: len(keys)] == owner[RUN - 1 :]
    keys, owner = keys[inside], owner[: len(keys)][inside]
    order = np.argsort(keys, kind="stable")
    return _Index(keys[order], owner[order], np.bincount(owner, minlength=len(texts)).astype(np.int32))


def difference(text: str, words: Words, trials: automaton.Trials, stretch: Nearest) -> str:
    """Say in a few words where a stretch leaves its nearest template."""
    tables_ = tables()
    template = tables_.texts.templates[stretch.template]
    inside = (trials.template == stretch.template) & (trials.begin >= stretch.begin - 12) & (trials.begin < stretch.end)
    name = f"nearest {template.ids[0]}"
    if not inside.any():
        return f"{name}: does not begin like it"
    trial = int(np.flatnonzero(inside)[np.argmax(trials.furthest[inside])])
    at = int(trials.furthest[trial])
    expected = _expected(stretch.template, int(trials.address[trial]))
    seen = _once(text[words.start[w] : words.end[w]] for w in range(at, min(at + 4, len(words))))
    return f"{name}: expected '{expected}', found '{seen}'"


def _expected(template: int, address: int) -> str:
    """Return the next four literal words of a template from an instruction on."""
    tables_ = tables()
    source = plain(tables_.texts.templates[template].nodes)
    words = tokenize(source, tables_.spelling)
    spelled = {int(h): source[s:e] for h, s, e in zip(words.hash, words.start, words.end, strict=True)}
    program = tables_.texts.program
    end = int(program.begin[template + 1])
    steps = [int(program.argument[i]) for i in range(address, min(address + 12, end)) if program.op[i] == WORD]
    return _once(spelled.get(step, "") for step in steps[:4]).strip() or "the end"


def _once(words: Iterable[str]) -> str:
    """Join words, one that stands for two hashes once."""
    return " ".join(word for word, _ in itertools.groupby(words))
