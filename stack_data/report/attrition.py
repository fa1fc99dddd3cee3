"""The attrition table: files and bytes in, what each reason removed, and what is left."""

from __future__ import annotations

import numpy as np

from stack_data.fold import Fold


def human_bytes(count: float) -> str:
    """Return a size for people, in powers of 1000: `12.3 MB`."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"


def attrition_table(fold: Fold) -> str:
    """Return the table as aligned text, one line per stage and reason."""
    total_files, total_bytes = max(fold.num_entries, 1), max(fold.num_entry_bytes, 1)
    rows = [("stage", "reason", "files", "size", "of files", "of bytes")]
    rows.append(("", "entries read", f"{fold.num_entries:,}", human_bytes(fold.num_entry_bytes), "", ""))
    for one in fold.attrition:
        rows.append(
            (one.stage, one.reason, f"{one.num_files:,}", human_bytes(one.num_bytes),
             f"{one.num_files / total_files:.1%}", f"{one.num_bytes / total_bytes:.1%}")
        )  # fmt: skip
    kept_bytes = int(np.sum(fold.kept["num_bytes"].to_numpy())) if fold.kept.num_rows else 0
    rows.append(
        ("", "kept", f"{fold.kept.num_rows:,}", human_bytes(kept_bytes),
         f"{fold.kept.num_rows / total_files:.1%}", f"{kept_bytes / total_bytes:.1%}")
    )  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = [_line(row, widths) for row in rows]
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, lines[1], *lines[2:-1], rule, lines[-1]])


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [row[0].ljust(widths[0]), row[1].ljust(widths[1])]
    cells += [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
    return "  ".join(cells)
