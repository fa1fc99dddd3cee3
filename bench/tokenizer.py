"""Tokenizes a release to finished shards, and the same bytes with the `tokenizers` library, and prints the speed of each and the ratio.

Run: python bench/tokenizer.py [RELEASE] [--tokenizer FOLDER] [--workers N] [--compared-bytes N] [--scratch FOLDER]
Default: the largest release below build/, a tokenizer of 16,384 tokens learned from 20 MB of it, two workers, all three runs on N cores.
"to shards" is everything from the release on disk to a folder whose manifest is written: hashing and reading the release, encoding, writing.
The library gets its texts as Python strings that are in memory already, and gives ids that nobody writes; `encode_batch_fast` leaves
offsets out. It is given the leading documents up to `--compared-bytes`, ours the same for "in memory". Each number is the best of
`--repeat` runs; processor seconds stand beside wall-clock ones, since other work on the machine slows only the second.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.support.releases import largest_release


def say(line: str) -> None:
    """Write a line of the report."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def best(function: Callable[[], Any], repeat: int) -> tuple[Any, float, float]:
    """Return a result with the least wall-clock and processor seconds of some runs."""
    found, wall, processor = None, float("inf"), float("inf")
    for _ in range(repeat):
        began, used = time.perf_counter(), time.process_time()
        found = function()
        wall, processor = min(wall, time.perf_counter() - began), min(processor, time.process_time() - used)
    return found, wall, processor


def line(name: str, size: int, tokens: int, wall: float, processor: float) -> str:
    """Return a line of the report."""
    return f"{name:<44}{size / 1e6 / wall:>9.1f} MB/s {tokens / 1e6 / wall:>8.2f} M tokens/s {size / 1e6 / processor:>9.1f} MB per core-second"


def texts_of(release: Path) -> list[str]:
    """Return every text of a release, in its order."""
    import pyarrow.parquet as pq

    return [
        text
        for path in sorted((release / "data").rglob("*.parquet"))
        for text in pq.read_table(path, columns=["content"])["content"].to_pylist()
    ]


def leading(texts: list[str], limit: int) -> list[str]:
    """Return the leading texts that hold `limit` bytes."""
    size, count = 0, 0
    while count < len(texts) and size < limit:
        size += len(texts[count].encode())
        count += 1
    return texts[:count]


def in_memory(tokenizer: Any, texts: list[str], workers: int) -> Callable[[], int]:
    """Return what encodes texts on threads, in as many runs of bytes; it returns the number of tokens."""
    import numpy as np

    runs = []
    for first in range(0, len(texts), 200):
        raw = [text.encode() for text in texts[first : first + 200]]
        runs.append((np.frombuffer(b"".join(raw), np.uint8), np.cumsum([0, *map(len, raw)])))

    def encode() -> int:
        with ThreadPoolExecutor(workers) as pool:
            return sum(pool.map(lambda run: len(tokenizer.encode(*run)[0]), runs))

    return encode


def main() -> int:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("release", nargs="?", type=Path)
    parser.add_argument("--tokenizer", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--compared-bytes", type=int, default=30_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--scratch", type=Path)
    arguments = parser.parse_args()
    # Before the library is imported: that is when it asks.
    os.environ["RAYON_NUM_THREADS"], os.environ["TOKENIZERS_PARALLELISM"] = str(arguments.workers), "true"
    scratch = Path(tempfile.mkdtemp(prefix="fairstack-bench-", dir=arguments.scratch))
    try:
        report(arguments, scratch)
    finally:
        shutil.rmtree(scratch)
    return 0


def report(arguments: argparse.Namespace, scratch: Path) -> None:
    """Measure and print."""
    import tokenizers

    from model.shards.build import build_shards
    from model.tokenizer.code_tokenizer import CodeTokenizer
    from model.tokenizer.train import train_tokenizer

    release, workers, repeat = arguments.release or largest_release(), arguments.workers, arguments.repeat
    folder = arguments.tokenizer or scratch / "tokenizer"
    if arguments.tokenizer is None:
        _, wall, _ = best(lambda: train_tokenizer([release], 16384, 0, 20_000_000, folder), 1)
        say(f"Learned 16,384 tokens from 20 MB in {wall:.1f} s")
    ours = CodeTokenizer.load(folder)
    library = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    library.encode_special_tokens = True
    every = texts_of(release)
    some = leading(every, arguments.compared_bytes)
    size, whole = (sum(len(text.encode()) for text in texts) for texts in (some, every))
    say(
        f"{release}: {len(every):,} documents, {whole / 1e6:,.1f} MB; in memory {len(some):,} documents, {size / 1e6:,.1f} MB; {workers} workers"
    )
    encode = in_memory(ours, some, workers)
    count, wall, processor = best(encode, repeat)
    say(line("ours, in memory", size, count, wall, processor))
    ratios = {}
    for name in ("encode_batch", "encode_batch_fast"):
        function = getattr(library, name)
        theirs, their_wall, their_processor = best(
            lambda function=function: function(some, add_special_tokens=False), max(1, repeat - 1)
        )
        tokens = sum(len(one.ids) for one in theirs)
        if tokens != count:
            raise SystemExit(f"{name} gives {tokens:,} tokens and ours {count:,}")
        say(line(f"tokenizers {tokenizers.__version__} {name}", size, tokens, their_wall, their_processor))
        ratios[name] = their_wall / wall, their_processor / processor
    made = 0

    def shards() -> Any:
        nonlocal made
        made += 1
        return build_shards([release], folder, scratch / f"shards-{made}", workers=workers)

    built, wall, processor = best(shards, repeat)
    say(line("ours, release to finished shards", built.num_bytes, built.num_tokens, wall, processor))
    for name, (by_wall, by_processor) in ratios.items():
        say(f"in memory, ours / {name}: {by_wall:.1f}x by wall clock, {by_processor:.1f}x by processor time")


if __name__ == "__main__":
    raise SystemExit(main())
