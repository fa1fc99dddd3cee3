"""Times `resolve`: 100,000 opt-outs against 10 million places of 500,000 repositories, and how much memory that takes.

Run: python bench/optout.py [--small] [--places N] [--repositories N] [--entries N] [--runs N] [--present SHARE] [--keep FOLDER]
Made-up places are written as a build has them: parts of 8,192 rows of provenance (content id, repository, path, authors) beside the
vendored and generated marks; they are read part by part, twice, by the class the build uses. Sizes of repositories are
log-normal, an owner has two and a half of them on average, 15% of the places hold a content that another place holds too, 2% of
the repositories are forks, most have the numbers of their host, some have former names. Lists are what requests to real data
sets have been, 99.5% owners and 0.5% repositories (numbers beside 30% of the names), and harder mixes. `--present` is the share
of the entries that name something that is there.
Every run is a process of its own; the median of its seconds is told, and its peak memory beside what it had before (modules,
the table of repositories, entries). The files were just written or read, so the system has them in memory. The peer is the
obvious loop, a dictionary for every row and look-ups in sets; it is given the owners, once, and must find the same places.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from stack_data import storage
from stack_data.decide_optout import PartPlaces
from stack_data.identity import fold_name
from stack_data.layout import Build, part_name
from stack_data.optout import Entry, Resolution, SuppressionList, resolve
from stack_data.records import AUTHOR, REPOSITORIES

PART_ROWS = 8192
GROUP, DAY, KEY = "made", "2026-11-21", "0123456789abcdef"
DUPLICATES, FORKS = 0.15, 0.02
KINDS = ("owner", "repository", "path", "content", "email")
MIXES = {
    # share of each kind, then of each spread (none, exact, near)
    "owners": ((0.995, 0.005, 0, 0, 0), (1, 0, 0)),
    "mixed": ((0.90, 0.04, 0.03, 0.015, 0.015), (0.92, 0.06, 0.02)),
    "all exact": ((0.995, 0.005, 0, 0, 0), (0, 1, 0)),
    "all near": ((0.995, 0.005, 0, 0, 0), (0, 0, 1)),
}
Ints = npt.NDArray[np.int64]
FOLDERS = np.array(
    ["src", "lib", "tests", "docs", "app/models", "core/io", "pkg/server", "include", "scripts", "vendor/x"]
)
ENDINGS = np.array([".py", ".js", ".c", ".h", ".go", ".rs", ".java", ".ts"])


def hex_ids(numbers: Ints, num_bytes: int = 20) -> pa.Array:
    """Return a made-up hash of each number as hex digits: string[N]."""
    words = np.empty((len(numbers), -(-num_bytes // 8)), np.uint64)
    for at in range(words.shape[1]):
        word = numbers.astype(np.uint64) * np.uint64(4) + np.uint64(at)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 0x9E3779B97F4A7C15)):
            word = (word ^ (word >> np.uint64(shift))) * np.uint64(factor)
        words[:, at] = word ^ (word >> np.uint64(29))
    raw = np.ascontiguousarray(words).view(np.uint8).reshape(len(numbers), -1)[:, :num_bytes]
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    text = np.stack([digits[raw >> 4], digits[raw & 15]], axis=2).tobytes()
    offsets = np.arange(len(numbers) + 1, dtype=np.int32) * (2 * num_bytes)
    return pa.StringArray.from_buffers(len(numbers), pa.py_buffer(offsets), pa.py_buffer(text))


def write_repositories(build: Build, count: int) -> None:
    """Write the table of repositories: hosts, owners with a few repositories each, forks, numbers, former names, roots."""
    rng = np.random.default_rng(1)
    host = rng.choice(["github.com", "gitlab.com", "gist.github.com", "pypi"], count, p=[0.9, 0.05, 0.01, 0.04])
    shares = rng.lognormal(0, 1.2, max(1, int(count / 2.5)))
    owner = rng.choice(len(shares), count, p=shares / shares.sum())
    names = [f"Owner-{one:x}" if at % 5 else f"group{one:x}/sub" for at, one in enumerate(owner.tolist())]
    names = [
        "-" if where == "pypi" else name if where == "gitlab.com" else name.split("/")[0]
        for where, name in zip(host, names, strict=True)
    ]
    repo = [f"project-{at:x}" for at in range(count)]
    above = forks_of(count)
    is_fork = above >= 0
    numbered, dated, rooted = rng.random((3, count)) < np.array([[0.6], [0.7], [0.5]])
    seconds = rng.integers(1_300_000_000, 1_750_000_000, count).astype("datetime64[s]").astype(str)
    roots = hex_ids(np.where(is_fork, above, np.arange(count)) + 2**40).to_pylist()
    full = [f"{one}/{by}/{name}" for one, by, name in zip(host, names, repo, strict=True)]
    former = rng.random(count) < 0.03
    columns: dict[str, Any] = {
        "source_kind": np.where(host == "pypi", "packages", "git"), "host": host, "owner": names, "repo": repo,
        "owner_id": [int(by) + 1 if known else None for by, known in zip(owner, numbered, strict=True)],
        "repo_id": [at + 1 if known else None for at, known in enumerate(numbered.tolist())],
        "root_commits": [[one] if known else None for one, known in zip(roots, rooted.tolist(), strict=True)],
        "host_time": [f"{one}Z" if known else None for one, known in zip(seconds, dated.tolist(), strict=True)],
        "fork_of": [full[up] if fork else None for up, fork in zip(above.tolist(), is_fork.tolist(), strict=True)],
        "aliases": [[f"github.com/old-{at:x}/{name}"] if old else None for at, (name, old) in enumerate(zip(repo, former, strict=True))],
        "audience": ["public"] * count, "authors_known": [True] * count, "key_id": [KEY] * count,
    }  # fmt: skip
    table = pa.table(
        [
            pa.array(columns[one.name], one.type) if one.name in columns else pa.nulls(count, one.type)
            for one in REPOSITORIES
        ],
        REPOSITORIES,
    )
    storage.write_parquet(build.repositories(GROUP), table)


def forks_of(count: int) -> Ints:
    """Return which repository each one is a fork of, -1 for none: int64[R]."""
    rng = np.random.default_rng(5)
    return np.where(rng.random(count) < FORKS, rng.integers(0, count, count), -1)


def write_places(build: Build, repositories: int, places: int) -> None:
    """Write provenance and marks part by part."""
    rng = np.random.default_rng(2)
    sizes = rng.lognormal(0, 1.6, repositories)
    sizes = rng.multinomial(places, sizes / sizes.sum())
    repository, starts = np.repeat(np.arange(repositories), sizes), np.cumsum(sizes) - sizes
    content, above = np.arange(places), forks_of(repositories)[repository]
    # A fork has the files of what it is a fork of.
    copied = np.flatnonzero((above >= 0) & (sizes[above] > 0))
    content[copied] = starts[above[copied]] + (copied - starts[repository[copied]]) % sizes[above[copied]]
    again = np.flatnonzero(rng.random(places) < DUPLICATES)
    # Half of the copies are of few contents that many have, the others of any.
    content[again] = np.where(
        rng.random(len(again)) < 0.5, rng.zipf(1.3, len(again)) % places, rng.integers(0, places, len(again))
    )
    for number, start in enumerate(range(0, places, PART_ROWS)):
        rows = slice(start, min(places, start + PART_ROWS))
        count = rows.stop - rows.start
        folder, ending, draw = (
            rng.integers(0, len(FOLDERS), count),
            rng.integers(0, len(ENDINGS), count),
            rng.random(count),
        )
        names = pa.array(np.arange(rows.start, rows.stop)).cast(pa.string())
        path = pc.binary_join_element_wise(
            pa.array(FOLDERS[folder]), pc.binary_join_element_wise("file_", names, pa.array(ENDINGS[ending]), ""), "/"
        )
        table = pa.table({
            "content_id": hex_ids(content[rows]), "repository": pa.array(repository[rows], pa.int32()), "path": path, "authors": authors_of(repository[rows]),
        })  # fmt: skip
        part = part_name(GROUP, number)
        storage.write_parquet(build.provenance(part), table)
        storage.write_parquet(
            build.decisions("language", part), pa.table({"is_vendor": folder == 9, "is_generated": draw < 0.03})
        )


def authors_of(repository: Ints) -> pa.Array:
    """Return two authors of each place, the first of them the main one of its repository: list<struct>[N]."""
    hashes = hex_ids(np.stack([repository * 3, repository * 3 + 1], axis=1).ravel(), 32)
    shares = pa.array(np.tile(np.float32([0.7, 0.3]), len(repository)))
    return pa.ListArray.from_arrays(
        np.arange(len(repository) + 1, dtype=np.int32) * 2,
        pa.StructArray.from_arrays([hashes, shares], fields=list(AUTHOR)),
    )


def write_near(folder: Path, places: int) -> None:
    """Write verified pairs of near duplicates: a twentieth as many as there are places."""
    rng = np.random.default_rng(3)
    first, second = (hex_ids(rng.integers(0, places, places // 20)) for _ in range(2))
    storage.write_parquet(folder / "near.parquet", pa.table({"first_id": first, "second_id": second}))


def entries_of(mix: str, count: int, present: float, repositories: pa.Table, places: int) -> SuppressionList:
    """Return a list of one mix."""
    rng = np.random.default_rng(4)
    kinds, spreads = MIXES[mix]
    kind = rng.choice(KINDS, count, p=np.array(kinds) / sum(kinds))
    spread = rng.choice(["none", "exact", "near"], count, p=np.array(spreads) / sum(spreads))
    known = repositories.select(["host", "owner", "repo", "owner_id"])
    rows, is_owner = rng.integers(0, repositories.num_rows, count), kind == "owner"
    owners = known.append_column("row", pa.array(np.arange(known.num_rows))).group_by(
        ["host", "owner"], use_threads=False
    )
    # Every owner asks once, however many repositories they have.
    asking = rng.permutation(owners.aggregate([("row", "min")])["row_min"].to_numpy())
    rows[is_owner] = np.resize(asking, int(is_owner.sum()))
    named = known.take(pa.array(rows))
    there, numbered = rng.random(count) < present, rng.random(count) < 0.3
    contents = hex_ids(rng.integers(0, places, count)).to_pylist()
    emails = hex_ids(rng.integers(0, repositories.num_rows, count) * 3, 32).to_pylist()
    made = []
    for at, (row, which, how) in enumerate(zip(named.to_pylist(), kind.tolist(), spread.tolist(), strict=True)):
        shared = {"kind": which, "spread": how, "since": DAY}
        owner = (row["owner"].split("/")[0] if row["owner"] != "-" else row["repo"]) + ("" if there[at] else "-not")
        if which == "content":
            made.append(Entry(**shared, content_id=contents[at]))
        elif which == "email":
            made.append(Entry(**shared, email_hash=emails[at]))
        elif which == "owner":
            number = row["owner_id"] if numbered[at] and there[at] and row["host"] == "github.com" else None
            made.append(
                Entry(
                    **shared, host="github.com" if row["host"] == "pypi" else row["host"], name=owner, numeric_id=number
                )
            )
        else:
            # A tenth of the globs name half of a repository, the others a few files.
            glob = ("src/*.py" if at % 10 else "[a-m]*/") if which == "path" else ""
            name = f"{row['owner']}/{row['repo']}" + ("" if there[at] else "-not")
            made.append(Entry(**shared, host=row["host"], name=name, glob=glob))
    return SuppressionList(issuer="local", epoch=1, created=DAY, entries=tuple(made), author_key_id=KEY)


def places_of(build: Build, one: SuppressionList) -> PartPlaces:
    """Return the places as a build reads them."""
    count = len(list(build.provenance("x").parent.glob("*.parquet")))
    run: Any = SimpleNamespace(build=build)
    parts = [(GROUP, part_name(GROUP, number)) for number in range(count)]
    return PartPlaces(run, parts, {GROUP: 0}, any(entry.kind == "email" for entry in one.entries))


def peak() -> float:
    """Return the most memory this process has had, in MB. ru_maxrss would count what its parent had when it began."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that work takes, and what it returns."""
    begin = time.perf_counter()
    found = work()
    return time.perf_counter() - begin, found


def child(options: argparse.Namespace) -> dict[str, Any]:
    """Resolve one mix, or let the peer do it; return what it took and a digest of the answer."""
    build = Build(options.child)
    repositories = storage.read_parquet(build.repositories(GROUP))
    one = entries_of(options.mix, options.entries, options.present, repositories, options.places)
    near = storage.read_parquet(options.child / "near.parquet")
    places, before, used = places_of(build, one), peak(), time.process_time()

    def ours() -> tuple[list[Ints], pa.Array, int]:
        found: Resolution = resolve(places, repositories, [one], near=near)
        return [np.flatnonzero(rows) for rows in found.rows], found.contents, found.preview.num_rows

    seconds, (rows, contents, told) = timed((lambda: naive(build, places, one, repositories)) if options.peer else ours)
    growth, cpu = peak() - before, time.process_time() - used
    digest = hashlib.sha256(b"".join(rows)).hexdigest() + str(sorted(contents.to_pylist())[::1000])
    return {
        "seconds": seconds, "cpu": cpu, "before": before, "growth": growth, "go": sum(map(len, rows)), "told": told,
        "contents": len(contents), "digest": digest,
    }  # fmt: skip


def naive(
    build: Build, places: PartPlaces, one: SuppressionList, repositories: pa.Table
) -> tuple[list[Ints], pa.Array, int]:
    """Apply owner and repository entries without a spread row by row; return the rows that go of each part, and the contents."""
    owners = {(entry.host, fold_name(entry.name)): entry for entry in one.entries if entry.kind == "owner"}
    owner_ids = {(entry.host, entry.numeric_id) for entry in one.entries if entry.kind == "owner" and entry.numeric_id}
    unnumbered = {
        (entry.host, fold_name(entry.name)) for entry in one.entries if entry.kind == "owner" and not entry.numeric_id
    }
    names = {(entry.host, fold_name(entry.name)) for entry in one.entries if entry.kind == "repository"}
    known = repositories.select(["host", "owner", "repo", "owner_id"]).to_pylist()
    went: list[Ints] = []
    gone, left = set(), set()
    for _, part in places.parts:
        rows: list[int] = []
        for row, place in enumerate(
            pq.read_table(build.provenance(part), columns=["content_id", "repository", "path"]).to_pylist()
        ):
            at = known[place["repository"]]
            host, owner, repo = at["host"], fold_name(at["owner"]), fold_name(at["repo"])
            hit = (host, f"{owner}/{repo}") in names or (
                at["owner_id"] and ("github.com" if host == "gist.github.com" else host, at["owner_id"]) in owner_ids
            )
            steps = owner.split("/")
            for length in range(1, len(steps) + 1):
                for home in {host, "github.com" if host == "gist.github.com" else host}:
                    key = (home, "/".join(steps[:length]))
                    numbers_differ = at["owner_id"] and length == len(steps)
                    hit = hit or key in unnumbered or (key in owners and not numbers_differ)
            if hit:
                rows.append(row)
                gone.add(place["content_id"])
            else:
                left.add(place["content_id"])
        went.append(np.array(rows, np.int64))
    return went, pa.array(gone - left, pa.string()), 0


def measured(folder: Path, mix: str, options: argparse.Namespace, runs: int, *more: str) -> dict[str, Any]:
    """Resolve in processes of their own; return the medians, and the digest of the answer."""
    words = [sys.executable, __file__, "--child", str(folder), "--mix", mix, "--present", str(options.present), *more]
    words += [word for name in ("places", "entries") for word in (f"--{name}", str(getattr(options, name)))]
    found = [
        json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout) for _ in range(runs)
    ]
    medians = {name: statistics.median(one[name] for one in found) for name in found[0] if name != "digest"}
    return medians | {"digest": found[0]["digest"]}


def main() -> None:
    """Print a line for each mix, and one for the peer."""
    parser = argparse.ArgumentParser(description="Time the resolution of opt-outs.")
    parser.add_argument("--small", action="store_true", help="a hundredth of everything, once")
    parser.add_argument("--places", type=int, default=10_000_000)
    parser.add_argument("--repositories", type=int, default=500_000)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--present", type=float, default=0.5)
    parser.add_argument("--keep", type=Path, help="make the places in this folder, or take those that are there")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--mix", help=argparse.SUPPRESS)
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        sys.stdout.write(json.dumps(child(options)))
        return
    if options.small:
        options.places, options.repositories, options.entries, options.runs = 100_000, 5_000, 1_000, 1
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        if not (folder / "near.parquet").exists():
            seconds, _ = timed(lambda: make(folder, options))
            sys.stdout.write(
                f"{options.places:,} places of {options.repositories:,} repositories made in {seconds:.0f} s\n"
            )
        report(folder, options)


def make(folder: Path, options: argparse.Namespace) -> None:
    """Write everything that is resolved against."""
    write_repositories(Build(folder), options.repositories)
    write_places(Build(folder), options.repositories, options.places)
    write_near(folder, options.places)


def report(folder: Path, options: argparse.Namespace) -> None:
    """Measure and print."""
    sys.stdout.write(
        f"{options.entries:,} entries, {options.present:.0%} of them name something that is there, {options.places:,} places; median "
        f"of {options.runs}\n{'mix':10} {'seconds':>8} {'cpu s':>6} {'places/s':>10} {'memory MB':>10} {'before':>7} {'places go':>10} "
        f"{'told of':>10} {'contents':>10}\n"
    )
    found = {}
    for mix in MIXES:
        found[mix] = measured(folder, mix, options, options.runs)
        sys.stdout.write(line(mix, found[mix], options.places))
        sys.stdout.flush()
    peer, ours = measured(folder, "owners", options, 1, "--peer"), found["owners"]
    assert peer["digest"] == ours["digest"], "the peer found other places"
    sys.stdout.write(
        line("the loop", peer, options.places)
        + f"the obvious loop finds the same as owners in {peer['cpu'] / ours['cpu']:.1f} times the "
        f"time, with {peer['growth'] / ours['growth']:.1f} times the memory, and knows neither spreads nor what to tell of the others\n"
    )


def line(name: str, found: dict[str, Any], places: int) -> str:
    """Return a line of the table."""
    return (
        f"{name:10} {found['seconds']:8.1f} {found['cpu']:6.1f} {places / found['seconds']:10,.0f} {found['growth']:+10,.0f} "
        f"{found['before']:7,.0f} {found['go']:10,.0f} {found['told']:10,.0f} {found['contents']:10,.0f}\n"
    )


if __name__ == "__main__":
    main()
