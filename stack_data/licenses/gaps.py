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
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stack_data.licenses import automaton
from stack_data.licenses.phrases import BARE_WORD, LINE_WORD, NAME_WORD, Library, Tables
from stack_data.licenses.tokens import COVERED, LINE_END, OPERATIVE, SKIP, URL, Words, word_hash

_NAME, _BARE, _LINE = (np.uint64(word_hash(word)) for word in (NAME_WORD, BARE_WORD, LINE_WORD))


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


@dataclass(frozen=True, slots=True)
class Match:
    """A template's match over words begin to end."""

    template: int
    begin: int
    end: int


def longest(trials: automaton.Trials, rank: NDArray[np.int32] | None = None) -> list[Match]:
    """Return accepted matches that do not overlap, in order of the text: longer ones chosen first, then by rank."""
    accepted = np.flatnonzero(trials.end >= 0)
    lengths = trials.end[accepted] - trials.begin[accepted]
    templates = trials.template[accepted]
    preferred = templates if rank is None else rank[templates]
    order = accepted[np.lexsort((preferred, trials.begin[accepted], -lengths))]
    chosen: list[Match] = []
    taken: list[tuple[int, int]] = []
    for trial in order:
        begin, end = int(trials.begin[trial]), int(trials.end[trial])
        if all(end <= other_begin or begin >= other_end for other_begin, other_end in taken):
            taken.append((begin, end))
            chosen.append(Match(int(trials.template[trial]), begin, end))
    return sorted(chosen, key=lambda match: match.begin)


def explain(text: str, words: Words, tables: Tables) -> tuple[list[Reference], list[Remain]]:
    """Explain every word that is not COVERED."""
    names = longest(automaton.run(tables.names.program, words))
    folded, origin = _fold(text, words, names, tables.names)
    phrases = longest(automaton.run(tables.phrases.program, folded))
    references: list[Reference] = []
    explained = np.zeros(len(folded), bool)
    for match in phrases:
        explained[match.begin : match.end] = True
        kind = tables.phrases.templates[match.template].kind
        if kind == "stated":
            start, end = (int(np.searchsorted(words.start, folded.start[at])) for at in (match.begin, match.end - 1))
            references.append(Reference(tables.phrases.templates[match.template].ids, start, end + 1))
        elif kind != "neutral":
            references.extend(_phrase_references(match, kind, folded, origin, names, tables.names, words.start))
    for at in np.flatnonzero((folded.hash == _NAME) & ~explained):
        name = names[origin[at]]
        references.append(Reference(tables.names.templates[name.template].ids, name.begin, name.end))
    remaining = ((folded.flags & OPERATIVE) != 0) & ((folded.flags & (URL | SKIP)) == 0) & ~explained
    return references, list(_remains(text, folded, np.flatnonzero(remaining)))


def _fold(text: str, words: Words, names: list[Match], library: Library) -> tuple[Words, NDArray[np.int32]]:
    """Return the words with each name as one word, line ends as words and covered runs as barriers, and which name each is."""
    hashes, starts, ends, flags = words.hash.copy(), words.start, words.end.copy(), words.flags.copy()
    keep = (flags & COVERED) == 0
    origin = np.full(len(words), -1, np.int32)
    for number, match in enumerate(names):
        bare = library.templates[match.template].kind == "bare"
        hashes[match.begin] = _BARE if bare else _NAME
        flags[match.begin] &= 255 ^ (OPERATIVE | SKIP)
        ends[match.begin] = ends[match.end - 1]
        keep[match.begin + 1 : match.end] = False
        origin[match.begin] = number
    kept = np.flatnonzero(keep)
    breaks = _line_breaks(text, starts, ends, kept)
    barrier = np.diff(kept, prepend=-1) > 1
    for match in names:
        barrier[kept == match.end] = False  # only the rest of a name was left out
    breaks |= barrier
    total = len(kept) + int(breaks.sum()) + 1
    place = np.arange(len(kept)) + np.cumsum(breaks)
    out = Words(
        np.full(total, _LINE),
        np.zeros(total, np.int32),
        np.zeros(total, np.int32),
        np.full(total, LINE_END, np.uint8),
    )
    out.hash[place], out.start[place], out.end[place], out.flags[place] = (
        hashes[kept],
        starts[kept],
        ends[kept],
        flags[kept],
    )
    folded_origin = np.full(total, -1, np.int32)
    folded_origin[place] = origin[kept]
    return out, folded_origin


def _line_breaks(
    text: str, starts: NDArray[np.int32], ends: NDArray[np.int32], kept: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Tell for each kept word whether a line ends between the kept word before and it; true for the first."""
    breaks = np.zeros(len(kept), bool)
    previous = 0
    for at, word in enumerate(kept):
        breaks[at] = at == 0 or "\n" in text[previous : starts[word]]
        previous = int(ends[word])
    return breaks


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
