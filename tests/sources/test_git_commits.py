"""Commits as contents, on real repositories: what is taken, every reason for which one is not, and licences."""

from __future__ import annotations

from pathlib import Path

import pytest

from stack_data.commits import CONVERSION, Commit, parts_of
from stack_data.config_sources import GitConfig, GitRepositoryConfig
from stack_data.errors import SourceError
from stack_data.reasons import Reason
from stack_data.sources import git, git_commits
from stack_data.sources.git_history import email_hash
from stack_data.sources.source import Author, Sample
from stack_data.text import Reading, reading_of
from tests.corpus import MIT
from tests.git_commits import LICENSE, SPDX_GPL, SPDX_MIT, code, commit, context, read, reasons, repository
from tests.leaving import git as run_git

__all__ = ["repository"]  # fixture


def test_a_change_of_one_file_is_a_document_with_its_place(tmp_path: Path, repository: Path) -> None:
    changed = commit(repository, "Call it c\n\nBecause.\n", {"lib/b.py": code("c")})
    (entry,) = read(tmp_path)
    assert entry.content is not None
    assert (entry.path, entry.revision, entry.reason, entry.num_bytes) == (
        "lib/b.py",
        changed,
        None,
        len(entry.content),
    )
    assert parts_of(entry.content.decode()) == Commit(code("b"), "Call it c\n\nBecause.", code("c"))
    assert reading_of(entry.content) == Reading("utf-8", CONVERSION, len(entry.content))


def test_no_commits_are_taken_unless_they_are_asked_for(tmp_path: Path, repository: Path) -> None:
    commit(repository, "Call it c", {"lib/b.py": code("c")})
    assert read(tmp_path, commits=0) == []
    (unit,) = git.resolve(
        GitConfig(kind="git", name="g", repositories=(GitRepositoryConfig(url="repo"),)), context(tmp_path)
    )
    assert "commits" not in unit.locked


def test_the_newest_are_taken_and_no_more_than_asked_for(tmp_path: Path, repository: Path) -> None:
    commit(repository, "Change a", {"a.py": code("x")})
    newest = commit(repository, "Change b", {"lib/b.py": code("y")})
    assert [entry.revision for entry in read(tmp_path, commits=1)] == [newest]
    assert len(read(tmp_path, commits=2)) == 2


def test_of_a_file_the_newest_commits_are_taken(tmp_path: Path, repository: Path) -> None:
    ids = [commit(repository, f"Call it {word}", {"a.py": code(word)}) for word in ("x", "y", "z")]
    entries = read(tmp_path)
    assert [(entry.revision, entry.reason) for entry in entries] == [
        (ids[2], None), (ids[1], Reason.COMMIT_SAME_FILE), (ids[0], Reason.COMMIT_SAME_FILE)
    ]  # fmt: skip
    assert reasons(read(tmp_path, per_file=2)) == [None, None, Reason.COMMIT_SAME_FILE]


def test_other_kinds_of_commits_are_no_entries(tmp_path: Path, repository: Path) -> None:
    commit(repository, "Two files", {"a.py": code("x"), "lib/b.py": code("y")})
    commit(repository, "A new file", {"new.py": code("n")})
    run_git(repository, "mv", "new.py", "renamed.py")
    commit(repository, "A renamed file", {})
    commit(repository, "A file that goes", {"renamed.py": None})
    commit(repository, "Nothing", {})
    (repository / "a.py").chmod(0o755)
    commit(repository, "A mode", {})
    (repository / "link").symlink_to("a.py")
    commit(repository, "A link", {})
    (repository / "link").unlink()
    (repository / "link").symlink_to("b.py")
    commit(repository, "Another link", {})
    run_git(repository, "checkout", "--quiet", "-b", "side", "HEAD~1")
    commit(repository, "At the side", {"lib/b.py": code("side")})
    run_git(repository, "checkout", "--quiet", "main")
    run_git(repository, "merge", "--quiet", "--no-ff", "--message", "Merge the side", "side")
    entries = read(tmp_path)
    assert [entry.content and parts_of(entry.content.decode()).message for entry in entries] == ["At the side"]


@pytest.mark.parametrize(
    "path",
    [
        "LICENSE",
        "lib/COPYING",
        "README.md",
        "pyproject.toml",
        "sub/package.json",
        ".gitattributes",
        ".github/ai-opt-out",
        "NOTICE",
    ],
)
def test_files_that_are_evidence_or_signals_themselves_are_never_entries(
    tmp_path: Path, repository: Path, path: str
) -> None:
    commit(repository, "Add it", {path: code("first")})
    commit(repository, "Change it", {path: code("second")})
    assert read(tmp_path) == []


def test_a_file_that_is_gone_is_not_dug_out(tmp_path: Path, repository: Path) -> None:
    commit(repository, "Put a key in", {"a.py": code("secret")})
    commit(repository, "Take it out", {"a.py": None})
    assert reasons(read(tmp_path)) == [Reason.COMMIT_FILE_GONE]


@pytest.mark.parametrize(
    ("message", "expected"),
    [("", Reason.COMMIT_NO_MESSAGE), ("Signed-off-by: A <a@example.org>", Reason.COMMIT_NO_MESSAGE), ("update", Reason.COMMIT_AUTOMATIC_MESSAGE),
     ("word " * 20_001, Reason.COMMIT_TOO_LONG)],
)  # fmt: skip
def test_a_message_that_says_nothing_costs_the_commit(
    tmp_path: Path, repository: Path, message: str, expected: Reason
) -> None:
    commit(repository, message, {"a.py": code("x")})
    assert reasons(read(tmp_path)) == [expected]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", Reason.COMMIT_NO_TEXT),
        (b" \n\t", Reason.COMMIT_NO_TEXT),
        (b"\0" * 20, Reason.COMMIT_NO_TEXT),
        ("# Gr\u00fc\u00dfe, sch\u00f6n\n".encode("latin-1") * 5, Reason.COMMIT_NO_TEXT),
        (b"\xef\xbb\xbf" + code("x").encode(), Reason.COMMIT_NO_TEXT),
        (b'{"nbformat": 4, "cells": []}\n' * 5, Reason.COMMIT_NO_TEXT),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", Reason.COMMIT_NO_TEXT),
        (b"word\n" * 20_001, Reason.COMMIT_TOO_LONG),
        (b"word\n" * 100_000, Reason.COMMIT_TOO_LONG),
    ],
)  # fmt: skip
def test_a_side_that_is_no_plain_text_costs_the_commit(
    tmp_path: Path, repository: Path, content: bytes, expected: Reason
) -> None:
    commit(repository, "Put it in", {"a.py": content})
    commit(repository, "Take it out again", {"a.py": code("x")})
    assert reasons(read(tmp_path)) == [expected, expected]


def test_small_changes_are_drawn_by_their_content(tmp_path: Path, repository: Path) -> None:
    commit(repository, "Many files", {f"{number}.py": code("x") for number in range(40)})
    for number in range(40):
        commit(repository, "Change a line", {f"{number}.py": code("x") + f"new = {number}\n"})
    found = reasons(read(tmp_path, commits=100))
    assert set(found) == {None, Reason.COMMIT_NOT_DRAWN}
    assert 8 <= found.count(None) <= 32
    assert reasons(read(tmp_path, commits=100)) == found


def test_a_commit_under_another_licence_is_left_out(tmp_path: Path, repository: Path) -> None:
    commit(repository, "Change it under MIT", {"a.py": code("x")})
    commit(repository, "Relicense", {"LICENSE": "GNU GENERAL PUBLIC LICENSE\nVersion 3\n"})
    commit(repository, "Change it under the GPL", {"lib/b.py": code("y")})
    commit(repository, "Back", LICENSE)
    newest = commit(repository, "Change it under MIT again", {"lib/b.py": code("z")})
    entries = read(tmp_path, per_file=9)
    assert [(entry.path, entry.reason) for entry in entries] == [
        ("lib/b.py", None), ("lib/b.py", Reason.COMMIT_OTHER_LICENSE), ("a.py", None)
    ]  # fmt: skip
    assert entries[0].revision == newest


def test_a_licence_of_a_folder_speaks_for_what_lies_below_it(tmp_path: Path, repository: Path) -> None:
    commit(repository, "Change b before", {"lib/b.py": code("x")})
    commit(repository, "Change a before", {"a.py": code("x")})
    commit(repository, "The folder gets a licence", {"lib/COPYING": MIT})
    assert {entry.path: entry.reason for entry in read(tmp_path)} == {
        "lib/b.py": Reason.COMMIT_OTHER_LICENSE,
        "a.py": None,
    }


def test_a_manifest_may_change_but_not_what_it_declares(tmp_path: Path, repository: Path) -> None:
    def declares(expression: str, version: str) -> dict[str, bytes | str | None]:
        return {"pyproject.toml": f'[project]\nlicense = "{expression}"\nversion = "{version}"\n'}

    commit(repository, "Declare the GPL", declares("GPL-3.0-only", "1"))
    commit(repository, "Change a", {"a.py": code("x")})
    commit(repository, "Declare MIT", declares("MIT", "2"))
    commit(repository, "Change b", {"lib/b.py": code("y")})
    commit(repository, "Declare MIT still", declares("MIT", "3"))
    assert {entry.path: entry.reason for entry in read(tmp_path)} == {
        "a.py": Reason.COMMIT_OTHER_LICENSE,
        "lib/b.py": None,
    }


@pytest.mark.parametrize(
    ("before", "after", "now", "expected"),
    [
        (SPDX_MIT, SPDX_MIT, SPDX_MIT, None),
        (SPDX_GPL, SPDX_MIT, SPDX_MIT, Reason.COMMIT_OTHER_LICENSE),
        ("", SPDX_GPL, SPDX_GPL, Reason.COMMIT_OTHER_LICENSE),
        # The header came later, and says what was meant before.
        ("", "", SPDX_GPL, Reason.COMMIT_OTHER_LICENSE),
        (SPDX_GPL, SPDX_GPL, "", Reason.COMMIT_OTHER_LICENSE),
        # The same all the time: the licence stage drops it as it does the file.
        (SPDX_GPL, SPDX_GPL, SPDX_GPL, None),
    ],
)  # fmt: skip
def test_headers_must_say_the_same_before_after_and_now(
    tmp_path: Path, repository: Path, before: str, after: str, now: str, expected: Reason | None
) -> None:
    commit(repository, "First", {"a.py": before + code("x")})
    changed = commit(repository, "Change it", {"a.py": after + code("y")})
    commit(repository, "And now", {"a.py": now + code("z")})
    found = {entry.revision: entry.reason for entry in read(tmp_path, per_file=9)}
    assert found[changed] is expected


def test_authors_are_all_who_wrote_the_commit(tmp_path: Path, repository: Path) -> None:
    commit(
        repository,
        "Change it\n\nCo-authored-by: B <B@example.org>\n",
        {"a.py": code("x")},
        GIT_AUTHOR_EMAIL="A@Example.org",
    )
    (entry,) = read(tmp_path, here=context(tmp_path, {"FAIRSTACK_AUTHOR_KEY": "key"}))
    assert entry.authors == tuple(Author(email_hash("key", f"{name}@example.org"), 1.0) for name in "ab")
    assert entry.content is not None
    assert b"@example.org" not in entry.content
    assert read(tmp_path)[0].authors == ()


def test_the_limits_of_a_unit_count_commits_too(tmp_path: Path, repository: Path) -> None:
    for name in ("a.py", "lib/b.py"):
        commit(repository, "Change it", {name: code("x")})
    assert reasons(read(tmp_path, here=context(tmp_path, max_files=4))) == [None, Reason.OVER_CAP]
    size = sum(
        len(path.read_bytes()) for path in (repository / "LICENSE", repository / "a.py", repository / "lib/b.py")
    )
    assert reasons(read(tmp_path, here=context(tmp_path, max_unit_bytes=size + 1))) == [None, Reason.OVER_CAP]
    assert reasons(read(tmp_path, here=context(tmp_path, max_unit_bytes=size))) == [Reason.OVER_CAP]


def test_a_large_document_or_side_is_not_read(tmp_path: Path, repository: Path) -> None:
    commit(repository, "Change it", {"a.py": code("x", 200)})
    size = len((repository / "a.py").read_bytes())
    assert reasons(read(tmp_path, here=context(tmp_path, max_file_bytes=size))) == [Reason.TOO_LARGE]
    assert reasons(read(tmp_path, here=context(tmp_path, max_file_bytes=size - 1))) == [Reason.TOO_LARGE]


def test_a_dry_run_takes_those_of_the_drawn_files(tmp_path: Path, repository: Path) -> None:
    commit(repository, "Change a", {"a.py": code("x")})
    commit(repository, "Change b", {"lib/b.py": code("x")})
    here = context(tmp_path, sample=Sample(1, lambda path: path == "a.py"))
    assert {entry.path: entry.reason for entry in read(tmp_path, here=here)} == {
        "a.py": None,
        "lib/b.py": Reason.NOT_SAMPLED,
    }


def test_a_history_that_takes_too_long_fails_the_unit(tmp_path: Path, repository: Path) -> None:
    commit(repository, "Change a", {"a.py": code("x")})
    with pytest.raises(SourceError, match="max_unit_seconds"):
        list(git_commits.changes(repository / ".git", "HEAD", context(tmp_path, max_unit_seconds=1e-9)))
