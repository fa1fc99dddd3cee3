"""What a build had of an owner or a repository and did not release, by reason: the second part of an owner's answer.

Reads a finished build; writes nothing. A place counts with the reason of the first stage that dropped it, else with that of its content
(a near duplicate, the same content elsewhere under another licence, a benchmark). What left by an opt-out or a signal is in no part
of the answer and in no count, so a name that left and a name that was never there look alike. Other names of a repository that the
build knows (aliases) are followed.

Choice: the fold is made anew for each question, seconds for a large build; a service that is asked often keeps `Dropped`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data import storage
from stack_data.build import check_finished
from stack_data.config_file import load_resolved
from stack_data.departures import leaving
from stack_data.fold import fold
from stack_data.layout import Build
from stack_data.pipeline import parts_of
from stack_data.reasons import BY_VALUE, LEAVING
from stack_data.rows import PLACE_STAGES, load, numpy_of
from stack_data.search.clone_urls import Asked
from stack_data.search.documents import repository_key
from stack_data.search.names import beginnings

_STAGES = ("fetch", *PLACE_STAGES)


@dataclass(frozen=True, slots=True)
class Dropped:
    """The places of a build that were dropped. table: keys (of the repository, aliases too), reason, num_bytes, path."""

    keys: tuple[tuple[str, ...], ...]
    repository: npt.NDArray[np.int64]
    table: pa.Table

    def of(self, asked: Asked, gone: Callable[[Sequence[str]], list[bool]] | None = None) -> dict[str, Any]:
        """Return what was dropped of an owner or repository, most files first, as JSON values.

        gone: of `Aliases`; a repository of which a name was removed from the index since, or is hidden, is not counted.
        """
        hosts = sorted({key.partition("/")[0] for names in self.keys for key in names})
        starts = beginnings(asked, hosts)
        mine = np.array([any(_is_of(key, starts) for key in names) for names in self.keys], bool)
        for row in np.flatnonzero(mine).tolist() if gone else ():
            mine[row] = not any(gone(self.keys[row]))  # type: ignore[misc]
        chosen = self.table.filter(pa.array(mine[self.repository])) if len(mine) else self.table
        counts = chosen.group_by("reason").aggregate([("num_bytes", "sum"), ("num_bytes", "count")]).to_pylist()
        found = [
            {
                "reason": one["reason"], "stage": BY_VALUE[one["reason"]].stage, "meaning": BY_VALUE[one["reason"]].meaning,
                "files": one["num_bytes_count"], "bytes": one["num_bytes_sum"],
            }
            for one in sorted(counts, key=lambda one: (-one["num_bytes_count"], one["reason"]))
        ]  # fmt: skip
        return {"files": chosen.num_rows, "reasons": found}


def _is_of(key: str, starts: Sequence[str]) -> bool:
    return any(key == one or (one.endswith("/") and key.startswith(one)) for one in starts)


def dropped(folder: Path, audience: str = "public") -> Dropped:
    """Read what a build dropped, of the repositories that an audience may see. InputError when it is no finished build."""
    check_finished(folder)
    build = Build.open(folder)
    parts = parts_of(build)
    rows = load(build, parts)
    left = leaving(build, rows, parts) >= 0
    reason = _reasons(build, rows.places, parts)
    told = pa.array([one.value for one in BY_VALUE.values() if one not in LEAVING])
    seen = numpy_of(pc.equal(rows.repositories["audience"], audience)).astype(bool)[rows.repository]
    stays = numpy_of(pc.is_in(reason, told)).astype(bool) & ~left & seen
    sizes = np.maximum(numpy_of(rows.places["num_bytes"]), 0)
    table = pa.table({"reason": reason.filter(pa.array(stays)), "num_bytes": sizes[stays]})
    return Dropped(_keys(build, parts), rows.repository[stays], table)


def _reasons(build: Build, places: pa.Table, parts: Sequence[tuple[str, str]]) -> pa.Array:
    """Return why each place is in no release, null for those that are: string[P]."""
    result = fold(build, load_resolved(build.config), parts)
    of_content = pc.index_in(places["content_id"], result.dropped["content_id"].combine_chunks())
    late = result.dropped["reason"].cast(pa.string()).take(of_content)
    found = pc.coalesce(*(places[f"{stage}_reason"].cast(pa.string()) for stage in _STAGES), late)
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def _keys(build: Build, parts: Sequence[tuple[str, str]]) -> tuple[tuple[str, ...], ...]:
    keys: list[tuple[str, ...]] = []
    for group in dict.fromkeys(group for group, _ in parts):
        table = storage.read_parquet(build.repositories(group), ["host", "owner", "repo", "aliases"])
        for row in table.to_pylist():
            aliases = [one.split("/") for one in row["aliases"] or () if one.count("/") >= 2]
            names = [
                (row["host"], row["owner"], row["repo"]),
                *((one[0], "/".join(one[1:-1]), one[-1]) for one in aliases),
            ]
            keys.append(tuple(repository_key(*one) for one in names))
    return tuple(keys)
