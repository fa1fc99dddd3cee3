"""The decoder computes what transformers computes, by every path that runs here.

Tolerances: float32 1e-5 of the largest logit. bfloat16: no further from float32 than 1.5 times transformers' own bfloat16.
"""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch

from model.decoder.checkpoint_names import stored_weights
from model.decoder.decoder import Decoder
from stack_data.errors import ConfigError
from tests.model.decoder.networks import ours, peer, random_config, some_tokens

FLOAT32 = 1e-5
PATHS = ("eager", "sdpa", "tiles", "flex")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def logits(decoder: Decoder, tokens: torch.Tensor, *more: Any, **named: Any) -> torch.Tensor:
    with torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "flex_attention called without torch.compile")
        return decoder.logits(decoder(tokens, *more, **named))


def far(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """Return the largest difference, as a share of the largest value wanted."""
    return float((found - wanted).abs().max() / wanted.abs().max())


@pytest.mark.parametrize("seed", range(16))
def test_logits_equal_those_of_transformers_on_random_configurations_by_every_path(seed: int) -> None:
    config = random_config(seed)
    model = peer(config, "eager" if seed % 3 else "sdpa")
    tokens = some_tokens(2, 150, seed)
    with torch.no_grad():
        wanted = model(tokens).logits
    assert wanted.abs().max() > 0.5
    for path in PATHS:
        assert far(logits(ours(model, path), tokens), wanted) < FLOAT32, path


@pytest.mark.parametrize("seed", range(8))
def test_gradients_equal_those_of_transformers(seed: int) -> None:
    model = peer(random_config(seed))
    tokens = some_tokens(2, 140, seed)
    targets = torch.full_like(tokens, -100)
    targets[:, :-1] = tokens[:, 1:]
    model(tokens, labels=tokens).loss.backward()
    for path in ("eager", "sdpa", "tiles"):
        decoder = ours(model, path)
        total, count = decoder.loss(decoder(tokens), targets)
        (total / count).backward()
        largest = max(float(weight.grad.abs().max()) for weight in model.parameters())
        gradients = {name: weight.grad for name, weight in model.named_parameters()}
        for one in stored_weights(decoder.config):
            wanted = one.join([gradients[name] for name in one.theirs])
            found = decoder.get_parameter(one.ours).grad
            assert found is not None and (found - wanted).abs().max() < 1e-5 * largest, (path, one.ours)


@pytest.mark.parametrize("seed", range(8))
def test_bfloat16_is_no_further_from_float32_than_transformers_own(seed: int) -> None:
    model = peer(random_config(seed))
    tokens = some_tokens(2, 150, seed)
    with torch.no_grad():
        exact = model(tokens).logits
        theirs = (model.bfloat16()(tokens).logits.float() - exact).square().mean().sqrt()
    for path in ("eager", "sdpa", "tiles"):
        error = (logits(ours(model, path).bfloat16(), tokens).float() - exact).square().mean().sqrt()
        assert error < 1.5 * theirs, (path, error, theirs)
    with torch.autocast("cpu", torch.bfloat16):
        error = (logits(ours(model.float()), tokens).float() - exact).square().mean().sqrt()
    assert error < 1.5 * theirs


@pytest.mark.parametrize("seed", range(8))
def test_left_padding_changes_no_logits(seed: int) -> None:
    model = peer(random_config(seed))
    tokens, padding = some_tokens(2, 120, seed), 37
    attention = torch.ones_like(tokens)
    attention[1, :padding] = 0
    positions = (attention.cumsum(1) - 1).clamp_min(0)
    with torch.no_grad():
        wanted = model(tokens, attention_mask=attention, position_ids=positions).logits
    segments = (attention - 1).int()
    for path in PATHS:
        found = logits(ours(model, path), tokens, positions, segments)
        assert found.isfinite().all()
        assert far(found[attention.bool()], wanted[attention.bool()]) < FLOAT32, path


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    "chunks", [[1] * 30, [100, 1, 1, 40], [7] * 20, [150]], ids=["ones", "prompt", "sevens", "one"]
)
def test_reading_in_pieces_with_a_cache_equals_reading_at_once(seed: int, chunks: list[int]) -> None:
    model = peer(random_config(seed))
    tokens = some_tokens(2, sum(chunks), seed)
    with torch.no_grad():
        wanted = model(tokens).logits
    for path in ("auto", "eager"):
        decoder = ours(model, path)
        cache = decoder.make_cache(2, len(tokens[0]))
        found = [logits(decoder, part, cache=cache) for part in tokens.split(chunks, dim=1)]
        assert far(torch.cat(found, 1), wanted) < FLOAT32, path


def test_a_padded_prompt_is_continued_with_a_cache_as_it_is_alone() -> None:
    model = peer(random_config(6))
    decoder = ours(model)
    short, long = some_tokens(1, 20, 1), some_tokens(1, 33, 2)
    tokens = torch.cat([torch.cat([torch.zeros(1, 13, dtype=torch.int64), short], 1), long])
    segments = torch.zeros(2, 33, dtype=torch.int32)
    segments[0, :13] = -1
    positions = torch.stack([(torch.arange(33) - 13).clamp_min(0), torch.arange(33)])
    cache = decoder.make_cache(2, 40)
    found = [logits(decoder, tokens[:, :30], positions[:, :30], segments[:, :30], cache=cache)]
    for at in range(30, 33):
        found.append(logits(decoder, tokens[:, at : at + 1], positions[:, at : at + 1], cache=cache))
    together = torch.cat(found, 1)
    assert far(together[0, 13:], logits(decoder, short)[0]) < FLOAT32
    assert far(together[1], logits(decoder, long)[0]) < FLOAT32


def test_a_cache_that_was_cut_back_reads_on_as_if_it_had_not_read_further() -> None:
    decoder = ours(peer(random_config(1)))
    tokens, other = some_tokens(1, 20, 1), some_tokens(1, 8, 2)
    cache = decoder.make_cache(1, 24)
    logits(decoder, tokens, cache=cache)
    cache.truncate(12)
    found = logits(decoder, other, cache=cache)
    assert far(found, logits(decoder, torch.cat([tokens[:, :12], other], 1))[:, 12:]) < FLOAT32
    with pytest.raises(ValueError, match="25 tokens do not fit in a cache of 24"):
        decoder(some_tokens(1, 5), cache=cache)
    with pytest.raises(ValueError, match="cannot keep 21 of 20"):
        cache.truncate(21)


def test_flash_is_refused_with_the_reason_and_the_way_out() -> None:
    decoder = ours(peer(random_config(1)), "flash")
    with pytest.raises(
        ConfigError, match="'flash' cannot run here: it needs a CUDA device, and the device is cpu; use"
    ):
        decoder(some_tokens(1, 4))


def test_an_unknown_path_and_one_without_dropout_are_refused() -> None:
    decoder = ours(peer(random_config(1)), "falsh")
    with pytest.raises(ConfigError, match="'falsh' is not known; choose one of auto, eager"):
        decoder(some_tokens(1, 4))
    dropping = Decoder(decoder.config, "tiles")
    assert decoder.config.attention_dropout == 0.1
    with pytest.raises(ConfigError, match="it has no dropout, and attention_dropout is 0.1"):
        dropping(some_tokens(1, 4))
    dropping.attention = "auto"
    assert dropping(some_tokens(1, 4)).isfinite().all()


def test_flex_is_refused_for_training_on_a_processor() -> None:
    with pytest.raises(ConfigError, match="no backward pass on a processor"):
        ours(peer(random_config(2)), "flex")(some_tokens(1, 4))


def test_a_position_beyond_the_context_is_refused() -> None:
    decoder = ours(peer(random_config(1)))
    with pytest.raises(ValueError, match="position 160 is beyond the context of 160 positions"):
        decoder(some_tokens(1, 161))
