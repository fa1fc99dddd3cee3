"""Opt-outs in builds of real repositories: whom an entry reaches under another name, what attackers cannot take, and what repositories say.

Every repository is made, cloned and pushed by git itself, packages come from a registry on the loopback, and every assertion is about
a released file, a released place or an error that users see. tests/optout/test_resolve.py has the rules one by one.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from stack_data import lock
from stack_data import recheck as rechecking
from stack_data.build import refresh, release_of
from stack_data.errors import ConfigError, InputError
from stack_data.layout import Build
from stack_data.optout import Entry
from stack_data.recheck import Checked, Recheck, recheck
from stack_data.release.notices import notice_path
from stack_data.signals import is_signal_file
from stack_data.sources.git_history import email_hash, key_id
from stack_data.sources.remote_state import RemoteState
from stack_data.verify import verify
from tests.git_server import GitServer, redirect
from tests.leaving import code, commit, config, entry, found, git, license_of, listed, made, names, repository, rows
from tests.sources.test_archive import make_tar
from tests.sources.test_remote import Server, server

__all__ = ["server"]  # a fixture

Place = tuple[str, str, str, str, str]
OTHERS = {"bystander/own.py": code("bystander")}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[GitServer]:
    """Git's own server over HTTP."""
    served = GitServer(tmp_path / "served")
    yield served
    served.close()


def person(tmp_path: Path, name: str, files: dict[str, str | None], **environment: str) -> Path:
    """Make the repository of a person under a licence of their own."""
    return commit(tmp_path / "git" / name, {"LICENSE": license_of(f"{name.title()} Unique"), **files}, **environment)


def places(release: Path) -> set[Place]:
    """Return every place that a release names: (host, owner, repo, path, content id)."""
    found = rows(release, "provenance")
    return {(row["host"], row["owner"], row["repo"], row["path"], row["content_id"]) for row in found}


def of(found: set[Place], *owners: str) -> set[Place]:
    return {one for one in found if one[1] in owners}


def leave(folder: Path, version: str, *entries: Entry, epoch: int = 1, **values: Any) -> Path:
    """Release a build with a list of these entries; return the release, which is sound."""
    path = listed(folder.parent.parent / f"list-{epoch}", *entries, epoch=epoch, **values)
    release_of(folder, [f"release.version={version}"], suppressions=[path])
    assert verify(folder).problems == []
    return folder / "releases" / version


def first(path: Path) -> Path:
    """Build; return the first release."""
    release = made(path).release
    assert release is not None
    return release


# The same person under another name


@pytest.fixture
def renamed(tmp_path: Path) -> Path:
    """github.com/oldname, whose number is 7, and somebody else with a copy of a file."""
    shared = code("shared")
    alice = person(tmp_path, "oldname", {"own.py": code("own"), "shared.py": shared})
    other = person(tmp_path, "other", {"other.py": code("other"), "copied.py": shared})
    facts = {"owner_id": 7, "repo_id": 70, "stars": 9}
    return config(tmp_path, [repository(alice, "oldname", **facts), repository(other, "other", owner_id=8)])


@pytest.mark.parametrize(
    ("kind", "name", "numeric_id", "goes"),
    [
        ("owner", "newname", 7, True),
        ("repository", "newname/renamed-too", 70, True),
        ("owner", "OldName", None, True),
        ("owner", "newname", None, False),
        # Who holds the old name now has another number.
        ("owner", "oldname", 66, False),
        ("repository", "oldname/lib", 66, False),
        ("owner", "other", 7, True),
    ],
)
def test_numbers_follow_a_renamed_owner(
    renamed: Path, kind: str, name: str, numeric_id: int | None, goes: bool
) -> None:
    before = first(renamed)
    assert "oldname/lib/shared.py" in names(before)
    after = leave(before.parents[1], "2.0.0", entry(kind, name, numeric_id=numeric_id))
    if goes:
        assert names(after) == {"other/lib/other.py", "other/lib/copied.py"}
        assert found(after, "oldname", "own_3") == []
    else:
        assert places(after) == places(before)


def test_numbers_keep_a_renamed_owner_from_being_fetched(renamed: Path, tmp_path: Path) -> None:
    listed(tmp_path / "list", entry(name="newname", numeric_id=7))
    renamed.write_text(renamed.read_text() + '\n[optout]\nlists = ["list"]\n')
    release = first(renamed)
    assert names(release) == {"other/lib/other.py", "other/lib/copied.py"}
    assert found(tmp_path / "build/corpus/files", "own_3") == [] and found(release, "oldname") == []


def test_a_redirect_of_the_host_follows_a_renamed_owner(tmp_path: Path, hub: GitServer) -> None:
    rows_ = []
    for name in ("old", "other"):
        work = person(tmp_path, name, {f"{name}.py": code(name)})
        hub.root.mkdir(exist_ok=True)
        git(tmp_path, "clone", "--quiet", "--bare", str(work), str(hub.root / name / "lib.git"))
        rows_.append({"url": f"{hub.url}/{name}/lib.git"})
    before = first(config(tmp_path, rows_, "[limits]\nretry_seconds = 0\n"))
    folder = before.parents[1]
    moved = entry(name="new", host="127.0.0.1")
    # Nobody has asked the host yet: the new name leads nowhere.
    assert places(leave(folder, "1.1.0", moved)) == places(before)
    hub.rules["/old/lib.git"] = redirect("/new/lib.git")
    git(tmp_path, "clone", "--quiet", "--bare", str(hub.root / "old/lib.git"), str(hub.root / "new/lib.git"))
    recheck(folder, is_signal_file, today="2026-11-21", secrets={})
    after = leave(folder, "2.0.0", moved, epoch=2)
    assert names(after) == {"other/lib/other.py"}
    assert found(after, "old_3", "Old Unique", "new/lib") == []


def written(folder: Path, name: str, state: RemoteState) -> None:
    """Write a recheck in which the host of one repository says this and all others are as they were."""
    keys = [unit.key for group in lock.read(Build.open(folder)).groups for unit in group.units]
    said = {key: Checked(state if name in key else RemoteState("ok"), "2026-11-21") for key in keys}
    rechecking._write(folder, Recheck("2026-11-21", {"repos": said}))
    assert [one.state for one in said.values()].count(state) == 1


def test_a_recheck_that_was_written_before_is_followed(renamed: Path) -> None:
    folder = first(renamed).parents[1]
    written(folder, "oldname", RemoteState("ok", renamed_to="github.com/newname/lib"))
    assert names(leave(folder, "2.0.0", entry(name="newname"))) == {"other/lib/other.py", "other/lib/copied.py"}


def test_gists_are_their_github_owners(tmp_path: Path) -> None:
    gist = person(tmp_path, "gist", {"snippet.py": code("snippet")})
    other = person(tmp_path, "other", {"other.py": code("other")})
    numbered = person(tmp_path, "numbered", {"numbered.py": code("numbered")})
    rows_ = [
        repository(gist, "alice", "0a1b2c", host="gist.github.com"), repository(other, "other"),
        repository(numbered, "formerly", "3d4e5f", host="gist.github.com", owner_id=7),
    ]  # fmt: skip
    folder = first(config(tmp_path, rows_)).parents[1]
    after = leave(folder, "2.0.0", entry(name="Alice"), entry(name="now", numeric_id=7))
    assert names(after) == {"other/lib/other.py"}
    assert found(after, "alice", "0a1b2c", "3d4e5f", "snippet_3", "formerly") == []
    # On another host the name is another person's.
    assert names(leave(folder, "3.0.0", entry(name="alice", host="gitlab.com"), epoch=2)) >= {"alice/0a1b2c/snippet.py"}


# Forks


MODIFIED = code("modified", 60)


@pytest.fixture
def forked(tmp_path: Path) -> Path:
    """alice/lib, and a fork of it at barnaby's with one file modified and one of barnaby's own."""
    alice = person(tmp_path, "alice", {"same.py": code("same"), "modified.py": MODIFIED})
    git(tmp_path, "clone", "--quiet", "--bare", str(alice), str(tmp_path / "barnaby.git"))
    git(tmp_path, "clone", "--quiet", str(tmp_path / "barnaby.git"), str(tmp_path / "work"))
    commit(tmp_path / "work", {"modified.py": MODIFIED.replace("59", "58"), "barnabys.py": code("barnabys")})
    git(tmp_path / "work", "push", "--quiet", "origin", "HEAD:main")
    fork = repository(tmp_path / "barnaby.git", "barnaby", "fork", is_fork=True, fork_of="github.com/Alice/lib")
    return config(tmp_path, [repository(alice, "alice"), fork])


@pytest.mark.parametrize(
    ("spread", "left"),
    [
        ("none", {"same.py", "modified.py", "barnabys.py"}),
        ("exact", {"modified.py", "barnabys.py"}),
        ("near", {"barnabys.py"}),
    ],
)
def test_a_fork_goes_as_far_as_the_entry_spreads(forked: Path, spread: str, left: set[str]) -> None:
    before = first(forked)
    assert names(before) == {"alice/lib/same.py", "alice/lib/modified.py", "barnaby/fork/barnabys.py"}
    after = leave(before.parents[1], "2.0.0", entry(name="alice", spread=spread))
    assert names(after) == {f"barnaby/fork/{one}" for one in left}
    assert of(places(after), "alice") == set()
    # Her name stands in the licence of the fork too, and in the notice that ships it; nowhere else.
    notice = notice_path("github.com", "barnaby", "fork").as_posix()
    assert {where for where, _ in found(after, "alice")} <= {"notices/texts.parquet", notice}


def test_copies_that_left_stay_out_when_their_origin_changes(forked: Path, tmp_path: Path) -> None:
    folder = first(forked).parents[1]
    left = names(leave(folder, "2.0.0", entry(name="alice", spread="exact")))
    commit(tmp_path / "git/alice", {"further.py": code("further")})
    refresh(folder)
    release_of(folder, ["release.version=3.0.0"])
    assert names(folder / "releases/3.0.0") == left == {"barnaby/fork/modified.py", "barnaby/fork/barnabys.py"}


def test_who_owns_a_fork_takes_nothing_from_where_it_came_from(forked: Path) -> None:
    before = first(forked)
    for epoch, spread in enumerate(("none", "exact", "near"), 1):
        after = leave(before.parents[1], f"{epoch + 1}.0.0", entry(name="barnaby", spread=spread), epoch=epoch)
        assert places(after) == of(places(before), "alice")
    assert found(after, "barnaby") == []


# Packages and the repositories that they name


def package(server: Server, tmp_path: Path, files: dict[str, str], home_page: str, uploaded: str) -> str:
    """Serve the package `thing` from a registry; return its source of a configuration."""
    members = [(f"thing-1.0/{name}", text.encode()) for name, text in files.items()]
    archive = make_tar(tmp_path / "thing-1.0.tar.gz", members).read_bytes()
    file = {
        "packagetype": "sdist", "filename": "thing-1.0.tar.gz", "url": "../../files/thing-1.0.tar.gz",
        "digests": {"sha256": hashlib.sha256(archive).hexdigest()}, "upload_time_iso_8601": uploaded,
    }  # fmt: skip
    info = {"version": "1.0", "home_page": None, "project_urls": {"Source": home_page}}
    server.answers["/pypi/thing/json"] = json.dumps({"info": info, "urls": [file]}).encode()
    server.answers["/files/thing-1.0.tar.gz"] = archive
    return f'\n[[source]]\nname = "registry"\nkind = "packages"\npypi = ["thing"]\npypi_url = "{server.url}"\n'


@pytest.fixture
def packaged(tmp_path: Path, server: Server) -> Path:
    """alice/lib, the package that says it is made of it, and nobody else."""
    alice = person(tmp_path, "alice", {"both.py": code("both"), "test_both.py": code("test_both")})
    files = {"LICENSE": license_of("The Thing"), "both.py": code("both"), "packaged.py": code("packaged")}
    extra = package(server, tmp_path, files, "https://github.com/alice/lib", "2020-01-02T03:04:05Z")
    return config(tmp_path, [repository(alice, "alice")], extra)


@pytest.mark.parametrize(
    ("left", "entries"),
    [
        ({"-"}, [entry(name="alice")]),
        ({"-"}, [entry("repository", "alice/lib")]),
        ({"-"}, [entry(name="alice", spread="exact")]),
        ({"-"}, [entry(name="alice", spread="near")]),
        ({"alice"}, [entry("package", "thing", host="pypi")]),
        ({"alice"}, [entry("package", "-/Thing", host="pypi", spread="near")]),
        (set(), [entry(name="alice", granted="moderator")]),
        (set(), [entry(name="alice"), entry("package", "thing", host="pypi")]),
    ],
    ids=["owner", "repository", "exact", "near", "package", "package near", "moderator", "both"],
)
def test_a_project_url_takes_nothing_along_unless_a_moderator_says_so(
    packaged: Path, left: set[str], entries: list[Entry]
) -> None:
    before = first(packaged)
    folder = before.parents[1]
    assert {one[1] for one in places(before)} == {"alice", "-"}
    if not left:
        with pytest.raises(InputError, match="nothing to release"):
            leave(folder, "2.0.0", *entries)
        assert not (folder / "releases/2.0.0").exists()
        return
    after = leave(folder, "2.0.0", *entries)
    assert places(after) == of(places(before), *left)
    assert "both.py" in {one.rpartition("/")[2] for one in names(after)}


# Authors by e-mail

KEY = "a key of this deployment"
MARIA = {"GIT_AUTHOR_EMAIL": "Maria@Example.org"}


def authored(tmp_path: Path) -> Path:
    """A project of several authors; maria has all of one file, half of another, a third of the last."""
    folder = person(tmp_path, "project", {"alone.py": code("alone")}, **MARIA)
    steps = {"half.py": [MARIA, {}], "third.py": [{}, MARIA, {}], "none.py": [{}]}
    for name, authors in steps.items():
        for number, author in enumerate(authors):
            text = code(name.removesuffix(".py"), 12 + number)
            commit(folder, {name: text}, **author)
    return config(tmp_path, [repository(folder, "project")])


def maria(key: str = KEY) -> Entry:
    return Entry(kind="email", email_hash=email_hash(key, "maria@example.org"), since="2026-01-01")


def test_an_author_takes_the_files_that_are_at_least_half_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIRSTACK_AUTHOR_KEY", KEY)
    path = authored(tmp_path)
    before = first(path)
    assert names(before) == {f"project/lib/{one}.py" for one in ("alone", "half", "third", "none")}
    after = leave(before.parents[1], "2.0.0", maria(), author_key_id=key_id(KEY))
    assert names(after) == {"project/lib/third.py", "project/lib/none.py"}
    # An address is nowhere in the build, and no hash of one in the release.
    assert found(tmp_path / "build", "maria@example.org") == []
    assert found(after, email_hash(KEY, "maria@example.org"), KEY) == []


def test_an_authors_list_of_the_configuration_is_honoured_by_the_first_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIRSTACK_AUTHOR_KEY", KEY)
    path = authored(tmp_path)
    listed(tmp_path / "list", maria(), author_key_id=key_id(KEY))
    path.write_text(path.read_text() + '\n[optout]\nlists = ["list"]\nauthor_share = 0.3\n')
    release = first(path)
    assert names(release) == {"project/lib/none.py"} and verify(tmp_path / "build/corpus").problems == []


def test_a_list_of_another_author_key_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRSTACK_AUTHOR_KEY", KEY)
    folder = first(authored(tmp_path)).parents[1]
    other = key_id("another")
    with pytest.raises(ConfigError, match=f"hashed with the key {other}, this build's authors with {key_id(KEY)}"):
        leave(folder, "2.0.0", maria("another"), author_key_id=other)
    assert [one.name for one in (folder / "releases").iterdir()] == ["1.0.0"]
    # What was accepted stays in force: without a newer list nothing is released.
    with pytest.raises(ConfigError, match="hashed with the key"):
        release_of(folder, ["release.version=2.0.0"])
    assert "project/lib/alone.py" not in names(leave(folder, "2.0.0", maria(), epoch=2, author_key_id=key_id(KEY)))


def test_a_build_that_does_not_know_its_authors_is_not_released_with_opt_outs_by_email(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FAIRSTACK_AUTHOR_KEY", raising=False)
    folder = first(authored(tmp_path)).parents[1]
    with pytest.raises(ConfigError, match="the authors of 1 git repositories of this build are not known"):
        leave(folder, "2.0.0", maria(), author_key_id=key_id(KEY))
    assert [one.name for one in (folder / "releases").iterdir()] == ["1.0.0"]


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
