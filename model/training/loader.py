"""The loader: prepares the rows of coming steps on threads, in order. Rows are a pure function of their numbers, so nothing is to be saved."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from model.training.parallel import Ranks


class Source(Protocol):
    """What gives rows by number: model.packing's Packer."""

    def rows(self, first: int, count: int) -> Any:
        """Return rows `first` to `first + count - 1` of the run."""


class Loader:
    """Gives the rows of one rank, step by step."""

    def __init__(
        self, source: Source, ranks: Ranks, rows: int, first_step: int, last_step: int, threads: int, ahead: int
    ) -> None:
        """rows: of one step over all ranks, a multiple of their number. Steps count from 1."""
        self._source, self._own, self._rows = source, rows // ranks.count, rows
        self._offset, self._next, self._last = self._own * ranks.rank, first_step, last_step
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="rows")
        self._coming: deque[Future[Any]] = deque()
        self._ahead = ahead
        self._fill()

    def _fill(self) -> None:
        while len(self._coming) < self._ahead and self._next <= self._last:
            first = (self._next - 1) * self._rows + self._offset
            self._coming.append(self._pool.submit(self._source.rows, first, self._own))
            self._next += 1

    def take(self) -> Any:
        """Return this rank's rows of the next step."""
        rows = self._coming.popleft().result()
        self._fill()
        return rows

    def close(self) -> None:
        """Let go of the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)
