"""Reading the configuration of a run: TOML and overrides in, a checked configuration or one clear error out."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from model.training.config import ModelConfig
from stack_data.config_file import describe, set_value
from stack_data.errors import ConfigError


def load(path: Path, overrides: Iterable[str] = ()) -> ModelConfig:
    """Read the configuration of a run from a TOML file, with `a.b=value` overrides applied.

    Raises ConfigError with the file, the key, the value seen and the nearest valid key.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no configuration at {path}") from None
    except IsADirectoryError:
        raise ConfigError(f"{path} is a folder; name the TOML file in it") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    for override in overrides:
        set_value(table, override)
    try:
        return ModelConfig.model_validate(table)
    except ValidationError as error:
        raise ConfigError(f"{path}: {describe(error, ModelConfig)}") from None
