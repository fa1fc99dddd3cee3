"""Containment: equal to a plain search in folded texts, for any patterns and texts."""

from __future__ import annotations

import json
import random
import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack_data.decontamination.containment import WINDOW, find, fold, make_patterns
from stack_data.near.shingles import text_bytes


def slow_fold(text: str) -> bytes:
    text = re.sub(r"\\[nrtNRT]?", "", text)
    return re.sub(rb"[\0-\x20\x7f]|\xc2\xa0", b"", text.encode()).lower()


PIECES = st.sampled_from(
    ["a", "B", "\n", " ", "\t", "\\", "\\n", "\\\\t", "n", "\u00a0", "é", "É", "(x)", "def f(a, b):", "\x7f", "ñ"]
)
TEXTS = st.lists(PIECES, max_size=60).map("".join)


@given(TEXTS)
def test_folding_leaves_out_space_case_and_escapes(text: str) -> None:
    assert fold(text) == slow_fold(text)


@settings(max_examples=150, deadline=None)
@given(patterns=st.lists(TEXTS, max_size=5), texts=st.lists(TEXTS, max_size=4), seed=st.integers(0, 99))
def test_what_is_found_is_what_a_plain_search_finds(patterns: list[str], texts: list[str], seed: int) -> None:
    chosen = random.Random(seed)
    folded = [one for one in map(fold, patterns) if len(one) >= WINDOW]
    texts = [text + chosen.choice([*patterns, ""]) + chosen.choice(texts) for text in texts]
    found = find(make_patterns(folded), *text_bytes(pa.array(texts, pa.large_string())))
    expected = {(row, one) for row, text in enumerate(texts) for one, raw in enumerate(folded) if raw in fold(text)}
    assert {(row, one) for row, one, _, _ in found.tolist()} == expected
    assert len(found) == len(expected)
    for row, one, start, end in found.tolist():
        raw = texts[row].encode()[start:end]
        assert fold(raw.decode()) == folded[one]
        assert len(fold(texts[row].encode()[:end].decode())) == fold(texts[row]).find(folded[one]) + len(folded[one])


def test_a_task_is_found_in_a_json_string_of_itself() -> None:
    task = 'def f(s):\n\t"""Say \\"hi\\" to\n    >>> f(1)\n    \'a\\n\'\n    """\n'
    patterns = make_patterns([fold(task)])
    for text in (
        json.dumps({"prompt": task}),
        json.dumps([json.dumps(task)]),
        task.upper(),
        task.replace("\n", "\r\n\r\n"),
    ):
        found = find(patterns, *text_bytes(pa.array(["x = 1", text], pa.large_string())))
        assert found[:, :2].tolist() == [[1, 0]]
    assert not len(find(patterns, *text_bytes(pa.array([task.replace("hi", "ho")], pa.large_string()))))


def test_a_pattern_shorter_than_the_window_is_refused_and_none_is_fine() -> None:
    with pytest.raises(ValueError, match="at least 32"):
        make_patterns([b"x" * (WINDOW - 1)])
    assert len(find(make_patterns([]), *text_bytes(pa.array(["x"], pa.large_string())))) == 0
    assert find(make_patterns([b"x" * WINDOW]), np.empty(0, np.uint8), *(np.empty(0, np.int64),) * 2).shape == (0, 4)
