"""`data update`: takes out of a copy of a release what has left it since, by the builder's signed removal list.

Works on a release folder alone, wherever it was copied to. The list must be for this very release (its identity), signed with the key
that the release states (or one that is given), and not older than the one applied last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stack_data import manifest, registry, storage
from stack_data.errors import InputError
from stack_data.purges import Record, records
from stack_data.release.removal import remove
from stack_data.release.removal_list import read


@dataclass(frozen=True, slots=True)
class Update:
    """What an update did. record: None when the release was up to date."""

    epoch: int
    record: Record | None

    @property
    def num_files(self) -> int:
        """How many files left."""
        return int(self.record.facts["num_files"]) if self.record else 0


def update(folder: Path, location: str, keys: Sequence[str] = ()) -> Update:
    """Apply the removal list at a path or URL to a release folder.

    keys: public keys to trust beside the one that the release states. Raises InputError when the list is not for this release, not
    signed as it must be, older than the last one applied, or when the folder is no release.
    """
    if not (folder / "manifest.json").exists():
        raise InputError(f"{folder} is no release: it has no manifest.json")
    made = manifest.read(folder / "manifest.json")
    stated = made.plan["config"].get("key", "")
    found = read(registry.raw(location, Path()), location, [*keys, *([stated] if stated else [])])
    identity = storage.sha256_file(folder / "manifest.json")
    if found.header["identity"] != identity:
        raise InputError(
            f"{location}: is for release {found.header['release']} of {found.header['name']} with identity {found.header['identity'][:16]}..., "
            f"and {folder} has {identity[:16]}..."
        )
    epoch, last = int(found.header["epoch"]), max([0, *(int(one.facts.get("epoch", 0)) for one in records(folder))])
    if epoch < last:
        raise InputError(f"{location}: line 1: epoch {epoch} is older than epoch {last}, which this copy has")
    with storage.locked(folder / "purges"):
        storage.remove_temporaries(folder)
        return Update(epoch, remove(folder, found.removal, {"epoch": epoch, "lists": dict(found.header["lists"])}))
