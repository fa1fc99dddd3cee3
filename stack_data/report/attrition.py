"""The attrition table: files and bytes in, what each reason removed, and what is left."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from stack_data.fold import Attrition, Fold


def human_bytes(count: float) -> str:
    """Return a size for people, in powers of 1000: `12.3 MB`."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"


def attrition_table(fold: Fold) -> str:
    """Return the table of a fold as aligned text, one line per stage and reason."""
    kept_bytes = int(np.sum(fold.kept["num_bytes"].to_numpy())) if fold.kept.num_rows else 0
    return table_of((fold.num_entries, fold.num_entry_bytes), fold.attrition, (fold.kept.num_rows, kept_bytes))


def table_of(entries: tuple[int, int], attrition: Iterable[Attrition], kept: tuple[int, int]) -> str:
    """Return an attrition table; entries, kept: files and bytes."""
    total_files, total_bytes = max(entries[0], 1), max(entries[1], 1)
    rows = [("stage", "reason", "files", "size", "of files", "of bytes")]
    rows.append(("", "entries read", f"{entries[0]:,}", human_bytes(entries[1]), "", ""))
    for one in attrition:
        rows.append(
            (one.stage, one.reason, f"{one.num_files:,}", human_bytes(one.num_bytes),
             f"{one.num_files / total_files:.1%}", f"{one.num_bytes / total_bytes:.1%}")
        )  # fmt: skip
    rows.append(
        ("", "kept", f"{kept[0]:,}", human_bytes(kept[1]), f"{kept[0] / total_files:.1%}", f"{kept[1] / total_bytes:.1%}")
    )  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = [_line(row, widths) for row in rows]
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, lines[1], *lines[2:-1], rule, lines[-1]])


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [row[0].ljust(widths[0]), row[1].ljust(widths[1])]
    cells += [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
    return "  ".join(cells)
