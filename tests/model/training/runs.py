"""Small training runs for tests: shards of a release with both splits, a network of two blocks, a handful of steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from model.shards.build import build_shards
from model.training import run
from model.training.config import ModelConfig
from model.training.journal import Silent
from stack_data import storage
from stack_data.progress import Silent as NoProgress
from tests.model.shards.shards_made import contents, tokenizer_folder
from tests.search.releases import release

TEXT = """
name = "small"
[data]
shards = ["shards"]
[decoder]
vocab_size = 600
context = 96
hidden = 32
layers = 2
heads = 2
[optimizer]
name = "{optimizer}"
lr = 4e-3
[schedule]
name = "wsd"
steps = 8
warmup = 2
[train]
rows = 4
positions = 96
precision = "float32"
window_rows = 8
[evaluation]
every = 4
tokens = 400
fim_items = 2
fim_tokens = 4
[checkpoint]
every = 2
[run]
folder = "{folder}"
threads = 1
log_every = 1
"""


def shards(folder: Path, count: int = 12, lists: dict[str, int] | None = None) -> Path:
    """Make shards of a release whose last file is its validation split; return their folder."""
    made = release(folder / "release", contents(count), shards=3)
    path = made / "manifest.json"
    known = json.loads(path.read_text())
    for kind in ("data", "provenance"):
        old, new = (f"{kind}/python/{name}.parquet" for name in ("train-00002-of-00003", "validation-00000-of-00001"))
        (made / old).rename(made / new)
        known["outputs"][new] = known["outputs"].pop(old)
    known["plan"]["lists"] = lists or {}
    storage.write_json(path, known)
    build_shards([made], tokenizer_folder(), folder / "shards", workers=1)
    return folder / "shards"


def config_file(folder: Path, optimizer: str = "adamw") -> Path:
    """Write the configuration of a run whose shards lie in `folder`."""
    path = folder / "small.toml"
    path.write_text(TEXT.format(folder=folder / "models", optimizer=optimizer))
    return path


def home_of(folder: Path) -> Path:
    """Make shards and the configuration of a run in a folder; return it."""
    shards(folder)
    config_file(folder)
    return folder


def trained(folder: Path, *overrides: str, init: Path | None = None, stop_after: int | None = None) -> run.Trained:
    """Train in this process."""
    from model.training.config_file import load

    config: ModelConfig = load(folder / "small.toml", overrides)
    return run.train(
        config, folder, init=init, show=lambda steps, first: Silent(), progress=NoProgress(), stop_after=stop_after
    )


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    """Return the weights and the optimizers' state of a checkpoint."""
    return {**load_file(checkpoint / "model.safetensors"), **load_file(checkpoint / "optimizer.safetensors")}


def same(one: Path, other: Path) -> bool:
    """Say whether two checkpoints are equal bit for bit in weights, optimizers' state, exposure and place in the run."""
    first, second = weights(one), weights(other)
    equal = first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    files = ("trainer.json", "exposure.arrow", "config.json")
    return equal and all((one / name).read_bytes() == (other / name).read_bytes() for name in files)


def log(trained_run: run.Trained, kind: str = "step") -> list[dict[str, Any]]:
    """Return the lines of one kind of a run's log."""
    lines = [json.loads(line) for line in (trained_run.folder / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]
