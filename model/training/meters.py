"""Meters: what share of a device's peak a run's useful work comes to (MFU, model FLOPs utilisation), and the CO2 of its energy."""

from __future__ import annotations

PEAKS = (
    ("GB200", 2500e12), ("B200", 2250e12), ("GH200", 989e12), ("H200", 989e12), ("H100 NVL", 835e12), ("H100 PCIe", 756e12),
    ("H100", 989e12), ("H20", 148e12), ("H800", 989e12), ("A100", 312e12), ("A800", 312e12), ("L40S", 362e12), ("L40", 181e12), ("L4", 121e12),
    ("A10G", 70e12), ("A10", 125e12), ("A40", 149.7e12), ("RTX 4090", 165e12), ("RTX 3090", 71e12), ("V100", 125e12), ("T4", 65e12),
)  # fmt: skip
"""Dense bfloat16 peak (float16 where there is no bfloat16) of devices in FLOP/s, as their makers state it without 2:4 sparsity.

The first entry whose name is in the device's name counts. H100 and H200 have 989 TF dense; 1,979 is the sparse figure.
"""


def peak_of(device_name: str) -> float | None:
    """Return the dense peak of a device in FLOP/s; None for processors and devices that are not in the table."""
    return next((peak for name, peak in PEAKS if name in device_name), None)


def mfu(flops_per_token: float, tokens_per_second: float, devices: int, peak: float | None) -> float | None:
    """Return the share of the peak of all devices that useful work takes, 0 to 1; None where no peak is known.

    flops_per_token: forward and backward, without recomputed activations: MFU is about useful work.
    """
    return flops_per_token * tokens_per_second / (peak * devices) if peak else None


def co2_grams(joules: float, grams_per_kwh: float) -> float:
    """Return the CO2 of so much energy."""
    return joules / 3.6e6 * grams_per_kwh
