"""`fairstack data recheck` as a whole: the hosts of a build are asked again, and who leaves is decided anew.

Reads a finished build; writes its recheck.json (stack_data/recheck.py) and decisions/optout/. Releases stay as they are: the next one
leaves out what is gone or reserved.
"""

from __future__ import annotations

import datetime
from pathlib import Path

from stack_data import storage
from stack_data.build import reopen
from stack_data.decide_optout import run_optout
from stack_data.progress import Progress
from stack_data.recheck import Recheck, recheck
from stack_data.signals import is_signal_file


def recheck_of(folder: Path, *, accept_gone: bool = False, progress: Progress | None = None) -> Recheck:
    """Ask the hosts of a finished build again, and decide anew who leaves. See stack_data/recheck.py.

    Raises InputError when the build is not finished or is being built.
    """
    reopen(folder, but="optout")
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    found = recheck(folder, is_signal_file, today=today, accept_gone=accept_gone, progress=progress)
    with storage.locked(folder):
        run = reopen(folder, progress=progress, but="optout")
        run_optout(run)
        run.progress.close()
    return found
