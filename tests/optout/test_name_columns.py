"""Columns of names are folded as single names are."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from stack_data.identity import fold_name
from stack_data.optout.name_columns import fold_column

NAMES = st.lists(
    st.one_of(st.none(), st.text(max_size=8), st.sampled_from(["Straße", "İX", "Ａ/b", "ALICE", "a℀"])), max_size=9
)


@given(NAMES)
def test_a_column_is_folded_name_by_name(names: list[str | None]) -> None:
    wanted = [None if name is None else fold_name(name) for name in names]
    assert fold_column(pa.array(names, pa.string())).to_pylist() == wanted
    assert fold_column(pa.chunked_array([names[:3], names[3:]], pa.string())).to_pylist() == wanted
