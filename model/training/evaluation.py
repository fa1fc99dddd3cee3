"""In-loop evaluation: held-out bits per byte, and left-out lines of validation documents filled in exactly.

Both are computed in the precision of training, on the same documents every time. A filled-in line counts when, without white space
at its ends, it is the line that was left out; the answer is greedy and ends at the first line break or end-of-text token.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from model.training.config import ModelConfig
from model.training.engine import Engine
from model.training.held_out import HeldOut
from model.training.parallel import joined

MIN_LINE, MAX_LINE = 4, 120
"""Bytes of a line that may be left out, without white space at its ends."""


@dataclass(frozen=True, slots=True)
class FimItem:
    """A line that is left out. prompt: tokens up to and with the token that begins the middle; middle: its bytes."""

    prompt: tuple[int, ...]
    middle: bytes


@dataclass(frozen=True, slots=True)
class Measured:
    """Held-out quality. tokens: targets that were scored; bytes: theirs; fim_exact of fim_items lines were filled in."""

    bits_per_byte: float
    tokens: int
    bytes: int
    fim_exact: int = 0
    fim_items: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}


def measure(
    engine: Engine, data: HeldOut, tokenizer: Any, config: ModelConfig, *, fim: bool, ends: bool = False
) -> Measured:
    """Measure a model on held-out documents. ends: with the context that the configuration grants at the end of a run.

    Lines are not filled in under FSDP, where generating would gather every weight for every token.
    """
    rows = config.run.micro_rows or max(1, config.train.rows // engine.ranks.count)
    score = bits_per_byte(engine, data, rows, config.evaluation.context if ends else 0)
    wanted = config.evaluation.fim_items if fim and not engine.is_sharded else 0
    if not wanted:
        return Measured(score, data.num_targets, data.num_bytes)
    answer = config.evaluation.fim_tokens
    items = fim_items(data, tokenizer, wanted, engine.decoder.config.context, answer)
    return Measured(score, data.num_targets, data.num_bytes, fim_exact(engine, items, tokenizer, answer), len(items))


def bits_per_byte(engine: Engine, data: HeldOut, rows: int, context: int = 0) -> float:
    """Return the mean bits per byte of held-out documents; every rank computes its share of the batches."""
    engine.decoder.eval()
    ranks, total = engine.ranks, 0.0
    batches = list(data.batches(engine.config.train.positions, rows, context))
    # Under FSDP all ranks take part in every forward pass, so each makes as many.
    rounds = math.ceil(len(batches) / ranks.count)
    with torch.no_grad():
        for one in range(rounds):
            number = one * ranks.count + ranks.rank
            batch = batches[min(number, len(batches) - 1)]
            parts = (batch.tokens, batch.positions, batch.segments, batch.targets)
            with engine.autocast():
                loss = engine.loss(*(torch.as_tensor(part).to(ranks.device) for part in parts))
            total += float(loss) if number < len(batches) else 0.0
    return joined(ranks, [total])[0] / math.log(2) / max(1, data.num_bytes)


def fim_items(data: HeldOut, tokenizer: Any, count: int, positions: int, answer: int) -> list[FimItem]:
    """Leave a line out of each of the first `count` documents that have one, drawn by the document's bytes alone.

    Prefix and suffix share the room that the answer leaves; what is too long is cut at its far end.
    """
    found = (item for text in data.texts if (item := _item(text, tokenizer, positions - answer - 4)))
    return [item for item, _ in zip(found, range(count), strict=False)]


def _item(text: Any, tokenizer: Any, room: int) -> FimItem | None:
    raw = tokenizer.decode(text)
    lines = raw.splitlines(keepends=True)
    chosen = [at for at, line in enumerate(lines) if MIN_LINE <= len(line.strip()) <= MAX_LINE]
    if not chosen:
        return None
    at = chosen[int.from_bytes(hashlib.sha256(raw).digest()[:8], "big") % len(chosen)]
    middle = lines[at].rstrip(b"\r\n")
    before, after = b"".join(lines[:at]), lines[at][len(middle) :] + b"".join(lines[at + 1 :])
    prefix, suffix = tokenizer.encode_one(before).tolist(), tokenizer.encode_one(after).tolist()
    half = room // 2
    kept = max(half, room - len(suffix))
    prefix = prefix[-kept:]
    suffix = suffix[: room - len(prefix)]
    special = tokenizer.special
    return FimItem((special.fim_prefix, *prefix, special.fim_suffix, *suffix, special.fim_middle), middle)


def fim_exact(engine: Engine, items: list[FimItem], tokenizer: Any, max_tokens: int) -> int:
    """Return how many items are filled in exactly."""
    engine.decoder.eval()
    exact = 0
    for item in items:
        answer = bytearray()
        for token in _greedy(engine, item.prompt, max_tokens):
            if token == tokenizer.special.end_of_text:
                break
            answer += tokenizer.decode([token])
            if b"\n" in answer or b"\r" in answer:
                break
        lines = bytes(answer).splitlines()
        exact += bool(lines) and lines[0].strip() == item.middle.strip()
    return exact


@torch.no_grad()
def _greedy(engine: Engine, prompt: tuple[int, ...], max_tokens: int) -> Iterator[int]:
    """Yield the likeliest next tokens, one after the other."""
    device = engine.ranks.device
    cache = engine.decoder.make_cache(1, len(prompt) + max_tokens)
    given = list(prompt)
    for _ in range(max_tokens):
        begin = cache.length
        tokens = torch.tensor([given], device=device)
        positions = torch.arange(begin, begin + len(given), device=device)[None]
        with engine.autocast():
            hidden = engine.decoder(tokens, positions, cache=cache)
            token = int(engine.decoder.logits(hidden[:, -1:]).argmax())
        yield token
        given = [token]
