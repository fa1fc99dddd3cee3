"""Contents and places out of a release folder, row group by row group: one that was built here, downloaded, updated or purged.

Reads data/, provenance/, manifest.json and purges/ (docs/data-format.md). Every file is compared with the manifest, or with what the
purge records say it became, before a row of it is used. Refused, with one line: what is no release, is damaged, or is being changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stack_data import manifest, purges, storage
from stack_data.errors import InputError
from stack_data.search.protocol import Release

DATA_COLUMNS = ["content_id", "content", "language", "detected_licenses", "sha256", "text_sha256"]
PLACE_COLUMNS = [
    "released_content_id", "content_id", "relation", "host", "owner", "repo", "owner_id", "repo_id", "revision", "path", "language",
    "detected_licenses",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shard:
    """A file of data/, and the same name below provenance/."""

    folder: Path
    name: str
    data_sha256: str
    places_sha256: str


@dataclass(frozen=True, slots=True)
class Rows:
    """Contents of one row group, and their places. owner int64[P]: the row of `data` that each place is of, ascending."""

    data: pa.Table
    places: pa.Table
    owner: npt.NDArray[np.int64]

    @property
    def num_bytes(self) -> int:
        """How much text there is, in bytes."""
        return int(pc.sum(pc.binary_length(self.data["content"])).as_py() or 0)


def release_of(folder: Path) -> tuple[Release, list[Shard]]:
    """Return what a folder is a release of, and its shards in order. InputError when it is none, or is being changed."""
    path = folder / "manifest.json"
    if not path.exists():
        raise InputError(
            f"{folder} is no release: it has no manifest.json; name a folder such as build/NAME/releases/1.0.0"
        )
    listed = manifest.read(path)
    config = listed.plan.get("config", {})
    if not str(listed.plan.get("kind", "")).startswith("release/") or not {"name", "version"} <= config.keys():
        raise InputError(f"{folder} is no release: its manifest is of kind {listed.plan.get('kind')!r}")
    if purges.is_pending(folder):
        raise InputError(f"{folder}: taking files out of it was stopped; run the same command again, then index it")
    now = purges.current(folder, listed.outputs)
    names = sorted(name.removeprefix("data/") for name in listed.outputs if name.startswith("data/"))
    missing = [name for name in names if f"provenance/{name}" not in now]
    if missing:
        raise InputError(f"{path} is damaged: it lists data/{missing[0]} and not provenance/{missing[0]}")
    shards = [Shard(folder, name, now[f"data/{name}"], now[f"provenance/{name}"]) for name in names]
    return Release(config["name"], config["version"], storage.sha256_file(path), config.get("key", "")), shards


def check_shard(shard: Shard) -> None:
    """Compare the files of a shard with what they must be; InputError names one that is not."""
    for kind, wanted in (("data", shard.data_sha256), ("provenance", shard.places_sha256)):
        path = shard.folder / kind / shard.name
        if wanted == purges.GONE:
            continue
        if not path.exists():
            raise InputError(f"{path} is missing; copy the release again")
        if storage.sha256_file(path) != wanted:
            raise InputError(f"{path} is damaged: its bytes are not those of the manifest; copy the release again")


def groups_of(shard: Shard) -> list[int]:
    """Return the numbers of a shard's row groups."""
    if shard.data_sha256 == purges.GONE:
        return []
    path = shard.folder / "data" / shard.name
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            missing = [name for name in DATA_COLUMNS if name not in names]
            if missing:
                raise InputError(f"{path} is no shard of a release: it has no column {missing[0]!r}")
            return list(range(file.num_row_groups))
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} is damaged or no Parquet file: {storage.first_line(error)}") from error


def read_data(shard: Shard, group: int) -> pa.Table:
    """Return a row group of a shard's contents, each column in one chunk."""
    path = shard.folder / "data" / shard.name
    table = storage.read_row_group(path, group, DATA_COLUMNS).combine_chunks()
    for name in ("content_id", "content", "sha256", "text_sha256"):
        if table[name].null_count:
            raise InputError(f"{path} is damaged: {name} is null in row group {group}; copy the release again")
    return table


class PlaceCursor:
    """The places of a shard, given out content by content in the order of its data."""

    def __init__(self, shard: Shard) -> None:
        self._path = shard.folder / "provenance" / shard.name
        self._groups: Iterator[pa.Table] = storage.read_row_groups(self._path, PLACE_COLUMNS)
        self._held: pa.Table | None = None

    def take(self, data: pa.Table) -> Rows:
        """Return contents with their places; InputError when those that follow are not theirs."""
        held = [self._held] if self._held is not None else []
        starts = _starts(held[0]) if held else np.empty(0, np.int64)
        # One content more than asked for shows that the last one's places are all there.
        while len(starts) <= data.num_rows and (group := next(self._groups, None)) is not None:
            held.append(group)
            starts = _starts(pa.concat_tables(held))
        joined = pa.concat_tables(held).combine_chunks() if held else None
        if joined is None or len(starts) < data.num_rows:
            raise self._misplaced()
        end = int(starts[data.num_rows]) if len(starts) > data.num_rows else joined.num_rows
        places = joined.slice(0, end)
        self._held = joined.slice(end) if end < joined.num_rows else None
        owner = np.searchsorted(starts, np.arange(end), side="right") - 1
        if not places["released_content_id"].equals(data["content_id"].take(pa.array(owner))):
            raise self._misplaced()
        return Rows(data, places, owner)

    def close(self) -> None:
        """Say so when places are left that no content has."""
        if self._held is not None or next(self._groups, None) is not None:
            raise self._misplaced()

    def _misplaced(self) -> InputError:
        return InputError(f"{self._path} does not list the places of its shard's contents; copy the release again")


def _starts(places: pa.Table) -> npt.NDArray[np.int64]:
    """Return the rows at which the places of another content begin."""
    names = places["released_content_id"].combine_chunks()
    names = names.chunk(0) if isinstance(names, pa.ChunkedArray) else names
    if not len(names):
        return np.empty(0, np.int64)
    changes = pc.not_equal(names[1:], names[:-1]).to_numpy(zero_copy_only=False)
    return np.concatenate([[0], np.flatnonzero(changes) + 1])
