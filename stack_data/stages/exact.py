"""Exact deduplication: of equal contents in several source groups, the one lowest in (source order, part, row) stays.

Reads the content ids of every part; writes decisions/exact/, aligned with files/. All places stay recorded in
provenance/. Memory: 28 bytes per row of files/ while sorting, whatever the contents' sizes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stack_data.id_columns import id_bytes
from stack_data.reasons import Reason
from stack_data.records import EXACT_DECISIONS
from stack_data.stages.decisions import decision_columns

RULE_VERSION = 1


def first_occurrences(ids: Sequence[npt.NDArray[np.bytes_]]) -> npt.NDArray[np.int64]:
    """Return, for the concatenation of `ids`, the position of the first equal id of each row: int64[N]."""
    joined = np.concatenate(ids) if ids else np.empty(0, "S20")
    # Three integer keys sort several times faster than 20-byte strings.
    raw = np.frombuffer(joined.tobytes(), np.uint8).reshape(-1, 20)
    keys = (
        np.ascontiguousarray(raw[:, 16:]).view("<u4").ravel(),
        np.ascontiguousarray(raw[:, 8:16]).view("<u8").ravel(),
        np.ascontiguousarray(raw[:, :8]).view("<u8").ravel(),
    )
    order = np.lexsort(keys)
    sorted_raw = raw[order]
    starts = np.ones(len(order), bool)
    if len(order):
        starts[1:] = (sorted_raw[1:] != sorted_raw[:-1]).any(axis=1)
    # lexsort is stable, so the first of a run of equals is the lowest position.
    first = np.empty(len(order), np.int64)
    first[order] = order[starts][np.cumsum(starts) - 1]
    return first


def decide(parts: Sequence[str], ids: Sequence[pa.Array | pa.ChunkedArray]) -> list[pa.Table]:
    """Return the decisions for each part, given all parts in order and their content ids."""
    raw = [id_bytes(column) for column in ids]
    first = first_occurrences(raw)
    bounds = np.cumsum([0, *(len(column) for column in raw)])
    return [_decisions(parts, ids[index], first, bounds, index) for index in range(len(parts))]


def _decisions(
    parts: Sequence[str], ids: pa.Array | pa.ChunkedArray, first: npt.NDArray[np.int64],
    bounds: npt.NDArray[np.int64], index: int,
) -> pa.Table:  # fmt: skip
    mine = first[bounds[index] : bounds[index + 1]]
    duplicate = mine != np.arange(bounds[index], bounds[index + 1])
    owner = np.searchsorted(bounds, mine, side="right") - 1
    mask = ~duplicate
    kept_in = (
        pa.array(np.asarray(parts, object)[owner], pa.string(), mask=mask) if len(mine) else pa.array([], pa.string())
    )
    columns = decision_columns(
        ids, np.where(duplicate, 0, -1), [Reason.EXACT_DUPLICATE], pa.nulls(len(mine), pa.string())
    )
    columns["kept_in"] = kept_in
    columns["kept_row"] = pa.array((mine - bounds[owner]).astype(np.int32), mask=mask)
    return pa.table(columns).cast(EXACT_DECISIONS)
