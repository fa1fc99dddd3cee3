"""Tiny networks of both architectures, ours and transformers', with weights large enough for differences to show."""

from __future__ import annotations

import random
from typing import Any

import torch
from transformers import AutoModelForCausalLM, GPTBigCodeConfig, Starcoder2Config

from model.decoder.checkpoint_names import stored_weights
from model.decoder.config import DecoderConfig
from model.decoder.decoder import Decoder

CONTEXT, VOCABULARY = 160, 61


def random_config(seed: int) -> Any:
    """Return a transformers configuration, drawn from all that the decoder covers."""
    draw = random.Random(seed)
    heads, width = draw.choice([(1, 8), (2, 16), (4, 8), (6, 4)])
    tied, activation = draw.random() < 0.5, draw.choice(["gelu", "gelu_pytorch_tanh"])
    shared = {
        "vocab_size": VOCABULARY, "initializer_range": 0.3, "bos_token_id": 0, "eos_token_id": 0,
        "tie_word_embeddings": tied,
    }  # fmt: skip
    if seed % 2:
        return GPTBigCodeConfig(
            n_positions=CONTEXT, n_embd=heads * width, n_layer=2, n_head=heads, multi_query=seed % 4 == 1,
            n_inner=draw.choice([None, 40]), activation_function=activation, scale_attn_weights=draw.random() < 0.8,
            layer_norm_epsilon=draw.choice([1e-5, 1e-3]), **shared,
        )  # fmt: skip
    groups = draw.choice([one for one in (1, 2, 3, heads) if heads % one == 0])
    return Starcoder2Config(
        hidden_size=heads * width, intermediate_size=40, num_hidden_layers=2, num_attention_heads=heads,
        num_key_value_heads=groups, hidden_act=activation, max_position_embeddings=CONTEXT, use_bias=draw.random() < 0.6,
        sliding_window=draw.choice([None, 1, 7, 64, 500]), norm_epsilon=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": draw.choice([100.0, 1e6])}, **shared,
    )  # fmt: skip


def peer(config: Any, attention: str = "eager") -> Any:
    """Return transformers' model, every weight away from its beginning."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.15)
    return model


def ours(model: Any, attention: str = "auto") -> Decoder:
    """Return our decoder with the weights of transformers' model."""
    config = DecoderConfig.from_huggingface(model.config.to_dict())
    decoder = Decoder(config, attention).eval()
    theirs = model.state_dict()
    weights = {one.ours: one.join([theirs[name] for name in one.theirs]).clone() for one in stored_weights(config)}
    decoder.load_state_dict(weights)
    return decoder


def some_tokens(batch: int, length: int, seed: int = 0) -> torch.Tensor:
    """Return random tokens, int64 [batch, length]."""
    return torch.randint(0, VOCABULARY, (batch, length), generator=torch.Generator().manual_seed(seed))
