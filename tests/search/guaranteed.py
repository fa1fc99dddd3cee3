"""Spans of exactly the guaranteed length, and which texts hold them: by a scan of every token, without index, samples or filters' kernels.

A span is cut out of a text and given another layout or other names, as its view allows; `holders` are all texts in which the same
run of tokens occurs, wherever it does. `judge` compares an answer with them. Named exceptions, as documented, are told apart
by `exception_of`: grams of one or two kinds of tokens, and blinded runs that are not varied. Only the lexer is shared with the search.

Not covered: matches longer than the span (naive.py compares whole answers, in small worlds).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stack_data.search.answer import Answer
from stack_data.search.families import family_of
from stack_data.search.lexer import NAME, NUMBER, STRING, Tokens, lex, lexemes, start_states
from stack_data.search.limits import THOROUGH
from stack_data.search.views import BLINDED, CODE, LEXEME, View
from tests.search.naive import is_one_to_one, is_varied, role


class Text(NamedTuple):
    """A text as a release shows it."""

    content_id: str
    raw: bytes
    language: str


@dataclass(frozen=True, slots=True)
class Span:
    """A run of a view's guaranteed length in a text, by its row, and how it is asked for."""

    row: int
    first: int
    snippet: str
    language: str


def as_it_is(raw: bytes, _tokens: Tokens) -> bytes:
    return raw


def laid_out_anew(raw: bytes, tokens: Tokens) -> bytes:
    """Give code tokens other white space; comments, `,` and `;` go."""
    words = (raw[start:end] for start, end in zip(tokens.starts.tolist(), tokens.ends.tolist(), strict=True))
    return b"".join(word + (b"\n\t" if at % 7 == 0 else b"  ") for at, word in enumerate(words))


def renamed(raw: bytes, tokens: Tokens) -> bytes:
    """Give names and numbers others, and the strings of one line."""
    parts = []
    for kind, start, end in zip(tokens.kinds.tolist(), tokens.starts.tolist(), tokens.ends.tolist(), strict=True):
        word = raw[start:end]
        if (
            kind == STRING
            and word[:1] in b"'\""
            and word[:1] == word[-1:]
            and b"\n" not in word
            and word[1:2] != word[:1]
        ):
            word = word[:1] + b"z" + word[-1:]
        parts.append(b"xq_" + word if kind == NAME else b"7" if kind == NUMBER else word)
    return b" ".join(parts)


CHANGES: dict[str, Callable[[bytes, Tokens], bytes]] = {
    LEXEME.name: as_it_is, CODE.name: laid_out_anew, BLINDED.name: renamed,
}  # fmt: skip


def read(raw: bytes, view: View, language: str) -> Tokens:
    array = pa.array([raw], pa.large_binary())
    return lexemes(array) if view is LEXEME else lex(array, family_of(language))


def exception_of(run: Sequence[int], view: View) -> str:
    """Return the named exception that a run of tokens is, "" for none."""
    if any(len(set(run[at : at + view.k])) < 3 for at in range(len(run) - view.k + 1)):
        return "few kinds"
    return "not varied" if view is BLINDED and not is_varied(run) else ""


class Scan:
    """All tokens of texts in one view, one after the other; where a run of them occurs is found by looking at each."""

    def __init__(self, texts: Sequence[Text], view: View) -> None:
        array = pa.array([one.raw for one in texts], pa.large_binary())
        families = np.array([family_of(one.language) for one in texts], np.uint8)
        self.view, self.texts = view, texts
        self.tokens = lexemes(array) if view is LEXEME else lex(array, families)
        self.hashes = view.hashes(self.tokens)
        # Numbers take half the memory of hashes, and say which token of a run is the rarest: the scan looks for that one first.
        self.names, numbers, self.counts = np.unique(self.hashes, return_inverse=True, return_counts=True)
        self.numbers = numbers.astype(np.uint32)
        self.rows = np.repeat(np.arange(len(texts)), np.diff(self.tokens.bounds))

    def run_of(self, span: Span) -> npt.NDArray[np.uint32]:
        at = int(self.tokens.bounds[span.row]) + span.first
        return self.numbers[at : at + self.view.guaranteed]

    def holders(self, span: Span) -> tuple[int, ...]:
        """Return the rows of all texts that hold a span's run; of a blinded one, those to which its names go one to one."""
        run = self.run_of(span)
        rare = int(np.argmin(self.counts[run]))
        at = np.flatnonzero(self.numbers == run[rare]) - rare
        at = at[(at >= 0) & (at + len(run) <= len(self.numbers))]
        for step, number in enumerate(run.tolist()):
            at = at[self.numbers[at + step] == number]
        at = at[self.rows[at] == self.rows[at + len(run) - 1]]
        if self.view is BLINDED:
            at = np.array([one for one in at.tolist() if self._is_one_to_one(span, one)], np.int64)
        return tuple(np.unique(self.rows[at]).tolist())

    def _is_one_to_one(self, span: Span, at: int) -> bool:
        here = int(self.tokens.bounds[span.row]) + span.first
        steps = [step for step in range(self.view.guaranteed) if self.tokens.kinds[here + step] == NAME]
        run = self.tokens.code[here : here + self.view.guaranteed].tolist()
        pairs = [(run[step], int(self.tokens.code[at + step]), role(run, step)) for step in steps]
        return is_one_to_one(pairs)

    def spans(self, seed: int, passed: dict[str, int]) -> Iterator[Span]:
        """Yield random spans without end, a text as likely as it is long; what is no fair question is counted in `passed`.

        "few kinds", "not varied": the named exceptions; "read otherwise": cut out or changed, the lexer sees other tokens (a piece of a
        string, say), so there is no common run.
        """
        draw, least = random.Random(seed), self.view.guaranteed
        starts = np.maximum(0, np.diff(self.tokens.bounds) - least + 1)
        ends = np.cumsum(starts)
        while True:
            at = draw.randrange(int(ends[-1]))
            row = int(np.searchsorted(ends, at, side="right"))
            span = self._span(row, at - int(ends[row] - starts[row]))
            why = exception_of(self.run_of(span).tolist(), self.view) or (
                "" if self._is_read(span) else "read otherwise"
            )
            passed[why] = passed.get(why, 0) + 1
            if not why:
                yield span

    def _span(self, row: int, first: int) -> Span:
        text, begin, size = self.texts[row], int(self.tokens.bounds[row]) + first, self.view.guaranteed
        start = int(self.tokens.starts[begin])
        raw = text.raw[start : int(self.tokens.ends[begin + size - 1])]
        columns = (column[begin : begin + size] for column in (self.tokens.code, self.tokens.kinds))
        places = (column[begin : begin + size] - start for column in (self.tokens.starts, self.tokens.ends))
        cut = Tokens(np.array([0, size]), *columns, *places)
        return Span(row, first, CHANGES[self.view.name](raw, cut).decode(), text.language)

    def _is_read(self, span: Span) -> bool:
        """Tell whether the lexer, beginning in some state, gives a snippet the tokens of its run."""
        raw, family = span.snippet.encode(), family_of(span.language)
        array = pa.array([raw], pa.large_binary())
        states = [None] if self.view is LEXEME else [*start_states(family)]
        readings = (lexemes(array) if state is None else lex(array, family, state) for state in states)
        wanted = self.names[self.run_of(span)]
        return any(np.array_equal(self.view.hashes(one), wanted) for one in readings)


_KINDS = {
    LEXEME.name: {"exact"},
    CODE.name: {"exact", "reformatted"},
    BLINDED.name: {"exact", "reformatted", "renamed"},
}


def covering(answer: Answer, span: Span, view: View) -> set[str]:
    """Return the contents of which a match of the view's kinds covers a whole snippet."""
    end = len(span.snippet.rstrip())
    return {
        one.content_id
        for one in answer.matches
        if one.kind in _KINDS[view.name] and one.query_span[0] == 0 and one.query_span[1] >= end
    }


def least_covered(answer: Answer, span: Span) -> int:
    """Return how many contents the answer names at the place of a snippet where it names fewest."""
    covered = np.zeros(len(span.snippet.rstrip()), np.int64)
    for identity in {one.content_id for one in answer.matches}:
        here = np.zeros(len(covered), np.bool_)
        for one in answer.matches:
            if one.content_id == identity:
                here[one.query_span[0] : one.query_span[1]] = True
        covered += here
    return int(covered.min())


def judge(answer: Answer, span: Span, view: View, wanted: set[str], living: set[str]) -> str:
    """Return "" for an answer that names what the scan found, else what is wrong with it.

    wanted: the living contents that hold the run; living: all that live. "capped": the answer says so, and names as many contents as it may
    at each place.
    """
    found = covering(answer, span, view)
    if {one.content_id for one in answer.matches} - living:
        return "names what is removed"
    if wanted <= found:
        # A piece of a string or comment may hold the tokens of the run in the lexeme view only.
        return "" if found == wanted or view is not LEXEME else "names what does not hold it"
    if answer.capped:
        return "capped" if least_covered(answer, span) >= THOROUGH.contents else "met a limit"
    return "missed"
