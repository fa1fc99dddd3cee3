"""The conditions on renamed matches and on grams, compared with their definitions."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack_data.search.families import token_hash
from stack_data.search.filters import of_many_kinds, renamed_stretches, varied_windows, within_varied
from stack_data.search.kernels import NAME, OPERATOR
from stack_data.search.query import match
from tests.search import naive
from tests.search.memory_index import MemoryIndex, Source

MEMBERS = """self.size = size
self.rest = rest + [size] * 2
if size > len(rest) and not self.rest:
    return rest[0] if self.size != size - 1 else other(self.size, rest=size)
while rest and size % 3 == 0:
    size = size / self.rest.pop(size) or (rest, -size)
"""


def tokens(values: list[int]) -> np.ndarray:
    return np.array(values, np.uint64) * np.uint64(0x9E3779B97F4A7C15)


@st.composite
def views(draw: st.DrawFn) -> list[int]:
    """Tokens that are varied in some parts and repeat themselves in others."""
    parts = []
    for _ in range(draw(st.integers(1, 4))):
        period, size = draw(st.sampled_from((1, 3, 19, 20, 21, 60))), draw(st.integers(1, 70))
        parts += [1 + at % period for at in range(size)]
    return parts


@settings(max_examples=150, deadline=None)
@given(st.lists(views(), min_size=1, max_size=3))
def test_a_window_is_varied_by_its_definition(texts: list[list[int]]) -> None:
    bounds = np.cumsum([0, *map(len, texts)])
    found = varied_windows(tokens([one for text in texts for one in text]), bounds)
    for number, text in enumerate(texts):
        expected = [at + 50 <= len(text) and naive.is_varied(text[at : at + 50]) for at in range(len(text))]
        assert found[bounds[number] : bounds[number + 1]].tolist() == expected


@pytest.mark.parametrize(("period", "is_varied"), [(19, False), (20, True)])
def test_twenty_different_runs_of_four_are_enough(period: int, is_varied: bool) -> None:
    found = varied_windows(tokens([at % period + 1 for at in range(50)]), np.array([0, 50]))
    assert found[0] == is_varied and not found[1:].any()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.booleans(), max_size=120), min_size=1, max_size=3))
def test_a_gram_is_asked_for_where_it_lies_in_a_varied_window(texts: list[list[bool]]) -> None:
    texts = [[one and at + 50 <= len(text) for at, one in enumerate(text)] for text in texts]
    bounds = np.cumsum([0, *map(len, texts)])
    found = within_varied(np.array([one for text in texts for one in text], bool), bounds, 16)
    expected = [any(text[max(0, at - 34) : at + 1]) for text in texts for at in range(len(text) - 15)]
    assert found.tolist() == expected


def test_grams_of_two_kinds_of_tokens_are_told_from_those_of_three() -> None:
    view = tokens([1, 1, 1, 2, 1, 2, 3, 3])
    assert of_many_kinds(view, np.array([0, 8]), 4).tolist() == [False, False, False, True, True]
    assert of_many_kinds(view, np.array([0, 4, 8]), 4).tolist() == [False, True]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_stretches_are_the_longest_that_are_varied_and_one_to_one(data: st.DataObject) -> None:
    size = data.draw(st.integers(50, 160))
    shape = data.draw(views().map(lambda one: (one * 160)[:size]))
    signs = [token_hash(one) for one in data.draw(st.permutations((b".", b"->", b"::", b"+")))]
    mine = [
        signs[value % 7] if value % 7 < 4 and value % 3 else value if value % 3 else 1000 + data.draw(st.integers(0, 3))
        for value in shape
    ]
    kinds = [OPERATOR if value % 3 else NAME for value in shape]
    theirs = list(mine)
    for at in range(size):
        if kinds[at] == NAME:
            theirs[at] = mine[at] + 100
    for at in data.draw(st.lists(st.integers(0, size - 1), max_size=3)):
        if kinds[at] == NAME:
            theirs[at] = data.draw(st.sampled_from((1100, 1101, 2000)))
    blinded, code, other = (
        np.array(values, np.uint64)
        for values in ([7777 if kind == NAME else value for value, kind in zip(mine, kinds, strict=True)], mine, theirs)
    )
    bounds = np.array([0, size])
    varied = varied_windows(blinded, bounds)
    least = data.draw(st.integers(0, 2))
    runs = np.array([[0, 0, 0, 0, size, least]])
    tags = np.array(kinds, np.uint8)
    found = renamed_stretches(runs, varied, code, tags, bounds, other, tags, bounds)
    pairs = [(mine[at], theirs[at], naive.role(mine, at)) if kinds[at] == NAME else None for at in range(size)]
    stretches = naive.stretches(blinded.tolist()[least:], pairs[least:])
    assert found.tolist() == [[0, 0, least + begin, least + begin, end - begin] for begin, end in stretches]


def test_a_member_keeps_its_name_where_a_variable_of_that_name_has_another() -> None:
    renamed = re.sub(r"(?<![.\w])(size|rest)\b", r"x_\1", MEMBERS)
    for language, arrow in (("Python", "."), ("C++", "->")):
        source, snippet = (text.replace(".", arrow) for text in (MEMBERS, renamed))
        answer = match(MemoryIndex([Source(source, language)]), snippet, language)
        assert [(one.kind, one.num_tokens) for one in answer.matches] == [("renamed", answer.num_tokens)]
        swapped = snippet.replace(f"{arrow}rest", f"{arrow}size")
        assert all(
            one.num_tokens < answer.num_tokens
            for one in match(MemoryIndex([Source(source, language)]), swapped, language).matches
        )
