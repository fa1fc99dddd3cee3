"""Which chains are read first, which then, and what none of them is read for."""

from __future__ import annotations

import numpy as np

from stack_data.search.classify import EXACT, REFORMATTED, RENAMED
from stack_data.search.filters import LOOK_BACK
from stack_data.search.reach import LIKELY, Reach
from stack_data.search.spans import Spans

LEXEMES, CODE, BLINDED = range(3)
LOOSEST = np.array([EXACT, EXACT, RENAMED])


def reach(*chains: tuple[int, int, int, int, int, int]) -> Reach:
    """Chains (view, text, reading, first token, token after the last, pairs), each token a byte, one byte apart in the text."""
    parts = []
    for one in (LEXEMES, CODE, BLINDED):
        rows = [
            (one, text, reading, 1, begin, end, begin, end, pairs)
            for view, text, reading, begin, end, pairs in chains
            if view == one
        ]
        parts.append(np.array(rows, np.int64).reshape(-1, 9))
    return Reach(parts, 1 + max(one[1] for one in chains))


def spans(*found: tuple[int, int, int, int, int]) -> Spans:
    """Spans (text, kind, reading, first token, token after the last)."""
    return Spans(
        np.array([(text, 0, kind, reading, end - begin, begin, end, begin, end, 0, 0) for text, kind, reading, begin, end in found])
    )  # fmt: skip


def test_the_longest_chain_of_each_text_and_view_leads_the_first_of_equal_ones() -> None:
    longest, _ = reach(
        (CODE, 0, 0, 0, 4, 1), (CODE, 0, 0, 5, 10, 1), (CODE, 1, 0, 0, 3, 1), (CODE, 0, 0, 3, 8, 1)
    ).leading()
    assert longest.tolist() == [False, True, True, False]
    longest, _ = reach((LEXEMES, 0, -1, 0, 4, 1), (CODE, 0, 0, 0, 9, 1), (BLINDED, 0, 0, 0, 2, 1)).leading()
    assert longest.tolist() == [True, True, True]


def test_what_lies_in_a_likely_match_of_the_same_or_a_stricter_view_is_not_read_with_it() -> None:
    def apart(pairs: int, *others: tuple[int, int, int, int, int, int]) -> list[bool]:
        return list(reach((CODE, 0, 0, 10, 90, pairs), *others).leading()[1])

    inside, outside = (CODE, 0, 0, 10, 60, 1), (CODE, 0, 0, 9, 60, 1)
    assert apart(LIKELY, inside, outside) == [False, False, True]
    # One pair alone is chance more often than not.
    assert apart(LIKELY - 1, inside, outside) == [False, True, True]
    blinded = (BLINDED, 0, 0, 20, 50, 1), (BLINDED, 0, 0, 10, 80, 1)
    assert apart(LIKELY, *blinded) == [False, False, False]
    assert apart(LIKELY, (CODE, 1, 0, 20, 50, 1), (CODE, 1, 0, 20, 40, 1)) == [False, False, True]
    # A looser view says nothing of a stricter one.
    found = reach((CODE, 0, 0, 0, 30, 1), (CODE, 0, 0, 40, 60, 1), (BLINDED, 0, 0, 0, 90, LIKELY)).leading()
    assert found[1].tolist() == [False, True, False]


def test_what_is_asked_of_texts_comes_view_by_view_the_longest_first() -> None:
    found = reach((LEXEMES, 1, -1, 5, 9, 1), (CODE, 0, 0, 0, 3, 1), (CODE, 0, 0, 2, 9, 1), (BLINDED, 0, 0, 1, 2, 1))
    asked = found.asked(np.array([True, True, True, False]))
    assert asked.tolist() == [
        [0, 1, 1, 6 - LOOK_BACK, 10],
        [2, 0, 0, 3 - LOOK_BACK, 10],
        [1, 0, 0, 1 - LOOK_BACK, 4],
    ]


def left(chains: Reach, found: Spans, num_readings: int = 2) -> list[bool]:
    return list(chains.left(np.zeros(len(chains), np.bool_), found, num_readings, LOOSEST))


def test_a_chain_inside_a_span_is_not_read_unless_it_is_all_of_it() -> None:
    found = spans((1, EXACT, 0, 10, 20), (1, EXACT, -1, 40, 50))
    inside = [
        (CODE, 1, 0, 11, 20, 1),
        (CODE, 1, 0, 10, 20, 1),
        (CODE, 1, 1, 11, 20, 1),
        (CODE, 1, 0, 40, 49, 1),
        (CODE, 1, 1, 30, 60, 1),
    ]
    chains = reach((LEXEMES, 1, -1, 40, 49, 1), *inside, (CODE, 0, 0, 11, 20, 1), (CODE, 1, 0, 9, 12, 1))
    # Of the other reading, of lexemes, of another text, and beyond its beginning.
    assert left(chains, found) == [False, False, True, True, True, True, True, True]


def test_a_looser_span_hides_only_what_is_as_loose() -> None:
    chains = reach((CODE, 0, 0, 11, 20, 1), (BLINDED, 0, 0, 11, 20, 1))
    assert left(chains, spans((0, REFORMATTED, 0, 10, 20)), 1) == [True, False]
    assert left(chains, spans((0, EXACT, 0, 10, 20)), 1) == [False, False]


def test_what_was_read_is_not_left() -> None:
    chains = reach((CODE, 0, 0, 0, 4, 1), (CODE, 0, 0, 5, 9, 1))
    assert chains.left(np.array([True, False]), spans((1, EXACT, 0, 0, 1)), 1, LOOSEST).tolist() == [False, True]


def test_a_reading_whose_chains_cover_less_than_another_matches_is_not_read_further() -> None:
    chains = reach((CODE, 0, 0, 0, 60, 1), (CODE, 0, 1, 0, 30, 1), (CODE, 0, 1, 20, 49, 1), (CODE, 1, 1, 0, 5, 1))
    assert left(chains, spans((0, REFORMATTED, 0, 0, 50))) == [True, False, False, True]
    assert left(chains, spans((0, REFORMATTED, 0, 0, 49))) == [True, True, True, True]
