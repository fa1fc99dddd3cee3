"""The shape of a decoder: one frozen model for GPTBigCode and StarCoder2, read from and written to Hugging Face's keys.

The fields are those of `[decoder]` in a training configuration. What a file of Hugging Face's says that this decoder
cannot compute (cross attention, scaled RoPE, another activation) is refused by name, never ignored. Not covered:
torch, so that a command line can read a configuration without loading it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from stack_data.config_errors import describe
from stack_data.config_sources import Model
from stack_data.errors import InputError

Architecture = Literal["gpt_bigcode", "starcoder2"]
_TANH = "gelu_pytorch_tanh"
_ACTIVATIONS = {"gelu": "gelu", _TANH: _TANH, "gelu_new": _TANH, "gelu_fast": _TANH}
_CLASSES = {"gpt_bigcode": "GPTBigCodeForCausalLM", "starcoder2": "Starcoder2ForCausalLM"}
# (ours, GPTBigCode's key, its default in transformers, StarCoder2's key, its default)
_KEYS: tuple[tuple[str, str | None, Any, str | None, Any], ...] = (
    ("vocab_size", "vocab_size", 50257, "vocab_size", 49152),
    ("context", "n_positions", 1024, "max_position_embeddings", 4096),
    ("hidden", "n_embd", 768, "hidden_size", 3072),
    ("layers", "n_layer", 12, "num_hidden_layers", 30),
    ("heads", "n_head", 12, "num_attention_heads", 24),
    ("kv_heads", None, None, "num_key_value_heads", 2),
    ("inner", "n_inner", None, "intermediate_size", 12288),
    ("norm_epsilon", "layer_norm_epsilon", 1e-5, "norm_epsilon", 1e-5),
    ("init_std", "initializer_range", 0.02, "initializer_range", 0.018042),
    ("tie_embeddings", "tie_word_embeddings", True, "tie_word_embeddings", True),
    ("attention_dropout", "attn_pdrop", 0.1, "attention_dropout", 0.0),
    ("residual_dropout", "resid_pdrop", 0.1, "residual_dropout", 0.0),
    ("embedding_dropout", "embd_pdrop", 0.1, "embedding_dropout", 0.0),
    ("scale_attention", "scale_attn_weights", True, None, None),
    ("biases", None, None, "use_bias", True),
    ("sliding_window", None, None, "sliding_window", None),
)


class DecoderConfig(Model):
    """Sizes and choices of a decoder. The defaults are those of GPTBigCode with multi-query attention."""

    architecture: Architecture = "gpt_bigcode"
    """gpt_bigcode: learned positions, one or all key-value heads; starcoder2: RoPE, grouped heads, sliding window."""
    vocab_size: int = Field(49152, ge=2)
    """Rows of the embedding; at least the tokenizer's."""
    context: int = Field(8192, ge=1)
    """Longest context: the learned positions there are, or the length that RoPE was trained for."""
    hidden: int = Field(768, ge=1)
    """Width of the residual stream."""
    layers: int = Field(12, ge=1)
    """Blocks of attention and MLP."""
    heads: int = Field(12, ge=1)
    """Query heads; the width is divided among them."""
    kv_heads: int = Field(1, ge=1)
    """Key-value heads: 1 is multi-query attention."""
    inner: int = Field(0, ge=0)
    """Width of the MLP; 0: four times `hidden`."""
    activation: Literal["gelu", "gelu_pytorch_tanh"] = "gelu_pytorch_tanh"
    """Exact GELU (StarCoder 15B) or its approximation by tanh."""
    biases: bool = True
    """Whether linear layers have biases; LayerNorms always do."""
    tie_embeddings: bool = True
    """Whether logits are computed with the embedding's own rows."""
    sliding_window: int = Field(0, ge=0)
    """How many positions a query sees, itself among them; 0: all before it. Only starcoder2."""
    rope_theta: float = Field(10000.0, gt=0)
    """Base of RoPE's wavelengths. Only starcoder2."""
    scale_attention: bool = True
    """Divide scores by the square root of the head's width."""
    norm_epsilon: float = Field(1e-5, gt=0)
    """Added to the variance in LayerNorm."""
    init_std: float = Field(0.02, gt=0)
    """Standard deviation of initial weights; of those that end a residual branch it is divided by sqrt(2 layers)."""
    zero_init: bool = False
    """Start the weights that end a residual branch at zero instead."""
    attention_dropout: float = Field(0.0, ge=0, lt=1)
    """Share of attention weights dropped in training."""
    residual_dropout: float = Field(0.0, ge=0, lt=1)
    """Share of each branch's output dropped in training."""
    embedding_dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the embedding's output dropped in training."""
    end_of_text: int = Field(0, ge=0)
    """Token that begins and ends documents; written for whoever generates from the checkpoint."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.hidden % self.heads:
            raise ValueError(f"hidden {self.hidden} is no multiple of heads {self.heads}")
        if self.heads % self.kv_heads:
            raise ValueError(f"heads {self.heads} is no multiple of kv_heads {self.kv_heads}")
        (_check_bigcode if self.architecture == "gpt_bigcode" else _check_starcoder2)(self)
        return self

    @property
    def head_size(self) -> int:
        """Width of one head."""
        return self.hidden // self.heads

    @property
    def mlp_size(self) -> int:
        """Width of the MLP."""
        return self.inner or 4 * self.hidden

    @property
    def qkv_size(self) -> int:
        """Rows of the projection to queries, keys and values."""
        return self.hidden + 2 * self.kv_heads * self.head_size

    def num_parameters(self) -> int:
        """Return the number of weights; those used twice are counted once."""
        width, biases = self.hidden, self.biases
        attention = width * self.qkv_size + width * width + biases * (self.qkv_size + width)
        mlp = 2 * width * self.mlp_size + biases * (self.mlp_size + width)
        positions = self.context * width if self.architecture == "gpt_bigcode" else 0
        embeddings = self.vocab_size * width * (1 if self.tie_embeddings else 2) + positions
        return embeddings + self.layers * (attention + mlp + 4 * width) + 2 * width

    def flops_per_token(self, context: int) -> float:
        """Return the floating-point operations of one token's forward and backward pass, for MFU.

        `context`: tokens of a row; a token sees half of them on average, or the window. Biases, norms and
        recomputation are not counted.
        """
        width, seen = self.hidden, min(context / 2, self.sliding_window or context)
        weights = self.layers * width * (self.qkv_size + width + 2 * self.mlp_size) + self.vocab_size * width
        return 6.0 * weights + 12.0 * self.layers * width * seen

    @classmethod
    def from_huggingface(cls, values: Mapping[str, Any], source: str = "config.json") -> DecoderConfig:
        """Read the keys of a Hugging Face config.json; absent ones have transformers' defaults.

        `source` is named in the InputError for what this decoder cannot compute.
        """
        bigcode = _architecture(values, source) == "gpt_bigcode"
        _refuse_unsupported(values, source)
        found = {
            ours: values.get(key, default)
            for ours, key, default in ((row[0], *row[1:3]) if bigcode else (row[0], *row[3:]) for row in _KEYS)
            if key is not None
        }
        if bigcode:
            found["kv_heads"] = 1 if values.get("multi_query", True) else found["heads"]
        else:
            found["rope_theta"] = _rope_theta(values, source)
        found["inner"] = 0 if found["inner"] in (None, 4 * found["hidden"]) else found["inner"]
        found["sliding_window"] = found.get("sliding_window") or 0
        found["activation"] = _activation(values, "activation_function" if bigcode else "hidden_act", source)
        end = values.get("eos_token_id", 0)
        try:
            return cls(architecture=values["model_type"], end_of_text=_first(end), **found)
        except ValidationError as error:
            raise InputError(f"{source} describes no decoder: {describe(error, cls)}") from None

    def to_huggingface(self, dtype: str = "float32") -> dict[str, Any]:
        """Return the config.json that transformers reads; `dtype` is the stored weights' type."""
        bigcode = self.architecture == "gpt_bigcode"
        rows = [(row[0], row[1] if bigcode else row[3]) for row in _KEYS]
        values: dict[str, Any] = {key: getattr(self, ours) for ours, key in rows if key is not None}
        values["n_inner" if bigcode else "intermediate_size"] = self.mlp_size
        if bigcode:
            values |= {"activation_function": self.activation, "multi_query": self.kv_heads == 1}
        else:
            rope = {"rope_type": "default", "rope_theta": self.rope_theta}
            values |= {
                "hidden_act": self.activation,
                "sliding_window": self.sliding_window or None,
                "rope_parameters": rope,
            }
            values["rope_theta"] = self.rope_theta  # for transformers before 5
        return values | {
            "architectures": [_CLASSES[self.architecture]], "model_type": self.architecture, "dtype": dtype,
            "torch_dtype": dtype, "use_cache": True, "bos_token_id": self.end_of_text, "eos_token_id": self.end_of_text,
        }  # fmt: skip


def _check_bigcode(config: DecoderConfig) -> None:
    if config.kv_heads not in (1, config.heads):
        raise ValueError(
            f"gpt_bigcode has 1 key-value head or as many as heads, not {config.kv_heads}; write one of these, or take starcoder2"
        )
    if config.sliding_window:
        raise ValueError("gpt_bigcode has no sliding_window: use starcoder2")
    if not config.biases:
        raise ValueError("gpt_bigcode always has biases: use starcoder2")


def _check_starcoder2(config: DecoderConfig) -> None:
    if config.head_size % 2:
        raise ValueError(f"RoPE turns pairs: hidden / heads is {config.head_size}, which is odd")
    if not config.scale_attention:
        raise ValueError("starcoder2 always scales scores: scale_attention = false is for gpt_bigcode")


def _architecture(values: Mapping[str, Any], source: str) -> str:
    found = values.get("model_type")
    if found not in _CLASSES:
        raise InputError(f"{source} is for model_type {found!r}; gpt_bigcode and starcoder2 can be loaded")
    return str(found)


def _refuse_unsupported(values: Mapping[str, Any], source: str) -> None:
    if values.get("add_cross_attention"):
        raise InputError(f"{source} has add_cross_attention, which this decoder has not")
    heads = values.get("num_attention_heads")
    if values.get("head_dim") and heads and values["head_dim"] * heads != values.get("hidden_size"):
        raise InputError(f"{source} has head_dim {values['head_dim']}; only hidden_size / num_attention_heads is known")


def _activation(values: Mapping[str, Any], key: str, source: str) -> str:
    found = values.get(key, "gelu_pytorch_tanh")
    if found not in _ACTIVATIONS:
        raise InputError(f"{source} has {key} {found!r}; known are {', '.join(_ACTIVATIONS)}")
    return _ACTIVATIONS[found]


def _rope_theta(values: Mapping[str, Any], source: str) -> float:
    rope = values.get("rope_parameters") or values.get("rope_scaling") or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind != "default":
        raise InputError(f"{source} scales RoPE by {kind!r}; only unscaled RoPE is known")
    return float(rope.get("rope_theta", values.get("rope_theta", 10000.0)))


def _first(token: int | list[int] | None) -> int:
    return (token[0] if token else 0) if isinstance(token, list) else token or 0
