"""Trains the same network on the same rows as transformers' Trainer does and prints tokens/s of both; and a Kneser-Ney 5-gram beside a checkpoint.

Run: python bench/train.py [SHARDS] [--steps N] [--threads N] [--positions T] [--device cuda]     speed
     python bench/train.py SHARDS --checkpoint DIR [--tokens N]                                 quality
Speed: GPTBigCode of the cpu-demo's size, bfloat16 autocast, AdamW, the same packed rows. Ours computes no attention across
documents and none on padding; Trainer is given the same tokens and targets as unpacked causal rows, its default attention
(sdpa), and as many threads. Trainer needs accelerate (a development dependency). Contenders take
turns, three rounds each; printed is the median of each and the ratio. On a CUDA device MFU is printed too, by the dense peak.
Quality: bits per byte on the same held-out tokens (docs/training.md says which). The n-gram is trained on tokens of the train split
drawn by the run's own mixture and seed, without cuts: once as many as the checkpoint has seen, once --tokens of them.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.support.releases import ROOT
from model.decoder.config import DecoderConfig
from model.decoder.decoder import Decoder
from model.fim.config import FimConfig, MetadataConfig
from model.lineage.record import read
from model.packing.corpus import Corpus
from model.packing.packer import Packer, PackerConfig
from model.shards.shards import open_shards
from model.tokenizer.code_tokenizer import CodeTokenizer
from model.training.config import ModelConfig
from model.training.engine import Engine
from model.training.held_out import HeldOut, held_out
from model.training.kneser_ney import KneserNey
from model.training.meters import mfu, peak_of
from model.training.parallel import Ranks

ROWS, ROUNDS = 8, 3


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("shards", nargs="?", type=Path, default=ROOT / "build/models/cpu-demo/shards")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--positions", type=int, default=512)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--tokens", type=int, default=20_000_000)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if not arguments.shards.exists():
        say(
            f"skipped: there are no shards at {arguments.shards}; name some, or train configs/model-cpu-demo.toml first"
        )
        return
    sources = (open_shards(arguments.shards),)
    tokenizer = CodeTokenizer.load(sources[0].tokenizer)
    if arguments.checkpoint:
        quality(sources, tokenizer, arguments.checkpoint, arguments.tokens)
    else:
        speed(Corpus.of(sources), tokenizer, arguments)


def speed(corpus: Corpus, tokenizer: CodeTokenizer, arguments: argparse.Namespace) -> None:
    """Print tokens/s of both trainers on the same rows."""
    decoder = DecoderConfig(vocab_size=tokenizer.vocab_size, context=arguments.positions, hidden=256, layers=4, heads=4)
    packer = Packer(corpus, tokenizer, PackerConfig(arguments.positions))
    rows = [packer.rows(step * ROWS, ROWS) for step in range(arguments.steps)]
    tokens = sum(int((one.targets != -100).sum()) for one in rows)
    contenders: dict[str, Any] = {"ours": Ours(decoder, arguments.positions, arguments.device)}
    if importlib.util.find_spec("accelerate"):
        contenders["transformers"] = Theirs(decoder, arguments.device)
    else:
        say("transformers' Trainer needs accelerate, which is not installed here; ours alone is timed")
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for contender in contenders.values():
        contender.run(rows[:1])
    for _ in range(ROUNDS):
        for name, contender in contenders.items():
            seconds[name].append(contender.run(rows))
    rates = {name: tokens / statistics.median(times) for name, times in seconds.items()}
    for name, rate in rates.items():
        share = mfu(decoder.flops_per_token(arguments.positions), rate, 1, _peak(arguments.device))
        say(f"{name:<14} {rate:10,.0f} tokens/s" + (f"  MFU {share:.1%}" if share is not None else ""))
    told = f"({arguments.threads} threads, {tokens:,} tokens a round)"
    say(f"ratio          {rates['ours'] / rates['transformers']:10.2f}   {told}" if "transformers" in rates else told)


def _peak(device: str) -> float | None:
    return None if device == "cpu" else peak_of(torch.cuda.get_device_name())


class Ours:
    """Our engine."""

    def __init__(self, decoder: DecoderConfig, positions: int, device: str) -> None:
        config = ModelConfig.model_validate(
            {
                "name": "bench", "data": {"shards": ["-"]}, "schedule": {"name": "constant", "steps": 10**6},
                "train": {"rows": ROWS, "positions": positions},
            }
        )  # fmt: skip
        torch.manual_seed(0)
        self._engine = Engine(Decoder(decoder), config, Ranks(0, 1, device))
        self._step = 0

    def run(self, rows: list[Any]) -> float:
        """Make a step of each batch; return seconds."""
        began = time.perf_counter()
        for one in rows:
            self._step += 1
            self._engine.advance(self._step, one)
        return time.perf_counter() - began


class Theirs:
    """transformers' Trainer; as many rows, positions and updates."""

    def __init__(self, decoder: DecoderConfig, device: str) -> None:
        from transformers import GPTBigCodeConfig, GPTBigCodeForCausalLM

        torch.manual_seed(0)
        self._model = GPTBigCodeForCausalLM(GPTBigCodeConfig(**decoder.to_huggingface()))
        self._on_cpu = device == "cpu"

    def run(self, rows: list[Any]) -> float:
        """Train on each batch; return the seconds that Trainer states for its loop."""
        from transformers import Trainer, TrainingArguments

        items = [
            {"input_ids": torch.as_tensor(one.tokens[at]), "labels": _shifted(one, at)}
            for one in rows
            for at in range(len(one.tokens))
        ]
        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                folder, per_device_train_batch_size=ROWS, num_train_epochs=1, bf16=True, use_cpu=self._on_cpu, save_strategy="no",
                report_to=[], logging_strategy="no", disable_tqdm=True, weight_decay=0.1, learning_rate=4e-4, max_grad_norm=1.0,
            )  # fmt: skip
            trainer = Trainer(self._model, arguments, train_dataset=items)
            began = time.perf_counter()
            trainer.train()
            return time.perf_counter() - began


def _shifted(rows: Any, at: int) -> torch.Tensor:
    """Return labels as transformers wants them: it shifts by one itself."""
    labels = torch.full((len(rows.tokens[at]),), -100)
    labels[1:] = torch.as_tensor(rows.targets[at][:-1])
    return labels


def quality(sources: Any, tokenizer: CodeTokenizer, checkpoint: Path, most: int) -> None:
    """Print bits per byte of a checkpoint and of the n-gram on the same held-out tokens."""
    told = read(checkpoint)
    evaluation = told["evaluation"]
    data = held_out(
        Corpus.of(sources, "validation"), tokenizer.lengths, tokenizer.special.end_of_text, evaluation["tokens"]
    )
    assert (data.num_targets, data.num_bytes) == (evaluation["tokens"], evaluation["bytes"]), (
        "other held-out tokens than the run's"
    )
    say(
        f"checkpoint     {evaluation['bits_per_byte']:8.4f} bits per byte on {data.num_targets:,} tokens, {told['tokens']:,} seen in training"
    )
    for count in sorted({min(told["tokens"], most), most}):
        train, used = _train_tokens(Corpus.of(sources), tokenizer, told["config"], count)
        began = time.perf_counter()
        found = _ngram(data, train, tokenizer.vocab_size)
        say(
            f"Kneser-Ney     {found:8.4f} bits per byte, 5-gram over {used:,} tokens, {time.perf_counter() - began:.0f} s"
        )


def _train_tokens(corpus: Corpus, tokenizer: CodeTokenizer, config: dict[str, Any], count: int) -> tuple[Any, int]:
    """Return `count` tokens of packed rows as a run of this mixture draws them, without cuts and metadata, one item after the other."""
    settings = ModelConfig.model_validate(config)
    plain = FimConfig(rate=0.0), MetadataConfig(repository_rate=0.0, path_rate=0.0)
    train = settings.train
    packer = Packer(
        corpus,
        tokenizer,
        PackerConfig(train.positions, train.seed, *plain, settings.mixture, window_rows=train.window_rows),
    )
    pieces: list[Any] = []
    total, first = 0, 0
    while total < count:
        rows = packer.rows(first, 256)
        first += 256
        found = [rows.item(number) for number in range(len(rows.documents))]
        pieces += found
        total += sum(map(len, found))
    return np.concatenate(pieces)[:count], count


def _ngram(data: HeldOut, train: Any, vocab_size: int) -> float:
    stream, counted = data.stream()
    return float(KneserNey(train, vocab_size).bits(stream)[counted].sum()) / data.num_bytes


if __name__ == "__main__":
    main()
