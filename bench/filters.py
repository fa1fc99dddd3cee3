"""Times the quality filters on one core beside plain Python per file, and counts where the two measure otherwise.

Run: python bench/filters.py [FOLDER...] [--html FOLDER]... [--sample MB]   default: this interpreter's site-packages.
Texts are distinct, read and decoded as a build reads them, and not timed; nor are the languages that the stage is
given. Plain Python is what the published filters are: str methods and `re` on one file after the other, BeautifulSoup
for HTML. It is slow, so it reads a sample, drawn by content id; ratios are of seconds on that sample. Lines are
compared as ours end, at \\n, \\r\\n and \\r; str.splitlines, which is what is timed, knows more line ends, and the
texts with one are counted. MB are of UTF-8. Seconds are the processor's: what else runs on the machine does not count.
--html: folders of which the files called *.htm and *.html are read for visible text, in place of the texts' own HTML.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import sysconfig
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from bs4 import BeautifulSoup
from bs4.exceptions import ParserRejectedMarkup

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from stack_data.config import FilterConfig
from stack_data.filters.html import visible_chars
from stack_data.filters.measures import Measures, measure
from stack_data.identity import content_id
from stack_data.languages import detect_languages, is_generated
from stack_data.reasons import Reason
from stack_data.stages import filter
from stack_data.text import decode, reading_of

MAX_BYTES = 10 << 20
BATCH_BYTES = 32 << 20
FEW = 20
"""So few HTML documents say nothing."""
ENCODED = (
    re.compile(r"[a-zA-Z0-9+/\n=]{64,}"),
    re.compile(r"(?:\b(?:0x|\\x)?[0-9a-fA-F]{2}(?:,|\b\s*)){8,}"),
    re.compile(r"(?:\\u[0-9a-fA-F]{4}){8,}"),
)
OUR_LINE_ENDS = re.compile("\r\n|\n|\r")

Rest = tuple[float, float, int, int, int]
Lines = tuple[int, float, int]


@dataclass(frozen=True, slots=True)
class File:
    """One text: its path below the folder, how it was made of its content, and its bytes in UTF-8."""

    path: str
    identity: str
    conversion: str
    text: str
    size: int


def read(folders: list[Path], endings: tuple[str, ...] = ("",)) -> list[File]:
    """Return the distinct texts below folders whose names have such an ending."""
    seen: set[str] = set()
    files = []
    for root, path in sorted((folder, path) for folder in folders for path in folder.rglob("*")):
        if not path.name.endswith(endings) or path.is_symlink() or not path.is_file():
            continue
        if path.stat().st_size > MAX_BYTES or (identity := content_id(content := path.read_bytes())) in seen:
            continue
        seen.add(identity)
        reading = reading_of(content)
        if not isinstance(reading, Reason):
            text = decode(content, reading.encoding, reading.conversion)
            name = os.fsencode(path.relative_to(root)).decode("utf-8", "backslashreplace")
            files.append(File(name, identity, reading.conversion, text, reading.text_bytes))
    return files


def sample_of(files: list[File], megabytes: float) -> list[File]:
    """Return the first files by content id, as many as make so many MB."""
    ordered = sorted(files, key=lambda file: file.identity)
    return ordered[: int(np.searchsorted(np.cumsum([file.size for file in ordered]), megabytes * 1e6)) + 1]


def batches_of(files: list[File]) -> list[list[File]]:
    """Return the files in batches of about BATCH_BYTES."""
    numbers = np.cumsum([file.size for file in files]) // BATCH_BYTES
    cuts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(files)]
    return [files[begin:end] for begin, end in zip(cuts, cuts[1:], strict=False)]


def column(files: list[File]) -> pa.Array:
    """Return the texts of files as one column."""
    return pa.array([file.text for file in files], pa.large_string())


def megabytes_of(files: list[File]) -> float:
    """Return how large the texts are."""
    return sum(file.size for file in files) / 1e6


def timed(work: Callable[[Any], Any], items: Iterable[Any]) -> tuple[list[Any], float]:
    """Return what the work makes of each item, and its seconds."""
    begin = time.process_time()
    found = [work(item) for item in items]
    return found, time.process_time() - begin


def lines_of(lines: list[str]) -> Lines:
    """Return how many lines there are, their average length and the longest."""
    lengths = [len(line) for line in lines]
    return len(lengths), (sum(lengths) / len(lengths) if lengths else 0.0), max(lengths, default=0)


def plain(text: str) -> tuple[Lines, Rest]:
    """Return the measures of a text; Rest: share of alphanumerics and letters, characters, longest run and all runs."""
    runs = [len(match[0]) for pattern in ENCODED for match in pattern.finditer(text)]
    shares = [sum(map(holds, text)) / max(len(text), 1) for holds in (str.isalnum, str.isalpha)]
    return lines_of(text.splitlines()), (shares[0], shares[1], len(text), max(runs, default=0), sum(runs))


def our_lines(text: str) -> Lines:
    """Return the measures of lines as ours end."""
    lines = OUR_LINE_ENDS.split(text)
    return lines_of(lines if lines[-1] else lines[:-1])


def differences(found: Measures, sample: list[File], expected: list[tuple[Lines, Rest]]) -> list[str]:
    """Say for how many texts a measure differs, and name the first of each kind."""
    lines = list(zip(*(values.tolist() for values in found[:3]), strict=True))
    rest = list(zip(*(values.tolist() for values in found[3:]), strict=True))
    told = []
    for what, differing in (
        ("lines", [ours != our_lines(file.text) for ours, file in zip(lines, sample, strict=True)]),
        ("shares of characters", [ours[:3] != one[1][:3] for ours, one in zip(rest, expected, strict=True)]),
        ("encoded data", [ours[3:] != one[1][3:] for ours, one in zip(rest, expected, strict=True)]),
        ("lines as str.splitlines ends them", [ours != one[0] for ours, one in zip(lines, expected, strict=True)]),
    ):
        example = f", such as {sample[differing.index(True)].path}" if any(differing) else ""
        told.append(f"    {what} differ in {sum(differing):,} of {len(sample):,} texts{example}")
    told.append(f"    {sum(one[1][4] > 0 for one in expected):,} of them hold encoded data")
    return told


def measures(files: list[File], sample: list[File]) -> list[str]:
    """Time `measure` on all files, and beside plain Python on the sample."""
    _, all_seconds = timed(measure, [column(batch) for batch in batches_of(files)])
    (found,), seconds = timed(measure, [column(sample)])
    expected, plain_seconds = timed(plain, [file.text for file in sample])
    size = megabytes_of(sample)
    return [
        f"measure: {megabytes_of(files) / all_seconds:,.0f} MB/s of all",
        f"    of the sample, {size:,.1f} MB in {len(sample):,} files: {size / seconds:,.0f} MB/s; plain Python "
        f"{size / plain_seconds:,.2f} MB/s; ours is {plain_seconds / seconds:,.0f} times as fast",
        *differences(found, sample, expected),
    ]


def seen_by_soup(text: str) -> int:
    """Return the visible characters of a document by BeautifulSoup; -1 when it refuses to read it."""
    try:
        soup = BeautifulSoup(text, features="html.parser")
    except ParserRejectedMarkup:
        return -1
    for element in soup(["script", "style"]):
        element.extract()
    return len(soup.get_text())


def visible(documents: list[File], megabytes: float) -> list[str]:
    """Time `visible_chars` on HTML documents, and beside BeautifulSoup on a sample."""
    if len(documents) < FEW:
        return [f"visible_chars: not measured, only {len(documents)} HTML documents; name folders with more: --html"]
    sample = sample_of(documents, megabytes)
    _, all_seconds = timed(visible_chars, [column(batch) for batch in batches_of(documents)])
    (ours,), seconds = timed(visible_chars, [column(sample)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a document looks like XML, or like a file name
        theirs, soup_seconds = timed(seen_by_soup, [file.text for file in sample])
    size, chars = megabytes_of(sample), np.array([len(file.text) for file in sample])
    read, shown = np.array(theirs) >= 0, np.array(theirs)
    kept = [(count >= 100) & (count >= 0.2 * chars) for count in (ours, shown)]
    other = np.flatnonzero(read & (kept[0] != kept[1]))
    example = "".join(
        f", not on {sample[row].path} ({ours[row]:,} and {shown[row]:,} characters)" for row in other[:1].tolist()
    )
    return [
        f"visible_chars: {megabytes_of(documents) / all_seconds:,.0f} MB/s of all {megabytes_of(documents):,.1f} MB in "
        f"{len(documents):,} HTML documents",
        f"    of a sample, {size:,.1f} MB in {len(sample):,}: {size / seconds:,.0f} MB/s; BeautifulSoup "
        f"{size / soup_seconds:,.2f} MB/s; ours is {soup_seconds / seconds:,.0f} times as fast",
        f"    the two keep or drop alike {read.sum() - len(other):,} of {read.sum():,}{example}; the same count in "
        f"{(ours == shown)[read].sum():,}; BeautifulSoup refuses {(~read).sum():,}",
    ]


def places_of(files: list[File]) -> filter.Places:
    """Return what the stage decides about, with languages found."""
    paths, texts = pa.array([file.path for file in files], pa.string()), column(files)
    return filter.Places(
        pa.array([file.identity for file in files]),
        pa.array([file.path.rpartition("/")[2] for file in files]),
        detect_languages(paths, texts).cast(pa.string()),
        pa.array([file.conversion for file in files]),
        is_generated(paths, texts).to_numpy(zero_copy_only=False),
        texts,
    )


def stage(places: list[filter.Places], megabytes: float, profile: str) -> list[str]:
    """Time the whole stage with a profile, and say what it drops."""
    config = FilterConfig(profile=profile)
    decided, seconds = timed(lambda one: filter.decide(one, config), places)
    counts = pa.concat_tables(decided)["reason"].cast(pa.string()).drop_null().value_counts().to_pylist()
    dropped = sum(one["counts"] for one in counts)
    most = sorted(counts, key=lambda one: (-one["counts"], one["values"]))
    return [
        f"filter stage, {profile}: {megabytes / seconds:,.0f} MB/s; drops {dropped:,}: "
        + ", ".join(f"{one['values']} {one['counts']:,}" for one in most)
    ]


def main() -> None:
    """Print rates, ratios and differences."""
    parser = argparse.ArgumentParser(description="Measure the quality filters.")
    parser.add_argument("folders", nargs="*", type=Path, default=[Path(sysconfig.get_path("purelib"))])
    parser.add_argument("--html", action="append", type=Path, default=[], metavar="FOLDER")
    parser.add_argument("--sample", type=float, default=20, metavar="MB", help="what plain Python reads (default 20)")
    options = parser.parse_args()
    files = read(options.folders)
    if not files:
        parser.error("no texts below " + ", ".join(map(str, options.folders)))
    places = [places_of(batch) for batch in batches_of(files)]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    pa.set_cpu_count(1)
    size = megabytes_of(files)
    sys.stdout.write(f"{size:,.0f} MB of text in {len(files):,} files, one core\n")
    first = File("a.html", "", "", "<p>a</p>", 8)
    for config in (FilterConfig(), FilterConfig(profile="the-stack")):
        filter.decide(places_of([first]), config)  # loads the kernels and tables
    sys.stdout.write("\n".join(measures(files, sample_of(files, options.sample))) + "\n")
    html = [file for file, name in zip(files, _languages(places), strict=True) if name == "HTML"]
    documents = read(options.html, (".htm", ".html")) if options.html else html
    sys.stdout.write("\n".join(visible(documents, options.sample)) + "\n")
    for profile in ("starcoder2", "the-stack"):
        sys.stdout.write("\n".join(stage(places, size, profile)) + "\n")


def _languages(places: list[filter.Places]) -> list[str | None]:
    return [name for one in places for name in one.languages.to_pylist()]


if __name__ == "__main__":
    main()
