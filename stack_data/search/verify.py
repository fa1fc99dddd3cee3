"""Candidates of one round become matches: pieces of their texts are read, lexed together, compared and classified.

Candidates are joined to chains (chains.py), which say how far a match can go. First the longest chain of each text and view is read, then,
of the others, those that lie in no match found so far, the longest first, as long as the round's bytes last. Of a text only the pieces are
read that hold a chain (outlines.py); an index that knows no marks gives whole texts. Work is counted; where a limit ends it, the answer says
`capped`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stack_data.near.shingles import text_bytes
from stack_data.search.candidates import Probed, Queue, in_order
from stack_data.search.chains import Chains, Flags, Ints, chains_of, enclosed, longest
from stack_data.search.classify import EXACT, REFORMATTED, RENAMED, classify, with_exact
from stack_data.search.filters import LOOK_BACK, renamed_stretches
from stack_data.search.lexer import Tokens, lex_bytes, lexemes_bytes
from stack_data.search.outlines import BEGINNING, Outlines, Pieces, affordable, in_pieces, is_outlined, pieces_for
from stack_data.search.protocol import Documents, SearchIndex
from stack_data.search.readings import Readings
from stack_data.search.spans import Spans, joined, places_in, spans_of
from stack_data.search.verify_kernels import common_runs, covered, used_of
from stack_data.search.views import BLINDED, CODE, LEXEME, View

MOST_COMPARED = 4_000_000, 1_000_000
"""Tokens that are compared in one round and view, and in one text and reading."""
Bytes = npt.NDArray[np.uint8]
_KINDS = {LEXEME.name: EXACT, CODE.name: REFORMATTED, BLINDED.name: RENAMED}


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


@dataclass(frozen=True, slots=True)
class _Chained:
    """The chains of a view in the documents of a round."""

    view: View
    chains: Chains

    @property
    def column(self) -> int:
        """Which tokens they count, as a column of marks."""
        return 1 if self.view.name == LEXEME.name else 0

    def reach(self, chosen: Flags | Ints) -> tuple[Ints, Ints, Ints]:
        """Return text, first token and token after the last of the text that a match through some of the chains may have."""
        shift = self.chains.shift[chosen]
        return self.chains.text[chosen], self.chains.begin[chosen] + shift - LOOK_BACK, self.chains.end[chosen] + shift


class _Round:
    """The reading and comparing of D documents."""

    def __init__(
        self, index: SearchIndex, readings: Readings, probed: list[Probed], is_varied: Flags, queue: Queue, places: Ints
    ) -> None:
        self.index, self.readings, self.is_varied = index, readings, is_varied
        self.documents = documents = queue.document[places]
        self.outlines = index.outlines(documents) if is_outlined(index) else _outlines_of(index, documents)
        chained = (self._chained(view, *in_order(*rows, places)) for view, rows in zip(probed, queue.rows, strict=True))
        self.chained = [one for one in chained if len(one.chains)]
        self.is_whole = all(one.chains.is_whole for one in self.chained)

    def _chained(self, probed: Probed, rows: Ints, bounds: Ints) -> _Chained:
        """Join the candidates of a view. rows: those of the round's documents, bounds: which are each one's."""
        text = np.repeat(np.arange(len(self.documents)), bounds[1:] - bounds[:-1])
        is_known = self.readings.is_known or probed.view.name == LEXEME.name
        chains = chains_of(
            probed.query[rows], text, probed.position[rows].astype(np.int64), probed.last, probed.earlier, probed.bounds,
            probed.asked, self.readings.families, self.outlines.families, is_known, probed.view.k, probed.view.stride,
        )  # fmt: skip
        return _Chained(probed.view, chains)

    def first(self) -> list[Flags]:
        """Return the chains to read first: the longest of each text and view."""
        chains = [one.chains for one in self.chained]
        return [longest(one.text, one.begin, one.end, len(self.documents)) for one in chains]

    def rest(self, done: list[Flags], spans: Spans) -> list[Flags]:
        """Return the chains that may hold what none of the spans does."""
        spans = spans.take(spans.text.argsort(kind="stable"))
        is_beaten = self._beaten(spans)
        wanted = []
        for one, chosen in zip(self.chained, done, strict=True):
            flags = ~chosen if one.column else ~chosen & ~is_beaten[one.chains.text, one.chains.reading]
            wanted.append(flags & ~self._enclosed(one, spans) if flags.any() else flags)
        return wanted

    def _beaten(self, spans: Spans) -> Flags:
        """Tell of each text and reading whether all its chains cover fewer tokens than matches of another reading do: bool[T, R]."""
        num_texts, num_readings = len(self.documents), len(self.readings.families)
        chains = [one.chains for one in self.chained if not one.column]
        if num_readings == 1 or not chains:
            return np.zeros((num_texts, num_readings), np.bool_)
        columns = zip(*((one.text, one.reading, one.begin, one.end) for one in chains), strict=True)
        most = covered(*(np.concatenate(column) for column in columns), num_texts, num_readings)
        read = spans.take(spans.reading >= 0)
        found = covered(read.text, read.reading, read.first, read.last, num_texts, num_readings)
        return np.asarray(most < found.max(axis=1)[:, None])

    def _enclosed(self, chained: _Chained, spans: Spans) -> Flags:
        """Return which chains lie in a span that leaves nothing of them to be listed or counted."""
        if chained.column:
            spans = spans.take(spans.reading < 0)
        elif chained.view.name == CODE.name:
            spans = spans.take((spans.reading >= 0) & (spans.kind == EXACT))
        else:
            spans = spans.take(spans.reading >= 0)
        chains, tokens = chained.chains, self.readings.lexemes if chained.column else self.readings.tokens
        first = tokens.bounds[chains.reading]
        begin, end = tokens.starts[first + chains.begin], tokens.ends[first + chains.end - 1]
        found = spans.text, spans.reading, spans.begin, spans.end
        return np.asarray(enclosed(chains.text, chains.reading, begin, end, *found))

    def within(self, wanted: list[Flags], num_bytes: int) -> list[Flags]:
        """Return those of the wanted chains that so many bytes suffice for, the longest first."""
        chosen, seen = [], np.zeros(len(self.outlines.marks), np.bool_)
        for one, flags in zip(self.chained, wanted, strict=True):
            rows = np.flatnonzero(flags)
            order = rows[(one.chains.begin - one.chains.end)[rows].argsort(kind="stable")]
            taken, num_bytes = affordable(self.outlines, one.reach(order), one.column, seen, num_bytes)
            kept = np.zeros(len(flags), np.bool_)
            kept[order[taken]] = True
            self.is_whole &= bool(taken.all())
            chosen.append(kept)
        return chosen

    def compared(self, chosen: list[Flags]) -> tuple[list[Spans], _Read]:
        """Read and compare some chains; return the spans of each view."""
        read = self._read(chosen)
        spans = []
        for column in (1, 0):
            group = [one for one in zip(self.chained, chosen, strict=True) if one[0].column == column and one[1].any()]
            spans += self._compare(read, group, column)
        return spans, read

    def _read(self, chosen: list[Flags]) -> _Read:
        """Read the pieces that chains need, or whole texts where the index knows no marks."""
        ranges = [
            [one.reach(flags) for one, flags in zip(self.chained, chosen, strict=True) if one.column == column]
            for column in (0, 1)
        ]
        pieces = pieces_for(self.outlines, *map(_together, ranges))
        families = self.outlines.families[pieces.text]
        if is_outlined(self.index):
            data, bounds = self.index.pieces(self.documents[pieces.text], pieces.begin, pieces.end)
            return _Read(pieces, data, bounds[:-1], bounds[1:], families)
        data, begins, ends = text_bytes(self.index.texts(self.documents[pieces.text]).texts)
        return _Read(pieces, data, begins, ends, families)

    def _compare(self, read: _Read, group: list[tuple[_Chained, Flags]], column: int) -> list[Spans]:
        """Compare views that are of the same tokens; return the spans of each."""
        if not group:
            return []
        placed = [_in_pieces(one, flags, read.pieces) for one, flags in group]
        is_asked = np.zeros(len(read.pieces), np.bool_)
        for piece, _ in placed:
            is_asked[piece] = True
        numbers = is_asked.nonzero()[0]
        begins, ends, families = read.begins[numbers], read.ends[numbers], read.families[numbers]
        if column:
            source = lexemes_bytes(read.data, begins, ends)
        else:
            source = lex_bytes(read.data, begins, ends, families)
        pieces = read.pieces.take(numbers)
        used = used_of(source.bounds, source.starts, pieces.limit - pieces.begin)
        spans = []
        for (one, flags), (piece, shift) in zip(group, placed, strict=True):
            runs = self._runs(one, flags, source, used, numbers.searchsorted(piece), shift)
            tokens = self.readings.lexemes if column else self.readings.tokens
            made = spans_of(runs, _KINDS[one.view.name], tokens, source, pieces)
            made.piece[:] = numbers[made.piece]
            if column:
                made.reading[:] = -1
            spans.append(made)
        return spans

    def _runs(self, chained: _Chained, chosen: Flags, source: Tokens, used: Ints, piece: Ints, shift: Ints) -> Ints:
        """Return the common runs of chains, blinded ones cut into renamed stretches."""
        chains, view, readings = chained.chains, chained.view, self.readings
        tokens = readings.lexemes if chained.column else readings.tokens
        is_blinded = view.name == BLINDED.name
        rows = np.empty((len(piece), 3), np.int64)
        rows[:, 0], rows[:, 1], rows[:, 2] = chosen.nonzero()[0], piece, shift
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
    """Compare a snippet with the documents at some places of the queue, ascending. most_bytes: what may be read after the first look."""
    round_ = _Round(index, readings, probed, is_varied, queue, places)
    first = round_.first()
    spans, read = round_.compared(first)
    if any(not chosen.all() for chosen in first):
        found = with_exact(joined(spans), readings.data, read.data, read.starts)
        rest = round_.rest(first, found)
        chosen = round_.within(rest, max(0, most_bytes - len(read.data))) if any(map(np.any, rest)) else []
        if any(map(np.any, chosen)):
            more, beside = round_.compared(chosen)
            for one in more:
                one.piece[:] += len(read.pieces)
            spans += more
            read = read.beside(beside)
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


def _together(reaches: list[tuple[Ints, Ints, Ints]]) -> tuple[Ints, Ints, Ints]:
    """Return ranges of tokens one after the other."""
    nothing = np.zeros(0, np.int64)
    text, first, last = (np.concatenate(column) for column in zip((nothing,) * 3, *reaches, strict=True))
    return text, first, last


def _in_pieces(chained: _Chained, chosen: Flags, pieces: Pieces) -> tuple[Ints, Ints]:
    """Return the piece that each chosen chain lies in, and its token there less that of the reading."""
    chains = chained.chains
    position = chains.heads[chosen, 4]
    piece, before = in_pieces(chains.text[chosen], position, pieces.text, pieces.marks, chained.column)
    return piece, chains.shift[chosen] - before
