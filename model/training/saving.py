"""What a checkpoint holds, written and read: the model as Hugging Face's, the optimizers, where the run is, its lineage, its card.

config.json, model*.safetensors    the decoder (model.decoder)
tokenizer*.json, special_tokens_map.json  the tokenizer, so that the folder serves alone
optimizer.safetensors              state by weight name, whole whatever the number of ranks
trainer.json                       steps done, next row and its window, targets seen, the guard
exposure.arrow  lineage.json  README.md  which document was seen when; where all comes from; the card
manifest.json                      SHA-256 of each, last
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from model.lineage import published, record
from model.lineage.card import card
from model.lineage.exposure import NAME as EXPOSURE
from model.lineage.exposure import Exposure
from model.training import checkpoints
from model.training.evaluation import Measured
from model.training.meters import co2_grams
from model.training.optimizers import load_state, state_of
from model.training.parallel import agree, joined
from stack_data import storage
from stack_data.errors import InputError

if TYPE_CHECKING:
    from model.training.assembly import Parts

OPTIMIZER, TRAINER = "optimizer.safetensors", "trainer.json"
TOKENIZER_SETTINGS = "tokenizer_config.json"
TOKENIZER_FILES = ("tokenizer.json", TOKENIZER_SETTINGS, "special_tokens_map.json")


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is.

    next_row: the first row of the next step; window: of the row before it, with that window's first row; targets: tokens that were learnt
    from; groups: those by group.
    """

    step: int
    next_row: int
    window: tuple[int, int]
    targets: int
    groups: Mapping[str, int]
    guard: Mapping[str, Any]


class Lazy(Mapping[str, Any]):
    """The tensors of an open safetensors file, each read when it is asked for."""

    def __init__(self, file: Any) -> None:
        self._file, self._names = file, list(file.keys())

    def __getitem__(self, name: str) -> Any:
        return self._file.get_tensor(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def write_model(folder: Path, config: Any, weights: Mapping[str, Any], tokenizer: Path) -> None:
    """Write a decoder with these weights, and the tokenizer's files."""
    import torch

    from model.decoder.checkpoint import save_checkpoint
    from model.decoder.decoder import Decoder

    with torch.device("meta"):
        plain = Decoder(config)
    plain.load_state_dict(dict(weights), strict=False, assign=True)
    save_checkpoint(plain, folder)
    _write_tokenizer(folder, tokenizer)


def _write_tokenizer(folder: Path, source: Path) -> None:
    for name in TOKENIZER_FILES:
        if (source / name).exists():
            shutil.copyfile(source / name, folder / name)
    settings = folder / TOKENIZER_SETTINGS
    if settings.exists():
        said = storage.read_json(settings)
        told = published.tokenizer_settings(said)
        if told != said:
            storage.write_json(settings, told)


def write_state(folder: Path, tensors: Mapping[str, Any], progress: Progress) -> None:
    """Write the optimizers' state and where the run is."""
    from safetensors.torch import save_file

    save_file(dict(tensors), str(folder / OPTIMIZER))
    storage.write_json(
        folder / TRAINER,
        {
            "step": progress.step, "next_row": progress.next_row, "window": list(progress.window), "targets": progress.targets,
            "groups": dict(progress.groups), "guard": dict(progress.guard),
        },
    )  # fmt: skip


def read_state(checkpoint: Path, optimizers: list[Any]) -> Progress:
    """Restore the optimizers' state from a checkpoint that was checked; return where its run was."""
    from safetensors import SafetensorError, safe_open

    path = checkpoint / OPTIMIZER
    try:
        with safe_open(path, framework="pt") as file:
            load_state(optimizers, Lazy(file), str(path))
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    saved = storage.read_json(checkpoint / TRAINER)
    window, first_row = saved.get("window", (0, 0))  # a checkpoint that does not say: all windows are planned
    return Progress(
        saved["step"], saved["next_row"], (window, first_row), saved["targets"], saved["groups"], saved["guard"]
    )


def save(parts: Parts, step: int, score: float | None, measured: Measured | None) -> Path:
    """Make a checkpoint after `step` steps and tidy up older ones; every rank calls it. Return its path.

    score: held-out bits per byte now, by which the best checkpoint is known. Raises StorageError when the disk refuses.
    """
    keep = parts.ranks.is_first  # the only one that writes: whole weights and state stand in one process's memory
    weights, state = parts.engine.weights(keep), state_of(parts.engine.optimizers, keep)
    seen, groups = _whole_exposure(parts), _whole_groups(parts)
    _end_session(parts, step)
    next_row = step * parts.config.train.rows
    window = parts.packer.window_of(max(0, next_row - 1))
    progress = Progress(step, next_row, window, parts.targets, groups, parts.engine.guard.to_json())

    def write(folder: Path) -> None:
        config = parts.engine.decoder.config
        write_model(folder, config, weights, parts.tokenizer.folder)
        write_state(folder, state, progress)
        seen.write(folder / EXPOSURE, parts.data.train.content_ids)
        facts = {
            "tokens": parts.targets, "documents": int((seen.first > 0).sum()), "mixture": groups, "decoder": config.model_dump(mode="json"),
            "rows": {"identity": parts.packer.identity, "next": progress.next_row}, "evaluation": measured.to_json() if measured else None,
        }  # fmt: skip
        told = parts.lineage.to_json(step, facts)
        storage.write_json(folder / record.NAME, told)
        title = parts.config.title or parts.config.name
        storage.write_text(folder / "README.md", card(title, told, config.num_parameters()))

    def make() -> Path:
        facts: dict[str, Any] = {} if score is None else {"bits_per_byte": score}
        made = checkpoints.save(
            parts.checkpoints, step, write, facts | ({"astray": True} if parts.engine.guard.is_astray else {})
        )
        parts.lineage.checkpoints.append({"step": step, "identity": checkpoints.identity(made)})
        checkpoints.prune(parts.checkpoints, parts.config.checkpoint.keep_last, parts.config.checkpoint.keep_best)
        return made

    agree(parts.ranks, make)
    return checkpoints.path_of(parts.checkpoints, step)


def _end_session(parts: Parts, step: int) -> None:
    """Write down how far this session is, and what it took of energy on all machines; None where one reports nothing."""
    own = parts.energy.joules() if parts.energy else 0.0
    total, silent = joined(parts.ranks, [own or 0.0, float(own is None)])
    joules = None if silent else total
    grams = (
        co2_grams(joules, parts.config.run.carbon_g_per_kwh)
        if joules is not None and parts.config.run.carbon_g_per_kwh
        else None
    )
    parts.lineage.sessions[-1] |= {"last_step": step, "joules": joules, "co2_grams": grams}


def _whole_exposure(parts: Parts) -> Exposure:
    """Return what all ranks have seen since the run began, over all sessions."""
    mine = parts.exposure
    if parts.ranks.count > 1:
        import torch

        never = np.iinfo(np.int32).max
        arrays = [
            torch.from_numpy(np.where(mine.first > 0, mine.first, never)),
            *(torch.from_numpy(one.copy()) for one in (mine.last, mine.times)),
        ]
        operations = (torch.distributed.ReduceOp.MIN, torch.distributed.ReduceOp.MAX, torch.distributed.ReduceOp.SUM)
        arrays = [one.to(parts.ranks.device) for one in arrays]
        for array, operation in zip(arrays, operations, strict=True):
            torch.distributed.all_reduce(array, op=operation)
        first, last, times = (one.cpu().numpy() for one in arrays)
        mine = Exposure(np.where(first == never, 0, first), last, times)
    before = parts.before
    first = np.where(before.first > 0, before.first, mine.first)
    return Exposure(first, np.maximum(before.last, mine.last), before.times + mine.times)


def _whole_groups(parts: Parts) -> dict[str, int]:
    """Return the tokens of text that were read of each group, over all ranks and sessions."""
    counts = joined(parts.ranks, parts.group_tokens.astype(float).tolist())
    names = [group.name for group in parts.data.train.groups]
    return {name: int(count) for name, count in zip(names, counts, strict=True) if count}
