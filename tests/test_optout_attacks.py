"""Opt-outs in builds of real repositories: what is not theirs stays, whatever attackers push, claim or rename.

Repositories are pushed and mirrored by git itself, a package comes from a registry on the loopback; every assertion is about released places.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.leaving import code, commit, config, entry, found, git, license_of, names, repository
from tests.real_opt_outs import OTHERS, first, leave, of, package, person, places
from tests.sources.test_remote import Server, server

__all__ = ["server"]  # a fixture

# Attacks: what is not theirs stays, whatever they push


POPULAR = {"core.py": code("core", 40), "other.py": code("other")}
POPULAR_FACTS: dict[str, Any] = {"owner_id": 5, "repo_id": 50, "host_time": "2015-03-04T05:06:07Z", "stars": 900}


def pushed(tmp_path: Path, popular: Path, **environment: str) -> Path:
    """A copy of the popular project's files, committed by the attacker."""
    folder = tmp_path / "git/mallory"
    shutil.copytree(popular, folder, ignore=shutil.ignore_patterns(".git"))
    return commit(folder, {}, **environment)


def mirrored(tmp_path: Path, popular: Path) -> Path:
    """The popular project's whole history, as `git push --mirror` brings it into a repository of the attacker's."""
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "mallory.git")
    git(tmp_path, "clone", "--quiet", "--mirror", str(popular), "mirror.git")
    git(tmp_path / "mirror.git", "push", "--quiet", "--mirror", str(tmp_path / "mallory.git"))
    return tmp_path / "mallory.git"


def forged(tmp_path: Path, popular: Path) -> Path:
    dates = dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), "1999-01-01T00:00:00Z")
    return pushed(tmp_path, popular, **dates)


Push = Callable[[Path, Path], Path]
OLD, EQUAL = {"host_time": "2008-01-01T00:00:00Z"}, {"host_time": POPULAR_FACTS["host_time"]}
ATTACKS: dict[str, tuple[Push, dict[str, Any]]] = {
    "pushed copy": (pushed, {"host_time": "2026-01-01T00:00:00Z"}),
    "push --mirror": (mirrored, {"host_time": "2026-01-01T00:00:00Z"}),
    "forged dates": (forged, {}),
    "old empty repository": (pushed, OLD),
    "equal host_time": (mirrored, EQUAL),
    "everything at once": (mirrored, OLD | {"stars": 10**6}),
}


def attacked(tmp_path: Path, server: Server, push: Push, facts: dict[str, Any], **popular_facts: Any) -> Path:
    """A popular project, its package, which names the attacker's repository as its own, a user of it, and the attacker.

    The user has a copy of one file and a near duplicate of another.
    """
    popular = person(tmp_path, "popular", dict(POPULAR))
    commit(popular, {"later.py": code("later")})
    user = {"copied/core.py": POPULAR["core.py"], "nearly.py": POPULAR["core.py"].replace("_39(", "_93("), **OTHERS}
    rows_ = [
        repository(push(tmp_path, popular), "mallory", owner_id=66, **facts),
        repository(popular, "popular", **(POPULAR_FACTS | popular_facts)),
        repository(person(tmp_path, "user", user), "user", "app", owner_id=9, host_time="2022-01-01T00:00:00Z"),
    ]
    extra = package(server, tmp_path, {"LICENSE": license_of("P"), **POPULAR}, "https://github.com/mallory/lib", "2021-01-01T00:00:00Z")  # fmt: skip
    return config(tmp_path, rows_, extra)


def facts_of(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the rows of repositories by owner."""
    tables = (folder / "repositories").glob("*.parquet")
    return {row["owner"]: row for path in tables for row in pq.read_table(path).to_pylist()}


@pytest.mark.parametrize("attack", ATTACKS)
def test_who_pushes_a_copy_takes_only_that_copy(tmp_path: Path, server: Server, attack: str) -> None:
    before = first(attacked(tmp_path, server, *ATTACKS[attack]))
    folder = before.parents[1]
    known, held = facts_of(folder), places(before)
    assert of(held, "mallory") and len(of(held, "popular")) == 3 and len(of(held, "user")) == 3
    assert (known["mallory"]["root_commits"] == known["popular"]["root_commits"]) == (ATTACKS[attack][0] is mirrored)
    assert (known["mallory"]["first_commit_time"] < "2000") == (ATTACKS[attack][0] is forged)
    assert known["-"]["aliases"] == ["github.com/mallory/lib"]
    for epoch, spread in enumerate(("none", "exact", "near"), 1):
        both = [entry(name="mallory", numeric_id=66, spread=spread), entry("repository", "mallory/lib", spread=spread)]
        after = leave(folder, f"{epoch + 1}.0.0", *both, epoch=epoch)
        assert places(after) == held - of(held, "mallory")
        assert {"popular/lib/other.py", "popular/lib/later.py"} <= names(after)
        assert found(after, "mallory") == []
    # The one whose code it is still takes it, and no more.
    after = leave(folder, "5.0.0", *both, entry(name="popular", numeric_id=5), epoch=4)
    assert places(after) == held - of(held, "mallory", "popular")
    assert found(after, "popular_") == [] and "user/app/copied/core.py" in {"/".join(one[1:4]) for one in places(after)}


@pytest.mark.parametrize("numeric_id", [None, 66], ids=["by name", "by name and number"])
@pytest.mark.parametrize("known", [5, None], ids=["number known", "number unknown"])
def test_who_takes_over_a_former_name_takes_only_what_they_push(
    tmp_path: Path, server: Server, numeric_id: int | None, known: int | None
) -> None:
    former = {"aliases": ["github.com/mallory/lib"], "owner_id": known, "repo_id": None}
    path = attacked(tmp_path, server, pushed, {}, **{key: value for key, value in former.items() if value is not None})
    if known is None:
        path.write_text(path.read_text().replace("owner_id = 5\n", "").replace("repo_id = 50\n", ""))
    before = first(path)
    folder, held = before.parents[1], places(before)
    assert facts_of(folder)["popular"]["aliases"] == ["github.com/mallory/lib"]
    assert facts_of(folder)["popular"]["owner_id"] == known
    for epoch, spread in enumerate(("none", "exact", "near"), 1):
        entries = [entry(name="mallory", numeric_id=numeric_id, spread=spread)]
        if numeric_id is None:
            entries.append(entry("repository", "mallory/lib", spread=spread))
        after = leave(folder, f"{epoch + 1}.0.0", *entries, epoch=epoch)
        assert places(after) == held - of(held, "mallory")
    after = leave(folder, "5.0.0", *entries, entry(name="popular", numeric_id=known), epoch=4)
    assert places(after) == held - of(held, "mallory", "popular")
