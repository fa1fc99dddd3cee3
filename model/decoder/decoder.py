"""The decoder: tokens to hidden states, hidden states to logits or to a loss, for GPTBigCode and StarCoder2.

Both are pre-norm transformers with LayerNorm and a two-matrix MLP; they differ in positions (a table, or rotation), in
the number of key-value heads, in biases and in a sliding window. Queries, keys and values come from one matrix, rows
[queries | keys | values], whatever the stored layout is (checkpoint_names.py). Weights may be float32 under autocast, or
bfloat16 as they are. Parameters begin as `initialise` says; `load_checkpoint` sets them from a folder.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from model.decoder.attention import attend, choose_path
from model.decoder.cache import KeyValueCache
from model.decoder.config import DecoderConfig
from model.decoder.loss import vocabulary_loss
from model.decoder.rotary import rotate, rotation
from model.decoder.sharded import put
from model.decoder.visibility import Visibility

Rotation = tuple[Tensor, Tensor] | None


class Block(nn.Module):
    """Attention and MLP, each after a LayerNorm and added to the residual stream."""

    def __init__(self, config: DecoderConfig, layer: int) -> None:
        super().__init__()
        self.config, self.layer = config, layer
        width, biases = config.hidden, config.biases
        self.attention_norm = nn.LayerNorm(width, config.norm_epsilon)
        self.qkv = nn.Linear(width, config.qkv_size, bias=biases)
        self.attention_out = nn.Linear(width, width, bias=biases)
        self.mlp_norm = nn.LayerNorm(width, config.norm_epsilon)
        self.mlp_in = nn.Linear(width, config.mlp_size, bias=biases)
        self.mlp_out = nn.Linear(config.mlp_size, width, bias=biases)
        self._approximate = "none" if config.activation == "gelu" else "tanh"
        self.compiled: Callable[[Tensor, Visibility, Rotation, KeyValueCache | None, str], Tensor] | None = None

    def forward(
        self, hidden_BTD: Tensor, visible: Visibility, turn: Rotation, cache: KeyValueCache | None, path: str
    ) -> Tensor:
        """Return the residual stream after this block, BTD."""
        run = self.compiled if self.compiled and self.training else self.compute
        return run(hidden_BTD, visible, turn, cache, path)

    def compute(
        self, hidden_BTD: Tensor, visible: Visibility, turn: Rotation, cache: KeyValueCache | None, path: str
    ) -> Tensor:
        """Do what `forward` says, without looking for a compiled form."""
        attended = self._attend(self.attention_norm(hidden_BTD), visible, turn, cache, path)
        hidden_BTD = hidden_BTD + self._drop(self.attention_out(attended))
        inner = functional.gelu(self.mlp_in(self.mlp_norm(hidden_BTD)), approximate=self._approximate)
        return hidden_BTD + self._drop(self.mlp_out(inner))

    def _attend(
        self, normed_BTD: Tensor, visible: Visibility, turn: Rotation, cache: KeyValueCache | None, path: str
    ) -> Tensor:
        config = self.config
        kv_size = config.kv_heads * config.head_size
        parts = self.qkv(normed_BTD).split((config.hidden, kv_size, kv_size), dim=-1)
        query, key, value = (part.unflatten(-1, (-1, config.head_size)) for part in parts)
        if turn is not None:
            query, key = rotate(query, *turn), rotate(key, *turn)
        if cache is not None:
            key, value = cache.append(self.layer, key, value)
        scale = config.head_size**-0.5 if config.scale_attention else 1.0
        dropout = config.attention_dropout if self.training else 0.0
        out: Tensor = attend(path, query, key.to(query.dtype), value.to(query.dtype), visible, scale, dropout)
        return out.flatten(-2)

    def _drop(self, branch_BTD: Tensor) -> Tensor:
        return functional.dropout(branch_BTD, self.config.residual_dropout, self.training)


class Decoder(nn.Module):
    """A decoder of one of the two architectures, freshly initialised.

    attention: a path of attention.py; checkpoint_activations: compute each block's activations again in the backward
    pass instead of keeping them. Both may be set later too.
    """

    def __init__(self, config: DecoderConfig, attention: str = "auto", checkpoint_activations: bool = False) -> None:
        super().__init__()
        self.config, self.attention, self.checkpoint_activations = config, attention, checkpoint_activations
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden)
        learned = config.architecture == "gpt_bigcode"
        self.embed_positions = nn.Embedding(config.context, config.hidden) if learned else None
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.norm = nn.LayerNorm(config.hidden, config.norm_epsilon)
        self.lm_head = None if config.tie_embeddings else nn.Linear(config.hidden, config.vocab_size, bias=False)
        initialise(self)

    def compile_blocks(self) -> None:
        """Let training run the blocks compiled: what stands before and after each attention kernel, once for all blocks.

        Other passes, whose shapes change from call to call, stay as they are.
        """
        for block in self.modules():
            if isinstance(block, Block):
                block.compiled = torch.compile(block.compute)

    def forward(
        self, tokens_BT: Tensor, positions_BT: Tensor | None = None, segments_BT: Tensor | None = None,
        cache: KeyValueCache | None = None,
    ) -> Tensor:  # fmt: skip
        """Return the hidden states after the last norm, BTD.

        positions_BT: int64 positions inside the document; None: counted from the start of the row or the cache's end.
        segments_BT: document number inside the row, -1 padding; None: all one. cache: what was read before; extended.
        """
        batch, num_tokens = tokens_BT.shape
        read = 0 if cache is None else cache.length
        if positions_BT is None:
            positions_BT = torch.arange(read, read + num_tokens, device=tokens_BT.device).expand(batch, -1)
        segments = segments_BT if cache is None else cache.segments(segments_BT, num_tokens)
        visible = Visibility(
            batch, num_tokens, read + num_tokens, self.config.sliding_window, segments, tokens_BT.device
        )
        hidden_BTD = self._blocks(self._embed(tokens_BT, positions_BT), visible, self._turn(positions_BT), cache)
        if cache is not None:
            cache.advance(num_tokens)
        return torch.as_tensor(self.norm(hidden_BTD))

    def logits(self, hidden_BTD: Tensor) -> Tensor:
        """Return the logits of hidden states of any leading shape, [..., V]."""
        return functional.linear(hidden_BTD, self._projection())

    def loss(self, hidden_BTD: Tensor, targets_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum of the losses (nats) of all targets that are not -100, and how many those are."""
        return vocabulary_loss(hidden_BTD.flatten(0, 1), self._projection(), targets_BT.flatten())

    def make_cache(self, batch: int, capacity: int) -> KeyValueCache:
        """Return an empty cache for `capacity` tokens of `batch` rows, of the weights' type and device."""
        weight = self.embed_tokens.weight
        return KeyValueCache(self.config, batch, capacity, weight.dtype, weight.device)

    def _projection(self) -> Tensor:
        return self.embed_tokens.weight if self.lm_head is None else self.lm_head.weight

    def _embed(self, tokens_BT: Tensor, positions_BT: Tensor) -> Tensor:
        hidden_BTD = self.embed_tokens(tokens_BT)
        if self.embed_positions is not None:
            _check_positions(positions_BT, self.config.context)
            hidden_BTD = hidden_BTD + self.embed_positions(positions_BT)
        return functional.dropout(hidden_BTD, self.config.embedding_dropout, self.training)

    def _turn(self, positions_BT: Tensor) -> Rotation:
        if self.embed_positions is not None:
            return None
        return rotation(positions_BT, self.config.head_size, self.config.rope_theta)

    def _blocks(self, hidden_BTD: Tensor, visible: Visibility, turn: Rotation, cache: KeyValueCache | None) -> Tensor:
        dtype = _computing_type(hidden_BTD)
        path = choose_path(self.attention, self.config, hidden_BTD.device, dtype, self.training)
        recompute = self.checkpoint_activations and torch.is_grad_enabled() and cache is None
        for block in self.blocks:
            if recompute:
                hidden_BTD = checkpoint(block, hidden_BTD, visible, turn, None, path, use_reentrant=False)
            else:
                hidden_BTD = block(hidden_BTD, visible, turn, cache, path)
        return hidden_BTD


def _computing_type(hidden: Tensor) -> torch.dtype:
    device = hidden.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype


def _check_positions(positions_BT: Tensor, context: int) -> None:
    # Elsewhere than on a processor the look would wait for the device; the embedding checks there too, less clearly.
    if positions_BT.device.type != "cpu" or torch.compiler.is_compiling() or not positions_BT.numel():
        return
    if int(positions_BT.max()) >= context:
        raise ValueError(f"position {int(positions_BT.max())} is beyond the context of {context} positions")


@torch.no_grad()
def initialise(decoder: Decoder) -> None:
    """Set all weights as GPT-2 begins: normal with std `init_std`; those that end a branch smaller, or zero; biases zero.

    Draws from torch's generator on the processor, in the order of the weights: equal for weights that are shared out over ranks.
    """
    config = decoder.config
    ends = 0.0 if config.zero_init else config.init_std / (2 * config.layers) ** 0.5
    for name, weight in decoder.named_parameters():
        if weight.is_meta:
            continue
        if name.endswith("bias"):
            weight.zero_()
        elif "norm" in name:
            weight.fill_(1.0)
        else:
            deviation = ends if name.endswith("_out.weight") else config.init_std
            put(torch.empty(weight.shape, dtype=weight.dtype).normal_(0.0, deviation), weight)
