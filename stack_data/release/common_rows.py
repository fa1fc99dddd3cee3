"""Rows that a shard has in common with its parent's shard of the same name: read from there instead of being made once more.

A release that takes a few files out touches most large shards, and making their rows anew (texts decoded and measured, copyright
lines found) takes several times as long as writing them. What makes two rows the same is what makes two shards the same (parent.py): the
parent was made as this release is, apart from opt-outs, and the fingerprints are equal. The files come out with the bytes they would
have had. Reads the parent's shards, the data row group by row group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data import storage
from stack_data.errors import InputError
from stack_data.release.parent import Parent

_Ints = npt.NDArray[np.int64]
_Bools = npt.NDArray[np.bool_]
_LOT = 1000
"""Data rows that are made at a time."""


def common_rows(parent: Parent, current: pa.Table, shards: set[str]) -> _Bools:
    """Return which rows of a release (RELEASED) the parent has too, in a shard of the same name, one of `shards`: bool[N].

    Shards of the parent that are not whole any more have none.
    """
    old = parent.released
    at = pc.index_in(current["content_id"], old["content_id"].combine_chunks())
    before = old.select(["shard", "fingerprint"]).take(at.combine_chunks())
    same = pc.and_(
        pc.equal(before["fingerprint"], current["fingerprint"]),
        pc.equal(before["shard"].cast(pa.string()), current["shard"].cast(pa.string())),
    )
    found = np.asarray(same.fill_null(False).to_numpy(), bool)
    names = current["shard"].combine_chunks()
    usable = [
        name in shards and f"data/{name}" in parent.outputs and parent.has_whole(name)
        for name in names.dictionary.to_pylist()
    ]
    return np.asarray(found & np.array(usable or [False], bool)[names.indices.to_numpy(zero_copy_only=False)], bool)


@dataclass(frozen=True, slots=True)
class Common:
    """A shard of M rows, some of which are its parent's.

    parent, shard  where these are; ids: content ids of the shard's rows in order, string[M]
    taken          bool[M]: the row is the parent's
    """

    parent: Parent
    shard: str
    ids: pa.Array
    taken: _Bools

    def data(self, made: Callable[[int, int], pa.Table]) -> Iterator[pa.Table]:
        """Yield the data rows in order. made: returns the rows from one to another of those that are not the parent's."""
        path = self.parent.folder / "data" / self.shard
        places = self._places(storage.read_parquet(path, ["content_id"])["content_id"], path.as_posix())
        made_at = np.flatnonzero(~self.taken)
        first, done = 0, 0
        for group in storage.read_row_groups(path):
            at = places[first : first + group.num_rows]
            first += group.num_rows
            if (at >= 0).any():
                rows, at = group.filter(pa.array(at >= 0)), at[at >= 0]
                end = int(np.searchsorted(made_at, at[-1]))
                yield _in_order(rows, at, made(done, end), made_at[done:end])
                done = end
        for start in range(done, len(made_at), _LOT):
            yield made(start, min(start + _LOT, len(made_at)))

    def table(self, folder: str, key: str, made: pa.Table) -> pa.Table:
        """Return the rows of another table of the shard in order. key: its column of ids; made: the rows that are not the parent's."""
        path = self.parent.folder / folder / self.shard
        old = storage.read_parquet(path)
        at = self._places(old[key], path.as_posix())
        mine = pc.index_in(made[key], self.ids).to_numpy()
        return _in_order(old.filter(pa.array(at >= 0)), at[at >= 0], made, mine)

    def _places(self, ids: pa.ChunkedArray, path: str) -> _Ints:
        """Return the place in this shard of each row of the parent's, -1 for rows that are not taken: int64[K]."""
        rows = np.flatnonzero(self.taken)
        at = pc.index_in(ids, self.ids.filter(pa.array(self.taken))).fill_null(-1).to_numpy()
        if len(np.unique(at[at >= 0])) != len(rows):
            raise InputError(f"{path} lacks rows that the build knows of; make the release with --full")
        return np.where(at >= 0, rows[at] if len(rows) else -1, -1)


def _in_order(old: pa.Table, old_at: _Ints, made: pa.Table, made_at: _Ints) -> pa.Table:
    """Return the rows of both tables by their places; rows of one place stay in the order they have."""
    # Fields that were read carry numbers that those of a schema have not, and these would be written.
    old = old.select(made.column_names).cast(made.schema)
    if not made.num_rows:
        return old
    order = np.argsort(np.concatenate([old_at, made_at]), kind="stable")
    return pa.concat_tables([old, made]).take(pa.array(order))
