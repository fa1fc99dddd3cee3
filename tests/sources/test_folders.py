"""Folder trees and Python environments."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from stack_data.errors import SourceError
from stack_data.reasons import Reason
from stack_data.sources import kinds
from stack_data.sources.folders import list_tree, matcher, read_files
from stack_data.sources.source import Sample
from tests.sources.reading import contents, context, read, units


def test_a_tree_is_listed_in_byte_order_and_read(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    for name in ("b.py", "a/z.py", "a.py", ".git/config"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    repositories, entries = read(tmp_path, "directory", path="tree")
    assert [entry.path for entry in entries] == ["a.py", "a/z.py", "b.py"]
    assert [entry.content for entry in entries] == [b"a.py", b"a/z.py", b"b.py"]
    assert (repositories[0].host, repositories[0].repo) == ("directory", "tree")


def test_what_is_no_file_is_recorded(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "loop").symlink_to(".")
    (root / "out").symlink_to("/etc/passwd")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "sock"))
    (root / "big.py").write_text("x" * 300_000)
    # Small files are read whole; the fetch step sees their NUL bytes.
    (root / "lib.so").write_bytes(b"\x7fELF" + b"\0" * 100_000)
    found = contents(read(tmp_path, "directory", {"max_file_bytes": 200_000}, path="tree")[1])
    assert found == {"loop": "symlink", "out": "symlink", "pipe": "special_file", "sock": "special_file",
                     "big.py": "too_large", "lib.so": "binary"}  # fmt: skip


def test_a_file_that_may_not_be_read_is_recorded(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    root = tmp_path / "tree"
    root.mkdir()
    (root / "a.py").write_text("a")
    (root / "a.py").chmod(0)
    assert contents(read(tmp_path, "directory", path="tree")[1]) == {"a.py": "unreadable"}


def test_a_file_that_vanished_since_it_was_listed_is_recorded(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "a.py").write_text("a")
    listing = list_tree(str(root))
    (root / "a.py").unlink()
    (entry,) = read_files(str(root), listing, context(tmp_path))
    assert entry.reason is not None and entry.reason.value == "unreadable"  # type: ignore[union-attr]


def test_a_name_that_is_no_text_is_kept(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    (Path(os.fsdecode(os.fsencode(root) + b"/n\xff.py"))).write_text("x")
    assert [entry.path for entry in read(tmp_path, "directory", path="tree")[1]] == ["n\udcff.py"]


def test_a_tree_that_changed_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "a.py").write_text("a")
    (unit,) = units(tmp_path, "directory", path="tree")
    (root / "b.py").write_text("b")
    with pytest.raises(SourceError, match="changed since it was locked"):
        kinds.read("directory", unit, context(tmp_path))
    with pytest.raises(SourceError, match="no folder"):
        units(tmp_path, "directory", path="nowhere")


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*.py", "a/b.py", True), ("/a.py", "b/a.py", False), ("build/", "x/build/", True), ("build/", "build", False),
        ("a/**/c.py", "a/b/b/c.py", True), ("a/*.py", "a/b/c.py", False), ("doc", "doc/x.md", True),
    ],
)  # fmt: skip
def test_exclude_patterns_are_those_of_gitignore(pattern: str, path: str, matches: bool) -> None:
    assert matcher([pattern])(path) is matches


def environment(root: Path) -> Path:
    site = root / "venv/lib/python3.12/site-packages"
    home = root / "python/bin"
    home.mkdir(parents=True)
    library = root / "python/lib/python3.12"
    for path, text in {
        site / "thing/__init__.py": "x = 1\n",
        site / "thing/__pycache__/__init__.cpython-312.pyc": "bytes",
        site
        / "Thing-1.0.dist-info/METADATA": "Name: Thing\nVersion: 1.0\nLicense: MIT\nProject-URL: Source, https://github.com/o/thing/issues\n",
        site
        / "Thing-1.0.dist-info/RECORD": "thing/__init__.py,,\nThing-1.0.dist-info/METADATA,,\n../../../bin/thing,,\n",
        site / "stray.py": "stray = 1\n",
        library / "os.py": "import sys\n",
        library / "LICENSE.txt": "PSF\n",
        library / "site-packages/not_the_library.py": "x\n",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "venv/pyvenv.cfg").write_text(f"home = {home}\nversion = 3.12.1\n")
    return root / "venv"


def test_an_environment_is_read_by_distribution(tmp_path: Path) -> None:
    environment(tmp_path)
    repositories, entries = read(tmp_path, "environment", python="venv")
    names = [f"{one.host}/{one.repo}" for one in repositories]
    owned = {entry.path: names[entry.repository] for entry in entries}
    assert owned == {
        "thing/__init__.py": "pypi/thing", "Thing-1.0.dist-info/METADATA": "pypi/thing", "stray.py": "environment/unowned",
        "Thing-1.0.dist-info/RECORD": "environment/unowned",
        "os.py": "python/cpython", "LICENSE.txt": "python/cpython",
    }  # fmt: skip
    assert repositories[0].aliases == ("github.com/o/thing",)
    assert {entry.revision for entry in entries if entry.path == "thing/__init__.py"} == {"1.0"}


def test_byte_code_that_python_writes_meanwhile_changes_nothing(tmp_path: Path) -> None:
    site = environment(tmp_path) / "lib/python3.12/site-packages"
    (unit,) = units(tmp_path, "environment", python="venv")
    for folder in (site / "thing/__pycache__", tmp_path / "python/lib/python3.12/__pycache__"):
        folder.mkdir(exist_ok=True)
        (folder / "new.cpython-312.pyc").write_text("bytes")
    assert not [
        entry for entry in kinds.read("environment", unit, context(tmp_path)).entries if "pycache" in entry.path
    ]
    (site / "thing/new.py").write_text("y = 2\n")
    with pytest.raises(SourceError, match="changed since it was locked"):
        kinds.read("environment", unit, context(tmp_path))


def test_distributions_can_be_selected(tmp_path: Path) -> None:
    environment(tmp_path)
    _, entries = read(tmp_path, "environment", python="venv", distributions=["thing"], standard_library=False)
    assert {entry.path for entry in entries} == {
        "thing/__init__.py", "Thing-1.0.dist-info/METADATA",
    }  # fmt: skip
    with pytest.raises(SourceError, match="not installed"):
        units(tmp_path, "environment", python="venv", distributions=["nothing"])


def test_the_running_environment_is_found(tmp_path: Path) -> None:
    (unit,) = units(tmp_path, "environment", distributions=["pytest"])
    assert unit.locked["site_packages"]["num_files"] > 100
    assert unit.locked["standard_library"]["num_files"] > 100


def test_no_environment_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no environment"):
        units(tmp_path, "environment", python="nowhere")
    (tmp_path / "plain").mkdir()
    with pytest.raises(SourceError, match="standard_library = false"):
        units(tmp_path, "environment", python="plain")


def test_a_sample_leaves_entries_unread_by_their_paths(tmp_path: Path) -> None:
    root = tmp_path / "many"
    root.mkdir()
    for number in range(200):
        (root / f"f{number}.py").write_text("x = 1\n")
    (root / "LICENSE").write_text("MIT")
    given = context(tmp_path)
    drawn = replace(given, sample=Sample(300, lambda path: path == "LICENSE"))
    listing = list_tree(str(root))
    read = [one for one in read_files(str(root), listing, drawn) if len(one) == 2]
    unread = [one for one in read_files(str(root), listing, drawn) if len(one) != 2]
    assert 25 < len(read) < 80
    assert any(one[0].path == "LICENSE" for one in read)
    assert {one.reason for one in unread} == {Reason.NOT_SAMPLED}
    assert read == [one for one in read_files(str(root), listing, drawn) if len(one) == 2]
