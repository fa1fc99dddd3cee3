"""Drop records: what was taken out of token shards, by which list, and what each file became.

`drops/<number>.json`, written last, atomically; numbers rise. A file has the bytes of the manifest or those that the records, followed in
order, lead to; verify, resume and lineage read them. While a drop is under way `drops/pending.json` says what it takes, so that the next
one can carry it out. Neither names anybody: numbers of documents, ids of contents and counts only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from model.shards.tables import DROPS
from stack_data import storage
from stack_data.errors import InputError
from stack_data.manifest import Manifest

FORMAT = "fairstack-drop/1"
_PENDING = "pending.json"


@dataclass(frozen=True, slots=True)
class DropRecord:
    """One drop.

    lists       {issuer: {"epoch", "sha256"}} of suppression lists; removals: {release identity: {"epoch", "sha256", "lists"}}
    documents   numbers of documents that were dropped, ascending; contents: their ids
    num_tokens, num_places  how many tokens were overwritten, and places taken out
    files       name -> (SHA-256 before, after)
    """

    number: int
    lists: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    removals: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    documents: tuple[int, ...] = ()
    contents: tuple[str, ...] = ()
    num_tokens: int = 0
    num_places: int = 0
    files: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def records(folder: Path) -> list[DropRecord]:
    """Return the drops of a folder of shards in order; InputError when one is damaged."""
    paths = [path for path in (folder / DROPS).glob("*.json") if re.fullmatch(r"\d+", path.stem)]
    return [_read(path) for path in sorted(paths, key=lambda path: int(path.stem))]


def _read(path: Path) -> DropRecord:
    value = storage.read_json(path)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        seen = value.get("format") if isinstance(value, dict) else type(value).__name__
        raise InputError(f"{path} is of format {seen!r}, this version reads {FORMAT!r}")
    try:
        files = {name: (before, after) for name, (before, after) in value["files"].items()}
        return DropRecord(
            value["number"], value["lists"], value["removals"], tuple(value["documents"]), tuple(value["contents"]),
            value["num_tokens"], value["num_places"], files,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged: {error!r}") from error


def write(folder: Path, record: DropRecord) -> None:
    """Write a record, which completes its drop."""
    storage.write_json(folder / DROPS / f"{record.number}.json", {"format": FORMAT, **asdict(record)})


def is_pending(folder: Path) -> bool:
    """Tell whether a drop was stopped before its end."""
    return (folder / DROPS / _PENDING).exists()


def read_pending(folder: Path) -> DropRecord | None:
    """Return what a drop that was stopped was to do."""
    return _read(folder / DROPS / _PENDING) if is_pending(folder) else None


def write_pending(folder: Path, record: DropRecord) -> None:
    """State what is about to be done; `files` is empty."""
    storage.write_json(folder / DROPS / _PENDING, {"format": FORMAT, **asdict(record)})


def end_pending(folder: Path) -> None:
    """State that nothing is under way."""
    (folder / DROPS / _PENDING).unlink(missing_ok=True)


def current(made: Manifest, done: Iterable[DropRecord]) -> dict[str, str]:
    """Return the SHA-256 that each listed file must have now."""
    found = {name: output.sha256 for name, output in made.outputs.items()}
    for record in done:
        found.update({name: after for name, (before, after) in record.files.items() if found.get(name) == before})
    return found


def epochs(made: Manifest, done: Sequence[DropRecord]) -> dict[str, int]:
    """Return {issuer: epoch} that shards follow: the lowest of their releases', and no issuer that one of these does not know.

    A release follows the lists it was made with, those that its removal lists say, and every suppression list that was applied here.
    """
    found = [epochs_of_release(release, done) for release in made.plan["config"]["releases"]]
    known = set.intersection(*map(set, found))
    return {issuer: min(one[issuer] for one in found) for issuer in sorted(known)}


def epochs_of_release(release: Mapping[str, Any], done: Sequence[DropRecord]) -> dict[str, int]:
    """Return {issuer: epoch} that one release of shards follows. release: as the manifest's plan states it."""
    found = {issuer: int(epoch) for issuer, epoch in release["lists"].items()}
    for record in done:
        followed = {issuer: one["epoch"] for issuer, one in record.lists.items()}
        said = record.removals.get(release["identity"], {}).get("lists", {})
        for issuer, epoch in [*followed.items(), *said.items()]:
            found[issuer] = max(int(epoch), found.get(issuer, 0))
    return found
