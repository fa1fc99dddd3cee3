"""Single contents out of a build's parts: some rows of files/, read row group by row group; columns as one chunk."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stack_data import storage
from stack_data.layout import Build
from stack_data.text import TEXT_COLUMNS


def take_contents(build: Build, part: str, rows: npt.NDArray[np.int64] | Sequence[int]) -> pa.Table:
    """Return rows of a part, in ascending order, with TEXT_COLUMNS. Row groups without any are not read."""
    path = build.files(part)
    rows = np.asarray(rows, np.int64)
    group = rows // storage.ROW_GROUP_ROWS
    taken = [
        storage.read_row_group(path, number, TEXT_COLUMNS).take(
            pa.array(rows[group == number] - number * storage.ROW_GROUP_ROWS)
        )
        for number in np.unique(group).tolist()
    ]
    return pa.concat_tables(taken)


def chunk_of(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array; nothing is copied where it is one."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
