"""Texts in blocks: they come back as they were, in any order; blocks are small, and whole before they are used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from stack_data.errors import InputError
from stack_data.search.pages import byte_sum, map_file
from stack_data.search.text_store import BLOCK, BLOCKS, INDEX, MOST, TextStore, TextWriter, pack


def written(folder: Path, texts: list[bytes], lot: int = 1000) -> TextStore:
    """Write texts lot by lot, and open them."""
    writer = TextWriter(folder)
    for start in range(0, len(texts), lot):
        chosen = texts[start : start + lot]
        writer.add(pack(np.frombuffer(b"".join(chosen), np.uint8), np.cumsum([0, *map(len, chosen)])))
    count = writer.close(np.array([len(one) for one in texts], np.int64))
    return TextStore(folder / BLOCKS, map_file(folder / BLOCKS), map_file(folder / INDEX), len(texts), count)


def texts_of(store: TextStore, rows: list[int]) -> list[bytes]:
    data, bounds = store.read(np.array(rows, np.int64))
    return [data[begin:end].tobytes() for begin, end in zip(bounds[:-1], bounds[1:], strict=True)]


SIZES = some.sampled_from([0, 1, 50, 5000, BLOCK - 1, BLOCK, MOST, MOST + 1, 3 * BLOCK + 7])


@settings(max_examples=30, deadline=None)
@given(some.lists(SIZES, min_size=1, max_size=12), some.integers(1, 5), some.data())
def test_texts_come_back_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], lot: int, data: some.DataObject
) -> None:
    texts = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
    store = written(tmp_path_factory.mktemp("texts"), texts, lot)
    rows = data.draw(some.lists(some.integers(0, len(texts) - 1), max_size=20))
    assert texts_of(store, rows) == [texts[row] for row in rows]


def test_a_small_text_lies_in_one_block_and_a_large_one_in_several(tmp_path: Path) -> None:
    store = written(tmp_path, [b"a" * (MOST - 9_000), b"b" * 9_000, b"c" * 9_000, b"d" * (4 * BLOCK + 2_000), b"e"])
    sizes = np.diff(store._texts).tolist()
    assert sizes == [MOST, 9_000, BLOCK, BLOCK, BLOCK, BLOCK, 2_000, 1]


def test_a_changed_frame_is_never_decompressed(tmp_path: Path) -> None:
    written(tmp_path, [b"abc" * 1000, b"x" * MOST])
    raw = bytearray((tmp_path / BLOCKS).read_bytes())
    raw[-5] ^= 1
    (tmp_path / BLOCKS).write_bytes(raw)
    store = TextStore(tmp_path / BLOCKS, map_file(tmp_path / BLOCKS), map_file(tmp_path / INDEX), 2, 2)
    assert texts_of(store, [0]) == [b"abc" * 1000]
    with pytest.raises(InputError, match=r"texts.blocks is damaged"):
        texts_of(store, [1])
    with pytest.raises(InputError, match=r"texts.blocks is damaged"):
        TextStore(tmp_path / BLOCKS, map_file(tmp_path / BLOCKS), map_file(tmp_path / INDEX), 2, 3)


@given(some.binary(min_size=1, max_size=200), some.data())
def test_a_sum_changes_with_any_bit(raw: bytes, data: some.DataObject) -> None:
    at, bit = data.draw(some.integers(0, len(raw) - 1)), data.draw(some.integers(0, 7))
    changed = raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :]
    before, after, longer = (byte_sum(np.frombuffer(one, np.uint8), 0, len(one)) for one in (raw, changed, raw + b"\0"))
    assert before != after
    assert before != longer
