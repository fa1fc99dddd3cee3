"""Writes docs/configuration.md from the settings of builds (stack_data) and of training runs (model). Run it after changing one: a test compares the two."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from model.decoder.config import DecoderConfig
from model.fim.config import FimConfig, MetadataConfig
from model.packing.config import MixtureConfig, RepositoriesConfig
from model.training import config as training
from stack_data import config, config_sources
from stack_data.filters.profiles import profiles

HEAD = """# Configuration

A build is one TOML file: `fairstack data build corpus.toml`. Unknown keys are refused with the nearest valid one, and the
resolved values are saved as `config.json` beside the build. `--set release.version=2.0.0` overrides one value. Secrets are
taken from the environment alone ([sources.md](sources.md)). `configs/demo.toml` is the smallest example.

```toml
name = "corpus"

[[source]]                  # any number of them; the tables below say what each kind takes
name = "ours"
kind = "directory"
path = "../code"
license = "LicenseRef-our-code"

[license]
allow = ["LicenseRef-our-code"]

[release]
title = "Our code and what is permissive"
```
"""

FILTER_NOTE = (
    "Which texts are worth training on. A rule that is not set is as the profile has it (shown: starcoder2); 0 or false "
    "switches it off; [filters.md](filters.md) lists the exceptions by language. "
    '`[filter.languages."NAME"]` sets the same rules for one language.'
)

TABLES: tuple[tuple[str, type[BaseModel], str], ...] = (
    ("The file", config.BuildConfig, "Keys at the top."),
    ("[[source]]", config_sources.SourceConfig, "What every source may say beside what its kind takes."),
    ('kind = "git"', config_sources.GitConfig, ""),
    ("[[source.repositories]]", config_sources.GitRepositoryConfig, "Also the columns of a `table`."),
    ('kind = "archive"', config_sources.ArchiveConfig, ""),
    ('kind = "directory"', config_sources.DirectoryConfig, ""),
    ('kind = "environment"', config_sources.EnvironmentConfig, ""),
    ('kind = "packages"', config_sources.PackagesConfig, ""),
    ('kind = "huggingface"', config_sources.HuggingFaceConfig, ""),
    (
        "[source.columns]",
        config_sources.ColumnsConfig,
        "Names of a data set's columns; a dotted name reads inside structs.",
    ),
    ('kind = "software_heritage"', config_sources.SoftwareHeritageConfig, ""),
    ("[limits]", config.LimitsConfig, ""),
    ("[fetch]", config.FetchConfig, ""),
    ("[license]", config.LicenseConfig, ""),
    ("[language]", config.LanguageConfig, ""),
    ("[filter]", config.FilterConfig, FILTER_NOTE),
    ("[near]", config.NearConfig, ""),
    ("[decontamination]", config.DecontaminationConfig, ""),
    ("[malware]", config.MalwareConfig, ""),
    ("[pii]", config.PiiConfig, ""),
    ("[optout]", config.OptOutConfig, ""),
    ("[release]", config.ReleaseConfig, ""),
    ("[run]", config.RunConfig, ""),
)

TRAINING_HEAD = """
# Configuration of a training run

A run is one TOML file too: `fairstack model train run.toml` ([training.md](training.md)). `configs/model-cpu-demo.toml` is the smallest
example; the other `configs/model-*.toml` have published sizes.
"""

TRAINING_TABLES: tuple[tuple[str, type[BaseModel], str], ...] = (
    ("A run's file", training.ModelConfig, "Keys at the top."),
    ("[data]", training.DataConfig, ""),
    ("[tokenizer]", training.TokenizerConfig, ""),
    ("[decoder]", DecoderConfig, ""),
    ("[fim]", FimConfig, ""),
    ("[metadata]", MetadataConfig, ""),
    ("[mixture]", MixtureConfig, ""),
    ("[repositories]", RepositoriesConfig, ""),
    ("[optout] of a run", training.OptOutConfig, ""),
    ("[optimizer]", training.OptimizerConfig, ""),
    ("[schedule]", training.ScheduleConfig, ""),
    ("[train]", training.TrainConfig, ""),
    ("[evaluation]", training.EvaluationConfig, ""),
    ("[checkpoint]", training.CheckpointConfig, ""),
    ("[run] of a run", training.RunConfig, ""),
)


def page() -> str:
    """Return the page's text."""
    builds, runs = ("".join(_table(*table) for table in tables) for tables in (TABLES, TRAINING_TABLES))
    return HEAD + builds + TRAINING_HEAD + runs


def _table(title: str, model: type[BaseModel], note: str) -> str:
    inherited = set(config_sources.SourceConfig.model_fields) if model is not config_sources.SourceConfig else set()
    rows = [
        f"| `{field.alias or name}` | {_type(field.annotation)} | {_default_in(model, name, field)} | {_meaning(field)} |"
        for name, field in model.model_fields.items()
        if name not in (inherited if issubclass(model, config_sources.SourceConfig) else set()) | {"kind"}
        and not _is_table(field)
    ]
    told = " ".join(filter(None, (note or " ".join((model.__doc__ or "").split("\n\n")[0].split()),)))
    return (
        f"\n## `{title}`\n\n{told}\n\n| Key | Type | Default | Meaning |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
    )


def _is_table(field: Any) -> bool:
    is_model = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    return is_model or isinstance(field.default, BaseModel) or field.alias == "source"


def _meaning(field: Any) -> str:
    return " ".join((field.description or "").split()).replace("|", "\\|")


def _default_in(model: type[BaseModel], name: str, field: Any) -> str:
    if model is config.FilterConfig and field.default is None:
        value = getattr(profiles()["starcoder2"][0], name)
        return "off" if value is None else _shown(value)
    return _shown(field.default)


def _shown(value: Any) -> str:
    if value is PydanticUndefined:
        return "required"
    if value in (None, (), {}, ""):
        return ""
    if isinstance(value, tuple):
        return "`" + ", ".join(map(str, value)) + "`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " \\| ".join(f"`{one}`" for one in get_args(annotation))
    arguments = [one for one in get_args(annotation) if one not in (type(None), Ellipsis)]
    if get_origin(annotation) is tuple:
        return f"list of {_type(arguments[0])}"
    if get_origin(annotation) is dict:
        return "table"
    if len(arguments) == 1:
        return _type(arguments[0])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    names = {"str": "text", "int": "integer", "float": "number", "bool": "true or false", "date": "date"}
    return names.get(getattr(annotation, "__name__", ""), str(annotation))


if __name__ == "__main__":
    (Path(__file__).parent.parent / "docs" / "configuration.md").write_text(page(), encoding="utf-8")
