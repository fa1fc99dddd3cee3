"""Prints tokens/s and MFU of training steps of whole networks on packed rows that are made up: no data is needed.

Run: python bench/mfu.py [CONFIG..] [--steps N] [--attention PATH..] [--micro-rows N] [--set a.b=value].. [--device cuda]
     default: configs/model-164m.toml and configs/model-1b.toml on a CUDA device, with and without dropout
A step is one micro-batch of the configuration (run.micro_rows rows of train.positions), forward, backward and update, compiled where the
configuration says so; documents are of exponential length, 1,200 tokens in the mean, one after the other in rows that are full. Timed are
`--steps` steps after three that warm up. MFU counts forward and backward without recomputation, attention by the positions that are really
seen, against the dense peak of the device (docs/training.md). Without dropout flash runs inside torch; with it the package flash-attn must
be there, and without that package `auto` takes the slower path that can run.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.support.releases import ROOT
from model.decoder.attention import choose_path
from model.decoder.decoder import Decoder, initialise
from model.training.config import ModelConfig
from model.training.config_file import load
from model.training.engine import NO_LOSS, Engine
from model.training.meters import mfu, peak_of
from model.training.parallel import Ranks
from stack_data.errors import FairStackError

WARM_UP, MEAN_LENGTH = 3, 1200
DROPOUTS = ("attention_dropout", "residual_dropout", "embedding_dropout")


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def rows_of(count: int, positions: int, vocabulary: int, seed: int) -> Any:
    """Return full rows of documents: tokens, targets, positions, segments, as the packer gives them."""
    rng = np.random.default_rng(seed)
    tokens = rng.integers(0, vocabulary, (count, positions + 1))
    places, segments = np.zeros((count, positions), np.int64), np.zeros((count, positions), np.int32)
    targets = tokens[:, 1:].copy()
    for row in range(count):
        begin = number = 0
        while begin < positions:
            end = min(positions, begin + 2 + int(rng.exponential(MEAN_LENGTH)))
            places[row, begin:end], segments[row, begin:end] = np.arange(end - begin), number
            targets[row, end - 1] = NO_LOSS if end < positions else targets[row, end - 1]
            begin, number = end, number + 1
    return SimpleNamespace(tokens=tokens[:, :-1].copy(), targets=targets, positions=places, segments=segments)


def measure(config: ModelConfig, device: str, steps: int) -> str:
    """Return a line of tokens/s, MFU and memory of a network's steps."""
    assert config.decoder is not None
    ranks, on_gpu = Ranks(0, 1, device), device != "cpu"
    with torch.device("meta"):
        decoder = Decoder(config.decoder, config.run.attention, config.run.checkpoint_activations)
    dtype = torch.bfloat16 if config.train.precision == "bfloat16" else torch.float32
    path = choose_path(config.run.attention, config.decoder, torch.device(device), dtype, training=True)
    torch.manual_seed(0)
    engine = Engine(decoder, config, ranks, initialise)
    micro = config.run.micro_rows or config.train.rows
    rows = [rows_of(micro, config.train.positions, config.decoder.vocab_size, seed) for seed in range(WARM_UP + steps)]
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    done: list[Any] = []
    began = 0.0
    for number, one in enumerate(rows):
        if number == WARM_UP:
            began = time.perf_counter()
        done.append(engine.advance(number + 1, one))  # its loss and norm are read: the device has done the step
    seconds = time.perf_counter() - began
    timed = done[WARM_UP:]
    rate = sum(one.targets for one in timed) / seconds
    span = sum(one.span * one.targets for one in timed) / sum(one.targets for one in timed)
    share = mfu(
        config.decoder.flops_per_token(2 * span), rate, 1, peak_of(torch.cuda.get_device_name()) if on_gpu else None
    )
    memory = f", {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB" if on_gpu else ""
    told = f"{rate:12,.0f} tokens/s" + (f", MFU {share:.1%}" if share is not None else "")
    return f"{told}{memory}, {micro} x {config.train.positions:,} positions in {1e3 * seconds / steps:,.0f} ms, attention {path}"


def main() -> None:
    """Measure each configuration by each path."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="*", type=Path)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--attention", nargs="*", default=["auto"])
    parser.add_argument("--micro-rows", type=int)
    parser.add_argument("--set", action="append", default=[], metavar="a.b=value")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        say(
            "skipped: torch sees no CUDA device; --device cpu times a processor, and takes long for networks that are made for GPUs"
        )
        return
    device = "cpu" if arguments.device == "cpu" else "cuda:0"
    say(f"{torch.cuda.get_device_name() if device != 'cpu' else 'processor'}, torch {torch.__version__}")
    for path in arguments.configs or [ROOT / "configs/model-164m.toml", ROOT / "configs/model-1b.toml"]:
        for attention in arguments.attention:
            for dropout in ("as configured", "no dropout"):
                overrides = [*arguments.set, f"run.attention={attention}"]
                overrides += [f"run.micro_rows={arguments.micro_rows}"] if arguments.micro_rows else []
                overrides += [f"decoder.{one}=0.0" for one in DROPOUTS] if dropout == "no dropout" else []
                try:
                    found = measure(load(path, overrides), device, arguments.steps)
                except (FairStackError, torch.cuda.OutOfMemoryError) as error:
                    found = f"not measured: {str(error).splitlines()[0]}"
                say(f"{path.stem:<16} {dropout:<14} {found}")
                torch.compiler.reset()
                if device != "cpu":
                    torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
