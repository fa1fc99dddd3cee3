"""Rows out of a column in chunks."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from stack_data.chunks import Chunks


@given(st.lists(st.lists(st.text(max_size=3), max_size=4), max_size=4), st.data())
def test_rows_come_in_the_order_asked_for(chunks: list[list[str]], data: st.DataObject) -> None:
    values = [value for chunk in chunks for value in chunk]
    wanted = data.draw(st.lists(st.integers(0, len(values) - 1), max_size=8)) if values else []
    column = Chunks([pa.array(chunk, pa.large_string()) for chunk in chunks], pa.large_string())
    taken = column.take(np.array(wanted, np.int64))
    assert taken.type == pa.large_string() and taken.to_pylist() == [values[row] for row in wanted]
