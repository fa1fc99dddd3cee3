"""Guard: steps whose gradient is no number change nothing, and a run that diverges ends with its last checkpoint intact."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from stack_data.errors import FairStackError

MEMORY, PATIENCE = 0.98, 100
"""Decay of the mean loss, and steps in a row that it may stand too high."""


class Diverged(FairStackError):
    """Training cannot go on: the loss or the gradient is no number any more, or the loss rises for good."""


@dataclass(slots=True)
class Guard:
    """Watches losses and gradients. Its fields are saved with a run, so that a resumed one decides alike.

    max_bad_steps  steps in a row without a finite gradient that end the run
    divergence     nats per token above the lowest mean loss that, for PATIENCE steps in a row, end the run
    """

    max_bad_steps: int
    divergence: float
    bad_steps: int = 0
    skipped: int = 0
    mean: float = math.nan
    lowest: float = math.inf
    high_steps: int = 0

    def admits(self, step: int, loss: float, norm: float) -> bool:
        """Say whether the gradient of a step may be applied. Raises Diverged when the run must end."""
        if not (math.isfinite(loss) and math.isfinite(norm)):
            self.bad_steps += 1
            self.skipped += 1
            if self.bad_steps >= self.max_bad_steps:
                raise Diverged(
                    f"step {step}: loss {loss} and gradient norm {norm} for {self.bad_steps} steps in a row; checkpoints before them "
                    "are as they were: go on from one in a run of another name, with --init CHECKPOINT and a lower optimizer.lr or a longer warm-up"
                )
            return False
        self.bad_steps = 0
        self.mean = loss if math.isnan(self.mean) else MEMORY * self.mean + (1 - MEMORY) * loss
        self.lowest = min(self.lowest, self.mean)
        self.high_steps = self.high_steps + 1 if self.mean > self.lowest + self.divergence else 0
        if self.high_steps >= PATIENCE:
            raise Diverged(
                f"step {step}: the mean loss is {self.mean:.3f}, {self.mean - self.lowest:.3f} above its lowest, for {PATIENCE} steps; checkpoints "
                "before are as they were: go on from one in a run of another name, with --init CHECKPOINT and a lower optimizer.lr"
            )
        return True

    @property
    def is_astray(self) -> bool:
        """Say whether the last steps are such that the run ends if they go on so."""
        return self.bad_steps > 0 or self.high_steps > 0

    def to_json(self) -> dict[str, Any]:
        """Return what a resumed run needs; numbers that JSON lacks are left out."""
        return {key: value for key, value in asdict(self).items() if math.isfinite(value)}

    def restore(self, saved: dict[str, Any]) -> None:
        """Take up what `to_json` returned; limits stay those of the present configuration."""
        for name in ("bad_steps", "skipped", "mean", "lowest", "high_steps"):
            if name in saved:
                setattr(self, name, saved[name])
