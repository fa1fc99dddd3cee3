"""The defining invariant of opt-outs, over random corpora, lists, spreads, orders of releases and kills.

What `resolve` returns over a build's provenance is in no byte of the newest release; nothing else is lost but to the rule for near
duplicates, which is walked here once more, naively; a release that takes shards over from its parent has the bytes of one that is
written anew; the same lists again change nothing; a release that is killed goes on to the same bytes. FAIRSTACK_EXAMPLES and
FAIRSTACK_KILLS set how many corpora and kills there are.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from stack_data import signing
from stack_data.build import release_of
from stack_data.errors import InputError
from stack_data.optout import Entry, SuppressionList
from stack_data.optout.lists import write
from stack_data.verify import verify
from tests.leaving import DAY, listed, tree
from tests.opt_out_worlds import (
    PATHS,
    Expected,
    Known,
    Repo,
    World,
    build_of,
    check,
    expected_of,
    known_of,
    world_of,
)
from tests.test_build import KILLED_AT_A_WRITE

EXAMPLES, KILLS = (int(os.environ.get(f"FAIRSTACK_{name}", count)) for name, count in (("EXAMPLES", 16), ("KILLS", 3)))

# The properties


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32 - 1).map(world_of))
def test_what_is_resolved_is_in_no_release_and_nothing_else_is_lost(world: World) -> None:
    secret, public = signing.new_key()
    with tempfile.TemporaryDirectory() as made_at:
        folder = Path(made_at)
        built = build_of(world, folder, public)
        if built.release is None:
            assert "nothing was kept" in built.unreleased
            return
        known = known_of(built)
        check(built.release, known, expected_of(known, []))
        in_force: dict[str, SuppressionList] = {}
        for number, (issuer, entries) in enumerate(world.steps, 1):
            one = SuppressionList(issuer=issuer, epoch=number, created="2026-11-21", entries=entries)
            (folder / f"list-{number}").write_text(write(one, "" if issuer == "local" else secret))
            in_force[issuer] = one
            is_last = number == len(world.steps)
            if is_last:
                shutil.copytree(built.folder, folder / "full" / built.folder.name)
            expected = expected_of(known, list(in_force.values()))
            words = {"suppressions": [str(folder / f"list-{number}")]}
            if not expected.kept:
                with pytest.raises(InputError, match="nothing to release"):
                    release_of(built.folder, [f"release.version={number + 1}.0.0"], **words)
                assert not list((built.folder / "releases" / f"{number + 1}.0.0").rglob("*.parquet"))
                return
            _release_and_check(built.folder, f"{number + 1}.0.0", known, expected, words)
            if is_last:
                _check_again(built.folder, folder / "full" / built.folder.name, number + 1, words)


def _release_and_check(folder: Path, version: str, known: Known, expected: Expected, words: dict[str, Any]) -> None:
    before = {path.name: tree(path) for path in (folder / "releases").iterdir()}
    counts = release_of(folder, [f"release.version={version}"], **words).counts
    note(f"{version}: {counts['files']} files, {len(expected.gone)} places gone")
    check(folder / "releases" / version, known, expected)
    assert counts["files"] == len(expected.kept) and counts["places"] == sum(map(len, expected.kept.values()))
    # Earlier releases are never touched, though they share files with this one.
    assert before == {name: tree(folder / "releases" / name) for name in before}


def _check_again(folder: Path, other: Path, major: int, words: dict[str, Any]) -> None:
    """The same release in another folder with every byte written anew; then the same lists again, both ways."""
    release_of(other, [f"release.version={major}.0.0"], full=True, **words)
    whole = tree(folder / "releases" / f"{major}.0.0")
    assert tree(other / "releases" / f"{major}.0.0") == whole
    release_of(folder, [f"release.version={major}.0.0"], **words)
    assert tree(folder / "releases" / f"{major}.0.0") == whole
    for one, full in ((folder, False), (other, True)):
        changes = release_of(one, [f"release.version={major}.0.1"], full=full, **words).counts["changes"]
        assert changes == {"parent": f"{major}.0.0", "added": {}, "removed": {}, "edited": 0}
    again = tree(folder / "releases" / f"{major}.0.1")
    assert tree(other / "releases" / f"{major}.0.1") == again
    same = ("data/", "provenance/", "notices/", "NOTICE/", "merkle/", "ledger/")
    assert {name: text for name, text in again.items() if name.startswith(same)} == {
        name: text for name, text in whole.items() if name.startswith(same)
    }
    assert verify(folder).problems == []


# Kills


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], dict[str, bytes]]:
    """A build, what asks for its next release, and the bytes of that release where nobody stops it."""
    folder = tmp_path_factory.mktemp("kills")
    texts = {path: at for at, path in enumerate(PATHS)}
    repos = [
        Repo(owner, f"quux{at}thing", {**texts, "own.py": 6 - at, "main.c": 7}, False, {"stars": at} if at else None)
        for at, owner in enumerate(["zaphod", "yvonne"])
    ]
    built = build_of(World(tuple(repos), ()), folder, signing.new_key()[1])
    leaving = listed(folder / "list", Entry(kind="owner", host="github.com", name="yvonne", since=DAY, spread="near"))
    shutil.copytree(built.folder, folder / "whole/corpus")
    release_of(folder / "whole/corpus", ["release.version=2.0.0"], suppressions=[leaving])
    words = ["data", "release", "corpus", "--version", "2.0.0", "--suppressions", leaving]
    return built.folder, words, tree(folder / "whole/corpus/releases/2.0.0")


def _go_on(folder: Path, words: Sequence[str], whole: Mapping[str, bytes], parent: Mapping[str, bytes]) -> None:
    """Run the killed command again, in this process; both releases are what they must be."""
    release_of(folder, ["release.version=2.0.0"], suppressions=[words[-1]])
    assert tree(folder / "releases/2.0.0") == whole
    assert tree(folder / "releases/1.0.0") == parent
    assert verify(folder).problems == []


def test_a_release_clears_away_what_a_killed_one_left_behind(finished: Any, tmp_path: Path) -> None:
    folder, words, whole = finished
    shutil.copytree(folder, tmp_path / "corpus")
    # As a killed writer names it (storage.replacing): the kills below leave it now and then.
    (tmp_path / "corpus/released/.2.0.0.parquet.28042.140277987429248.tmp").write_bytes(b"PAR1")
    _go_on(tmp_path / "corpus", words, whole, tree(folder / "releases/1.0.0"))
    assert [path.name for path in (tmp_path / "corpus").rglob(".*")] == [".lock"]


def test_a_release_killed_at_any_moment_goes_on_to_the_same_bytes(finished: Any, tmp_path: Path) -> None:
    folder, words, whole = finished
    parent = tree(folder / "releases/1.0.0")
    seeded, seconds = random.Random(5), 0.0
    for kill in range(KILLS + 1):
        shutil.rmtree(tmp_path / "corpus", ignore_errors=True)
        shutil.copytree(folder, tmp_path / "corpus")
        command, started = [sys.executable, "-m", "fairstack", *words], time.monotonic()
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if kill:
            time.sleep(seeded.uniform(0.4, 1.0) * seconds)
            process.send_signal(signal.SIGKILL)
        status = process.wait()
        assert status in ((0, -signal.SIGKILL) if kill else (0,))
        # The first is not killed, and tells how long the others live.
        seconds = seconds or time.monotonic() - started
        _go_on(tmp_path / "corpus", words, whole, parent)


def test_a_release_killed_at_any_write_goes_on_to_the_same_bytes(finished: Any, tmp_path: Path) -> None:
    folder, words, whole = finished
    parent = tree(folder / "releases/1.0.0")

    def run(number: int, when: str) -> subprocess.CompletedProcess[str]:
        shutil.rmtree(tmp_path / "corpus", ignore_errors=True)
        shutil.copytree(folder, tmp_path / "corpus")
        command = [sys.executable, "-c", KILLED_AT_A_WRITE, str(number), when, *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    writes = int(run(10**6, "after").stdout.rpartition("writes ")[2])
    assert writes > 20
    for kill in range(KILLS):
        done = run(1 + (kill * writes) // KILLS, "before" if kill % 2 else "after")
        assert done.returncode == -signal.SIGKILL, done.stderr
        _go_on(tmp_path / "corpus", words, whole, parent)
