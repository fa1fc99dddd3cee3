"""Measures recognition of licence texts: files per second on one core, right, wrong, and wrongly permissive.

Three sets of files, all made from the project's own tables and test data:
  listed    every text of the SPDX list (permissive: the tiers allowed by default)
  real      the licence files of published packages under tests/licenses/data, verdicts read by review
  altered   common permissive texts with one rider, one word with an effect added, or one removed
The peers are askalono and identify_license, run on the same files, one after the other, on the same single core.
Their answer counts as permissive when they name at least one licence and every one named is allowed. `wrong`
counts either error; `wrongly permissive` is the one that must be zero. Reading is included for everybody. A peer's
process start is too, ours is not (a build starts once); each start is printed beside.

Get the peers once:  cargo install askalono-cli ;
  go install github.com/google/licenseclassifier/v2/tools/identify_license@latest
Usage: python bench/licenses.py [--askalono PATH] [--identify-license PATH] [FOLDER...]
FOLDER: more files to measure speed on (no truth known); licence files below it are taken.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from stack_data.licenses import expressions
from stack_data.licenses.texts import find_texts
from tests.licenses.samples import MIT, is_permissive, license_ids, permissive_ids, real_files, spdx_text
from tests.licenses.test_altered import COMMON, EFFECTS, RIDERS

ALLOWED = permissive_ids()
Names = dict[str, list[str]]


@dataclass
class Sample:
    """Files of one set with the truth: path -> whether it is permissive; empty where nobody knows."""

    name: str
    paths: list[Path]
    truth: dict[str, bool]


def write_sample(name: str, folder: Path, texts: list[tuple[str, bool]]) -> Sample:
    """Write texts as files and keep their truth."""
    truth = {}
    (folder / name).mkdir()
    for number, (text, permissive) in enumerate(texts):
        path = folder / name / f"{number:04d}-LICENSE"
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        truth[str(path)] = permissive
    return Sample(name, [Path(path) for path in truth], truth)


def listed() -> list[tuple[str, bool]]:
    """Return the texts of the list."""
    equal = {"Nunit", "StandardML-NJ"}  # the same words as an allowed licence
    return [(spdx_text(name), name in ALLOWED | equal) for name in license_ids() if len(spdx_text(name)) > 60]


def real() -> list[tuple[str, bool]]:
    """Return real files; permissive when all that was read in them by review is."""
    return [
        (file["text"], all(map(allowed_expression, [*file["expressions"], *file["scoped"]]))) for file in real_files()
    ]


def allowed_expression(expression: str) -> bool:
    """Tell whether an expression can be met by allowed licences."""
    return expressions.is_exception(expression) or expressions.is_permissive(expression, ALLOWED.__contains__)


def altered() -> list[tuple[str, bool]]:
    """Return altered permissive texts; none of them is the licence it was."""
    texts = []
    for name in COMMON:
        text = spdx_text(name)
        places = [word.start() for word in re.finditer(r"(?<=\s)[A-Za-z]", text)]
        for number, rider in enumerate(RIDERS):
            paragraphs = re.split(r"\n+", text)
            paragraphs.insert(1 + number % len(paragraphs), rider)
            texts.append("\n\n".join(paragraphs))
        for number, place in enumerate(places[:: max(1, len(places) // 40)]):
            texts.append(f"{text[:place]}{EFFECTS[number % len(EFFECTS)]} {text[place:]}")
        for word in list(re.finditer(r"\b(?:granted|without fee|provided|not|conditions)\b", text))[:20]:
            texts.append(text[: word.start()] + text[word.end() :])
    return [(text, False) for text in texts]


def folder_sample(folders: list[Path]) -> Sample:
    """Return the licence files below folders, one for each distinct content."""
    pattern = re.compile(r"(?i)^(un)?licen[cs]e|^copying|^notice")
    seen: dict[bytes, Path] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if pattern.search(path.name) and path.is_file() and path.suffix not in (".py", ".js", ".json", ".pyc"):
                seen.setdefault(path.read_bytes(), path)
    return Sample("folders", list(seen.values()), {})


def ours(paths: list[Path]) -> dict[str, bool]:
    """Return our verdicts."""
    return {str(path): is_permissive(path.read_text("utf-8", "replace")) for path in paths}


def askalono(binary: str, *options: str) -> Callable[[list[Path]], dict[str, bool]]:
    """Return a function that asks askalono."""

    def ask(paths: list[Path]) -> dict[str, bool]:
        command = [binary, "--format", "json", "identify", "--batch", *options]
        answer = subprocess.run(command, input="\n".join(map(str, paths)) + "\n", text=True, stdout=subprocess.PIPE)
        names: Names = {}
        for line in answer.stdout.splitlines():
            record = json.loads(line)
            result = record.get("result") or {}
            found = [result.get("license"), *(part["license"] for part in result.get("containing", ()))]
            names[record["path"].strip()] = [one["name"] for one in found if one]
        return verdicts(paths, names)

    return ask


def identify_license(binary: str) -> Callable[[list[Path]], dict[str, bool]]:
    """Return a function that asks identify_license."""

    def ask(paths: list[Path]) -> dict[str, bool]:
        names: Names = {}
        with tempfile.NamedTemporaryFile(suffix=".json") as answer:
            command = [binary, "-json", answer.name, "-tasks", "1", *map(str, paths)]
            environment = {**os.environ, "GOMAXPROCS": "1"}
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
            for record in json.loads(Path(answer.name).read_text() or "[]"):
                found = [one["Name"] for one in record["Classifications"] or () if one["Name"] != "Copyright"]
                names[record["Filepath"]] = [{"BSD-0-Clause": "0BSD"}.get(name, name) for name in found]
        return verdicts(paths, names)

    return ask


def verdicts(paths: list[Path], names: Names) -> dict[str, bool]:
    """Return for each path whether something was named and all of it is allowed."""
    found = {str(path): names.get(str(path), []) for path in paths}
    return {path: bool(ids) and all(name in ALLOWED for name in ids) for path, ids in found.items()}


def measure(name: str, ask: Callable[[list[Path]], dict[str, bool]], sample: Sample, reference: float) -> float:
    """Print one row; return files per second."""
    begin = time.perf_counter()
    answers = ask(sample.paths)
    speed = len(sample.paths) / (time.perf_counter() - begin)
    wrong = [path for path, truth in sample.truth.items() if answers[path] != truth]
    permissive = [path for path in wrong if answers[path]]
    right = len(sample.truth) - len(wrong)
    ratio = f"{(reference or speed) / speed:7.1f}x"
    row = f"{sample.name:9}{len(sample.paths):7}  {name:22}{speed:9.0f}{ratio}"
    sys.stdout.write(row + (f"{right:8}{len(wrong):8}{len(permissive):8}\n" if sample.truth else "\n"))
    return speed


def main() -> None:
    """Measure every recogniser on every set."""
    parser = argparse.ArgumentParser(description="Measure recognition of licence texts.")
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--askalono", default=shutil.which("askalono"))
    parser.add_argument("--identify-license", default=shutil.which("identify_license"))
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    peers: list[tuple[str, Callable[[list[Path]], dict[str, bool]]]] = []
    if options.askalono:
        peers += [
            ("askalono", askalono(options.askalono)),
            ("askalono --multiple", askalono(options.askalono, "-m")),
        ]
    if options.identify_license:
        peers.append(("identify_license", identify_license(options.identify_license)))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        samples = [write_sample(make.__name__, folder, make()) for make in (real, altered, listed)]
        begin = time.perf_counter()
        find_texts("start")
        loaded = time.perf_counter()
        is_permissive("License: BSD\n\n" + MIT.replace("publish, distribute, ", ""))
        sys.stdout.write(f"start of ours: {loaded - begin:.2f} s for the tables, ")
        sys.stdout.write(
            f"{time.perf_counter() - loaded:.2f} s for the index, names and the expression library at the first altered text\n"
        )
        for name, ask in peers:
            begin = time.perf_counter()
            ask(samples[0].paths[:1])
            sys.stdout.write(f"start of {name}: {time.perf_counter() - begin:.2f} s\n")
        sys.stdout.write(
            "set        files  recogniser             files/s  ours/it   right   wrong  wrongly permissive\n"
        )
        if options.folders:
            samples.append(folder_sample(options.folders))
        for sample in samples:
            reference = measure("this project", ours, sample, 0.0)
            measure("this project, cached", ours, sample, reference)
            for name, ask in peers:
                measure(name, ask, sample, reference)


if __name__ == "__main__":
    main()
