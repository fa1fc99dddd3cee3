"""The blockwise loss is the plain one, its gradient too, and it never holds the logits of all positions."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from model.decoder import loss as loss_module
from model.decoder.loss import vocabulary_loss


def plain(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy((hidden @ weight.T).float(), targets, reduction="sum", ignore_index=-100)


def example(count: int, vocabulary: int, scale: float = 1.0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(count)
    hidden = torch.randn(count, 16, generator=generator, requires_grad=True)
    weight = (torch.randn(vocabulary, 16, generator=generator) * scale).requires_grad_()
    targets = torch.randint(0, vocabulary, (count,), generator=generator)
    return hidden, weight, targets


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 70), st.integers(2, 40), st.integers(1, 300), st.integers(1, 5), st.floats(0.1, 3))
def test_loss_and_gradient_equal_the_plain_ones_for_any_block(
    count: int, vocabulary: int, numbers: int, every: int, scale: float
) -> None:
    hidden, weight, targets = example(count, vocabulary)
    targets[::every] = -100
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loss_module, "BLOCK_NUMBERS", numbers)
        patch.setattr(loss_module, "_SOFTMAX_NUMBERS", numbers // 3)
        total, learnt = vocabulary_loss(hidden, weight, targets)
        with torch.no_grad():
            assert vocabulary_loss(hidden, weight, targets)[0].item() == pytest.approx(total.item(), rel=1e-6, abs=1e-5)
    wanted = plain(hidden, weight, targets)
    assert int(learnt) == int((targets >= 0).sum())
    assert total.item() == pytest.approx(wanted.item(), rel=1e-6, abs=1e-5)
    found = torch.autograd.grad(total * scale, (hidden, weight))
    for mine, theirs in zip(found, torch.autograd.grad(wanted * scale, (hidden, weight)), strict=True):
        assert torch.allclose(mine, theirs, atol=3e-6 * scale, rtol=1e-5)


def test_a_loss_too_large_for_a_probability_is_still_exact() -> None:
    hidden, weight, targets = example(5, 30, scale=60.0)
    total, _ = vocabulary_loss(hidden, weight, targets)
    wanted = plain(hidden, weight, targets)
    assert wanted.item() > 5 * 100
    assert total.item() == pytest.approx(wanted.item(), rel=1e-6)
    assert torch.allclose(torch.autograd.grad(total, weight)[0], torch.autograd.grad(wanted, weight)[0], atol=1e-5)


def test_in_bfloat16_the_gradient_of_a_sure_prediction_is_not_noise() -> None:
    hidden = torch.tensor([[8.0, 0.0]], dtype=torch.bfloat16, requires_grad=True)
    weight = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.bfloat16)
    total, _ = vocabulary_loss(hidden, weight, torch.tensor([0]))
    sure = float(torch.sigmoid(torch.tensor(-8.0)))
    assert float(torch.autograd.grad(total, hidden)[0][0, 0]) == pytest.approx(-sure, rel=0.01)
    assert total.item() == pytest.approx(sure, rel=0.01)


def test_under_autocast_weights_get_float32_gradients_near_the_exact_ones() -> None:
    hidden, weight, targets = example(40, 50)
    with torch.autocast("cpu", torch.bfloat16):
        total, count = vocabulary_loss(hidden, weight, targets)
    found = torch.autograd.grad(total / count, weight)[0]
    wanted = torch.autograd.grad(plain(hidden, weight, targets) / 40, weight)[0]
    assert found.dtype == torch.float32
    assert (found - wanted).abs().max() < 0.02 * wanted.abs().max()


def test_no_tensor_as_large_as_all_logits_is_made() -> None:
    hidden, weight, targets = example(4096, 2048)
    largest = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            out = function(*args, **(kwargs or {}))
            largest.append(out.numel() if isinstance(out, torch.Tensor) else 0)
            return out

    with Watch():
        vocabulary_loss(hidden, weight, targets)[0].backward()
    assert max(largest) <= loss_module.BLOCK_NUMBERS < 4096 * 2048 / 3
