"""Draws are a pure function of seed, content, chunk and epoch, and as random as they should be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.fim.draws import FIRST_CUT, IS_FIM, IS_SPM, SECOND_CUT, below, chance, key_of, lane, spread

CONTENT = np.arange(20, dtype=np.uint8)


def test_the_mixer_is_splitmix64() -> None:
    # The first outputs for seed 0 of Vigna's splitmix64.c.
    counter = [(step * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF for step in range(3)]
    assert [int(spread(np.uint64(one))) for one in counter] == [
        0xE220A8397B1DCDAF,
        0x6E789E6AA1B965F4,
        0x06C45D188009454F,
    ]


def test_a_key_depends_on_every_part_of_what_is_drawn_for() -> None:
    other, tail = CONTENT.copy(), CONTENT.copy()
    other[15], tail[16] = 99, 99
    keys = {
        int(key) for key in (
            key_of(0, CONTENT), key_of(1, CONTENT), key_of(-1, CONTENT), key_of(0, other), key_of(0, CONTENT, chunk=1),
            key_of(0, CONTENT, epoch=1), key_of(0, CONTENT, chunk=1, epoch=1),
        )
    }  # fmt: skip
    assert len(keys) == 7
    assert key_of(0, CONTENT, 3, 4) == key_of(0, CONTENT, 3, 4)
    # 16 bytes of the content's id count.
    assert key_of(0, tail) == key_of(0, CONTENT)


@given(st.integers(0, 2**64 - 1))
def test_nothing_happens_at_rate_0_and_everything_at_rate_1(key: int) -> None:
    assert not chance(np.uint64(key), IS_FIM, 0.0)
    assert chance(np.uint64(key), IS_FIM, 1.0)


def test_questions_of_one_key_have_answers_of_their_own() -> None:
    keys = [key_of(7, CONTENT, epoch=epoch) for epoch in range(4000)]
    first, second = (np.array([below(key, question, 10) for key in keys]) for question in (FIRST_CUT, SECOND_CUT))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.06
    fim, spm = (np.array([chance(key, question, 0.5) for key in keys]) for question in (IS_FIM, IS_SPM))
    assert abs(np.corrcoef(fim, spm)[0, 1]) < 0.06
    assert lane(keys[0], IS_FIM) != lane(keys[0], IS_SPM)


@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_a_place_is_drawn_from_all_places_alike(count: int) -> None:
    drawn = np.array([below(key_of(1, CONTENT, epoch=epoch), FIRST_CUT, count) for epoch in range(20_000)])
    seen = np.bincount(drawn, minlength=count)
    assert len(seen) == count
    expected = 20_000 / count
    # Chi-squared of a fair draw has mean count - 1 and variance 2 (count - 1); ten standard deviations never happen.
    assert ((seen - expected) ** 2 / expected).sum() <= count - 1 + 10 * np.sqrt(2 * count)


@pytest.mark.parametrize("rate", [0.05, 0.5, 0.9])
def test_chances_are_met(rate: float) -> None:
    happened = np.mean([chance(key_of(2, CONTENT, chunk=chunk), IS_FIM, rate) for chunk in range(20_000)])
    assert abs(happened - rate) < 0.015
