"""Commits as contents, on real repositories: what is taken, every reason for which one is not, licences, and hostile histories."""

from __future__ import annotations

import hashlib
import subprocess
import zlib
from pathlib import Path

import pytest

from stack_data.commits import CONVERSION, Commit, parts_of
from stack_data.config import LimitsConfig
from stack_data.config_sources import GitConfig, GitRepositoryConfig
from stack_data.errors import SourceError
from stack_data.identity import content_id
from stack_data.reasons import Reason
from stack_data.sources import git, git_commits
from stack_data.sources.git_history import email_hash
from stack_data.sources.source import Author, Entry, Sample, SourceContext
from stack_data.text import Reading, reading_of
from tests.corpus import MIT
from tests.leaving import git as run_git

LICENSE: dict[str, bytes | str | None] = {"LICENSE": MIT}
SPDX_MIT, SPDX_GPL = "# SPDX-License-Identifier: MIT\n", "# SPDX-License-Identifier: GPL-3.0-only\n"


def code(word: str, count: int = 5) -> str:
    """Return lines that all differ with the word."""
    return "".join(f"{word} = {number}\n" for number in range(count))


def commit(folder: Path, message: str, files: dict[str, bytes | str | None], **environment: str) -> str:
    """Commit files (None: deleted) under a message; return the commit's id."""
    if not (folder / ".git").exists():
        folder.mkdir(parents=True, exist_ok=True)
        run_git(folder, "init", "--quiet", "--initial-branch=main")
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    run_git(folder, "add", "--all")
    run_git(
        folder,
        "commit",
        "--quiet",
        "--allow-empty",
        "--allow-empty-message",
        "--cleanup=verbatim",
        "--message",
        message,
        **environment,
    )
    return run_git(folder, "rev-parse", "HEAD")


def context(
    tmp_path: Path, secrets: dict[str, str] | None = None, sample: Sample | None = None, **limits: float
) -> SourceContext:
    cache = tmp_path / "cache"
    cache.mkdir(exist_ok=True)
    return SourceContext(cache, tmp_path, LimitsConfig(**limits), "2026-01-01", secrets or {}, sample)  # type: ignore[arg-type]


def read(
    tmp_path: Path, url: str = "repo", commits: int = 10, per_file: int = 1, here: SourceContext | None = None
) -> list[Entry]:
    """Return the entries of the commits of a repository."""
    here = here or context(tmp_path)
    config = GitConfig(
        kind="git", name="g", commits=commits, commits_per_file=per_file, repositories=(GitRepositoryConfig(url=url),)
    )
    (unit,) = git.resolve(config, here)
    assert "failed" not in unit.locked, unit.locked
    num_files = len(run_git(tmp_path / "repo", "ls-tree", "-r", "HEAD").splitlines())
    return list(git.read(unit, here).entries)[num_files:]


def reasons(entries: list[Entry]) -> list[Reason | None]:
    return [entry.reason for entry in entries]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    commit(folder, "Begin", LICENSE | {"a.py": code("a"), "lib/b.py": code("b")})
    return folder


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


# Hostile and damaged repositories.


def blob_of(repository: Path, content: bytes) -> Path:
    name = content_id(content)
    return repository / ".git" / "objects" / name[:2] / name[2:]


def test_a_missing_side_costs_the_commit_alone(tmp_path: Path, repository: Path) -> None:
    commit(repository, "Change a", {"a.py": code("x")})
    commit(repository, "Change a again", {"a.py": code("y")})
    commit(repository, "Change b", {"lib/b.py": code("z")})
    blob_of(repository, code("x").encode()).unlink()
    assert reasons(read(tmp_path)) == [None, Reason.CONTENT_MISSING, Reason.CONTENT_MISSING]


def test_a_missing_file_at_the_locked_revision_costs_its_commits(tmp_path: Path, repository: Path) -> None:
    commit(repository, "Change a", {"a.py": code("x")})
    commit(repository, "Change all", {"a.py": code("y"), "lib/b.py": code("y")})
    blob_of(repository, code("y").encode()).unlink()
    assert reasons(read(tmp_path)) == [Reason.CONTENT_MISSING]


def test_a_history_with_a_hole_ends_there(tmp_path: Path, repository: Path, caplog: pytest.LogCaptureFixture) -> None:
    lost = commit(repository, "Lost", {"a.py": code("x")})
    commit(repository, "Behind the hole", {"lib/b.py": code("y")})
    commit(repository, "Newest", {"lib/b.py": code("z")})
    (repository / ".git" / "objects" / lost[:2] / lost[2:]).unlink()
    here = context(tmp_path)
    blobs = {"lib/b.py": content_id(code("z").encode())}
    head = run_git(repository, "rev-parse", "HEAD")
    locked = git_commits.Locked(repository / ".git", head, blobs, "", lambda _: True, 0, 0)
    assert reasons(list(git_commits.entries(locked, 9, 9, here))) == [None]
    assert "cannot be read to the end" in caplog.text


def test_a_shallow_clone_gives_the_commits_it_has(tmp_path: Path, repository: Path) -> None:
    for word in ("x", "y", "z"):
        commit(repository, f"Call it {word}", {"a.py": code(word)})
    run_git(tmp_path, "clone", "--quiet", "--depth=2", f"file://{repository}", "shallow")
    (entry,) = read(tmp_path, "shallow", per_file=9)
    assert entry.content is not None
    assert parts_of(entry.content.decode()) == Commit(code("y"), "Call it z", code("z"))


@pytest.mark.parametrize("date", ["0 +0000", "99999999999 +0000", "4102444800 -1200"])
def test_odd_dates_change_nothing(tmp_path: Path, repository: Path, date: str) -> None:
    commit(repository, "Change it", {"a.py": code("x")}, GIT_AUTHOR_DATE=f"@{date}", GIT_COMMITTER_DATE=f"@{date}")
    commit(repository, "Change it too", {"lib/b.py": code("x")})
    assert sorted(entry.path for entry in read(tmp_path) if entry.content) == ["a.py", "lib/b.py"]


def raw_commit(repository: Path, *headers: bytes, message: bytes = b"Change it\n", tree: str = "") -> None:
    """Put a hand-made commit on top of the branch."""
    parent = run_git(repository, "rev-parse", "HEAD")
    tree = tree or run_git(repository, "write-tree")
    lines = [f"tree {tree}".encode(), f"parent {parent}".encode(), *headers]
    made = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin", "--literally"], cwd=repository, input=b"\n".join(lines) + b"\n\n" + message,
        capture_output=True, check=True,
    )  # fmt: skip
    run_git(repository, "update-ref", "refs/heads/main", made.stdout.decode().strip())


PERSON = b"A <a@example.org> 1600000000 +0000"


@pytest.mark.parametrize(
    ("headers", "message", "expected"),
    [
        ([b"author " + PERSON, b"committer " + PERSON], b"Gr\xc3\xbc\xc3\x9fe an alle\n", "Gr\u00fc\u00dfe an alle"),
        ([b"author " + PERSON, b"committer " + PERSON, b"encoding ISO-8859-1"], b"Gr\xfc\xdfe an alle\n", "Gr\u00fc\u00dfe an alle"),
        ([b"author " + PERSON, b"committer " + PERSON], b"Gr\xfc\xdfe an alle\n", Reason.COMMIT_NO_MESSAGE),
        ([b"author " + PERSON, b"committer " + PERSON, b"encoding no-such"], b"Gr\xfc\xdfe\n", Reason.COMMIT_NO_MESSAGE),
        ([b"author " + PERSON, b"committer " + PERSON], b"Say it\0\x01hidden\n", "Say it"),
        ([b"author " + PERSON, b"committer " + PERSON], b"\x01:100644 is how\n:100644 it looks\n", "\x01:100644 is how\n:100644 it looks"),
        ([b"author nobody", b"committer nobody"], b"Change it\n", "Change it"),
        ([b"author \xff\xfe <\xff@x> 1 +0000", b"committer " + PERSON, b"gpgsig -----BEGIN PGP SIGNATURE-----", b" x"], b"Change it\n", "Change it"),
        ([b"author A <a@example.org> 99999999999999999999 +9999", b"committer A <a> -1 x"], b"Change it\n", "Change it"),
    ],
)  # fmt: skip
def test_odd_commits_are_read_or_left_out(
    tmp_path: Path, repository: Path, headers: list[bytes], message: bytes, expected: str | Reason
) -> None:
    (repository / "a.py").write_text(code("x"))
    run_git(repository, "add", "--all")
    raw_commit(repository, *headers, message=message)
    (entry,) = read(tmp_path, here=context(tmp_path, {"FAIRSTACK_AUTHOR_KEY": "key"}))
    assert (parts_of(entry.content.decode()).message if entry.content else entry.reason) == expected


def test_a_message_of_megabytes_is_cut_short_and_left_out(tmp_path: Path, repository: Path) -> None:
    (repository / "a.py").write_text(code("x"))
    run_git(repository, "add", "--all")
    raw_commit(repository, b"author " + PERSON, b"committer " + PERSON, message=b"word " * 4_000_000)
    commit(repository, "Another", {"lib/b.py": code("y")})
    assert reasons(read(tmp_path)) == [None, Reason.COMMIT_TOO_LONG]


def test_paths_of_any_bytes_are_kept_as_they_are(tmp_path: Path, repository: Path) -> None:
    names = ["new\nline.py", "tab\t.py", ":100644 100644.py", "\udcff\udcfe.py", "-option.py", "\x01x.py", " .py"]
    commit(repository, "Add them", {name: code("x") for name in names})
    for name in names:
        commit(repository, "Change it", {name: code("y")})
    assert sorted(entry.path for entry in read(tmp_path) if entry.content) == sorted(names)


def test_a_tree_with_two_files_of_one_name_hides_no_licence(tmp_path: Path, repository: Path) -> None:
    def tree(*entries: tuple[bytes, bytes]) -> str:
        content = b"".join(b"100644 " + name + b"\0" + bytes.fromhex(content_id(text)) for name, text in entries)
        whole = b"tree %d\0" % len(content) + content
        oid = hashlib.sha1(whole).hexdigest()
        path = repository / ".git" / "objects" / oid[:2] / oid[2:]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(zlib.compress(whole))
        return oid

    gpl, mit, old, new = b"GNU GENERAL PUBLIC LICENSE\n", MIT.encode(), code("a").encode(), code("x").encode()
    commit(repository, "Blobs", {"gpl": gpl, "x": new})
    people = (b"author " + PERSON, b"committer " + PERSON)
    raw_commit(repository, *people, tree=tree((b"LICENSE", gpl), (b"LICENSE", mit), (b"a.py", old)))
    raw_commit(repository, *people, tree=tree((b"LICENSE", gpl), (b"LICENSE", mit), (b"a.py", new)))
    raw_commit(repository, *people, tree=tree((b"LICENSE", mit), (b"a.py", new)))
    assert reasons(read(tmp_path)) == [Reason.COMMIT_OTHER_LICENSE]


def test_a_commit_graph_that_lies_is_not_believed(tmp_path: Path, repository: Path) -> None:
    commit(repository, "Change a", {"a.py": code("x")})
    run_git(repository, "commit-graph", "write", "--reachable")
    expected = read(tmp_path)
    graph = repository / ".git" / "objects" / "info" / "commit-graph"
    graph.chmod(0o644)
    graph.write_bytes(graph.read_bytes()[:-40] + b"\0" * 40)
    assert read(tmp_path) == expected
