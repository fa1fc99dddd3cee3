"""The `directory` source: a folder tree, read as one repository.

The lock pins the listing (paths and sizes); a tree that changed since is refused until it is locked anew. Links are
recorded, not followed, so nothing outside the folder is read.
"""

from __future__ import annotations

import os
from pathlib import Path

from stack_data.config_sources import DirectoryConfig
from stack_data.errors import SourceError
from stack_data.sources.folders import check_listing, entries_of, list_tree, locked_listing, matcher, read_files
from stack_data.sources.source import Repository, SourceContext, Unit, UnitReading


def resolve(config: DirectoryConfig, context: SourceContext) -> list[Unit]:
    """Return the folder as one unit; SourceError when there is none."""
    root = Path(os.path.normpath(context.config_folder / Path(config.path).expanduser()))
    if not root.is_dir():
        raise SourceError(f"{root} is no folder")
    listing = list_tree(str(root), matcher(config.exclude))
    locked = locked_listing(str(root), listing) | {
        "exclude": list(config.exclude), "host": config.host, "owner": config.owner,
        "repo": config.repo or root.resolve().name or "root",
    }  # fmt: skip
    return [Unit(config.name, locked)]


def read(unit: Unit, context: SourceContext) -> UnitReading:
    """Read the folder; SourceError when it changed since it was locked."""
    locked = dict(unit.locked)
    listing = list_tree(locked["root"], matcher(locked["exclude"]))
    check_listing(locked["root"], listing, locked)
    repository = Repository(host=locked["host"], owner=locked["owner"], repo=locked["repo"])
    return UnitReading([repository], entries_of(read_files(locked["root"], listing, context)))
