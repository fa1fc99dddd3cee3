"""Attention paths: the same result by different kernels, chosen by name, refused with one line where one cannot run.

eager   plain products and a mask: the reference; any device
sdpa    torch's fused kernel, causal without a mask where nothing else is hidden; any device
tiles   dense products over tiles that are seen (tiles.py); processors, the fastest for packed rows
flex    FlexAttention with a block mask, compiled on CUDA; training on CUDA, only the forward pass on processors
flash   variable-length FlashAttention: the flash-attn package, or the kernel inside torch; CUDA, fp16 and bf16

auto: flash on CUDA where it can run, else flex; tiles on a processor, else (dropout) sdpa. Whatever the path, calls with a cache go through
sdpa (eager with eager): the kernels of the others are made for whole rows. All paths take and give [B, T, heads, h].
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from model.decoder.config import DecoderConfig
from model.decoder.tiles import TILE, attend_tiles
from model.decoder.visibility import Visibility
from stack_data.errors import ConfigError

AttentionPath = Literal["auto", "eager", "sdpa", "tiles", "flex", "flash"]
Attend = Callable[[Tensor, Tensor, Tensor, Visibility, float, float], Tensor]
_FLASH_TYPES = (torch.float16, torch.bfloat16)
_FLASH_HEAD = 256


def choose_path(
    wanted: str, config: DecoderConfig, device: torch.device, dtype: torch.dtype, training: bool = False
) -> str:
    """Return the path that `wanted` stands for; ConfigError with the reason and the way out when it cannot run.

    dtype: what queries and keys will be in, autocast counted; training: whether dropout is on.
    """
    dropout = config.attention_dropout if training else 0.0
    if wanted not in get_args(AttentionPath):
        raise ConfigError(f"attention {wanted!r} is not known; choose one of {', '.join(get_args(AttentionPath))}")
    if wanted == "auto":
        order = ("flash", "flex", "sdpa") if device.type == "cuda" else ("tiles", "sdpa")
        return next(path for path in order if not obstacle(path, config, device, dtype, dropout))
    reason = obstacle(wanted, config, device, dtype, dropout)
    if reason:
        raise ConfigError(f"attention '{wanted}' cannot run here: {reason}; use 'auto' or 'sdpa'")
    return wanted


def obstacle(path: str, config: DecoderConfig, device: torch.device, dtype: torch.dtype, dropout: float) -> str | None:
    """Say why a path cannot run, or None."""
    if path in ("tiles", "flex") and dropout:
        return f"it has no dropout, and attention_dropout is {dropout}"
    if path == "tiles" and device.type != "cpu":
        return f"it is for processors, and the device is {device.type}"
    return _flash_obstacle(config, device, dtype, dropout) if path == "flash" else None


def _flash_obstacle(config: DecoderConfig, device: torch.device, dtype: torch.dtype, dropout: float) -> str | None:
    if device.type != "cuda":
        return f"it needs a CUDA device, and the device is {device.type}"
    if dtype not in _FLASH_TYPES:
        return f"it computes in bfloat16 or float16, not {str(dtype).removeprefix('torch.')}"
    if config.head_size > _FLASH_HEAD or config.head_size % 8:
        return f"heads must be a multiple of 8 and at most {_FLASH_HEAD} wide, not {config.head_size}"
    if dropout and not has_flash_attn():
        return "the kernel inside torch has no dropout, and the package flash-attn (extra 'gpu') is not installed"
    return None


@cache
def has_flash_attn() -> bool:
    """Say whether the package flash-attn is installed."""
    return importlib.util.find_spec("flash_attn") is not None


@torch.compiler.disable  # type: ignore[untyped-decorator]
def attend(
    path: str, query_BTHh: Tensor, key_BLKh: Tensor, value_BLKh: Tensor, visible: Visibility, scale: float, dropout: float
) -> Tensor:  # fmt: skip
    """Return what each query sees of the values, BTHh. dropout: share of weights dropped now, 0 outside training."""
    if visible.num_queries != visible.num_keys and path != "eager":
        path = "sdpa"
    return _PATHS[path](query_BTHh, key_BLKh, value_BLKh, visible, scale, dropout)


def _eager(query: Tensor, key: Tensor, value: Tensor, visible: Visibility, scale: float, dropout: float) -> Tensor:
    batch, num_queries, heads, width = query.shape
    kv_heads = key.shape[2]
    grouped = query.view(batch, num_queries, kv_heads, heads // kv_heads, width).permute(0, 2, 3, 1, 4)
    key, value = (x.permute(0, 2, 1, 3)[:, :, None] for x in (key, value))
    scores = (grouped @ key.transpose(-1, -2)) * scale
    scores = scores.masked_fill(~visible.mask_B1TL[:, :, None], float("-inf"))
    weights = torch.softmax(scores, -1, dtype=torch.float32).to(value.dtype)
    weights = functional.dropout(weights, dropout, training=dropout > 0)
    out: Tensor = (weights @ value).permute(0, 3, 1, 2, 4)
    joined: Tensor = out.reshape(query.shape)
    return joined


def _sdpa(query: Tensor, key: Tensor, value: Tensor, visible: Visibility, scale: float, dropout: float) -> Tensor:
    if visible.num_queries == 1 and query.shape[2] > key.shape[2]:
        return _sdpa_one(query, key, value, visible, scale)
    causal = visible.is_causal_only
    mask = None if causal else visible.mask_B1TL
    grouped = query.shape[2] // key.shape[2]
    query, key, value = (x.transpose(1, 2) for x in (query, key, value))
    if grouped > 1 and query.device.type == "cpu":  # views; enable_gqa leaves the fused kernel here
        key, value = (_repeated(x, grouped) for x in (key, value))
    out = functional.scaled_dot_product_attention(
        query, key, value, mask, dropout, causal, scale=scale, enable_gqa=key.shape[1] != query.shape[1]
    )
    return out.transpose(1, 2)


def _repeated(x_BKLh: Tensor, times: int) -> Tensor:
    batch, kv_heads, slots, width = x_BKLh.shape
    return x_BKLh[:, :, None].expand(batch, kv_heads, times, slots, width).reshape(batch, -1, slots, width)


def _sdpa_one(query: Tensor, key: Tensor, value: Tensor, visible: Visibility, scale: float) -> Tensor:
    """One query: the heads of a group stand where positions do, so that keys are read once for all of them."""
    batch, _, heads, width = query.shape
    grouped = query.view(batch, key.shape[2], -1, width)
    mask = None if visible.sees_all else visible.mask_B1TL
    out = functional.scaled_dot_product_attention(
        grouped, key.transpose(1, 2), value.transpose(1, 2), mask, scale=scale
    )
    return out.reshape(batch, 1, heads, width)


def _tiles(query: Tensor, key: Tensor, value: Tensor, visible: Visibility, scale: float, dropout: float) -> Tensor:
    out: Tensor = attend_tiles(query, key, value, visible.tiles(TILE, query.dtype), scale)
    return out


def _flex(query: Tensor, key: Tensor, value: Tensor, visible: Visibility, scale: float, dropout: float) -> Tensor:
    if query.device.type == "cpu" and query.requires_grad:
        raise ConfigError("attention 'flex' has no backward pass on a processor; train with 'auto' or 'tiles'")
    query, key, value = (x.transpose(1, 2) for x in (query, key, value))
    run = _flex_kernel(query.device.type)
    out = run(query, key, value, block_mask=visible.block_mask, scale=scale, enable_gqa=query.shape[1] != key.shape[1])
    return torch.as_tensor(out).transpose(1, 2)


@cache
def _flex_kernel(device: str) -> Callable[..., Any]:
    from torch.nn.attention.flex_attention import flex_attention

    # Compiled, hidden blocks are skipped. On processors the plain form is used: compiling has no backward pass there.
    run: Callable[..., Any] = flex_attention
    return torch.compile(run, dynamic=False) if device == "cuda" else run


def _flash(query: Tensor, key: Tensor, value: Tensor, visible: Visibility, scale: float, dropout: float) -> Tensor:
    bounds, longest = visible.runs, visible.num_keys
    window = (visible.window - 1, 0) if visible.is_windowed else (-1, 0)
    rows = tuple(x.flatten(0, 1) for x in (query, key, value))
    settings: dict[str, Any] = {"window_size": window}
    if has_flash_attn():
        kernel = importlib.import_module("flash_attn").flash_attn_varlen_func
        settings |= {"dropout_p": dropout, "softmax_scale": scale, "causal": True}
    else:
        kernel = importlib.import_module("torch.nn.attention.varlen").varlen_attn
        settings |= {"scale": scale, "enable_gqa": query.shape[2] != key.shape[2]}
    out: Tensor = kernel(*rows, bounds, bounds, longest, longest, **settings)
    return out.view(query.shape)


_PATHS: dict[str, Attend] = {"eager": _eager, "sdpa": _sdpa, "tiles": _tiles, "flex": _flex, "flash": _flash}
