"""The same licence then as now: each kind of evidence above a path, changed and unchanged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack_data.sources.git_licenses import LicenseTrees, headers_agree
from stack_data.sources.git_objects import Objects
from tests.corpus import MIT
from tests.leaving import commit, git

FILES: dict[str, str | None] = {"LICENSE": MIT, "pyproject.toml": '[project]\nlicense = "MIT"\nversion = "1"\n', "lib/deep/a.py": "a\n"}  # fmt: skip
GPL_HEADER = "# SPDX-License-Identifier: GPL-3.0-only\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return commit(tmp_path / "repo", FILES)


@pytest.fixture
def trees(repository: Path) -> Iterator[LicenseTrees]:
    with Objects(repository / ".git", {}) as objects:
        yield LicenseTrees(objects)


def tree(repository: Path) -> str:
    return git(repository, "rev-parse", "HEAD^{tree}")


def agree(trees: LicenseTrees, repository: Path, files: dict[str, str | None], path: str = "lib/deep/a.py") -> bool:
    """Tell whether a commit of these files leaves the evidence above the path the same, both ways round."""
    before = tree(repository)
    commit(repository, files)
    after = tree(repository)
    found = trees.agree(path, before, after)
    assert trees.agree(path, after, before) is found
    return found


@pytest.mark.parametrize(
    "files",
    [
        {"lib/deep/a.py": "changed\n"},
        {"lib/other/LICENSE": "another folder's\n"},
        {"pyproject.toml": '[project]\nlicense = "MIT"\nversion = "2"\n'},
        {"README.md": "# Title\n\nSays nothing of terms.\n"},
        {"setup.cfg": "[metadata]\nlicense = MIT\n"},
        {"lib/deep/license.py": "LICENSE = 1\n"},
    ],
)
def test_what_says_nothing_new_changes_nothing(
    trees: LicenseTrees, repository: Path, files: dict[str, str | None]
) -> None:
    assert agree(trees, repository, files)


@pytest.mark.parametrize(
    "files",
    [
        {"LICENSE": MIT.replace("2020", "2021")},
        {"LICENSE": None},
        {"lib/LICENSE": "x\n"},
        {"lib/deep/COPYING": "x\n"},
        {"LICENSES/GPL.txt": "x\n"},
        {"lib/licenses/LICENSE-x.txt": "x\n"},
        {"debian/copyright": "Files: *\nLicense: GPL-3\n"},
        {"NOTICE": "x\n"},
        {"pyproject.toml": '[project]\nlicense = "GPL-3.0-only"\nversion = "1"\n'},
        {"pyproject.toml": '[project]\nversion = "1"\n'},
        {"lib/package.json": json.dumps({"license": "GPL-3.0-only"})},
        {"README.md": "# Title\n\n## License\n\nThis is under the GPL-3.0.\n"},
        {"lib/deep": None, "lib/b.py": "x\n"},
    ],
)
def test_other_evidence_anywhere_above_is_another_licence(
    trees: LicenseTrees, repository: Path, files: dict[str, str | None]
) -> None:
    if "lib/deep" in files:
        # The folder itself is gone.
        files = {"lib/deep/a.py": None, "lib/b.py": "x\n"}
    assert not agree(trees, repository, files)


def test_a_licence_that_became_a_link_is_another_one(trees: LicenseTrees, repository: Path) -> None:
    before = tree(repository)
    (repository / "LICENSE").unlink()
    (repository / "LICENSE").symlink_to("/etc/passwd")
    commit(repository, {})
    assert not trees.agree("lib/deep/a.py", before, tree(repository))


def test_a_moved_licence_text_is_the_same_one(trees: LicenseTrees, repository: Path) -> None:
    assert agree(trees, repository, {"LICENSE": None, "LICENSE.txt": MIT})


def test_a_file_at_the_root_has_the_root_above_it(trees: LicenseTrees, repository: Path) -> None:
    assert agree(trees, repository, {"lib/LICENSE": "x\n"}, "a.py")
    assert not agree(trees, repository, {"COPYING": "x\n"}, "a.py")


@pytest.mark.parametrize("name", ["", "0" * 40, "HEAD"])
def test_a_tree_that_is_not_there_agrees_with_none(trees: LicenseTrees, repository: Path, name: str) -> None:
    assert not trees.agree("lib/deep/a.py", name, tree(repository))


def test_a_tree_that_git_would_not_write_agrees_with_none(trees: LicenseTrees, repository: Path) -> None:
    import hashlib
    import zlib

    content = b"100644 LICENSE\0short"
    whole = b"tree %d\0" % len(content) + content
    oid = hashlib.sha1(whole).hexdigest()
    path = repository / ".git" / "objects" / oid[:2] / oid[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zlib.compress(whole))
    assert not trees.agree("a.py", oid, tree(repository))


def test_an_unreadable_manifest_is_the_same_as_itself_alone(trees: LicenseTrees, repository: Path) -> None:
    before = tree(repository)
    (repository / "pyproject.toml").write_bytes(b"\0\1")
    commit(repository, {})
    binary = tree(repository)
    commit(repository, {"lib/deep/a.py": "changed\n"})
    assert not trees.agree("lib/deep/a.py", before, binary)
    assert trees.agree("lib/deep/a.py", binary, tree(repository))


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["x = 1\n", "x = 2\n"], True),
        (["# Copyright 2019 A\n" + GPL_HEADER, "# Copyright 2020 B\n" + GPL_HEADER + "x\n"], True),
        (["x\n", GPL_HEADER], False),
        ([GPL_HEADER, GPL_HEADER.replace("GPL-3.0-only", "MIT")], False),
        (["x\n", "x\n", GPL_HEADER], False),
        ([], True),
    ],
)
def test_headers_agree_in_what_they_say(texts: list[str], expected: bool) -> None:
    assert headers_agree(texts) is expected
