"""The order of documents: an endless stream of items, cut into windows, each planned into rows on its own.

In each epoch of a group its items are shuffled by their draws. Window w holds those items of each group whose middle lies between the
tokens drawn by the mixture's clock at w and at w + 1 windows, so any window is found without running through those before it, and a
window is packed by itself. All of it follows from the seed, content ids and numbers of tokens: no drop moves anything. Memory: about
40 bytes for each item of the epoch in hand.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from model.packing.corpus import Corpus
from model.packing.item_kernels import best_fit, content_keys, count_items, item_keys, items_of, lay_out, shuffled
from model.packing.joining import bundles_of, join, sums_of
from model.packing.mixture import Pace

Ints = npt.NDArray[np.int64]
_KEPT_PLANS = 4


@dataclass(frozen=True, slots=True)
class Rates:
    """How often an item is cut, has the names of its repository and file before it, and stands beside others of its repository.

    always_named: files that stand together are parted by their names.
    """

    fim: float
    repository: float
    path: float
    joined: float = 0.0
    always_named: bool = False


@dataclass(frozen=True, slots=True)
class Room:
    """Positions of a row, and tokens kept for what cuts add and for the metadata prefix."""

    positions: int
    slack: int
    metadata: int


@dataclass(frozen=True, slots=True)
class Epoch:
    """The items of a group in one epoch, in order, those of a bundle (joining.py) one after the other. See item_kernels.items_of.

    middles: int64[I], doubled tokens before the middle of each one's bundle.
    """

    documents: Ints
    chunks: npt.NDArray[np.int32]
    firsts: Ints
    counts: npt.NDArray[np.int32]
    rooms: npt.NDArray[np.int32]
    flags: npt.NDArray[np.uint8]
    middles: Ints


@dataclass(frozen=True, slots=True)
class Plan:
    """The rows of one window: items by row, in the order in which they stand there.

    documents, firsts int64[I]; epochs, chunks, counts, starts, positions int32[I]; segments int32[I], the bundle's number in its row;
    flags uint8[I]; keys uint64[I]; bounds int64[R + 1].
    """

    documents: Ints
    epochs: npt.NDArray[np.int32]
    chunks: npt.NDArray[np.int32]
    firsts: Ints
    counts: npt.NDArray[np.int32]
    flags: npt.NDArray[np.uint8]
    keys: npt.NDArray[np.uint64]
    starts: npt.NDArray[np.int32]
    positions: npt.NDArray[np.int32]
    segments: npt.NDArray[np.int32]
    bounds: Ints

    @property
    def num_rows(self) -> int:
        """Rows of the window."""
        return len(self.bounds) - 1


class Schedule:
    """Plans of windows, by number. Safe to be asked from several threads."""

    def __init__(self, corpus: Corpus, pace: Pace, seed: int, rates: Rates, room: Room, window_tokens: int) -> None:
        self._corpus, self._pace, self._window_tokens = corpus, pace, window_tokens
        self._seed = np.uint64(seed & 0xFFFFFFFFFFFFFFFF)
        self._rates = rates
        self._room = (room.positions, room.slack, room.metadata)
        self._keys = content_keys(self._seed, corpus.content_ids)
        order = np.argsort(corpus.group_of, kind="stable")
        bounds = np.searchsorted(corpus.group_of[order], np.arange(len(corpus.groups) + 1))
        self._members = [order[bounds[at] : bounds[at + 1]] for at in range(len(corpus.groups))]
        self._sizes = corpus.sizes()
        self._epochs: OrderedDict[tuple[int, int], Epoch] = OrderedDict()
        self._plans: OrderedDict[int, Plan] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def num_windows(self) -> int | None:
        """How many windows there are; None when they never end."""
        return None if np.isinf(self._pace.end) else int(np.ceil(self._pace.end / self._window_tokens))

    def plan(self, window: int) -> Plan:
        """Return the rows of a window."""
        with self._lock:
            if window not in self._plans:
                self._plans[window] = self._planned(window)
                while len(self._plans) > _KEPT_PLANS:
                    self._plans.popitem(last=False)
            self._plans.move_to_end(window)
            return self._plans[window]

    def _planned(self, window: int) -> Plan:
        begin, end = (self._pace.drawn(number * float(self._window_tokens)) for number in (window, window + 1))
        pieces = [
            piece for group in range(len(begin)) for piece in self._slices(group, int(begin[group]), int(end[group]))
        ]
        epochs = np.repeat(
            [epoch for epoch, _, _ in pieces], [which.stop - which.start for _, _, which in pieces]
        ).astype(np.int32)
        rooms, flags = _joined(pieces, "rooms", np.int32), _joined(pieces, "flags", np.uint8)
        row_of, free = best_fit(sums_of(rooms, flags), self._room[0])
        numbers = shuffled(len(free), self._seed, window)
        row_of, moved = numbers[row_of][bundles_of(flags)], np.empty_like(free)
        moved[numbers] = free
        order = np.argsort(row_of, kind="stable")
        starts, positions, bounds = lay_out(order, row_of, moved, rooms, flags)
        bundles = bundles_of(flags[order])
        segments = (bundles - np.repeat(bundles[bounds[:-1]], np.diff(bounds))).astype(np.int32)
        documents, chunks = _joined(pieces, "documents", np.int64)[order], _joined(pieces, "chunks", np.int32)[order]
        firsts, counts = _joined(pieces, "firsts", np.int64)[order], _joined(pieces, "counts", np.int32)[order]
        keys = item_keys(self._keys[documents], chunks, epochs[order])
        return Plan(
            documents, epochs[order], chunks, firsts, counts, flags[order], keys, starts, positions, segments, bounds
        )

    def _slices(self, group: int, begin: int, end: int) -> list[tuple[int, Epoch, slice]]:
        """Return the items of a group between two moments of its own clock, in tokens: (epoch, its items, which)."""
        size, found = int(self._sizes[group]), []
        for number in range(begin // size, -(-end // size)) if end > begin else ():
            epoch = self._epoch(group, number)
            places = 2 * np.array([begin - number * size, end - number * size])
            first, last = np.searchsorted(epoch.middles, places).tolist()
            if last > first:
                found.append((number, epoch, slice(first, last)))
        return found

    def _epoch(self, group: int, number: int) -> Epoch:
        key = (group, number)
        if key not in self._epochs:
            self._epochs[key] = self._shuffled(group, number)
            for old in [one for one in self._epochs if one[0] == group][:-2]:
                del self._epochs[old]
        return self._epochs[key]

    def _shuffled(self, group: int, number: int) -> Epoch:
        members = self._members[group]
        keys, sizes = self._keys[members], self._corpus.num_tokens[members]
        rates = self._rates.fim, self._rates.repository, self._rates.path
        count = count_items(keys, sizes, number, rates, self._room)
        rows, chunks, firsts, counts, rooms, flags, orders = items_of(keys, sizes, number, rates, self._room, count)
        if self._rates.joined and self._corpus.groups[group].kind == "file":
            rooms, flags, order = join(
                item_keys(keys[rows], chunks, np.full_like(chunks, number)), self._corpus.repository_of[members[rows]], (chunks, counts, rooms, flags, orders),
                self._rates.joined, self._rates.repository, self._room, self._rates.always_named,
            )  # fmt: skip
        else:
            # Two contents with equal keys (replayed ones) stand in the order of their numbers.
            order = np.argsort(orders, kind="stable")
        counts, flags = counts[order], flags[order]
        tokens = sums_of(counts.astype(np.int64), flags)
        middles = (2 * np.cumsum(tokens) - tokens)[bundles_of(flags)]
        return Epoch(members[rows[order]], chunks[order], firsts[order], counts, rooms[order], flags, middles)


def _joined(pieces: list[tuple[int, Epoch, slice]], name: str, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return one column of some items of several epochs."""
    return np.concatenate([np.empty(0, dtype), *(getattr(epoch, name)[which] for _, epoch, which in pieces)])
