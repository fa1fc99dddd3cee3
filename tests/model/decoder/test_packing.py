"""Packed rows: documents do not see each other, and a row's loss and gradient are those of its documents run alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.decoder.decoder import Decoder
from model.decoder.tile_plan import plan_tiles
from model.decoder.tiles import attend_tiles
from model.decoder.visibility import Visibility
from tests.model.decoder.networks import ours, peer, random_config, some_tokens

LENGTHS = (1, 5, 60, 2, 40, 30)
LENGTH = 160


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def packed(lengths: tuple[int, ...], length: int) -> tuple[torch.Tensor, ...]:
    """Return tokens, positions, segments and targets of one row that holds documents of these lengths, then padding."""
    tokens, positions = some_tokens(1, length), torch.zeros(1, length, dtype=torch.int64)
    segments, targets = torch.full((1, length), -1, dtype=torch.int32), torch.full((1, length), -100)
    begin = 0
    for number, one in enumerate(lengths):
        row = slice(begin, begin + one)
        positions[0, row], segments[0, row] = torch.arange(one), number
        targets[0, row] = some_tokens(1, one, number)
        begin += one
    return tokens, positions, segments, targets


def gradients(decoder: Decoder, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    names, weights = zip(*decoder.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss, weights), strict=True))


@pytest.mark.parametrize("path", ["tiles", "sdpa", "eager"])
@pytest.mark.parametrize("seed", [1, 2, 3, 4, 8])
def test_a_packed_rows_loss_and_gradient_are_those_of_its_documents_alone(path: str, seed: int) -> None:
    decoder = ours(peer(random_config(seed)), path)
    tokens, positions, segments, targets = packed(LENGTHS, LENGTH)
    total, count = decoder.loss(decoder(tokens, positions, segments), targets)
    alone = torch.zeros(())
    for begin, one in zip((0, 1, 6, 66, 68, 108), LENGTHS, strict=True):
        row = slice(begin, begin + one)
        alone = alone + decoder.loss(decoder(tokens[:, row]), targets[:, row])[0]
    assert int(count) == sum(LENGTHS)
    assert total.item() == pytest.approx(alone.item(), rel=1e-6)
    wanted = gradients(decoder, alone / count)
    scale = max(float(one.abs().max()) for one in wanted.values())
    for name, found in gradients(decoder, total / count).items():
        assert (found - wanted[name]).abs().max() < 1e-6 * max(scale, 1), name


def test_with_attention_across_documents_the_loss_differs() -> None:
    decoder = ours(peer(random_config(1)))
    tokens, positions, segments, targets = packed(LENGTHS, LENGTH)
    apart = decoder.loss(decoder(tokens, positions, segments), targets)[0]
    leaking = decoder.loss(decoder(tokens, positions, torch.where(segments < 0, -1, 0)), targets)[0]
    assert abs((apart - leaking).item()) > 1e-3 * apart.item()


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.integers(1, 50), max_size=6), min_size=1, max_size=3), st.integers(1, 90),
    st.sampled_from([4, 16, 32]), st.sampled_from([0, 1, 5, 40]), st.sampled_from([1, 2, 4]), st.booleans(),
)  # fmt: skip
def test_tiles_equal_the_plain_mask_for_any_rows_and_sizes(
    documents: list[list[int]], length: int, size: int, window: int, kv_heads: int, is_segmented: bool
) -> None:
    rows = [torch.tensor([n for n, one in enumerate(row) for _ in range(one)], dtype=torch.int32) for row in documents]
    segments = torch.full((len(rows), length), -1, dtype=torch.int32)
    for row, found in zip(segments, rows, strict=True):
        row[: len(found)] = found[:length]
    visible = Visibility(len(rows), length, length, window, segments if is_segmented else None, torch.device("cpu"))
    generator = torch.Generator().manual_seed(length)
    query = torch.randn(len(rows), length, 4, 8, generator=generator, requires_grad=True)
    key, value = (torch.randn(len(rows), length, kv_heads, 8, generator=generator, requires_grad=True) for _ in "kv")
    plan = plan_tiles(len(rows), length, size, visible.segments_BL, window or None, torch.float32)
    found = attend_tiles(query, key, value, plan, 0.3)
    repeated = [one.repeat_interleave(4 // kv_heads, 2) for one in (key, value)]
    scores = torch.einsum("bthd,blhd->bhtl", query, repeated[0]) * 0.3
    weights = scores.masked_fill(~visible.mask_B1TL, float("-inf")).softmax(-1)
    wanted = torch.einsum("bhtl,blhd->bthd", weights, repeated[1])
    real = (segments >= 0) if is_segmented else torch.ones(segments.shape, dtype=torch.bool)
    assert torch.allclose(found[real], wanted[real], atol=1e-5)
    direction = torch.randn(wanted.shape, generator=generator) * real[:, :, None, None]
    pairs = [torch.autograd.grad(one, (query, key, value), direction) for one in (found, wanted)]
    assert all(torch.allclose(mine, theirs, atol=1e-4) for mine, theirs in zip(*pairs, strict=True))


def test_runs_of_segments_are_bounded_where_they_change_and_at_each_row() -> None:
    segments = torch.tensor([[0, 0, 1, -1], [0, 0, 0, 0]], dtype=torch.int32)
    visible = Visibility(2, 4, 4, 0, segments, torch.device("cpu"))
    assert visible.runs.tolist() == [0, 2, 3, 4, 8]
    assert Visibility(2, 4, 4, 0, None, torch.device("cpu")).runs.tolist() == [0, 4, 8]


@pytest.mark.parametrize("seed", [1, 2])
def test_computing_activations_again_gives_the_same_gradient(seed: int) -> None:
    decoder = ours(peer(random_config(seed)))
    tokens, positions, segments, targets = packed(LENGTHS, LENGTH)
    found = []
    for again in (False, True):
        decoder.checkpoint_activations = again
        found.append(gradients(decoder, decoder.loss(decoder(tokens, positions, segments), targets)[0]))
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_one_batch_can_be_learnt_by_heart_in_bfloat16() -> None:
    torch.manual_seed(0)
    decoder = Decoder(
        ours(peer(random_config(1))).config.model_copy(update={"hidden": 64, "heads": 2, "zero_init": True})
    )
    decoder.eval()
    tokens, positions, segments, targets = packed(LENGTHS, LENGTH)
    moves = torch.optim.AdamW(decoder.parameters(), lr=0.01, weight_decay=0.0)
    losses = []
    for _ in range(120):
        with torch.autocast("cpu", torch.bfloat16):
            total, count = decoder.loss(decoder(tokens, positions, segments), targets)
        (total / count).backward()
        moves.step()
        moves.zero_grad()
        losses.append((total / count).item())
    assert losses[-1] < 0.05 < 3 < losses[0]
