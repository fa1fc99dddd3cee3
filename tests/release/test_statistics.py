"""Text statistics beside plain Python over str."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack_data.release.statistics import statistics_of

TEXTS = st.text(st.one_of(st.sampled_from("\n\r ab1_\u00e9\u4f60\U0001f600\x0b\u2028"), st.characters(codec="utf-8")))


def plain(text: str) -> tuple[int, float, int, float]:
    """Return lines, average and longest line and alphanumeric share of a text."""
    lines = re.split("\r\n|\n|\r", text)
    if lines[-1] == "":
        lines.pop()
    lengths = [len(line) for line in lines]
    if not text:
        return 0, 0.0, 0, 0.0
    return len(lines), sum(lengths) / len(lines), max(lengths), sum(map(str.isalnum, text)) / len(text)


@given(texts=st.lists(TEXTS, max_size=6), start=st.integers(0, 3))
def test_statistics_are_those_of_plain_python(texts: list[str], start: int) -> None:
    column = pa.array(texts, pa.large_string())[start:]
    measured = statistics_of(column)
    for row, text in enumerate(texts[start:]):
        found = tuple(values[row] for values in measured)
        assert found == pytest.approx(plain(text))
