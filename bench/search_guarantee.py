"""Counts how many spans of exactly the guaranteed length are found: every view, every state that an index can be in.

Run: python bench/search_guarantee.py [FOLDER...] [--megabytes N] [--spans N]
default: 10,000 spans of each view over 10 MB of the standard library, the site-packages and the headers of this interpreter. The files
become four real releases and six indexes (tests/search/histories.py): one segment, several, merged, a tenth of the repositories
removed, that merged, and a release added on top. Truth is a scan of every token (tests/search/guaranteed.py): every living content that
holds the run must be named with all of its living places and no other, and hidden places counted. "removed" asks as many spans as
there are of contents of the removed repositories: found in what lives, and in nothing else.

not asked: the named exceptions (few kinds of tokens; not varied), and spans that the lexer reads otherwise when they are cut out.
capped: more contents hold it than are listed for one place (limits.THOROUGH); the answer says so and names as many. Ends with 1 when a span is missed.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from search_query import read_folders

from stack_data.search.index import open_index
from stack_data.search.views import VIEWS
from tests.search.guaranteed import Scan, Span
from tests.search.histories import File, State, World, lives, verdicts

Asked = list[tuple[Span, tuple[int, ...]]]
SPARE = 2
"""Spans are drawn out of all texts of all releases, so many times as many as are asked in one state: not every text lives in each."""


def real_files(folders: Sequence[Path], most_bytes: int) -> list[File]:
    """Return random files below folders, of all languages that are there."""
    found, size = [], 0
    files = read_folders(folders, 1 << 40)
    random.Random(6).shuffle(files)
    for one in files:
        if size < most_bytes and b"\r" not in one.text:
            found.append(File(one.text.decode(), one.language, one.repo.split("/")[-1], one.path))
            size += len(one.text)
    return found


def drawn(scan: Scan, count: int) -> Asked:
    """Return spans with the texts that hold them, and print how many were not asked, and why."""
    begin, passed = time.perf_counter(), Counter[str]()
    spans = [(span, scan.holders(span)) for span in itertools.islice(scan.spans(4, passed), SPARE * count)]
    total = sum(passed.values())
    why = ", ".join(f"{name} {passed[name] / total:.2%}" for name in sorted(passed) if name)
    sys.stdout.write(
        f"{scan.view.name}: {scan.view.guaranteed} tokens, {len(scan.numbers):,} in all, each held by "
        f"{sum(len(holders) for _, holders in spans) / len(spans):.1f} texts; not asked: {why} ({time.perf_counter() - begin:.0f} s)\n"
    )
    return spans


def row(state: State, scan: Scan, what: str, spans: Asked) -> bool:
    """Print what became of some spans in a state; tell whether all were found."""
    if not spans:
        return True
    index, begin = open_index(state.folder), time.perf_counter()
    found = Counter(verdicts(index, state, scan, spans))
    good = found.pop("", 0)
    capped = found.pop("capped", 0)
    wrong = ", ".join(f"{count:,} {name}" for name, count in sorted(found.items()))
    milliseconds = 1000 * (time.perf_counter() - begin) / len(spans)
    sys.stdout.write(
        f"{state.name:<20}{len(index.segments):>9}  {scan.view.name:<9}{what:<9}{good + capped:>8,} of {len(spans):<8,}{capped:>7}"
        f"{milliseconds:>9.2f} ms  {wrong}\n"
    )
    return not found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Which spans of the guaranteed length are found.")
    paths = sysconfig.get_paths()
    default = [Path(paths[name]) for name in ("stdlib", "purelib", "include")]
    parser.add_argument("folders", nargs="*", type=Path, default=default)
    parser.add_argument("--megabytes", type=int, default=10)
    parser.add_argument("--spans", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        world = World(real_files(options.folders, options.megabytes * 1_000_000), Path(scratch))
        languages = Counter(one.language for one in world.texts).most_common(6)
        sys.stdout.write(
            f"{len(world.texts):,} texts, {sum(len(one.raw) for one in world.texts) / 1e6:,.0f} MB, "
            f"{', '.join(f'{name} {count:,}' for name, count in languages)}; {len(world.removed)} repositories are removed\n"
        )
        scans = [Scan(world.texts, view) for view in VIEWS]
        spans = [drawn(scan, options.spans) for scan in scans]
        sys.stdout.write(
            f"{'state':<20}{'segments':>9}  {'view':<9}{'spans':<9}{'found':>8}    {'':<8}{'capped':>7}{'a query':>12}\n"
        )
        whole = True
        for state in world.states():
            for scan, drawn_spans in zip(scans, spans, strict=True):
                living = [one for one in drawn_spans if lives(state, scan.texts[one[0].row])]
                whole &= row(state, scan, "living", living[: options.spans])
                removed = [one for one in drawn_spans if scan.texts[one[0].row].content_id in world.of_removed]
                whole &= row(state, scan, "removed", removed[: options.spans] if state.removed else [])
    sys.exit(0 if whole else 1)


if __name__ == "__main__":
    main()
