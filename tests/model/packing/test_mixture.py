"""Shares of groups: as they come, tempered, fixed, capped, replayed; and the clock that draws them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from model.packing.config import MixtureConfig
from model.packing.mixture import Group, Pace, caps, shares
from stack_data.errors import ConfigError

OLD, NEW = "demo 1.0.0", "demo 2.0.0"
GROUPS = (
    Group(OLD, "C", "file"),
    Group(NEW, "C", "file"),
    Group(NEW, "Python", "commit"),
    Group(NEW, "Python", "file"),
)
SIZES = np.array([100, 100, 200, 600])


def found(**settings: object) -> list[float]:
    return shares(MixtureConfig(**settings), GROUPS, SIZES).round(6).tolist()  # type: ignore[arg-type]


def test_documents_are_drawn_as_they_come() -> None:
    assert found() == [0.1, 0.1, 0.2, 0.6]


def test_temperature_levels_languages_and_nothing_within_them() -> None:
    # C has 200 tokens and Python 800: their square roots stand as 1 to 2.
    assert found(temperature=0.5) == pytest.approx([1 / 6, 1 / 6, 2 / 3 / 4, 2 / 3 * 3 / 4], abs=1e-6)
    assert found(temperature=0.0) == [0.25, 0.25, 0.125, 0.375]


def test_factors_multiply() -> None:
    assert found(languages={"C": 2.0}, kinds={"commit": 0.0}) == [0.2, 0.2, 0.0, 0.6]
    assert found(releases={OLD: 0.0}) == pytest.approx([0, 1 / 9, 2 / 9, 6 / 9], abs=1e-6)


def test_fixed_shares_hold_and_the_rest_goes_to_those_not_named() -> None:
    assert found(fixed=True, languages={"C": 0.5}) == [0.25, 0.25, 0.125, 0.375]


def test_fixed_shares_of_several_tables_hold_together() -> None:
    one = shares(
        MixtureConfig(fixed=True, languages={"C": 0.5}, kinds={"commit": 0.4}, releases={OLD: 0.1}), GROUPS, SIZES
    )
    assert one.tolist() == pytest.approx([0.1, 0.4, 0.4, 0.1])


def test_replayed_releases_have_their_share_and_no_more() -> None:
    assert found(replay=(OLD,), replay_share=0.3) == pytest.approx([0.3, 0.7 / 9, 1.4 / 9, 4.2 / 9], abs=1e-6)
    both = shares(MixtureConfig(fixed=True, languages={"C": 0.5}, replay=(OLD,), replay_share=0.3), GROUPS, SIZES)
    assert both.tolist() == pytest.approx([0.3, 0.2, 0.125, 0.375])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"languages": {"Pyhton": 2.0}}, "mixture.languages names 'Pyhton'.*did you mean 'Python'"),
        ({"kinds": {"essay": 2.0}}, "mixture.kinds names 'essay'.*there are commit, file"),
        ({"replay": ("demo 3.0.0",), "replay_share": 0.1}, "mixture.replay names 'demo 3.0.0'"),
        ({"languages": {"C": 0.0, "Python": 0.0}}, "the mixture draws nothing"),
        ({"fixed": True, "languages": {"C": 0.9}, "kinds": {"commit": 0.5}}, "contradict each other"),
    ],
)
def test_a_mixture_that_cannot_be_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        found(**settings)


def test_known_names_that_are_too_many_to_list_are_counted() -> None:
    groups = tuple(Group(OLD, f"L{number:02}", "file") for number in range(11))
    told = r"'Zig', which no document of the shards has; there are L00, .*, L07 and 5 more$"
    with pytest.raises(ConfigError, match=told):
        caps(MixtureConfig(epochs={"Zig": 1.0}), groups)


def test_a_cap_on_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="mixture.epochs names 'Go'"):
        caps(MixtureConfig(epochs={"Go": 1.0}), GROUPS)


@pytest.mark.parametrize(
    "settings",
    [
        {"fixed": True, "kinds": {"file": 0.7, "commit": 0.7}},
        {"languages": {"C": -1.0}},
        {"replay_share": 0.1},
        {"replay": (OLD,)},
    ],
)
def test_settings_that_contradict_themselves_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="mixture"):
        MixtureConfig(**settings)  # type: ignore[arg-type]


def test_the_least_cap_counts() -> None:
    assert caps(MixtureConfig(), GROUPS).tolist() == [np.inf] * 4
    assert caps(MixtureConfig(max_epochs=4.0, epochs={"C": 2.0, NEW: 3.0, "commit": 1.0}), GROUPS).tolist() == [
        2,
        2,
        1,
        3,
    ]


def test_a_group_that_is_spent_leaves_its_share_to_the_others() -> None:
    pace = Pace(np.array([0.5, 0.5]), np.array([100, 1000]), np.array([2.0, np.inf]))
    assert pace.drawn(200).tolist() == [100, 100]
    assert pace.drawn(400).tolist() == [200, 200]
    assert pace.drawn(1000).tolist() == [200, 800]
    assert pace.end == float("inf")


def test_the_clock_ends_when_every_group_is_spent() -> None:
    pace = Pace(np.array([0.5, 0.5]), np.array([100, 1000]), np.array([1.5, 1.0]))
    assert pace.end == 1150
    assert pace.drawn(1150).tolist() == [150, 1000]
    assert pace.drawn(10**9).tolist() == [150, 1000]


@given(
    st.lists(st.tuples(st.floats(0.01, 1), st.integers(0, 10_000), st.one_of(st.just(np.inf), st.floats(0.1, 9))), min_size=1, max_size=6),
    st.lists(st.floats(0, 1e6), min_size=2, max_size=8),
)  # fmt: skip
def test_the_clock_never_runs_back_and_draws_no_group_beyond_its_cap(
    groups: list[tuple[float, int, float]], times: list[float]
) -> None:
    weights, sizes, epochs = (np.array(column) for column in zip(*groups, strict=True))
    pace = Pace(weights / weights.sum(), sizes, epochs)
    drawn = np.array([pace.drawn(time) for time in sorted(times)])
    assert (np.diff(drawn, axis=0) >= 0).all()
    assert (drawn <= np.where(sizes > 0, np.maximum(sizes, 1) * epochs, 0) + 1e-6).all()
    before_end = [time for time in sorted(times) if time <= pace.end]
    for time, row in zip(before_end, drawn, strict=False):
        assert time - len(groups) - 1e-3 * time <= row.sum() <= time * (1 + 1e-9)
