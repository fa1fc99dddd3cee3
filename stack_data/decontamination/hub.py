"""Benchmarks that are loaded through `datasets`: MBPP, DS-1000, APPS, GSM8K, MultiPL-E.

`datasets` takes them from the Hub, or from its own cache when they were loaded before (HF_HUB_OFFLINE=1 asks for that alone). What
they hold is part of the benchmarks' digest, so a build made with another version of one is another build. APPS' question texts
are taken, not its 115,000 solutions; GSM8K's questions, not its answers, which are words.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack_data.decontamination.items import Item, item_of
from stack_data.errors import InputError


@dataclass(frozen=True, slots=True)
class Preset:
    """Where a benchmark lies and what its columns are.

    configs: pairs of a configuration's name (or None) and the Linguist language of its solutions; columns: pairs of the field of an
    item (docs/decontamination.md) and the data set's column.
    """

    path: str
    configs: tuple[tuple[str | None, str], ...]
    splits: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    revision: str | None = None


_MULTIPLE = (
    ("humaneval-cpp", "C++"), ("humaneval-cs", "C#"), ("humaneval-d", "D"), ("humaneval-go", "Go"), ("humaneval-java", "Java"),
    ("humaneval-jl", "Julia"), ("humaneval-js", "JavaScript"), ("humaneval-lua", "Lua"), ("humaneval-php", "PHP"),
    ("humaneval-pl", "Perl"), ("humaneval-r", "R"), ("humaneval-rb", "Ruby"), ("humaneval-rkt", "Racket"),
    ("humaneval-rs", "Rust"), ("humaneval-scala", "Scala"), ("humaneval-sh", "Shell"), ("humaneval-swift", "Swift"),
    ("humaneval-ts", "TypeScript"), ("mbpp-cpp", "C++"), ("mbpp-cs", "C#"), ("mbpp-go", "Go"), ("mbpp-java", "Java"),
    ("mbpp-js", "JavaScript"), ("mbpp-lua", "Lua"), ("mbpp-php", "PHP"), ("mbpp-rb", "Ruby"), ("mbpp-rs", "Rust"),
    ("mbpp-ts", "TypeScript"),
)  # fmt: skip
PRESETS = {
    "mbpp": Preset(
        "google-research-datasets/mbpp", (("full", "Python"),), ("train", "test", "validation", "prompt"),
        (("task_id", "task_id"), ("docstring", "text"), ("solution", "code")),
    ),
    "ds-1000": Preset("xlangai/DS-1000", ((None, "Python"),), ("test",), (("prompt", "prompt"), ("solution", "reference_code"))),
    # Its loading script is no longer run by `datasets`; the Hub keeps the same rows as Parquet on a branch of its own.
    "apps": Preset(
        "codeparrot/apps", (("all", "Python"),), ("test",), (("task_id", "problem_id"), ("question", "question")),
        "refs/convert/parquet",
    ),
    "gsm8k": Preset("openai/gsm8k", (("main", "Python"),), ("test",), (("question", "question"),)),
    "multipl-e": Preset("nuprl/MultiPL-E", _MULTIPLE, ("test",), (("task_id", "name"), ("prompt", "prompt"))),
}  # fmt: skip


def load_items(benchmark: str, preset: Preset, cache: Path | None) -> list[Item]:
    """Return the items of a benchmark; InputError when it cannot be had or has other columns."""
    found = []
    for config, language in preset.configs:
        for split in preset.splits:
            name = "/".join(filter(None, (config, split)))
            for number, row in enumerate(_rows(benchmark, preset, config, split, cache)):
                place = f"{preset.path} ({name}), row {number}"
                found.append(_item(row, preset, benchmark, language, f"{name}/{number}", place))
    return found


def _item(row: Mapping[str, Any], preset: Preset, benchmark: str, language: str, name: str, place: str) -> Item:
    missing = [column for _, column in preset.columns if column not in row]
    if missing:
        raise InputError(f"{place}: the data set has no column {missing[0]!r}; it has: {', '.join(map(str, row))}")
    taken = {field: row[column] for field, column in preset.columns}
    return item_of({"task_id": name, **taken}, benchmark, language, place)


def _rows(
    benchmark: str, preset: Preset, config: str | None, split: str, cache: Path | None
) -> Iterator[dict[str, Any]]:
    import datasets

    try:
        data = datasets.load_dataset(
            preset.path, config, split=split, revision=preset.revision, cache_dir=None if cache is None else str(cache)
        )
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        asked = "" if os.environ.get("HF_HUB_OFFLINE") != "1" else " (HF_HUB_OFFLINE=1: nothing is downloaded)"
        raise InputError(
            f"the benchmark {benchmark!r} cannot be loaded from {preset.path}{asked}: {reason}. Load it once while online, "
            f"or take it out of decontamination.benchmarks"
        ) from error
    yield from data
