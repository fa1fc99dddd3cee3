"""What the release step knows of a build: the fold of its audience, and the repositories that its places are in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stack_data import storage
from stack_data.fold import Fold
from stack_data.layout import Build
from stack_data.release.shards import repository_key


@dataclass(frozen=True, slots=True)
class ReleaseRows:
    """What is released.

    kept               one row per content (fold.KEPT plus place rank 0's `path`-less columns)
    places             kept places of this audience, ordered by (content, rank)
    place_content      row of `kept` of each place: int32[P]
    place_repository   row of `repositories` of each place: int64[P]
    near_content       row of `kept` that a dropped near duplicate has a verified edge to, once for each of its places
    near_repository    row of `repositories` of that place: int64 of the same length
    beside             places of this audience whose content was dropped beside one of `kept` (fold.NEAR), ordered by it
    beside_content     row of `kept` of each; beside_repository: row of `repositories`
    """

    kept: pa.Table
    places: pa.Table
    place_content: npt.NDArray[np.int32]
    place_repository: npt.NDArray[np.int64]
    repositories: list[dict[str, Any]]
    near_content: npt.NDArray[np.int32]
    near_repository: npt.NDArray[np.int64]
    beside: pa.Table
    beside_content: npt.NDArray[np.int32]
    beside_repository: npt.NDArray[np.int64]

    def keys(self) -> list[str]:
        """Return the comparison key of each repository."""
        return [repository_key(one["host"], one["owner"], one["repo"]) for one in self.repositories]


def select(build: Build, fold: Fold, groups: list[str]) -> ReleaseRows:
    """Return what a release shows of a fold, which is that of its audience."""
    repositories: list[dict[str, Any]] = []
    first: dict[str, int] = {}
    for group in groups:
        first[group] = len(repositories)
        repositories += storage.read_parquet(build.repositories(group)).to_pylist()
    beside = fold.near.filter(fold.near["is_beside"])
    return ReleaseRows(
        fold.kept, fold.places, fold.places["kept_row"].to_numpy(), _repository_rows(fold.places, first), repositories,
        fold.near["kept_row"].to_numpy(), _repository_rows(fold.near, first),
        beside, beside["kept_row"].to_numpy(), _repository_rows(beside, first),
    )  # fmt: skip


def _repository_rows(places: pa.Table, first: dict[str, int]) -> npt.NDArray[np.int64]:
    """Return the row of each place's repository. `first`: the first row of each source group."""
    if not places.num_rows:
        return np.empty(0, np.int64)
    names = places["group"].combine_chunks()
    starts = np.array([first[name] for name in names.dictionary.to_pylist()], np.int64)
    return np.asarray(starts[names.indices.to_numpy(zero_copy_only=False)] + places["repository"].to_numpy())
