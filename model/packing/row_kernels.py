"""Kernel that writes items into rows: metadata, cutting, end of text, targets. numba, without the GIL.

What an item becomes depends on itself alone, so rows come out alike for any number of threads and any grouping of calls.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from model.fim.cut_kernels import copied, fim_into, num_bytes
from model.fim.metadata_kernels import line_of, metadata_into
from model.packing.item_kernels import CLOSES, FIM, FOLLOWS, JOINED, LAST, PATH, REPOSITORY

NO_LOSS = -100


class Ids(NamedTuple):
    """Special tokens, for the kernel."""

    end_of_text: int
    fim_prefix: int
    fim_suffix: int
    fim_middle: int
    repository: int
    file: int
    separates_files: int


class Items(NamedTuple):
    """I items with their texts.

    tokens     their tokens one after the other; token_bounds int64[I + 1]
    keys       uint64[I], of draws; flags uint8[I]; chunks int32[I]
    cuts       int64[I, 2], bytes of the text; -1 to draw them
    repositories, paths   uint8, one after the other; their bounds int64[I + 1]
    rows       int64[I]; starts, positions int32[I]: where an item lies in its row, and how many positions it may take;
               segments int32[I]. The starts of those that follow another of their bundle are written here.
    """

    tokens: npt.NDArray[np.unsignedinteger]
    token_bounds: npt.NDArray[np.int64]
    keys: npt.NDArray[np.uint64]
    flags: npt.NDArray[np.uint8]
    chunks: npt.NDArray[np.int32]
    cuts: npt.NDArray[np.int64]
    repositories: npt.NDArray[np.uint8]
    repository_bounds: npt.NDArray[np.int64]
    paths: npt.NDArray[np.uint8]
    path_bounds: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int32]
    positions: npt.NDArray[np.int32]
    segments: npt.NDArray[np.int32]


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _scratch_sizes(tables, items):  # type: ignore[no-untyped-def]
    """Return the most tokens and the most bytes of one item, and the most bytes of its names."""
    tokens, size, names = np.int64(0), np.int64(0), np.int64(0)
    for item in range(len(items.keys)):
        begin, end = items.token_bounds[item], items.token_bounds[item + 1]
        tokens = max(tokens, end - begin)
        size = max(size, num_bytes(tables, items.tokens[begin:end]))
        name = items.repository_bounds[item + 1] - items.repository_bounds[item]
        names = max(names, name + items.path_bounds[item + 1] - items.path_bounds[item])
    return tokens, size, names + 4


@njit(cache=True, nogil=True)  # type: ignore[misc]
def write_items(tables, ids, items, spm_rate, max_metadata, pad, rows, lengths):  # type: ignore[no-untyped-def]
    """Write items into rows; what they leave is padding. Those of a bundle stand one after the other, each ended by what the next begins with.

    ids: Ids; items: Items, of every bundle all that are held; pad: the token of padding; rows: (tokens, targets, positions int64[B, T],
    segments int32[B, T]), filled; lengths: int32[I], filled with the tokens of each item (positions and one).
    """
    rows[0][:], rows[1][:], rows[2][:], rows[3][:] = pad, NO_LOSS, 0, -1
    num_tokens, size, num_names = _scratch_sizes(tables, items)
    data, offsets = np.empty(size + 1, np.uint8), np.empty(num_tokens + 1, np.int64)
    head, lead = np.empty(num_names, np.int64), np.empty(num_names, np.int64)
    out = np.empty(size + 2 * num_names + 8, np.int64)
    names = (np.int64(ids.fim_prefix), np.int64(ids.fim_suffix), np.int64(ids.fim_middle))
    base = 0
    for item in range(len(items.keys)):
        flags = items.flags[item]
        num_head, num_lead = 0, 0
        if flags & (REPOSITORY | PATH):
            is_named = flags & REPOSITORY != 0 and (not flags & JOINED or _is_of_all(items, item))
            repository = line_of(items.repositories, items.repository_bounds, item, is_named)
            path = line_of(items.paths, items.path_bounds, item, flags & PATH != 0)
            parts = (np.int64(ids.repository), np.int64(ids.file), np.int64(ids.separates_files))
            kept = (flags & JOINED and flags & REPOSITORY, flags & JOINED and flags & PATH)
            num_head, num_lead = metadata_into(
                tables,
                parts,
                repository,
                path,
                max_metadata,
                flags & FIM != 0,
                (kept[0] != 0, kept[1] != 0),
                head,
                lead,
            )
        elif flags & JOINED:
            head[0], num_head = ids.file, 1
        text = items.tokens[items.token_bounds[item] : items.token_bounds[item + 1]]
        at = copied(head[:num_head], out, 0)
        if flags & FIM:
            room = items.positions[item] - at  # and one: the end of text
            cuts = (items.cuts[item, 0], items.cuts[item, 1])
            at = fim_into(
                tables, text, items.keys[item], cuts, spm_rate, items.chunks[item] == 0, flags & LAST != 0, names, lead[:num_lead],
                room, data, offsets, out, at,
            )  # fmt: skip
        else:
            at = copied(text, out, at)
        if not flags & CLOSES:
            out[at] = ids.file
            at += 1
        elif flags & (LAST | FIM):
            out[at] = ids.end_of_text
            at += 1
        lengths[item] = at
        if flags & FOLLOWS:
            base += lengths[item - 1] - 1
            items.starts[item] = items.starts[item - 1] + lengths[item - 1] - 1
        else:
            base = 0
        _write_one(out[:at], items.rows[item], items.starts[item], base, items.segments[item], rows)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _is_of_all(items, first):  # type: ignore[no-untyped-def]
    """Tell whether all items of a bundle are shown in one repository now. first: the item that the bundle begins with."""
    names, bounds = items.repositories, items.repository_bounds
    size = bounds[first + 1] - bounds[first]
    for item in range(first + 1, len(items.keys)):
        if not items.flags[item] & FOLLOWS:
            break
        if bounds[item + 1] - bounds[item] != size:
            return False
        for at in range(size):
            if names[bounds[item] + at] != names[bounds[first] + at]:
                return False
    return True


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _write_one(out, row, start, base, segment, rows):  # type: ignore[no-untyped-def]
    for at in range(len(out) - 1):
        rows[0][row, start + at] = out[at]
        rows[1][row, start + at] = out[at + 1]
        rows[2][row, start + at] = base + at
        rows[3][row, start + at] = segment
