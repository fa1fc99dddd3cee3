"""Files of a repository that stand together: one after the other in a row, each seen by those after it, ended by one end of text.

StarCoder:  <reponame>R<filename>P1\\n text <filename>P2\\n text <|endoftext|>
StarCoder2: <repo_name>R<file_sep>P1\\n text <file_sep>P2\\n text <|endoftext|>, or without any name <file_sep> text <file_sep> text <|endoftext|>.

Which files of a group are joined, and in what order, follows from draws alone, so it changes with the epoch; a run of them is filled up to a
row. Several together are a bundle: it is drawn, packed and planned as one item is. What is joined has the repository's number that the shards
were made with, so a place that leaves moves nothing. A dropped file leaves its room at the end of its bundle, where those after it close up: no
other bundle moves. Not joined: commits and notebooks, files of several languages, files longer than a row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from model.fim.draws import IS_JOINED, WITH_REPOSITORY, chance
from model.packing.item_kernels import CLOSES, FIM, FIM_TOKENS, FOLLOWS, JOINED, LAST, PATH, REPOSITORY

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


def join(
    keys: npt.NDArray[np.uint64], repositories: Ints, items: tuple[npt.NDArray[Any], ...], rate: float, repository_rate: float,
    sizes: tuple[int, int, int], always_named: bool,
) -> tuple[npt.NDArray[np.int32], Flags, npt.NDArray[np.intp]]:  # fmt: skip
    """Let some of the items of a group in one epoch stand together; return rooms int32[I], flags uint8[I] and the order of all items.

    keys: uint64[I] of items; repositories: int64[I], 0 for none; items: (chunks, counts, rooms, flags, orders), see item_kernels.items_of;
    sizes: positions of a row, slack and metadata tokens; always_named: the files' names part them, so each has its own.
    """
    chunks, counts, rooms, flags, orders = items
    leads, within, ranks = np.arange(len(keys)), np.zeros(len(keys), np.int64), orders.copy()
    most = counts.astype(np.int64) + sizes[2] + np.where(flags & FIM, FIM_TOKENS + sizes[1], 0)
    is_wanted = (chunks == 0) & (flags & LAST != 0) & (repositories > 0) & (most <= sizes[0])
    wanted = np.flatnonzero(is_wanted & _are_joined(keys, rate))
    wanted = wanted[np.lexsort((orders[wanted], repositories[wanted]))]
    firsts, room, flag = _fill(
        repositories[wanted], keys[wanted], counts[wanted], flags[wanted], repository_rate, sizes, always_named
    )
    # One that found no other stays what it was.
    several = np.flatnonzero(np.bincount(firsts, minlength=len(wanted))[firsts] > 1)
    chosen, lead = wanted[several], wanted[firsts[several]]
    rooms, flags = rooms.copy(), flags.copy()
    rooms[chosen], flags[chosen] = room[several], flag[several]
    leads[chosen], within[chosen], ranks[chosen] = lead, several - firsts[several], orders[lead]
    # Two contents with equal keys (replayed ones) stand in the order of their numbers.
    return rooms, flags, np.lexsort((within, leads, ranks))


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _are_joined(keys, rate):  # type: ignore[no-untyped-def]
    """Return which items are drawn to stand beside others: bool[I]."""
    found = np.empty(len(keys), np.bool_)
    for at in range(len(keys)):
        found[at] = chance(keys[at], IS_JOINED, rate)
    return found


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _fill(repositories, keys, counts, flags, repository_rate, sizes, always_named):  # type: ignore[no-untyped-def]
    """Cut runs of files of one repository each into bundles that fit a row.

    Returns of each file: the place of its bundle's first int64[C], room int32[C], flags uint8[C]. Whether names are written is drawn once a
    repository, by its first file.
    """
    firsts, rooms, found = np.empty(len(keys), np.int64), np.empty(len(keys), np.int32), np.empty(len(keys), np.uint8)
    first, used = 0, 0
    with_repository, with_paths = False, False
    for at in range(len(keys)):
        if at == 0 or repositories[at] != repositories[at - 1]:
            first, used = at, 0
            with_repository = chance(keys[at], WITH_REPOSITORY, repository_rate)
            with_paths = with_repository or always_named
        around = sizes[2] if with_paths else 1
        if flags[at] & FIM:
            around += FIM_TOKENS + sizes[1]
        room = counts[at] + around
        if used + room > sizes[0]:
            first, used = at, 0
        used += room
        flag = (flags[at] & (FIM | LAST)) | JOINED
        if with_paths:
            flag |= PATH
        if at > first:
            flag |= FOLLOWS
        elif with_repository:
            flag |= REPOSITORY
        firsts[at], rooms[at], found[at] = first, room, flag
    return firsts, rooms, found


def bundles_of(flags: Flags) -> Ints:
    """Return the number of each item's bundle, from 0: int64[I]. Items of a bundle stand one after the other."""
    return np.cumsum(flags & FOLLOWS == 0) - 1


def sums_of(values: npt.NDArray[Any], flags: Flags) -> npt.NDArray[Any]:
    """Return the sum of a value over each bundle, in order: [number of bundles]. values: [I]."""
    if not len(values):
        return values
    return np.add.reduceat(values, np.flatnonzero(flags & FOLLOWS == 0))


def closed_up(flags: Flags, starts: npt.NDArray[np.int32], held: Ints) -> tuple[Flags, npt.NDArray[np.int32]]:
    """Return flags and starts of those items of whole bundles that are held, as if the others had never stood there.

    flags uint8[I], starts int32[I]: as planned; held: int64[H], ascending. The first that is held begins where its bundle does and has the
    repository's name, and one closes each bundle. The start of one that follows is where the one before ends, wherever that is.
    """
    bundle = bundles_of(flags)[held]
    planned_first = np.flatnonzero(flags & FOLLOWS == 0)
    is_first, is_last = np.ones((2, len(held)), bool)
    is_first[1:] = is_last[:-1] = bundle[1:] != bundle[:-1]
    found, begins = flags[held] & ~(FOLLOWS | REPOSITORY), starts[held]
    lead = planned_first[bundle[is_first]]
    found[is_first] |= flags[lead] & REPOSITORY
    found[~is_first] |= FOLLOWS
    found[is_last] |= CLOSES
    begins[is_first] = starts[lead]
    return found, begins


def in_named_bundles(flags: Flags) -> Bools:
    """Tell which items belong to a bundle before which the repository's name stands: bool[I]."""
    named = flags & REPOSITORY != 0
    return np.asarray(named[flags & FOLLOWS == 0][bundles_of(flags)]) if len(flags) else named
