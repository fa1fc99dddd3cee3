"""On a CUDA device: every attention path, packed rows, the cache, the loss and a run compute what a processor computes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPTBigCodeConfig, Starcoder2Config

from model.decoder.decoder import Decoder
from model.training.energy import EnergyMeter
from tests.model.decoder.networks import CONTEXT, VOCABULARY, ours, peer, some_tokens
from tests.model.decoder.test_packing import LENGTHS, packed
from tests.model.training.runs import home_of, log, trained

DEVICE = "cuda"
if not torch.cuda.is_available():
    pytest.skip("it needs a CUDA device, and torch sees none here", allow_module_level=True)

# torch's compiler warns of what it does itself, and a warning that is an error ends it.
pytestmark = pytest.mark.filterwarnings("ignore")
FLOAT32 = 1e-4
"""Of the largest value: another order of sums."""
SHARED: dict[str, Any] = {"vocab_size": VOCABULARY, "initializer_range": 0.3, "bos_token_id": 0, "eos_token_id": 0}
STARCODER2 = {
    "hidden_size": 64,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": CONTEXT,
}
CONFIGS = {
    "one key for all heads": GPTBigCodeConfig(n_positions=CONTEXT, n_embd=64, n_layer=2, n_head=4, **SHARED),
    "a key for each head": GPTBigCodeConfig(n_positions=CONTEXT, n_embd=64, n_layer=2, n_head=4, multi_query=False, **SHARED),
    "groups": Starcoder2Config(num_key_value_heads=2, sliding_window=None, **STARCODER2, **SHARED),
    "groups and a window": Starcoder2Config(num_key_value_heads=2, sliding_window=32, **STARCODER2, **SHARED),
}  # fmt: skip
FLOAT_PATHS, HALF_PATHS = ("eager", "sdpa", "flex"), ("eager", "sdpa", "flex", "flash")
ROW = packed(LENGTHS, CONTEXT)


def there(*tensors: torch.Tensor) -> list[torch.Tensor]:
    return [one.to(DEVICE) for one in tensors]


def passed(decoder: Decoder, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    """Return logits and gradients of the packed row where it holds something, in float32 on the processor."""
    device = decoder.embed_tokens.weight.device
    tokens, positions, segments, targets = (one.to(device) for one in ROW)
    with torch.autocast(device.type, torch.bfloat16, enabled=dtype != torch.float32):
        hidden = decoder(tokens, positions, segments)
        logits = decoder.logits(hidden)
        total, count = decoder.loss(hidden, targets)
    names, weights = zip(*decoder.named_parameters(), strict=True)
    found = dict(zip(names, torch.autograd.grad(total / count, weights), strict=True))
    shown = {"loss": total / count, "logits": logits[segments >= 0]}
    return {name: one.detach().float().cpu() for name, one in (shown | found).items()}


def error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).square().mean().sqrt())


@pytest.mark.parametrize("name", CONFIGS)
def test_packed_rows_in_float32_are_those_of_a_processor_by_every_path(name: str) -> None:
    model = peer(CONFIGS[name])
    wanted = passed(ours(model, "eager"))
    scale = max(float(one.abs().max()) for key, one in wanted.items() if key not in ("loss", "logits"))
    for path in FLOAT_PATHS:
        found = passed(ours(model, path).to(DEVICE))
        assert float(found["loss"]) == pytest.approx(float(wanted["loss"]), rel=FLOAT32), path
        assert (found["logits"] - wanted["logits"]).abs().max() < FLOAT32 * wanted["logits"].abs().max(), path
        for key in found.keys() - {"loss", "logits"}:
            assert (found[key] - wanted[key]).abs().max() < FLOAT32 * max(scale, 1), (path, key)


@pytest.mark.parametrize("name", CONFIGS)
def test_packed_rows_in_bfloat16_are_as_near_to_float32_by_every_path(name: str) -> None:
    model = peer(CONFIGS[name])
    exact = passed(ours(model, "eager"))
    plain = passed(ours(model, "eager").to(DEVICE), torch.bfloat16)
    for path in HALF_PATHS:
        found = passed(ours(model, path).to(DEVICE), torch.bfloat16)
        for key in ("logits", "embed_tokens.weight"):
            assert error(found[key], exact[key]) < 1.5 * error(plain[key], exact[key]) + 1e-6, (path, key)


@pytest.mark.parametrize("name", CONFIGS)
def test_reading_in_pieces_with_a_cache_equals_reading_at_once(name: str) -> None:
    decoder = ours(peer(CONFIGS[name])).to(DEVICE)
    [tokens] = there(some_tokens(2, 60))
    cache = decoder.make_cache(2, 60)
    with torch.no_grad():
        wanted = decoder.logits(decoder(tokens))
        pieces = [decoder.logits(decoder(part, cache=cache)) for part in tokens.split([40, *[1] * 20], dim=1)]
    found = torch.cat(pieces, 1)
    assert (found - wanted).abs().max() < FLOAT32 * wanted.abs().max()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return home_of(tmp_path_factory.mktemp("cuda"))


@pytest.mark.parametrize("attention", HALF_PATHS)
def test_a_run_learns_what_a_run_on_a_processor_learns(home: Path, attention: str) -> None:
    network = ("decoder.hidden=64", "train.precision=bfloat16", "optimizer.lr=1e-3")
    there_ = trained(home, f"name={attention}", "run.device=cuda", f"run.attention={attention}", *network)
    here = trained(home, f"name=here-{attention}", "run.device=cpu", *network)
    for one, other in zip(log(there_), log(here), strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=0.03)
        assert one["targets"] == other["targets"]


@pytest.mark.parametrize("compiled", [False, True])
def test_a_stopped_run_goes_on_with_the_same_documents(home: Path, compiled: bool) -> None:
    settings = (
        "run.device=cuda",
        "train.precision=bfloat16",
        "decoder.hidden=64",
        f"run.compile={str(compiled).lower()}",
    )
    whole = trained(home, f"name=whole-{compiled}", *settings)
    trained(home, f"name=stopped-{compiled}", *settings, stop_after=4)
    again = trained(home, f"name=stopped-{compiled}", *settings, "run.checkpoint_activations=true")
    for one, other in zip(log(again), log(whole), strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=0.02)
    assert (again.checkpoint / "exposure.arrow").read_bytes() == (whole.checkpoint / "exposure.arrow").read_bytes()
    told = json.loads((again.checkpoint / "lineage.json").read_text())
    assert told["sessions"][0]["device"] == torch.cuda.get_device_name()


def test_energy_of_this_gpu_is_read_where_its_driver_reports_it() -> None:
    uuid = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
    meter = EnergyMeter(Path(os.devnull), (uuid,))
    if "nvml" not in meter.sources:
        pytest.skip("this driver reports no energy")
    size = torch.randn(4096, 4096, device=DEVICE)
    for _ in range(200):
        size = (size @ size).clamp(-1, 1)
    torch.cuda.synchronize()
    joules = meter.joules()
    assert joules is not None and joules > 0
