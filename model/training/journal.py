"""What a run tells: a progress bar or lines on standard error, JSON lines in log.jsonl, and scalars for TensorBoard.

log.jsonl has one object a line: {"kind": "step", "step", "loss", "norm", "rate", "tokens", ...} and {"kind": "evaluation", "step",
"bits_per_byte", ...}. When a run goes on from a checkpoint, lines of later steps, which a killed run left, are taken out first, so the file
reads like that of a run that was never killed.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from model.training.events import EventFile
from stack_data import storage
from stack_data.progress import duration

LOG = "log.jsonl"


class Display(Protocol):
    """Shows people how far a run is."""

    def update(self, step: int, text: str) -> None:
        """So many steps are done."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class Silent:
    """Shows nothing."""

    def update(self, step: int, text: str) -> None:
        """Ignore."""

    def close(self) -> None:
        """Ignore."""


class Lines:
    """A line on standard error every half minute, for logs."""

    SECONDS = 30.0

    def __init__(self, steps: int, first: int) -> None:
        self._steps, self._first, self._began = steps, first, time.monotonic()
        self._shown = self._began

    def update(self, step: int, text: str) -> None:
        """Tell when it is time, or when all is done."""
        now = time.monotonic()
        if now - self._shown >= self.SECONDS or step == self._steps:
            self._shown = now
            left = (now - self._began) / max(1, step - self._first) * (self._steps - step)
            after = f", {duration(left)} left" if step < self._steps else ""
            sys.stderr.write(f"step {step:,} of {self._steps:,}: {text}{after}\n")
            sys.stderr.flush()

    def close(self) -> None:
        """Nothing is left to tell."""


class Bar:
    """A progress bar on standard error."""

    def __init__(self, steps: int, first: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._rich = Progress(
            TextColumn("train"), BarColumn(18), TextColumn("{task.completed:,.0f} of {task.total:,.0f} steps"),
            TextColumn("{task.fields[told]}"), TimeRemainingColumn(), console=Console(stderr=True),
        )  # fmt: skip
        self._task = self._rich.add_task("train", total=steps, completed=first, told="")
        self._rich.start()

    def update(self, step: int, text: str) -> None:
        """Redraw."""
        self._rich.update(self._task, completed=step, told=text)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._rich.stop()


class Journal:
    """The log of one run, on the rank that keeps it."""

    def __init__(self, folder: Path, first: int, display: Display) -> None:
        """first: the step that the run goes on after."""
        self._path, self._display = folder / LOG, display
        storage.make_folder(folder)
        _forget_after(self._path, first)
        try:
            self._file = self._path.open("a", encoding="utf-8")
        except OSError as error:
            raise storage.refused(self._path, error) from error
        self._events = EventFile(folder / "tensorboard", first)

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Add a line, and its numbers as scalars; StorageError when the disk refuses."""
        try:
            told = {
                name: None if isinstance(one, float) and not math.isfinite(one) else one for name, one in values.items()
            }
            self._file.write(json.dumps({"kind": kind, "step": step, **told}) + "\n")
            self._file.flush()
        except OSError as error:
            raise storage.refused(self._path, error) from error
        scalars = {f"{kind}/{name}": float(value) for name, value in values.items() if isinstance(value, (int, float))}
        self._events.add(step, scalars)

    def show(self, step: int, text: str) -> None:
        """Tell people how far it is."""
        self._display.update(step, text)

    def close(self) -> None:
        """Close the files and the display."""
        self._display.close()
        self._file.close()
        self._events.close()


def _forget_after(path: Path, step: int) -> None:
    """Take lines of later steps, and one that was cut off, out of a log."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, KeyError, TypeError):
            continue
    storage.write_text(path, "".join(f"{line}\n" for line in kept))
