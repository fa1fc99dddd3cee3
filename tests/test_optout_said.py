"""What repositories say themselves, in builds of real ones: signals that keep them out, and licences that count after they left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stack_data.build import refresh, release_of
from stack_data.errors import InputError
from stack_data.release.notices import notice_path
from stack_data.sources.remote_state import RemoteState
from stack_data.verify import verify
from tests.leaving import code, commit, config, entry, found, names, repository
from tests.real_opt_outs import first, leave, person, places, written

# What repositories say themselves


SIGNALS: dict[str, tuple[dict[str, str | None], dict[str, Any]]] = {
    "ai-opt-out": ({".github/ai-opt-out": "opt-out: true\n"}, {}),
    "gitattributes": ({".gitattributes": "* ai-training=false\n"}, {}),
    "topics": ({}, {"topics": ["python", "no-ai-training"]}),
}


def speaking(tmp_path: Path, files: dict[str, str | None], facts: dict[str, Any]) -> Path:
    shared = code("shared")
    alice = person(tmp_path, "alice", {"alice_own.py": code("own"), "shared.py": shared, **files})
    bertram = person(tmp_path, "bertram", {"bertram.py": code("bertram"), "copied/shared.py": shared})
    return config(tmp_path, [repository(alice, "alice", stars=9, **facts), repository(bertram, "bertram")])


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_repository_that_says_no_is_in_no_release_and_a_copy_elsewhere_stays(tmp_path: Path, signal: str) -> None:
    release = first(speaking(tmp_path, *SIGNALS[signal]))
    assert names(release) == {"bertram/lib/bertram.py", "bertram/lib/copied/shared.py"}
    assert found(release, "alice", "own_3") == []
    assert not (release / notice_path("github.com", "alice", "lib")).exists()
    told = json.loads((release / "ledger/opt-outs.json").read_text())
    # A .gitattributes file is code, and her own.
    assert told["reasons"]["reserved_in_repository"]["files"] == (2 if signal == "gitattributes" else 1)
    assert verify(tmp_path / "build/corpus").problems == []


@pytest.mark.parametrize("signal", SIGNALS)
def test_what_a_repository_says_later_is_taken_up_by_the_next_release(tmp_path: Path, signal: str) -> None:
    path = speaking(tmp_path, {}, {})
    before = first(path)
    folder = before.parents[1]
    assert "alice/lib/shared.py" in names(before)
    files, facts = SIGNALS[signal]
    if files:
        commit(tmp_path / "git/alice", files)
    else:
        path.write_text(path.read_text().replace("stars = 9\n", f"stars = 9\ntopics = {json.dumps(facts['topics'])}\n"))
    _, changes = refresh(folder, [], path)
    assert len(changes.changed) == 1
    with pytest.raises(InputError, match=r"release 1.1.0 would remove 1 file of 1.0.0 .*--version 2.0.0"):
        release_of(folder, ["release.version=1.1.0"])
    counts = release_of(folder, ["release.version=2.0.0"]).counts
    after = folder / "releases/2.0.0"
    assert names(after) == {"bertram/lib/bertram.py", "bertram/lib/copied/shared.py"}
    assert list(counts["changes"]["removed"]) == ["reserved_in_repository"]
    assert found(after, "alice", "own_3") == [] and verify(folder).problems == []


# Licences


@pytest.fixture
def copyleft(tmp_path: Path) -> Path:
    """gudrun's code is under the GPL; mick has a copy of one of her files and says that it is under MIT."""
    gpl = "This program is free software: you can redistribute it under the terms of the GNU General Public License as published by "
    gpl += "the Free Software Foundation, either version 3 of the License, or any later version.\n"
    gudrun = commit(tmp_path / "git/gudrun", {"COPYING": gpl, "gudrun.py": code("gudrun"), "shared.py": code("shared")})
    mick = person(tmp_path, "mick", {"mick.py": code("mick"), "shared.py": code("shared")})
    return config(tmp_path, [repository(gudrun, "gudrun"), repository(mick, "mick")])


@pytest.mark.parametrize("spread", ["none", "exact", "near"])
def test_what_a_place_that_left_says_of_its_licence_still_counts(copyleft: Path, spread: str) -> None:
    before = first(copyleft)
    assert names(before) == {"mick/lib/mick.py"}
    after = leave(before.parents[1], "2.0.0", entry(name="gudrun", spread=spread))
    assert names(after) == {"mick/lib/mick.py"} and places(after) == places(before)
    assert found(after, "shared_3", "gudrun") == []


def test_what_a_source_that_is_gone_says_of_its_licence_still_counts(copyleft: Path) -> None:
    folder = first(copyleft).parents[1]
    written(folder, "gudrun", RemoteState("gone", definite=True))
    release_of(folder, ["release.version=2.0.0"])
    assert names(folder / "releases/2.0.0") == {"mick/lib/mick.py"} and verify(folder).problems == []


def test_a_refresh_after_an_opt_out_keeps_what_was_known_of_licences(copyleft: Path, tmp_path: Path) -> None:
    before = first(copyleft)
    folder = before.parents[1]
    leave(folder, "2.0.0", entry(name="gudrun"))
    commit(tmp_path / "git/gudrun", {"further.py": code("further")})
    refresh(folder)
    release_of(folder, ["release.version=3.0.0"])
    assert names(folder / "releases/3.0.0") == {"mick/lib/mick.py"}
