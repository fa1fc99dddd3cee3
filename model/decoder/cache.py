"""Keys and values of what a decoder has read, in memory allocated once.

Slots are filled in order and never move; `truncate` takes the last ones back (a rejected guess, a changed prompt), so
that a shared beginning is computed once. All rows of a batch fill the same slots: shorter prompts are padded at their
left with segment -1. Not covered: rows that grow at their own pace, and dropping what a sliding window has left behind.
"""

from __future__ import annotations

import torch
from torch import Tensor

from model.decoder.config import DecoderConfig


class KeyValueCache:
    """Room for `capacity` tokens of `batch` rows; `length` slots are filled."""

    def __init__(
        self, config: DecoderConfig, batch: int, capacity: int, dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:  # fmt: skip
        shape = (config.layers, 2, batch, capacity, config.kv_heads, config.head_size)
        self._stored = torch.zeros(shape, dtype=dtype, device=device)
        self._segments: Tensor | None = None
        self.batch, self.capacity, self.length = batch, capacity, 0

    def append(self, layer: int, key_BTKh: Tensor, value_BTKh: Tensor) -> tuple[Tensor, Tensor]:
        """Store one layer's keys and values of the next slots; return those of all slots up to them (views)."""
        end = self.length + key_BTKh.shape[1]
        stored = self._stored[layer]
        stored[0, :, self.length : end] = key_BTKh
        stored[1, :, self.length : end] = value_BTKh
        return stored[0, :, :end], stored[1, :, :end]

    def segments(self, segments_BT: Tensor | None, num_tokens: int) -> Tensor | None:
        """Store the next slots' segments; return those of all slots up to them, None when no slot has any.

        Raises ValueError when the slots do not suffice.
        """
        end = self.length + num_tokens
        if end > self.capacity:
            raise ValueError(f"{end} tokens do not fit in a cache of {self.capacity}")
        if segments_BT is None and self._segments is None:
            return None
        if self._segments is None:
            self._segments = torch.zeros(self.batch, self.capacity, dtype=torch.int32, device=self._stored.device)
        self._segments[:, self.length : end] = 0 if segments_BT is None else segments_BT
        return self._segments[:, :end]

    def advance(self, num_tokens: int) -> None:
        """Count the slots that every layer has stored."""
        self.length += num_tokens

    def truncate(self, length: int) -> None:
        """Forget all slots but the first `length`."""
        if not 0 <= length <= self.length:
            raise ValueError(f"cannot keep {length} of {self.length} tokens")
        self.length = length
