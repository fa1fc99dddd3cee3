"""What edges mean: clusters of texts, and which of them go when the best of each are kept.

A cluster is a connected component. It is named and counted, but drops nothing: a chain of edges joins texts that are
not near each other. `walk` drops a text only beside one that is kept and that a verified edge joins it to.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit


def components(count: int, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return for each of `count` texts the least number in its connected component: int64[count]."""
    return np.asarray(_components(count, first, second))


def walk(
    order: npt.NDArray[np.int64],
    alive: npt.NDArray[np.bool_],
    first: npt.NDArray[np.int64],
    second: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Return for each text the kept one that it is dropped beside, or -1.

    order  all texts, best first; where several kept ones have an edge to a text, the best of them is named
    alive  the texts that are there at all: others neither drop nor are dropped
    """
    count = len(order)
    rank = np.empty(count, np.int64)
    rank[order] = np.arange(count)
    ends = np.concatenate([first, second])
    others = np.concatenate([second, first])
    # Edges of one text stand together, to better texts first.
    sequence = np.lexsort((rank[others], ends))
    starts = np.searchsorted(ends[sequence], np.arange(count + 1))
    return np.asarray(_walk(order, rank, alive, starts, others[sequence]))


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _components(count, first, second):  # type: ignore[no-untyped-def]
    parent = np.arange(count)
    for edge in range(len(first)):
        one, other = first[edge], second[edge]
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        while parent[other] != other:
            parent[other] = parent[parent[other]]
            other = parent[other]
        if one != other:
            parent[max(one, other)] = min(one, other)
    for text in range(count):
        # Parents have lower numbers, so theirs are final already.
        parent[text] = parent[parent[text]]
    return parent


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _walk(order, rank, alive, starts, neighbours):  # type: ignore[no-untyped-def]
    beside = np.full(len(order), -1, np.int64)
    for text in order:
        if not alive[text]:
            continue
        for at in range(starts[text], starts[text + 1]):
            other = neighbours[at]
            if rank[other] > rank[text]:
                break
            if alive[other] and beside[other] < 0:
                beside[text] = other
                break
    return beside
