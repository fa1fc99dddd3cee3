"""How Hugging Face's checkpoints name and lay out the weights of a decoder.

GPTBigCode stores queries, keys and values as one matrix: [q | k | v] with one key-value head, and for each head in turn
(q, k, v) when every head has its own. StarCoder2 stores three matrices. Here they are always one, [q | k | v].
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from model.decoder.config import DecoderConfig

_BLOCK = {
    "gpt_bigcode": {
        "attention_norm": "ln_1", "qkv": "attn.c_attn", "attention_out": "attn.c_proj",
        "mlp_norm": "ln_2", "mlp_in": "mlp.c_fc", "mlp_out": "mlp.c_proj",
    },
    "starcoder2": {
        "attention_norm": "input_layernorm", "attention_out": "self_attn.o_proj",
        "mlp_norm": "post_attention_layernorm", "mlp_in": "mlp.c_fc", "mlp_out": "mlp.c_proj",
    },
}  # fmt: skip
_OUTSIDE = {
    "gpt_bigcode": {"embed_tokens": "transformer.wte", "embed_positions": "transformer.wpe", "norm": "transformer.ln_f"},
    "starcoder2": {"embed_tokens": "model.embed_tokens", "norm": "model.norm"},
}  # fmt: skip
_LAYERS = {"gpt_bigcode": "transformer.h", "starcoder2": "model.layers"}
# Tensors of older checkpoints that hold no weights.
IGNORED_ENDINGS = (".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq")
TIED = "lm_head.weight"


@dataclass(frozen=True, slots=True)
class Stored:
    """One weight of ours and the tensors that hold it."""

    ours: str
    theirs: tuple[str, ...]
    rows: tuple[int, ...] = ()
    """Rows of each of `theirs`, where there are several."""
    heads: int = 0
    """Heads whose (q, k, v) are stored in turn; 0: as ours."""

    def join(self, tensors: list[Tensor]) -> Tensor:
        """Return our weight from their tensors."""
        whole = tensors[0] if len(tensors) == 1 else torch.cat(tensors)
        return _swap(whole, self.heads, 3) if self.heads else whole

    def split(self, weight: Tensor) -> list[Tensor]:
        """Return their tensors from our weight."""
        whole = _swap(weight, 3, self.heads) if self.heads else weight
        return list(torch.split(whole, list(self.rows))) if self.rows else [whole]


def _swap(rows: Tensor, outer: int, inner: int) -> Tensor:
    """Rows in `outer` groups of `inner` groups become rows in `inner` groups of `outer` groups."""
    grouped = rows.view(outer, inner, -1, *rows.shape[1:])
    return grouped.transpose(0, 1).reshape(rows.shape)


def stored_weights(config: DecoderConfig) -> Iterator[Stored]:
    """Yield every weight of a decoder, in the order of its parameters' names."""
    outside = _OUTSIDE[config.architecture]
    for ours, theirs in outside.items():
        yield from (Stored(f"{ours}.{kind}", (f"{theirs}.{kind}",)) for kind in _kinds(ours, True))
    for layer in range(config.layers):
        yield from _block_weights(config, f"blocks.{layer}.", f"{_LAYERS[config.architecture]}.{layer}.")
    if not config.tie_embeddings:
        yield Stored(TIED, (TIED,))


def _block_weights(config: DecoderConfig, ours: str, theirs: str) -> Iterator[Stored]:
    for part, name in _BLOCK[config.architecture].items():
        for kind in _kinds(part, config.biases):
            heads = config.heads if part == "qkv" and config.kv_heads > 1 else 0
            yield Stored(f"{ours}{part}.{kind}", (f"{theirs}{name}.{kind}",), heads=heads)
    if config.architecture == "starcoder2":
        kv_rows = config.kv_heads * config.head_size
        for kind in _kinds("qkv", config.biases):
            names = tuple(f"{theirs}self_attn.{one}_proj.{kind}" for one in "qkv")
            yield Stored(f"{ours}qkv.{kind}", names, rows=(config.hidden, kv_rows, kv_rows))


def _kinds(part: str, biases: bool) -> tuple[str, ...]:
    if part.startswith("embed"):
        return ("weight",)
    return ("weight", "bias") if biases or "norm" in part else ("weight",)
