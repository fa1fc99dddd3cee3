"""Finds licence texts in a file and says whether every word with legal effect in it is understood.

`find_texts` compares word by word with all SPDX templates (automaton.py), then explains what stands around
the matches (gaps.py), and gives Evidence: one for each text, one for each licence named, one with expression
None for each part that nothing explains. A file is understood when no evidence has the expression None.

Choice: equal texts under several identifiers are told apart by a fixed order (current before deprecated,
`-only` before `-or-later`, then the alphabet). Copyleft and other non-permissive texts need not match word by
word; being close to one is enough to say so, because it can only exclude.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from stack_data.licenses import automaton
from stack_data.licenses.evidence import Evidence
from stack_data.licenses.gaps import Match, Reference, Remain, explain, longest
from stack_data.licenses.phrases import Tables, tables
from stack_data.licenses.similarity import Nearest, difference, nearest
from stack_data.licenses.tokens import COVERED, OPERATIVE, Words, tokenize

CLOSE = 0.8  # Dice coefficient from which a text that can only exclude is called by its name
_FEW_OPERATIVE = 6  # words with legal effect below which nothing is compared by likeness


@dataclass(frozen=True, slots=True)
class TextFindings:
    """What one file says: evidence in order of its text, and the spans of its copyright lines."""

    evidence: tuple[Evidence, ...]
    copyrights: tuple[tuple[int, int], ...] = field(default=())

    @property
    def understood(self) -> bool:
        """True when something was found and every part of the file is known."""
        return bool(self.evidence) and all(found.expression is not None for found in self.evidence)


def find_texts(text: str, path: str = "") -> TextFindings:
    """Return what the licence-like file `text` says; `path` is only copied into the evidence."""
    tables_ = tables()
    words = tokenize(text, tables_.spelling)
    trials = automaton.run(tables_.texts.program, words)
    matches = _without_lone_preambles(longest(trials, tables_.texts.rank), tables_)
    for match in matches:
        words.flags[match.begin : match.end] |= COVERED
    stretches = _altered(words, tables_)
    references, remains = explain(text, words, tables_)
    found = [
        _text_evidence(match, words, tables_) for match in matches if _kind(match, tables_) != "preamble"
    ]
    found += [_stretch_evidence(text, words, trials, stretch, tables_) for stretch in stretches]
    found += _reference_evidence(references, words, {evidence.expression for evidence in found})
    found += [_remain_evidence(remain) for remain in remains]
    found = [replace(evidence, path=path) for evidence in found]
    found.sort(key=lambda evidence: (evidence.start, evidence.end, evidence.expression or ""))
    return TextFindings(tuple(found), tuple(copyright_spans(text)))


def find_header_texts(comment: str, path: str = "") -> TextFindings:
    """Return the texts in a source file's comment; empty at once when no word there grants or disclaims."""
    return find_texts(comment, path) if looks_like_license_text(comment) else TextFindings(())


def _kind(match: Match, tables_: Tables) -> str:
    return tables_.texts.templates[match.template].kind


def _without_lone_preambles(matches: list[Match], tables_: Tables) -> list[Match]:
    """Drop preambles of licences whose text is not in the file: they explain nothing alone."""
    templates = tables_.texts.templates
    ids = {templates[match.template].ids for match in matches if _kind(match, tables_) != "preamble"}
    return [m for m in matches if _kind(m, tables_) != "preamble" or templates[m.template].ids in ids]


def _altered(words: Words, tables_: Tables) -> list[Nearest]:
    """Cover and return the stretches that resemble a text without being it."""
    left = words.flags[(words.flags & (OPERATIVE | COVERED)) == OPERATIVE]
    if len(left) < _FEW_OPERATIVE:
        return []
    stretches = nearest(words, tables_.texts)
    for stretch in stretches:
        words.flags[stretch.begin : stretch.end] |= COVERED
    return stretches


def _span(words: Words, begin: int, end: int) -> tuple[int, int]:
    return int(words.start[begin]), int(words.end[end - 1])


def _text_evidence(match: Match, words: Words, tables_: Tables) -> Evidence:
    template = tables_.texts.templates[match.template]
    method: Literal["text", "notice"] = "notice" if template.kind == "notice" else "text"
    return Evidence("", *_span(words, match.begin, match.end), method, template.ids[0])


def _stretch_evidence(
    text: str, words: Words, trials: automaton.Trials, stretch: Nearest, tables_: Tables
) -> Evidence:
    template = tables_.texts.templates[stretch.template]
    excluded = stretch.score >= CLOSE and template.ids[0] not in tables_.permissive
    detail = difference(text, words, trials, stretch)
    span = _span(words, stretch.begin, stretch.end)
    return Evidence("", *span, "text", template.ids[0] if excluded else None, round(stretch.score, 3), detail)


def _reference_evidence(
    references: list[Reference], words: Words, known: set[str | None]
) -> Iterator[Evidence]:
    """Yield references, without those to a licence whose text is in the file."""
    for reference in references:
        if reference.either or not known.intersection(reference.ids):
            span = _span(words, reference.begin, reference.end)
            yield Evidence("", *span, "reference", " OR ".join(reference.ids), 0.9)


def _remain_evidence(remain: Remain) -> Evidence:
    return Evidence(
        "", remain.start, remain.end, "text", None, 0.0, "unexplained: " + ", ".join(remain.words)
    )


_COPYRIGHT = re.compile(
    r"^[^\w\n(\u00a9]*((?:portions |some parts |parts )?(?:copyright|copr\.|\(c\)|\u00a9)[^\n]*)$",
    re.I | re.M,
)


def copyright_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of lines that state a copyright with a year or a holder."""
    for line in _COPYRIGHT.finditer(text):
        if re.search(r"\d{4}|\(c\)|\u00a9|copyright\s+(?:by\s+)?[A-Z]", line[1]):
            yield line.span(1)


_GRANT = re.compile(
    r"permission\W+(?:is\W+hereby\W+)?granted|redistribution\W+and\W+use|permission\W+to\W+use|hereby\W+granted"
    r"|terms\W+and\W+conditions|public\W+domain|warrant(?:y|ies)\W",
    re.I,
)


def looks_like_license_text(text: str) -> bool:
    """Tell cheaply whether a README or comment may hold a licence text: the words that every grant needs."""
    return bool(_GRANT.search(text))
