"""Chains reach as far as any common run goes, and no further than the next sample that is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from stack_data.search import chains
from stack_data.search.chains import Chains, chains_of

K, STRIDE = 2, 3
NO_FAMILIES = np.zeros(1, np.uint8)


def chained(snippet: list[int], texts: list[list[int]], asked: list[bool] | None = None) -> Chains:
    """Chains of one reading, whose grams of two tokens are compared with those at every third token of the texts."""
    grams = [tuple(snippet[at : at + K]) for at in range(len(snippet) - K + 1)]
    wanted = np.array([True] * len(grams) if asked is None else asked, np.bool_)
    last, earlier, distinct = [], np.full(len(grams), -1), {}
    for at, gram in enumerate(grams):
        if wanted[at] and gram in distinct:
            earlier[at] = last[distinct[gram]]
            last[distinct[gram]] = at
        elif wanted[at]:
            distinct[gram] = len(last)
            last.append(at)
    hits = [
        (distinct[tuple(text[at : at + K])], row, at)
        for row, text in enumerate(texts)
        for at in range(0, len(text) - K + 1, STRIDE)
        if tuple(text[at : at + K]) in distinct
    ]
    query, text, position = np.array(sorted(hits), np.int32).reshape(-1, 3).T.copy()
    bounds = np.searchsorted(np.sort(text), np.arange(len(texts) + 1))
    return chains_of(
        query, position, (np.argsort(text, kind="stable"), bounds), np.arange(len(texts)), np.array(last, np.int64), earlier, np.array([0, len(grams)]), wanted,
        NO_FAMILIES, np.zeros(len(texts), np.uint8), True, K, STRIDE,
    )  # fmt: skip


def told(found: Chains) -> list[tuple[int, int, int, int]]:
    heads = found.pairs[found.bounds[:-1]]
    columns = (heads[:, 1], heads[:, 2], found.begin, found.end)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_a_chain_goes_from_the_sample_before_it_that_is_none_to_the_one_after_it() -> None:
    snippet = list(range(100, 120))
    text = [1, 2, 3, *range(104, 113), 7, 8, 9]
    # Samples at 3, 6 and 9 are candidates; those at 0 and 12 would be the grams at tokens 1 and 13 of the snippet.
    assert told(chained(snippet, [text])) == [(0, -1, 2, 14)]


def test_a_text_copied_whole_is_one_chain_over_all_of_it() -> None:
    snippet = list(range(100, 120))
    assert told(chained(snippet, [snippet])) == [(0, 0, 0, 20)]


def test_a_sample_that_is_none_between_two_cuts_a_chain() -> None:
    text = list(range(100, 130))
    changed = [*text[:15], 1, *text[16:]]
    assert told(chained(text, [changed])) == [(0, 0, 0, 16), (0, 0, 16, 30)]


def test_a_gram_that_was_not_asked_for_cuts_nothing() -> None:
    text = list(range(100, 130))
    asked = [at not in (14, 15) for at in range(29)]
    assert told(chained(text, [[*text[:15], 1, *text[16:]]], asked)) == [(0, 0, 0, 30)]


def runs(snippet: list[int], text: list[int]) -> list[tuple[int, int, int]]:
    """Every maximal common run of the guaranteed length: diagonal, first token of the snippet, the one after the last."""
    found = []
    for shift in range(-len(snippet), len(text)):
        at = 0
        while at < len(snippet):
            end = at
            while end < len(snippet) and 0 <= end + shift < len(text) and snippet[end] == text[end + shift]:
                end += 1
            if end - at >= K + STRIDE - 1:
                found.append((shift, at, end))
            at = max(at + 1, end)
    return found


TOKENS = some.lists(some.integers(0, 3), min_size=2, max_size=40)


@settings(max_examples=300, deadline=None)
@given(TOKENS, some.lists(TOKENS, min_size=1, max_size=3), some.data())
def test_every_common_run_lies_in_a_chain_of_its_diagonal(
    snippet: list[int], texts: list[list[int]], data: some.DataObject
) -> None:
    # A gram is asked for wherever it stands, or nowhere.
    unasked = data.draw(some.sets(some.tuples(some.integers(0, 3), some.integers(0, 3)), max_size=3))
    asked = [tuple(snippet[at : at + K]) not in unasked for at in range(len(snippet) - K + 1)]
    found = told(chained(snippet, texts, asked))
    for row, text in enumerate(texts):
        for shift, begin, end in runs(snippet, text):
            samples = [at for at in range(begin, end - K + 1) if (at + shift) % STRIDE == 0 and asked[at]]
            if samples:
                assert any(one[:2] == (row, shift) and one[2] <= begin and end <= one[3] for one in found)


def test_pairs_that_are_too_many_are_left_out_and_their_chains_reach_everywhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chains, "MOST_PAIRS", (1000, 4))
    text = [*([1] * 30), *range(2, 20)]
    found = chained([*text, 5], [text])
    assert not found.is_whole
    assert {one[2:] for one in told(found)} == {(0, len(text) + 1)}


def test_what_lies_too_far_into_a_text_is_left_out_and_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    far, none = np.array([1 << 24], np.int32), np.zeros(1, np.int64)
    found = chains_of(
        np.zeros(1, np.int32), far, (none, np.array([0, 1])), none, np.zeros(1, np.int64), np.full(1, -1), np.array([0, 1]),
        np.ones(1, np.bool_), NO_FAMILIES, NO_FAMILIES, True, K, STRIDE,
    )  # fmt: skip
    assert len(found) == 0 and not found.is_whole
