"""Progress of long work: what a step tells, and who shows it (a terminal bar, or nobody)."""

from __future__ import annotations

import time
from typing import Protocol


class Progress(Protocol):
    """Told by steps. `advance` is called from several threads."""

    def begin(self, step: str, total: int | None) -> None:
        """A step starts; `total` items are expected, None when unknown."""

    def advance(self, num_items: int, num_bytes: int) -> None:
        """So many items and bytes more are done."""

    def end(self) -> None:
        """The step is done."""

    def close(self) -> None:
        """All is done."""


class Silent:
    """Shows nothing."""

    def begin(self, step: str, total: int | None) -> None:
        """Ignore."""

    def advance(self, num_items: int, num_bytes: int) -> None:
        """Ignore."""

    def end(self) -> None:
        """Ignore."""

    def close(self) -> None:
        """Ignore."""


class Bar:
    """A progress bar on standard error, with items, bytes and rate. Redrawn ten times a second at most."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Rich

        self._rich = Rich(
            TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(), console=Console(stderr=True), transient=False,
        )  # fmt: skip
        self._rich.start()
        self._items = self._bytes = 0
        self._shown = self._started = 0.0

    def begin(self, step: str, total: int | None) -> None:
        """Add a line for the step."""
        self._items = self._bytes = 0
        self._started = self._shown = time.monotonic()
        self._task = self._rich.add_task(step, total=total, rate="")

    def advance(self, num_items: int, num_bytes: int) -> None:
        """Count; a lost update between threads only delays the picture."""
        self._items += num_items
        self._bytes += num_bytes
        now = time.monotonic()
        if now - self._shown > 0.1:
            self._shown = now
            self._draw(now)

    def end(self) -> None:
        """Show the final numbers."""
        self._draw(time.monotonic())
        self._rich.update(self._task, total=self._items, completed=self._items)
        self._rich.refresh()

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._rich.stop()

    def _draw(self, now: float) -> None:
        seconds = max(now - self._started, 1e-3)
        rate = f"{self._bytes / 1e6:,.0f} MB, {self._bytes / 1e6 / seconds:,.0f} MB/s" if self._bytes else ""
        self._rich.update(self._task, completed=self._items, rate=rate)
