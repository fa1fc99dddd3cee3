"""What a build refuses, what it survives, and what it says: each one clear line, and nothing lost."""

from __future__ import annotations

import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stack_data import storage
from stack_data.build import build
from stack_data.config_file import load
from stack_data.errors import ConfigError, InputError, StaleBuildError
from stack_data.verify import verify
from stack_data.why import why
from tests.corpus import MIT, fairstack, make, write_config


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
    assert done.stderr.strip().endswith("wait for it, or write to another folder")
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
    assert "kept 1 of 2" in done.stdout


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
