"""Opt-outs in builds of real repositories: whom an entry reaches: under another name, by forks, packages and authors.

Every repository is made, cloned and pushed by git itself, packages come from a registry on the loopback, and every assertion is about
a released file, a released place or an error that users see. tests/optout/test_resolve.py has the rules one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stack_data.build import refresh, release_of
from stack_data.errors import ConfigError, InputError
from stack_data.optout import Entry
from stack_data.recheck import recheck
from stack_data.release.notices import notice_path
from stack_data.signals import is_signal_file
from stack_data.sources.git_history import email_hash, key_id
from stack_data.sources.remote_state import RemoteState
from stack_data.verify import verify
from tests.git_server import GitServer, redirect
from tests.leaving import code, commit, config, entry, found, git, license_of, listed, names, repository
from tests.real_opt_outs import first, leave, of, package, person, places, written
from tests.sources.test_remote import Server, server

__all__ = ["server"]  # a fixture


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[GitServer]:
    """Git's own server over HTTP."""
    served = GitServer(tmp_path / "served")
    yield served
    served.close()


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
