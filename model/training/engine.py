"""One step of training: rows in, weights moved, loss and gradient norm out. Equal rows, state and number of ranks give equal weights.

The gradient is that of the sum of all losses of the step over the number of its targets, on whatever rank and in whichever micro-batch
they are; so accumulation and ranks change only the order of sums. Matrix products run under autocast where bfloat16 is configured;
weights, their gradients and the optimizers' state are float32.

On a processor a step's rows are dealt to Python threads that use one thread of torch's each and meet once, when their gradients are added
in a fixed order: measured two to three times as fast as threads that meet at every operation. Another number of threads adds in another
order. With dropout, whose draws threads would share, and with several ranks or a compiled network the rows stay together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch

from model.decoder.cache import KeyValueCache
from model.decoder.sharded import whole
from model.training.config import ModelConfig
from model.training.guard import Guard
from model.training.optimizers import make_optimizers, set_rate
from model.training.parallel import Ranks, exchanging, joined, spread
from model.training.schedules import factor

NO_LOSS = -100


class Objective(torch.nn.Module):
    """The sum of the losses of packed rows, as a module, so that what wraps modules sees the vocabulary projection too."""

    def __init__(self, decoder: Any) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(
        self, tokens_BT: torch.Tensor, positions_BT: torch.Tensor, segments_BT: torch.Tensor,
        targets_BT: torch.Tensor | None = None, cache: KeyValueCache | None = None,
    ) -> torch.Tensor:  # fmt: skip
        """Return the sum of the losses (nats) of all targets that are not NO_LOSS; without targets the logits after each row, BV."""
        hidden_BTD = self.decoder(tokens_BT, positions_BT, segments_BT, cache)
        if targets_BT is None:
            return self.decoder.logits(hidden_BTD[:, -1])  # type: ignore[no-any-return]
        total, _ = self.decoder.loss(hidden_BTD, targets_BT)
        return total  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Done:
    """A step that was made. loss: nats per target; span: mean positions attended to; applied: False where the guard refused it."""

    loss: float
    norm: float
    rate: float
    targets: int
    span: float
    applied: bool


class Engine:
    """The weights of a run with what moves them."""

    def __init__(
        self, decoder: Any, config: ModelConfig, ranks: Ranks, fill: Callable[[Any], None] | None = None
    ) -> None:
        """decoder: with weights, on any device; or without, on "meta": then `fill` sets them where they will stand, shared out already."""
        self.config, self.ranks = config, ranks
        self.decoder = decoder if fill and self.is_sharded else _filled(decoder, ranks, fill)
        self.guard = Guard(config.train.max_bad_steps, config.train.divergence)
        self._device = ranks.device.partition(":")[0]
        if config.run.compile:
            self.decoder.compile_blocks()
        self._plain = Objective(self.decoder)
        self._module = spread(self._plain, list(self.decoder.blocks), ranks, config.run.parallel)
        if fill and self.is_sharded:
            _filled(self.decoder, ranks, fill)
        self.optimizers = make_optimizers(self.decoder.named_parameters(), config.optimizer)
        self._weights = [one for one in self.decoder.parameters() if one.requires_grad]
        self._threads = self._num_threads()
        self._pool = ThreadPoolExecutor(self._threads, "train", torch.set_num_threads, (1,))

    def _num_threads(self) -> int:
        """Return among how many threads a step's rows are dealt."""
        network = self.decoder.config
        drops = network.attention_dropout or network.residual_dropout or network.embedding_dropout
        is_whole = self._device != "cpu" or self.ranks.count > 1 or self.config.run.compile or drops
        return 1 if is_whole else self.config.run.threads or torch.get_num_threads()

    @property
    def is_sharded(self) -> bool:
        """Say whether this rank has only a part of every weight."""
        return self.ranks.count > 1 and self.config.run.parallel == "fsdp"

    def loss(self, *parts: torch.Tensor) -> torch.Tensor:
        """Return the sum of the losses of rows (tokens, positions, segments, targets), without gradients between ranks."""
        module = self._module if self.is_sharded else self._plain
        return module(*parts)  # type: ignore[no-any-return]

    def likeliest(
        self, tokens_BT: torch.Tensor, positions_BT: torch.Tensor, segments_BT: torch.Tensor, cache: KeyValueCache
    ) -> torch.Tensor:
        """Return the likeliest token after each row, int64[B]; the cache is extended by the rows."""
        module = self._module if self.is_sharded else self._plain
        with self.autocast():
            return module(tokens_BT, positions_BT, segments_BT, cache=cache).argmax(-1)  # type: ignore[no-any-return]

    def weights(self, keep: bool = True) -> dict[str, torch.Tensor]:
        """Return the weights as whole tensors on the processor; nothing where not `keep`. Call it on every rank."""
        if self.is_sharded:
            self._module.reshard()  # a pass without gradients leaves the outermost weights gathered, in memory that is used again
        gathered = ((name, whole(weight)) for name, weight in self.decoder.named_parameters())
        return {name: weight for name, weight in gathered if keep}

    def autocast(self) -> Any:
        """Return the context that matrix products run in."""
        return torch.autocast(self._device, torch.bfloat16, enabled=self.config.train.precision == "bfloat16")

    def advance(self, step: int, rows: Any) -> Done:
        """Make step `step` (from 1) with this rank's rows. Raises Diverged when the run must end."""
        self.decoder.train()
        # Dropout draws anew from the step's number, so a resumed run needs no state of a generator.
        torch.manual_seed(hash((self.config.train.seed, step, self.ranks.rank)))
        targets = torch.as_tensor(rows.targets)
        learns = targets != NO_LOSS
        own = [float(learns.sum()), float(((torch.as_tensor(rows.positions) + 1) * learns).sum())]
        count, span = joined(self.ranks, own)
        total = self._accumulate(rows, scale=self.ranks.count / max(count, 1.0))
        loss = joined(self.ranks, [total])[0] / max(count, 1.0)
        norm = self._clip()
        rate = factor(self.config.schedule, step)
        applied = self.guard.admits(step, loss, norm) and count > 0
        if applied:
            set_rate(self.optimizers, rate)
            for optimizer in self.optimizers:
                optimizer.step()
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        return Done(loss, norm, rate * self.config.optimizer.lr, int(count), span / max(count, 1.0), applied)

    def _accumulate(self, rows: Any, scale: float) -> float:
        """Add the gradients of all micro-batches, each loss times `scale`; return this rank's sum of losses."""
        parts = list(self._micro_batches(rows))
        if self._threads > 1:
            return sum(self._in_threads(part, scale) for part in parts)
        sums = []
        for number, part in enumerate(parts, 1):
            with exchanging(self._module, is_last=number == len(parts)):
                with self.autocast():
                    loss = self._module(*part)
                (loss * scale).backward()
            sums.append(loss.detach())
        return float(torch.stack(sums).double().sum())

    def _in_threads(self, part: tuple[torch.Tensor, ...], scale: float) -> float:
        """Add the gradients of a micro-batch whose rows are dealt to threads; return its sum of losses."""

        def share(columns: tuple[torch.Tensor, ...]) -> tuple[float, tuple[torch.Tensor, ...]]:
            with self.autocast():
                loss = self._plain(*columns)
            return float(loss.detach()), torch.autograd.grad(loss * scale, self._weights)

        shares = list(self._pool.map(share, zip(*(one.chunk(self._threads) for one in part), strict=True)))
        for _, gradients in shares:
            for weight, gradient in zip(self._weights, gradients, strict=True):
                weight.grad = gradient if weight.grad is None else weight.grad.add_(gradient)
        return sum(loss for loss, _ in shares)

    def _micro_batches(self, rows: Any) -> Iterator[tuple[torch.Tensor, ...]]:
        columns = [torch.as_tensor(one) for one in (rows.tokens, rows.positions, rows.segments, rows.targets)]
        size = self.config.run.micro_rows or len(columns[0])
        for first in range(0, len(columns[0]), size):
            yield tuple(one[first : first + size].to(self.ranks.device, non_blocking=True) for one in columns)

    def _clip(self) -> float:
        """Scale the gradient down to the greatest norm where there is one; return its norm before."""
        from torch.distributed.tensor import DTensor

        limit = self.config.optimizer.clip or float("inf")
        norm = torch.nn.utils.clip_grad_norm_(self.decoder.parameters(), limit)
        return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)


def _filled(decoder: Any, ranks: Ranks, fill: Callable[[Any], None] | None) -> Any:
    """Return a decoder with weights on its rank's device."""
    if not fill:
        return decoder.to(ranks.device)
    decoder.to_empty(device=ranks.device)
    fill(decoder)
    return decoder
