"""The report of a build as plain text, for terminals and logs."""

from __future__ import annotations

from collections.abc import Sequence

from stack_data.counting import counted
from stack_data.report.attrition import attrition_table, human_bytes
from stack_data.report.facts import Bar, ReportFacts


def report_text(facts: ReportFacts) -> str:
    """Return the whole report."""
    parts = [f"Build {facts.name}", "", attrition_table(facts.fold)]
    for title, rows in (
        ("Languages", facts.languages[:15]), ("Licences", facts.licenses[:15]),
        ("Licence findings that cost most", facts.causes),
    ):  # fmt: skip
        parts += ["", title, *_lines(rows)] if rows else []
    if facts.replaced:
        parts += ["", "Replaced in what is kept"]
        parts += [
            f"  {one.kind:<12}  {one.num_spans:>9,} in {counted(one.num_files, 'file')}" for one in facts.replaced
        ]
    if facts.missing:
        parts += ["", "Missing: could not be read", *(f"  {name}: {reason}" for name, reason in facts.missing)]
    return "\n".join(parts)


def _lines(rows: Sequence[Bar]) -> list[str]:
    width = min(max((len(row.name) for row in rows), default=0), 90)
    return [f"  {row.name[:90].ljust(width)}  {row.num_files:>9,}  {human_bytes(row.num_bytes):>9}" for row in rows]
