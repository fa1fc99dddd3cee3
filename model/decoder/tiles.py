"""Attention of packed rows on a processor: dense products over the tiles that are seen, and nothing else.

With multi-query attention all heads of a tile of queries are rows of one matrix against the same keys, so a group of tiles
is one batch of large products, which processors with bfloat16 instructions do several times faster than the kernel
behind `scaled_dot_product_attention` (docs/decoder.md has figures). Forward keeps the weights of each group for the
backward pass: `B * H * T * (tiles seen * size)` numbers, less than half of what a mask would need. Scores are rounded
to the computing type before the softmax, as in transformers' eager path; softmax itself is float32 inside.
Not covered: dropout, second derivatives, a cache, devices other than the processor.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from model.decoder.tile_plan import TileGroup, TilePlan

TILE = 128
"""Slots of a tile. Measured over 64, 128, 256 and 512 at T=512."""


@torch.compiler.disable  # type: ignore[untyped-decorator]
def attend_tiles(query_BTHh: Tensor, key_BTKh: Tensor, value_BTKh: Tensor, plan: TilePlan, scale: float) -> Tensor:
    """Return what each query sees of the values, BTHh. All of one float type, on the processor."""
    num_slots = query_BTHh.shape[1]
    if plan.num_slots > num_slots:
        missing = (0, 0, 0, 0, 0, plan.num_slots - num_slots)
        query_BTHh, key_BTKh, value_BTKh = (functional.pad(x, missing) for x in (query_BTHh, key_BTKh, value_BTKh))
    out: Tensor = _Tiles.apply(query_BTHh, key_BTKh, value_BTKh, plan, scale)  # type: ignore[no-untyped-call]
    return out[:, :num_slots]


class _Tiles(torch.autograd.Function):
    """Tensors inside are [K, tiles, rows of a tile, h]: key-value heads first, so that any tiles of one are one batch."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, plan: TilePlan, scale: float) -> Tensor:
        shape, kv_heads = query.shape, key.shape[2]
        query, key, value = (_to_tiles(x, kv_heads, plan.size) for x in (query, key, value))
        out = torch.zeros_like(query)
        weights = []
        for group in plan.groups:
            weights.append(_weights(query, key, group, plan.size, scale))
            out[:, group.queries] = torch.bmm(weights[-1], _pick(value, group.keys)).view(kv_heads, -1, *out.shape[2:])
        ctx.save_for_backward(query, key, value, *weights)
        ctx.plan, ctx.scale = plan, scale
        return _from_tiles(out, shape)

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        query, key, value, *weights = ctx.saved_tensors
        shape, kv_heads, size = grad.shape, len(key), ctx.plan.size
        grad = _to_tiles(grad, kv_heads, size)
        d_query, d_key, d_value = torch.zeros_like(query), _sums(key), _sums(value)
        for group, weight in zip(ctx.plan.groups, weights, strict=True):
            d_out, keys = _pick(grad, group.queries), _pick(key, group.keys)
            _add(d_value, group, torch.bmm(weight.transpose(1, 2), d_out))
            d_weight = torch.bmm(d_out, _pick(value, group.keys).transpose(1, 2))
            d_score = torch._softmax_backward_data(d_weight, weight, -1, weight.dtype)
            d_group = torch.bmm(d_score, keys).mul_(ctx.scale)
            d_query[:, group.queries] = d_group.view(kv_heads, -1, *query.shape[2:])
            _add(d_key, group, torch.bmm(d_score.transpose(1, 2), _pick(query, group.queries)))
        kv_shape = (shape[0], shape[1], kv_heads, shape[3])
        d_key = _from_tiles(d_key.mul_(ctx.scale).to(key.dtype), kv_shape)
        return _from_tiles(d_query, shape), d_key, _from_tiles(d_value.to(value.dtype), kv_shape), None, None


def _to_tiles(x_BTNh: Tensor, kv_heads: int, size: int) -> Tensor:
    """[B, T, N, h] -> contiguous [K, B * T / size, size * N / K, h]: the heads of one position stand together."""
    batch, slots, heads, width = x_BTNh.shape
    grouped = x_BTNh.reshape(batch * slots // size, size, kv_heads, heads // kv_heads, width)
    return grouped.permute(2, 0, 1, 3, 4).reshape(kv_heads, batch * slots // size, -1, width).contiguous()


def _from_tiles(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Undo `_to_tiles`; shape: that of the result, [B, T, N, h]."""
    kv_heads, tiles, _, width = x.shape
    per_head = shape[2] // kv_heads
    grouped = x.view(kv_heads, tiles, -1, per_head, width).permute(1, 2, 0, 3, 4)
    return grouped.reshape(shape)


def _pick(x: Tensor, tiles: Tensor) -> Tensor:
    """Return [K * n, rows, h]: the rows of these tiles; tiles: int64 [n] or [n, k]."""
    return x[:, tiles].reshape(len(x) * len(tiles), -1, x.shape[-1])


def _weights(query: Tensor, key: Tensor, group: TileGroup, size: int, scale: float) -> Tensor:
    queries, keys = _pick(query, group.queries), _pick(key, group.keys)
    # beta 0: the first argument is never read; the product is scaled inside.
    scores = torch.baddbmm(queries.new_empty(()), queries, keys.transpose(1, 2), beta=0, alpha=scale)
    per_head = scores.view(len(key), len(group.queries), size, -1, scores.shape[-1])
    per_head[..., -group.bias.shape[-1] :].add_(group.bias)
    return torch.softmax(scores, -1)


def _sums(x: Tensor) -> Tensor:
    """Return zeros to add up gradients in: float32, for a tile of keys is seen by several groups."""
    return torch.zeros(x.shape, dtype=torch.float32 if x.dtype in (torch.bfloat16, torch.float16) else x.dtype)


def _add(sums: Tensor, group: TileGroup, parts: Tensor) -> None:
    kv_heads, _, rows, width = sums.shape
    sums.index_add_(1, group.keys.flatten(), parts.view(kv_heads, -1, rows, width).to(sums.dtype))
