"""From documents to rows: the one thing a training loop asks.

Reads token shards; writes nothing. Rows are a pure function of shards, tokenizer and settings, and are numbered from 0 over the whole
run: any row can be asked for at any time, on any number of threads and ranks, and is the same. A dropped document leaves padding where
it stood and changes nothing else. What it does not do: hold rows ready ahead of time.
"""

from __future__ import annotations

import hashlib
import json
import threading
from bisect import bisect_right
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from model.fim.config import FimConfig, MetadataConfig
from model.fim.syntax import SyntaxCuts
from model.packing.config import MixtureConfig, RepositoriesConfig
from model.packing.corpus import Corpus
from model.packing.item_kernels import FIM, FIM_TOKENS, LAST, PATH
from model.packing.joining import closed_up, in_named_bundles
from model.packing.mixture import Pace, caps, shares
from model.packing.row_kernels import Ids, Items, write_items
from model.packing.rows import Grids, ItemList, Rows, cut, empty_grids, rows_of
from model.packing.schedule import Plan, Rates, Room, Schedule
from model.tokenizer.code_tokenizer import CodeTokenizer
from model.tokenizer.special import ABSENT
from stack_data.errors import ConfigError, InputError

FORMAT = "fairstack-rows/1"
"""Of the rules that make rows. A change of any of them takes a new number, and a run that was begun goes on with the old code."""
_LEAST_TEXT = 16
_BLOCK = 1 << 17
"""Positions that one thread writes at a time."""


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """Where a run stands: a window and a row of it. All the state there is."""

    window: int = 0
    row: int = 0


@dataclass(frozen=True, slots=True)
class PackerConfig:
    """What decides the rows, beside shards and tokenizer.

    positions: T; window_rows: how many rows' tokens are packed at a time: more fills rows better and plans slower.
    """

    positions: int
    seed: int = 0
    fim: FimConfig = FimConfig()
    metadata: MetadataConfig = MetadataConfig()
    mixture: MixtureConfig = MixtureConfig()
    repositories: RepositoriesConfig = RepositoriesConfig()
    window_rows: int = 1024


class Packer:
    """Rows by number."""

    def __init__(self, corpus: Corpus, tokenizer: CodeTokenizer, config: PackerConfig, threads: int = 1) -> None:
        """threads: how many make rows at a time. Raises ConfigError for settings that contradict the shards or each other."""
        special, room = tokenizer.special, Room(config.positions, config.fim.slack_tokens, config.metadata.max_tokens)
        if config.positions + 1 - (FIM_TOKENS + 1 + room.slack + room.metadata) < _LEAST_TEXT:
            raise ConfigError(
                f"rows of {config.positions} positions leave no room for text beside {room.metadata} tokens of metadata; "
                "raise train.positions or lower metadata.max_tokens"
            )
        if config.window_rows < 1:
            raise ConfigError(f"a window has at least one row (seen: window_rows = {config.window_rows})")
        if config.repositories.rate and special.file == ABSENT:
            raise ConfigError(
                "this tokenizer has no token that parts the files of a repository (<filename>, <file_sep>); leave repositories.rate at 0, or "
                "use a tokenizer that has one"
            )
        rates = Rates(
            config.fim.rate,
            0.0 if special.repository == ABSENT else config.metadata.repository_rate,
            0.0 if special.file == ABSENT else config.metadata.path_rate,
            config.repositories.rate,
            not special.separates_files,
        )
        self.corpus, self.tokenizer, self.config, self._threads = corpus, tokenizer, config, threads
        self.shares = shares(config.mixture, corpus.groups, corpus.sizes())
        pace = Pace(self.shares, corpus.sizes(), caps(config.mixture, corpus.groups))
        self._schedule = Schedule(corpus, pace, config.seed, rates, room, config.window_rows * config.positions)
        self._syntax = SyntaxCuts(config.fim.syntax_rate)
        self._ids = Ids(
            special.end_of_text, special.fim_prefix, special.fim_suffix, special.fim_middle, special.repository, special.file,
            int(special.separates_files),
        )  # fmt: skip
        # The first row of window number self._begin and of those after it.
        self._begin, self._ends, self._lock = 0, [0], threading.Lock()

    @property
    def identity(self) -> str:
        """SHA-256 of everything that decides the rows; drops do not count."""
        told = {
            "format": FORMAT, "positions": self.config.positions, "seed": self.config.seed, "window_rows": self.config.window_rows,
            "fim": self.config.fim.model_dump(mode="json"), "metadata": self.config.metadata.model_dump(mode="json"),
            "mixture": self.config.mixture.model_dump(mode="json"),
            "repositories": self.config.repositories.model_dump(mode="json"), "tokenizer": self.tokenizer.identity,
            "shards": [source.identity for source in self.corpus.sources], "grammars": self._syntax.versions(),
        }  # fmt: skip
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    @property
    def num_windows(self) -> int | None:
        """How many windows there are; None when they never end."""
        return self._schedule.num_windows

    def num_rows(self) -> int | None:
        """Return how many rows there are; None when they never end. Plans every window."""
        windows = self.num_windows
        return None if windows is None else self._end_of(windows - 1)

    def window_of(self, row: int) -> tuple[int, int]:
        """Return the window of a row and the first row in it: what `begin_at` takes."""
        window = self.cursor(row).window
        return window, self._ends[window - self._begin]

    def begin_at(self, window: int, first_row: int) -> None:
        """Plan no window before this one, of which the first row is known: a run that goes on asks for none. Before any row is asked for."""
        self._begin, self._ends = window, [first_row]

    def cursor(self, row: int) -> Cursor:
        """Return where a row stands. Plans the windows up to it. InputError past the end of what may be drawn."""
        while self._ends[-1] <= row:
            if self._begin + len(self._ends) - 1 == self.num_windows:
                raise InputError(
                    f"the mixture is spent after {self._ends[-1]} rows, and row {row} is asked for: raise the caps on epochs in [mixture] "
                    "or train less"
                )
            self._end_of(self._begin + len(self._ends) - 1)
        if row < self._ends[0]:
            raise ValueError(f"row {row} is before row {self._ends[0]}, where this packer begins")
        at = bisect_right(self._ends, row) - 1
        return Cursor(self._begin + at, row - self._ends[at])

    def row_number(self, cursor: Cursor) -> int:
        """Return the number of the row at a cursor."""
        if cursor.window > self._begin:
            self._end_of(cursor.window - 1)
        return self._ends[cursor.window - self._begin] + cursor.row

    def rows(self, first: int, count: int) -> Rows:
        """Return rows first to first + count - 1. InputError past the end of what may be drawn."""
        return self.take(self.cursor(first), count)[0] if count else rows_of(empty_grids(0, self.config.positions), [])

    def batch(self, step: int, size: int, rank: int = 0, ranks: int = 1) -> Rows:
        """Return a rank's rows of a global batch: rows step * size + rank * size / ranks and on. ranks divides size."""
        if size % ranks:
            raise ConfigError(f"{size} rows of a step cannot be shared by {ranks} ranks; take a multiple of the ranks")
        return self.rows(step * size + rank * (size // ranks), size // ranks)

    def take(self, cursor: Cursor, count: int) -> tuple[Rows, Cursor]:
        """Return `count` rows from a cursor on, and the cursor behind them. Plans only the windows that it needs."""
        grids = empty_grids(count, self.config.positions)
        wanted: list[tuple[Plan, int, Grids]] = []
        window, row, done, block = cursor.window, cursor.row, 0, max(1, _BLOCK // self.config.positions)
        while done < count:
            if window == self.num_windows:
                raise InputError("the mixture is spent: raise the caps on epochs in [mixture] or train less")
            plan = self._schedule.plan(window)
            stop = min(plan.num_rows, row + count - done)
            for first in range(row, stop, block):
                number = min(block, stop - first)
                wanted.append((plan, first, cut(grids, done, done + number)))
                done += number
            window, row = (window, stop) if stop < plan.num_rows else (window + 1, 0)
        if self._threads > 1 and len(wanted) > 1:
            with ThreadPoolExecutor(self._threads) as pool:
                parts = list(pool.map(lambda one: self._write(*one), wanted))
        else:
            parts = [self._write(*one) for one in wanted]
        return rows_of(grids, parts), Cursor(window, row)

    def stream(self, cursor: Cursor, count: int) -> Iterator[tuple[Rows, Cursor]]:
        """Yield `count` rows at a time from a cursor on, each with the cursor behind it."""
        while True:
            rows, cursor = self.take(cursor, count)
            yield rows, cursor

    def _end_of(self, window: int) -> int:
        """Return the number of rows up to the end of a window."""
        with self._lock:
            while self._begin + len(self._ends) <= window + 1:
                self._ends.append(self._ends[-1] + self._schedule.plan(self._begin + len(self._ends) - 1).num_rows)
            return self._ends[window + 1 - self._begin]

    def _write(self, plan: Plan, first: int, grids: Grids) -> ItemList:
        """Write rows from number `first` of a plan on, as many as the grids have; return what stands in them."""
        last = first + len(grids[0])
        begin, end = plan.bounds[first], plan.bounds[last]
        row_of = np.repeat(np.arange(last - first), np.diff(plan.bounds[first : last + 1]))
        while True:
            held = np.flatnonzero(~self.corpus.is_dropped(plan.documents[begin:end]))
            at = begin + held
            flags, starts = closed_up(plan.flags[begin:end], plan.starts[begin:end], held)
            items = self._items(plan, at, flags, starts, row_of[held])
            # Texts are copies by now. A drop marks before it overwrites, so one that came in between is seen here.
            if not self.corpus.is_dropped(plan.documents[at]).any():
                break
        lengths = np.zeros(len(at), np.int32)
        write_items(
            self.tokenizer.tables, self._ids, items, self.config.fim.spm_rate, self.config.metadata.max_tokens,
            self.tokenizer.special.fim_pad, grids, lengths,
        )  # fmt: skip
        bounds = np.searchsorted(row_of[held], np.arange(last - first + 1))
        return ItemList(
            bounds, plan.documents[at], plan.chunks[at], plan.epochs[at], items.starts, lengths, plan.counts[at]
        )

    def _items(
        self, plan: Plan, at: npt.NDArray[np.int64], flags: npt.NDArray[np.uint8], starts: npt.NDArray[np.int32], row_of: npt.NDArray[np.int64]
    ) -> Items:  # fmt: skip
        """Return some items of a plan with their texts. at: int64[I]; flags, starts: what `closed_up` made of theirs."""
        documents = plan.documents[at]
        texts = self.corpus.texts(documents, plan.firsts[at], plan.counts[at])
        bounds = np.cumsum([0, *map(len, texts)])
        tokens = np.concatenate(texts) if texts else np.empty(0, self.tokenizer.dtype)
        cuts = np.full((len(at), 2), -1, np.int64)
        if self.config.fim.syntax_rate:
            for item in np.flatnonzero(flags & FIM).tolist():
                text, is_whole = texts[item], bool(plan.chunks[at[item]] == 0 and flags[item] & LAST)
                cuts[item] = self._syntax.cuts(
                    plan.keys[at[item]],
                    self.corpus.language_of(documents[item]),
                    partial(self.tokenizer.decode, text),
                    is_whole,
                )
        # A name before several files is written where all of them have it.
        repositories = self._names("repo_name", documents, in_named_bundles(flags))
        paths = self._names("path", documents, flags & PATH != 0)
        return Items(
            tokens, bounds, plan.keys[at], flags, plan.chunks[at], cuts, *repositories, *paths, row_of, starts, plan.positions[at],
            plan.segments[at],
        )  # fmt: skip

    def _names(
        self, column: str, documents: npt.NDArray[np.int64], is_wanted: npt.NDArray[np.bool_]
    ) -> tuple[Any, Any]:
        """Return a column's strings for the items that want them, "" for the others: uint8[.], int64[I + 1]."""
        data, bounds = self.corpus.names(column, documents[is_wanted])
        sizes = np.zeros(len(documents) + 1, np.int64)
        sizes[1:][is_wanted] = np.diff(bounds)
        return data, np.cumsum(sizes)


def describe(packer: Packer) -> list[dict[str, Any]]:
    """Return each group with its documents' tokens and its share of what is drawn, for logs and cards."""
    sizes = packer.corpus.sizes().tolist()
    return [
        {**asdict(group), "tokens": size, "share": share}
        for group, size, share in zip(packer.corpus.groups, sizes, packer.shares.tolist(), strict=True)
    ]
