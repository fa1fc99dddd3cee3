"""From the matches of all rounds to the answer's list: its order, its limit, and what is known of each content.

Order: most tokens first, then the smaller content id, then the smaller source offset, then that of the snippet. A match is listed while fewer than
a stated number of contents that stand before it cover some token of its span; so what only one content holds is always listed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from stack_data.search.answer import KINDS, Match
from stack_data.search.outlines import BEGINNING
from stack_data.search.protocol import Documents, Facts, SearchIndex
from stack_data.search.readings import Readings
from stack_data.search.spans import Spans, joined, places_in
from stack_data.search.verify import Verified

Ints = npt.NDArray[np.int64]


def lexemes_of(readings: Readings, spans: Spans) -> tuple[Ints, Ints]:
    """Return which lexemes of the snippet spans touch, from and to: int64[N] each."""
    begins = np.searchsorted(readings.lexemes.ends, spans.begin, side="right")
    ends = np.searchsorted(readings.lexemes.starts, spans.end, side="left")
    return begins.astype(np.int64), ends.astype(np.int64)


def listed(
    index: SearchIndex, readings: Readings, rounds: list[Verified], most_contents: int
) -> tuple[tuple[Match, ...], int, bool]:
    """Return the matches in order, how many places of their contents are hidden, and whether some were left out."""
    spans, documents, places = _in_order(index, rounds)
    is_capped = False
    if len(documents) > most_contents and len(np.unique(documents)) > most_contents:
        first, last = lexemes_of(readings, spans)
        stays = within_limit(documents, first, last, len(readings.lexemes), most_contents)
        spans, documents, places, is_capped = spans.take(stays), documents[stays], places[stays], not stays.all()
    if not len(spans):
        return (), 0, is_capped
    told = {one.document: one for one in index.facts(np.unique(documents))}
    query = places_in(
        readings.data, np.zeros(1, np.int64), BEGINNING, np.zeros(len(spans), np.int64), spans.begin, spans.end
    )
    rows = zip(
        documents.tolist(), spans.kind.tolist(), spans.num_tokens.tolist(), query.tolist(), places.tolist(), strict=True
    )
    matches = tuple(
        _match(told[document], kind, count, mine, theirs)
        for document, kind, count, mine, theirs in rows
        if told[document].places  # none where it was hidden since
    )
    return matches, sum(one.withheld for one in told.values()), is_capped


def _match(facts: Facts, kind: int, num_tokens: int, mine: list[int], theirs: list[int]) -> Match:
    return Match(
        KINDS[kind], num_tokens, (mine[0], mine[1]), (mine[2], mine[3]), (theirs[0], theirs[1]), (theirs[2], theirs[3]),
        facts.content_id, facts.language, facts.license, facts.versions, facts.places,
    )  # fmt: skip


def _in_order(index: SearchIndex, rounds: list[Verified]) -> tuple[Spans, Documents, Ints]:
    """Return all spans in the answer's order, their documents int64[N] and their places int64[N, 4]."""
    spans = joined([one.spans for one in rounds])
    if not len(spans):
        return spans, np.zeros(0, np.int64), np.zeros((0, 4), np.int64)
    places = np.concatenate([one.places for one in rounds])
    documents = np.concatenate([one.document[one.spans.text] for one in rounds])
    order = np.lexsort((spans.begin, places[:, 2], index.content_ids(documents), -spans.num_tokens))
    return spans.take(order), documents[order], places[order]


@njit(cache=True, nogil=True)  # type: ignore[misc]
def within_limit(documents, first, last, num_lexemes, most):  # type: ignore[no-untyped-def]
    """Tell which of N matches in order are listed: bool[N]; first, last: lexemes of the snippet that each covers."""
    covering = np.zeros(num_lexemes, np.int64)
    stays = np.zeros(len(documents), np.bool_)
    numbers = np.searchsorted(np.unique(documents), documents)
    counted = np.zeros((numbers.max() + 1, num_lexemes), np.bool_)
    for at in range(len(documents)):
        has_room = False
        for lexeme in range(first[at], last[at]):
            has_room |= covering[lexeme] < most or counted[numbers[at], lexeme]
        if not has_room:
            continue
        stays[at] = True
        for lexeme in range(first[at], last[at]):
            if not counted[numbers[at], lexeme]:
                counted[numbers[at], lexeme] = True
                covering[lexeme] += 1
    return stays
