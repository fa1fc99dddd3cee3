"""What people found in samples of releases, as cards state it. Reads build/<name>/reviews/; review.py draws samples and writes there."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stack_data import storage
from stack_data.errors import InputError
from stack_data.layout import version_key

FORMAT = "fairstack-review/1"
UNKNOWN_ROWS = 10
"""Unknown licence texts that a card names by their hash."""


@dataclass(frozen=True, slots=True)
class Review:
    """What people found in a sample of a release.

    identity     SHA-256 of the release's manifest; num_files: how many files it has
    sampled      lines of the sheet; reviewed: those with a verdict, the sum of the three that follow
    upper_bound  one-sided 95% upper confidence bound of the share of wrongly permissive files, unsure ones counted as wrong
    reviewers    how many people; their names stay in the sheet
    unknown      the unknown licence texts that cost most: hash, files and bytes that are out because of each
    """

    version: str
    identity: str
    num_files: int
    sampled: int
    seed: int
    reviewed: int
    permissive: int
    not_permissive: int
    unsure: int
    upper_bound: float
    reviewers: int
    first_date: str
    last_date: str
    sheet_sha256: str
    unknown: tuple[tuple[str, int, int], ...] = ()

    def sentence(self) -> str:
        """Return what a card says of the review."""
        people = "one person" if self.reviewers == 1 else f"{self.reviewers} people"
        opened = f" of {self.sampled:,} drawn" if self.reviewed < self.sampled else ""
        return (
            f"Of version {self.version}, {self.reviewed:,} files{opened}, a uniform sample, were read by {people} until "
            f"{self.last_date}: {self.not_permissive:,} wrongly permissive, {self.unsure:,} unsure. With 95% confidence at most "
            f"{100 * self.upper_bound:.2f}% of its files are wrongly permissive (unsure ones counted as wrong)."
        )

    def to_json(self) -> dict[str, Any]:
        """Return the review as plain JSON values."""
        return {"format": FORMAT, **asdict(self)}


def reviews(build: Path, before: str | None = None) -> Review | None:
    """Return the review of the latest release that has one, None without. before: only releases of lower versions."""
    folder = build / "reviews"
    named = [path for path in folder.glob("*.json") if is_version(path.stem)] if folder.is_dir() else []
    named = [path for path in named if before is None or version_key(path.stem) < version_key(before)]
    if not named:
        return None
    value = read_record(max(named, key=lambda path: version_key(path.stem)))
    known = {key: value[key] for key in Review.__slots__}
    return Review(**known | {"unknown": tuple((name, files, size) for name, files, size in value["unknown"])})


def is_version(name: str) -> bool:
    """Return whether a name is a release's version."""
    return re.fullmatch(r"\d+\.\d+\.\d+", name) is not None


def read_record(path: Path) -> dict[str, Any]:
    """Read a file below reviews/; InputError when it is none."""
    value = storage.read_json(path)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise InputError(f"{path} is no {FORMAT} file; a newer fairstack may have written it")
    return value
