"""Which files stand in which document of an output, in which order: decided from everything but the texts themselves.

Documents are in order of their hash. A repository's files are in order of their paths or of their imports (repository_order.py), cut
into documents of at most `max_bytes`; a notebook or commit that is a document of its own stands alone, and so does every file when
rows are files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data.chunks import Chunks
from stack_data.export.options import Options
from stack_data.imports import statements, targets
from stack_data.repository_order import dependency_order

LOT_BYTES = 16_000_000
"""Bytes of text that are in memory at a time, and in a row group of an output; a longer document has its own."""
LOT_ROWS = 10_000
RULE_VERSION = 100 * statements.RULE_VERSION + 10 * targets.RULE_VERSION + 1

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Layout:
    """R documents out of N rows.

    order   row of each file, document after document: int64[N]; starts: first file of each document, and N: int64[R + 1]
    part    number of a document inside its repository: int32[R]; num_parts: how many its repository has: int32[R]
    """

    order: Rows
    starts: Rows
    part: npt.NDArray[np.int32]
    num_parts: npt.NDArray[np.int32]

    def lots(self, sizes: Rows) -> Iterator[tuple[int, int]]:
        """Yield (begin, end) of documents that are written together. sizes: bytes of each row's text: int64[N]."""
        yield from _lots(
            np.add.reduceat(sizes[self.order], self.starts[:-1]) if len(self.part) else np.empty(0, np.int64)
        )


def _lots(sizes: Rows) -> Iterator[tuple[int, int]]:
    begin, total = 0, 0
    for at, size in enumerate(sizes.tolist()):
        if at > begin and (total + size > LOT_BYTES or at - begin >= LOT_ROWS):
            yield begin, at
            begin, total = at, 0
        total += size
    if len(sizes):
        yield begin, len(sizes)


def lay_out(rows: pa.Table, sizes: Rows, texts: Chunks, options: Options, advance: Callable[[int], None]) -> Layout:
    """Lay out the documents of one output.

    rows: PREPARED without text; sizes: bytes of each text; texts: the texts; advance: told of bytes that were read for imports.
    """
    order = pc.sort_indices(
        rows, [(name, "ascending") for name in ("key", "host", "repo_name", "whole", "path", "content_id")]
    ).to_numpy()
    order = np.asarray(order, np.int64)
    if options.rows == "files":
        count = np.ones(len(order), np.int32)
        return Layout(order, np.arange(len(order) + 1), count * 0, count)
    groups = _groups(rows, order)
    if options.order == "dependency":
        order = _by_imports(rows, order, groups, sizes, texts, advance)
    return _cut(order, groups, sizes, options.max_bytes)


def _groups(rows: pa.Table, order: Rows) -> Rows:
    """Return where a repository, or a document of its own, begins in the order, and its end: int64[G + 1]."""
    if not len(order):
        return np.zeros(1, np.int64)
    whole = rows["whole"].to_numpy()[order]
    begins = np.ones(len(order), bool)
    begins[1:] = whole[1:] | whole[:-1]
    for name in ("key", "host", "repo_name"):
        column = rows[name].combine_chunks()
        codes = (
            column.to_numpy() if name == "key" else column.dictionary_encode().indices.to_numpy(zero_copy_only=False)
        )
        begins[1:] |= codes[order][1:] != codes[order][:-1]
    return np.append(np.flatnonzero(begins), len(order))


def _by_imports(
    rows: pa.Table, order: Rows, groups: Rows, sizes: Rows, texts: Chunks, advance: Callable[[int], None]
) -> Rows:
    """Return the order with every repository's files after what they import."""
    found: list[tuple[str, ...]] = []
    languages = rows["language"].combine_chunks()
    for begin, end in _lots(sizes[order]):
        mine = order[begin:end]
        found += statements.statements(languages.take(pa.array(mine)), texts.take(mine))
        advance(int(sizes[mine].sum()))
    named = rows.select(["host", "repo_name", "path", "language"])
    ordered = order.copy()
    for begin, end in zip(groups[:-1].tolist(), groups[1:].tolist(), strict=True):
        if end - begin > 1 and any(found[begin:end]):
            mine = order[begin:end]
            of = named.take(pa.array(mine)).to_pydict()
            graph = targets.imports(of["host"][0], of["repo_name"][0], of["path"], of["language"], found[begin:end])
            ordered[begin:end] = mine[dependency_order(of["path"], graph)]
    return ordered


def _cut(order: Rows, groups: Rows, sizes: Rows, max_bytes: int) -> Layout:
    """Cut repositories into documents of at most `max_bytes`, or of one longer file."""
    starts: list[int] = []
    part: list[int] = []
    num_parts: list[int] = []
    lengths = sizes[order]
    for begin, end in zip(groups[:-1].tolist(), groups[1:].tolist(), strict=True):
        cuts = [begin, *_cuts(lengths[begin:end].tolist(), begin, max_bytes)]
        starts += cuts
        part += range(len(cuts))
        num_parts += [len(cuts)] * len(cuts)
    return Layout(order, np.array([*starts, len(order)]), np.array(part, np.int32), np.array(num_parts, np.int32))


def _cuts(lengths: Sequence[int], begin: int, max_bytes: int) -> Iterator[int]:
    total = 0
    for at, length in enumerate(lengths):
        if at and total + length > max_bytes:
            yield begin + at
            total = 0
        total += length
