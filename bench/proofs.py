"""Times the Merkle trees of a release: how long they take to build, and how long a proof takes, whole, from the query on.

Run: python bench/proofs.py [--contents N] [--names N] [--queries N] [--naive] [--peers PYTHON]
Random content ids and made-up repository names (default 10 and 1 million) go into a release in a temporary folder. A
query is one call of `prove`: it reads the manifest, opens the files, searches, collects the paths and verifies them;
none is kept open for the next. The files were just written, so the system has them in memory.
--naive: also one proof by hashing every leaf and node again, as a tree without stored nodes has to.
--peers: an interpreter that has pymerkle installed; it gets a tenth of the ids, and its inclusion paths, from its tree
in memory and from its tree in SQLite, are compared with ours on the same leaves: their time and, hash by hash, content.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from stack_data.manifest import Manifest
from stack_data.merkle import Head, build_contents, build_names, leaf_hash, node_hash, open_contents, tombstone_names
from stack_data.prove import prove

PEER = """
import json, sys, time
from pymerkle import InmemoryTree, SqliteTree
raw, file, indices = open(sys.argv[1], 'rb').read(), sys.argv[2], json.loads(sys.argv[3])
def timed(act):
    begin = time.perf_counter()
    found = act()
    return time.perf_counter() - begin, found
def stored(index):
    with SqliteTree(file, algorithm='sha256') as tree:
        return tree.prove_inclusion(index + 1).serialize()['path']
def memory():
    tree = InmemoryTree(algorithm='sha256')
    for at in range(0, len(raw), 20): tree.append_entry(raw[at:at + 20])
    return tree
def store():
    with SqliteTree(file, algorithm='sha256') as tree:
        tree.append_entries([raw[at:at + 20] for at in range(0, len(raw), 20)], chunksize=100_000)
built, tree = timed(memory)
written, _ = timed(store)
disk = [timed(lambda: stored(index)) for index in indices[:20]]
proofs = [timed(lambda: tree.prove_inclusion(index + 1)) for index in indices]
paths = [proof.serialize()['path'] for _, proof in proofs]
assert [path for _, path in disk] == paths[:20]
print(json.dumps([built, written, [time for time, _ in proofs], [time for time, _ in disk], paths]))
"""


def random_ids(count: int) -> npt.NDArray[np.bytes_]:
    """Return distinct-enough random ids: bytes20[N]."""
    return np.random.default_rng(0).integers(0, 256, (count, 20), np.uint8).view("S20").ravel()


def random_names(count: int) -> pa.Array:
    """Return names of about three repositories an owner, a few owners with thousands: string[N]."""
    rng = np.random.default_rng(1)
    owners = np.minimum(rng.zipf(1.3, count), 10**9) * 7919 % (count // 3)
    return pa.array([f"github.com/owner-{owner:x}/project-{at:x}" for at, owner in enumerate(owners.tolist())])


def timed(title: str, build: Callable[[], Head], files: Iterable[Path]) -> Head:
    """Build a tree and say what it took."""
    begin = time.perf_counter()
    head = build()
    seconds, size = time.perf_counter() - begin, sum(path.stat().st_size for path in files)
    sys.stdout.write(f"{title}: {head.size:,} leaves built in {seconds:.1f} s, {size / 1e6:,.1f} MB on disk\n")
    return head


def ask(title: str, release: Path, queries: Iterable[str], claim: str) -> float:
    """Prove each query; print and return the median in milliseconds."""
    times, sizes = [], []
    for query in queries:
        begin = time.perf_counter()
        proof = prove(release, query)
        times.append(1e3 * (time.perf_counter() - begin))
        sizes.append(len(json.dumps(proof)))
        assert proof["claim"] == claim, (query, proof["claim"])
    middle = statistics.median(times)
    sys.stdout.write(
        f"  {title}: {len(times)} proofs, median {middle:.2f} ms, worst {max(times):.2f} ms; JSON {max(sizes) / 1e3:.1f} kB at most\n"
    )
    return middle


def naive(release: Path) -> float:
    """Return the seconds of reading and hashing a whole tree, which one proof takes where no nodes are stored."""
    begin = time.perf_counter()
    raw = (release / "merkle" / "contents.leaves").read_bytes()
    level = [leaf_hash(raw[at : at + 20]) for at in range(0, len(raw), 20)]
    while len(level) > 1:
        level = [node_hash(*level[at : at + 2]) if at + 1 < len(level) else level[at] for at in range(0, len(level), 2)]
    return time.perf_counter() - begin


def compare(python: str, folder: Path, ids: npt.NDArray[np.bytes_], queries: int) -> None:
    """Prove the same leaves with pymerkle and with ours, and print the times."""
    begin = time.perf_counter()
    head = build_contents(folder, ids)
    built = time.perf_counter() - begin
    indices = np.random.default_rng(2).integers(0, head.size, queries).tolist()
    command = [python, "-c", PEER, str(folder / "contents.leaves"), str(folder / "peer.db"), json.dumps(indices)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    peer_built, written, in_memory, on_disk, peer_paths = json.loads(done.stdout)
    times = []
    for index, path in zip(indices, peer_paths, strict=True):
        begin = time.perf_counter()
        with open_contents(folder) as tree:
            found = tree.inclusion(index)
        times.append(time.perf_counter() - begin)
        # pymerkle's path begins with the leaf's own hash.
        assert [step.hex() for step in found] == path[1:]
    ours, memory, disk = (1e3 * statistics.median(one) for one in (times, in_memory, on_disk))
    sys.stdout.write(
        f"pymerkle on {head.size:,} of the ids, same paths: built in memory in {peer_built:.1f} s and in SQLite in "
        f"{written:.1f} s, ours on disk in {built:.1f} s ({written / built:.0f} times as fast)\n  an inclusion path: ours, "
        f"opening the files, {ours:.2f} ms; pymerkle's, opening SQLite, {disk:,.2f} ms ({disk / ours:,.1f} times ours), from the "
        f"tree it holds in memory {memory:.2f} ms ({memory / ours:.2f} times)\n"
    )


def main() -> None:
    """Print what building and proving take."""
    parser = argparse.ArgumentParser(description="Time Merkle trees and proofs.")
    parser.add_argument("--contents", type=int, default=10_000_000)
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--naive", action="store_true")
    parser.add_argument("--peers", help="an interpreter with pymerkle")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        release = Path(scratch)
        folder = release / "merkle"
        ids, names = random_ids(options.contents), random_names(options.names)
        files = [folder / f"{tree}.{kind}" for tree in ("contents", "names") for kind in ("leaves", "nodes")]
        heads = {
            "contents": timed("contents", lambda: build_contents(folder, ids), files[:2]),
            "names": timed("names", lambda: build_names(folder, names), files[2:]),
        }
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        sys.stdout.write(f"peak resident memory {peak:,.0f} MB, the ids and names given included\n")
        merkle = {name: {"size": head.size, "root": head.root} for name, head in heads.items()}
        Manifest({"kind": "release/1.0.0"}, {}, {"merkle": merkle}).write(release / "manifest.json")
        rng = np.random.default_rng(3)
        some = rng.integers(0, len(ids), options.queries)
        shown = ids[some].tobytes()
        middle = ask(
            "content present", release, (shown[at : at + 20].hex() for at in range(0, len(shown), 20)), "present"
        )
        ask("content absent", release, (rng.bytes(20).hex() for _ in some), "absent")
        known = [names[int(at)].as_py() for at in rng.integers(0, len(names), options.queries)]
        ask("repository present", release, known, "present")
        ask("repository absent", release, (f"{name}-not" for name in known), "absent")
        ask("owner present", release, (name.rpartition("/")[0] for name in known), "present")
        ask("owner absent", release, (name.rpartition("/")[0] + "-not" for name in known), "absent")
        begin = time.perf_counter()
        gone = tombstone_names(folder, names[::100].to_pylist())
        sys.stdout.write(f"{gone:,} names leave in {time.perf_counter() - begin:.1f} s\n")
        if options.naive:
            seconds = naive(release)
            sys.stdout.write(
                f"one proof by hashing everything: {seconds:.1f} s, {1e3 * seconds / middle:,.0f} times ours\n"
            )
        if options.peers:
            compare(options.peers, release / "peer", ids[: len(ids) // 10], options.queries)


if __name__ == "__main__":
    main()
