"""What hosts say when they are asked again reaches the next release: gone, renamed, newly reserved. A real git server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack_data.build import release_of
from stack_data.governance import recheck_of
from stack_data.purge import purge
from stack_data.verify import verify
from tests.corpus import fairstack
from tests.git_server import GitServer, answer, redirect
from tests.leaving import code, commit, config, entry, found, git, license_of, listed, made, names

PEOPLE = ("departed", "renamed", "reserving", "staying")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    """Four people with a repository each on one host; `staying` has a file of `departed` too."""
    (tmp_path / "served").mkdir()
    served = GitServer(tmp_path / "served")
    for person in PEOPLE:
        files = {"LICENSE": license_of(person), f"{person}.py": code(person), "shared.py": code("shared", 30)}
        if person not in ("departed", "staying"):
            del files["shared.py"]
        work = commit(tmp_path / "work" / person, files)
        git(tmp_path, "clone", "--quiet", "--bare", str(work), str(tmp_path / "served" / person / "lib.git"))
    yield served
    served.close()


@pytest.fixture
def corpus(server: GitServer, tmp_path: Path) -> Path:
    repositories = [
        {
            "url": f"{server.url}/{person}/lib.git",
            "host": "github.com",
            "owner": person,
            "repo": "lib",
            "stars": 4 - number,
        }
        for number, person in enumerate(PEOPLE)
    ]
    return config(tmp_path, repositories, extra="[limits]\nretry_seconds = 0.01\n")


def test_what_is_gone_leaves_and_is_not_erased(server: GitServer, corpus: Path, tmp_path: Path) -> None:
    folder = made(corpus).folder
    assert "departed/lib/shared.py" in names(folder / "releases/1.0.0")
    assert "were not asked again" in (folder / "releases/1.0.0/README.md").read_text()
    server.rules["/departed"] = answer(404)
    found_now = recheck_of(folder)
    assert [checked.state.state for _, _, checked in found_now.every()] == ["gone", "ok", "ok", "ok"]
    counts = release_of(folder, ["release.version=2.0.0"]).counts
    second = folder / "releases/2.0.0"
    assert counts["changes"]["removed"]["source_gone"]["files"] == 1
    assert found(second, "departed") == [] and "staying/lib/shared.py" in names(second)
    assert f"these sources on {found_now.date} (4 of 4 sources answered)" in (second / "README.md").read_text()
    assert json.loads((second / "ledger/opt-outs.json").read_text())["reasons"]["source_gone"]["files"] == 1
    # It may come back: nothing of the build is erased, and what holders have can be brought up to date.
    assert purge(folder).record is None
    assert found(folder / "files", "departed_3") and found(folder / "releases", "departed") == []
    assert verify(folder).problems == []


def test_an_owner_is_known_by_the_name_that_the_host_redirects_to(
    server: GitServer, corpus: Path, tmp_path: Path
) -> None:
    folder = made(corpus).folder
    leaves = listed(tmp_path / "list", entry(name="newname", host="127.0.0.1"), entry(name="newname"))
    release_of(folder, ["release.version=1.0.1"], suppressions=[leaves])
    assert "renamed/lib/renamed.py" in names(folder / "releases/1.0.1")
    (tmp_path / "served/newname").mkdir()
    (tmp_path / "served/renamed/lib.git").rename(tmp_path / "served/newname/lib.git")
    server.rules["/renamed/lib.git"] = redirect(f"{server.url}/newname/lib.git")
    recheck_of(folder)
    release_of(folder, ["release.version=2.0.0"])
    assert found(folder / "releases/2.0.0", "renamed") == []


def test_a_signal_that_came_up_since_is_honoured(server: GitServer, corpus: Path, tmp_path: Path) -> None:
    folder = made(corpus).folder
    work = commit(tmp_path / "work/reserving", {".github/ai-opt-out": "opt-out: true\n"})
    git(work, "push", "--quiet", str(tmp_path / "served/reserving/lib.git"), "HEAD:main")
    done = fairstack("data", "recheck", folder)
    assert done.returncode == 0, done.stderr
    counts = release_of(folder, ["release.version=2.0.0"]).counts
    assert counts["changes"]["removed"] == {"reserved_in_repository": {"files": 1, "bytes": len(code("reserving"))}}
    assert found(folder / "releases/2.0.0", "reserving") == []
    assert "reserved_in_repository" in fairstack("data", "why", folder, "reserving.py").stdout
    purge(folder)
    assert found(folder / "files", "reserving_3") == [] and verify(folder).problems == []


def test_a_host_that_is_down_takes_nothing_out(server: GitServer, corpus: Path, tmp_path: Path) -> None:
    folder = made(corpus).folder
    server.rules["/"] = answer(503)
    recheck_of(folder)
    assert release_of(folder, ["release.version=1.0.1"]).counts["changes"]["removed"] == {}
