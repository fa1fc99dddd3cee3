"""Times every step of a whole build on the Python environment it runs in: MB of text per second, and peak memory.

Run: python bench/build.py [--workers N]. Bytes are those of the texts read (what the stages work on); binaries are told
apart by their first 16 KiB and not read further. Nothing is compared: no peer does these steps in one tool.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import stack_data.build as building
from stack_data import decide, pipeline
from stack_data.config_file import load
from stack_data.decide_near import run_near
from stack_data.fold import fold
from stack_data.release.release import release

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Print a table of steps."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=0)
    workers = parser.parse_args().workers
    with tempfile.TemporaryDirectory() as folder:
        config = load(ROOT / "configs/demo.toml", [f"run.workers={workers}"])
        laps: list[tuple[str, float, float, float]] = []
        clock = _clock()

        def lap(name: str) -> None:
            nonlocal clock
            now = _clock()
            laps.append((name, *(after - before for before, after in zip(clock, now, strict=True))))
            clock = now

        run = building._start(config, ROOT / "configs", Path(folder), None, None)
        lap("lock")
        with decide.loading_tables(run):
            pipeline.fetch(run, building.kinds.read)
        lap("fetch")
        decide.run_exact(run)
        lap("exact")
        pipeline.run_part_stage(run, decide.header_stage(run))
        lap("header")
        decide.run_license(run)
        lap("license")
        pipeline.run_part_stage(run, decide.language_stage(run))
        lap("language")
        pipeline.run_part_stage(run, decide.filter_stage(run))
        lap("filter")
        run_near(run)
        lap("near")
        joined = fold(run.build, config, run.parts())
        lap("fold")
        building.write_report(run, joined, {})
        lap("report")
        release(run, joined)
        lap("release")
        _print(laps, _text_bytes(joined), run.workers)


def _clock() -> tuple[float, float, float]:
    """Return seconds on the wall, and of all threads and finished children in user and in system mode."""
    times = os.times()
    return time.perf_counter(), times.user + times.children_user, times.system + times.children_system


def _text_bytes(joined: building.Fold) -> int:
    unread = {"binary", "too_large", "symlink", "special_file", "unreadable"}
    return joined.num_entry_bytes - sum(one.num_bytes for one in joined.attrition if one.reason in unread)


def _print(laps: list[tuple[str, float, float, float]], text_bytes: int, workers: int) -> None:
    whole = ("whole", *(sum(column) for column in list(zip(*laps, strict=True))[1:]))
    lines = [
        f"{text_bytes / 1e6:,.0f} MB of text, {workers} workers",
        f"{'step':10} {'seconds':>8} {'user':>8} {'system':>8} {'MB/s':>8}",
    ]
    lines += [
        f"{name:10} {seconds:8.2f} {user:8.2f} {system:8.2f} {text_bytes / 1e6 / max(seconds, 1e-9):8.0f}"
        for name, seconds, user, system in [*laps, whole]
    ]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write("\n".join([*lines, f"peak resident memory {peak:,.0f} MB"]) + "\n")


if __name__ == "__main__":
    main()
