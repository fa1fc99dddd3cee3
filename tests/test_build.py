"""Whole builds of a small real corpus: what is kept and why, equal bytes, kills, failures, and what users see."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stack_data.build import BuildResult, build
from stack_data.config_file import load
from stack_data.errors import ConfigError, StaleBuildError
from stack_data.reasons import Reason
from stack_data.release.notices import notice_path
from stack_data.verify import verify
from stack_data.why import explain, why
from tests.corpus import fairstack, make, write_config


def identity(release: Path) -> str:
    return hashlib.sha256((release / "manifest.json").read_bytes()).hexdigest()


def released(release: Path) -> dict[str, dict[str, object]]:
    rows = [row for path in release.glob("data/*/*.parquet") for row in pq.read_table(path).to_pylist()]
    return {row["path"]: row for row in rows}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuildResult:
    return make(write_config(tmp_path_factory.mktemp("corpus")))


def reasons_of(built: BuildResult) -> dict[str, str | None]:
    names = ("a.py", "gpl_header.c", "latin.py", "third_party/bare/c.c", "logo.png", "blank.py", "model.bin.txt", "noise.dat.py",
             "what.unknownending", "generated.py", "analysis.ipynb", "broken.ipynb",
             "g.py", "u.py", "n.py", "index.js", "shared.py", "lib/b.c", "unicode.py")  # fmt: skip
    return {name: why(built.folder, name)[0]["reason"] for name in names}


def test_every_file_has_its_reason(built: BuildResult) -> None:
    assert reasons_of(built) == {
        "a.py": None, "latin.py": None, "index.js": None, "lib/b.c": None, "unicode.py": None,
        "gpl_header.c": "license_not_permissive", "third_party/bare/c.c": "no_license", "logo.png": "binary",
        "blank.py": "empty", "model.bin.txt": "lfs_pointer", "noise.dat.py": "undecodable",
        "what.unknownending": "unknown_language", "g.py": "license_not_permissive", "u.py": "no_license",
        "n.py": "license_unknown", "shared.py": "license_elsewhere", "generated.py": "generated_phrase",
        "analysis.ipynb": None, "broken.ipynb": "notebook_unreadable",
    }  # fmt: skip


def test_a_release_holds_what_is_kept_with_all_its_places(built: BuildResult) -> None:
    assert built.release is not None
    rows = released(built.release)
    assert set(rows) == {"analysis.ipynb", "a.py", "lib/b.c", "latin.py", "unicode.py", "package.json", "index.js"}
    assert rows["a.py"]["num_provenances"] == 2
    assert rows["lib/b.c"]["num_provenances"] == 2
    places = [row for path in built.release.glob("provenance/*/*.parquet") for row in pq.read_table(path).to_pylist()]
    assert [row["relation"] for row in places if row["content_id"] == rows["a.py"]["content_id"]] == ["self", "exact"]
    assert (
        rows["latin.py"]["content"]
        == "# Gr\u00fc\u00dfe an alle, Stra\u00dfe, \u00dcbung, sch\u00f6n\nx = 'caf\u00e9'\n"
    )
    assert rows["latin.py"]["encoding"] != "utf-8"
    notebook = rows["analysis.ipynb"]
    assert notebook["content"] == "# What is it?\n\nanswer = 42\n"
    assert (notebook["conversion"], notebook["language"], notebook["length_bytes"]) == (
        "notebook-1",
        "Jupyter Notebook",
        27,
    )
    assert rows["index.js"]["detected_licenses"] == ["Apache-2.0"]
    assert rows["a.py"]["near_duplicate_cluster"] is None
    assert verify(built.folder).problems == []


def test_notices_carry_texts_and_copyright_lines(built: BuildResult) -> None:
    assert built.release is not None
    notice = (built.release / notice_path("directory", "-", "permissive")).read_text()
    assert "Permission is hereby granted" in notice
    # a.py stands in two folders; it is displayed, and its copyright line noted, where it ranks first.
    assert "Copyright 2019 Jane Doe" in (built.release / notice_path("directory", "-", "other")).read_text()
    texts = pq.read_table(built.release / "notices/texts.parquet").to_pylist()
    assert [text["expression"] for text in texts] == ["MIT"]
    assert texts[0]["copyrights"] == ["Copyright (c) 2020 Jane Doe"]


def test_the_ledger_lists_dropped_contents_once(built: BuildResult) -> None:
    assert built.release is not None
    rows = [row for path in (built.release / "ledger").glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    assert len({row["content_id"] for row in rows}) == len(rows)
    assert {row["reason"] for row in rows} == {
        "no_license", "license_unknown", "license_not_permissive", "license_elsewhere", "unknown_language",
        "file_name", "generated_phrase", "notebook_unreadable",
    }  # fmt: skip


def test_the_attrition_adds_up(built: BuildResult) -> None:
    fold = built.fold
    assert fold.num_entries == sum(one.num_files for one in fold.attrition) + fold.kept.num_rows


def test_the_same_bytes_in_two_sources_are_kept_once(built: BuildResult) -> None:
    repeated = {one.reason: one.num_files for one in built.fold.attrition}
    # lib/same.c inside one source; LICENSE texts, a.py and shared.py across sources.
    assert repeated[Reason.EXACT_DUPLICATE.value] == 3


def test_any_place_is_enough_when_the_policy_says_so(tmp_path: Path) -> None:
    result = make(write_config(tmp_path), license__places="any")
    assert why(result.folder, "shared.py")[0]["reason"] is None


def test_a_language_over_its_budget_is_sampled(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    whole = make(config, filter__profile="none")
    sizes = {row["content_id"]: row["text_bytes"] for row in whole.fold.kept.to_pylist() if row["language"] == "Python"}
    budget = sum(sizes.values()) - 1
    sampled = make(config, "sampled", filter__profile="none", filter__languages__Python__max_language_bytes=budget)
    kept = {
        row["content_id"]: row["text_bytes"] for row in sampled.fold.kept.to_pylist() if row["language"] == "Python"
    }
    assert sum(kept.values()) <= budget
    assert kept.items() < sizes.items()
    (left_out,) = sizes.keys() - kept.keys()
    (story,) = why(sampled.folder, left_out)
    assert story["reason"] == Reason.LANGUAGE_OVER_BUDGET.value
    assert "draw by content" in explain(story)


def test_filters_can_be_changed_and_switched_off(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    result = make(config, filter__profile="none")
    assert {why(result.folder, name)[0]["reason"] for name in ("generated.py", "broken.ipynb")} == {None}
    with pytest.raises(StaleBuildError, match="--anew filter"):
        make(config, filter__profile="the-stack")
    with pytest.raises(ConfigError, match="no Linguist language; did you mean 'Python'"):
        make(config, "other", filter__languages__Pyton__max_lines=1)


def test_languages_can_be_selected(tmp_path: Path) -> None:
    result = make(write_config(tmp_path), language__only='["Python"]')
    assert why(result.folder, "lib/b.c")[0]["reason"] == Reason.LANGUAGE_NOT_SELECTED.value
    assert result.release is not None
    assert [path.name for path in (result.release / "data").iterdir()] == ["python"]


def test_the_same_build_elsewhere_with_other_workers_is_the_same_bytes(tmp_path: Path, built: BuildResult) -> None:
    assert built.release is not None
    for workers in (1, 2, 5):
        folder = tmp_path / str(workers)
        folder.mkdir()
        # The sources' own paths are part of what was locked, so the folders are those of the first build.
        config = load(built.folder.parent.parent / "small.toml", [f'run.builds="{folder}"', f"run.workers={workers}"])
        result = build(config, built.folder.parent.parent)
        assert result.release is not None
        assert identity(result.release) == identity(built.release)


def test_a_finished_build_is_skipped(built: BuildResult) -> None:
    before = {path: path.stat().st_mtime_ns for path in built.folder.rglob("*.parquet")}
    make(built.folder.parent.parent / "small.toml")
    assert {path: path.stat().st_mtime_ns for path in built.folder.rglob("*.parquet")} == before


KILLS = int(os.environ.get("FAIRSTACK_KILLS", "5"))
"""How often the build is killed; 50 and more are run by hand."""


def test_a_build_killed_at_any_moment_goes_on_to_the_same_bytes(tmp_path: Path, built: BuildResult) -> None:
    assert built.release is not None
    root = built.folder.parent.parent
    words = [sys.executable, "-m", "fairstack", "data", "build", "small.toml", "--set", f'run.builds="{tmp_path}"']
    seeded = random.Random(7)
    started = time.monotonic()
    subprocess.run(words, cwd=root, check=True, capture_output=True)
    whole = time.monotonic() - started
    shutil.rmtree(tmp_path / "small")
    for _ in range(KILLS):
        process = subprocess.Popen(words, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seeded.uniform(0.2, 1.0) * whole)
        process.send_signal(signal.SIGKILL)
        process.wait()
        # Some go on, some make the release again, some begin from nothing, so that kills fall into every step.
        shutil.rmtree(tmp_path / seeded.choice(["nothing", "small/releases", "small"]), ignore_errors=True)
    subprocess.run(words, cwd=root, check=True, capture_output=True)
    assert identity(tmp_path / "small/releases/1.0.0") == identity(built.release)
    assert verify(tmp_path / "small").problems == []
    assert [path.name for path in (tmp_path / "small").rglob(".*")] == [".lock"]


KILLED_AT_A_WRITE = """
import itertools, os, pathlib, signal, sys
wanted, before = int(sys.argv.pop(1)), sys.argv.pop(1) == "before"
real, numbers = pathlib.Path.rename, itertools.count(1)
def rename(path, target):
    number = next(numbers)
    if number == wanted and before:
        os.kill(os.getpid(), signal.SIGKILL)
    real(path, target)
    if number == wanted:
        os.kill(os.getpid(), signal.SIGKILL)
pathlib.Path.rename = rename
import fairstack
status = fairstack.main(sys.argv[1:])
print("writes", next(numbers) - 1)
sys.exit(status)
"""


def test_a_build_killed_at_any_write_goes_on_to_the_same_bytes(tmp_path: Path, built: BuildResult) -> None:
    """Not by the clock: just before or after a file gets its name, spread over all files that a build writes."""
    assert built.release is not None
    root = built.folder.parent.parent

    def run(number: int, when: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-c", KILLED_AT_A_WRITE, str(number), when]
        words += ["data", "build", "small.toml", "--set", f'run.builds="{tmp_path}"']
        return subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)

    done = run(10**6, "after")
    writes = int(done.stdout.rpartition("writes ")[2])
    assert writes > 50
    for kill in range(KILLS):
        shutil.rmtree(tmp_path / "small")
        number = 1 + (kill * writes) // KILLS
        killed = run(number, "before" if kill % 2 else "after")
        assert killed.returncode == -signal.SIGKILL
        done = run(10**6, "after")
        assert done.returncode == 0, done.stderr
        assert identity(tmp_path / "small/releases/1.0.0") == identity(built.release), number
    assert verify(tmp_path / "small").problems == []


def test_a_failing_source_is_recorded_and_filled_later_without_renumbering(tmp_path: Path, built: BuildResult) -> None:
    assert built.release is not None
    root = built.folder.parent.parent
    hidden = root / "copyleft-away"
    (root / "copyleft").rename(hidden)
    try:
        done = fairstack("data", "build", "small.toml", "--set", f'run.builds="{tmp_path}"', cwd=root)
    finally:
        hidden.rename(root / "copyleft")
    assert done.returncode == 1
    assert "missing: copyleft" in done.stdout
    assert "tries again" in done.stdout
    assert "release: none while sources are missing" in done.stdout
    assert "copyleft" in (tmp_path / "small/report.txt").read_text()
    assert "copyleft" in (tmp_path / "small/report.html").read_text()
    kept = {path.name: path.read_bytes() for path in (tmp_path / "small/files").glob("*.parquet")}
    done = fairstack("data", "build", "small.toml", "--set", f'run.builds="{tmp_path}"', cwd=root)
    assert done.returncode == 0, done.stderr
    assert all((tmp_path / "small/files" / name).read_bytes() == content for name, content in kept.items())
    assert identity(tmp_path / "small/releases/1.0.0") == identity(built.release)


def test_a_licence_stated_without_its_text_gets_the_lists(built: BuildResult) -> None:
    """The folder `other` states Apache-2.0 in its manifest and has no licence file."""
    assert built.release is not None
    notice = (built.release / notice_path("directory", "-", "other")).read_text()
    assert "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION" in notice
    assert "without its text" in notice


def test_verify_sees_a_flipped_byte_a_missing_and_an_extra_file(tmp_path: Path) -> None:
    result = make(write_config(tmp_path))
    assert result.release is not None
    copy = tmp_path / "copied away"
    shutil.copytree(result.release, copy)
    assert verify(copy).problems == []
    (copy / "README.md").write_text("other")
    (copy / "stray").write_text("x")
    next((copy / "ledger").iterdir()).unlink()
    problems = "\n".join(verify(copy).problems)
    assert "README.md: its bytes" in problems
    assert "stray: not in the manifest" in problems
    assert "missing" in problems


def test_why_explains_kept_and_dropped_files(built: BuildResult) -> None:
    kept = explain(why(built.folder, "index.js")[0])
    assert "kept" in kept
    assert "metadata Apache-2.0 in package.json" in kept
    dropped = explain(why(built.folder, "n.py")[0])
    assert "license_unknown" in dropped
    assert "LICENSE" in dropped
    identifier = str(why(built.folder, "index.js")[0]["content_id"])
    assert why(built.folder, identifier[:10])[0]["content_id"] == identifier


def test_datasets_loads_a_release(built: BuildResult, tmp_path: Path) -> None:
    import datasets

    datasets.disable_progress_bars()
    data = datasets.load_dataset(str(built.release), cache_dir=str(tmp_path))
    assert sum(split.num_rows for split in data.values()) == 7
    python = datasets.load_dataset(str(built.release), "python", cache_dir=str(tmp_path))
    assert {row["language"] for split in python.values() for row in split} == {"Python"}


def test_json_output_is_for_machines(built: BuildResult) -> None:
    done = fairstack("data", "report", built.folder, "--json")
    assert json.loads(done.stdout)["kept"] == 7
    done = fairstack("data", "why", built.folder, "u.py", "--json")
    assert json.loads(done.stdout)["reason"] == "no_license"


def test_the_croissant_file_is_valid_and_its_records_can_be_read(built: BuildResult) -> None:
    # A process of its own: mlcroissant's dependencies warn, and warnings are errors here.
    script = (
        "import sys, mlcroissant\n"
        "data = mlcroissant.Dataset(sys.argv[1])\n"
        "assert not data.metadata.ctx.issues.errors, data.metadata.ctx.issues.report()\n"
        "print(sum(1 for _ in data.records('python')))\n"
    )
    assert built.release is not None
    done = subprocess.run(
        [sys.executable, "-c", script, str(built.release / "croissant.json")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "3"
