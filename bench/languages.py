"""Measures language detection on folders of real code, beside go-enry on the same files in the same run.

Prints files and MB per second on one core for both, the share of files on which they agree, and the largest
classes of disagreement (extension, ours, theirs, an example), which is what to read when mending rules.
`--expect EXT=LANGUAGE` (repeatable) measures accuracy instead where the truth is known, for
folders whose files of an extension are all in one language.

Build the peer once:  cd bench/peers/enry && go build -o ENRY .
Usage: python bench/languages.py [FOLDER...]   (default: the packages of this interpreter) [--enry ENRY] [--limit FILES] [--expect .v=Verilog] [--classes 40]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import sysconfig
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from stack_data.languages import detect_languages, is_documentation, is_generated, is_vendored

#: Files beyond this are left out, as a build leaves them out.
MAX_BYTES = 5 << 20
BATCH_BYTES = 64 << 20

Answer = tuple[str, bool, bool, bool]


@dataclass
class Corpus:
    """The files of one folder: paths relative to it and their texts, in batches."""

    root: Path
    paths: list[str]
    batches: list[pa.RecordBatch]
    num_bytes: int


def read_corpus(root: Path, limit: int | None) -> Corpus:
    """Read every text file below a folder, in sorted order."""
    corpus = Corpus(root, [], [], 0)
    paths: list[str] = []
    texts: list[str] = []
    size = 0
    for file in sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink()):
        content = file.read_bytes() if file.stat().st_size <= MAX_BYTES else b""
        relative = str(file.relative_to(root))
        if not content or b"\0" in content or "\n" in relative or "\t" in relative or not relative.isprintable():
            continue
        try:
            texts.append(content.decode())
        except UnicodeDecodeError:
            continue
        paths.append(relative)
        size += len(content)
        corpus.num_bytes += len(content)
        if size > BATCH_BYTES:
            corpus.batches.append(_batch(paths, texts))
            corpus.paths += paths
            paths, texts, size = [], [], 0
        if limit and len(corpus.paths) + len(paths) >= limit:
            break
    corpus.batches.append(_batch(paths, texts))
    corpus.paths += paths
    return corpus


def _batch(paths: list[str], texts: list[str]) -> pa.RecordBatch:
    columns = [pa.array(paths, pa.string()), pa.array(texts, pa.large_string())]
    return pa.RecordBatch.from_arrays(columns, ["path", "text"])


def run_ours(corpus: Corpus) -> tuple[list[Answer], float, float]:
    """Return our answers, the seconds of language detection, and of everything."""
    answers: list[Answer] = []
    detecting = everything = 0.0
    for batch in corpus.batches:
        paths, texts = batch.columns
        begin = time.perf_counter()
        languages = detect_languages(paths, texts)
        detecting += time.perf_counter() - begin
        flags = is_vendored(paths), is_documentation(paths), is_generated(paths, texts)
        everything += time.perf_counter() - begin
        names = [name or "" for name in languages.to_pylist()]
        answers += zip(names, *(flag.to_pylist() for flag in flags), strict=True)
    return answers, detecting, everything


def run_enry(binary: Path, corpus: Corpus) -> tuple[list[Answer], float, float]:
    """Return the peer's answers and seconds, on one core."""
    done = subprocess.run(
        [str(binary.resolve()), str(corpus.root)],
        input="\n".join(corpus.paths) + "\n",
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "GOMAXPROCS": "1"},
    )
    answers: list[Answer] = []
    for row in done.stdout.splitlines():
        language, *flags = row.split("\t")
        vendored, documentation, generated = (flag == "true" for flag in flags)
        answers.append((language, vendored, documentation, generated))
    detecting, everything = map(float, done.stderr.split())
    return answers, detecting, everything


def suffix(path: str) -> str:
    """Return what to file a path under: its extension, or its name without one."""
    name = path.rsplit("/", 1)[-1]
    return "." + name.rsplit(".", 1)[-1].lower() if "." in name else name


def report_speed(label: str, corpus: Corpus, detecting: float, everything: float) -> None:
    """Print one line of the speed table."""
    megabytes = corpus.num_bytes / 1e6
    sys.stdout.write(
        f"{label:8s} language {detecting:7.2f} s {len(corpus.paths) / detecting:9.0f} files/s "
        f"{megabytes / detecting:7.0f} MB/s | with vendored, documentation, generated {everything:7.2f} s "
        f"{megabytes / everything:7.0f} MB/s\n"
    )


def report_differences(corpus: Corpus, ours: list[Answer], theirs: list[Answer], num_classes: int) -> None:
    """Print agreement per question and the largest classes of disagreement."""
    for place, question in enumerate(("language", "vendored", "documentation", "generated")):
        classes: Counter[tuple[str, object, object]] = Counter()
        examples: dict[tuple[str, object, object], str] = {}
        for path, our, their in zip(corpus.paths, ours, theirs, strict=True):
            if our[place] != their[place]:
                difference = (suffix(path), our[place], their[place])
                classes[difference] += 1
                examples.setdefault(difference, path)
        share = 1 - classes.total() / max(1, len(ours))
        sys.stdout.write(f"{question}: {share:.4%} agree, {classes.total()} differ\n")
        for (extension, our, their), count in classes.most_common(num_classes):
            example = examples[extension, our, their]
            sys.stdout.write(f"  {count:6d} {extension:14s} ours {our!s:22s} theirs {their!s:22s} {example}\n")


def report_truth(corpus: Corpus, label: str, answers: list[Answer], truth: dict[str, str]) -> None:
    """Print how many files of each extension got the language they are known to be in."""
    for extension, language in truth.items():
        found = Counter(
            answer[0] for path, answer in zip(corpus.paths, answers, strict=True) if suffix(path) == extension
        )
        if found:
            share = found[language] / found.total()
            others = ", ".join(f"{name or 'none'} {count}" for name, count in found.most_common(6) if name != language)
            sys.stdout.write(f"{label:5s} {extension:7s} {language:18s} {share:8.2%} of {found.total():6d}  {others}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, default=[Path(sysconfig.get_paths()["purelib"])])
    parser.add_argument("--enry", type=Path, help="the peer's binary")
    parser.add_argument("--limit", type=int, help="at most so many files of each folder")
    parser.add_argument("--classes", type=int, default=40, help="how many classes of disagreement to print")
    parser.add_argument("--expect", action="append", default=[], metavar="EXT=LANGUAGE")
    arguments = parser.parse_args()
    truth = dict(pair.split("=", 1) for pair in arguments.expect)
    pa.set_cpu_count(1)
    for folder in arguments.folders:
        corpus = read_corpus(folder, arguments.limit)
        sys.stdout.write(f"\n{folder}: {len(corpus.paths)} files, {corpus.num_bytes / 1e6:.0f} MB\n")
        ours, *seconds = run_ours(corpus)
        report_speed("ours", corpus, *seconds)
        theirs: list[Answer] = []
        if arguments.enry:
            theirs, *peer_seconds = run_enry(arguments.enry, corpus)
            report_speed("go-enry", corpus, *peer_seconds)
            ratios = [their / our for our, their in zip(seconds, peer_seconds, strict=True)]
            sys.stdout.write(f"ratio    language {ratios[0]:.1f}x, everything {ratios[1]:.1f}x\n")
            report_differences(corpus, ours, theirs, arguments.classes)
        report_truth(corpus, "ours", ours, truth)
        if theirs:
            report_truth(corpus, "peer", theirs, truth)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
