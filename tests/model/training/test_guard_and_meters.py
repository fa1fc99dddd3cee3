"""Guard, meters, energy, events, optimizers: each by its smallest example."""

from __future__ import annotations

import json
import math
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
import torch

from model.training.config import OptimizerConfig
from model.training.energy import EnergyMeter
from model.training.events import EventFile, crc32c
from model.training.guard import PATIENCE, Diverged, Guard
from model.training.journal import LOG, Journal, Silent
from model.training.meters import co2_grams, mfu, peak_of
from model.training.optimizers import make_optimizers


def test_a_step_without_a_number_is_refused_and_many_of_them_end_the_run() -> None:
    guard = Guard(max_bad_steps=3, divergence=1.0)
    assert guard.admits(1, 2.0, 1.0)
    assert not guard.admits(2, math.nan, 1.0)
    assert not guard.admits(3, 2.0, math.inf)
    with pytest.raises(Diverged, match="step 4: .* for 3 steps in a row"):
        guard.admits(4, math.nan, math.nan)


def test_a_loss_that_rises_for_good_ends_the_run() -> None:
    guard = Guard(max_bad_steps=3, divergence=1.0)
    guard.admits(1, 2.0, 1.0)
    with pytest.raises(Diverged, match="above its lowest"):
        for step in range(2, 2 + 5 * PATIENCE):
            guard.admits(step, 9.0, 1.0)


def test_a_restored_guard_decides_alike() -> None:
    one = Guard(3, 1.0)
    for step, loss in enumerate((3.0, 2.5, math.nan, 2.6), 1):
        one.admits(step, loss, 1.0)
    other = Guard(3, 1.0)
    other.restore(one.to_json())
    assert other == one
    fresh = Guard(3, 1.0)
    fresh.restore(Guard(3, 1.0).to_json())
    assert fresh.lowest == math.inf


@pytest.mark.parametrize(
    ("device", "peak"),
    [
        ("NVIDIA H200", 989e12),
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("some processor", None),
    ],
)
def test_peaks_are_dense(device: str, peak: float | None) -> None:
    assert peak_of(device) == peak


def test_the_share_of_the_peak_is_over_all_devices() -> None:
    assert mfu(6e9, 1e5, 2, 989e12) == pytest.approx(6e14 / (2 * 989e12))
    assert mfu(6e9, 1e5, 2, None) is None
    assert co2_grams(3.6e6, 400) == 400


def test_energy_is_read_from_rapl_and_its_wrapping_is_known(tmp_path: Path) -> None:
    package = tmp_path / "intel-rapl:0"
    package.mkdir()
    (package / "max_energy_range_uj").write_text("1000000")
    (package / "energy_uj").write_text("900000")
    meter = EnergyMeter(rapl=tmp_path)
    (package / "energy_uj").write_text("400000")
    assert meter.sources == ["rapl"]
    assert meter.joules() == pytest.approx(0.5)


NVML = """
#include <string.h>
static const char *known = "GPU-11111111-2222-3333-4444-555555555555";
static unsigned long long taken = 5000;
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetHandleByUUID(const char *uuid, void **device) { *device = (void *)known; return strcmp(uuid, known) ? 6 : 0; }
int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *energy) {
    if (device != (void *)known) return 2;
    *energy = taken;
    taken += 2500;
    return 0;
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="it needs a C compiler (cc) for a library with NVML's functions")
def test_energy_of_gpus_is_asked_by_uuid(tmp_path: Path) -> None:
    (tmp_path / "nvml.c").write_text(NVML)
    library = str(tmp_path / "libnvml.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, str(tmp_path / "nvml.c")], check=True)
    known, other = (f"GPU-{one * 8}-2222-3333-4444-555555555555" for one in "19")
    meter = EnergyMeter(tmp_path / "none", (known, other), library)
    assert meter.sources == ["nvml"]
    assert meter.joules() == pytest.approx(2.5)
    assert meter.joules() == pytest.approx(5.0)
    assert EnergyMeter(tmp_path / "none", (other,), library).joules() is None
    assert EnergyMeter(tmp_path / "none", (known,), str(tmp_path / "absent.so")).joules() is None


def test_where_nothing_reports_there_is_no_estimate(tmp_path: Path) -> None:
    assert EnergyMeter(rapl=tmp_path / "none").joules() is None


def test_the_checksum_is_castagnolis() -> None:
    assert crc32c(b"123456789") == 0xE3069283


def test_an_event_file_is_frames_whose_checksums_hold(tmp_path: Path) -> None:
    events = EventFile(tmp_path, step=3)
    events.add(4, {"step/loss": 2.5})
    events.close()
    raw, found = next(tmp_path.iterdir()).read_bytes(), []
    while raw:
        (length,) = struct.unpack("<Q", raw[:8])
        message, (masked,) = raw[12 : 12 + length], struct.unpack("<I", raw[12 + length : 16 + length])
        crc = crc32c(message)
        assert masked == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
        found.append(message)
        raw = raw[16 + length :]
    assert len(found) == 3
    assert b"step/loss" in found[-1]
    assert struct.pack("<f", 2.5) in found[-1]


def test_muon_has_the_matrices_of_blocks_and_adamw_the_rest_without_decay_where_there_is_one_dimension() -> None:
    named = [
        ("embed_tokens.weight", (8, 4)),
        ("blocks.0.qkv.weight", (6, 4)),
        ("blocks.0.qkv.bias", (6,)),
        ("norm.weight", (4,)),
    ]
    weights = [(name, torch.nn.Parameter(torch.zeros(shape))) for name, shape in named]
    muon, adamw = make_optimizers(weights, OptimizerConfig(name="muon", lr=1e-3, matrix_lr=1e-2))
    assert [group["names"] for group in muon.param_groups] == [["blocks.0.qkv.weight"]]
    assert muon.param_groups[0]["highest"] == 1e-2
    assert [(group["names"], group["weight_decay"]) for group in adamw.param_groups] == [
        (["embed_tokens.weight"], 0.1), (["blocks.0.qkv.bias", "norm.weight"], 0.0),
    ]  # fmt: skip


def test_the_log_is_json_where_a_loss_is_no_number(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 0, Silent())
    journal.write("step", 1, {"loss": float("nan"), "norm": float("inf"), "rate": 0.5})
    journal.close()
    told = (tmp_path / LOG).read_text()
    assert json.loads(told, parse_constant=pytest.fail) == {
        "kind": "step",
        "step": 1,
        "loss": None,
        "norm": None,
        "rate": 0.5,
    }
