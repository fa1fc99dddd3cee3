"""Learning rates over a run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.training.config import ScheduleConfig
from model.training.schedules import decay_steps, factor


def test_a_cosine_rises_in_a_line_and_ends_at_the_lowest_rate() -> None:
    schedule = ScheduleConfig(name="cosine", steps=100, warmup=10, min_ratio=0.1)
    assert [factor(schedule, step) for step in (1, 5, 10)] == [0.1, 0.5, 1.0]
    assert factor(schedule, 55) == pytest.approx(0.55)
    assert factor(schedule, 100) == pytest.approx(0.1)


def test_wsd_is_stable_until_its_descent() -> None:
    schedule = ScheduleConfig(name="wsd", steps=100, warmup=10, decay=20, min_ratio=0.0)
    assert {factor(schedule, step) for step in range(10, 81)} == {1.0}
    assert [factor(schedule, step) for step in (90, 100)] == [0.5, 0.0]


def test_a_wsd_without_a_descent_takes_a_fifth_of_the_run() -> None:
    assert decay_steps(ScheduleConfig(name="wsd", steps=100)) == 20


def test_warm_up_and_descent_longer_than_the_run_are_refused() -> None:
    with pytest.raises(ValueError, match="more than the 10 steps"):
        ScheduleConfig(name="wsd", steps=10, warmup=6, decay=5)


@given(
    st.sampled_from(["cosine", "wsd", "constant"]),
    st.integers(1, 300),
    st.integers(0, 50),
    st.integers(0, 50),
    st.floats(0, 1),
)
def test_rates_rise_to_the_highest_and_never_rise_again(
    name: str, steps: int, warmup: int, decay: int, low: float
) -> None:
    if warmup + decay > steps:
        return
    schedule = ScheduleConfig(name=name, steps=steps, warmup=warmup, decay=decay, min_ratio=low)  # type: ignore[arg-type]
    rates = [factor(schedule, step) for step in range(1, steps + 20)]
    assert all(0 <= rate <= 1 for rate in rates)
    assert rates[:warmup] == sorted(rates[:warmup])
    assert rates[warmup:] == sorted(rates[warmup:], reverse=True)
