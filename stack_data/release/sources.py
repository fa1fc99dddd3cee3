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
    """

    kept: pa.Table
    places: pa.Table
    place_content: npt.NDArray[np.int32]
    place_repository: npt.NDArray[np.int64]
    repositories: list[dict[str, Any]]

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
    places = fold.places
    names = places["group"].combine_chunks()
    starts = np.array([first[name] for name in names.dictionary.to_pylist()] or [0], np.int64)
    codes = names.indices.to_numpy(zero_copy_only=False)
    place_repository = starts[codes] + places["repository"].to_numpy() if len(codes) else np.empty(0, np.int64)
    shown = np.array([one["audience"] == audience for one in repositories] or [True], bool)
    chosen = np.flatnonzero(shown[place_repository]) if len(codes) else np.empty(0, np.int64)
    return _cut(fold, places, place_repository, chosen, repositories)


def _cut(
    fold: Fold, places: pa.Table, place_repository: npt.NDArray[np.int64], chosen: npt.NDArray[np.int64],
    repositories: list[dict[str, Any]],
) -> ReleaseRows:  # fmt: skip
    places = places.take(pa.array(chosen))
    old_rows = places["kept_row"].to_numpy()
    kept_rows, best, place_content = np.unique(old_rows, return_index=True, return_inverse=True)
    kept = fold.kept.take(pa.array(kept_rows))
    counts = np.bincount(place_content, minlength=len(kept_rows)).astype(np.int32)
    ranks = (np.arange(len(old_rows)) - best[place_content]).astype(np.int32)
    shown = places.take(pa.array(best))
    replaced = {
        "place_part": shown["place_part"], "place_row": shown["place_row"], "group": shown["group"],
        "repository": shown["repository"], "language": shown["language"], "expression": shown["expression"],
        "num_provenances": pa.array(counts),
    }  # fmt: skip
    for name, column in replaced.items():
        kept = kept.set_column(kept.schema.get_field_index(name), name, column)
    places = places.set_column(places.schema.get_field_index("rank"), "rank", pa.array(ranks))
    return ReleaseRows(kept, places, place_content.astype(np.int32), place_repository[chosen], repositories)
