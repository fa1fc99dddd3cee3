"""Explains the words that stand around licence texts: names, notices of copyright, neutral phrases, the rest.

Reads the words of a file with those of recognised texts marked COVERED; gives references (a licence named as
the one that applies) and remains (words with legal effect that nothing explains). Words without legal effect
explain themselves. Two passes of the automaton: names first, each then standing as one word, phrases after.

Strict by choice: one unexplained word with legal effect makes its sentence unknown, so a rider needs no
pattern of its own to be caught. Coverage is won back with the phrases of tables/license_phrases.toml.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stack_data.licenses import automaton
from stack_data.licenses.folding import NAME, Match, fold, longest
from stack_data.licenses.phrases import Library, Tables
from stack_data.licenses.tokens import LINE_END, OPERATIVE, SKIP, URL, Words, word_hash


@dataclass(frozen=True, slots=True)
class Reference:
    """Licences that words point at by name, any of them; span in words. `choose`: any of the texts that follow."""

    ids: tuple[str, ...]
    begin: int
    end: int
    choose: bool = False


@dataclass(frozen=True, slots=True)
class Remain:
    """A sentence with words of legal effect that nothing explains; `words` are the first few of them."""

    start: int
    end: int
    words: tuple[str, ...]


def explain(text: str, words: Words, tables: Tables) -> tuple[list[Reference], list[Remain]]:
    """Explain every word that is not COVERED."""
    names = longest(_inside_paragraphs(text, words, automaton.run(tables.names.program, words)))
    folded, origin = fold(text, words, names, tables.names)
    trials = automaton.run(tables.phrases.program, folded)
    riders = np.array([template.kind == "rider" for template in tables.phrases.templates])[trials.template]
    phrases = longest(replace(trials, end=np.where(riders, -1, trials.end).astype(np.int32)))
    references: list[Reference] = []
    explained = np.zeros(len(folded), bool)
    for match in phrases:
        if tables.phrases.templates[match.template].kind == "title" and _states(folded, match):
            continue
        explained[match.begin : match.end] = True
        kind = tables.phrases.templates[match.template].kind
        if kind == "stated":
            start, end = (
                int(np.searchsorted(words.start, folded.start[at])) for at in (match.begin, match.end - 1)
            )
            references.append(Reference(tables.phrases.templates[match.template].ids, start, end + 1))
        elif kind not in ("neutral", "title"):
            references.extend(
                _phrase_references(match, kind, folded, origin, names, tables.names, words.start)
            )
    for at in np.flatnonzero((folded.hash == NAME) & ~explained):
        name = names[origin[at]]
        references.append(Reference(tables.names.templates[name.template].ids, name.begin, name.end))
    remaining = ((folded.flags & OPERATIVE) != 0) & ((folded.flags & (URL | SKIP)) == 0) & ~explained
    for trial in np.flatnonzero(riders & (trials.end >= 0)):
        remaining[trials.begin[trial] : trials.end[trial]] = True
    remaining &= (folded.flags & LINE_END) == 0
    return references, list(_remains(text, folded, np.flatnonzero(remaining)))


_BLANK_LINE = re.compile(r"\n[^\w\n]*\n")


def _inside_paragraphs(text: str, words: Words, trials: automaton.Trials) -> automaton.Trials:
    """Return the trials without the matches that go on over a blank line."""
    ends = trials.end.copy()
    for at in np.flatnonzero(ends >= 0):
        if _BLANK_LINE.search(text, int(words.start[trials.begin[at]]), int(words.end[ends[at] - 1])):
            ends[at] = -1
    return replace(trials, end=ends)


_STATING = np.array(
    [
        word_hash(word)
        for word in ("under", "released", "by", "to", "with", "for", "at", "in", "from", "is", "are")
    ],
    np.uint64,
)


def _states(folded: Words, match: Match) -> bool:
    """Tell whether a line that looks like a title is a statement that names something unknown."""
    return bool(np.isin(folded.hash[match.begin : match.end], _STATING).any())


def _phrase_references(
    match: Match,
    kind: str,
    folded: Words,
    origin: NDArray[np.int32],
    names: list[Match],
    library: Library,
    word_starts: NDArray[np.int32],
) -> Iterator[Reference]:
    """Yield what the names inside a phrase say: one reference each, or one for all when any may be chosen."""
    inside = [names[number] for number in origin[match.begin : match.end] if number >= 0]
    if kind == "choose":
        start, end = folded.start[match.begin], folded.start[match.end - 1]
        yield Reference((), *(int(at) for at in np.searchsorted(word_starts, [start, end + 1])), choose=True)
    elif kind == "either" and inside:
        ids = tuple(dict.fromkeys(i for name in inside for i in library.templates[name.template].ids))
        yield Reference(ids, inside[0].begin, inside[-1].end)
    else:
        for name in inside:
            yield Reference(library.templates[name.template].ids, name.begin, name.end)


_SENTENCE_END = re.compile(r"[.!?][\"')]*\s|\n[^\S\n]*\W{0,3}[^\S\n]*\n")


def _remains(text: str, folded: Words, unexplained: NDArray[np.intp]) -> Iterator[Remain]:
    """Group unexplained words by the sentences they stand in; sentences next to each other are one remain."""
    group: list[str] = []
    span = (0, -1)
    for at in unexplained:
        start, end = int(folded.start[at]), int(folded.end[at])
        if start >= span[1]:
            sentence = _sentence(text, start)
            if group and sentence[0] - span[1] > _ADJACENT:
                yield Remain(*span, tuple(group[:5]))
                group = []
            span = (span[0] if group else sentence[0], sentence[1])
        group.append(text[start:end].lower())
    if group:
        yield Remain(*span, tuple(group[:5]))


_ADJACENT = 3  # characters between sentences that still count as one remain


def _sentence(text: str, at: int) -> tuple[int, int]:
    """Return the span of the sentence around a position, at most 400 characters to either side."""
    window = max(0, at - 400)
    start = window
    for mark in _SENTENCE_END.finditer(text, window, at):
        start = mark.end()
    mark_after = _SENTENCE_END.search(text, at, min(len(text), at + 400))
    return start, mark_after.start() + 1 if mark_after else min(len(text), at + 400)
