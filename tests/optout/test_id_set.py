"""Sets of ids: looked up as a dictionary would, whatever the ids share."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack_data.optout.id_set import EMAIL_DIGITS, IdSet, raw_ids

# Few digits, so that ids often share their last 64 bits or all but these.
IDS = st.builds(lambda first, last: first * 24 + last * 16, st.sampled_from("09af"), st.sampled_from("0af"))
COLUMNS = st.lists(st.one_of(st.none(), IDS, st.text("0123456789abcdef", min_size=40, max_size=40)), max_size=30)


@given(st.lists(COLUMNS, max_size=3), COLUMNS)
def test_looking_up_finds_what_is_there_and_nothing_else(
    columns: list[list[str | None]], asked: list[str | None]
) -> None:
    made = IdSet.of([pa.array(column, pa.string()) for column in columns])
    known = {one for column in columns for one in column if one is not None}
    found = made.index_in(pa.array(asked, pa.string()))
    assert len(made) == len(known)
    assert [number >= 0 for number in found.tolist()] == [one in known for one in asked]
    hits = [number for number in found.tolist() if number >= 0]
    assert made.ids(found[found >= 0]).to_pylist() == [one for one in asked if one in known]
    assert len(set(hits)) == len({one for one in asked if one in known})


@given(COLUMNS, st.integers(0, 30))
def test_a_slice_of_a_column_is_looked_up_like_a_column(column: list[str | None], start: int) -> None:
    whole = pa.array(column, pa.string())
    made = IdSet.of([whole.slice(start)])
    assert made.ids(made.index_in(whole.slice(start).drop_null())).to_pylist() == [one for one in column[start:] if one]


def test_keyed_hashes_are_ids_of_64_digits() -> None:
    made = IdSet.of([pa.array(["a" * 64, "b" * 64])], EMAIL_DIGITS)
    assert made.ids(made.index_in(pa.array(["b" * 64]))).to_pylist() == ["b" * 64]
    assert made.index_in(pa.array(["b" * 63 + "c", None])).tolist() == [-1, -1]


def test_many_ids_with_one_ending_are_told_apart() -> None:
    ids = pa.array([f"{number:024x}{'7' * 16}" for number in range(500)])
    made = IdSet.of([ids])
    assert made.ids(made.index_in(ids)).to_pylist() == ids.to_pylist()


def test_an_id_of_another_length_is_refused_and_not_passed_over() -> None:
    with pytest.raises(ValueError, match="40 digits"):
        raw_ids(pa.array(["a" * 40, "a" * 39, "a" * 41]))


def test_nothing_is_in_an_empty_set() -> None:
    assert IdSet.of([]).index_in(pa.array(["a" * 40, None])).tolist() == [-1, -1]
