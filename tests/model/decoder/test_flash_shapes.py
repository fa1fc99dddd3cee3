"""What the flash path hands to torch's kernel, without a GPU: on tensors that have shapes, types and a CUDA device but no numbers, a wrong
argument, shape or type is found; and on numbers, with what the kernel's documentation says written plainly, wrong bounds and windows are.

The kernel itself is compared where there is a GPU (tests/model/test_cuda.py).
"""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from model.decoder.attention import attend, choose_path, has_flash_attn
from model.decoder.config import DecoderConfig
from model.decoder.decoder import Decoder
from model.decoder.visibility import Visibility

BATCH, POSITIONS, HIDDEN = 2, 64, 64
SIZES = {"vocab_size": 512, "context": POSITIONS, "hidden": HIDDEN, "layers": 2, "heads": 4}


@pytest.mark.skipif(has_flash_attn(), reason="the package flash-attn stands in for torch's kernel here")
@pytest.mark.parametrize("is_packed", [True, False])
@pytest.mark.parametrize(
    "network",
    [
        {"architecture": "gpt_bigcode"},
        {"architecture": "starcoder2", "kv_heads": 2},
        {"architecture": "starcoder2", "kv_heads": 2, "sliding_window": 32},
    ],
)
def test_torchs_kernel_takes_packed_rows_of_each_network(
    network: dict[str, Any], is_packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How many documents rows hold depends on their numbers, which there are none of.
    runs = property(lambda self: torch.zeros(BATCH + 1, dtype=torch.int32))
    monkeypatch.setattr(Visibility, "runs", runs)
    config = DecoderConfig.model_validate(SIZES | network)
    shape = BATCH, POSITIONS
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with FakeTensorMode(), torch.device("cuda"), torch.no_grad():
            decoder = Decoder(config, "auto")
            tokens = torch.zeros(shape, dtype=torch.int64)
            hidden = decoder(tokens, tokens, tokens if is_packed else None)
            total, _ = decoder.loss(hidden, tokens)
    finally:
        torch.set_default_dtype(before)
    assert choose_path("auto", config, hidden.device, hidden.dtype) == "flash"
    assert (hidden.shape, hidden.dtype, hidden.device.type) == ((*shape, HIDDEN), torch.bfloat16, "cuda")
    assert (total.shape, total.dtype) == ((), torch.float32)


SEGMENTS = torch.tensor([[0, 0, 0, 0, 0, 1, 1, 2], [0, 0, 0, 1, 1, 1, 1, -1]])


def test_bounds_are_those_of_documents_over_all_rows() -> None:
    def bounds(segments: Tensor | None) -> list[int]:
        runs = Visibility(2, 8, 8, 0, segments, torch.device("cpu")).runs
        assert runs.dtype == torch.int32
        return [int(one) for one in runs]

    assert bounds(SEGMENTS) == [0, 5, 7, 8, 11, 15, 16]
    assert bounds(None) == [0, 8, 16]


def varlen(
    query: Tensor, key: Tensor, value: Tensor, bounds: Tensor, key_bounds: Tensor, longest: int, longest_key: int, *,
    window_size: tuple[int, int], scale: float, enable_gqa: bool,
) -> Tensor:  # fmt: skip
    """Attention of documents laid end to end, [tokens, heads, h]: each query sees the keys of its document from `left` before it on."""
    assert torch.equal(bounds, key_bounds)
    left, right = window_size
    assert right == 0 and enable_gqa == (query.shape[1] != key.shape[1])
    key, value = (one.repeat_interleave(query.shape[1] // one.shape[1], 1) for one in (key, value))
    out = torch.empty_like(query)
    for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        assert last - first <= longest == longest_key
        for at in range(first, last):
            seen = slice(first if left < 0 else max(first, at - left), at + 1)
            weights = torch.softmax(torch.einsum("nh,knh->nk", query[at], key[seen]) * scale, -1)
            out[at] = torch.einsum("nk,knh->nh", weights, value[seen])
    return out


def package(
    q: Tensor, k: Tensor, v: Tensor, cu_seqlens_q: Tensor, cu_seqlens_k: Tensor, max_seqlen_q: int, max_seqlen_k: int,
    dropout_p: float = 0.0, softmax_scale: float | None = None, causal: bool = False, window_size: tuple[int, int] = (-1, -1),
) -> Tensor:  # fmt: skip
    """The arguments of flash-attn 2.8, whose heads are grouped by their numbers."""
    assert softmax_scale is not None and causal and not dropout_p
    is_grouped = q.shape[1] != k.shape[1]
    bounds = cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k
    return varlen(q, k, v, *bounds, window_size=window_size, scale=softmax_scale, enable_gqa=is_grouped)


@pytest.mark.parametrize("is_package", [True, False])
@pytest.mark.parametrize("window", [0, 3])
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize("segments", [SEGMENTS, None])
def test_bounds_and_windows_mean_to_the_kernel_what_the_mask_says(
    window: int, kv_heads: int, segments: Tensor | None, is_package: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.decoder.attention.has_flash_attn", lambda: is_package)
    monkeypatch.setitem(sys.modules, "flash_attn", SimpleNamespace(flash_attn_varlen_func=package))
    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", varlen)
    torch.manual_seed(1)
    query, key, value = (torch.randn(2, 8, heads, 16) for heads in (4, kv_heads, kv_heads))
    visible = Visibility(2, 8, 8, window, segments, torch.device("cpu"))
    flash, eager = (attend(path, query, key, value, visible, 0.25, 0.0) for path in ("flash", "eager"))
    torch.testing.assert_close(flash, eager)
