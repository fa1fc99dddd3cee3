"""Going on from a checkpoint: refused when configuration or data would make other weights than the run began with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.training.config import ModelConfig, ScheduleConfig
from model.training.schedules import factor
from stack_data.errors import StaleBuildError
from stack_data.manifest import differences, told

NOT_BINDING = {"title", "license", "evaluation", "checkpoint", "run", "optout", "name", "data", "tokenizer"}


def refuse_other_config(config: ModelConfig, saved: Mapping[str, Any], step: int, home: Path) -> None:
    """Raise StaleBuildError unless the configuration would have made the same steps so far.

    saved: the whole configuration that the checkpoint states. A run may be made longer or shorter where no rate so far would have been
    another, as with wsd before its descent.
    """
    before = {key: value for key, value in saved.items() if key not in NOT_BINDING}
    now = {key: value for key, value in config.resolved().items() if key not in NOT_BINDING}
    if _same_rates(ScheduleConfig.model_validate(before.get("schedule", {})), config.schedule, step):
        before["schedule"] = now["schedule"]
    # The network of a continued run comes with the base model, whether the configuration repeats it or not.
    if now.get("decoder") is None or before.get("decoder") is None:
        before["decoder"] = now["decoder"]
    found = differences(before, now)
    if found:
        raise StaleBuildError(
            f"{home} was trained differently for {step:,} steps ({told(found)}). To train anew, give the run another name: --set name=..., or "
            f"delete {home}"
        )


def refuse_other_data(shards: list[Mapping[str, Any]], saved: list[Mapping[str, Any]], home: Path) -> None:
    """Raise StaleBuildError unless the shards are those that the checkpoint states; drops since then are no difference."""
    before, now = ([one["identity"] for one in each] for each in (saved, shards))
    if before != now:
        raise StaleBuildError(
            f"{home} was trained on other shards ({', '.join(one[:12] for one in before)}, now {', '.join(one[:12] for one in now)}); "
            "what left a release is taken out with fairstack model drop, which keeps the order. To train anew, give the run another name: "
            "--set name=..."
        )


def refuse_other_base(base: Mapping[str, Any], saved: Mapping[str, Any] | None, home: Path) -> None:
    """Raise StaleBuildError unless the base model that is named is the one that the run began from."""
    if saved is None or base["weights_sha256"] != saved["weights_sha256"]:
        began = f"from {saved['name']}" if saved else "without a base model"
        raise StaleBuildError(
            f"{home} was begun {began}, and --init names {base['name']}: another one. To train anew, give the run another name: --set name=..."
        )


def _same_rates(before: ScheduleConfig, now: ScheduleConfig, step: int) -> bool:
    return all(factor(before, one) == factor(now, one) for one in range(1, step + 1))
