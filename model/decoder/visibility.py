"""What each query of a forward pass may see, worked out once and used by every layer in the form its path needs.

A query sees the slots up to its own (causal), of its own segment (packed documents, padding is segment -1 and sees
only padding), and within the sliding window. Every query sees itself, so no row of weights is empty and padding has
finite values. Slots are counted from the first key given; with a cache the queries are the last slots.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from model.decoder.tile_plan import TilePlan, plan_tiles


@dataclass(frozen=True)
class Visibility:
    """`num_queries` queries that are the last of `num_keys` slots, with the segments of all slots, if any."""

    batch: int
    num_queries: int
    num_keys: int
    window: int
    """Slots that a query sees; 0: all."""
    segments_BL: Tensor | None
    """int [B, num_keys]; None: one segment."""
    device: torch.device

    @property
    def first_query(self) -> int:
        """Slot of the first query."""
        return self.num_keys - self.num_queries

    @property
    def is_windowed(self) -> bool:
        """Whether the window hides anything from anyone."""
        return 0 < self.window < self.num_keys

    @property
    def is_causal_only(self) -> bool:
        """Whether queries and keys are the same slots, and all earlier ones are seen."""
        return self.segments_BL is None and not self.is_windowed and self.num_queries == self.num_keys

    @property
    def sees_all(self) -> bool:
        """Whether the one query sees every key."""
        return self.segments_BL is None and not self.is_windowed and self.num_queries == 1

    @cached_property
    def mask_B1TL(self) -> Tensor:
        """bool [B or 1, 1, T, L]: True where the query sees the key."""
        keys = torch.arange(self.num_keys, device=self.device)
        queries = keys[self.first_query :, None]
        seen = keys <= queries
        if self.is_windowed:
            seen = seen & (keys > queries - self.window)
        if self.segments_BL is None:
            return seen[None, None]
        segments = self.segments_BL
        return (seen & (segments[:, self.first_query :, None] == segments[:, None, :]))[:, None]

    @cached_property
    def runs(self) -> Tensor:
        """Bounds int32 [S+1] of the runs of equal segments over all rows laid end to end.

        Segments must be contiguous, as packed rows' are; queries and keys the same slots.
        """
        begins = torch.ones(self.batch, self.num_keys, dtype=torch.bool, device=self.device)
        begins[:, 1:] = False if self.segments_BL is None else self.segments_BL[:, 1:] != self.segments_BL[:, :-1]
        starts = begins.flatten().nonzero().flatten()
        return functional.pad(starts, (0, 1), value=begins.numel()).to(torch.int32)

    @cached_property
    def block_mask(self) -> Any:
        """The BlockMask of FlexAttention; queries and keys the same slots."""
        from torch.nn.attention.flex_attention import create_block_mask

        segments, window = self.segments_BL, self.window if self.is_windowed else self.num_keys

        def sees(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
            near = (key <= query) & (key > query - window)
            return near if segments is None else near & (segments[row, query] == segments[row, key])

        rows = None if segments is None else self.batch
        return create_block_mask(sees, rows, None, self.num_queries, self.num_keys, device=str(self.device))

    def tiles(self, size: int, dtype: torch.dtype) -> TilePlan:
        """Return the plan of the tiled path; the same one for all layers."""
        found: TilePlan | None = self.__dict__.get("_tiles")
        if found is None:
            window = self.window if self.is_windowed else None
            found = plan_tiles(self.batch, self.num_keys, size, self.segments_BL, window, dtype)
            self.__dict__["_tiles"] = found
        return found
