"""The n-gram baseline, against a naive one written from the definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.training.kneser_ney import KneserNey, discounts_of

streams = st.lists(st.integers(0, 4), min_size=2, max_size=60)


def naive(stream: list[int], vocab_size: int, order: int, history: list[int], token: int) -> float:
    """Return P(token | history) by the definitions: counts of occurrences above, of distinct tokens before below."""
    grams = [tuple(stream[at : at + order]) for at in range(len(stream) - order + 1)]
    if order == 1:
        before = {(stream[at], stream[at + 1]) for at in range(len(stream) - 1)}
        counts: dict[tuple[int, ...], int] = {(w,): len({a for a, b in before if b == w}) for w in range(vocab_size)}
        return _one(counts, (), token, 1 / vocab_size)
    counts = {}
    for gram in grams:
        counts[gram] = counts.get(gram, 0) + 1
    if getattr(naive, "highest", order) != order:
        longer = {tuple(stream[at : at + order + 1]) for at in range(len(stream) - order)}
        counts = {gram: len({one[0] for one in longer if one[1:] == gram}) for gram in set(grams)}
    context = tuple(history[-(order - 1) :]) if len(history) >= order - 1 else None
    lower = naive(stream, vocab_size, order - 1, history, token)
    return lower if context is None else _one(counts, context, token, lower)


def _one(counts: dict[tuple[int, ...], int], context: tuple[int, ...], token: int, lower: float) -> float:
    there = [count for count in counts.values() if count]
    discounts = discounts_of(np.array(there, np.int64)) if there else np.zeros(4)
    row = {gram[-1]: count for gram, count in counts.items() if gram[:-1] == context}
    total = sum(row.values())
    if total == 0:
        return lower
    taken = sum(discounts[min(count, 3)] for count in row.values())
    count = row.get(token, 0)
    return float((count - discounts[min(count, 3)]) / total + taken / total * lower)


@settings(deadline=None, max_examples=60)
@given(streams, streams)
def test_it_is_the_naive_one(stream: list[int], asked: list[int]) -> None:
    naive.highest = 3  # type: ignore[attr-defined]
    model = KneserNey(np.array(stream), 6, order=3)
    found = model.probabilities(np.array(asked))
    wanted = [naive(stream, 6, 3, asked[:at], token) for at, token in enumerate(asked)]
    assert found == pytest.approx(wanted, abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(streams, st.lists(st.integers(0, 5), max_size=6))
def test_the_tokens_after_any_history_have_probability_one(stream: list[int], history: list[int]) -> None:
    model = KneserNey(np.array(stream), 6)
    after = [model.probabilities(np.array([*history, token]))[-1] for token in range(6)]
    assert sum(after) == pytest.approx(1)
    assert min(after) > 0


def test_what_repeats_costs_little() -> None:
    model = KneserNey(np.tile(np.arange(50), 40), 50)
    assert model.bits(np.arange(50))[5:].max() < 0.05
