"""Reading the configuration of a run, as every configuration is read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from model.training.config import ModelConfig
from stack_data.config_file import load_as


def load(path: Path, overrides: Iterable[str] = ()) -> ModelConfig:
    """Read the configuration of a run from a TOML file; ConfigError as of `load_as`."""
    return load_as(ModelConfig, path, overrides)
