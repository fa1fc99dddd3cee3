"""Which item of a benchmark was found in which content, as rows and as text for people.

Reads decision tables of the decontamination stage. Not covered: where the contents lie; `fairstack data why` has that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from stack_data.counting import counted
from stack_data.decontamination.benchmarks import Unchecked


@dataclass(frozen=True, slots=True, order=True)
class FoundItem:
    """One part of an item in one content; line: its first, from 1."""

    benchmark: str
    item: str
    part: str
    how: str
    content_id: str
    line: int


def found_items(tables: Iterable[pa.Table]) -> list[FoundItem]:
    """Return what decision tables (DECONTAMINATION_DECISIONS) say was found, in order of benchmark and item."""
    rows = []
    for table in tables:
        dropped = table.filter(pa.compute.equal(table["action"].cast(pa.string()), "drop"))
        for content_id, found in zip(dropped["content_id"].to_pylist(), dropped["found"].to_pylist(), strict=True):
            for one in found:
                rows.append(FoundItem(one["benchmark"], one["item"], one["part"], one["how"], content_id, one["line"]))
    return sorted(rows, key=lambda row: (row.benchmark, _natural(row.item), row.part, row.content_id, row.line))


def _natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Order HumanEval/2 before HumanEval/10."""
    return tuple((0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part) for part in name.split("/"))


def text_of(rows: Sequence[FoundItem], unchecked: Sequence[Unchecked], paths: Mapping[str, str] | None = None) -> str:
    """Return a report for people: counts by benchmark, what was found where, and what was too short to be looked for.

    paths: a place of each content.
    """
    lines = []
    contents, items = Counter[str](), Counter[str]()
    for benchmark, _ in sorted({(row.benchmark, row.content_id) for row in rows}):
        contents[benchmark] += 1
    for benchmark, _ in sorted({(row.benchmark, row.item) for row in rows}):
        items[benchmark] += 1
    for benchmark in contents:
        lines.append(f"{benchmark}: {counted(items[benchmark], 'item')} in {counted(contents[benchmark], 'content')}")
    places = paths or {}
    lines += [
        f"  {row.item} {row.part} ({row.how}): {row.content_id} line {row.line}"
        + (f", {places[row.content_id]}" if row.content_id in places else "")
        for row in rows
    ]
    if not rows:
        lines.append("No item of a benchmark was found.")
    if unchecked:
        names = ", ".join(f"{one.benchmark} {one.item} ({one.num_tokens})" for one in unchecked)
        lines.append(f"Too short to be looked for (code tokens), so nothing is said of them: {names}")
    return "\n".join(lines)
