"""Measures the deny rule: how many completions of unrelated code it refuses, and how many copies of removed code.

Run: python bench/deny.py [RELEASE OTHER] [--remove NAME...]    default: the two largest below build/, and five packages of the first
e.g. build/demo/releases/1.1.0 build/sdists/releases/1.0.0 --remove pypi/-/rich
RELEASE is indexed; each NAME in turn is removed from it (default: its five largest packages). Unrelated code: Python files of OTHER that are
not in RELEASE and not of that package, one completion of 50 tokens after every 20th token, each judged by itself with 200 tokens before it;
the files with most refusals are named: copies that were changed are among them, so the rate is an upper bound.
Batches: what judging a completion takes with the stored hashes dealt out to 1, 20 and 200 batches.
Copies: spans of 2 N tokens of removed files that nothing else holds whole, word for word and with their names changed.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.support.releases import releases
from stack_data.search import deny, deny_store
from stack_data.search.build import build
from stack_data.search.families import family_of
from stack_data.search.index import Index, open_index
from stack_data.search.lexer import NAME, lex
from stack_data.search.owned import places_of, repositories_of
from stack_data.search.owners import asked_in
from stack_data.search.removals import remove

COMPLETION, BEFORE, EVERY = 50, 200, 20
FILES, COPIES = 400, 300


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def unrelated(folder: Path, index: Index, name: str) -> list[tuple[str, bytes]]:
    """Return Python texts of a release that an index has not, and that are of another package, with where they are."""
    texts = []
    for path in sorted((folder / "data" / "python").glob("*.parquet")):
        for row in pq.read_table(path, columns=["content_id", "content", "repo_name", "path"]).to_pylist():
            is_known = index.find(np.array([bytes.fromhex(row["content_id"])], "S20"))[0] >= 0
            if not is_known and row["content"] and row["repo_name"].rpartition("/")[2] != name.rpartition("/")[2]:
                texts.append((f"{row['repo_name']}: {row['path']}", row["content"].encode()))
    random.seed(1)
    return random.sample(texts, min(FILES, len(texts)))


def completions(texts: list[tuple[str, bytes]]) -> Iterator[tuple[str, str, str]]:
    """Yield (file, what stands before, completion)."""
    for file, text in texts:
        tokens = lex(pa.array([text], pa.large_binary()), family_of("Python"))
        for at in range(EVERY, len(tokens) - COMPLETION, EVERY):
            begin, cut = int(tokens.starts[max(0, at - BEFORE)]), int(tokens.starts[at])
            end = int(tokens.ends[at + COMPLETION - 1])
            yield file, text[begin:cut].decode("utf-8", "replace"), text[cut:end].decode("utf-8", "replace")


def copies(index: Index, removed: np.ndarray, rule: deny.Rule) -> Iterator[str]:
    """Yield spans of twice the guaranteed length of removed Python files, renamed for the blinded view."""
    random.seed(2)
    found = index.texts(removed)
    python = [
        one.as_py()
        for one, family in zip(found.texts, found.families.tolist(), strict=True)
        if family == family_of("Python")
    ]
    for text in random.choices(python, k=COPIES):
        tokens = lex(pa.array([text], pa.large_binary()), family_of("Python"))
        if len(tokens) > 2 * rule.guaranteed:
            at = random.randrange(len(tokens) - 2 * rule.guaranteed)
            last = at + 2 * rule.guaranteed - 1
            names = {
                text[a:b].decode()
                for a, b, kind in zip(
                    tokens.starts[at : last + 1], tokens.ends[at : last + 1], tokens.kinds[at : last + 1], strict=True
                )
                if kind == NAME
            }
            span = text[tokens.starts[at] : tokens.ends[last]].decode("utf-8", "replace")
            if rule.name == "blinded" and names:
                pattern = re.compile(r"\b(?:" + "|".join(sorted(map(re.escape, names), key=len, reverse=True)) + r")\b")
                span = pattern.sub(lambda one: one[0] + "_q", span)
            yield span


def measure(folder: Path, other: Path, name: str) -> None:
    index = open_index(folder)
    places = places_of(repositories_of(index, asked_in(index, name)))
    mine = np.unique(np.concatenate([one.contents() | one.segment.number << 32 for one in places]))
    remove(folder, repositories=[name])
    gone = mine[~index.living(mine)]
    begin = time.perf_counter()
    made = deny.update(folder)
    taken = time.perf_counter() - begin
    denied = deny.DenyIndex(folder)
    texts = unrelated(other, index, name)
    refused: Counter[str] = Counter()
    files: Counter[str] = Counter()
    asked, spent = 0, 0.0
    for file, before, completion in completions(texts):
        begin = time.perf_counter()
        found = denied.refusal(before, completion, "Python")
        spent += time.perf_counter() - begin
        asked += 1
        refused[found.view if found else ""] += 1
        files.update([file] if found else [])
    rates = ", ".join(f"{rule.name} {refused[rule.name]}" for rule in deny.RULES)
    say(
        f"{name}: {len(gone):,} files removed, {made.num_hashes:,} hashes ({made.num_exclusive / max(made.num_hashes, 1):.3f} exclusive) in {taken:.1f} s"
    )
    wrong = asked - refused[""]
    say(
        f"  unrelated: {asked:,} completions, {wrong} refused ({wrong / max(asked, 1):.4%}; {rates}), {1e3 * spent / max(asked, 1):.2f} ms each"
    )
    for file, count in files.most_common(3):
        say(f"    {count:>4} in {file}")
    for rule in deny.RULES:
        judged = [denied.refusal("", one, "Python") is not None for one in copies(index, gone, rule)]
        say(f"  copies of {2 * rule.guaranteed} tokens, {rule.name}: {np.mean(judged):.3f} of {len(judged)} refused")
    if asked:
        batches(folder, texts)


def batches(folder: Path, texts: list[tuple[str, bytes]]) -> None:
    """Time judging with the hashes that are stored dealt out to 1, 20 and 200 batches."""
    every = list(completions(texts[:100]))
    views = {rule.name: rule.k for rule in deny.RULES}
    known = deny_store.read(folder / deny.DENY, views)
    for count in (1, 20, 200):
        now = deny_store.read(folder / deny.DENY, views).generation
        dealt = {
            name: replace(one, batches=(np.arange(len(one.hashes)) % count).astype(np.uint32))
            for name, one in known.tables.items()
        }
        begin = time.perf_counter()
        names = tuple(f"{number:016x}" for number in range(count))
        deny_store.write(folder / deny.DENY, replace(known, generation=now, batches=names, tables=dealt), views)
        taken = time.perf_counter() - begin
        begin = time.perf_counter()
        denied = deny.DenyIndex(folder)
        opened = time.perf_counter() - begin
        times = []
        for _ in range(4):
            begin = time.perf_counter()
            for _, before, completion in every:
                denied.refusal(before, completion, "Python")
            times.append((time.perf_counter() - begin) / len(every))
        begin = time.perf_counter()
        deny.erase(folder, names[0])
        say(
            f"  {count} batches: {1e3 * min(times[1:]):.3f} ms a completion (best of 3 rounds of {len(every):,}); written in {taken:.2f} s, "
            f"opened in {1e3 * opened:.0f} ms, one erased in {time.perf_counter() - begin:.2f} s"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("release", nargs="?", type=Path)
    parser.add_argument("other", nargs="?", type=Path)
    parser.add_argument("--remove", nargs="*", default=[])
    arguments = parser.parse_args()
    *chosen, other = [one for one in (arguments.release, arguments.other) if one] or releases()[:2] or [None]
    if not chosen:
        say("skipped: it takes two releases, of which build/ has fewer; name them, or make another one than the demo's")
        return
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "index"
        build(chosen, made)
        tables = [one.repositories.to_pylist() for one in open_index(made).segments]
        largest = sorted((row for table in tables for row in table), key=lambda row: -row["num_places"])[:5]
        for name in arguments.remove or [row["key"] for row in largest]:
            folder = Path(scratch) / "one"
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(made, folder)
            measure(folder, other, name)


if __name__ == "__main__":
    main()
