"""`data benchmarks`: which item of a benchmark was found in which content of a build. Reads decisions; writes nothing."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from stack_data import storage
from stack_data.build import reopen
from stack_data.decide_contents import SNAPSHOT
from stack_data.decontamination.benchmarks import Unchecked
from stack_data.decontamination.report import FoundItem, found_items
from stack_data.pipeline import Run


def benchmarks(folder: Path) -> tuple[list[FoundItem], list[Unchecked], dict[str, str]]:
    """Return what was found in a finished build, the solutions that were too short to look for, and a place of each content.

    Raises InputError when the build is not finished.
    """
    run = reopen(folder)
    tables = (storage.read_parquet(run.build.decisions("decontamination", part)) for _, part in run.parts())
    path = run.build.stage_manifest("decontamination").with_name(SNAPSHOT)
    told = storage.read_json(path) if run.config.decontamination.enabled else {"unchecked": []}
    found = found_items(tables)
    return found, [Unchecked(**one) for one in told["unchecked"]], _places(run, {one.content_id for one in found})


def _places(run: Run, ids: set[str]) -> dict[str, str]:
    """Return the first place of each content: host/owner/repo: path."""
    wanted, places = pa.array(sorted(ids), pa.string()), dict[str, str]()
    for group, part in run.parts() if ids else ():
        table = storage.read_parquet(run.build.provenance(part), ["content_id", "repository", "path"])
        chosen = table.filter(pc.is_in(table["content_id"], wanted)).to_pylist()
        repositories = storage.read_parquet(run.build.repositories(group), ["host", "owner", "repo"])
        for one in chosen:
            name = "/".join(repositories.slice(one["repository"], 1).to_pylist()[0].values())
            places.setdefault(one["content_id"], f"{name}: {one['path']}")
    return places
