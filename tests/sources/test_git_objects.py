"""Objects one at a time: what is there, what is not, and what is damaged or too large."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack_data.identity import content_id
from stack_data.reasons import Reason
from stack_data.sources.git_objects import Objects, contents_of
from tests.leaving import commit, git


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return commit(tmp_path / "repo", {"a.py": "a\n", "b.py": "b\n", "c.py": "c\n"})


@pytest.fixture
def objects(repository: Path) -> Iterator[Objects]:
    with Objects(repository / ".git", {}) as found:
        yield found


def damage(repository: Path, oid: str, content: bytes | None) -> None:
    path = repository / ".git" / "objects" / oid[:2] / oid[2:]
    path.chmod(0o644)
    path.unlink() if content is None else path.write_bytes(content)


def test_a_blob_and_the_tree_of_a_commit_are_found(repository: Path, objects: Objects) -> None:
    head = git(repository, "rev-parse", "HEAD")
    assert objects.read(content_id(b"a\n"), "blob", 10) == b"a\n"
    tree = git(repository, "rev-parse", "HEAD^{tree}")
    assert objects.find(f"{head}^{{tree}}") == (tree, "tree", 96)
    assert content_id(b"b\n") in bytes(objects.read(tree, "tree", 96)).hex()  # type: ignore[arg-type]


@pytest.mark.parametrize("oid", ["0" * 40, "HEAD", "", "-h", "0" * 39, "../x", f"{'0' * 40}\n{'0' * 40}"])
def test_what_is_not_there_is_missing(objects: Objects, oid: str) -> None:
    assert objects.read(oid, "blob", 10) is Reason.CONTENT_MISSING
    assert objects.read(content_id(b"b\n"), "blob", 10) == b"b\n"


def test_a_larger_object_and_one_of_another_kind_are_not_read(repository: Path, objects: Objects) -> None:
    assert objects.read(content_id(b"a\n"), "blob", 1) is Reason.TOO_LARGE
    assert objects.read(git(repository, "rev-parse", "HEAD"), "blob", 1000) is Reason.UNREADABLE


def test_reading_goes_on_behind_a_damaged_object(repository: Path, objects: Objects) -> None:
    whole = (repository / ".git" / "objects" / content_id(b"a\n")[:2] / content_id(b"a\n")[2:]).read_bytes()
    damage(repository, content_id(b"a\n"), whole[:-4])
    damage(repository, content_id(b"b\n"), None)
    assert objects.read(content_id(b"a\n"), "blob", 10) in (Reason.UNREADABLE, Reason.CONTENT_MISSING)
    assert objects.read(content_id(b"b\n"), "blob", 10) is Reason.CONTENT_MISSING
    assert objects.read(content_id(b"c\n"), "blob", 10) == b"c\n"


@pytest.mark.parametrize("stored", [b"blob 9\0a\n", b"blob 900000\0a\n", b"blob 1\0a\n", b"blob 2\0b\n", b"nonsense"])
def test_an_object_that_is_not_what_its_name_says_is_left_out(
    repository: Path, objects: Objects, stored: bytes
) -> None:
    damage(repository, content_id(b"a\n"), zlib.compress(stored))
    broken = (Reason.UNREADABLE, Reason.CONTENT_MISSING)
    assert objects.read(content_id(b"a\n"), "blob", 1_000_000) in broken
    assert objects.read(content_id(b"c\n"), "blob", 10) == b"c\n"
    oids = [content_id(one) for one in (b"b\n", b"a\n", b"c\n")]
    first, second, third = contents_of(repository / ".git", oids, {})
    assert (first, third) == (b"b\n", b"c\n")
    assert second in broken


def test_a_content_may_look_like_an_answer_of_git(repository: Path, objects: Objects) -> None:
    text = f"\n{'0' * 40} missing\n" * 3
    commit(repository, {"odd.txt": text})
    assert objects.read(content_id(text.encode()), "blob", 1000) == text.encode()


def test_many_are_read_in_order(repository: Path) -> None:
    oids = [content_id(one) for one in (b"c\n", b"x\n", b"a\n")]
    assert list(contents_of(repository / ".git", oids, {})) == [b"c\n", Reason.CONTENT_MISSING, b"a\n"]
