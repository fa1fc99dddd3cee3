"""Measures redaction: precision and recall on planted secrets beside gitleaks and detect-secrets, on real code, and MB/s.

Run: python bench/pii.py [FOLDER...] [--gitleaks PROGRAM] [--megabytes MB] [--show N] [--full MIB]
default folders: this interpreter's standard library and site-packages, of which --megabytes (300) are read, drawn by a seed.
Build the peer once: go install github.com/zricethezav/gitleaks/v8@latest   (not found: it is left out)

planted     tests/pii/planted.jsonl, its three parts apart. A secret is found when findings of its kind cover all of it; a finding is right
            when it touches one of its kind. The peers need only touch it, and their kinds count as theirs: gitleaks does
            not tell keys from passwords, and neither knows e-mail addresses.
real        what is planted (with its look-alikes) in the middle of real files; what is found in the same files untouched (--show
            prints so many of them, to be judged by eye); Python files that parse before and after redaction.
speed       MB/s of UTF-8 by the wall clock, the prefilter and the whole stage, and RE2 over the same columns.
full        seconds, of the processor, to find and replace what is in single texts of --full MiB (10) of nothing else.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from stack_data.config import PiiConfig
from stack_data.pii import anchors, findings
from stack_data.pii.redaction import redact
from stack_data.stages import pii
from tests.pii.planted import Planted, planted

KINDS = (*findings.KINDS, "phone")
BATCH_BYTES = 8 << 20
ENDINGS = (
    ".py", ".pyi", ".pyx", ".c", ".h", ".cc", ".cpp", ".hpp", ".cu", ".cuh", ".js", ".ts", ".css", ".html", ".json", ".md", ".rst", ".txt",
    ".toml", ".yaml", ".yml", ".sh", ".go", ".rs", ".java", ".cmake", ".cfg", ".ini",
)  # fmt: skip
RE2 = {
    "e-mail": r"[A-Za-z0-9_%+-]@[A-Za-z0-9-]+\.[A-Za-z]{2}",
    "IP": r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b|\b[23][0-9a-f]{3}:[0-9a-f:]{4}",
    "named": r"(?i)(?:passw|pwd|pass|secret|token|key|cred)[\w.-]*[\"'\])]*\s*(?:=|:|,|\()",
    "tokens": r"(?:gh[pousr]_|glpat-|AKIA|AIza|xox[a-z]-|[sr]k_(?:live|test)_|npm_|eyJ|hf_|sk-|SG\.)[A-Za-z0-9]{10}",
}
"""What a prefilter of RE2 would ask of each text."""
Found = list[tuple[str, int, int]]


def table(expected: Sequence[Planted], found: Sequence[Found], peer: bool) -> list[str]:
    """Return lines of recall and precision per kind and over all."""
    counts: Counter[tuple[str, str]] = Counter()
    for one, spans in zip(expected, found, strict=True):
        for kind, start, end in one.spans:
            counts[kind, "expected"] += 1
            same = [span for span in spans if span[0] == kind]
            covers = any(first <= start and end <= last for _, first, last in same)
            counts[kind, "found"] += any(first < end and start < last for _, first, last in same) if peer else covers
        for kind, start, end in spans:
            counts[kind, "given"] += 1
            counts[kind, "right"] += any(
                kind == other and first < end and start < last for other, first, last in one.spans
            )
    kinds = [kind for kind in KINDS if counts[kind, "given"] or (counts[kind, "expected"] and not peer)]
    return [_row(kind, [kind], counts) for kind in kinds] + [_row("all", kinds, counts)]


def _row(name: str, kinds: list[str], counts: Counter[tuple[str, str]]) -> str:
    expected, found, given, right = (
        sum(counts[kind, what] for kind in kinds) for what in ("expected", "found", "given", "right")
    )
    return (
        f"    {name:<12}recall {found / max(expected, 1):.3f} ({found} of {expected})   "
        f"precision {right / max(given, 1):.3f} ({right} of {given})"
    )


def ours(texts: Sequence[str]) -> list[Found]:
    """Return our findings in each text."""
    found = findings.find(pa.array(texts, pa.large_string()), KINDS)
    return [[tuple(span) for span in found.get(row, ())] for row in range(len(texts))]


def as_kinds(one: Planted, values: Iterable[str]) -> Found:
    """Return a peer's findings, of the kind of what they touch, else a key."""
    spans: Found = []
    for value in dict.fromkeys(values):
        at = one.text.find(value) if value else -1
        if at >= 0:
            start, end = len(one.text[:at].encode()), len(one.text[: at + len(value)].encode())
            kinds = [kind for kind, first, last in one.spans if first < end and start < last]
            spans.append((kinds[0] if kinds else "key", start, end))
    return spans


def with_gitleaks(program: str, expected: Sequence[Planted]) -> list[Found]:
    """Return the findings of gitleaks, run once over a folder with a file for each text."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "texts").mkdir()
        for number, one in enumerate(expected):
            (folder / "texts" / f"{number:05}.txt").write_text(one.text, encoding="utf-8", newline="")
        command = [
            program,
            "dir",
            "texts",
            "--report-format",
            "json",
            "--report-path",
            "report.json",
            "--no-banner",
            "--exit-code",
            "0",
        ]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    values: dict[int, list[str]] = {}
    for row in report:
        values.setdefault(int(Path(row["File"]).stem), []).append(row["Secret"])
    return [as_kinds(one, values.get(number, ())) for number, one in enumerate(expected)]


def with_detect_secrets(expected: Sequence[Planted]) -> list[Found]:
    """Return the findings of detect-secrets with its default plug-ins and filters."""
    from detect_secrets.core.scan import scan_file
    from detect_secrets.settings import default_settings

    found = []
    with tempfile.TemporaryDirectory() as name, default_settings():
        for number, one in enumerate(expected):
            path = Path(name) / f"{number:05}.txt"
            path.write_text(one.text, encoding="utf-8", newline="")
            secrets = list(scan_file(str(path)))
            spans = as_kinds(
                one, [secret.secret_value for secret in secrets if not secret.type.startswith("Public IP")]
            )
            ips = as_kinds(one, [secret.secret_value for secret in secrets if secret.type.startswith("Public IP")])
            found.append(spans + [("ip_address", start, end) for _, start, end in ips])
    return found


def on_planted(gitleaks: str | None) -> None:
    """Print the tables of all parts."""
    for half in ("tuning", "held-out", "reported"):
        chosen = [one for one in planted() if one.half == half]
        count = sum(len(one.spans) for one in chosen)
        print_lines(f"planted, {half}: {count} secrets, {sum(not one.spans for one in chosen)} look-alikes")
        print_lines("  ours", *table(chosen, ours([one.text for one in chosen]), peer=False))
        if gitleaks:
            print_lines("  gitleaks", *table(chosen, with_gitleaks(gitleaks, chosen), peer=True))
        print_lines("  detect-secrets", *table(chosen, with_detect_secrets(chosen), peer=True))


def read(folders: Sequence[Path], megabytes: float) -> list[tuple[str, str]]:
    """Return (path, text) of files of code below folders, in an order drawn by a seed."""
    paths = sorted({path for folder in folders for path in folder.rglob("*") if path.name.endswith(ENDINGS)})
    random.Random(1).shuffle(paths)
    files, size = [], 0
    for path in paths:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > 1 << 20:
            continue
        content = path.read_bytes()
        try:
            text = content.decode()
        except UnicodeDecodeError:
            continue
        if b"\0" not in content:
            files.append((str(path), text))
            size += len(content)
        if size > megabytes * 1e6:
            break
    return files


def batches(texts: Iterable[str]) -> list[pa.LargeStringArray]:
    """Return texts as columns of about BATCH_BYTES."""
    made, batch, size = [], [], 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size > BATCH_BYTES:
            made.append(pa.array(batch, pa.large_string()))
            batch, size = [], 0
    return [*made, pa.array(batch, pa.large_string())] if batch else made


def planted_in(files: Sequence[tuple[str, str]]) -> Iterator[Planted]:
    """Yield everything planted, each in the middle of a real file between two of its lines."""
    for number, one in enumerate(planted()):
        text = files[number % len(files)][1]
        at = text.find("\n", len(text) // 2) + 1 or len(text)
        lead = text[:at] if text[:at].endswith("\n") or not at else text[:at] + "\n"
        shift = len(lead.encode())
        spans = tuple((kind, start + shift, end + shift) for kind, start, end in one.spans)
        yield Planted(one.half, one.what, lead + one.text + text[at:], spans)


def on_real(files: Sequence[tuple[str, str]], show: int) -> None:
    """Print what is found of planted secrets in real files, and what in the files as they are."""
    short = [file for file in files if len(file[1]) < 100_000][: len(planted())]
    untouched = ours([text for _, text in short])
    whole = list(planted_in(short))
    found = ours([one.text for one in whole])
    # What the file holds anyway is not judged here.
    known = [
        {(kind, text.encode()[a:b]) for kind, a, b in spans} for (_, text), spans in zip(short, untouched, strict=True)
    ]
    fresh = [
        [span for span in spans if (span[0], one.text.encode()[span[1] : span[2]]) not in known[number % len(short)]]
        for number, (one, spans) in enumerate(zip(whole, found, strict=True))
    ]
    print_lines("planted in real files", *table(whole, fresh, peer=False))
    counts: Counter[str] = Counter()
    seen: dict[tuple[str, str], str] = {}
    for column, first in _with_first(batches(text for _, text in files)):
        for row, spans in findings.find(column).items():
            text = column[row].as_py().encode()
            for kind, start, end in spans:
                counts[kind] += 1
                around = (
                    text[max(0, start - 50) : start].decode("utf-8", "replace"),
                    text[end : end + 20].decode("utf-8", "replace"),
                )
                value = text[start:end].decode("utf-8", "replace")
                seen.setdefault(
                    (kind, value), f"{files[first + row][0]}: {around[0]!r} >>> {value!r} <<< {around[1]!r}"
                )
    distinct = Counter(kind for kind, _ in seen)
    print_lines(
        "found in the files as they are: "
        + ", ".join(f"{kind} {counts[kind]} ({distinct[kind]} distinct)" for kind in counts)
    )
    sample = random.Random(2).sample(sorted(seen.items()), min(show, len(seen)))
    print_lines(*(f"    {kind} {shown}" for (kind, _), shown in sample))


def _with_first(columns: Iterable[pa.LargeStringArray]) -> Iterator[tuple[pa.LargeStringArray, int]]:
    first = 0
    for column in columns:
        yield column, first
        first += len(column)


def parses(text: str) -> bool:
    """Tell whether a text is Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True


def on_python(files: Sequence[tuple[str, str]]) -> None:
    """Print how many Python files parse after redaction, as they are and with everything planted in their strings."""
    chosen = [text for path, text in files if path.endswith(".py")]
    fits = [one.text for one in planted() if not set(one.text) & {"\\", "\r"} and '"""' not in one.text and one.spans]
    every = [
        text + f'\n\nPLANTED = """\n{fits[number % len(fits)]}"""\n{fits[number % len(fits)].rstrip()!r}\n'
        for number, text in enumerate(chosen)
    ]
    for name, texts in (("as they are", chosen), ("with planted secrets", every)):
        before = after = changed = breaks = 0
        for column in batches(texts):
            redacted = redact(column, findings.column(findings.find(column, KINDS), len(column))).to_pylist()
            for old, new in zip(column.to_pylist(), redacted, strict=True):
                if old == new:
                    continue
                changed += 1
                breaks += [char for char in old if char in "\r\n"] != [char for char in new if char in "\r\n"]
                if parses(old):
                    before += 1
                    after += parses(new)
        print_lines(
            f"Python files {name}: {len(texts):,}, redacted {changed:,}; of {before:,} of them that parsed {after:,} still do; "
            f"line breaks changed in {breaks}"
        )


def timed(work: Callable[[Any], Any], columns: Sequence[pa.LargeStringArray], threads: int) -> float:
    """Return MB/s, the best of two."""
    size, best = sum(column.nbytes for column in columns) / 1e6, 0.0
    for _ in range(2):
        with ThreadPoolExecutor(threads) as pool:
            start = time.perf_counter()
            list(pool.map(work, columns))
            best = max(best, size / (time.perf_counter() - start))
    return best


def speed(files: Sequence[tuple[str, str]]) -> None:
    """Print MB/s."""
    columns = batches(text for _, text in files)
    config, ids = PiiConfig(), [pa.array([""] * len(column)) for column in columns]
    numbered = list(zip(ids, columns, strict=True))
    by_column = {id(column): one for one, column in numbered}
    anchors.find(columns[0][:1])
    pa.set_cpu_count(1)
    size = sum(column.nbytes for column in columns) / 1e6
    print_lines(f"speed, {size:,.0f} MB in {len(files):,} files")
    print_lines(
        f"    prefilter: {timed(anchors.find, columns, 1):,.0f} MB/s on one thread, {timed(anchors.find, columns, 2):,.0f} on two"
    )
    for threads in (1, 2):
        rate = timed(lambda column: pii.decide(by_column[id(column)], column, config), columns, threads)
        print_lines(f"    the stage: {rate:,.0f} MB/s on {threads} threads")
    for name, pattern in RE2.items():
        hits = sum(
            pc.sum(pc.if_else(pc.match_substring_regex(one, pattern), pc.binary_length(one), 0)).as_py() or 0
            for one in columns
        )
        rate = timed(lambda column, pattern=pattern: pc.match_substring_regex(column, pattern), columns, 1)
        print_lines(
            f"    RE2, {name}: {rate:,.0f} MB/s on one thread; texts with a match are {hits / 1e6 / size:.1%} of the bytes"
        )


FULL = {
    "e-mail addresses, a line each": "user{0}@mail.kestrelyard.nl\n",
    "e-mail addresses on one line": "user{0}@mail.kestrelyard.nl,",
    "IPv4 addresses": "{1}.{2}.{3}.7 ",
    "keys in assignments": 'api_key = "{4}"\n',
    "passwords in assignments": 'password = "{0}Gran!te"\n',
    "tokens": "gho_{4} ",
    "passwords in URLs": "ftp://up:Gran{0}te!@files.oxbow.dev/ ",
    "the name of a detector": "ibm ",
}
"""What texts are full of; numbers and 36 letters and digits are drawn by a seed."""


def full(mebibytes: int) -> None:
    """Print the seconds for texts that hold nothing but what is looked for."""
    drawn, size = random.Random(3), mebibytes << 20
    letters = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    print_lines(f"texts of {mebibytes} MiB full of")
    for name, piece in FULL.items():
        pieces, length = [], 0
        while length < size:
            octets = drawn.randrange(11, 190), drawn.randrange(100, 250), drawn.randrange(250)
            pieces.append(piece.format(len(pieces), *octets, "".join(drawn.choices(letters, k=36))))
            length += len(pieces[-1])
        column = pa.array(["".join(pieces)[:size]], pa.large_string())
        start = time.process_time()
        spans = findings.find(column)
        found = time.process_time()
        redact(column, findings.column(spans, 1))
        done = time.process_time()
        count = len(spans.get(0, ()))
        print_lines(f"    {name}: {count:,} found in {found - start:.1f} s, replaced in {done - found:.1f} s")


def print_lines(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Print it all."""
    parser = argparse.ArgumentParser(description="Measure redaction.")
    parser.add_argument(
        "folders", nargs="*", type=Path, default=[Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib")]
    )
    parser.add_argument("--gitleaks", default=shutil.which("gitleaks"), metavar="PROGRAM")
    parser.add_argument("--megabytes", type=float, default=300, metavar="MB")
    parser.add_argument("--show", type=int, default=0, metavar="N")
    parser.add_argument("--full", type=int, default=10, metavar="MIB")
    options = parser.parse_args()
    on_planted(options.gitleaks)
    files = read(options.folders, options.megabytes)
    if not files:
        parser.error("no texts below " + ", ".join(map(str, options.folders)))
    on_real(files, options.show)
    on_python(files)
    speed(files)
    full(options.full)


if __name__ == "__main__":
    main()
