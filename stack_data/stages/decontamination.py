"""Decontamination: contents that hold a task or a solution of a benchmark are dropped.

Reads texts and benchmarks (stack_data/decontamination/), gives decisions aligned with files/: what was found, how, and from which
line on. Every text is lexed in the languages of the benchmarks' solutions, whatever its own, so that a Python solution in a Markdown
file is found, and one content has one answer wherever it lies. Both searches hold no lock; threads take row groups. Texts go
through in lots of a few megabytes, so that their tokens are never all in memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stack_data.decontamination import containment, solutions
from stack_data.decontamination.benchmarks import PIECES, RULE_VERSION, Benchmarks, Part
from stack_data.near.shingles import text_bytes
from stack_data.reasons import Reason
from stack_data.records import DECONTAMINATION_DECISIONS
from stack_data.stages.decisions import decision_columns

__all__ = ["RULE_VERSION", "decide"]

_LOT_BYTES = 4 << 20
_ORDER = ("verbatim", "reformatted", "renamed")
_LINE_BREAK = re.compile(rb"\r\n?|\n")


class Find(NamedTuple):
    """A part of a benchmark in a text: the text's row, which part, how, and its first and last byte."""

    row: int
    part: Part
    how: str
    start: int
    end: int


def decide(ids: pa.Array, texts: pa.LargeStringArray, benchmarks: Benchmarks) -> pa.Table:
    """Return the decisions about N texts (DECONTAMINATION_DECISIONS); null texts are kept and have no list of what was found."""
    data, begins, ends = text_bytes(texts)
    finds: dict[int, list[Find]] = {}
    for first, last in _lots(begins, ends):
        for find in _finds(benchmarks, data, begins[first:last], ends[first:last]):
            row = find.row + first
            finds.setdefault(row, []).append(find._replace(row=row))
    best = {row: _best(of_row) for row, of_row in finds.items()}
    codes = np.full(len(texts), -1)
    codes[list(best)] = 0
    details = pa.array([_detail(best[row]) if row in best else None for row in range(len(texts))], pa.string())
    columns = decision_columns(ids, codes, [Reason.BENCHMARK_FOUND], details)
    columns["found"] = _column(texts, best, data, begins)
    return pa.table(columns).cast(DECONTAMINATION_DECISIONS)


def _lots(begins: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Cut texts into runs of about _LOT_BYTES."""
    if len(begins):
        cuts = np.flatnonzero(np.diff(np.cumsum(ends - begins) // _LOT_BYTES)) + 1
        bounds = [0, *cuts.tolist(), len(begins)]
        yield from zip(bounds[:-1], bounds[1:], strict=True)


def _finds(
    benchmarks: Benchmarks, data: npt.NDArray[np.uint8], begins: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
) -> Iterator[Find]:
    for row, number, start, end in containment.find(benchmarks.patterns, data, begins, ends).tolist():
        part = benchmarks.contained[number]
        yield Find(row, part, _verbatim(part, data, begins[row] + start, begins[row] + end), start, end)
    for table, parts in benchmarks.solutions:
        for row, number, view, start, end in solutions.find(table, data, begins, ends).tolist():
            part = parts[number]
            how = (
                "renamed"
                if view == solutions.RENAMED
                else _verbatim(part, data, begins[row] + start, begins[row] + end)
            )
            yield Find(row, part, how, start, end)


def _verbatim(part: Part, data: npt.NDArray[np.uint8], start: int, end: int) -> str:
    same = data[start:end].tobytes().strip() == part.text.strip().encode()
    return "verbatim" if same else "reformatted"


def _best(finds: Iterable[Find]) -> list[Find]:
    """Return the strictest find of each part of an item, in order of the text; of pieces of one solution the longest, unless it
    is there whole."""
    chosen: dict[tuple[str, ...], Find] = {}
    whole = {find.part.item for find in finds if find.part.part == "solution" and find.part.benchmark != PIECES}
    for find in finds:
        part = find.part
        key: tuple[str, ...] = (part.benchmark, part.item, part.part)
        if part.benchmark == PIECES:
            task = part.item.removeprefix("MultiLineInfilling/").rpartition("/")[0]
            if task in whole:
                continue
            key = (part.benchmark, task)
        if key not in chosen or _rank(find) < _rank(chosen[key]):
            chosen[key] = find
    return sorted(chosen.values(), key=lambda find: (find.start, find.part.benchmark, find.part.item, find.part.part))


def _rank(find: Find) -> tuple[int, int, int]:
    """Order finds of one part: the longest piece, the strictest way, the first place."""
    size = len(find.part.text) if find.part.benchmark == PIECES else 0
    return -size, _ORDER.index(find.how), find.start


def _detail(finds: list[Find]) -> str:
    first = min(finds, key=lambda find: (_ORDER.index(find.how), find.start))
    more = f" and {len(finds) - 1} more" if len(finds) > 1 else ""
    return f"{first.part.benchmark} {first.part.item} {first.part.part} ({first.how}){more}"


def _column(
    texts: pa.Array, best: dict[int, list[Find]], data: npt.NDArray[np.uint8], begins: npt.NDArray[np.int64]
) -> pa.Array:
    """Return the lists of what was found; null where there was no text."""
    lists: list[list[dict[str, object]] | None] = [[] for _ in range(len(texts))]
    for row in np.flatnonzero(texts.is_null().to_numpy(zero_copy_only=False)).tolist():
        lists[row] = None
    for row, finds in best.items():
        lists[row] = [
            {
                "benchmark": find.part.benchmark, "item": find.part.item, "part": find.part.part, "how": find.how,
                "line": 1 + len(_LINE_BREAK.findall(data[begins[row] : begins[row] + find.start].tobytes())),
            }
            for find in finds
        ]  # fmt: skip
    return pa.array(lists, DECONTAMINATION_DECISIONS.field("found").type)
