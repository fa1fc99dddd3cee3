"""In-loop evaluation: held-out bits per byte, and left-out lines filled in exactly, on the same documents every time.

Both are computed in the precision of training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from model.fim.transform import Order
from model.tokenizer.special import ABSENT
from model.training.config import ModelConfig
from model.training.engine import Engine
from model.training.filled_lines import filled, left_out
from model.training.held_out import HeldOut
from model.training.parallel import dealt, joined

ORDERS: tuple[Order, Order] = ("psm", "spm")


@dataclass(frozen=True, slots=True)
class Measured:
    """Held-out quality. tokens: targets that were scored; bytes: theirs; of fim_items left-out lines, how many were filled in exactly.

    fim_psm, fim_spm: asked for with the prefix first, and with the suffix first.
    """

    bits_per_byte: float
    tokens: int
    bytes: int
    fim_items: int = 0
    fim_psm: int = 0
    fim_spm: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}


def measure(
    engine: Engine, data: HeldOut, tokenizer: Any, config: ModelConfig, *, fim: bool, ends: bool = False
) -> Measured:
    """Measure a model on held-out documents. ends: with the context that the configuration grants at the end of a run."""
    rows = config.run.micro_rows or max(1, config.train.rows // engine.ranks.count)
    score = bits_per_byte(engine, data, rows, config.evaluation.context if ends else 0)
    wanted = config.evaluation.fim_items if fim and tokenizer.special.fim_prefix != ABSENT else 0
    context = engine.decoder.config.context
    answer = answer_tokens(config, context)
    items = left_out(data.texts, tokenizer, wanted, context - answer)
    psm, spm = (filled(engine, items, tokenizer, order, answer, rows) for order in ORDERS)
    return Measured(score, data.num_targets, data.num_bytes, len(items), psm, spm)


def answer_tokens(config: ModelConfig, context: int) -> int:
    """Return the most tokens of an answer: as configured, and at most half the network's context, which a prompt needs room in too."""
    return min(config.evaluation.fim_tokens, context // 2)


def bits_per_byte(engine: Engine, data: HeldOut, rows: int, context: int = 0) -> float:
    """Return the mean bits per byte of held-out documents; every rank computes its share of the batches."""
    engine.decoder.eval()
    batches = list(data.batches(engine.config.train.positions, rows, context))
    total = 0.0
    with torch.no_grad():
        for batch, is_ours in dealt(batches, engine.ranks):
            parts = (batch.tokens, batch.positions, batch.segments, batch.targets)
            with engine.autocast():
                loss = engine.loss(*(torch.as_tensor(part).to(engine.ranks.device) for part in parts))
            total += float(loss) if is_ours else 0.0
    return joined(engine.ranks, [total])[0] / math.log(2) / max(1, data.num_bytes)
