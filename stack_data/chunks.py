"""Rows of a column that lies in many chunks, mapped from files: only what is asked for is copied."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa


class Chunks:
    """A column in chunks. pyarrow's own `take` would copy whole chunks of strings together first."""

    def __init__(self, chunks: Sequence[pa.Array], kind: pa.DataType) -> None:
        self._chunks = chunks
        self._kind = kind
        self._starts = np.cumsum([0, *map(len, chunks)])

    def take(self, rows: npt.NDArray[np.int64]) -> pa.Array:
        """Return the values at these rows, in their order."""
        number = np.searchsorted(self._starts, rows, side="right") - 1
        taken = [
            self._chunks[one].take(pa.array(rows[number == one] - self._starts[one]))
            for one in np.unique(number).tolist()
        ]
        if len(taken) == 1:
            return taken[0]
        # The chunks' rows lie one chunk after the other; a stable sort says where each went.
        back = np.empty(len(rows), np.int64)
        back[np.argsort(number, kind="stable")] = np.arange(len(rows))
        return pa.concat_arrays(taken).take(pa.array(back)) if taken else pa.array([], self._kind)
