"""Compiled blocks: the same losses and gradients, as few graphs however many blocks, and none for passes that are no training."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters

from model.decoder.config import DecoderConfig
from model.decoder.decoder import Decoder

CAN_COMPILE = bool(shutil.which("g++")) and Path(sysconfig.get_paths()["include"], "Python.h").exists()
pytestmark = [
    pytest.mark.skipif(not CAN_COMPILE, reason="torch.compile needs g++ and Python's headers on a processor"),
    # torch's compiler warns of what it does itself, and a warning that is an error ends it.
    pytest.mark.filterwarnings("ignore"),
]


def network(architecture: str, layers: int) -> Decoder:
    torch.manual_seed(1)
    config = {"architecture": architecture, "vocab_size": 90, "context": 32, "hidden": 32, "layers": layers, "heads": 2}
    return Decoder(DecoderConfig.model_validate(config))


def trained(decoder: Decoder, tokens: Tensor, segments: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    loss, _ = decoder.train().loss(decoder(tokens, None, segments), tokens)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach(), {name: weight.grad for name, weight in decoder.named_parameters() if weight.grad is not None}


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["gpt_bigcode", "starcoder2"])
def test_compiled_blocks_compute_the_same_in_as_many_graphs_however_many_they_are(architecture: str) -> None:
    tokens = torch.randint(90, (2, 32))
    segments = (torch.arange(32) // 20).expand(2, -1).contiguous()
    graphs = []
    for layers in (2, 5):
        plain, compiled = network(architecture, layers), network(architecture, layers)
        compiled.compile_blocks()
        torch._dynamo.reset()
        counters.clear()
        (loss, gradients), (expected, wanted) = (trained(one, tokens, segments) for one in (compiled, plain))
        assert float(loss) == pytest.approx(float(expected), rel=1e-5)
        assert gradients.keys() == wanted.keys() == dict(plain.named_parameters()).keys()
        assert all(torch.allclose(gradients[name], wanted[name], atol=1e-5, rtol=1e-4) for name in wanted)
        graphs.append(counters["stats"]["unique_graphs"])
        with torch.no_grad():
            for length in (3, 9, 17):
                compiled.eval()(tokens[:, :length])
        assert counters["stats"]["unique_graphs"] == graphs[-1]
    assert graphs[0] == graphs[1] > 0
