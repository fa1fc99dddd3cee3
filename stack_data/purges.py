"""Purge records: what was erased from a build or taken out of a release, and what each file became.

`purges/<number>.json`, written last, atomically; numbers rise. A file that a manifest lists may have the bytes of the manifest or those
that the records, followed in order, lead to. While files are being rewritten `purges/pending` lies there: the same command again
goes on, and `verify` says so. Ids of what was erased stay as tombstones; no text and no name does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack_data import storage
from stack_data.errors import InputError
from stack_data.manifest import Output

FORMAT = "fairstack-purge/1"
NOT_PERMISSIVE = "not_permissive"
"""A fact of a build's record: ids of contents that erased evidence showed under a licence that is not permissive."""
GONE = ""
"""Stands for the hash of a file that was deleted."""


@dataclass(frozen=True, slots=True)
class Record:
    """One purge. files: path -> (SHA-256 before, after; GONE when deleted); content_ids: tombstones; facts: whatever else it states."""

    number: int
    files: Mapping[str, tuple[str, str]]
    content_ids: tuple[str, ...]
    facts: Mapping[str, Any]


def records(folder: Path) -> list[Record]:
    """Return the purges of a build or release in order; InputError when one is damaged."""
    paths = [path for path in (folder / "purges").glob("*.json") if re.fullmatch(r"\d+", path.stem)]
    return [_read(path) for path in sorted(paths, key=lambda path: int(path.stem))]


def _read(path: Path) -> Record:
    value = storage.read_json(path)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise InputError(f"{path} is of format {value.get('format')!r}, this version reads {FORMAT!r}")
    files = {name: (one["old_sha256"], one["new_sha256"]) for name, one in value["files"].items()}
    return Record(int(path.stem), files, tuple(value["content_ids"]), value["facts"])


def current(folder: Path, outputs: Mapping[str, Output]) -> dict[str, str]:
    """Return the SHA-256 that each listed file must have now; GONE where a purge deleted it."""
    found = {name: output.sha256 for name, output in outputs.items()}
    for record in records(folder):
        for name, (before, after) in record.files.items():
            # A file that was made anew since (a group fetched again) is no longer the one that was purged.
            if found.get(name, before) == before:
                found[name] = after
    return found


class Purging:
    """A purge that is under way in a folder. Use with `with`; `record` ends it.

    Every change is idempotent, so one that was killed is simply done again: `was_stopped` says that it was.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pending = folder / "purges" / "pending"
        self.was_stopped = self._pending.exists()
        self.touched: set[str] = set()

    def begin(self) -> None:
        """State on disk that files are being rewritten."""
        storage.write_text(self._pending, "")

    def record(
        self, outputs: Mapping[str, Output], content_ids: Iterable[str], facts: Mapping[str, Any]
    ) -> Record | None:
        """Write the record of every file that is not what it was; return it, None when nothing changed."""
        known = current(self.folder, outputs)
        names = known.keys() if self.was_stopped else self.touched
        files: dict[str, tuple[str, str]] = {}
        for name in sorted(names):
            path = self.folder / name
            now = storage.sha256_file(path) if path.is_file() else GONE
            if now != known.get(name, GONE):
                files[name] = (known.get(name, GONE), now)
        ids = sorted(set(content_ids) - {one for record in records(self.folder) for one in record.content_ids})
        made = None
        if files or ids:
            number = max([0, *(record.number for record in records(self.folder))]) + 1
            made = Record(number, files, tuple(ids), facts)
            storage.write_json(self.folder / "purges" / f"{number}.json", _to_json(made))
        self._pending.unlink(missing_ok=True)
        return made


def _to_json(record: Record) -> dict[str, Any]:
    files = {name: {"old_sha256": before, "new_sha256": after} for name, (before, after) in record.files.items()}
    return {"format": FORMAT, "files": files, "content_ids": list(record.content_ids), "facts": dict(record.facts)}


def is_pending(folder: Path) -> bool:
    """Return whether a purge of this folder was stopped before its end."""
    return (folder / "purges" / "pending").exists()


def erased(folder: Path, outputs: Mapping[str, Output]) -> set[str]:
    """Return the ids whose bytes are gone from listed files that have not been made anew since."""
    now = current(folder, outputs)
    found: set[str] = set()
    for record in records(folder):
        if any(name in outputs and now[name] != outputs[name].sha256 for name in record.files):
            found.update(record.content_ids)
    return found
