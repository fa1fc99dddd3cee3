"""Energy of a run, where the machine reports power: NVIDIA's management library for GPUs, RAPL counters for processors.

Counted is what those devices took while the run was going, whoever used them; memory, fans and power supplies are not in it. Where
nothing is reported the answer is None, and the card says so: an estimate from a data sheet would look like a measurement.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from pathlib import Path

RAPL = Path("/sys/class/powercap")


@dataclass(slots=True)
class EnergyMeter:
    """Joules since it was made, of RAPL packages and of the GPUs that this process uses.

    gpus: their UUIDs, since NVML's numbers know nothing of CUDA_VISIBLE_DEVICES.
    """

    rapl: Path = RAPL
    gpus: tuple[str, ...] = ()
    driver: str = "libnvidia-ml.so.1"
    _counters: dict[Path, int] = field(default_factory=dict)
    _joules: float = 0.0
    _nvml: ctypes.CDLL | None = None
    _gpu_mj: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._counters = {
            path: value for path in _packages(self.rapl) if (value := _number(path / "energy_uj")) is not None
        }
        self._nvml = _nvml(self.driver) if self.gpus else None
        self._gpu_mj = {one: value for one in self.gpus if (value := self._gpu(one)) is not None}

    @property
    def sources(self) -> list[str]:
        """Return what reports: "rapl", "nvml", both or neither."""
        return [name for name, has in (("rapl", self._counters), ("nvml", self._gpu_mj)) if has]

    def joules(self) -> float | None:
        """Return the energy since the meter was made; None where nothing reports. Ask it at least every few minutes: RAPL wraps."""
        for path, before in self._counters.items():
            now = _number(path / "energy_uj")
            if now is not None:
                wrapped = (_number(path / "max_energy_range_uj") or 0) if now < before else 0
                self._joules += (now - before + wrapped) / 1e6
                self._counters[path] = now
        for gpu, before in self._gpu_mj.items():
            taken = self._gpu(gpu)
            if taken is not None:
                self._joules += (taken - before) / 1e3
                self._gpu_mj[gpu] = taken
        return self._joules if self.sources else None

    def _gpu(self, uuid: str) -> int | None:
        """Return the millijoules that a GPU has taken since its driver was loaded."""
        if self._nvml is None:
            return None
        handle, value = ctypes.c_void_p(), ctypes.c_ulonglong()
        if self._nvml.nvmlDeviceGetHandleByUUID(uuid.encode(), ctypes.byref(handle)):
            return None
        failed = self._nvml.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(value))
        return None if failed else int(value.value)


def _packages(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("intel-rapl:*") if path.name.count(":") == 1) if folder.is_dir() else []


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _nvml(name: str) -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(name)
    except OSError:
        return None
    return None if library.nvmlInit_v2() else library
