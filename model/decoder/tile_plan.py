"""Which tiles of keys the tiles of queries see: the plan of attention over packed rows on a processor.

Rows are cut into tiles of `size` slots. A tile of queries needs the tiles of keys from the one where its first query's
segment (or window) begins up to its own; what is hidden is never computed. Tiles that need equally many are one group, so
that a group is one batch of dense products, whatever rows its tiles come from. Tiles of padding alone are in no group.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class TileGroup:
    """Tiles of queries that see equally many tiles of keys. Tiles are counted through all rows."""

    queries: Tensor
    """int64 [n]"""
    keys: Tensor
    """int64 [n, k], ascending; the last is the query's own."""
    bias: Tensor
    """[n or 1, size, 1, width]: -inf where a query must not see a key, else 0, for the last `width` slots of the group's keys.
    It sees all slots before those."""


@dataclass(frozen=True, slots=True)
class TilePlan:
    """All groups of a batch whose rows are padded to `num_slots` slots, a multiple of `size`."""

    size: int
    num_slots: int
    groups: tuple[TileGroup, ...]


def plan_tiles(
    batch: int, num_slots: int, size: int, segments_BL: Tensor | None, window: int | None, dtype: torch.dtype
) -> TilePlan:
    """Plan `batch` rows of `num_slots` slots.

    segments_BL: int, contiguous runs, -1 padding; window: slots that a query sees, None for all; dtype: of the biases.
    """
    size = min(size, num_slots)
    per_row = -(-num_slots // size)
    segments = _padded(segments_BL, batch, num_slots, per_row * size)
    seen = _num_seen(batch, per_row, size, segments, window)
    tiles = torch.arange(batch * per_row).view(batch, per_row)
    counts = [count for count in sorted(set(seen.flatten().tolist())) if count]
    groups = tuple(_group(tiles[seen == count], count, size, segments, window, dtype) for count in counts)
    return TilePlan(size, per_row * size, groups)


def _padded(segments_BL: Tensor | None, batch: int, num_slots: int, padded_slots: int) -> Tensor | None:
    if segments_BL is None and padded_slots == num_slots:
        return None
    padded = torch.full((batch, padded_slots), -1, dtype=torch.int32)
    padded[:, :num_slots] = 0 if segments_BL is None else segments_BL
    return padded


def _num_seen(batch: int, per_row: int, size: int, segments: Tensor | None, window: int | None) -> Tensor:
    """Return how many tiles of keys each tile of queries sees, int64 [batch, per_row]; 0 for padding."""
    own = torch.arange(per_row).expand(batch, per_row)
    # Later queries of a tile see no slot before the first that its first query sees: runs and windows only move on.
    first = torch.zeros(batch, per_row, dtype=torch.int64)
    if segments is not None:
        first = _run_starts(segments)[:, ::size]
    if window is not None:
        first = first.maximum(own * size - window + 1)
    seen = own - first // size + 1
    if segments is not None:
        seen = seen.masked_fill((segments.view(batch, per_row, size) < 0).all(-1), 0)
    return seen


def _run_starts(segments: Tensor) -> Tensor:
    """Return for each slot where its run of equal segments begins, int64 [B, slots]."""
    starts = torch.arange(segments.shape[1]).repeat(len(segments), 1)
    starts[:, 1:].masked_fill_(segments[:, 1:] == segments[:, :-1], 0)
    return starts.cummax(dim=1).values


def _group(
    queries: Tensor, count: int, size: int, segments: Tensor | None, window: int | None, dtype: torch.dtype
) -> TileGroup:
    keys = queries[:, None] + torch.arange(1 - count, 1)
    query, key = torch.arange(size)[:, None], torch.arange((1 - count) * size, size)
    hidden = (key > query)[None]
    if window is not None:
        hidden = hidden | (key <= query - window)
    if segments is not None:
        of_tile = segments.view(-1, size)
        hidden = hidden | (of_tile[queries][:, :, None] != of_tile[keys].view(len(keys), 1, -1))
    if not hidden[..., :-size].any():
        hidden = hidden[..., -size:]  # the usual case: only the last tile hides anything
    bias = torch.zeros(hidden.shape, dtype=dtype).masked_fill_(hidden, float("-inf"))
    return TileGroup(queries, keys, bias[:, :, None, :])
