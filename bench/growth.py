"""Measures how the memory of a whole build grows with its input: builds of more and more real code, each in a process.

Run: python bench/growth.py [FOLDER...] [--sizes GB...] [--workers N]   default: 0.25, 0.5 and 1 GB of the site-packages
and standard library of this interpreter, and of /usr/lib/python3, /usr/share and /usr/include where they are.
Files are distinct texts in the order of their content ids, so a smaller input is a fair sample of a larger one and lies
whole in it. They are linked into a temporary folder under their own paths and read as `directory` sources with a
declared licence that is allowed; quality filters are off. Licence files, manifests and the like are left out, folders
of other people's code get an underscore behind their names, and the licences that headers name most are allowed, so
that nearly everything is kept, which is the worst case.
Peak memory is what the system counts for the process (ru_maxrss), pages of mapped files included, which it can take
back; of those that it cannot, the heap, /proc is asked twenty times a second. Both vary by up to a tenth from run to
run. A first build, which compiles kernels, is not shown.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from stack_data import build as building
from stack_data import rows
from stack_data.config_file import load
from stack_data.identity import content_id
from stack_data.licenses.files import is_foreign_folder, kind_of
from stack_data.progress import Silent

MAX_BYTES = 10 << 20
HEAD_BYTES = 8 << 10
FIRST_GB = 0.002
ALLOWED = [
    "LicenseRef-measured", "LicenseRef-proprietary", "AGPL-3.0-only", "AGPL-3.0-or-later", "EPL-1.0", "EPL-2.0",
    "MPL-1.0", "MPL-1.1", "MPL-2.0", "GFDL-1.2-or-later", "GFDL-1.3-only", "GFDL-1.3-or-later", "CC-BY-SA-3.0",
    "CC-BY-SA-4.0", "SISSL",
    *(f"GPL-{version}-{which}" for version in ("1.0", "2.0", "3.0") for which in ("only", "or-later")),
    *(f"LGPL-{version}-{which}" for version in ("2.0", "2.1", "3.0") for which in ("only", "or-later")),
]  # fmt: skip
SOURCES = ("first", "second")
"""Two, each with files of all folders, so that parts are full and two are read at a time, however small the input."""
SHARED = ("/usr/lib/python3", "/usr/share", "/usr/include")


@dataclass(frozen=True, slots=True)
class File:
    """A distinct text: which folder it is in, its path there and its bytes."""

    identity: str
    folder: int
    path: str
    size: int


def find(folders: list[Path]) -> list[File]:
    """Return the distinct texts below folders, in order of their content ids."""
    found: dict[str, File] = {}
    for number, folder in enumerate(folders):
        for path in sorted(_regular_files(folder)):
            size = path.stat().st_size
            inside = str(path.relative_to(folder))
            if not 0 < size <= MAX_BYTES or kind_of(inside):
                continue
            with path.open("rb") as file:
                head = file.read(HEAD_BYTES)
                if b"\0" not in head:
                    identity = content_id(head + file.read())
                    found.setdefault(identity, File(identity, number, inside, size))
    return sorted(found.values(), key=lambda file: file.identity)


def _regular_files(folder: Path) -> Iterator[Path]:
    for root, names, files in os.walk(folder):
        names[:] = [name for name in names if name not in (".git", "__pycache__")]
        yield from (path for path in (Path(root, name) for name in files) if path.is_file() and not path.is_symlink())


def first_of(files: list[File], num_bytes: float) -> list[File]:
    """Return the first files that together reach so many bytes."""
    total = 0
    for count, file in enumerate(files):
        total += file.size
        if total >= num_bytes:
            return files[: count + 1]
    return files


def lay_out(files: list[File], folders: list[Path], tree: Path) -> None:
    """Link the files below tree/SOURCE/NUMBER of their folder, copied where links cannot be."""
    for file in files:
        source = SOURCES[int(file.identity[-1], 16) % len(SOURCES)]
        parts = [part + "_" * is_foreign_folder(part) for part in file.path.split("/")]
        target = tree.joinpath(source, str(file.folder), *parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(folders[file.folder] / file.path, target)
        except OSError:
            shutil.copyfile(folders[file.folder] / file.path, target)


def configuration(tree: Path, builds: Path, workers: int) -> str:
    """Return the TOML of a build that keeps nearly everything."""
    sources = "".join(
        f'[[source]]\nname = "{name}"\nkind = "directory"\npath = {json.dumps(str(tree / name))}\n'
        'license = "LicenseRef-measured"\n'
        for name in SOURCES
    )
    return (
        f'name = "growth"\n{sources}[license]\nallow = {json.dumps(ALLOWED)}\n'
        f'[filter]\nprofile = "none"\n[run]\nworkers = {workers}\nbuilds = {json.dumps(str(builds))}\n'
    )


def measured(files: list[File], folders: list[Path], workers: int) -> dict[str, Any]:
    """Build of files in a process of its own and return what it reports."""
    with tempfile.TemporaryDirectory() as scratch:
        tree, config = Path(scratch, "tree"), Path(scratch, "growth.toml")
        lay_out(files, folders, tree)
        config.write_text(configuration(tree, Path(scratch, "builds"), workers))
        words = [sys.executable, *(["-P"] if sys.flags.safe_path else []), __file__, "--child", str(config)]
        done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
        found: dict[str, Any] = json.loads(done.stdout)
        return found


class Watch(Silent):
    """Reads the memory of this process while a build runs: the most heap, and the step in which the peak rose last."""

    def __init__(self) -> None:
        self.heap, self.step, self._peak = 0, "start", 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)
        self._thread.start()

    def begin(self, step: str, num_items: int | None, num_bytes: int | None) -> None:
        """A peak that rose since the last step was not this one's."""
        self._look("before " + step)
        self._now = step

    def end(self) -> None:
        """A peak that rose since the beginning was this step's."""
        self._look(self._now)

    def close(self) -> None:
        """Stop reading."""
        self._look("the end")
        self._done.set()
        self._thread.join()

    def _look(self, step: str) -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self.step, self._peak = (step, peak) if peak > self._peak else (self.step, self._peak)

    def _watch(self) -> None:
        status = Path("/proc/self/status")
        while status.exists() and not self._done.wait(0.05):
            heap = next((line for line in status.read_text().splitlines() if line.startswith("RssAnon")), "RssAnon: 0")
            self.heap = max(self.heap, int(heap.split()[1]))


def child(path: Path) -> dict[str, Any]:
    """Build, and return memory in kB, seconds and counts; then the bytes of the tables that a build holds."""
    watch, begin = Watch(), time.perf_counter()
    result = building.build(load(path), path.parent, progress=watch)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if result.failures or result.release is None:
        raise SystemExit(f"the build failed: {result.failures or result.unreleased}")
    run = building.reopen(result.folder)
    loaded = rows.load(run.build, run.parts())
    sizes = {
        name: getattr(loaded, name).nbytes for name in loaded.__slots__ if hasattr(getattr(loaded, name), "nbytes")
    }
    columns = {name: loaded.places[name].nbytes for name in loaded.places.column_names}
    return {
        "peak": peak, "heap": watch.heap, "step": watch.step, "seconds": seconds, "files": result.fold.kept.num_rows,
        "bytes": result.kept_bytes, "entries": result.fold.num_entries, "places": loaded.places.num_rows,
        "rows": sizes, "columns": columns, "bands": run.config.near.bands, "values": run.config.near.permutations,
        "dropped": {one.reason: one.num_files for one in result.fold.attrition},
    }  # fmt: skip


def table(found: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each build, and the growth from one to the next and over all."""
    yield f"{'text GB':>8} {'files':>9} {'of':>9} {'seconds':>8} {'MB/s':>6} {'peak MB':>8} {'heap MB':>8}  peak in"
    for one in found:
        megabytes, peak, heap = one["bytes"] / 1e6, one["peak"] * 1024 / 1e6, one["heap"] * 1024 / 1e6
        yield (
            f"{megabytes / 1e3:8.3f} {one['files']:9,} {one['entries']:9,} {one['seconds']:8.1f} "
            f"{megabytes / one['seconds']:6.1f} {peak:8,.0f} {heap:8,.0f}  {one['step']}"
        )
    steps = list(zip(found, found[1:], strict=False))
    for before, after in steps + [(found[0], found[-1])] * (len(steps) > 1):
        text, files = (after["bytes"] - before["bytes"]) / 1e9, after["files"] - before["files"]
        peak, heap = ((after[name] - before[name]) * 1024 for name in ("peak", "heap"))
        yield (
            f"from {before['bytes'] / 1e9:.3f} to {after['bytes'] / 1e9:.3f} GB: peak {peak / 1e6 / text:+,.0f} MB "
            f"per GB of text, {peak / files:+,.0f} bytes per file; heap {heap / 1e6 / text:+,.0f} MB per GB, "
            f"{heap / files:+,.0f} bytes per file"
        )


def tables_per_file(one: dict[str, Any]) -> Iterator[str]:
    """Yield the size of what a build holds of every file."""
    yield f"band keys: {8 * one['bands']} bytes per file; signatures, in a mapped file: {4 * one['values']}"
    for name, sizes in (("Rows", one["rows"]), ("of it places", one["columns"])):
        ordered = sorted(sizes.items(), key=lambda item: -item[1])
        told = ", ".join(f"{column} {size / one['places']:.0f}" for column, size in ordered if size >= one["places"])
        yield f"{name}: {sum(sizes.values()) / one['places']:,.0f} bytes per place: {told}"
    yield "dropped: " + ", ".join(f"{reason} {count:,}" for reason, count in one["dropped"].items())


def default_folders() -> list[Path]:
    """Return the real code that a machine with this interpreter has."""
    return [Path(sysconfig.get_path(name)) for name in ("purelib", "stdlib")] + [
        Path(name) for name in SHARED if Path(name).is_dir()
    ]


def main() -> None:
    """Print a table of builds."""
    parser = argparse.ArgumentParser(description="Measure how the memory of a build grows.")
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--sizes", nargs="+", type=float, default=[0.25, 0.5, 1.0], metavar="GB")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        sys.stdout.write(json.dumps(child(options.child)))
        return
    folders = [folder.resolve() for folder in options.folders or default_folders()]
    files = find(folders)
    if not files:
        parser.error("no texts below " + ", ".join(map(str, folders)))
    size = sum(file.size for file in files) / 1e9
    sys.stdout.write(
        f"{size:.3f} GB of text in {len(files):,} distinct files, {options.workers or os.cpu_count()} workers\n"
    )
    sizes = sorted(options.sizes)
    if size < sizes[-1]:
        sys.stdout.write(f"this is less than {sizes[-1]:g} GB: the largest build has all there is\n")
        sizes = [*(one for one in sizes if one < size), size]
    measured(first_of(files, FIRST_GB * 1e9), folders, options.workers)
    found = [measured(first_of(files, one * 1e9), folders, options.workers) for one in sizes]
    sys.stdout.write("\n".join([*table(found), *tables_per_file(found[-1])]) + "\n")


if __name__ == "__main__":
    main()
