"""Candidates of one round become matches: pieces of their texts are read, lexed together, compared and classified.

Candidates are joined to chains (chains.py), which say how far a match can go. First the longest chain of each text and view is read, and
with it the others that lie in no likelier one (reach.py); then those that lie in no match found so far, the longest first, as long as the
round's bytes last. One reading is nearly always enough, and a reading costs more than what is read. Of a text only the pieces are
read that hold a chain (outlines.py); an index that knows no marks gives whole texts. Work is counted; where a limit ends it, the answer says
`capped`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stack_data.near.shingles import text_bytes
from stack_data.search.candidates import Probed
from stack_data.search.chains import Chains, Flags, Ints, chains_of
from stack_data.search.classify import EXACT, REFORMATTED, RENAMED, classify, with_exact
from stack_data.search.filters import renamed_stretches
from stack_data.search.lexer import Tokens, lex_bytes, lexemes_bytes
from stack_data.search.outlines import BEGINNING, Outlines, Pieces, affordable, in_pieces, is_outlined, pieces_for
from stack_data.search.protocol import Documents, SearchIndex
from stack_data.search.reach import Reach, rows_of
from stack_data.search.reading_order import Queue
from stack_data.search.readings import Readings
from stack_data.search.spans import Spans, joined, places_in, spans_of
from stack_data.search.verify_kernels import common_runs, used_of
from stack_data.search.views import BLINDED, CODE, LEXEME, View

MOST_COMPARED = 4_000_000, 1_000_000
"""Tokens that are compared in one round and view, and in one text and reading."""
Bytes = npt.NDArray[np.uint8]
_KINDS = {LEXEME.name: EXACT, CODE.name: REFORMATTED, BLINDED.name: RENAMED}
_LOOSEST = {LEXEME.name: EXACT, CODE.name: EXACT, BLINDED.name: RENAMED}
"""Inside which kinds of matches no chain of a view needs to be read."""
_ENOUGH = 1 << 62


@dataclass(frozen=True, slots=True)
class Verified:
    """The matches of a round. spans: their `text` is a place in document; places: of `spans.places_in`; covered: of `Classified`;
    is_whole: whether all work was done; num_bytes: read."""

    spans: Spans
    document: Documents
    places: Ints
    covered: Ints
    is_whole: bool
    num_bytes: int


@dataclass(frozen=True, slots=True)
class _Read:
    """Pieces of the documents of a round: piece i is data[begins[i]:ends[i]], lexed as families[i]."""

    pieces: Pieces
    data: Bytes
    begins: Ints
    ends: Ints
    families: npt.NDArray[np.uint8]

    @property
    def starts(self) -> Ints:
        """Where the whole text of each piece would begin in data."""
        return self.begins - self.pieces.begin

    def beside(self, other: _Read) -> _Read:
        """Return these pieces and, after them, others."""
        shift = len(self.data)
        return _Read(
            self.pieces.beside(other.pieces),
            np.concatenate((self.data, other.data)),
            np.concatenate((self.begins, other.begins + shift)),
            np.concatenate((self.ends, other.ends + shift)),
            np.concatenate((self.families, other.families)),
        )


class _Round:
    """The reading and comparing of D documents."""

    def __init__(
        self, index: SearchIndex, readings: Readings, probed: list[Probed], is_varied: Flags, queue: Queue, places: Ints
    ) -> None:
        self.index, self.readings, self.is_varied = index, readings, is_varied
        self.documents = documents = queue.document[places]
        self.outlines = index.outlines(documents) if is_outlined(index) else _outlines_of(index, documents)
        self.views = [one.view for one in probed]
        self.chains = [self._chained(one, rows, places) for one, rows in zip(probed, queue.rows, strict=True)]
        rows = [
            rows_of(chains, number, view.name == LEXEME.name, self._tokens(view))
            for number, (view, chains) in enumerate(zip(self.views, self.chains, strict=True))
        ]
        self.reach = Reach(rows, len(documents))
        self.is_whole = all(one.is_whole for one in self.chains)

    def _chained(self, probed: Probed, hits: tuple[Ints, Ints], places: Ints) -> Chains:
        """Join the candidates of a view. hits: of `Queue.rows`."""
        is_known, view = self.readings.is_known or probed.view.name == LEXEME.name, probed.view
        return chains_of(
            probed.query, probed.position, hits, places, probed.last, probed.earlier, probed.bounds, probed.asked,
            self.readings.families, self.outlines.families, is_known, view.k, view.stride,
        )  # fmt: skip

    def _tokens(self, view: View) -> Tokens:
        return self.readings.lexemes if view.name == LEXEME.name else self.readings.tokens

    def first(self, num_bytes: int) -> Flags:
        """Return the chains to read first: the longest of each text and view, and as many bytes of those that are in no likelier one."""
        is_longest, is_apart = self.reach.leading()
        if not is_apart.any():
            return is_longest
        seen = np.zeros(len(self.outlines.marks), np.bool_)
        _, left = affordable(self.outlines, self.reach.asked(is_longest)[:, 1:], seen, _ENOUGH)
        return is_longest | self._affordable(is_apart, seen, num_bytes - (_ENOUGH - left))

    def rest(self, done: Flags, spans: Spans) -> Flags:
        """Return the chains that may hold what none of the spans does."""
        loosest = np.array([_LOOSEST[one.name] for one in self.views])
        return self.reach.left(done, spans, len(self.readings.families), loosest)

    def within(self, wanted: Flags, num_bytes: int) -> Flags:
        """Return those of the wanted chains that so many bytes suffice for, the longest first."""
        chosen = self._affordable(wanted, np.zeros(len(self.outlines.marks), np.bool_), num_bytes)
        self.is_whole &= bool((chosen == wanted).all())
        return chosen

    def _affordable(self, wanted: Flags, seen: Flags, num_bytes: int) -> Flags:
        asked = self.reach.asked(wanted)
        taken, _ = affordable(self.outlines, asked[:, 1:], seen, num_bytes)
        kept = np.zeros(len(wanted), np.bool_)
        kept[asked[taken, 0]] = True
        return kept

    def compared(self, chosen: Flags) -> tuple[list[Spans], _Read]:
        """Read and compare some chains; return the spans of each view."""
        read = self._read(chosen)
        spans: list[Spans] = []
        for column in (1, 0):
            group = []
            for number, view in enumerate(self.views):
                part = self.reach.of(chosen, number)
                if (view.name == LEXEME.name) == bool(column) and part.any():
                    group.append((number, part.nonzero()[0]))
            spans += self._compare(read, group, column)
        return spans, read

    def _read(self, chosen: Flags) -> _Read:
        """Read the pieces that chains need, or whole texts where the index knows no marks."""
        pieces = pieces_for(self.outlines, self.reach.asked(chosen)[:, 1:])
        families = self.outlines.families[pieces.text]
        if is_outlined(self.index):
            data, bounds = self.index.pieces(self.documents[pieces.text], pieces.begin, pieces.end)
            return _Read(pieces, data, bounds[:-1], bounds[1:], families)
        data, begins, ends = text_bytes(self.index.texts(self.documents[pieces.text]).texts)
        return _Read(pieces, data, begins, ends, families)

    def _compare(self, read: _Read, group: list[tuple[int, Ints]], column: int) -> list[Spans]:
        """Compare chains of views that are of the same tokens, (view, numbers of its chains); return the spans of each."""
        if not group:
            return []
        placed = [
            in_pieces(
                self.chains[view].pairs, self.chains[view].bounds, chosen, read.pieces.text, read.pieces.marks, column
            )
            for view, chosen in group
        ]
        is_asked = np.zeros(len(read.pieces), np.bool_)
        for rows in placed:
            is_asked[rows[:, 1]] = True
        numbers = is_asked.nonzero()[0]
        begins, ends, families = read.begins[numbers], read.ends[numbers], read.families[numbers]
        if column:
            source = lexemes_bytes(read.data, begins, ends)
        else:
            source = lex_bytes(read.data, begins, ends, families)
        pieces = read.pieces.take(numbers)
        used = used_of(source.bounds, source.starts, pieces.limit - pieces.begin)
        spans = []
        for (view, _), rows in zip(group, placed, strict=True):
            rows[:, 1] = numbers.searchsorted(rows[:, 1])
            runs = self._runs(view, rows, source, used)
            made = spans_of(runs, _KINDS[self.views[view].name], self._tokens(self.views[view]), source, pieces)
            made.piece[:] = numbers[made.piece]
            if column:
                made.reading[:] = -1
            spans.append(made)
        return spans

    def _runs(self, number: int, rows: Ints, source: Tokens, used: Ints) -> Ints:
        """Return the common runs of chains of a view, blinded ones cut into renamed stretches. rows: of `common_runs`."""
        chains, view, readings = self.chains[number], self.views[number], self.readings
        tokens, is_blinded = self._tokens(view), view.name == BLINDED.name
        runs, is_whole = common_runs(
            chains.pairs, chains.bounds, chains.begin, chains.end, rows, readings.blinded if is_blinded else tokens.code,
            tokens.bounds, view.hashes(source), source.bounds[:-1], used, view.guaranteed, MOST_COMPARED,
        )  # fmt: skip
        self.is_whole &= is_whole
        if is_blinded:
            mine, theirs = (tokens.code, tokens.kinds, tokens.bounds), (source.code, source.kinds, source.bounds)
            runs = renamed_stretches(runs, self.is_varied, *mine, *theirs)
        return np.asarray(runs[:, :5])


def verify(
    index: SearchIndex, readings: Readings, probed: list[Probed], is_varied: Flags, queue: Queue, places: Ints, most_bytes: int
) -> Verified:  # fmt: skip
    """Compare a snippet with the documents at some places of the queue, ascending. most_bytes: what may be read beside the longest chains."""
    round_ = _Round(index, readings, probed, is_varied, queue, places)
    first = round_.first(most_bytes)
    spans, read = round_.compared(first)
    rest = round_.rest(first, joined(spans)) if not first.all() else ~first
    if rest.any():
        # Code that is exact hides more; it costs a comparison.
        found = with_exact(joined(spans), readings.data, read.data, read.starts)
        rest = round_.rest(first, found)
        chosen = round_.within(rest, max(0, most_bytes - len(read.data))) if rest.any() else rest
        if chosen.any():
            more, beside = round_.compared(chosen)
            for one in more:
                one.piece[:] += len(read.pieces)
            spans += more
            read = read.beside(beside)
        else:
            spans = [found]
    listed = classify(spans, len(readings.families), readings.data, read.data, read.starts)
    found = listed.spans
    lines = places_in(read.data, read.begins, read.pieces.marks, found.piece, found.source_begin, found.source_end)
    return Verified(found, round_.documents, lines, listed.covered, round_.is_whole, len(read.data))


def _outlines_of(index: SearchIndex, documents: Documents) -> Outlines:
    """Return outlines with no mark but the beginnings, so that texts are read whole."""
    texts = index.texts(documents)
    _, begins, ends = text_bytes(texts.texts)
    count = len(documents)
    return Outlines(
        texts.families, ends - begins, np.arange(count + 1), np.repeat(BEGINNING, count, axis=0).astype(np.uint32)
    )
