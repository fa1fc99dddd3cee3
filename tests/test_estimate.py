"""`build --dry-run`: a sample that is everything tells what the build will come to; a smaller one comes near it."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

import pytest

from stack_data.config_file import load
from stack_data.estimate import Estimate, dry_run
from stack_data.fold import Attrition
from stack_data.report.estimate import estimate_text
from stack_data.sources import kinds
from tests.corpus import MIT, fairstack, make, write_config


def estimated(config: Path, sample_bytes: int = 10**9, **values: object) -> Estimate:
    overrides = [
        f'run.builds="{config.parent}/build"',
        *(f"{key.replace('__', '.')}={value}" for key, value in values.items()),
    ]
    return dry_run(load(config, overrides), config.parent, sample_bytes)


def many_files(root: Path) -> Path:
    """Write a folder of 600 files: three in six are ordinary, two generated, one in no language."""
    chosen = random.Random(1)
    (root / "code").mkdir(parents=True)
    (root / "code" / "LICENSE").write_text(MIT)
    for number in range(600):
        lines = [f"value_{chosen.randint(0, 10**6)} = compute({chosen.randint(0, 10**6)})" for _ in range(40)]
        head = ["# automatically generated"] if number % 6 in (1, 2) else []
        ending = "unknownending" if number % 6 == 0 else "py"
        (root / "code" / f"f{number}.{ending}").write_text("\n".join([*head, *lines]) + "\n")
    path = root / "many.toml"
    path.write_text('name = "many"\n[[source]]\nname = "code"\nkind = "directory"\npath = "code"\n')
    return path


def test_a_sample_of_everything_is_the_build(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    found = estimated(config)
    assert list((tmp_path / "build").iterdir()) == []  # nothing of it stays
    built = make(config)
    expected = {one.reason: (one.num_files, one.num_bytes) for one in built.fold.attrition}
    assert {one.reason: (one.num_files, one.num_bytes) for one in found.attrition} == expected
    assert found.kept == (built.fold.kept.num_rows, built.kept_bytes)
    assert found.entries == (built.fold.num_entries, built.fold.num_entry_bytes)
    assert {one.factor for one in found.sources} == {1.0}
    assert found.failures == {}


def test_a_small_sample_comes_near(tmp_path: Path) -> None:
    config = many_files(tmp_path)
    size = sum(path.stat().st_size for path in (tmp_path / "code").iterdir())
    found = estimated(config, size // 3)
    (source,) = found.sources
    assert 2 < source.factor < 5
    counts = {one.reason: one.num_files for one in found.attrition}
    # The licence file is always read and stands for itself alone.
    assert counts["file_name"] == 1
    assert found.entries[0] == pytest.approx(601, abs=12)
    assert found.entries[1] == pytest.approx(size, rel=0.02)
    assert found.kept[0] == pytest.approx(300, abs=70)
    assert counts["generated_phrase"] == pytest.approx(200, abs=60)
    assert sum(found.seconds.values()) > 0
    assert found.disk[0] > 10_000
    assert found.memory > 10_000_000


def test_repositories_are_drawn_whole(tmp_path: Path) -> None:
    for number in range(12):
        folder = tmp_path / "mirrors" / f"r{number:02d}"
        folder.mkdir(parents=True)
        (folder / "LICENSE").write_text(MIT)
        (folder / "a.py").write_text(f"def number_{number}():\n    return {number}\n" * 5)
        for words in (
            ["init", "-q"],
            ["add", "-A"],
            ["-c", "user.name=T", "-c", "user.email=t@e", "commit", "-qm", "x"],
        ):
            subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)
    config = tmp_path / "repos.toml"
    config.write_text('name = "repos"\n[[source]]\nname = "repos"\nkind = "git"\nmirrors = "mirrors"\n')
    found = estimated(config, 1600)
    (source,) = found.sources
    # A repository has no listing before it is read, and counts as a sixteenth of the sample.
    assert (source.num_units, source.sampled_units) == (12, 12)
    assert found.kept[0] == 12


def test_the_text_says_what_is_needed_and_kept() -> None:
    found = Estimate(
        (), (100, 5_000_000), (Attrition("fetch", "binary", 40, 1_000_000),), (60, 4_000_000), {"fetch": 7200.0, "near": 60.0},
        (3_000_000, 4_000_000), 700_000_000, 2, 64_000_000, {"x": "no such folder"},
    )  # fmt: skip
    text = estimate_text(found)
    for line in (
        "missing: x: no such folder", "time: 2.0 h with 2 workers (fetch 2.0 h, near 60 s)",
        "disk: 3.0 MB when it is done, 4.0 MB more while it runs", "memory: 700 MB", "about 60 of 100 files would be kept, 4.0 MB",
    ):  # fmt: skip
        assert line in text


def test_the_command_prints_it_and_writes_nothing(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    (tmp_path / "build" / ".dry-run-killed").mkdir(parents=True)
    words = ["data", "build", config, "--dry-run", "--set", f'run.builds="{tmp_path}/build"']
    done = fairstack(*words, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kept"] > 0
    done = fairstack(*words)
    assert done.stdout.splitlines()[-1].startswith("dry run: about ")
    assert list((tmp_path / "build").iterdir()) == []
    done = fairstack(*words, "--sample", "0")
    assert done.returncode != 0
    assert "--sample MB" in done.stderr
    for wrong in (["--sample", "nan"], ["--sample", "inf"]):
        assert "--sample MB" in fairstack(*words, *wrong).stderr
    words.remove("--dry-run")
    assert "belongs to --dry-run" in fairstack(*words, "--sample", "5").stderr


def test_a_source_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    config.write_text(config.read_text() + '\n[[source]]\nname = "gone"\nkind = "directory"\npath = "nowhere"\n')
    done = fairstack("data", "build", config, "--dry-run", "--set", f'run.builds="{tmp_path}/build"')
    assert done.returncode == 1
    assert "missing: gone: " in done.stdout


def test_the_edges_nothing_dropped_and_nothing_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "LICENSE").write_text(MIT)
    config = tmp_path / "all.toml"
    config.write_text(
        'name = "all"\n[[source]]\nname = "code"\nkind = "directory"\npath = "code"\n[filter]\nprofile = "none"\n'
    )
    asked: list[str] = []
    resolve = kinds.resolve
    monkeypatch.setattr(
        kinds, "resolve", lambda source, context: (asked.append(source.name), resolve(source, context))[1]
    )
    found = estimated(config)
    assert (found.entries, found.kept, found.attrition) == ((1, len(MIT)), (1, len(MIT)), ())
    assert asked == ["code"]  # a registry or a forge is asked once, however many samples are built
    (tmp_path / "code" / "LICENSE").unlink()
    assert estimated(config).entries == (0, 0)
    (tmp_path / "code").rmdir()
    found = estimated(config)
    assert (found.entries, found.kept) == ((0, 0), (0, 0))
    assert "code" in found.failures
    assert "missing: code" in estimate_text(found)
