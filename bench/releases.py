"""Times a release that only takes opted-out places out of its parent, against the same release with every byte written anew.

Run: python bench/releases.py [BUILD] [--runs N] [--scratch FOLDER]   default: a build of the Python environment it runs in.
The build is copied (hard links where the scratch folder is on the same disk) without its releases, and 1.0.0 is made of it. Then a
list names a middle repository, by the bytes released of it, and 2.0.0 is made; a second list names the largest one too, and 3.0.0
follows. Each is made in a process of its own, as the command line makes it: seconds are those of the release, from the list to the
manifest, medians over as many copies as there are runs. The full way does the same in a copy of its own (`full`), and both folders
are compared byte by byte. The steps are told by a profiler of the main thread in one more run, which takes a little longer.
Files of the build were just written or copied, so the system has most of them in memory; the disk is waited for where the writer
flushes to it.
"""

from __future__ import annotations

import argparse
import cProfile
import filecmp
import json
import os
import pstats
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from stack_data import build as building
from stack_data import storage
from stack_data.config_file import load
from stack_data.layout import Build
from stack_data.optout import Entry, SuppressionList
from stack_data.optout.lists import write

ROOT = Path(__file__).resolve().parent.parent
DAY = "2026-11-21"
STEPS = {
    # What is told: functions whose time, with all they call, is that of the step. None is called by another of these.
    "lists, build reopened": ("build.py:accepted_lists", "build.py:reopen"),
    "opt-out step": ("decide_optout.py:run_optout",),
    "plan, parent read": ("release.py:plan_of", "parent.py:find_parent"),
    "fold": ("release.py:audience_fold", "sources.py:select"),
    "splits, changes": ("shards.py:assign", "parent.py:changes_of", "parent.py:reasons_of", "writer.py:__init__", "release.py:_inherited"),
    "parent's shards checked": ("parent.py:same_shards", "parent.py:has_whole"),
    "shards written": ("writer.py:_write_shards",),
    "shards taken over": ("writer.py:_link",),
    "licence texts, Merkle trees": ("writer.py:_write_about_places",),
    "notices": ("notices.py:notice_files", "writer.py:_save_text"),
    "ledger, documents": ("writer.py:_write_ledger", "writer.py:_write_documents"),
    "removal lists": ("removal_list.py:publish",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository of a release and the bytes of its displayed files there."""

    host: str
    name: str
    num_bytes: int


def repositories_in(release: Path) -> list[Repository]:
    """Return the repositories of a release, the smallest first."""
    sizes: dict[tuple[str, str], int] = {}
    for path in sorted((release / "data").rglob("*.parquet")):
        for row in storage.read_parquet(path, ["host", "repo_name", "length_bytes"]).to_pylist():
            key = row["host"], row["repo_name"]
            sizes[key] = sizes.get(key, 0) + row["length_bytes"]
    return [Repository(*key, size) for key, size in sorted(sizes.items(), key=lambda item: (item[1], item[0]))]


def copy(build: Path, target: Path, releases: bool) -> Path:
    """Give a build a second folder."""
    for path in build.rglob("*"):
        inside = path.relative_to(build)
        if (
            path.is_file()
            and inside.name != storage.LOCK_NAME
            and (releases or inside.parts[0] not in ("releases", "released", "suppressions"))
        ):
            storage.link(path, target / inside)
    return target


def write_list(path: Path, epoch: int, gone: list[Repository]) -> Path:
    """Write a list that names these repositories."""
    entries = tuple(Entry(kind="repository", host=one.host, name=one.name, since=DAY) for one in gone)
    path.write_text(write(SuppressionList(issuer="local", epoch=epoch, created=DAY, entries=entries)))
    return path


def child(options: argparse.Namespace) -> dict[str, Any]:
    """Make one release and return what it took."""
    profile = cProfile.Profile()
    lists = [str(options.list)] if options.list else []
    begin, used = time.perf_counter(), time.process_time()
    if options.profile:
        profile.enable()
    made = building.release_of(
        options.build, [f"release.version={options.version}"], suppressions=lists, full=options.full
    )
    profile.disable()
    told = {
        "seconds": time.perf_counter() - begin, "cpu": time.process_time() - used,
        "peak": peak(), "files": made.counts["files"],
        "shards": sum(name.startswith("data/") for name in made.outputs),
    }  # fmt: skip
    return told | ({"steps": steps_of(profile)} if options.profile else {})


def peak() -> float:
    """Return the most memory this process has had, in MB. ru_maxrss would count what its parent had when it began."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def steps_of(profile: cProfile.Profile) -> dict[str, float]:
    """Return the seconds of each step, and of the rest."""
    stats: dict[tuple[str, int, str], Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    spent: dict[str, float] = {}
    for (file, _, function), (_, _, _, cumulative, _) in stats.items():
        if "stack_data" in file:
            name = f"{Path(file).name}:{function}"
            spent[name] = spent.get(name, 0.0) + cumulative
    found = {step: sum(spent.get(name, 0.0) for name in names) for step, names in STEPS.items()}
    return found | {"other": spent["build.py:release_of"] - sum(found.values())}


def release(build: Path, version: str, listed: Path | None, *flags: str) -> dict[str, Any]:
    """Make a release in a process of its own; return what it took."""
    words = [sys.executable, __file__, "--child", "--version", version, *flags, str(build)]
    words += ["--list", str(listed)] if listed else []
    begin = time.perf_counter()
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    return {**json.loads(done.stdout), "process": time.perf_counter() - begin}


def taken_over(release: Path, parent: Path) -> tuple[int, int]:
    """Return how many shards of a release are its parent's files, and their bytes on disk."""
    same = [
        path.stat().st_size for path in sorted((release / "data").rglob("*.parquet"))
        if (old := parent / path.relative_to(release)).exists() and old.samefile(path)
    ]  # fmt: skip
    return len(same), sum(same)


def different(first: Path, second: Path) -> list[str]:
    """Return the files that two folders do not have in common, or with other bytes."""
    names = [{path.relative_to(one).as_posix() for path in one.rglob("*") if path.is_file()} for one in (first, second)]
    both = sorted(names[0] & names[1])
    return sorted(names[0] ^ names[1]) + [
        one for one in both if not filecmp.cmp(first / one, second / one, shallow=False)
    ]


def measure(base: Path, scratch: Path, runs: int) -> Iterator[str]:
    """Make the releases both ways; yield lines of what they took."""
    known = repositories_in(base / "releases" / "1.0.0")
    middle, largest = known[len(known) // 2], known[-1]
    lists = [
        write_list(scratch / f"{epoch}.jsonl", epoch, gone) for epoch, gone in ((1, [middle]), (2, [middle, largest]))
    ]
    total = sum(one.num_bytes for one in known)
    yield f"{len(known):,} repositories; the middle one has {middle.num_bytes / 1e3:,.1f} kB, the largest {largest.num_bytes / total:.1%} of the bytes"
    yield (
        f"{'release':24} {'seconds':>8} {'cpu s':>7} {'process':>8} {'peak MB':>8} {'shards':>7} {'taken over':>11} {'files':>9}"
    )
    made: dict[tuple[str, bool], list[dict[str, Any]]] = {}
    for run in range(runs):
        for full in (False, True):
            build = copy(base, scratch / f"{run}-{full}", True)
            for version, listed in zip(("2.0.0", "3.0.0"), lists, strict=True):
                made.setdefault((version, full), []).append(release(build, version, listed, *["--full"] * full))
    steps, taken = [], {}
    build = copy(base, scratch / "profiled", True)
    for version, listed in zip(("2.0.0", "3.0.0"), lists, strict=True):
        steps.append(release(build, version, listed, "--profile")["steps"])
        older = {"2.0.0": "1.0.0", "3.0.0": "2.0.0"}[version]
        taken[version] = taken_over(build / "releases" / version, build / "releases" / older)
    for version, gone in (("2.0.0", "without the middle one"), ("3.0.0", "without the largest")):
        quick, slow = (medians(made[version, full]) for full in (False, True))
        for title, one, of in ((gone, quick, taken[version][0]), ("  the same, in full", slow, 0)):
            yield (
                f"{title:24} {one['seconds']:8.1f} {one['cpu']:7.1f} {one['process']:8.1f} {one['peak']:8,.0f} {one['shards']:7,.0f} "
                f"{of:11,} {one['files']:9,.0f}"
            )
        folders = [scratch / f"0-{full}" / "releases" / version for full in (False, True)]
        differences = different(*folders)
        assert not differences, f"{version} differs: {differences[:5]}"
        yield f"  {slow['seconds'] / quick['seconds']:.1f} times as fast as in full, byte for byte the same"
    yield f"{'step, s (profiled)':30} {'middle':>8} {'largest':>8}"
    for name in steps[0]:
        yield f"{name:30} " + " ".join(f"{one[name]:8.2f}" for one in steps)


def medians(found: list[dict[str, Any]]) -> dict[str, float]:
    """Return the median of every number."""
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def main() -> None:
    """Print a table of releases and one of their steps."""
    parser = argparse.ArgumentParser(description="Time releases that only take something out.")
    parser.add_argument("build", nargs="?", type=Path)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument(
        "--scratch", type=Path, help="a folder on the disk of the build; default: the system's for temporary files"
    )
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--version", help=argparse.SUPPRESS)
    parser.add_argument("--list", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--full", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--profile", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        sys.stdout.write(json.dumps(child(options)))
        return
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        scratch = Path(folder)
        build = options.build or environment(scratch)
        base = copy(Build.open(build).folder, scratch / "base" / build.resolve().name, False)
        first = release(base, "1.0.0", None)
        size = sum(path.stat().st_size for path in (base / "releases").rglob("*") if path.is_file())
        sys.stdout.write(
            f"{first['files']:,} files in {first['shards']} shards, {size / 1e6:,.0f} MB on disk; {os.cpu_count()} processors; the first "
            f"release took {first['seconds']:.1f} s, {first['peak']:,.0f} MB at the peak\n"
        )
        for line in measure(base, scratch, options.runs):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


def environment(scratch: Path) -> Path:
    """Build the Python environment that this runs in."""
    config = load(ROOT / "configs/demo.toml", [f"run.builds={scratch / 'builds'}"])
    return building.build(config, ROOT / "configs").folder


if __name__ == "__main__":
    main()
