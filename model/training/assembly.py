"""What a run works with, put together: data, network, engine, record; from scratch, from a base model or from a checkpoint."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model.decoder.checkpoint import load_config, load_weights
from model.decoder.decoder import Decoder, initialise
from model.lineage import record
from model.lineage.exposure import NAME as EXPOSURE
from model.lineage.exposure import Exposure, restored
from model.lineage.mandatory import refuse_older
from model.packing.packer import Packer, PackerConfig
from model.tokenizer.code_tokenizer import CodeTokenizer
from model.training import base_model, checkpoints
from model.training.config import ModelConfig
from model.training.data import Data, mandatory_epochs, prepare
from model.training.energy import EnergyMeter
from model.training.engine import Done, Engine
from model.training.held_out import HeldOut, held_out
from model.training.parallel import Ranks, agree, joined
from model.training.resume import refuse_other_base, refuse_other_config, refuse_other_data
from model.training.saving import read_state
from stack_data import storage
from stack_data.errors import ConfigError
from stack_data.progress import Progress


@dataclass
class Parts:
    """A run between two steps. Counts and exposure are this rank's own since it began, `before` those of the checkpoint it goes on from.

    held_out: "new", and "old" where a base model's data is named; empty without a validation split. final: the larger one of the end.
    """

    config: ModelConfig
    ranks: Ranks
    home: Path
    data: Data
    packer: Packer
    tokenizer: CodeTokenizer
    engine: Engine
    lineage: record.Lineage
    held_out: dict[str, HeldOut]
    final: HeldOut
    energy: EnergyMeter | None
    before: Exposure
    exposure: Exposure
    group_tokens: Any
    checkpoint: Path | None = None
    step: int = 0
    targets: int = 0

    @property
    def checkpoints(self) -> Path:
        """Where its checkpoints lie."""
        return self.home / "checkpoints"

    def account(self, step: int, rows: Any, done: Done) -> None:
        """Count what a step saw. Also a step that the guard refused: its documents were read, and its loss was looked at."""
        self.step = step
        self.targets += done.targets
        self.exposure.add(step, rows.documents)
        np.add.at(self.group_tokens, self.data.train.group_of[rows.documents], rows.text_tokens)


def assemble(
    config: ModelConfig, folder: Path, home: Path, init: Path | None, ranks: Ranks, progress: Progress
) -> Parts:
    """Put a run together. Raises ConfigError, InputError or StaleBuildError when it cannot be begun or gone on with."""
    if init:
        checkpoints.refuse_run(init)
    data = prepare(config, folder, home, init, ranks, progress)
    refuse_older(
        data.facts, mandatory_epochs(config, folder), f"fairstack model drop {data.folders[0]} --suppressions LIST"
    )
    checkpoint = _newest(home / "checkpoints", ranks)
    saved = record.read(checkpoint) if checkpoint else None
    if saved:
        refuse_other_data(list(data.facts.shards), saved["shards"], home)
        refuse_other_config(config, saved["config"], saved["step"], home)
        if init and (init / "config.json").exists():  # a base model that is gone is not needed any more
            refuse_other_base(base_model.base_facts(init), saved.get("base"), home)
    elif ranks.is_first:
        storage.write_json(home / "config.json", config.resolved())
    source = checkpoint or init
    engine = Engine(
        _decoder(config, data.tokenizer, source, is_new=not checkpoint), config, ranks, _fill(config, source)
    )
    base = base_model.base_facts(init) if init and not checkpoint else None
    lineage = record.resumed(saved, config.resolved(), data.facts) if saved else _begun(config, data, base)
    settings = PackerConfig(
        config.train.positions,
        config.train.seed,
        config.fim,
        config.metadata,
        config.mixture,
        config.repositories,
        config.train.window_rows,
    )
    count = len(data.train.num_tokens)
    parts = Parts(
        config, ranks, home, data, Packer(data.train, data.tokenizer, settings), data.tokenizer, engine, lineage,
        *_held_out(config, data), _energy(ranks), Exposure.empty(count), Exposure.empty(count), np.zeros(len(data.train.groups), np.int64),
    )  # fmt: skip
    if checkpoint:
        _restore(parts, checkpoint)
    lineage.go_on(data.facts, parts.step)
    lineage.sessions.append(
        {"first_step": parts.step + 1, "last_step": parts.step, "ranks": ranks.count, "device": _device(ranks)}
    )
    return parts


def warn(line: str) -> None:
    """Tell people something on standard error that ends nothing."""
    sys.stderr.write(f"fairstack: {line}\n")


def _newest(folder: Path, ranks: Ranks) -> Path | None:
    """Return the newest sound checkpoint, the same on all ranks."""

    def look() -> Path | None:
        checkpoints.remove_unfinished(folder)
        return checkpoints.newest_sound(folder, warn)

    found = agree(ranks, look)
    step = int(joined(ranks, [float(checkpoints.step_of(found)) if found else 0.0])[0])
    return checkpoints.path_of(folder, step) if step else None


def _decoder(config: ModelConfig, tokenizer: CodeTokenizer, source: Path | None, is_new: bool) -> Decoder:
    """Return the network without weights: that of a checkpoint or base model, or a new one. is_new: the run has no checkpoint yet."""
    if source:
        network = load_config(source)
        if is_new:
            base_model.refuse_other_network(config.decoder, network, source)
    elif config.decoder is None:
        raise ConfigError(
            "[decoder] is missing; it says how large the network is, or --init names a model to go on from"
        )
    else:
        # As a checkpoint states it: 0 for the usual size.
        inner = 0 if config.decoder.inner == 4 * config.decoder.hidden else config.decoder.inner
        network = config.decoder.model_copy(update={"end_of_text": tokenizer.special.end_of_text, "inner": inner})
    _fits(network, tokenizer, config)
    with torch.device("meta"):
        return Decoder(network, config.run.attention, config.run.checkpoint_activations)


def _fill(config: ModelConfig, source: Path | None) -> Callable[[Decoder], None]:
    """Return what sets a network's weights: from a folder, or drawn by the run's seed."""

    def fill(decoder: Decoder) -> None:
        if source:
            load_weights(decoder, source)
        else:
            torch.manual_seed(config.train.seed)
            initialise(decoder)

    return fill


def _fits(decoder: Any, tokenizer: CodeTokenizer, config: ModelConfig) -> None:
    if decoder.vocab_size < tokenizer.vocab_size:
        raise ConfigError(
            f"'decoder.vocab_size' is {decoder.vocab_size}, and the tokenizer has {tokenizer.vocab_size} tokens; make it {tokenizer.vocab_size} "
            "or more, or take shards of a smaller tokenizer"
        )
    if decoder.context < config.train.positions and decoder.architecture == "gpt_bigcode":
        raise ConfigError(
            f"'train.positions' is {config.train.positions}, and the network has {decoder.context}; make it that or fewer, or 'decoder.context' more"
        )


def _begun(config: ModelConfig, data: Data, base: dict[str, Any] | None) -> record.Lineage:
    return record.Lineage(config.name, config.resolved(), data.facts, code=record.code_version(), base=base)


def _held_out(config: ModelConfig, data: Data) -> tuple[dict[str, HeldOut], HeldOut]:
    lengths, end = data.tokenizer.lengths, data.tokenizer.special.end_of_text
    take: Callable[[Any, int], HeldOut] = lambda corpus, count: held_out(corpus, lengths, end, count)  # noqa: E731
    few = {name: take(corpus, config.evaluation.tokens) for name, corpus in data.validation.items()}
    final = take(data.validation["new"], config.evaluation.final_tokens) if "new" in few else HeldOut((), 0, 0)
    return few, final


def _restore(parts: Parts, checkpoint: Path) -> None:
    progress = read_state(checkpoint, parts.engine.optimizers)
    parts.engine.guard.restore(dict(progress.guard))
    parts.checkpoint, parts.step, parts.targets = checkpoint, progress.step, progress.targets
    parts.packer.begin_at(*progress.window)
    # What a checkpoint states of those before it cannot name itself.
    parts.lineage.checkpoints.append({"step": progress.step, "identity": checkpoints.identity(checkpoint)})
    parts.before = restored(checkpoint / EXPOSURE, parts.data.train.content_ids)
    if parts.ranks.is_first:
        names = [group.name for group in parts.data.train.groups]
        parts.group_tokens += np.array([progress.groups.get(name, 0) for name in names], np.int64)


def _energy(ranks: Ranks) -> EnergyMeter | None:
    """Return a meter on the first rank of each machine; it counts the whole machine's processors and the GPUs in use."""
    import os

    if int(os.environ.get("LOCAL_RANK", 0)):
        return None
    count = int(os.environ.get("LOCAL_WORLD_SIZE", 1)) if ranks.device != "cpu" else 0
    return EnergyMeter(gpus=tuple(f"GPU-{torch.cuda.get_device_properties(one).uuid}" for one in range(count)))


def _device(ranks: Ranks) -> str:
    return "cpu" if ranks.device == "cpu" else torch.cuda.get_device_name()
