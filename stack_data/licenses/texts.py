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
from functools import lru_cache
from typing import Literal

import numpy as np

from stack_data.licenses import automaton, expressions
from stack_data.licenses.evidence import Evidence
from stack_data.licenses.folding import Match, longest
from stack_data.licenses.gaps import Reference, Remain, explain
from stack_data.licenses.phrases import Tables, tables
from stack_data.licenses.sections import fields, scope
from stack_data.licenses.similarity import Nearest, difference, nearest
from stack_data.licenses.tokens import COVERED, Words, tokenize

CLOSE = 0.8  # Dice coefficient from which a text that can only exclude is called by its name
_FEW = 6  # unexplained words below which nothing is compared by likeness


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
    found, copyrights = _find(text)
    return TextFindings(tuple(replace(evidence, path=path) for evidence in found), copyrights)


@lru_cache(maxsize=2048)
def _find(text: str) -> tuple[tuple[Evidence, ...], tuple[tuple[int, int], ...]]:
    tables_ = tables()
    words = tokenize(text, tables_.spelling)
    trials = automaton.run(tables_.texts.program, words)
    matches = _without_lone_preambles(longest(trials, tables_.texts.rank), tables_)
    for match in matches:
        words.flags[match.begin : match.end] |= COVERED
    stated = [(_words_of(words, start, end), evidence) for start, end, evidence in fields(text)]
    stated = [(span, evidence) for span, evidence in stated if not (words.flags[slice(*span)] & COVERED).any()]
    for span, _ in stated:
        words.flags[slice(*span)] |= COVERED
    references, remains = explain(text, words, tables_)
    stretches = nearest(words, tables_.texts) if sum(remain.count for remain in remains) >= _FEW else []
    if stretches:
        for stretch in stretches:
            words.flags[stretch.begin : stretch.end] |= COVERED
        references, remains = explain(text, words, tables_)
    texts = [_text_evidence(match, words, tables_) for match in matches if _kind(match, tables_) != "preamble"]
    texts += [_stretch_evidence(text, words, trials, stretch, tables_) for stretch in stretches]
    named = [evidence for _, evidence in stated] + list(_reference_evidence(references, words, texts))
    found = texts + named + [_remain_evidence(remain) for remain in remains]
    found.sort(key=lambda evidence: (evidence.start, evidence.end, evidence.expression or ""))
    scoped = scope(text, found)
    return tuple(one for one in scoped if not _is_told(one, scoped)), tuple(copyright_spans(text))


def _words_of(words: Words, start: int, end: int) -> tuple[int, int]:
    return int(np.searchsorted(words.start, start)), int(np.searchsorted(words.start, end))


def _is_told(one: Evidence, found: list[Evidence]) -> bool:
    """Tell whether evidence only names a licence whose text speaks for the same files, so that it says nothing more."""
    if one.method != "reference" or not one.expression or expressions.has_choice(one.expression):
        return False
    return any(
        text.method == "text"
        and text.expression
        and (not text.files or set(one.files).issubset(text.files) and one.files)
        and expressions.covers(one.expression, text.expression)
        for text in found
    )


def find_header_texts(comment: str, path: str = "") -> TextFindings:
    """Return the licence texts in a source file's comment, and what resembles one; never names or prose around them.

    Most comments hold one standard text or notice and words about the code. Those words are only compared with
    licences when they grant or disclaim something themselves, which saves most of the time of `find_texts`.
    """
    if not looks_like_license_text(comment):
        return TextFindings(())
    tables_ = tables()
    words = tokenize(comment, tables_.spelling)
    matches = _without_lone_preambles(longest(automaton.run(tables_.texts.program, words), tables_.texts.rank), tables_)
    spans = [_span(words, match.begin, match.end) for match in matches]
    if looks_like_license_text(_outside(comment, spans)):
        return TextFindings(
            tuple(one for one in find_texts(comment, path).evidence if one.method in ("text", "notice"))
        )
    found = [_text_evidence(match, words, tables_) for match in matches if _kind(match, tables_) != "preamble"]
    return TextFindings(tuple(replace(one, path=path) for one in found))


def _outside(text: str, spans: list[tuple[int, int]]) -> str:
    """Return the text without some spans, each replaced by a line end."""
    ends = [0, *(end for _, end in spans)]
    starts = [*(start for start, _ in spans), len(text)]
    return "\n".join(text[end:start] for end, start in zip(ends, starts, strict=True))


def _kind(match: Match, tables_: Tables) -> str:
    return tables_.texts.templates[match.template].kind


def _without_lone_preambles(matches: list[Match], tables_: Tables) -> list[Match]:
    """Drop preambles of licences whose text is not in the file: they explain nothing alone."""
    templates = tables_.texts.templates
    ids = {templates[match.template].ids for match in matches if _kind(match, tables_) != "preamble"}
    return [m for m in matches if _kind(m, tables_) != "preamble" or templates[m.template].ids in ids]


def _span(words: Words, begin: int, end: int) -> tuple[int, int]:
    return int(words.start[begin]), int(words.end[end - 1])


def _text_evidence(match: Match, words: Words, tables_: Tables) -> Evidence:
    template = tables_.texts.templates[match.template]
    method: Literal["text", "notice"] = "notice" if template.kind == "notice" else "text"
    return Evidence("", *_span(words, match.begin, match.end), method, _normal(template.ids[0]))


def _stretch_evidence(text: str, words: Words, trials: automaton.Trials, stretch: Nearest, tables_: Tables) -> Evidence:
    template = tables_.texts.templates[stretch.template]
    excluded = stretch.score >= CLOSE and template.ids[0] not in tables_.permissive
    detail = difference(text, words, trials, stretch)
    span = _span(words, stretch.begin, stretch.end)
    return Evidence("", *span, "text", _normal(template.ids[0]) if excluded else None, round(stretch.score, 3), detail)


def _reference_evidence(references: list[Reference], words: Words, texts: list[Evidence]) -> Iterator[Evidence]:
    """Yield what is named; `choose` stands for the texts that follow it, a name of several for the text that is there."""
    known = {text.expression for text in texts}
    for reference in references:
        span = _span(words, reference.begin, reference.end)
        ids: tuple[str | None, ...] = reference.ids
        if reference.choose:
            ids = tuple(dict.fromkeys(text.expression for text in texts if text.start >= span[1]))
        elif not reference.either:
            ids = tuple(i for i in reference.ids if _normal(i) in known)[:1] or reference.ids[:1]
        named = [_normal(i) for i in ids if i is not None]
        if len(named) < len(ids):
            yield Evidence("", *span, "text", None, 0.0, "a choice among texts of which one is unknown")
        elif named:
            yield Evidence("", *span, "reference", expressions.any_of(named) or named[0], 0.9)


def _normal(identifier: str) -> str:
    """Return the current form of an identifier; what the expression library does not know stays as it is."""
    if identifier in tables().renamed:
        return tables().renamed[identifier]
    current = expressions.parse(identifier)
    return current if current and not current.startswith("LicenseRef-scancode-") else identifier


def _remain_evidence(remain: Remain) -> Evidence:
    return Evidence("", remain.start, remain.end, "text", None, 0.0, "unexplained: " + ", ".join(remain.words))


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
