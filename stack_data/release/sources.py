"""What the release step knows of a build: the fold cut to one audience, and its repositories.

Reads repositories/ and the places the fold kept. A content whose displayed place is of another audience is displayed
from its best place of this one; a content without any is out.
"""

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


def select(build: Build, fold: Fold, audience: str, groups: list[str]) -> ReleaseRows:
    """Cut the fold to one audience."""
    repositories: list[dict[str, Any]] = []
    first: dict[str, int] = {}
    for group in groups:
        first[group] = len(repositories)
        repositories += storage.read_parquet(build.repositories(group)).to_pylist()
    place_repository = _repository_rows(fold.places, first)
    shown = np.array([one["audience"] == audience for one in repositories] or [True], bool)
    return _cut(fold, fold.places, place_repository, shown, repositories, _repository_rows(fold.near, first))


def _repository_rows(places: pa.Table, first: dict[str, int]) -> npt.NDArray[np.int64]:
    """Return the row of each place's repository. `first`: the first row of each source group."""
    if not places.num_rows:
        return np.empty(0, np.int64)
    names = places["group"].combine_chunks()
    starts = np.array([first[name] for name in names.dictionary.to_pylist()], np.int64)
    return np.asarray(starts[names.indices.to_numpy(zero_copy_only=False)] + places["repository"].to_numpy())


def _cut(
    fold: Fold, places: pa.Table, place_repository: npt.NDArray[np.int64], shown: npt.NDArray[np.bool_],
    repositories: list[dict[str, Any]], near_repository: npt.NDArray[np.int64],
) -> ReleaseRows:  # fmt: skip
    chosen = np.flatnonzero(shown[place_repository]) if len(place_repository) else np.empty(0, np.int64)
    places = places.take(pa.array(chosen))
    old_rows = places["kept_row"].to_numpy()
    kept_rows, best, place_content = np.unique(old_rows, return_index=True, return_inverse=True)
    kept = fold.kept.take(pa.array(kept_rows))
    counts = np.bincount(place_content, minlength=len(kept_rows)).astype(np.int32)
    ranks = (np.arange(len(old_rows)) - best[place_content]).astype(np.int32)
    first = places.take(pa.array(best))
    replaced = {
        "place_part": first["place_part"], "place_row": first["place_row"], "group": first["group"],
        "repository": first["repository"], "language": first["language"], "expression": first["expression"],
        "num_provenances": pa.array(counts),
    }  # fmt: skip
    for name, column in replaced.items():
        kept = kept.set_column(kept.schema.get_field_index(name), name, column)
    places = places.set_column(places.schema.get_field_index("rank"), "rank", pa.array(ranks))
    near = fold.near["kept_row"].to_numpy()
    at = np.minimum(np.searchsorted(kept_rows, near), max(len(kept_rows) - 1, 0))
    here = kept_rows[at] == near if len(kept_rows) else np.zeros(len(near), bool)
    beside = np.flatnonzero(here & fold.near["is_beside"].to_numpy() & shown[near_repository])
    return ReleaseRows(
        kept, places, place_content.astype(np.int32), place_repository[chosen], repositories,
        at[here].astype(np.int32), near_repository[here],
        fold.near.take(pa.array(beside)), at[beside].astype(np.int32), near_repository[beside],
    )  # fmt: skip
