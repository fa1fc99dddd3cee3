"""Candidates of one round become matches: pieces of their texts are read, lexed together, compared and classified.

Of each text only the pieces are read that a match through a candidate can reach (outlines.py); an index that knows no marks gives whole
texts. Work is counted: bytes read, tokens compared and pairs of places; where a limit ends it, the answer says `capped`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from stack_data.near.shingles import text_bytes
from stack_data.search.candidates import Probed
from stack_data.search.characters import character_classes
from stack_data.search.classify import EXACT, REFORMATTED, RENAMED, classify
from stack_data.search.filters import renamed_stretches
from stack_data.search.kernels import lexemes_all
from stack_data.search.lexer import Tokens, lex_bytes
from stack_data.search.outlines import BEGINNING, Outlined, Pieces, pieces_for
from stack_data.search.protocol import Documents, SearchIndex
from stack_data.search.readings import Readings
from stack_data.search.spans import Spans, places_in, spans_of
from stack_data.search.verify_kernels import common_runs, places_of
from stack_data.search.views import BLINDED, CODE, LEXEME

MOST_BYTES = 2 << 20, 40
"""Bytes of texts that one query reads before it says `capped`: so many, and so many for each of its own."""
WHOLE = 8
"""How many times as much where an index knows no marks, so that whole texts are read."""
MOST_PAIRS = 500_000, 20_000
"""Pairs of places that one query looks at in one round and view, and of those of one piece of a content: more occur only where both
repeat themselves."""
MOST_COMPARED = 10_000_000, 1_000_000
"""Tokens that are compared at them, likewise; of one piece and reading."""
Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
_NOTHING = np.zeros(0, np.int64)


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


@dataclass(frozen=True, slots=True)
class _Hits:
    """The candidates of a view in the documents of a round: their rows in Probed, and which document each is in."""

    probed: Probed
    rows: Ints
    texts: Ints

    @property
    def is_lexeme(self) -> bool:
        return self.probed.view.name == LEXEME.name

    @property
    def reach(self) -> tuple[Ints, Ints, Ints]:
        """Text, first token and token after the last that a match through each candidate may have."""
        query, position = self.probed.query[self.rows], self.probed.position[self.rows].astype(np.int64)
        return self.texts, position - self.probed.before[query], position + self.probed.after[query]


def verify(
    index: SearchIndex, readings: Readings, probed: list[Probed], is_varied: Flags, documents: Documents
) -> Verified:
    """Compare a snippet with D candidate documents, int64[D], ascending."""
    hits = [_hits_in(one, documents) for one in probed]
    hits = [one for one in hits if len(one.rows)]
    read = _read(index, documents, hits)
    compared = [
        _compare(read, readings, [one for one in hits if one.is_lexeme == lexemes], is_varied)
        for lexemes in (True, False)
    ]
    spans = [found for group, _ in compared for found in group]
    listed = classify(spans, len(readings.families), readings.data, read.data, read.starts)
    found = listed.spans
    places = places_in(read.data, read.begins, read.pieces.marks, found.piece, found.source_begin, found.source_end)
    is_whole = all(whole for _, whole in compared)
    return Verified(found, documents, places, listed.covered, is_whole, len(read.data))


def _hits_in(probed: Probed, documents: Documents) -> _Hits:
    place = np.minimum(np.searchsorted(documents, probed.document), len(documents) - 1)
    rows = np.flatnonzero(documents[place] == probed.document)
    return _Hits(probed, rows, place[rows])


def _read(index: SearchIndex, documents: Documents, hits: list[_Hits]) -> _Read:
    """Read the pieces that hits need, or whole texts where the index knows no marks."""
    if not isinstance(index, Outlined):
        texts = index.texts(documents)
        data, begins, ends = text_bytes(texts.texts)
        sizes, count = ends - begins, np.arange(len(documents))
        pieces = Pieces(count, np.zeros_like(count), sizes, sizes, np.repeat(BEGINNING, len(count), axis=0))
        return _Read(pieces, data, begins, ends, texts.families)
    outlines = index.outlines(documents)
    pieces = pieces_for(outlines, _reach(hits, lexemes=False), _reach(hits, lexemes=True))
    data, bounds = index.pieces(documents[pieces.text], pieces.begin, pieces.end)
    return _Read(pieces, data, bounds[:-1], bounds[1:], outlines.families[pieces.text])


def _reach(hits: list[_Hits], lexemes: bool) -> tuple[Ints, Ints, Ints]:
    """Return what the hits of some views reach: text, first token and token after the last, int64[N] each."""
    reaches = [one.reach for one in hits if one.is_lexeme == lexemes]
    text, first, last = (np.concatenate(column) for column in zip((_NOTHING,) * 3, *reaches, strict=True))
    return text, first, last


def _compare(read: _Read, readings: Readings, hits: list[_Hits], is_varied: Flags) -> tuple[list[Spans], bool]:
    """Compare views that are of the same tokens; return the spans of each view, and whether all was compared."""
    if not hits:
        return [], True
    column = 1 if hits[0].is_lexeme else 0
    placed = [_in_pieces(one, read.pieces, column) for one in hits]
    numbers = np.unique(np.concatenate([pieces for pieces, _ in placed]))
    begins, ends = read.begins[numbers], read.ends[numbers]
    if column:
        source = Tokens(*lexemes_all(read.data, begins, ends, character_classes()))
    else:
        source = lex_bytes(read.data, begins, ends, read.families[numbers])
    used = _used(source, (read.pieces.limit - read.pieces.begin)[numbers])
    chosen = read.pieces.take(numbers)
    spans, is_whole = [], True
    for one, (pieces, position) in zip(hits, placed, strict=True):
        at = np.searchsorted(numbers, pieces)
        found, done = _runs(one, readings, source, used, at, position, read.families[numbers], is_varied)
        kind = EXACT if column else REFORMATTED if one.probed.view.name == CODE.name else RENAMED
        made = spans_of(found, kind, readings.lexemes if column else readings.tokens, source, chosen)
        spans.append(
            replace(made, piece=numbers[made.piece], reading=np.full(len(made), -1) if column else made.reading)
        )
        is_whole &= done
    return spans, is_whole


def _in_pieces(hits: _Hits, pieces: Pieces, column: int) -> tuple[Ints, Ints]:
    """Return the piece that each hit lies in, and its token there."""
    position = hits.probed.position[hits.rows].astype(np.int64)
    key = (pieces.text << 32) + pieces.marks[:, column]
    piece = np.searchsorted(key, (hits.texts << 32) + position, side="right") - 1
    return piece, position - pieces.marks[piece, column]


def _used(source: Tokens, limits: Ints) -> Ints:
    """Return the token after the last of each piece that begins before its limit, a byte of the piece."""
    begins, ends = source.bounds[:-1].tolist(), source.bounds[1:].tolist()
    rows = zip(begins, ends, limits.tolist(), strict=True)
    return np.array(
        [begin + int(np.searchsorted(source.starts[begin:end], limit)) for begin, end, limit in rows], np.int64
    )


def _runs(
    hits: _Hits, readings: Readings, source: Tokens, used: Ints, pieces: Ints, position: Ints, families: npt.NDArray[np.uint8],
    is_varied: Flags,
) -> tuple[Ints, bool]:  # fmt: skip
    """Return the common runs of a view, blinded ones cut into renamed stretches, and whether all were compared."""
    probed, view = hits.probed, hits.probed.view
    tokens = readings.lexemes if hits.is_lexeme else readings.tokens
    order = np.argsort(position, kind="stable")
    places, all_paired = places_of(
        probed.query[hits.rows[order]], pieces[order], position[order], probed.last, probed.earlier, probed.bounds,
        readings.families, families, readings.is_known or hits.is_lexeme, MOST_PAIRS,
    )  # fmt: skip
    # Places of one shift come by position already, so that a stable sort of the rest is enough.
    key = ((places[:, 0] * len(families) + places[:, 1]) << 33) + places[:, 2]
    hashes = readings.blinded if view.name == BLINDED.name else tokens.code
    runs, _, all_compared = common_runs(
        places, np.argsort(key, kind="stable"), hashes, tokens.bounds, view.hashes(source), source.bounds[:-1], used,
        view.guaranteed, MOST_COMPARED,
    )  # fmt: skip
    if view.name == BLINDED.name:
        mine, theirs = (tokens.code, tokens.kinds, tokens.bounds), (source.code, source.kinds, source.bounds)
        runs = renamed_stretches(runs, is_varied, *mine, *theirs)
    return runs, all_paired and all_compared
