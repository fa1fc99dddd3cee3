"""The loss over the vocabulary, in blocks of positions: the logits of all positions never stand in memory at once.

The gradient of a block's logits is known as soon as they are, so the forward pass turns it into those of the hidden
states and of the projection, and drops it: nothing is computed twice. Logits are computed in the type of the
products (autocast counted), their softmax and the sum of losses in float32. Positions without a target are left out
on a processor. Not covered: second derivatives; a gradient of single losses (they are summed).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

NO_TARGET = -100
BLOCK_NUMBERS = 1 << 21
"""Logits of one block on a processor: few enough to stay in its cache between products."""
_SOFTMAX_NUMBERS = 1 << 19
_BLOCK_NUMBERS_CUDA = 1 << 27


def vocabulary_loss(hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sum of the losses (nats, float32) of all targets that are not NO_TARGET, and their number (int64)."""
    device = hidden_ND.device.type
    count = (targets_N != NO_TARGET).sum()
    if device == "cpu" and int(count) < len(targets_N):
        learns = (targets_N != NO_TARGET).nonzero().flatten()
        hidden_ND, targets_N = hidden_ND[learns], targets_N[learns]
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        hidden_ND, weight_VD = hidden_ND.to(dtype), weight_VD.to(dtype)
    has_gradient = torch.is_grad_enabled()
    total: Tensor = _SummedLoss.apply(hidden_ND, weight_VD, targets_N, has_gradient)  # type: ignore[no-untyped-call]
    return total, count


class _SummedLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, learns: bool) -> Tensor:
        learns = learns and any(ctx.needs_input_grad)
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        d_hidden = torch.empty_like(hidden) if learns else None
        d_weight = torch.zeros_like(weight, dtype=torch.float32) if learns else None
        for block in _blocks(len(hidden), len(weight), hidden.device.type):
            losses, gradient = _losses(hidden[block] @ weight.T, targets[block, None], learns)
            total += losses.sum()
            if gradient is not None and d_hidden is not None and d_weight is not None:
                torch.mm(gradient, weight, out=d_hidden[block])
                d_weight += gradient.T @ hidden[block]
        ctx.save_for_backward(d_hidden, d_weight)
        ctx.dtype = weight.dtype
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor, Tensor, None, None]:
        d_hidden, d_weight = ctx.saved_tensors
        # The scale is that of a mean, small and any number: it is applied before rounding to the weights' type.
        return (d_hidden * scale).to(d_hidden.dtype), (d_weight * scale).to(ctx.dtype), None, None


def _blocks(count: int, vocab_size: int, device: str) -> list[slice]:
    rows = max(1, (BLOCK_NUMBERS if device == "cpu" else _BLOCK_NUMBERS_CUDA) // vocab_size)
    return [slice(first, first + rows) for first in range(0, count, rows)]


def _losses(logits: Tensor, chosen: Tensor, learns: bool) -> tuple[Tensor, Tensor | None]:
    """Return the losses float32 [n, 1] of a block, and the gradient of its logits in their type (their memory may be used).

    chosen: int64 [n, 1] targets. Both are 0 where there is no target; on a processor all have one.
    """
    if logits.device.type == "cpu" and learns:
        losses, gradient = _losses_on_cpu(logits, chosen)
        return losses, _less_target(gradient, chosen, losses)
    has_target, chosen = chosen != NO_TARGET, chosen.clamp_min(0)
    logs = functional.log_softmax(logits, -1, dtype=torch.float32)
    losses = -logs.gather(1, chosen)
    if not learns:
        return losses * has_target, None
    gradient = _less_target(logs.exp_().to(logits.dtype), chosen, losses)
    return losses * has_target, gradient.mul_(has_target)


def _less_target(softmax: Tensor, chosen: Tensor, losses: Tensor) -> Tensor:
    """Take 1 from the target's probability, in float32: less 1, one near 1 that was rounded before would be noise."""
    return softmax.scatter_(1, chosen, torch.expm1(-losses).to(softmax.dtype))


def _losses_on_cpu(logits: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Return losses and softmax in the logits' memory; its float32 form exists for a few rows at a time, inside the cache."""
    likelihoods = torch.empty(chosen.shape, dtype=torch.float32)
    at_target = logits.gather(1, chosen).float()
    exact = torch.zeros_like(at_target)
    rows = max(1, _SOFTMAX_NUMBERS // logits.shape[1])
    for first in range(0, len(logits), rows):
        part = logits[first : first + rows]
        softmax = torch.softmax(part, -1, dtype=torch.float32)
        likelihood = softmax.gather(1, chosen[first : first + rows])
        likelihoods[first : first + rows] = likelihood
        if not likelihood.all():  # below what float32 holds: the loss is taken from the logits
            exact[first : first + rows] = torch.logsumexp(part.float(), -1, keepdim=True)
        part.copy_(softmax)
    losses = torch.where(likelihoods > 0, -likelihoods.log(), exact - at_target)
    return losses, logits
