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
from stack_data.licenses.phrases import Tables
from stack_data.licenses.tokens import LINE_END, OPERATIVE, SKIP, URL, Words, word_hash


@dataclass(frozen=True, slots=True)
class Reference:
    """A licence that words point at; span in words.

    ids are the licences its name may mean, or, where `either`, those among which the words leave the choice;
    with `choose` the choice is among the texts that follow.
    """

    ids: tuple[str, ...]
    begin: int
    end: int
    either: bool = False
    choose: bool = False


@dataclass(frozen=True, slots=True)
class Remain:
    """A sentence with words of legal effect that nothing explains; `words` are the first few of `count`."""

    start: int
    end: int
    words: tuple[str, ...]
    count: int


def explain(text: str, words: Words, tables: Tables) -> tuple[list[Reference], list[Remain]]:
    """Explain every word that is not COVERED."""
    names = longest(_plausible(text, words, automaton.run(tables.names.program, words), tables))
    folded, origin = fold(text, words, names, tables.names)
    reading = _Reading(text, words, tables, names, folded, origin)
    trials = automaton.run(tables.phrases.program, folded)
    riders = np.array([template.kind == "rider" for template in tables.phrases.templates])[trials.template]
    for match in longest(replace(trials, end=reading.valid_ends(trials, riders))):
        reading.phrase(match)
    reading.lone_names()
    remaining = ((folded.flags & OPERATIVE) != 0) & ((folded.flags & (URL | SKIP)) == 0) & ~reading.explained
    for trial in np.flatnonzero(riders & (trials.end >= 0)):
        remaining[trials.begin[trial] : trials.end[trial]] = True
    remaining &= (folded.flags & LINE_END) == 0
    return reading.references, list(_remains(text, folded, np.flatnonzero(remaining)))


_STATING = np.array(
    [word_hash(word) for word in ("under", "released", "by", "to", "with", "for", "at", "in", "from", "is", "are")],
    np.uint64,
)
_OPTION = re.compile(r"at\s+your\s+option", re.I)
_OPTIONS_WITHIN = 700  # characters from "licensed under either of" to "at your option"


class _Reading:
    """One pass over the phrases of a file: what they explain and which licences they refer to."""

    def __init__(
        self,
        text: str,
        words: Words,
        tables: Tables,
        names: list[Match],
        folded: Words,
        origin: NDArray[np.int32],
    ) -> None:
        self.text, self.words, self.names, self.folded, self.origin = text, words, names, folded, origin
        self.name_templates, self.phrase_templates = tables.names.templates, tables.phrases.templates
        self.references: list[Reference] = []
        self.explained = np.zeros(len(folded), bool)

    def phrase(self, match: Match) -> None:
        """Take note of a phrase, unless it only looks like one."""
        template = self.phrase_templates[match.template]
        fresh = np.flatnonzero(~self.explained[match.begin : match.end]) + match.begin
        inside = [self.names[number] for number in self.origin[fresh] if number >= 0]
        if template.kind == "options":
            between = self._options(match)
            self.explained |= between
            inside = [self.names[number] for number in self.origin[between]]
        self.explained[match.begin : match.end] = True
        begin, end = self._span(match)
        if template.kind == "stated":
            self.references.append(Reference(template.ids, begin, end))
        elif template.kind == "choose":
            self.references.append(Reference((), begin, end, choose=True))
        elif template.kind in ("either", "options") and inside:
            ids = dict.fromkeys(i for name in inside for i in self.name_templates[name.template].ids)
            self.references.append(Reference(tuple(ids), inside[0].begin, inside[-1].end, either=True))
        elif template.kind == "reference":
            self.references.extend(self._reference(name) for name in inside)

    def lone_names(self) -> None:
        """Names outside of phrases refer to their licence too."""
        for at in np.flatnonzero((self.folded.hash == NAME) & ~self.explained):
            self.references.append(self._reference(self.names[self.origin[at]]))

    def _reference(self, name: Match) -> Reference:
        return Reference(self.name_templates[name.template].ids, name.begin, name.end)

    def _span(self, match: Match) -> tuple[int, int]:
        """Return the words of the file that a match over folded words spans."""
        inner = np.arange(match.begin, match.end)
        inner = inner[(self.folded.flags[inner] & LINE_END) == 0]
        begin, end = np.searchsorted(self.words.start, self.folded.start[inner[[0, -1]]])
        return int(begin), int(end) + 1

    def valid_ends(self, trials: automaton.Trials, riders: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Return the ends of the trials, -1 for riders and for what only looks like a title or a list of options."""
        ends = np.where(riders, -1, trials.end).astype(np.int32)
        for at in np.flatnonzero(ends >= 0):
            kind = self.phrase_templates[trials.template[at]].kind
            match = Match(int(trials.template[at]), int(trials.begin[at]), int(ends[at]))
            if (kind == "title" and self._states(match)) or (kind == "options" and not self._options(match).any()):
                ends[at] = -1
        return ends

    def _states(self, match: Match) -> bool:
        """Tell whether a line that looks like a title is more than one line, or a statement about something."""
        inner = slice(match.begin + 1, match.end - 1)
        lines = (self.folded.flags[inner] & LINE_END) != 0
        return bool(lines.any() or np.isin(self.folded.hash[inner], _STATING).any())

    def _options(self, match: Match) -> NDArray[np.bool_]:
        """Return which folded words are the names from a phrase up to "at your option"; none if more is said there."""
        start = int(self.folded.end[match.end - 1])
        mark = _OPTION.search(self.text, start, start + _OPTIONS_WITHIN)
        end = mark.start() if mark else start
        inside = (self.folded.start >= start) & (self.folded.start < end)
        effect = ((self.folded.flags & OPERATIVE) != 0) & ((self.folded.flags & (URL | SKIP)) == 0)
        return inside & (self.origin >= 0) & (not (inside & effect).any())


_BLANK_LINE = re.compile(r"\n[^\w\n]*\n")


def _plausible(text: str, words: Words, trials: automaton.Trials, tables: Tables) -> automaton.Trials:
    """Return the trials of names without those over a blank line and without ordinary words inside of paths."""
    ends = trials.end.copy()
    for at in np.flatnonzero(ends >= 0):
        begin, last = int(trials.begin[at]), int(ends[at]) - 1
        bare = tables.names.templates[trials.template[at]].kind == "bare"
        if _BLANK_LINE.search(text, int(words.start[begin]), int(words.end[last])) or (
            bare and words.flags[begin] & URL
        ):
            ends[at] = -1
    return replace(trials, end=ends)


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
                yield Remain(*span, tuple(group[:5]), len(group))
                group = []
            span = (span[0] if group else sentence[0], sentence[1])
        group.append(text[start:end].lower())
    if group:
        yield Remain(*span, tuple(group[:5]), len(group))


_ADJACENT = 3  # characters between sentences that still count as one remain


def _sentence(text: str, at: int) -> tuple[int, int]:
    """Return the span of the sentence around a position, at most 400 characters to either side."""
    window = max(0, at - 400)
    start = window
    for mark in _SENTENCE_END.finditer(text, window, at):
        start = mark.end()
    mark_after = _SENTENCE_END.search(text, at, min(len(text), at + 400))
    return start, mark_after.start() + 1 if mark_after else min(len(text), at + 400)
