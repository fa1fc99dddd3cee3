"""Rows for training, as the packer gives them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Grids = tuple[Ints, Ints, Ints, npt.NDArray[np.int32]]
"""Tokens, targets, positions and segments of rows: see Rows."""


@dataclass(frozen=True, slots=True)
class Rows:
    """B rows of T positions. An item of n tokens takes n - 1 positions: all but its last are inputs, all but its first targets.

    Files that stand together (joining.py) are one segment: the last token of each but the last is the first of the next one.

    tokens     int64[B, T]: inputs; the padding token where nothing stands
    targets    int64[B, T]: the next token of the same item; -100 (no loss) on padding
    positions  int64[B, T]: place within the segment, from 0
    segments   int32[B, T]: number of the item, or of the bundle of items, within its row, ascending; -1 on padding
    item_bounds  int64[B + 1]: the items of each row among those below
    documents  int64[I]: number in the corpus; chunks, epochs int32[I]: which part of it, for the how manieth time
    starts     int32[I]: first position; lengths int32[I]: tokens, special ones included
    text_tokens  int32[I]: tokens of the document's own text that the item was made of
    """

    tokens: Ints
    targets: Ints
    positions: Ints
    segments: npt.NDArray[np.int32]
    item_bounds: Ints
    documents: Ints
    chunks: npt.NDArray[np.int32]
    epochs: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]
    text_tokens: npt.NDArray[np.int32]

    def item(self, number: int) -> Ints:
        """Return the tokens of one item, the first and the last included: int64[n]."""
        row = int(np.searchsorted(self.item_bounds, number, side="right")) - 1
        begin, end = int(self.starts[number]), int(self.starts[number] + self.lengths[number] - 1)
        return np.append(self.tokens[row, begin:end], self.targets[row, end - 1])

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True, slots=True)
class ItemList:
    """The items of some rows, in order; see Rows."""

    item_bounds: Ints
    documents: Ints
    chunks: npt.NDArray[np.int32]
    epochs: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]
    text_tokens: npt.NDArray[np.int32]


def empty_grids(num_rows: int, positions: int) -> Grids:
    """Return room for tokens, targets, positions and segments of some rows; nothing is in it yet."""
    shape = (num_rows, positions)
    return np.empty(shape, np.int64), np.empty(shape, np.int64), np.empty(shape, np.int64), np.empty(shape, np.int32)


def cut(grids: Grids, first: int, last: int) -> Grids:
    """Return views of some rows."""
    tokens, targets, positions, segments = grids
    return tokens[first:last], targets[first:last], positions[first:last], segments[first:last]


def rows_of(grids: Grids, parts: list[ItemList]) -> Rows:
    """Return rows of grids that are written, and the lists of their items, one after the other."""
    counts = [np.zeros(1, np.int64), *(np.diff(part.item_bounds) for part in parts)]
    none = ItemList(np.zeros(1, np.int64), np.empty(0, np.int64), *(np.empty(0, np.int32) for _ in range(5)))
    names = [field.name for field in fields(ItemList)][1:]
    lists = {name: np.concatenate([getattr(part, name) for part in (none, *parts)]) for name in names}
    return Rows(*grids, np.cumsum(np.concatenate(counts)), **lists)
