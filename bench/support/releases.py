"""Releases below build/ that benchmarks take when none is named."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def releases() -> list[Path]:
    """Return the releases below build/, the one with most bytes of files first."""
    found = [path.parent for path in ROOT.glob("build/*/releases/*/manifest.json")]
    return sorted(found, key=lambda one: -sum(path.stat().st_size for path in one.rglob("*.parquet")))


def largest_release() -> Path:
    """Return the release below build/ that holds most; SystemExit where there is none."""
    found = releases()
    if not found:
        raise SystemExit("there is no release below build/: make one with `make demo`, or name one")
    return found[0]
