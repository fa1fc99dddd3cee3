"""Progress of long work: what a step tells, and who shows it (a terminal bar, lines in a log, or nobody)."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Protocol


class Progress(Protocol):
    """Told by steps. `advance` is called from several threads."""

    def begin(self, step: str, num_items: int | None, num_bytes: int | None) -> None:
        """A step starts; so many items and bytes of text are expected, None when unknown."""

    def advance(self, num_items: int, num_bytes: int) -> None:
        """So many items and bytes more are done."""

    def end(self) -> None:
        """The step is done."""

    def close(self) -> None:
        """All is done."""


class Silent:
    """Shows nothing."""

    def begin(self, step: str, num_items: int | None, num_bytes: int | None) -> None:
        """Ignore."""

    def advance(self, num_items: int, num_bytes: int) -> None:
        """Ignore."""

    def end(self) -> None:
        """Ignore."""

    def close(self) -> None:
        """Ignore."""


@dataclass
class Meter:
    """How far a step is. Time left is by bytes where they are known beforehand, else by items, else unknown."""

    step: str
    all_items: int | None
    all_bytes: int | None
    started: float
    items: int = 0
    num_bytes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def advance(self, num_items: int, num_bytes: int) -> None:
        """Count."""
        with self.lock:
            self.items += num_items
            self.num_bytes += num_bytes

    def share(self) -> float | None:
        """Return how much of the step is done, 0 to 1; None when nobody knows."""
        done, whole = (self.num_bytes, self.all_bytes) if self.all_bytes else (self.items, self.all_items)
        return min(done / whole, 1.0) if whole else None

    def text(self, now: float) -> str:
        """Return what is done, how fast, and how long the rest will take, such as "120 of 387 MB, 94 MB/s, 3 s left"."""
        seconds, share = max(now - self.started, 1e-3), self.share()
        parts = []
        if self.num_bytes:
            whole = f" of {self.all_bytes / 1e6:,.0f}" if self.all_bytes else ""
            parts += [f"{self.num_bytes / 1e6:,.0f}{whole} MB", f"{self.num_bytes / 1e6 / seconds:,.0f} MB/s"]
        else:
            parts.append(f"{self.items:,}" + (f" of {self.all_items:,}" if self.all_items else ""))
        if share is not None and 0 < share < 1:
            parts.append(f"{duration(seconds * (1 - share) / share)} left")
        return ", ".join(parts)


def duration(seconds: float) -> str:
    """Return a time span for people: 12 s, 3 min, 2.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


class Bar:
    """A progress bar on standard error. Redrawn ten times a second at most."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Rich

        self._rich = Rich(
            TextColumn("{task.description:<10}"), BarColumn(18), TimeElapsedColumn(), TextColumn("{task.fields[told]}"),
            console=Console(stderr=True), transient=False,
        )  # fmt: skip
        self._rich.start()
        self._shown = 0.0

    def begin(self, step: str, num_items: int | None, num_bytes: int | None) -> None:
        """Add a line for the step."""
        self._meter = Meter(step, num_items, num_bytes, time.monotonic())
        self._task = self._rich.add_task(step, total=1.0 if num_items or num_bytes else None, told="")

    def advance(self, num_items: int, num_bytes: int) -> None:
        """Count and redraw."""
        self._meter.advance(num_items, num_bytes)
        now = time.monotonic()
        if now - self._shown > 0.1:
            self._shown = now
            self._rich.update(self._task, completed=self._meter.share() or 0, told=self._meter.text(now))

    def end(self) -> None:
        """Show the final numbers."""
        self._rich.update(self._task, total=1.0, completed=1.0, told=self._meter.text(time.monotonic()))
        self._rich.refresh()

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._rich.stop()


class Lines:
    """A line on standard error every half minute, for logs; steps that are done sooner say nothing."""

    SECONDS = 30.0

    def begin(self, step: str, num_items: int | None, num_bytes: int | None) -> None:
        """Start to count."""
        self._meter = Meter(step, num_items, num_bytes, time.monotonic())
        self._shown = self._meter.started

    def advance(self, num_items: int, num_bytes: int) -> None:
        """Count, and tell when it is time."""
        self._meter.advance(num_items, num_bytes)
        now = time.monotonic()
        if now - self._shown >= self.SECONDS:
            self._shown = now
            self._tell(now)

    def end(self) -> None:
        """Tell the final numbers of a step that took long."""
        now = time.monotonic()
        if now - self._meter.started >= self.SECONDS:
            self._tell(now)

    def close(self) -> None:
        """Nothing is left to tell."""

    def _tell(self, now: float) -> None:
        elapsed = duration(now - self._meter.started)
        sys.stderr.write(f"{self._meter.step}: {elapsed}, {self._meter.text(now)}\n")
        sys.stderr.flush()
