"""The marks of a segment come back for any documents, and damage is noticed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from stack_data.errors import InputError
from stack_data.search.mark_store import MARKS, MarkStore, write_marks
from stack_data.search.pages import Pages, map_file, page_sums


def pages_of(path: Path) -> Pages:
    raw = map_file(path)
    return Pages.of(path, raw, page_sums(raw))


def written(folder: Path, counts: list[list[int]]) -> tuple[MarkStore, np.ndarray]:
    marks = np.arange(5 * sum(map(sum, counts)), dtype=np.uint32).reshape(-1, 5)
    parts, done = [], 0
    for lot in counts:
        parts.append((np.cumsum([0, *lot]), marks[done : done + sum(lot)]))
        done += sum(lot)
    write_marks(folder / MARKS, parts)
    return MarkStore(pages_of(folder / MARKS), sum(map(len, counts))), marks


@settings(max_examples=40, deadline=None)
@given(some.lists(some.lists(some.integers(1, 300), min_size=1, max_size=5), min_size=1, max_size=4), some.data())
def test_marks_come_back_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, counts: list[list[int]], data: some.DataObject
) -> None:
    store, marks = written(tmp_path_factory.mktemp("marks"), counts)
    flat = [one for lot in counts for one in lot]
    ends = np.cumsum(flat)
    rows = data.draw(some.lists(some.integers(0, len(flat) - 1), max_size=8))
    found, read = store.read(np.array(rows, np.int64))
    assert found.tolist() == [flat[row] for row in rows]
    wanted = [marks[ends[row] - flat[row] : ends[row]] for row in rows]
    assert read.tolist() == [mark for one in wanted for mark in one.tolist()]


def test_a_changed_byte_or_size_is_named(tmp_path: Path) -> None:
    written(tmp_path, [[2, 900]])
    path = tmp_path / MARKS
    raw = path.read_bytes()
    sums = page_sums(map_file(path))
    path.write_bytes(raw[:-1] + b"\1")
    store = MarkStore(Pages.of(path, map_file(path), sums), 2)
    assert store.read(np.array([0]))[0].tolist() == [2]
    with pytest.raises(InputError, match=r"texts.marks is damaged"):
        store.read(np.array([1]))
    for other in (raw[:-20], raw[:8], b""):
        path.write_bytes(other)
        with pytest.raises(InputError, match=r"texts.marks is damaged"):
            MarkStore(pages_of(path), 2)
