"""The paths of one repository as sorted columns, and which of them a rule reaches.

Pure; nothing is read or written. Sorted bytewise, the files of a folder, and all that begins with given bytes, lie side by
side, so a rule looks only at those it can reach; each is held against them in one pass of Arrow's RE2, whose time is
linear. The work of a repository is counted: rules by the ten thousand, or made to be slow, end in `TooMuchWork`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data.signals.wildmatch import Pattern, quote

MAX_WORK = 10_000_000_000
"""Bytes of paths, times the cost of each pattern held against them: a minute at worst, seconds nearly always."""

_WORK_OF_A_RULE = 20_000
"""What a rule takes that reaches no path."""

Mask = npt.NDArray[np.bool_]


class TooMuchWork(Exception):
    """The rules of a repository are too many, or too hard, to be held against its paths."""


class Tree:
    """Paths of a repository. `order`: int64[N], the given row of each sorted one."""

    def __init__(self, paths: pa.Array | pa.ChunkedArray | Sequence[str]) -> None:
        given = _bytes_of(paths)
        self.order: npt.NDArray[np.int64] = pc.sort_indices(given).to_numpy().astype(np.int64)
        self.paths = given.take(pa.array(self.order))
        self.names = pc.replace_substring_regex(self.paths, rb"(?s)\A.*/", b"")
        self._mean_bytes = max(1, pc.sum(pc.binary_length(self.paths)).as_py() or 0) / max(1, len(self.paths))
        self._work = 0.0

    def __len__(self) -> int:
        return len(self.paths)

    def beginning_with(self, start: bytes) -> slice:
        """Return the rows whose paths begin with `start`."""
        return slice(self._first(start, above=False), self._first(start, above=True)) if start else slice(0, len(self))

    def _first(self, start: bytes, above: bool) -> int:
        low, high = 0, len(self.paths)
        while low < high:
            middle = (low + high) // 2
            path = self.paths[middle].as_py()[: len(start)]
            if path < start or (above and path == start):
                low = middle + 1
            else:
                high = middle
        return low

    def matching(self, pattern: Pattern, folder: bytes) -> tuple[slice, Mask | None]:
        """Return the rows to look at, and which of them match (None: all). `folder` is "" or ends with `/`."""
        if not pattern.on_name:
            return self._beginning_and_going_on(folder + pattern.literal, pattern)
        rows = self.beginning_with(folder)
        self._count(rows, pattern.cost)
        if pattern.ends and not pattern.literal:
            return rows, None
        names = self.names[rows]
        if pattern.regex is not None:
            return rows, _matches(names, pattern.regex)
        if pattern.ends:
            return rows, _mask(pc.ends_with(names, pattern=pattern.literal))
        return rows, _mask(pc.equal(names, pa.scalar(pattern.literal, names.type)))

    def _beginning_and_going_on(self, start: bytes, pattern: Pattern) -> tuple[slice, Mask | None]:
        rows = self.beginning_with(start)
        if pattern.regex is None:
            # Sorted, the path itself comes before all that it begins; a data set may hold it more than once.
            rows = slice(rows.start, self._first(start + b"\0", above=False))
            self._count(rows, 1)
            return rows, None
        self._count(rows, pattern.cost)
        return rows, _matches(self.paths[rows], rb"(?s)\A" + quote(start) + pattern.regex)

    def _count(self, rows: slice, cost: int) -> None:
        self._work += _WORK_OF_A_RULE + (rows.stop - rows.start) * self._mean_bytes * cost
        if self._work > MAX_WORK:
            raise TooMuchWork


def _bytes_of(paths: pa.Array | pa.ChunkedArray | Sequence[str]) -> pa.Array:
    if not isinstance(paths, (pa.Array, pa.ChunkedArray)):
        paths = pa.array([path.encode("utf-8", "backslashreplace") for path in paths], pa.large_binary())
    if isinstance(paths, pa.ChunkedArray):
        paths = paths.combine_chunks()
    return paths.cast(pa.large_binary())


def _matches(column: pa.Array, regex: bytes) -> Mask:
    try:
        return _mask(pc.match_substring_regex(column, regex))
    except pa.ArrowInvalid as error:
        # RE2 refuses programs beyond its memory: a path or location of thousands of characters.
        raise TooMuchWork from error


def _mask(values: pa.Array) -> Mask:
    found: Mask = values.to_numpy(zero_copy_only=False)
    return found
