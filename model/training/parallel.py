"""Ranks: one process, or several under torchrun with DDP (each has all weights) or FSDP2 (each has a part of every weight).

Rank k of K computes rows k*B/K to (k+1)*B/K of each step's B rows, so the documents of a step are the same for any K. Sums are joined in
float64. Gradients of a step are those of the sum of its losses over the number of its targets on all ranks, whatever each rank has of them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from stack_data.errors import ConfigError

if TYPE_CHECKING:
    import torch

Batch = TypeVar("Batch")


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among those of a run. device: "cpu" or "cuda:N"; has_joined: join() made the group of processes, so leave() ends it."""

    rank: int
    count: int
    device: str
    has_joined: bool = False

    @property
    def is_first(self) -> bool:
        """Say whether this process keeps the log and writes checkpoints."""
        return self.rank == 0


def join(wanted: Literal["auto", "cpu", "cuda"]) -> Ranks:
    """Return this process's place, after it met the others where torchrun started it. ConfigError for a device that is not there."""
    import torch

    has_gpu = torch.cuda.is_available()
    if wanted == "cuda" and not has_gpu:
        raise ConfigError("'run.device' is cuda, and torch sees no GPU here; write auto or cpu")
    on_gpu = has_gpu and wanted != "cpu"
    rank, count = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if on_gpu else "cpu"
    if on_gpu:
        torch.cuda.set_device(device)
    joins = count > 1 and not torch.distributed.is_initialized()
    if joins:
        torch.distributed.init_process_group("nccl" if on_gpu else "gloo")
    return Ranks(rank, count, device, joins)


def leave(ranks: Ranks) -> None:
    """Part from the other ranks; a group that the caller made before stays his."""
    if ranks.has_joined:
        import torch

        torch.distributed.destroy_process_group()


def joined(ranks: Ranks, values: list[float], how: Literal["sum", "max"] = "sum") -> list[float]:
    """Return the sum (or maximum) over all ranks of each value."""
    if ranks.count == 1:
        return values
    import torch

    tensor = torch.tensor(values, dtype=torch.float64, device=ranks.device)
    operation = torch.distributed.ReduceOp.SUM if how == "sum" else torch.distributed.ReduceOp.MAX
    torch.distributed.all_reduce(tensor, op=operation)
    return [float(value) for value in tensor.tolist()]


def dealt(batches: Sequence[Batch], ranks: Ranks) -> Iterator[tuple[Batch, bool]]:
    """Yield batches in turn to each rank, as many to every one: under FSDP all take part in every pass. False: another rank counts it."""
    for first in range(0, len(batches), ranks.count):
        number = first + ranks.rank
        yield batches[min(number, len(batches) - 1)], number < len(batches)


def wait(ranks: Ranks) -> None:
    """Wait for the other ranks."""
    if ranks.count > 1:
        import torch

        torch.distributed.barrier()


def agree(ranks: Ranks, action: Callable[[], Any]) -> Any:
    """Run an action on the first rank; when it fails there, it fails on all. Return its result there, None elsewhere."""
    result, error = None, None
    if ranks.is_first:
        try:
            result = action()
        except Exception as failure:  # noqa: BLE001  told to the others, then raised
            error = failure
    failed = joined(ranks, [1.0 if error else 0.0])[0] > 0
    if error:
        raise error
    if failed:
        raise ConfigError("the first rank failed; its message says why")
    return result


def spread(module: torch.nn.Module, blocks: list[torch.nn.Module], ranks: Ranks, how: Literal["ddp", "fsdp"]) -> Any:
    """Return a module whose gradients are averaged over all ranks; blocks: the parts that FSDP gathers one after the other."""
    if ranks.count == 1:
        return module
    import torch

    if how == "ddp":
        ids = [torch.device(ranks.device)] if ranks.device != "cpu" else None
        return torch.nn.parallel.DistributedDataParallel(module, device_ids=ids, gradient_as_bucket_view=True)
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(ranks.device.partition(":")[0], (ranks.count,))
    for block in blocks:
        fully_shard(block, mesh=mesh)
    return fully_shard(module, mesh=mesh)


@contextlib.contextmanager
def exchanging(module: Any, is_last: bool) -> Iterator[None]:
    """Exchange gradients between ranks in this backward pass only if it is the last of a step."""
    if hasattr(module, "no_sync"):
        with contextlib.nullcontext() if is_last else module.no_sync():
            yield
        return
    if hasattr(module, "set_requires_gradient_sync"):
        module.set_requires_gradient_sync(is_last)
    yield
