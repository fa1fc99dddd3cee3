"""Builds a search index of a release, and prints what it costs: speed, bytes on disk by part, opening, memory, removal, merging.

Run: python bench/search_build.py [RELEASE ...] [--workers N] [--scratch FOLDER]   default: the largest release below build/.
Seconds are wall-clock of `build` in a process that has compiled its kernels before (a first build on a machine compiles for a minute);
processor seconds stand beside them, since other work on the machine slows the first and not the second. The disk is waited
for where the writer flushes to it. Memory is RssAnon of a process that starts as the commands do, has opened the index and asked which contents hold 200
pieces of code; a removal is timed in the process that removes, and as seen by a reader in another one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pyarrow as pa

from bench.support.releases import largest_release
from stack_data.search.build import build
from stack_data.search.index import Index, open_index
from stack_data.search.integrity import verify_index
from stack_data.search.limits import QUICK, THOROUGH
from stack_data.search.merge import merge
from stack_data.search.query import match
from stack_data.search.removals import remove
from stack_data.search.views import VIEWS

ROOT = Path(__file__).resolve().parent.parent
PARTS = {
    "fingerprints": tuple(f"{view.name}.samples" for view in VIEWS),
    "text store": ("texts.blocks", "texts.index"),
    "documents, places, repositories": ("documents.arrow", "places.arrow", "repositories.arrow", "repository_places.u32", "tombstones"),
    "checksums": ("pages.sums", "manifest.json"),
}  # fmt: skip
READER = """
import sys, time
from pathlib import Path
import numpy as np
from stack_data.search.index import open_index
index = open_index(Path(sys.argv[1]))
number = int(sys.argv[2])
segment = next(one for one in index.segments if one.number == number >> 32)
print("ready", flush=True)
while segment.tombstones[number & 0xFFFFFFFF] == 0:
    pass
print(time.time(), flush=True)
"""
MEMORY = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from stack_data.compiled import without_blas
without_blas()
from bench.search_build import ask
from stack_data.search.index import open_index
def anonymous():
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
imported = anonymous()
index = open_index(Path(sys.argv[1]))
opened = anonymous()
ask(index, 200)
print(imported, opened, anonymous())
"""


def say(line: str) -> None:
    """Write a line of the report."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def timed(function: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return the result, wall-clock seconds and processor seconds of this process."""
    wall, processor = time.perf_counter(), time.process_time()
    result = function()
    return result, time.perf_counter() - wall, time.process_time() - processor


def sizes(folder: Path) -> dict[str, int]:
    """Return bytes on disk by part."""
    return {
        part: sum(path.stat().st_size for path in folder.rglob("*") if path.name in names)
        for part, names in PARTS.items()
    }


def ask(index: Index, count: int) -> None:
    """Ask which contents hold the beginnings of documents, one at a time: half within the limits for people who type, half for those who ask."""
    draw = np.random.default_rng(1)
    segment = index.segments[0]
    held = np.flatnonzero(segment.num_bytes > 0)
    rows = draw.choice(held, min(count, len(held)), replace=False).astype(np.int64)
    languages = segment.documents["language"].take(pa.array(rows)).to_pylist()
    for number, (row, language) in enumerate(zip(rows.tolist(), languages, strict=True)):
        (text,) = index.texts(np.array([row | segment.number << 32])).texts.to_pylist()
        match(index, text[:1000].decode("utf-8", "replace"), language or None, QUICK if number % 2 else THOROUGH)


def removal(folder: Path) -> None:
    """Time the removal of the repository with most places, here and as seen by a reader in another process."""
    index = open_index(folder)
    segment = index.segments[0]
    row = int(segment.repositories["num_places"].to_numpy().argmax())
    name, count = segment.repositories["key"][row].as_py(), segment.repositories["num_places"][row].as_py()
    place = int(segment.repository_places[segment.repositories["begin"][row].as_py() + count - 1])
    words = [sys.executable, "-c", READER, str(folder), str(place | segment.number << 32)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT) as reader:
        assert reader.stdout is not None
        reader.stdout.readline()
        began = time.time()
        remove(folder, repositories=[name])
        done = time.time()
        seen = float(reader.stdout.readline())
    say(
        f"removal of {count:,} places: {1000 * (done - began):.0f} ms, gone from a reader in another process after {1000 * (seen - began):.0f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("releases", nargs="*", type=Path, metavar="RELEASE")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--scratch", type=Path)
    chosen = parser.parse_args()
    releases = [path.resolve() for path in chosen.releases] or [largest_release()]
    scratch = Path(tempfile.mkdtemp(prefix="search-build-", dir=chosen.scratch))
    try:
        measure(releases, scratch, chosen.workers)
    finally:
        shutil.rmtree(scratch)


def measure(releases: list[Path], scratch: Path, workers: int) -> None:
    build(releases, scratch / "warm", workers=workers)  # compiles, and brings the release into memory
    shutil.rmtree(scratch / "warm")
    folder = scratch / "index"
    before = os.getloadavg()[0]
    made, wall, processor = timed(lambda: build(releases, folder, workers=workers))
    num_bytes = sum(one.num_bytes for one in made)
    say(
        f"{', '.join(map(str, releases))}: {sum(one.num_texts for one in made):,} texts, {num_bytes / 1e6:.0f} MB, {workers} workers, load before {before:.1f}"
    )
    say(
        f"build: {wall:.1f} s, {num_bytes / wall / 1e6:.0f} MB/s; {processor:.1f} processor seconds, {num_bytes / processor / 1e6:.0f} MB per processor second"
    )
    for part, size in sizes(folder).items():
        say(f"  {part}: {size / 1e6:.1f} MB, {size / num_bytes:.4f} bytes per byte of text")
    index, wall, _ = timed(lambda: open_index(folder))
    say(f"opening: {1000 * wall:.1f} ms, {len(index.segments)} segments")
    words = [sys.executable, "-c", MEMORY, str(folder), str(ROOT)]
    numbers = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    say(
        "RssAnon: {} MB imported, {} MB opened, {} MB after 200 questions".format(
            *(int(one) // 1024 for one in numbers)
        )
    )
    check, wall, _ = timed(lambda: verify_index(folder))
    say(f"verify: {wall:.1f} s, {len(check.problems)} problems")
    removal(folder)
    merged, wall, processor = timed(lambda: merge(folder, workers=workers))
    say(
        f"merge: {wall:.1f} s, {processor:.1f} processor seconds, {merged.num_before} -> {merged.num_after} segments, {merged.num_dropped:,} contents dropped"
    )


if __name__ == "__main__":
    main()
