"""A training run from its configuration to its last checkpoint: `train`, what `fairstack model train CONFIG` calls.

The run's folder holds config.json, tokenizer/ and shards/ where the configuration names releases, log.jsonl, tensorboard/ and
checkpoints/. The same command goes on from the newest sound checkpoint; killed at any moment, the run ends with the same weights, bit
for bit on a processor. A configuration that would change a weight is refused. What a step sees is a pure function of configuration
and shards, so nothing but the number of steps done, the weights and the optimizers' state is needed to go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import torch

from model.training import parallel
from model.training.assembly import Parts, assemble, warn
from model.training.config import ModelConfig
from model.training.engine import Done
from model.training.evaluation import Measured, answer_tokens, measure
from model.training.journal import Display, Journal
from model.training.loader import Loader
from model.training.meters import mfu, peak_of
from model.training.saving import save
from stack_data import storage
from stack_data.counting import counted
from stack_data.errors import ConfigError
from stack_data.progress import Progress

_PLANNED = 256
"""Windows that are planned to learn how many rows there are."""
Show = Callable[[int, int], Display]
"""Makes a display for a run of so many steps that goes on after a step."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run came to. measured: held-out quality of the last checkpoint, None where there is no validation split."""

    rank: int
    folder: Path
    checkpoint: Path
    step: int
    loss: float
    measured: Measured | None
    tokens_per_second: float


def train(
    config: ModelConfig,
    folder: Path,
    *,
    init: Path | None,
    show: Show,
    progress: Progress,
    stop_after: int | None = None,
) -> Trained:
    """Train, or go on training, until the schedule's last step; return what it came to.

    folder: what paths in the configuration are relative to; init: checkpoint of a base model to go on from; stop_after: end with
    a checkpoint after this step; the same call without it goes on. Raises ConfigError, InputError, StaleBuildError, StorageError
    and Diverged, each in one line; the last checkpoint is intact whatever it was.
    """
    ranks = parallel.join(config.run.device)
    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    home = Path(config.run.folder) / config.name
    try:
        if config.train.rows % ranks.count:
            raise ConfigError(f"'train.rows' is {config.train.rows}, no multiple of the {ranks.count} ranks")
        with storage.locked(home) if ranks.is_first else nullcontext():
            parts = assemble(config, folder, home, init, ranks, progress)
            _refuse_spent(parts)
            if ranks.is_first:
                _tell_limits(parts)
            return _Loop(parts, show).carry_out(stop_after)
    finally:
        parallel.leave(ranks)


def _refuse_spent(parts: Parts) -> None:
    """Raise ConfigError when the caps on epochs allow fewer rows than the run takes."""
    config, packer = parts.config, parts.packer
    if packer.num_windows is None:
        return
    # Many windows take long to plan; each has about as many rows as its tokens fill.
    is_exact = packer.num_windows <= _PLANNED
    rows = packer.num_rows() if is_exact else round(1.25 * packer.num_windows * config.train.window_rows)
    wanted = config.schedule.steps * config.train.rows
    if rows is not None and rows < wanted:
        raise ConfigError(
            f"the caps on epochs in [mixture] allow {'' if is_exact else 'at most '}{rows:,} rows, and {config.schedule.steps:,} steps of "
            f"{config.train.rows:,} take {wanted:,}; raise them, or set schedule.steps to {rows // config.train.rows:,} or fewer"
        )


def _tell_limits(parts: Parts) -> None:
    """Say what a run leaves out or does not measure, where nobody asked for that."""
    config, data = parts.config, parts.data
    if data.train.num_held_out:
        warn(
            f"not trained on: {counted(data.train.num_held_out, 'document')} of the train split that another folder's validation split holds out"
        )
    if "new" not in data.validation:
        warn("the shards have no validation split: no quality is measured, and 'checkpoint.keep_best' keeps none")
    if config.data.old_shards and "old" not in data.validation:
        warn(f"{config.data.old_shards} has no validation split: what the base model forgets is not measured")
    asked, context = config.evaluation.fim_tokens, parts.engine.decoder.config.context
    most = answer_tokens(config, context)
    if config.evaluation.fim_items and "new" in parts.held_out and most < asked:
        warn(
            f"'evaluation.fim_tokens' is {asked}, and answers end after {most} tokens: half of the network's context of {context}"
        )


@dataclass
class _Window:
    """Steps since the last line of the log."""

    began: float = field(default_factory=time.perf_counter)
    losses: float = 0.0
    targets: int = 0
    steps: int = 0
    spans: float = 0.0

    def add(self, done: Done) -> None:
        self.losses += done.loss * done.targets
        self.targets += done.targets
        self.spans += done.span * done.targets
        self.steps += 1


class _Loop:
    """The steps of a run, with what is measured, told and saved between them."""

    def __init__(self, parts: Parts, show: Show) -> None:
        self.parts, self.config, self.ranks = parts, parts.config, parts.ranks
        self._steps, self._first = self.config.schedule.steps, parts.step
        self._journal = (
            Journal(parts.home, self._first, show(self._steps, self._first)) if self.ranks.is_first else None
        )
        self._peak = peak_of(torch.cuda.get_device_name()) if self.ranks.device != "cpu" else None
        self._loss, self._told, self._last = float("nan"), "", self._steps
        self._measured: Measured | None = None
        self._final: Measured | None = None
        self._checkpoint = parts.checkpoint
        self._trained = [0, 0.0]

    def carry_out(self, stop_after: int | None) -> Trained:
        """Make the steps that are left."""
        last = self._last = min(self._steps, stop_after or self._steps)
        run, config = self.config.run, self.config
        loader = Loader(
            self.parts.packer, self.ranks, config.train.rows, self._first + 1, last, run.loader_threads, run.ahead
        )
        try:
            self._before()
            window = _Window()
            for step in range(self._first + 1, last + 1):
                rows = loader.take()
                done = self.parts.engine.advance(step, rows)
                self.parts.account(step, rows, done)
                window.add(done)
                if step % run.log_every == 0 or step == last:
                    self._tell(step, window, done)
                    window = _Window()
                # What is measured and saved between steps takes no time of theirs.
                paused = time.perf_counter()
                self._pause(step, last)
                window.began += time.perf_counter() - paused
        finally:
            loader.close()
            if self._journal:
                self._journal.close()
        return self._result(max(last, self._first))

    def _before(self) -> None:
        """Measure a base model before the first step."""
        parts = self.parts
        if parts.lineage.base is None or parts.step > 0:
            return
        for which, data in parts.held_out.items():
            found = measure(parts.engine, data, parts.tokenizer, parts.config, fim=False)
            parts.lineage.base["loss_before"][which] = found.bits_per_byte

    def _tell(self, step: int, window: _Window, done: Done) -> None:
        seconds = time.perf_counter() - window.began
        rate = window.targets / seconds
        self._trained[0] += window.targets
        self._trained[1] += seconds
        self._loss = window.losses / max(1, window.targets)
        flops = self.parts.engine.decoder.config.flops_per_token(2 * window.spans / max(1, window.targets))
        share = mfu(flops, rate, self.ranks.count, self._peak)
        if not self._journal:
            return
        values = {
            "loss": self._loss, "norm": done.norm, "rate": done.rate, "targets": self.parts.targets, "tokens_per_second": round(rate, 1),
            "skipped": self.parts.engine.guard.skipped,
        }  # fmt: skip
        self._journal.write("step", step, values | ({"mfu": round(share, 4)} if share is not None else {}))
        self._told = f"loss {self._loss:.3f}, {rate:,.0f} tokens/s" + (
            f", MFU {share:.1%}" if share is not None else ""
        )
        if not self._evaluates(step):
            self._show(step)

    def _show(self, step: int) -> None:
        """Tell people how far it is, with the newest evaluation."""
        score = f", {self._measured.bits_per_byte:.3f} bits per byte held out" if self._measured else ""
        if self._journal and self._told:
            self._journal.show(step, self._told + score)

    def _evaluates(self, step: int) -> bool:
        """Return whether the model is measured after a step."""
        every = self.config.evaluation.every
        return bool(every and step % every == 0) or step == self._last

    def _pause(self, step: int, last: int) -> None:
        """Evaluate and save where it is time to."""
        is_last, evaluates = step == last, self._evaluates(step)
        saves = step % self.config.checkpoint.every == 0 or is_last
        if evaluates:
            self._evaluate(step)
            self._show(step)
        if saves:
            score = self._measured.bits_per_byte if evaluates and self._measured else None
            self._checkpoint = save(self.parts, step, score, self._final)

    def _evaluate(self, step: int) -> None:
        parts, ends = self.parts, step == self._steps
        if "new" in parts.held_out:
            self._measured = self._final = self._measure("new", fim=True)
            if ends:
                self._final = measure(parts.engine, parts.final, parts.tokenizer, parts.config, fim=True, ends=True)
        if parts.lineage.base is not None and ends:
            for which in parts.held_out:
                found = self._measured if which == "new" and self._measured else self._measure(which, fim=False)
                parts.lineage.base["loss_after"][which] = found.bits_per_byte
        if self._journal and self._measured and self._final:
            self._journal.write("evaluation", step, self._measured.to_json())
            if ends:
                self._journal.write("final", step, self._final.to_json())

    def _measure(self, which: str, fim: bool) -> Measured:
        parts = self.parts
        return measure(parts.engine, parts.held_out[which], parts.tokenizer, parts.config, fim=fim)

    def _result(self, last: int) -> Trained:
        targets, seconds = self._trained
        assert self._checkpoint is not None
        return Trained(
            self.ranks.rank,
            self.parts.home,
            self._checkpoint,
            last,
            self._loss,
            self._final,
            targets / seconds if seconds else 0.0,
        )
