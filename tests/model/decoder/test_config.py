"""Configurations: published sizes, presets, what is read from Hugging Face's files and what is refused."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from transformers import AutoConfig

from model.decoder.config import DecoderConfig
from model.decoder.decoder import Decoder
from stack_data.errors import InputError
from tests.model.decoder.networks import peer, random_config

CONFIGS = Path(__file__).parents[3] / "configs"
PUBLISHED = {
    "164m": 164_144_128, "1b": 1_137_207_296, "3b": 3_043_311_104, "7b": 7_327_263_232, "15b": 15_517_456_384,
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_presets_have_the_published_numbers_of_parameters(name: str) -> None:
    values = tomllib.loads((CONFIGS / f"model-{name}.toml").read_text())["decoder"]
    config = DecoderConfig.model_validate(values)
    assert config.num_parameters() == PUBLISHED[name]
    with torch.device("meta"):
        assert sum(weight.numel() for weight in Decoder(config).parameters()) == PUBLISHED[name]


@pytest.mark.parametrize("seed", range(12))
def test_the_number_of_parameters_is_that_of_transformers(seed: int) -> None:
    model = peer(random_config(seed))
    assert DecoderConfig.from_huggingface(model.config.to_dict()).num_parameters() == model.num_parameters()


@pytest.mark.parametrize("seed", range(12))
def test_what_is_written_for_transformers_is_read_back_by_both(tmp_path: Path, seed: int) -> None:
    theirs = random_config(seed)
    config = DecoderConfig.from_huggingface(theirs.to_dict())
    assert DecoderConfig.from_huggingface(config.to_huggingface()) == config
    again = type(theirs)(**config.to_huggingface())
    free = {"n_inner", "architectures", "dtype", "torch_dtype", "rope_theta", "transformers_version"}
    assert {key: value for key, value in again.to_dict().items() if key not in free} == {
        key: value for key, value in theirs.to_dict().items() if key not in free
    }


def test_absent_keys_have_the_defaults_of_transformers() -> None:
    for kind in ("gpt_bigcode", "starcoder2"):
        defaults = AutoConfig.for_model(kind).to_dict()
        assert DecoderConfig.from_huggingface(
            {"model_type": kind, "eos_token_id": 50256}
        ) == DecoderConfig.from_huggingface(defaults)


def test_rope_of_files_from_before_transformers_5_is_read() -> None:
    config = DecoderConfig.from_huggingface({"model_type": "starcoder2", "rope_theta": 999999.4420358813})
    assert config.rope_theta == 999999.4420358813


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"model_type": "llama"}, "is for model_type 'llama'; gpt_bigcode and starcoder2 can be loaded"),
        ({"model_type": "gpt_bigcode", "add_cross_attention": True}, "has add_cross_attention"),
        ({"model_type": "gpt_bigcode", "activation_function": "relu"}, "activation_function 'relu'; known are gelu"),
        ({"model_type": "starcoder2", "rope_scaling": {"type": "yarn"}}, "scales RoPE by 'yarn'"),
        ({"model_type": "starcoder2", "head_dim": 7, "num_attention_heads": 2, "hidden_size": 8}, "has head_dim 7"),
        ({"model_type": "gpt_bigcode", "n_head": 5}, "describes no decoder: .*hidden 768 is no multiple of heads 5"),
    ],
)  # fmt: skip
def test_what_cannot_be_computed_is_refused(values: dict[str, Any], wanted: str) -> None:
    with pytest.raises(InputError, match=wanted):
        DecoderConfig.from_huggingface(values)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"kv_heads": 2}, "gpt_bigcode has 1 key-value head or as many as heads, not 2; write one of these"),
        ({"sliding_window": 9}, "has no sliding_window"),
        ({"biases": False}, "always has biases"),
        ({"heads": 12, "kv_heads": 5}, "heads 12 is no multiple of kv_heads 5"),
        ({"architecture": "starcoder2", "hidden": 9, "heads": 3}, "RoPE turns pairs"),
        ({"architecture": "starcoder2", "scale_attention": False}, "always scales scores"),
        ({"layer": 3}, "layer"),
    ],
)
def test_a_configuration_that_fits_no_architecture_is_refused(values: dict[str, Any], wanted: str) -> None:
    with pytest.raises(ValidationError, match=wanted):
        DecoderConfig(**values)


@pytest.mark.parametrize("zero", [False, True])
def test_weights_begin_as_configured(zero: bool) -> None:
    torch.manual_seed(0)
    decoder = Decoder(
        DecoderConfig(vocab_size=500, context=300, hidden=128, layers=8, heads=2, init_std=0.05, zero_init=zero)
    )
    for name, weight in decoder.named_parameters():
        std = weight.std().item()
        if "norm" in name or name.endswith("bias"):
            assert bool((weight == (0 if name.endswith("bias") else 1)).all()), name
        elif name.endswith("_out.weight"):
            assert std == (0 if zero else pytest.approx(0.05 / 4, rel=0.05)), name
        else:
            assert std == pytest.approx(0.05, rel=0.05), name
    hidden = decoder(torch.arange(200)[None])
    loss, count = decoder.loss(hidden, torch.arange(300, 500)[None])
    assert (loss / count).item() == pytest.approx(6.2, abs=0.5)  # near ln 500


def test_operations_of_a_token_are_six_for_each_weight_and_those_of_attention() -> None:
    config = DecoderConfig(vocab_size=10, context=8, hidden=4, layers=1, heads=2, inner=6)
    weights = 4 * (4 + 4) + 4 * 4 + 2 * 4 * 6 + 10 * 4
    assert config.flops_per_token(8) == 6 * weights + 12 * 4 * 4
