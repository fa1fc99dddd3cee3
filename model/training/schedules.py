"""Learning rates over a run: a pure function of the step, so that a resumed run needs no state for it."""

from __future__ import annotations

import math

from model.training.config import ScheduleConfig


def factor(schedule: ScheduleConfig, step: int) -> float:
    """Return the share of the highest learning rate that step `step` (from 1) is made with.

    The rise is linear and reaches 1 at step `warmup`. cosine ends at `min_ratio` with the last step; wsd (warm-up, stable, decay) stays
    at 1 and goes down to `min_ratio` in a straight line over the last `decay` steps. Steps beyond the run have the last step's rate.
    """
    if step <= schedule.warmup:
        return step / schedule.warmup
    if schedule.name == "constant":
        return 1.0
    length = schedule.steps - schedule.warmup if schedule.name == "cosine" else decay_steps(schedule)
    done = min(1.0, (step - (schedule.steps - length)) / max(1, length))
    if done <= 0:
        return 1.0
    falling = (1 + math.cos(math.pi * done)) / 2 if schedule.name == "cosine" else 1 - done
    return schedule.min_ratio + (1 - schedule.min_ratio) * falling


def decay_steps(schedule: ScheduleConfig) -> int:
    """Return how many steps the descent of a wsd schedule takes."""
    return schedule.decay or min(schedule.steps - schedule.warmup, max(1, schedule.steps // 5))
