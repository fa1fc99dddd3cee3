"""A scan as a table for people and as JSON; sarif.py has the third form."""

from __future__ import annotations

from collections import Counter
from typing import Any

from stack_data.counting import counted
from stack_data.search.answer import GUARANTEED, Answer, as_json
from stack_data.search.files_lookup import facts_json
from stack_data.search.scan import Found, Scan

MOST_ROWS = 200
"""Rows of the table; the JSON and SARIF forms have everything."""


def scan_json(scan: Scan) -> dict[str, Any]:
    """Return a scan as JSON values."""
    return {
        "target": scan.target, "files": [_file(one, scan) for one in scan.files], "summary": summary(scan),
        "guaranteed_from_tokens": dict(GUARANTEED),
        "searched": [{"release": one.label, "identity": one.identity} for one in scan.searched],
    }  # fmt: skip


def summary(scan: Scan) -> dict[str, Any]:
    """Return the counts of a scan."""
    skipped = Counter(one.reason for one in scan.files if one.status == "skipped")
    return {
        "files": len(scan.files), **{status: scan.count(status) for status in ("identical", "matches", "nothing")},
        "skipped": dict(sorted(skipped.items())), "capped": sum(one.capped for one in scan.files),
        "own": sum(one.own for one in scan.files), "licenses": licenses(scan),
    }  # fmt: skip


def licenses(scan: Scan) -> dict[str, int]:
    """Return how many files have findings under each licence, most first."""
    counts = Counter(name for one in scan.files for name in _licenses(one))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _licenses(found: Found) -> set[str]:
    if found.identical is not None:
        return {found.identical.license or "unknown"}
    return {one.license or "unknown" for one in found.matches}


def _file(found: Found, scan: Scan) -> dict[str, Any]:
    matches = as_json(Answer(found.matches, found.num_tokens, found.capped, found.withheld, scan.searched))["matches"]
    return {
        "path": found.path, "num_bytes": found.num_bytes, "content_id": found.content_id or None,
        "language": found.language or None, "status": found.status, "reason": found.reason or None,
        "identical": facts_json(found.identical) if found.identical else None, "matches": matches,
        "num_tokens": found.num_tokens, "capped": found.capped, "withheld": found.withheld, "own": found.own,
    }  # fmt: skip


def scan_text(scan: Scan) -> str:
    """Return a scan as a table: one row for each file with findings, its longest one shown."""
    rows = [row for one in scan.files if (row := _row(one))]
    lines = _table(("file", "lines", "finding", "in", "license"), rows[:MOST_ROWS]) if rows else []
    if len(rows) > MOST_ROWS:
        lines.append(f"... and {counted(len(rows) - MOST_ROWS, 'more file')} (--json has all)")
    counts = summary(scan)
    if counts["skipped"]:
        lines.append(
            "not searched: " + ", ".join(f"{number:,} {reason}" for reason, number in counts["skipped"].items())
        )
    if "over_cap" in counts["skipped"]:
        lines.append("incomplete: the files together are more than --max-bytes")
    if counts["own"]:
        lines.append(f"left out as your own: {counted(counts['own'], 'finding')}")
    if counts["licenses"]:
        lines.append(
            "licences of findings: "
            + ", ".join(f"{name} ({counted(number, 'file')})" for name, number in counts["licenses"].items())
        )
    lines.append(
        f"scan: {counted(counts['files'], 'file')}, {counts['identical']:,} in the corpus whole, {counts['matches']:,} with copied spans, "
        f"{counts['nothing']:,} without a finding; searched: {', '.join(one.label for one in scan.searched) or 'no release'}"
    )
    return "\n".join(lines)


def _row(found: Found) -> tuple[str, ...] | None:
    if found.identical is not None:
        place = found.identical.places[0]
        where = f"{place.host}/{place.repo_name}: {place.path}"
        return found.path, "all", "identical", where, found.identical.license or "unknown"
    if not found.matches:
        return None
    best = found.matches[0]
    more = f", {len(found.matches) - 1} more" if len(found.matches) > 1 else ""
    where = f"{best.places[0].host}/{best.places[0].repo_name}: {best.places[0].path}:{best.source_lines[0]}"
    first, last = best.query_lines
    return (
        found.path,
        f"{first}-{last}",
        f"{best.num_tokens} tokens {best.kind}{more}",
        where,
        best.license or "unknown",
    )


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    widths = [min(max(len(row[at]) for row in (head, *rows)), 70) for at in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    ]
