"""A release that is read: its identity, what was taken out of it since, and its shards of data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stack_data import manifest, purges, storage
from stack_data.errors import InputError


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of data/. num_bytes: of its texts."""

    path: Path
    split: str
    num_bytes: int
    sha256: str

    def row_groups(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield its rows with those of these columns that it has; InputError when its bytes are not those of the release."""
        if storage.sha256_file(self.path) != self.sha256:
            raise InputError(
                f"{self.path}: its bytes are not those of the manifest; check: fairstack data verify {self.path.parents[2]}"
            )
        there = set(storage.read_schema(self.path).names)
        yield from storage.read_row_groups(self.path, [name for name in columns if name in there])


@dataclass(frozen=True, slots=True)
class Release:
    """A release. inputs: SHA-256 of its manifest, which is its identity, and of its purge records; told: its name and version."""

    folder: Path
    inputs: Mapping[str, str]
    shards: tuple[Shard, ...]
    told: Mapping[str, Any]


def open_release(folder: Path) -> Release:
    """Open a release; InputError when it is none, or when taking files out of it was stopped."""
    if not (folder / "manifest.json").exists():
        raise InputError(f"{folder} is no release: it has no manifest.json")
    made = manifest.read(folder / "manifest.json")
    if not any(name.startswith("data/") for name in made.outputs):
        raise InputError(f"{folder} is no release: its manifest lists no data/")
    if purges.is_pending(folder):
        raise InputError(f"{folder}: taking files out of it was stopped; run that command again, then this one")
    current = purges.current(folder, made.outputs)
    names = sorted(name for name in made.outputs if name.startswith("data/") and current[name] != purges.GONE)
    shards = tuple(_shard(folder / name, current[name]) for name in names)
    inputs = {"manifest.json": storage.sha256_file(folder / "manifest.json")}
    for record in purges.records(folder):
        inputs[f"purges/{record.number}.json"] = storage.sha256_file(folder / "purges" / f"{record.number}.json")
    told = {key: made.plan["config"].get(key, "") for key in ("title", "version")}
    return Release(folder, inputs, shards, told | {"identity": inputs["manifest.json"]})


def _shard(path: Path, sha256: str) -> Shard:
    lengths = storage.read_parquet(path, ["length_bytes"])["length_bytes"]
    return Shard(path, path.name.partition("-")[0], int(pc.sum(lengths).as_py() or 0), sha256)
