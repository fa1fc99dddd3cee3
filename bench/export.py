"""Times exports of a release: files and repositories, in order of paths and of imports, in every format.

Run: python bench/export.py [RELEASE] [--workers N] [--scratch FOLDER]   default: a release of the Python environment it runs in.
MB/s are of the texts that are exported, from opening the release to the manifest; each export is made in a process of its own, whose
own memory (without mapped files, which the system may take back at any time) is watched. The last lines tell how much of the order
by imports is finding statements and how much is what they mean, on one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from stack_data import build as building
from stack_data import storage
from stack_data.config_file import load
from stack_data.contents import chunk_of
from stack_data.export.export import export
from stack_data.export.options import Options
from stack_data.imports.statements import statements
from stack_data.imports.targets import imports
from stack_data.repository_order import dependency_order

ROOT = Path(__file__).resolve().parent.parent
EXPORTS: dict[str, dict[str, Any]] = {
    "starcoder, files": {"format": "starcoder"},
    "starcoder2, files": {"format": "starcoder2", "rows": "files"},
    "starcoder2, repositories by path": {"format": "starcoder2"},
    "starcoder2, repositories by imports": {"format": "starcoder2", "order": "dependency"},
    "plain, files": {"format": "plain"},
    "plain, repositories by imports": {"format": "plain", "rows": "repositories", "order": "dependency"},
}


class Memory:
    """Watches the memory that is this process's own."""

    def __init__(self) -> None:
        self.peak = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            told = Path("/proc/self/status").read_text().partition("RssAnon:")[2]
            self.peak = max(self.peak, int(told.split()[0]) * 1024)

    def stop(self) -> int:
        """Return the most it had, in bytes."""
        self._done.set()
        self._thread.join()
        return self.peak


def child(release: Path, folder: Path, options: dict[str, Any], workers: int) -> dict[str, Any]:
    """Make one export; return what it took."""
    memory, begin = Memory(), time.perf_counter()
    done = export(release, folder, Options(**options), workers=workers)
    seconds = time.perf_counter() - begin
    size = sum(path.stat().st_size for path in folder.glob("*.parquet"))
    return {"seconds": seconds, "peak": memory.stop(), "disk": size, **done.counts}


def measured(release: Path, scratch: Path, workers: int) -> Iterator[str]:
    """Yield a line for each export."""
    yield f"{'export':36} {'seconds':>8} {'MB/s':>6} {'documents':>10} {'left out':>9} {'on disk, MB':>12} {'memory, MB':>11}"
    for title, options in EXPORTS.items():
        words = [sys.executable, __file__, str(release), "--workers", str(workers), "--child", json.dumps(options)]
        done = subprocess.run(
            [*words, "--scratch", str(scratch / title)], check=True, stdout=subprocess.PIPE, text=True
        )
        told = json.loads(done.stdout)
        size = sum(told["bytes"].values())
        yield (
            f"{title:36} {told['seconds']:8.1f} {size / 1e6 / told['seconds']:6.0f} {sum(told['documents'].values()):10,} "
            f"{sum(told['left_out'].values()):9,} {told['disk'] / 1e6:12,.0f} {told['peak'] / 1e6:11,.0f}"
        )


def ordering(release: Path) -> Iterator[str]:
    """Yield what the order by imports takes, step by step."""
    files: dict[tuple[str, str], list[tuple[str, str, tuple[str, ...]]]] = defaultdict(list)
    size, seconds = 0, [0.0, 0.0]
    for path in sorted((release / "data").rglob("*.parquet")):
        for group in storage.read_row_groups(
            path, ["content", "language", "path", "repo_name", "host", "length_bytes"]
        ):
            begin = time.perf_counter()
            found = statements(chunk_of(group["language"]), chunk_of(group["content"]))
            seconds[0] += time.perf_counter() - begin
            size += sum(group["length_bytes"].to_pylist())
            names = zip(group["host"].to_pylist(), group["repo_name"].to_pylist(), strict=True)
            rest = zip(group["path"].to_pylist(), group["language"].to_pylist(), found, strict=True)
            for name, one in zip(names, rest, strict=True):
                files[name].append(one)
    edges = kept = 0
    for (host, name), of in files.items():
        begin = time.perf_counter()
        paths, languages, lines = zip(*of, strict=True)
        graph = imports(host, name, paths, languages, lines)
        place = {file: rank for rank, file in enumerate(dependency_order(paths, graph))}
        seconds[1] += time.perf_counter() - begin
        edges += sum(map(len, graph))
        kept += sum(place[target] < place[file] for file, targets in enumerate(graph) for target in targets)
    yield f"statements: {size / 1e6 / seconds[0]:,.0f} MB/s; targets and order: {size / 1e6 / max(seconds[1], 1e-9):,.0f} MB/s"
    yield f"{edges:,} imports inside {len(files):,} repositories; {kept / max(edges, 1):.1%} have what they import before them, the rest are cycles"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description="Time exports of a release.")
    parser.add_argument("release", nargs="?", type=Path)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--scratch", type=Path, help="a folder for what is exported; default: the system's for temporary files"
    )
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        sys.stdout.write(
            json.dumps(child(options.release, options.scratch, json.loads(options.child), options.workers))
        )
        return
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        scratch = Path(folder)
        release = options.release or environment(scratch)
        sys.stdout.write(f"{release}; {options.workers} workers\n")
        for line in [*measured(release, scratch, options.workers), *ordering(release)]:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


def environment(scratch: Path) -> Path:
    """Build the Python environment that this runs in; return its release."""
    config = load(ROOT / "configs/demo.toml", [f"run.builds={scratch / 'builds'}"])
    return Path(building.build(config, ROOT / "configs").release)


if __name__ == "__main__":
    main()
