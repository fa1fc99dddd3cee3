"""One step of training."""

from __future__ import annotations

import pytest
import torch

from model.decoder.config import DecoderConfig
from model.decoder.decoder import Decoder
from model.training.config import ModelConfig
from model.training.engine import Engine
from model.training.held_out import Batch
from model.training.parallel import Ranks


def engine(optimizer: str, threads: int = 1) -> Engine:
    config = ModelConfig.model_validate(
        {
            "name": "a", "data": {"shards": ["-"]}, "schedule": {"name": "constant", "steps": 1000, "warmup": 5},
            "optimizer": {"name": optimizer, "lr": 0.01, "weight_decay": 0.0},
            "train": {"rows": 2, "positions": 24, "precision": "float32"}, "run": {"threads": threads},
        }
    )  # fmt: skip
    torch.manual_seed(0)
    return Engine(
        Decoder(DecoderConfig(vocab_size=40, context=24, hidden=32, layers=2, heads=2)), config, Ranks(0, 1, "cpu")
    )


def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(0, 40, (2, 25), generator=generator)
    positions = torch.arange(24).expand(2, -1)
    segments = torch.zeros(2, 24, dtype=torch.int64)
    return Batch(*(one.clone().numpy() for one in (tokens[:, :-1], positions, segments, tokens[:, 1:])))


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_one_batch_is_learnt_by_heart(optimizer: str) -> None:
    torch.set_num_threads(1)
    one, rows = engine(optimizer), batch()
    first = one.advance(1, rows)
    assert first.loss == pytest.approx(3.69, abs=0.15)  # ln 40
    assert first.span == 12.5
    losses = [one.advance(step, rows).loss for step in range(2, 121)]
    assert losses[-1] < 0.05


def test_threads_have_the_gradient_of_one_and_always_the_same_bits() -> None:
    one, two, again, rows = engine("adamw"), engine("adamw", threads=2), engine("adamw", threads=2), batch()
    rows.targets[0, :9] = -100
    done = [other.advance(1, rows) for other in (one, two, again)]
    assert done[0].loss == pytest.approx(done[1].loss, abs=1e-6) and done[0].norm == pytest.approx(
        done[1].norm, rel=1e-5
    )
    assert done[1] == done[2]
    for first, second, third in zip(*(other.decoder.parameters() for other in (one, two, again)), strict=True):
        # A step of AdamW moves by its rate whatever the gradient's size, so by the sign of what is nearly nothing.
        assert torch.isclose(first, second, atol=1e-5).float().mean() > 0.99
        assert torch.equal(second, third)


def test_a_gradient_that_is_no_number_changes_nothing() -> None:
    one, rows = engine("adamw"), batch()
    with torch.no_grad():
        one.decoder.blocks[0].mlp_in.weight[0, 0] = float("inf")
    before = [weight.clone() for weight in one.decoder.parameters()]
    done = one.advance(1, rows)
    assert not done.applied
    assert all(torch.equal(old, new) for old, new in zip(before, one.decoder.parameters(), strict=True))


def test_a_step_without_targets_changes_nothing() -> None:
    one, rows = engine("adamw"), batch()
    rows.targets[:] = -100
    before = [weight.clone() for weight in one.decoder.parameters()]
    assert not one.advance(1, rows).applied
    assert all(torch.equal(old, new) for old, new in zip(before, one.decoder.parameters(), strict=True))
