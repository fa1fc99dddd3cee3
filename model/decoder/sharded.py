"""Weights of which each rank has a part (DTensor), and whole ones: one made of the other."""

from __future__ import annotations

import torch
from torch import Tensor


def whole(value: Tensor) -> Tensor:
    """Return a tensor on the processor, gathered from all ranks where it is sharded."""
    from torch.distributed.tensor import DTensor

    gathered = value.full_tensor() if isinstance(value, DTensor) else value
    return torch.as_tensor(gathered).detach().cpu().contiguous()


def like(value: Tensor, weight: Tensor) -> Tensor:
    """Return a copy of a whole tensor, placed and sharded as a weight is; a number has no parts to share out.

    Every rank gives the same tensor and takes its part of it; nothing is sent.
    """
    from torch.distributed.tensor import DTensor, distribute_tensor

    if isinstance(weight, DTensor) and value.ndim:
        # A copy: what is returned shall not keep the whole tensor in memory.
        return distribute_tensor(value, weight.device_mesh, weight.placements, src_data_rank=None).clone()
    return value.to(weight.device).clone()


@torch.no_grad()
def put(value: Tensor, weight: Tensor) -> None:
    """Set a weight, or the part of it that this rank has, from a whole tensor of any type."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if isinstance(weight, DTensor):
        parts = distribute_tensor(value, weight.device_mesh, weight.placements, src_data_rank=None)
        weight.to_local().copy_(parts.to_local())
    else:
        weight.copy_(value)
