"""Whole builds of a small real corpus: what is kept and why, equal bytes, kills, failures, and what users see."""

from __future__ import annotations

import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stack_data import storage
from stack_data.build import BuildResult, build
from stack_data.config_file import load
from stack_data.errors import ConfigError, InputError, StaleBuildError
from stack_data.reasons import Reason
from stack_data.verify import verify
from stack_data.why import explain, why
from tests.corpus import MIT, fairstack, write_config


def make(config: Path, **values: str) -> BuildResult:
    overrides = [f"{key.replace('__', '.')}={value}" for key, value in values.items()]
    return build(load(config, [f'run.builds="{config.parent}/build"', *overrides]), config.parent)


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
             "what.unknownending", "g.py", "u.py", "n.py", "index.js", "shared.py", "lib/b.c", "unicode.py")  # fmt: skip
    return {name: why(built.folder, name)[0]["reason"] for name in names}


def test_every_file_has_its_reason(built: BuildResult) -> None:
    assert reasons_of(built) == {
        "a.py": None, "latin.py": None, "index.js": None, "lib/b.c": None, "unicode.py": None,
        "gpl_header.c": "license_not_permissive", "third_party/bare/c.c": "no_license", "logo.png": "binary",
        "blank.py": "empty", "model.bin.txt": "lfs_pointer", "noise.dat.py": "undecodable",
        "what.unknownending": "unknown_language", "g.py": "license_not_permissive", "u.py": "no_license",
        "n.py": "license_unknown", "shared.py": "license_elsewhere",
    }  # fmt: skip


def test_a_release_holds_what_is_kept_with_all_its_places(built: BuildResult) -> None:
    assert built.release is not None
    rows = released(built.release)
    assert set(rows) == {"LICENSE", "a.py", "lib/b.c", "latin.py", "unicode.py", "package.json", "index.js"}
    assert rows["a.py"]["num_provenances"] == 2
    assert rows["lib/b.c"]["num_provenances"] == 2
    assert (
        rows["latin.py"]["content"]
        == "# Gr\u00fc\u00dfe an alle, Stra\u00dfe, \u00dcbung, sch\u00f6n\nx = 'caf\u00e9'\n"
    )
    assert rows["latin.py"]["encoding"] != "utf-8"
    assert rows["index.js"]["detected_licenses"] == ["Apache-2.0"]
    assert rows["a.py"]["near_duplicate_cluster"] is None
    assert verify(built.folder).problems == []


def test_notices_carry_texts_and_copyright_lines(built: BuildResult) -> None:
    assert built.release is not None
    notice = (built.release / "NOTICE/directory/-/permissive/NOTICE.txt").read_text()
    assert "Permission is hereby granted" in notice
    # a.py stands in two folders; it is displayed, and its copyright line noted, where it ranks first.
    assert "Copyright 2019 Jane Doe" in (built.release / "NOTICE/directory/-/other/NOTICE.txt").read_text()
    texts = pq.read_table(built.release / "notices/texts.parquet").to_pylist()
    assert [text["expression"] for text in texts] == ["MIT"]
    assert texts[0]["copyrights"] == ["Copyright (c) 2020 Jane Doe"]


def test_the_ledger_lists_dropped_contents_once(built: BuildResult) -> None:
    assert built.release is not None
    rows = [row for path in (built.release / "ledger").glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    assert len({row["content_id"] for row in rows}) == len(rows)
    assert {row["reason"] for row in rows} == {
        "no_license", "license_unknown", "license_not_permissive", "license_elsewhere", "unknown_language",
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
        if seeded.random() < 0.5:
            shutil.rmtree(tmp_path / "small" / "releases", ignore_errors=True)
    subprocess.run(words, cwd=root, check=True, capture_output=True)
    assert identity(tmp_path / "small/releases/1.0.0") == identity(built.release)
    assert verify(tmp_path / "small").problems == []
    assert [path.name for path in (tmp_path / "small").rglob(".*")] == [".lock"]


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


def test_another_configuration_is_refused_with_the_way_out(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    make(config)
    with pytest.raises(StaleBuildError, match="--anew license"):
        make(config, license__places="any")
    overrides = [f'run.builds="{tmp_path}/build"', "license.places=any", "release.version=2.0.0"]
    result = build(load(config, overrides), tmp_path, anew="license")
    assert why(result.folder, "shared.py")[0]["reason"] is None


def test_a_release_never_changes(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    make(config)
    result = make(config, release__seed="5")
    assert result.refused
    assert result.release is None
    assert "release.version=2.0.0" in result.unreleased
    assert "seed" in result.unreleased


def test_a_release_is_made_of_what_was_decided(tmp_path: Path) -> None:
    folder = make(write_config(tmp_path)).folder
    done = fairstack("data", "release", folder, "--set", "release.version=2.0.0", "--set", 'license.tiers=["gold"]')
    assert done.returncode == 1 or done.returncode == 2
    assert "only release.* can be set" in done.stderr
    assert not (folder / "releases/2.0.0").exists()


def test_a_release_with_a_missing_file_is_not_taken_for_done(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    released_to = make(config).release
    assert released_to is not None
    next(released_to.glob("data/*/*.parquet")).unlink()
    with pytest.raises(InputError, match=r"is missing, so this release is damaged"):
        make(config)


def test_two_builds_in_one_folder_do_not_meet(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with storage.locked(tmp_path / "build/small"):
        done = fairstack("data", "build", config, "--set", f'run.builds="{tmp_path}/build"')
    assert done.returncode == 1
    assert done.stderr.strip().endswith("wait for it, or build under another name")
    assert make(config).release is not None


def test_the_key_of_the_authors_may_not_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "authors.toml"
    (tmp_path / "repo").mkdir()
    git_words = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org"]
    (tmp_path / "repo" / "LICENSE").write_text(MIT)
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "m"]):
        subprocess.run([*git_words, *words], cwd=tmp_path / "repo", check=True)
    config.write_text(
        'name = "authors"\n[[source]]\nname = "g"\nkind = "git"\nrepositories = [{url = "repo"}]\n[release]\ntitle = "x"\n'
    )
    monkeypatch.setenv("FAIRSTACK_AUTHOR_KEY", "one")
    make(config)
    monkeypatch.setenv("FAIRSTACK_AUTHOR_KEY", "two")
    with pytest.raises(ConfigError, match="FAIRSTACK_AUTHOR_KEY"):
        make(config)
    monkeypatch.delenv("FAIRSTACK_AUTHOR_KEY")
    with pytest.raises(ConfigError, match="is not set"):
        make(config)


def test_a_stated_licence_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'MITT' is no SPDX expression"):
        config = write_config(tmp_path)
        config.write_text(config.read_text().replace('kind = "directory"', 'kind = "directory"\nlicense = "MITT"', 1))
        make(config)


def test_a_licence_stated_without_its_text_gets_the_lists(built: BuildResult) -> None:
    """The folder `other` states Apache-2.0 in its manifest and has no licence file."""
    assert built.release is not None
    notice = (built.release / "NOTICE/directory/-/other/NOTICE.txt").read_text()
    assert "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION" in notice
    assert "without its text" in notice


def test_a_changed_folder_is_refused_until_locked_anew(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    make(config)
    (tmp_path / "other" / "new.js").write_text("let x = 1\n")
    shutil.rmtree(tmp_path / "build/small/files")
    shutil.rmtree(tmp_path / "build/small/releases")
    result = make(config)
    assert "changed since it was locked" in result.failures["other"]


def test_a_damaged_part_is_one_clear_line(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    result = make(config)
    part = next((result.folder / "files").glob("permissive-*.parquet"))
    part.write_bytes(part.read_bytes()[:100])
    done = fairstack("data", "verify", result.folder)
    assert done.returncode == 1
    assert part.name in done.stdout
    shutil.rmtree(result.folder / "decisions" / "header")
    done = fairstack("data", "build", config, "--set", f'run.builds="{tmp_path}/build"')
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert part.name in done.stderr


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


def test_a_build_whose_only_source_cannot_be_read_says_so_and_can_be_filled(tmp_path: Path) -> None:
    config = tmp_path / "alone.toml"
    config.write_text(
        'name = "alone"\n[[source]]\nname = "later"\nkind = "directory"\npath = "later"\n[release]\ntitle = "x"\n'
    )
    words = ["data", "build", str(config), "--set", f'run.builds="{tmp_path}/build"']
    done = fairstack(*words)
    assert done.returncode == 1
    assert "missing: later: " in done.stdout
    assert "release: none while sources are missing" in done.stdout
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "LICENSE").write_text(MIT)
    (tmp_path / "later" / "a.py").write_text("print(1)\n")
    done = fairstack(*words)
    assert done.returncode == 0, done.stderr
    assert "kept 2 of 2" in done.stdout


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    words = [
        "data",
        "build",
        str(config),
        "--set",
        f'run.builds="{tmp_path}/build"',
        "--set",
        "release.shard_bytes=1000000",
    ]
    (tmp_path / "permissive" / "big.py").write_text("".join(f"x{i} = {hash((i, 1)):x}\n" for i in range(150_000)))

    def limit() -> None:
        # Writing beyond this fails as a full disk does (EFBIG instead of ENOSPC).
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    done = subprocess.run(
        [sys.executable, "-m", "fairstack", *words], capture_output=True, text=True, preexec_fn=limit, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout
    assert "the disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    done = fairstack(*words)
    assert done.returncode == 0, done.stderr
    assert verify(tmp_path / "build/small").problems == []


def test_a_typo_in_the_configuration_names_the_nearest_key(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    config.write_text(config.read_text().replace("row_group_rows", "row_groups_rows"))
    done = fairstack("data", "build", config)
    assert done.returncode == 2
    assert "did you mean 'release.row_group_rows'?" in done.stderr
    with pytest.raises(ConfigError, match="C-sharp"):
        make(write_config(tmp_path), language__only='["C-sharp"]')


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
