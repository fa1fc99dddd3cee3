"""Times look-ups by name and by bytes, keyword search and scans on an index; SQLite FTS5 searches the same texts beside it.

Run: python bench/search_lookups.py RELEASE [--scan FOLDER] [--only segments]    default: the largest release below build/
Segments: owner look-ups (warm, each name's best of five beside all of them) with the release cut into 1, 2, 4 and 8 segments, and with 2, 4
and 8 releases that have all places in common, each in a segment of its own; what the first look-up takes, and how much memory.
Owner and file look-ups: every repository of the index, and 2,000 contents drawn; warm, one thread. Keyword index: built once, size as a
share of the text; queries are words, phrases and identifiers drawn from the texts. SQLite holds the same texts (unicode61, contents
not stored) and is asked the same words.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.support.releases import largest_release
from stack_data import storage
from stack_data.search import owners
from stack_data.search.build import build
from stack_data.search.checkout import files_of, limits_of
from stack_data.search.code_words import words_of
from stack_data.search.files_lookup import file, find
from stack_data.search.index import Index, open_index
from stack_data.search.joined import joined
from stack_data.search.keyword_index import KeywordIndex, update
from stack_data.search.query import match
from stack_data.search.scan import scan

DRAWN = 2000
QUERIES = 300


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def times_of(work: Callable[[str], object], asked: Iterable[str], what: str) -> None:
    taken = []
    for one in asked:
        begin = time.perf_counter()
        work(one)
        taken.append((time.perf_counter() - begin) * 1e3)
    p50, p90, p99 = np.percentile(taken, [50, 90, 99])
    say(f"{what}: p50 {p50:.2f} ms, p90 {p90:.2f}, p99 {p99:.2f}, most {max(taken):.1f} ({len(taken):,} asked)")


def look_ups(index: Index) -> None:
    keys = sorted({key for one in index.segments for key in one.repositories["key"].to_pylist()})
    random.seed(1)
    ids = [
        one.documents["content_id"][row].as_py().hex()
        for one in index.segments
        for row in random.sample(range(len(one)), min(DRAWN, len(one)))
    ]
    hashes = [
        one.documents["sha256"][row].as_py().hex()
        for one in index.segments
        for row in random.sample(range(len(one)), min(DRAWN, len(one)))
    ]
    owners.owner(index, owners.asked_in(index, keys[0]))
    num_places = sum(one.places.num_rows for one in index.segments)
    say(
        f"index: {sum(map(len, index.segments)):,} contents at {num_places:,} places in {len(keys):,} repositories, {len(index.segments)} segments"
    )
    times_of(lambda name: owners.owner(index, owners.asked_in(index, name)), keys * 3, "owner and repository look-up")
    times_of(lambda name: owners.files(index, owners.asked_in(index, name)), keys, "a page of its files")
    times_of(lambda one: file(index, one), ids, "file by content id")
    times_of(lambda one: file(index, one), hashes, "file by SHA-256")


def segments(release: Path, scratch: Path) -> None:
    """Time owner look-ups over several segments."""
    size = sum(int(one.num_bytes[one.num_bytes >= 0].sum()) for one in _built([release], scratch / "whole").segments)
    for count in (1, 2, 4, 8):
        owned_in(
            _built([release], scratch / f"cut{count}", segment_bytes=max(1, size // count - (count - 4 << 20))), "cut"
        )
        shutil.rmtree(scratch / f"cut{count}")
    releases = [release, *(_again(release, scratch / f"{number}.0.0", f"{number}.0.0") for number in range(101, 108))]
    for count in (2, 4, 8):
        owned_in(_built(releases[:count], scratch / f"of{count}"), "releases that have all in common")
        shutil.rmtree(scratch / f"of{count}")


def _built(releases: list[Path], folder: Path, segment_bytes: int = 1 << 40) -> Index:
    build(releases, folder, segment_bytes=segment_bytes)
    return open_index(folder)


def _again(release: Path, target: Path, version: str) -> Path:
    """Return a copy of a release as another version."""
    shutil.copytree(release, target, copy_function=os.link)
    made = storage.read_json(target / "manifest.json")
    made["plan"]["config"]["version"] = version
    (target / "manifest.json").unlink()
    storage.write_json(target / "manifest.json", made)
    return target


def owned_in(index: Index, what: str) -> None:
    keys = sorted({key for one in index.segments for key in one.repositories["key"].to_pylist()})
    names = keys + sorted({key.rpartition("/")[0] for key in keys if not key.startswith(("pypi/", "npm/"))})
    before, begin = anonymous(), time.perf_counter()
    joined(index)
    first, grown = time.perf_counter() - begin, anonymous() - before
    rounds = np.empty((6, len(names)))
    for number in range(6):
        for at, name in enumerate(names):
            begin = time.perf_counter()
            owners.owner(index, owners.asked_in(index, name))
            rounds[number, at] = (time.perf_counter() - begin) * 1e3
    best = rounds[1:].min(axis=0)
    p50, p99 = np.percentile(rounds[1:], [50, 99])
    say(
        f"{len(index.segments)} segments, {what}: owner look-up p50 {p50:.2f} ms, p99 {p99:.2f}; best of five p50 {np.median(best):.2f}, "
        f"p99 {np.percentile(best, 99):.2f}; joined once in {first * 1e3:.0f} ms, {grown / 1e6:.1f} MB of {anonymous() / 1e6:.0f} MB RssAnon"
    )


def anonymous() -> int:
    """Return the anonymous resident memory of this process in bytes."""
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


def texts_of(index: Index) -> list[str]:
    found = []
    for segment in index.segments:
        data, bounds = segment.texts.read(np.arange(len(segment)))
        raw = data.tobytes()
        found += [raw[a:b].decode() for a, b in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)]
    return found


def queries_of(texts: list[str]) -> list[str]:
    random.seed(2)
    made = []
    while len(made) < QUERIES:
        words = [word for lexeme in words_of(random.choice(texts)[:20_000])[:-1] for word in lexeme]
        long = [word for word in words if len(word) > 2]
        if len(long) > 8:
            at = random.randrange(len(words) - 3)
            made.append(random.choice([" ".join(random.sample(long, 2)), '"' + " ".join(words[at : at + 3]) + '"']))
    return made


def keywords(folder: Path, texts: list[str]) -> None:
    size = sum(len(one.encode()) for one in texts)
    begin = time.perf_counter()
    stored = update(folder, 2)
    taken = time.perf_counter() - begin
    say(
        f"keyword index: {size / 1e6 / taken:.1f} MB/s on 2 threads, {stored / size:.3f} bytes per byte of {size / 1e6:,.0f} MB"
    )
    queries, asked = queries_of(texts), KeywordIndex(open_index(folder))
    asked.search("warm")
    times_of(asked.search, queries, "keyword query, 10 files with lines")
    found = sum(asked.search(one).num_files > 0 for one in queries)
    say(f"  queries that found a file: {found} of {len(queries)}")
    with tempfile.TemporaryDirectory() as scratch:
        fts5(Path(scratch) / "peer.db", texts, queries, size)


def fts5(path: Path, texts: list[str], queries: list[str], size: int) -> None:
    base = sqlite3.connect(path)
    begin = time.perf_counter()
    base.execute("CREATE VIRTUAL TABLE peer USING fts5(body, content='', tokenize='unicode61')")
    base.executemany("INSERT INTO peer(rowid, body) VALUES (?, ?)", enumerate(texts))
    base.commit()
    taken = time.perf_counter() - begin
    say(f"SQLite FTS5: {size / 1e6 / taken:.1f} MB/s on 1 thread, {path.stat().st_size / size:.3f} bytes per byte")
    ask = "SELECT rowid FROM peer WHERE peer MATCH ? ORDER BY rank LIMIT 10"
    times_of(lambda query: base.execute(ask, (query,)).fetchall(), queries, "SQLite FTS5 query, 10 row numbers")
    found = sum(bool(base.execute(ask, (one,)).fetchall()) for one in queries)
    say(f"  queries that found a file: {found} of {len(queries)} (it does not split identifiers)")
    base.close()


def scans(index: Index, folder: Path) -> None:
    with files_of(str(folder), limits_of(1 << 30, 1 << 20)) as files:
        every = [one for one in files if one.text is not None]
    size = sum(len(one.text.encode()) for one in every if one.text)
    begin = time.perf_counter()
    done = scan(index, str(folder), every, match, lambda ids: find(index, ids))
    taken = time.perf_counter() - begin
    counts = ", ".join(f"{done.count(status):,} {status}" for status in ("identical", "matches", "nothing"))
    say(
        f"scan of {folder.name}: {len(every):,} files, {size / 1e6:.1f} MB in {taken:.1f} s ({size / 1e6 / taken:.2f} MB/s): {counts}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("release", nargs="?", type=Path)
    parser.add_argument("--scan", type=Path, default=Path(__file__).resolve().parent.parent / "stack_data")
    parser.add_argument("--only", choices=("segments",))
    arguments = parser.parse_args()
    release = arguments.release or largest_release()
    with tempfile.TemporaryDirectory(dir=release.parent) as scratch:
        segments(release, Path(scratch))
    if arguments.only:
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "index"
        build([release], folder)
        index = open_index(folder)
        look_ups(index)
        scans(index, arguments.scan)
        keywords(folder, texts_of(index))


if __name__ == "__main__":
    main()
