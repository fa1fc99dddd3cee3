"""`data refresh`: what moved is read again, what did not is taken from earlier parts, and the bytes are those of a new build."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack_data import build as building
from stack_data import decide
from stack_data.build import build, refresh, release_of, report_of
from stack_data.config_file import load
from stack_data.errors import ConfigError, InputError, SourceError, StaleBuildError
from stack_data.fetch import Reader
from stack_data.sources import kinds
from stack_data.sources.source import SourceContext, Unit, UnitReading
from stack_data.verify import verify
from stack_data.why import why
from tests.corpus import MIT, fairstack

NAMES = ("ant", "bee", "cat")


def git(folder: Path, *words: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=T", "-c", "user.email=t@example.com", *words], cwd=folder, check=True, capture_output=True
    )  # fmt: skip


def commit(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")


def repository(root: Path, name: str) -> Path:
    folder = root / "mirrors" / name
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "LICENSE").write_text(MIT)
    (folder / "logo.png").write_bytes(b"\x89PNG\r\n\0\0" + name.encode())
    commit(
        folder, own=f"def {name}():\n    return {name!r}\n", shared="def shared():\n    return 'in every repository'\n"
    )
    return folder


@pytest.fixture
def config(tmp_path: Path) -> Path:
    for name in NAMES:
        repository(tmp_path, name)
    path = tmp_path / "corpus.toml"
    path.write_text(
        'name = "corpus"\n[[source]]\nname = "repos"\nkind = "git"\nmirrors = "mirrors"\n'
        "[fetch]\npart_rows = 5\n[release]\nvalidation_fraction = 0\n"
    )
    return path


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The units that were read from their source."""
    found: list[str] = []
    real: Reader = kinds.read

    def read(kind: str, unit: Unit, context: SourceContext) -> UnitReading:
        found.append(Path(unit.key.partition("@")[0]).name)
        return real(kind, unit, context)

    monkeypatch.setattr(building.kinds, "read", read)
    yield found


def built(config: Path, **values: object) -> Path:
    overrides = [
        f'run.builds="{config.parent}/build"',
        *(f"{key.replace('__', '.')}={value}" for key, value in values.items()),
    ]
    result = build(load(config, overrides), config.parent)
    assert not result.failures
    return result.folder


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file that a build is made of, except what is written about the run."""
    parts = ("files", "provenance", "repositories", "decisions", "clusters")
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for part in parts
        for path in (folder / part).rglob("*.*")
    }


def as_built_anew(folder: Path, config: Path) -> dict[str, bytes]:
    """Return what a build of the same lock from nothing is made of."""
    other = folder.parent / "anew" / folder.name
    shutil.rmtree(other, ignore_errors=True)
    other.mkdir(parents=True)
    shutil.copy(folder / "sources.lock.json", other)
    build(load(config, [f'run.builds="{other.parent}"']), config.parent)
    return contents(other)


def test_nothing_new_writes_nothing(config: Path, readings: list[str]) -> None:
    folder = built(config)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}
    readings.clear()
    _, changes = refresh(folder)
    assert not changes
    assert readings == []
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")} == before


def test_only_a_changed_repository_is_read_and_the_bytes_are_those_of_a_new_build(
    config: Path, readings: list[str]
) -> None:
    folder = built(config)
    commit(config.parent / "mirrors" / "bee", own="def bee():\n    return 'changed, and longer than it was before'\n")
    readings.clear()
    result, changes = refresh(folder)
    assert [Path(key.partition("@")[0]).name for key in changes.changed] == ["bee"]
    assert readings == ["bee"]
    assert result.release is None
    assert contents(folder) == as_built_anew(folder, config)
    assert verify(folder).problems == []
    # The first release stands; the next one is made on request.
    done = fairstack("data", "release", folder, "--version", "1.1.0")
    assert done.returncode == 1
    assert done.stderr.startswith("fairstack: release 1.1.0 would remove 1 file of 1.0.0"), done.stderr
    assert done.stderr.endswith("--version 2.0.0\n")
    done = fairstack("data", "release", folder, "--version", "2.0.0")
    assert done.returncode == 0, done.stderr
    assert "removed: 1 file, not read any more" in done.stdout
    assert (folder / "releases/1.0.0").exists()


def test_new_ones_come_behind_and_one_that_is_gone_leaves_its_place(config: Path, readings: list[str]) -> None:
    folder = built(config, fetch__units_per_group=2)
    groups = {path.name for path in (folder / "files").glob("*.manifest.json")}
    assert groups == {"repos.0000.manifest.json", "repos.0001.manifest.json"}
    shutil.rmtree(config.parent / "mirrors" / "ant")
    repository(config.parent, "aaa")
    readings.clear()
    result, changes = refresh(folder)
    assert [len(changes.changed), len(changes.new), len(changes.gone)] == [0, 1, 1]
    assert readings == ["aaa"]
    kept = {row["repo"] for row in repositories(result.folder)}
    assert kept == {"aaa", "bee", "cat"}
    _, changes = refresh(folder)
    assert not changes


def repositories(folder: Path) -> list[dict[str, object]]:
    import pyarrow.parquet as pq

    return [row for path in (folder / "repositories").glob("*.parquet") for row in pq.read_table(path).to_pylist()]


def test_one_group_keeps_its_name_when_others_follow(config: Path) -> None:
    config.write_text(config.read_text().replace("part_rows = 5", "part_rows = 5\nunits_per_group = 3"))
    folder = built(config)
    before = (folder / "files/repos-00000.parquet").read_bytes()
    repository(config.parent, "dog")
    refresh(folder)
    assert (folder / "files/repos-00000.parquet").read_bytes() == before
    assert (folder / "files/repos.0001-00000.parquet").exists()
    assert contents(folder) == as_built_anew(folder, config)


def test_a_refresh_that_was_stopped_goes_on_without_reading_the_others_again(
    config: Path, readings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = built(config)
    commit(config.parent / "mirrors" / "cat", own="def cat():\n    return 'changed'\n")
    with monkeypatch.context() as patched:
        # As if killed when the first new part has replaced its earlier one.
        patched.setattr(building.kinds, "read", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            refresh(folder)
    assert not (folder / "files/repos.manifest.json").exists()
    readings.clear()
    _, changes = refresh(folder)
    assert not changes
    assert readings == ["cat"]
    assert contents(folder) == as_built_anew(folder, config)


def test_a_source_that_cannot_be_asked_stays_as_it_was(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = built(config)
    before = contents(folder)

    def refuse(*_: object) -> list[Unit]:
        raise SourceError("no route to host")

    monkeypatch.setattr(building.kinds, "resolve", refuse)
    result, changes = refresh(folder)
    assert not changes
    assert result.failures == {"repos": "no route to host; it stays as it was"}
    assert contents(folder) == before


def test_a_changed_configuration_adds_sources(config: Path, readings: list[str]) -> None:
    folder = built(config)
    (config.parent / "more").mkdir()
    (config.parent / "more" / "LICENSE").write_text(MIT)
    (config.parent / "more" / "x.py").write_text("def more():\n    return 'more'\n")
    wider = config.parent / "wider.toml"
    wider.write_text(config.read_text() + '[[source]]\nname = "more"\nkind = "directory"\npath = "more"\n')
    readings.clear()
    done = fairstack("data", "refresh", folder, "--config", wider, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["new"] == ["more"]
    assert {row["repo"] for row in repositories(folder)} == {*NAMES, "more"}
    with pytest.raises(StaleBuildError, match="has no source more any more"):
        refresh(folder, config_path=config)
    wider.write_text(wider.read_text().replace('name = "corpus"', 'name = "other"'))
    with pytest.raises(ConfigError, match="is the configuration of 'other'"):
        refresh(folder, config_path=wider)


def test_the_command_says_what_changed(config: Path) -> None:
    folder = built(config)
    commit(config.parent / "mirrors" / "ant", new="def new():\n    return 1\n")
    done = fairstack("data", "refresh", folder)
    assert done.returncode == 0, done.stderr
    assert "refresh: 1 changed, 0 new, 0 gone" in done.stdout
    assert "release: none: releases stay as they are" in done.stdout


def test_nothing_is_released_or_told_of_a_refresh_that_was_stopped(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The later steps of the run before are whole, but they speak of other contents: GPL code would go out as MIT."""
    folder = built(config)
    commit(
        config.parent / "mirrors" / "bee", own="# SPDX-License-Identifier: GPL-3.0-only\ndef bee():\n    return 'bee'\n"
    )
    for stopped_at in ("run_exact", "run_license", "run_near"):
        with monkeypatch.context() as patched:
            patched.setattr(decide, stopped_at, lambda run: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                refresh(folder)
        for ask in (
            lambda: release_of(folder, ["release.version=2.0.0"]),
            lambda: report_of(folder),
            lambda: why(folder, "own.py"),
        ):
            with pytest.raises(InputError, match="is not finished"):
                ask()
    refresh(folder)
    release_of(folder, ["release.version=2.0.0"])
    stories = why(folder, "own.py")
    assert {story["reason"] for story in stories} == {None, "license_not_permissive"}
    assert contents(folder) == as_built_anew(folder, config)


def test_a_refused_setting_leaves_the_build_as_it_was_told(config: Path) -> None:
    folder = built(config)
    before = (folder / "config.json").read_bytes()
    commit(config.parent / "mirrors" / "bee", own="def bee():\n    return 'longer than it was before'\n")
    with pytest.raises(StaleBuildError, match="--anew filter"):
        refresh(folder, ["filter.max_lines=20"])
    assert (folder / "config.json").read_bytes() == before
    with pytest.raises(InputError, match="the exact step is not up to date|the filter step is not up to date"):
        release_of(folder, ["release.version=2.0.0"])
    refresh(folder)
    release_of(folder, ["release.version=2.0.0"])
    assert contents(folder) == as_built_anew(folder, config)
