"""Numbers with their nouns, for every line that a person reads: "1 file", "2,000 files"."""

from __future__ import annotations


def counted(number: int, noun: str, many: str = "") -> str:
    """Return a number with its noun; many: the plural where it is more than an s."""
    return f"{number:,} {noun if number == 1 else many or noun + 's'}"
