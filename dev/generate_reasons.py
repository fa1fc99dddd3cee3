"""Writes docs/reasons.md from stack_data/reasons.py. Run it after changing a reason: a test compares the two."""

from __future__ import annotations

from pathlib import Path

from stack_data.reasons import Reason

HEAD = """# Reasons

Why a file, a place or a whole entry is not in a release. `fairstack data why BUILD PATH` says which one applied to a file
and shows the evidence; `ledger/` of a release lists them by `content_id`.

| Stage | Reason | Meaning |
|---|---|---|
"""


def page() -> str:
    """Return the page's text."""
    return HEAD + "".join(f"| {one.stage} | `{one.value}` | {one.meaning} |\n" for one in Reason)


if __name__ == "__main__":
    (Path(__file__).parent.parent / "docs" / "reasons.md").write_text(page(), encoding="utf-8")
