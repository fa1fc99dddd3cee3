"""Small files for the tests of formats."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from stack_data.formats.documents import Files, draws


def key_with(*wanted: bool, probability: float) -> int:
    """Return a key whose first draws are below a probability just where wanted."""
    keys = np.arange(1, 200_000, dtype=np.uint64)
    fits = np.ones(len(keys), bool)
    for number, one in enumerate(wanted):
        fits &= (draws(keys, number) < probability) == one
    return int(keys[np.flatnonzero(fits)[0]])


def files(
    texts: list[str], keys: list[int], starts: list[int] | None = None, paths: list[str] | None = None,
    stars: list[int | None] | None = None, whole: list[bool] | None = None,
) -> Files:  # fmt: skip
    """Return files of the repository `jane/tool`."""
    count = len(texts)
    return Files(
        pa.array(texts, pa.large_string()), pa.array(paths or [f"src/{number}.py" for number in range(count)]),
        pa.array(["jane/tool"] * count), pa.array(stars or [None] * count, pa.int64()), np.array(whole or [False] * count),
        np.array(keys, np.uint64), np.array(starts or list(range(count + 1)), np.int64),
    )  # fmt: skip
