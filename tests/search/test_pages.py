"""Pages of mapped files: which are still to be read, each once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as some

from stack_data.search.pages import PAGE, Pages, map_file, page_sums, unseen

RANGES = some.lists(some.tuples(some.integers(0, 60 * PAGE), some.integers(0, 9 * PAGE)), max_size=40)


@given(RANGES, some.sets(some.integers(0, 79)))
def test_runs_of_pages_that_were_not_seen_are_told_once_and_in_order(
    ranges: list[tuple[int, int]], known: set[int]
) -> None:
    seen = np.zeros(80, np.uint8)
    seen[list(known)] = 1
    ordered = sorted(ranges)
    begins, sizes = (np.array([one[part] for one in ordered], np.int64) for part in range(2))
    firsts, stops = unseen(seen, begins, begins + sizes)
    told = [page for first, stop in zip(firsts.tolist(), stops.tolist(), strict=True) for page in range(first, stop)]
    wanted = {page for begin, size in ranges if size for page in range(begin // PAGE, (begin + size - 1) // PAGE + 1)}
    assert told == sorted(wanted - known)
    assert all(first > stop for first, stop in zip(firsts[1:].tolist(), stops[:-1].tolist(), strict=True))


def test_pages_are_asked_for_up_to_the_end_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(3 * PAGE + 5))
    raw = map_file(path)
    pages = Pages.of(path, raw, page_sums(raw))
    pages.read_ahead(np.array([3 * PAGE + 1, 0, 10]), np.array([3 * PAGE + 5, 0, 2 * PAGE]))
    pages.check()
