"""Forward and backward of the decoder beside transformers' GPTBigCodeForCausalLM: same weights, tokens and precision, one run.

    .venv/bin/python -m bench.decoder [--threads 2] [--rows 16] [--rounds 5] [--heads 4] [--compile] [--device cuda]

Both compute the mean loss of the same rows and its gradient. Prints tokens/s by the clock and by the processor's time (what other
work on the machine takes from the first leaves the second alone), and the ratio; then attention paths and the loss by themselves.
Rounds alternate between the two, and the best of each counts. `--compile` adds torch.compile and its warm-up. The losses of the
two must agree, or nothing is printed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from transformers import GPTBigCodeForCausalLM
from transformers.models.gpt_bigcode import GPTBigCodeConfig

from model.decoder.attention import attend
from model.decoder.checkpoint_names import stored_weights
from model.decoder.config import DecoderConfig
from model.decoder.decoder import Decoder
from model.decoder.loss import vocabulary_loss
from model.decoder.visibility import Visibility

Work = Callable[[], float]


def main() -> None:
    """Measure and print."""
    options = _options()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    config = DecoderConfig(vocab_size=4096, context=512, hidden=256, layers=4, heads=options.heads)
    tokens = torch.randint(0, config.vocab_size, (options.rows, config.context), device=options.device)
    _say(f"{config.num_parameters():,} parameters, {options.rows} rows of {config.context}, {options.threads} threads, "
         f"load {os.getloadavg()[0]:.1f}, torch {torch.__version__}")  # fmt: skip
    for name, dtype, autocast in _precisions():
        works = _contenders(config, tokens, dtype, autocast, options.compile)
        _compare(name, works, tokens.numel(), options.rounds)
    if options.device == "cpu":
        _paths(config, options)
        _losses(config, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("threads", 2), ("rows", 16), ("rounds", 5), ("heads", 4)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


def _precisions() -> list[tuple[str, torch.dtype, bool]]:
    return [
        ("float32", torch.float32, False),
        ("bfloat16 autocast", torch.float32, True),
        ("bfloat16 weights", torch.bfloat16, False),
    ]


def _contenders(
    config: DecoderConfig, tokens: torch.Tensor, dtype: torch.dtype, autocast: bool, is_compiled: bool
) -> dict[str, Work]:
    theirs = GPTBigCodeForCausalLM(GPTBigCodeConfig(**config.to_huggingface())).to(tokens.device).train()
    decoder = Decoder(config).to(tokens.device).train()
    weights = theirs.state_dict()
    decoder.load_state_dict({w.ours: w.join([weights[name] for name in w.theirs]) for w in stored_weights(config)})
    targets = functional.pad(tokens[:, 1:], (0, 1), value=-100)
    models: dict[str, Any] = {"transformers": theirs.to(dtype), "ours": decoder.to(dtype)}

    def our_loss(module: Any) -> torch.Tensor:
        total, count = decoder.loss(module(tokens), targets)
        return total / count

    losses = {
        "transformers": lambda module: module(tokens, labels=tokens).loss,
        "ours": our_loss,
    }
    works = {name: _work(losses[name], module, module, autocast) for name, module in models.items()}
    works["ours, rows in threads"] = _in_threads(decoder, tokens, targets, autocast)
    if is_compiled:
        for name, module in models.items():
            works[f"{name} compiled"] = _work(losses[name], torch.compile(module), module, autocast)
    return works


def _work(loss_of: Callable[[Any], torch.Tensor], called: Any, module: torch.nn.Module, autocast: bool) -> Work:
    device = next(module.parameters()).device.type

    def work() -> float:
        with torch.autocast(device, torch.bfloat16, enabled=autocast):
            loss = loss_of(called)
        loss.backward()
        for weight in module.parameters():
            weight.grad = None
        return loss.item()

    return work


def _in_threads(decoder: Decoder, tokens: torch.Tensor, targets: torch.Tensor, autocast: bool) -> Work:
    """Each Python thread computes its share of the rows with one thread of torch's: they meet once, not at every operation."""
    threads, weights = torch.get_num_threads(), list(decoder.parameters())
    pool = ThreadPoolExecutor(threads)
    count = int((targets >= 0).sum())

    def share(rows: tuple[torch.Tensor, torch.Tensor]) -> tuple[float, tuple[torch.Tensor, ...]]:
        torch.set_num_threads(1)
        with torch.autocast(tokens.device.type, torch.bfloat16, enabled=autocast):
            loss = decoder.loss(decoder(rows[0]), rows[1])[0] / count
        return loss.item(), torch.autograd.grad(loss, weights)

    def work() -> float:
        torch.set_num_threads(1)
        shares = list(pool.map(share, zip(tokens.chunk(threads), targets.chunk(threads), strict=True)))
        for _, gradients in shares[1:]:
            torch._foreach_add_(shares[0][1], gradients)
        torch.set_num_threads(threads)
        return sum(loss for loss, _ in shares)

    return work


def _compare(name: str, works: dict[str, Work], num_tokens: int, rounds: int) -> None:
    first = {}
    for one, work in works.items():
        begin = time.perf_counter()
        first[one] = work()
        if one.endswith("compiled"):
            _say(f"{name:18} {one:22} warm-up {time.perf_counter() - begin:.1f} s")
    if max(first.values()) - min(first.values()) > 0.02:
        raise SystemExit(f"the losses differ: {first}")
    best = _best(works, rounds)
    wall, cpu = best["transformers"]
    for one, (our_wall, our_cpu) in best.items():
        _say(f"{name:18} {one:22} {num_tokens / our_wall:8,.0f} tokens/s  {num_tokens / our_cpu:8,.0f} per processor second  "
             f"{wall / our_wall:5.2f}x  {cpu / our_cpu:5.2f}x  loss {first[one]:.5f}")  # fmt: skip


def _best(works: dict[str, Work], rounds: int) -> dict[str, tuple[float, float]]:
    """Return the least seconds by the clock and of the processor for each, all taking turns."""
    best = {name: (float("inf"), float("inf")) for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            wall, cpu = time.perf_counter(), time.process_time()
            work()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            best[name] = (min(best[name][0], wall), min(best[name][1], cpu))
    return best


def _paths(config: DecoderConfig, options: argparse.Namespace) -> None:
    """Attention alone, forward and backward, for rows of one document and of several."""
    for dtype in (torch.float32, torch.bfloat16):
        for documents in (1, 4, 16):
            works = {
                path: _attention(config, options.rows, dtype, documents, path) for path in ("eager", "sdpa", "tiles")
            }
            found = _best(works, options.rounds)
            line = "  ".join(f"{path} {cpu * 1e3:6.1f} ms" for path, (_, cpu) in found.items())
            ratio = found["sdpa"][1] / found["tiles"][1]
            _say(f"attention {str(dtype)[6:]:9} {documents:2} documents a row: {line}  tiles {ratio:.2f}x sdpa")


def _attention(config: DecoderConfig, rows: int, dtype: torch.dtype, documents: int, path: str) -> Work:
    length = config.context
    segments = torch.arange(length, dtype=torch.int32).mul(documents).div(length, rounding_mode="floor").int()
    query = torch.randn(rows, length, config.heads, config.head_size, dtype=dtype, requires_grad=True)
    key, value = (torch.randn(rows, length, 1, config.head_size, dtype=dtype, requires_grad=True) for _ in "kv")
    gradient = torch.randn_like(query)

    def work() -> float:
        some = segments.expand(rows, -1) if documents > 1 else None
        visible = Visibility(rows, length, length, 0, some, torch.device("cpu"))
        attend(path, query, key, value, visible, config.head_size**-0.5, 0.0).backward(gradient)
        return 0.0

    return work


def _losses(config: DecoderConfig, options: argparse.Namespace) -> None:
    """The loss alone, forward and backward, beside the plain one."""
    count = options.rows * config.context
    targets = torch.randint(0, config.vocab_size, (count,))
    for dtype in (torch.float32, torch.bfloat16):
        hidden = torch.randn(count, config.hidden, dtype=dtype, requires_grad=True)
        weight = (torch.randn(config.vocab_size, config.hidden) * 0.05).to(dtype).requires_grad_()

        def plain(hidden: torch.Tensor = hidden, weight: torch.Tensor = weight) -> float:
            functional.cross_entropy((hidden @ weight.T).float(), targets).backward()
            return 0.0

        def blocks(hidden: torch.Tensor = hidden, weight: torch.Tensor = weight) -> float:
            (vocabulary_loss(hidden, weight, targets)[0] / count).backward()
            return 0.0

        found = _best({"plain": plain, "blocks": blocks}, options.rounds)
        line = "  ".join(f"{name} {cpu * 1e3:6.1f} ms" for name, (_, cpu) in found.items())
        _say(f"loss      {str(dtype)[6:]:9} {line}  {found['plain'][1] / found['blocks'][1]:.2f}x")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    main()
