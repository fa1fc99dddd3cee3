"""`data benchmarks`: which item of a benchmark was found in which content of a build. Reads decisions; writes nothing."""

from __future__ import annotations

from pathlib import Path

from stack_data import storage
from stack_data.build import reopen
from stack_data.decide_contents import SNAPSHOT
from stack_data.decontamination.benchmarks import Unchecked
from stack_data.decontamination.report import FoundItem, found_items


def benchmarks(folder: Path) -> tuple[list[FoundItem], list[Unchecked]]:
    """Return what was found in a finished build, and the solutions that were too short to look for.

    Raises InputError when the build is not finished.
    """
    run = reopen(folder)
    tables = (storage.read_parquet(run.build.decisions("decontamination", part)) for _, part in run.parts())
    path = run.build.stage_manifest("decontamination").with_name(SNAPSHOT)
    told = storage.read_json(path) if run.config.decontamination.enabled else {"unchecked": []}
    return found_items(tables), [Unchecked(**one) for one in told["unchecked"]]
