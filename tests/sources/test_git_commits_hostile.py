"""Commits of damaged repositories and of such as were made to mislead: nothing crashes, no licence is hidden, limits hold."""

from __future__ import annotations

import hashlib
import subprocess
import zlib
from pathlib import Path

import pytest

from stack_data.commits import Commit, parts_of
from stack_data.identity import content_id
from stack_data.reasons import Reason
from stack_data.sources import git_commits
from tests.corpus import MIT
from tests.git_commits import code, commit, context, read, reasons, repository
from tests.leaving import git as run_git

__all__ = ["repository"]  # fixture


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
