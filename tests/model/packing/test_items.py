"""Documents become items that cover them, and items fill rows as best fit does."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model.packing.item_kernels import (
    FIM,
    LAST,
    PATH,
    REPOSITORY,
    best_fit,
    content_keys,
    count_items,
    items_of,
    lay_out,
    shuffled,
)

RATE = st.sampled_from([0.0, 0.3, 1.0])


@given(
    st.lists(st.integers(1, 700), min_size=1, max_size=20), st.integers(0, 3), st.tuples(RATE, RATE, RATE),
    st.sampled_from([(64, 0, 8), (64, 4, 32), (512, 4, 32)]),
)  # fmt: skip
def test_items_cover_their_document_and_have_room_for_what_is_put_around(
    sizes: list[int], epoch: int, rates: tuple[float, float, float], room: tuple[int, int, int]
) -> None:
    ids = np.random.default_rng(0).integers(0, 256, (len(sizes), 20)).astype(np.uint8)
    keys = content_keys(np.uint64(1), ids)
    arguments = (keys, np.array(sizes), epoch, rates, room)
    rows, chunks, firsts, counts, rooms, flags, _ = items_of(*arguments, count_items(*arguments))
    for document, size in enumerate(sizes):
        mine = rows == document
        assert chunks[mine].tolist() == list(range(mine.sum()))
        assert firsts[mine].tolist() == [0, *np.cumsum(counts[mine])[:-1].tolist()]
        assert counts[mine].sum() == size
        assert (flags[mine] & LAST != 0).tolist() == [False] * (int(mine.sum()) - 1) + [True]
    for chunk, count, positions, flag in zip(chunks, counts, rooms, flags, strict=True):
        names = room[2] if flag & (REPOSITORY | PATH) else 0
        assert count > 0
        # Every token but the last of an item takes a position.
        assert positions == count + names + (3 + room[1] + 1 if flag & FIM else bool(flag & LAST)) - 1
        assert positions <= room[0]
        assert chunk == 0 or not flag & (REPOSITORY | PATH)


def plain_best_fit(lengths: list[int], positions: int) -> list[int]:
    """Return the free space of each row, by the definition."""
    free: list[int] = []
    for length in sorted(lengths, reverse=True):
        fitting = [space for space in free if space >= length]
        if fitting:
            free.remove(min(fitting))
            free.append(min(fitting) - length)
        else:
            free.append(positions - length)
    return sorted(free)


@given(
    st.sampled_from([16, 64, 100, 1000]).flatmap(
        lambda size: st.tuples(st.just(size), st.lists(st.integers(1, size), max_size=60))
    )
)
def test_rows_are_filled_as_best_fit_does(case: tuple[int, list[int]]) -> None:
    positions, lengths = case
    row_of, free = best_fit(np.array(lengths, np.int32), positions)
    assert sorted(free.tolist()) == plain_best_fit(lengths, positions)
    used = np.bincount(row_of, lengths, len(free)) if lengths else np.empty(0)
    assert (positions - used).tolist() == free.tolist()


@given(st.lists(st.tuples(st.integers(1, 50), st.booleans()), min_size=1, max_size=40), st.integers(0, 5))
def test_items_of_a_row_stand_one_after_the_other_and_cut_ones_take_the_spare_room(
    given: list[tuple[int, bool]], window: int
) -> None:
    rooms, flags = np.array([room for room, _ in given], np.int32), np.array([is_fim for _, is_fim in given], np.uint8)
    row_of, free = best_fit(rooms, 64)
    numbers = shuffled(len(free), np.uint64(0), window)
    assert sorted(numbers.tolist()) == list(range(len(free)))
    row_of, moved = numbers[row_of], np.empty_like(free)
    moved[numbers] = free
    order = np.argsort(row_of, kind="stable")
    starts, lengths, bounds = lay_out(order, row_of, moved, rooms, flags)
    assert ((lengths - rooms[order])[flags[order] == 0] == 0).all()
    for row in range(len(free)):
        mine = slice(bounds[row], bounds[row + 1])
        assert starts[mine].tolist() == [0, *np.cumsum(lengths[mine])[:-1].tolist()]
        assert lengths[mine].sum() == (64 if flags[order][mine].any() else 64 - moved[row])
