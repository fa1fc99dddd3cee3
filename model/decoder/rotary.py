"""Rotary positions: queries and keys turned by angles that grow with their position (RoPE, half-split layout)."""

from __future__ import annotations

import torch
from torch import Tensor


def rotation(positions_BT: Tensor, head_size: int, theta: float) -> tuple[Tensor, Tensor]:
    """Return the cosines and sines, float32 [B, T, 1, head_size / 2]."""
    device = positions_BT.device
    exponents = torch.arange(0, head_size, 2, dtype=torch.float32, device=device) / head_size
    angles = positions_BT[:, :, None, None].float() * (1.0 / theta**exponents)
    return angles.cos(), angles.sin()


def rotate(x_BTNh: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Return the vectors turned, in their own type; computed in float32, for angles are large in long contexts."""
    first, second = x_BTNh.float().chunk(2, dim=-1)
    turned = torch.cat((first * cosine - second * sine, second * cosine + first * sine), dim=-1)
    return turned.to(x_BTNh.dtype)
