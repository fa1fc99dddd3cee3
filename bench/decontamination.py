"""Times decontamination and counts what it finds and what it flags wrongly; the lexer is timed too.

Run: python bench/decontamination.py [FOLDER...] [--workers N]    default: the standard library and the site-packages of this Python.
Corpus: every distinct text file of the folders. HumanEval is none of theirs, so every file that is flagged is printed: a few are
algorithms that everybody writes alike. Planted: each solution of HumanEval, in the middle of a real file after a line of its
own, verbatim, laid out anew (quotes, comments, a docstring between the lines, spaces, parentheses) and with every name of its own
renamed. The peer is a linear scan for every string over every text, lower-cased, as BigCode's scripts do; its texts are a sample.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import functools
import random
import re
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from stack_data.config import DecontaminationConfig
from stack_data.decontamination.benchmarks import Benchmarks, load, make_benchmarks
from stack_data.decontamination.items import shipped_humaneval
from stack_data.search.families import family_of
from stack_data.search.lexer import NAME, lex, lexemes
from stack_data.stages.decontamination import decide

RUNS = 5
MAX_BYTES = 10 << 20
ROW_GROUP = 1000


def read_texts(folders: Iterable[Path]) -> dict[Path, str]:
    """Return the distinct UTF-8 texts below folders."""
    texts: dict[str, Path] = {}
    for path in sorted(path for folder in folders for path in folder.rglob("*")):
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_BYTES:
            continue
        raw = path.read_bytes()
        if b"\0" not in raw and raw.strip():
            try:
                texts.setdefault(raw.decode(), path)
            except UnicodeDecodeError:
                continue
    return {path: text for text, path in texts.items()}


def groups_of(texts: list[str]) -> list[pa.Array]:
    return [pa.array(texts[first : first + ROW_GROUP], pa.large_string()) for first in range(0, len(texts), ROW_GROUP)]


def decide_all(groups: list[pa.Array], benchmarks: Benchmarks, workers: int) -> list[pa.Table]:
    def one(group: pa.Array) -> pa.Table:
        return decide(pa.array([""] * len(group)), group, benchmarks)

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(one, groups))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def rates_of(work: Callable[[], object], megabytes: float, runs: int = RUNS) -> str:
    """Return the best rate of several runs, as time passed and per second of processor: the machine may have other work."""
    walls, processors = [], []
    for _ in range(runs):
        wall, processor = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    return f"{megabytes / min(walls):.0f} MB/s ({megabytes / min(processors):.0f} MB per second of processor)"


def print_speed(groups: list[pa.Array], megabytes: float, benchmarks: Benchmarks, workers: int) -> list[pa.Table]:
    python = family_of("Python")
    lex(groups[0], python), lexemes(groups[0])
    say(f"lexer, code view, one thread: {rates_of(lambda: [lex(group, python) for group in groups], megabytes)}")
    say(f"lexer, lexemes, one thread: {rates_of(lambda: [lexemes(group) for group in groups], megabytes)}")
    decided = decide_all(groups, benchmarks, workers)
    for count in sorted({1, workers}):
        rates = rates_of(functools.partial(decide_all, groups, benchmarks, count), megabytes)
        say(f"decontamination, {count} thread{'' if count == 1 else 's'}: {rates}")
    return decided


def print_peer(texts: list[str]) -> None:
    """Time a scan of a sample for each docstring, prompt and solution by itself."""
    strings = sorted({text.strip().lower() for item in shipped_humaneval() for _, text in item.parts if text.strip()})
    sample = random.Random(1).sample(texts, min(len(texts), 1500))
    size = sum(len(text.encode()) for text in sample) / 1e6

    def scan() -> int:
        return sum(any(string in lowered for string in strings) for lowered in map(str.lower, sample))

    say(
        f"linear substring scan of {len(strings)} strings, one thread: {rates_of(scan, size, 1)}; layout and names must be equal"
    )


def print_flags(paths: list[Path], decided: list[pa.Table], benchmarks: Benchmarks) -> None:
    found = [one for table in decided for one in table["found"].to_pylist()]
    flagged = [(path, items) for path, items in zip(paths, found, strict=True) if items]
    counts = tokens_of(benchmarks)
    short_only = sum(
        all(one["part"] == "solution" and counts[one["item"]] < 16 for one in items) for _, items in flagged
    )
    say(f"unrelated files flagged: {len(flagged)} of {len(paths)} ({len(flagged) / len(paths):.3%})")
    say(f"  of these only by a solution of 8 to 15 tokens: {short_only} ({short_only / len(paths):.3%})")
    for path, items in flagged:
        for one in items:
            place = f"{'/'.join(path.parts[-4:])} line {one['line']}"
            say(
                f"  {place}: {one['benchmark']} {one['item']} {one['part']} {one['how']}, {counts.get(one['item'])} tokens"
            )
    short = {one.item for one in make_benchmarks(shipped_humaneval(), 16, 8).unchecked}
    say(f"solutions that nothing looks for: {len(short)}: {', '.join(sorted(short))}")


def laid_out_anew(solution: str, chosen: random.Random) -> str:
    """Return a body with other quotes, blank lines, comments, a docstring and spaces, and parentheses where a formatter puts some."""
    lines = []
    for line in ast.unparse(ast.parse(f"def f():\n{solution}")).split("\n")[1:]:
        line = re.sub(r"^( *)return (.+)$", r"\1return (\n\1    \2\n\1)", line)
        if '"' not in line and "\\" not in line:
            line = line.replace("'", '"')
        line = line.replace(", ", " ,").replace(" = ", "=")
        lines += [line, *chosen.choice([[], [""], ["    # why, 'so'"]])]
    return "\n".join(['    """Does it."""', *lines, ""])


def renamed(solution: str) -> str:
    """Return a body with every name replaced, one to one, but those of builtins, imports and attributes."""
    raw, known = solution.encode(), dict[bytes, bytes]()
    tokens = lex(pa.array([solution]), family_of("Python"))
    pieces, last = [], 0
    imported = set(re.findall(rb"import (\w+)", raw))
    for start, end, kind in zip(tokens.starts.tolist(), tokens.ends.tolist(), tokens.kinds.tolist(), strict=True):
        name = raw[start:end]
        is_own = (
            kind == NAME
            and raw[start - 1 : start] != b"."
            and name not in imported
            and not hasattr(builtins, name.decode())
        )
        pieces += [raw[last:start], known.setdefault(name, b"v%d_x" % len(known)) if is_own else name]
        last = end
    return b"".join([*pieces, raw[last:]]).decode()


def plant(host: str, body: str, chosen: random.Random) -> str:
    """Return a file with a function of a given body between two of its top-level lines."""
    lines = host.split("\n")
    places = [number for number, line in enumerate(lines) if re.match(r"(def|class|import|from) ", line)]
    at = chosen.choice(places or [0])
    return "\n".join([*lines[:at], "def planted(a, b):", body.strip("\n"), "", *lines[at:]])


def tokens_of(benchmarks: Benchmarks) -> dict[str, int]:
    """Return the code tokens of each solution."""
    return {
        one.item: size
        for table, parts in benchmarks.solutions
        for one, size in zip(parts, table.num_code_tokens.tolist(), strict=True)
    }


def print_planted(texts: dict[Path, str], benchmarks: Benchmarks) -> None:
    chosen = random.Random(7)
    hosts = [text for path, text in texts.items() if path.suffix == ".py" and 2_000 < len(text) < 60_000]
    counts = tokens_of(benchmarks)
    found, total = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for item in shipped_humaneval():
        solution = dict(item.parts)["solution"]
        size = (
            "16 tokens or more" if counts[item.item] >= 16 else "8 to 15 tokens" if counts[item.item] >= 8 else "fewer"
        )
        for change, body in (
            ("verbatim", solution), ("reformatted", laid_out_anew(solution, chosen)), ("renamed", renamed(solution)),
        ):  # fmt: skip
            text = plant(chosen.choice(hosts), body, chosen)
            table = decide(pa.array([""]), pa.array([text], pa.large_string()), benchmarks)
            names = [one["item"] for one in table["found"].to_pylist()[0]]
            found[size, change] += item.item in names
            total[size, change] += 1
            if item.item not in names and size == "16 tokens or more":
                say(f"  missed: {item.item} {change}\n{body}")
    for key in sorted(total):
        say(f"planted in real files, {key[0]}, {key[1]}: {found[key]} of {total[key]} found")


def main() -> None:
    """Print everything."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("folders", nargs="*", type=Path)
    options.add_argument("--workers", type=int, default=2)
    chosen = options.parse_args()
    paths = sysconfig.get_paths()
    texts = read_texts(chosen.folders or [Path(paths["stdlib"]), Path(paths["purelib"])])
    groups = groups_of(list(texts.values()))
    megabytes = sum(len(text.encode()) for text in texts.values()) / 1e6
    say(f"{len(texts):,} files, {megabytes:.0f} MB, {chosen.workers} threads")
    benchmarks = load(DecontaminationConfig(), Path())
    decided = print_speed(groups, megabytes, benchmarks, chosen.workers)
    print_peer(list(texts.values()))
    print_flags(list(texts), decided, benchmarks)
    print_planted(texts, benchmarks)


if __name__ == "__main__":
    main()
