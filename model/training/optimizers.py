"""Optimizers: which weight is in which, their learning rates, and their state by the names of the weights.

AdamW for everything; or torch.optim.Muon for the matrices of the blocks and AdamW for embeddings, norms and biases. Muon's updates are
scaled to the usual size of AdamW's ("match_rms_adamw"), so that one learning rate serves both. Weight decay is on what has two dimensions.

State is saved under the weight's name (`name/exp_avg`), whole whatever the number of ranks, so that a run goes on with another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from model.decoder.sharded import like, whole
from model.training.config import OptimizerConfig
from stack_data.errors import InputError

if TYPE_CHECKING:
    import torch

Named = list[tuple[str, "torch.nn.Parameter"]]
EMBEDDINGS = ("wte", "wpe", "embed", "lm_head")


def make_optimizers(named: Iterable[tuple[str, torch.nn.Parameter]], config: OptimizerConfig) -> list[Any]:
    """Return the optimizers of named weights: AdamW, and before it Muon where the configuration says so.

    Each group has `highest`, its highest learning rate, and `names`, those of its weights.
    """
    import torch

    weights = [(name, weight) for name, weight in named if weight.requires_grad]
    matrices = [(name, weight) for name, weight in weights if config.name == "muon" and is_matrix(name, weight)]
    chosen = {name for name, _ in matrices}
    rest = [(name, weight) for name, weight in weights if name not in chosen]
    made: list[Any] = []
    if matrices:
        rate = config.matrix_lr or config.lr
        made.append(
            torch.optim.Muon(
                [_group(matrices, rate, config.weight_decay)], lr=rate, weight_decay=config.weight_decay,
                momentum=config.momentum, adjust_lr_fn="match_rms_adamw",
            )
        )  # fmt: skip
    decayed = [(name, weight) for name, weight in rest if weight.ndim >= 2]
    plain = [(name, weight) for name, weight in rest if weight.ndim < 2]
    groups = [_group(part, config.lr, decay) for part, decay in ((decayed, config.weight_decay), (plain, 0.0)) if part]
    if groups:
        made.append(torch.optim.AdamW(groups, lr=config.lr, betas=(config.beta1, config.beta2), eps=config.eps, fused=True))  # fmt: skip
    return made


def is_matrix(name: str, weight: torch.Tensor) -> bool:
    """Say whether a weight is a matrix inside a block, which Muon is made for."""
    return weight.ndim == 2 and not any(part in EMBEDDINGS or part.startswith("embed") for part in name.split("."))


def _group(named: Named, rate: float, decay: float) -> dict[str, Any]:
    return {
        "params": [weight for _, weight in named], "names": [name for name, _ in named],
        "lr": rate, "highest": rate, "weight_decay": decay,
    }  # fmt: skip


def set_rate(optimizers: Iterable[Any], factor: float) -> None:
    """Give every group its highest learning rate times `factor`."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["highest"] * factor


def state_of(optimizers: Iterable[Any], keep: bool = True) -> dict[str, torch.Tensor]:
    """Return the state of optimizers as whole tensors on the processor, by `weight name/state name`; nothing where not `keep`.

    Call it on every rank: parts of sharded tensors are gathered.
    """
    found = {}
    for optimizer in optimizers:
        for name, weight in _weights(optimizer):
            for key, value in optimizer.state.get(weight, {}).items():
                gathered = whole(value)
                if keep:
                    found[f"{name}/{key}"] = gathered
    return found


def load_state(optimizers: Iterable[Any], tensors: Mapping[str, torch.Tensor], origin: str) -> None:
    """Set the state of fresh optimizers from what `state_of` returned; InputError when it is of other weights."""
    by_name: dict[str, dict[str, str]] = {}
    for key in tensors:
        name, _, part = key.rpartition("/")
        by_name.setdefault(name, {})[part] = key
    for optimizer in optimizers:
        for name, weight in _weights(optimizer):
            if tensors and name not in by_name:
                raise InputError(f"{origin} has no state for {name}; it is of another network or optimizer")
            for part, key in by_name.pop(name, {}).items():
                value = tensors[key]
                if value.ndim and value.shape != weight.shape:
                    raise InputError(f"{origin}: {name} has shape {tuple(value.shape)}, not {tuple(weight.shape)}")
                optimizer.state[weight][part] = like(value, weight)
    if by_name:
        raise InputError(f"{origin} has state for {next(iter(by_name))}, which this network or optimizer does not have")


def _weights(optimizer: Any) -> Iterable[tuple[str, torch.nn.Parameter]]:
    for group in optimizer.param_groups:
        yield from zip(group["names"], group["params"], strict=True)
