"""Which documents a tokenizer is learned from: a sample of the train split, drawn by hash(seed, content_id), languages as they come.

A document's draw depends on its id and the seed alone, so the sample is the same on every machine, and a later release changes only what
it adds or takes away. One document in twenty is set aside by its draw, never learned from, and used to measure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from model.shards.sources import Part, Source, parts_of
from stack_data import storage
from stack_data.errors import InputError
from stack_data.id_columns import content_hash, id_bytes
from stack_data.progress import Progress, Silent
from stack_data.search.released import check_shard

SILENT = Silent()
_SET_ASIDE = np.uint64(0xFFFFFFFFFFFFFFFF - 0xFFFFFFFFFFFFFFFF // 20)
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows of files of releases. chosen: of each part the rows, ascending; order: where each of them, part by part, comes in the sample."""

    parts: tuple[Part, ...]
    chosen: tuple[Ints, ...]
    order: Ints

    def texts(self, progress: Progress = SILENT) -> list[tuple[str, str]]:
        """Return (language, text) of every document in the order of the draw, one item of `progress` each."""
        found: list[tuple[str, str]] = [("", "")] * len(self.order)
        for place, one in zip(self.order.tolist(), self._read(), strict=True):
            found[place] = one
            progress.advance(1, 0)
        return found

    def _read(self) -> Iterator[tuple[str, str]]:
        for part, rows in zip(self.parts, self.chosen, strict=True):
            if not len(rows):
                continue
            first = 0
            for group in storage.read_row_groups(part.shard.folder / "data" / part.shard.name, ["language", "content"]):
                mine = rows[(rows >= first) & (rows < first + group.num_rows)] - first
                first += group.num_rows
                taken = group.take(pa.array(mine))
                yield from zip(
                    [one or "" for one in taken["language"].to_pylist()], taken["content"].to_pylist(), strict=True
                )


def draw(
    sources: Sequence[Source], seed: int, sample_bytes: int, held_out_bytes: int, progress: Progress = SILENT
) -> tuple[Sample, Sample]:
    """Return what to learn from and what to measure on; InputError when a file is damaged or there is nothing to learn from."""
    parts = tuple(parts_of(sources, ["train"]))
    sizes_of = [_num_bytes(part) for part in parts]
    progress.begin("check", len(parts), sum(sizes_of))
    columns = []
    for part, size in zip(parts, sizes_of, strict=True):
        columns.append(_columns(part, seed))
        progress.advance(1, size)
    progress.end()
    number = np.concatenate([np.full(len(ids), at) for at, (ids, _, _) in enumerate(columns)])
    row = np.concatenate([np.arange(len(ids)) for ids, _, _ in columns])
    ids, draws, sizes = (np.concatenate(column) for column in zip(*columns, strict=True))
    # A content that several releases hold is drawn once; ties by id, so that the order of releases decides nothing else.
    _, firsts = np.unique(ids, return_index=True)
    ordered = firsts[np.argsort(draws[firsts], kind="stable")]
    aside = draws[ordered] >= _SET_ASIDE
    picked = [_up_to(ordered[~aside], sizes, sample_bytes), _up_to(ordered[aside], sizes, held_out_bytes)]
    if not len(picked[0]):
        raise InputError(f"{sources[0].folder} has no document of the train split to learn from")
    learned, measured = (_sample(parts, number, row, one) for one in picked)
    return learned, measured


def _num_bytes(part: Part) -> int:
    """Return the bytes of the files that are compared with what they must be; one that is missing is told when it is read."""
    files = [part.shard.folder / kind / part.shard.name for kind in ("data", "provenance")]
    return sum(path.stat().st_size for path in files if path.exists())


def _columns(part: Part, seed: int) -> tuple[npt.NDArray[np.bytes_], npt.NDArray[np.uint64], Ints]:
    check_shard(part.shard)
    rows = storage.read_parquet(part.shard.folder / "data" / part.shard.name, ["content_id", "length_bytes"])
    return (
        id_bytes(rows["content_id"]),
        content_hash(rows["content_id"], seed),
        rows["length_bytes"].to_numpy().astype(np.int64),
    )


def _up_to(rows: Ints, sizes: Ints, limit: int) -> Ints:
    """Return the leading rows until they hold `limit` bytes."""
    return rows[: int(np.searchsorted(np.cumsum(sizes[rows]), limit)) + 1]


def _sample(parts: tuple[Part, ...], number: Ints, row: Ints, picked: Ints) -> Sample:
    by_place = np.lexsort((row[picked], number[picked]))
    placed = picked[by_place]
    chosen = tuple(row[placed[number[placed] == at]] for at in range(len(parts)))
    return Sample(parts, chosen, by_place)
