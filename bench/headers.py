"""Times the header and pattern scans on one core: MB of text per second for each pass, beside Python's `re`.

Run: python bench/headers.py [FOLDER...]   default: the site-packages of this interpreter. Texts are read first and not
timed. `all evidence` is the whole header stage: the passes, and reading what they find, each comment core judged once.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from stack_data.licenses.headers import DEEP, SPEAKS, evidence_in
from stack_data.licenses.texts import find_texts
from stack_data.stages import header

MAX_BYTES = 5 << 20
BATCH_BYTES = 32 << 20
SAMPLE = 20
"""Python's `re` reads one of so many texts: it is too slow for all of them."""


def read(folders: list[Path]) -> list[pa.Array]:
    """Return the texts below folders as large_string arrays of about BATCH_BYTES."""
    batches: list[pa.Array] = []
    texts: list[str] = []
    size = 0
    for path in sorted(path for folder in folders for path in folder.rglob("*")):
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_BYTES:
            continue
        content = path.read_bytes()
        try:
            texts.append("" if b"\0" in content else content.decode())
        except UnicodeDecodeError:
            continue
        size += len(content)
        if size > BATCH_BYTES:
            batches.append(pa.array(texts, pa.large_string()))
            texts, size = [], 0
    return [*batches, pa.array(texts, pa.large_string())]


def main() -> None:
    """Print a table of passes."""
    parser = argparse.ArgumentParser(description="Time the header scans.")
    parser.add_argument("folders", nargs="*", type=Path, default=[Path(sysconfig.get_path("purelib"))])
    batches = read(parser.parse_args().folders)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    pa.set_cpu_count(1)
    size = sum(pc.sum(pc.binary_length(batch)).as_py() or 0 for batch in batches) / 1e6
    lines = [f"{size:,.0f} MB of text in {sum(map(len, batches)):,} files, one core", f"{'pass':34}{'MB/s':>8}"]

    def lap(name: str, work: Callable[[pa.Array], object], share: float = 1.0) -> None:
        begin = time.perf_counter()
        for batch in batches:
            work(batch)
        lines.append(f"{name:34}{size * share / (time.perf_counter() - begin):8,.0f}")

    for name, pattern in {"speaks at all": SPEAKS, **DEEP}.items():
        lap(f"RE2: {name}", lambda batch, pattern=pattern: pc.match_substring_regex(batch, pattern))  # type: ignore[misc]
    compiled = re.compile(SPEAKS.removeprefix("(?i)"), re.IGNORECASE)
    sampled = [batch.take(pa.array(range(0, len(batch), SAMPLE))) for batch in batches]
    share = sum(pc.sum(pc.binary_length(batch)).as_py() or 0 for batch in sampled) / 1e6 / size
    pairs = iter(sampled)
    lap("re: speaks at all (a sample)", lambda _: [compiled.search(t) for t in next(pairs).to_pylist()], share)
    find_texts("start")  # loads the tables
    evidence_in("# License: MIT\n")
    ids = [pa.chunked_array([pa.nulls(len(batch), pa.string())]) for batch in batches]
    numbered = iter(ids)
    lap("all evidence (the header stage)", lambda batch: header.decide(next(numbered), batch))
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
