"""Times near deduplication end to end and checks it against every pair of files that is truly near.

Run: python bench/near.py [FOLDER...] [--workers N] [--peers PYTHON]   default: the site-packages of this interpreter.
The texts are first written to one Parquet file, as every contender reads them. Timed is all that follows: read, sign,
look up, compare, decide; ours is the median of five runs, a peer runs once. Quality is measured against an exact join of
all pairs with Jaccard similarity >= 0.7 over the
same 5-token shingles: the share of true pairs that end in one cluster, over all pairs and averaged over the true
clusters, and the share of dropped files that are truly near a kept one.
--peers: an interpreter that has text-dedup or datatrove installed; each runs at 32 bands of 8 rows over the same file.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from numba import njit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from stack_data.identity import content_id
from stack_data.near import jaccard
from stack_data.near.bands import Banding, Edges, Texts, band_keys, find_edges
from stack_data.near.clusters import components, walk
from stack_data.near.shingles import permutations, sign

MAX_BYTES = 10 << 20
RUNS = 5
Ints = npt.NDArray[np.int64]


@dataclass
class Result:
    """What one contender found: the cluster of each file, and the file that each is dropped beside, or -1."""

    seconds: float
    cluster: Ints
    beside: Ints


def write_corpus(folders: list[Path], path: Path) -> tuple[int, float]:
    """Write the distinct texts below folders to a Parquet file; return files and MB."""
    seen: set[str] = set()
    rows: dict[str, list[str]] = {"id": [], "content": []}
    for file in sorted(file for folder in folders for file in folder.rglob("*")):
        if file.is_symlink() or not file.is_file() or file.stat().st_size > MAX_BYTES:
            continue
        content = file.read_bytes()
        identity = content_id(content)
        if b"\0" in content or not content.strip() or identity in seen:
            continue
        try:
            rows["content"].append(content.decode())
        except UnicodeDecodeError:
            continue
        seen.add(identity)
        rows["id"].append(identity)
    table = pa.table({"id": rows["id"], "content": pa.array(rows["content"], pa.large_string())})
    pq.write_table(table, path, compression="zstd", compression_level=1, row_group_size=1000)
    return table.num_rows, sum(map(len, (text.encode() for text in rows["content"]))) / 1e6


@dataclass
class Signed:
    """Shingles of all files and what banding needs."""

    texts: Texts
    hashes: npt.NDArray[np.uint64]
    ends: Ints


def signed_of(path: Path, workers: int) -> Signed:
    """Read and sign a corpus on threads."""
    groups = pq.ParquetFile(path).num_row_groups

    def one(number: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int32], npt.NDArray[np.uint64]]:
        column = pq.ParquetFile(path).read_row_group(number, columns=["content"], use_threads=False)["content"]
        found = sign(column.combine_chunks(), permutations())
        return found.signatures, found.counts, found.hashes

    with ThreadPoolExecutor(workers) as pool:
        signatures, counts, hashes = map(np.concatenate, zip(*pool.map(one, range(groups)), strict=True))
    sizes = counts.astype(np.int64)
    return Signed(Texts(signatures, np.arange(len(sizes)), sizes), hashes, np.cumsum(sizes))


def ours(path: Path, workers: int, banding: Banding) -> tuple[Result, Edges]:
    """Deduplicate as the build does, the files ranked by their order."""
    begin = time.perf_counter()
    found = signed_of(path, workers)
    enough = np.flatnonzero(found.texts.counts >= 5)
    texts = Texts(found.texts.signatures, enough, found.texts.counts[enough])
    starts, ends = (found.ends - found.texts.counts)[enough], found.ends[enough]

    def shared(first: Ints, second: Ints) -> npt.NDArray[np.int32]:
        cuts = np.linspace(0, len(first), workers + 1).astype(int)
        with ThreadPoolExecutor(workers) as pool:
            pieces = pool.map(
                lambda at: jaccard.shared(
                    found.hashes, starts, ends, first[cuts[at] : cuts[at + 1]], second[cuts[at] : cuts[at + 1]]
                ),
                range(workers),
            )
            return np.concatenate(list(pieces))

    compared = find_edges(band_keys(texts, banding), texts, banding, shared, None, workers)
    edges = compared.near()
    beside = walk(np.arange(len(enough)), np.ones(len(enough), bool), edges.first, edges.second)
    seconds = time.perf_counter() - begin
    count = len(found.texts)
    cluster, dropped = np.arange(count), np.full(count, -1, np.int64)
    cluster[enough] = enough[components(len(enough), edges.first, edges.second)]
    dropped[enough] = np.where(beside >= 0, enough[beside], -1)
    return Result(seconds, cluster, dropped), compared


def median_of(runs: Iterable[tuple[Result, Edges]]) -> tuple[Result, Edges]:
    """Return the run of middling time: ours last two seconds, and one of them may meet other work on the machine."""
    ordered = sorted(runs, key=lambda run: run[0].seconds)
    return ordered[len(ordered) // 2]


def every_pair(found: Signed, threshold: float) -> tuple[Ints, Ints]:
    """Return all pairs of files with at least 5 shingles and exact similarity >= threshold, by a prefix-filtered join."""
    _, inverse, counts = np.unique(found.hashes, return_inverse=True, return_counts=True, sorted=True)
    rank = np.empty(len(counts), np.int64)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    tokens = rank[inverse]
    starts = found.ends - found.texts.counts
    for start, end in zip(starts.tolist(), found.ends.tolist(), strict=True):
        tokens[start:end].sort()
    order = np.argsort(found.texts.counts, kind="stable")
    order = order[found.texts.counts[order] >= 5]
    return _join(tokens, starts, found.ends, order, len(counts), threshold)  # type: ignore[no-any-return]


@njit(cache=True)  # type: ignore[misc]
def _join(tokens, starts, ends, order, vocabulary, threshold):  # type: ignore[no-untyped-def]
    head = np.full(vocabulary, -1, np.int64)
    link = np.empty(len(tokens), np.int64)
    owner = np.empty(len(tokens), np.int64)
    used = 0
    seen = np.full(len(starts), -1, np.int64)
    first = np.empty(1 << 20, np.int64)
    second = np.empty(1 << 20, np.int64)
    count = 0
    for text in order:
        size = ends[text] - starts[text]
        prefix = size - int(np.ceil(threshold * size)) + 1
        for at in range(starts[text], starts[text] + prefix):
            entry = head[tokens[at]]
            while entry >= 0:
                other = owner[entry]
                entry = link[entry]
                if seen[other] == text:
                    continue
                seen[other] = text
                smaller = ends[other] - starts[other]
                if smaller < threshold * size:
                    continue
                one, two, shared = starts[text], starts[other], 0
                while one < ends[text] and two < ends[other]:
                    if tokens[one] == tokens[two]:
                        shared += 1
                        one += 1
                        two += 1
                    elif tokens[one] < tokens[two]:
                        one += 1
                    else:
                        two += 1
                if shared >= threshold * (size + smaller - shared):
                    if count == len(first):
                        first = np.concatenate((first, first))
                        second = np.concatenate((second, second))
                    first[count], second[count] = min(text, other), max(text, other)
                    count += 1
            link[used], owner[used], head[tokens[at]] = head[tokens[at]], text, used
            used += 1
    return first[:count].copy(), second[:count].copy()


def quality(result: Result, found: Signed, pairs: dict[float, tuple[Ints, Ints]]) -> Iterator[str]:
    """Yield recall at each threshold (all pairs, averaged over true clusters) and the precision of what is dropped."""
    for threshold, (first, second) in pairs.items():
        together = result.cluster[first] == result.cluster[second]
        true = components(len(found.texts), first, second)[first]
        _, of = np.unique(true, return_inverse=True)
        per_cluster = np.bincount(of, together) / np.bincount(of)
        yield f"{together.mean():.4f} / {per_cluster.mean():.4f} at J >= {threshold}"
    dropped = np.flatnonzero(result.beside >= 0)
    starts = found.ends - found.texts.counts
    shared = jaccard.shared(found.hashes, starts, found.ends, dropped, result.beside[dropped])
    union = found.texts.counts[dropped] + found.texts.counts[result.beside[dropped]] - shared
    kept = (result.beside[result.beside[dropped]] < 0).mean() if len(dropped) else 1.0
    yield f"{(shared >= 0.7 * union).mean() * kept:.4f}"


def peer(script: str, python: str, path: Path, workers: int) -> tuple[float, set[str]]:
    """Run a peer's script under its own interpreter; return its seconds and the ids it keeps."""
    output = path.with_suffix(f".{script}.txt")
    begin = time.perf_counter()
    words = [
        python,
        str(Path(__file__).parent / "peers" / "near" / f"{script}.py"),
        str(path),
        str(output),
        str(workers),
    ]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begin, set(output.read_text().split())


def judge(kept: set[str], path: Path, found: Signed, pairs: tuple[Ints, Ints]) -> str:
    """Say how many files a peer drops, how many of them are truly near a kept one, and how many true pairs it splits up."""
    ids = pq.read_table(path, columns=["id"])["id"].to_pylist()
    stays = np.array([one in kept for one in ids])
    first, second = pairs
    beside = np.zeros(len(ids), bool)
    beside[first[stays[second]]] = True
    beside[second[stays[first]]] = True
    both = (stays[first] & stays[second]).mean()
    dropped = np.flatnonzero(~stays)
    return f"drops {len(dropped):,}; precision {beside[dropped].mean():.4f}; both kept of {both:.4f} of the true pairs"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description="Measure near deduplication.")
    parser.add_argument("folders", nargs="*", type=Path, default=[Path(sysconfig.get_path("purelib"))])
    parser.add_argument("--peers", help="an interpreter with text-dedup and datatrove")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "corpus.parquet"
        files, megabytes = write_corpus(options.folders, path)
        sys.stdout.write(f"{files:,} files, {megabytes:,.0f} MB of text, {options.workers} workers\n")
        ours(path, options.workers, Banding())  # loads the kernels
        rows = {
            f"{one.bands} x {one.rows}": median_of(ours(path, options.workers, one) for _ in range(RUNS))
            for one in (Banding(), Banding(32, 8))
        }
        found = signed_of(path, options.workers)
        begin = time.perf_counter()
        pairs = {threshold: every_pair(found, threshold) for threshold in (0.7, 0.8)}
        best = walk(np.arange(files), np.ones(files, bool), *pairs[0.7])
        sys.stdout.write(
            f"exact join: {len(pairs[0.7][0]):,} pairs at J >= 0.7 in {time.perf_counter() - begin:.0f} s; dropping beside every "
            f"true pair would drop {(best >= 0).sum():,}\n"
        )
        for name, (result, compared) in rows.items():
            seven, eight, precision = quality(result, found, pairs)
            sys.stdout.write(
                f"{name}: {result.seconds:.2f} s, {megabytes / result.seconds:.0f} MB/s; drops {(result.beside >= 0).sum():,}; "
                f"compared {len(compared.first):,}, edges {compared.is_near.sum():,}\n    recall (pairs / clusters) {seven}, {eight}; precision {precision}\n"
            )
        first, second = pairs[0.7]
        for name, (result, _) in rows.items():
            stays = result.beside < 0
            sys.stdout.write(f"{name}: both kept of {(stays[first] & stays[second]).mean():.4f} of the true pairs\n")
        for script in ("text_dedup_kept", "datatrove_kept") if options.peers else ():
            seconds, kept = peer(script, options.peers, path, options.workers)
            ratio = seconds / rows["32 x 8"][0].seconds
            told = judge(kept, path, found, pairs[0.7])
            sys.stdout.write(
                f"{script.removesuffix('_kept')}: {seconds:.1f} s, {megabytes / seconds:.2f} MB/s, ours at 32 x 8 is {ratio:.0f} times as fast; "
                f"{told}\n"
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    sys.stdout.write(f"peak resident memory with the exact join {peak:,.0f} MB\n")


if __name__ == "__main__":
    main()
