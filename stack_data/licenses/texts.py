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
from dataclasses import dataclass, field


from stack_data.licenses import automaton
from stack_data.licenses.evidence import Evidence
from stack_data.licenses.gaps import Match, Reference, explain, longest
from stack_data.licenses.phrases import Tables, tables
from stack_data.licenses.tokens import COVERED, Words, tokenize


@dataclass(frozen=True, slots=True)
class TextFindings:
    """What one file says: evidence in order of its text, and the spans of its copyright lines."""

    evidence: tuple[Evidence, ...]
    copyrights: tuple[tuple[int, int], ...] = field(default=())

    @property
    def understood(self) -> bool:
        """True when every part of the file is known."""
        return all(found.expression is not None for found in self.evidence)


def find_texts(text: str, path: str = "") -> TextFindings:
    """Return what the licence-like file `text` says; `path` is only copied into the evidence."""
    tables_ = tables()
    words = tokenize(text, tables_.spelling)
    matches = longest(automaton.run(tables_.texts.program, words))
    for match in matches:
        words.flags[match.begin : match.end] |= COVERED
    references, remains = explain(text, words, tables_)
    found = [_text_evidence(match, words, tables_, path) for match in matches]
    known = {evidence.expression for evidence in found}
    found += [_reference_evidence(r, words, path) for r in references if not (not r.either and known.intersection(r.ids))]
    found += [Evidence(path, r.start, r.end, "text", None, 0.0, "unexplained: " + ", ".join(r.words)) for r in remains]
    found.sort(key=lambda evidence: (evidence.start, evidence.end, evidence.expression or ""))
    return TextFindings(tuple(found), tuple(copyright_spans(text)))


def _text_evidence(match: Match, words: Words, tables_: Tables, path: str) -> Evidence:
    template = tables_.texts.templates[match.template]
    start, end = int(words.start[match.begin]), int(words.end[match.end - 1])
    method = "notice" if template.kind == "notice" else "text"
    return Evidence(path, start, end, method, template.ids[0], 1.0)  # type: ignore[arg-type]


def _reference_evidence(reference: Reference, words: Words, path: str) -> Evidence:
    start, end = int(words.start[reference.begin]), int(words.end[reference.end - 1])
    return Evidence(path, start, end, "reference", " OR ".join(reference.ids), 0.9)


_COPYRIGHT = re.compile(r"^[^\w\n(\u00a9]*((?:portions |some parts |parts )?(?:copyright|copr\.|\(c\)|\u00a9)[^\n]*)$", re.I | re.M)


def copyright_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of lines that state a copyright with a year or a holder."""
    for line in _COPYRIGHT.finditer(text):
        if re.search(r"\d{4}|\(c\)|\u00a9|copyright\s+(?:by\s+)?[A-Z]", line[1]):
            yield line.span(1)


def looks_like_license_text(text: str) -> bool:
    """Tell cheaply whether a README or comment may hold a licence text: the words that every grant needs."""
    return bool(_GRANT.search(text))


_GRANT = re.compile(
    r"permission\W+(?:is\W+hereby\W+)?granted|redistribution\W+and\W+use|permission\W+to\W+use|hereby\W+granted"
    r"|terms\W+and\W+conditions|public\W+domain|warrant(?:y|ies)\W",
    re.I,
)


