"""`data license` and `data language` on single files and folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stack_data.errors import InputError
from stack_data.inspect import languages_of_paths, licenses_of_paths
from tests.corpus import MIT, fairstack, make_folders


def test_a_folder_is_judged_as_one_repository(tmp_path: Path) -> None:
    make_folders(tmp_path)
    found = {one["path"]: one for one in licenses_of_paths([str(tmp_path / "permissive")])}
    verdicts = {Path(path).name: (one["license"], one["permissive"]) for path, one in found.items()}
    assert verdicts["a.py"] == ("MIT", True)
    assert verdicts["LICENSE"] == ("MIT", True)
    assert verdicts["gpl_header.c"] == ("GPL-3.0-only", False)
    assert verdicts["c.c"] == (None, False)
    assert verdicts["logo.png"] == (None, False)


def test_a_monorepo_under_a_copyleft_root(tmp_path: Path) -> None:
    for name, text in {
        "COPYING": "This program is free software: you can redistribute it under the terms of the GNU General Public License "
        "as published by the Free Software Foundation, either version 3 of the License, or any later version.\n",
        "a/package.json": '{"license": "MIT"}', "a/i.js": "let a\n", "b/i.js": "let b\n",
        "third_party/x/LICENSE": MIT, "third_party/x/x.c": "int x;\n", "third_party/y/y.c": "int y;\n",
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = {one["path"].removeprefix(f"{tmp_path}/"): one["permissive"] for one in licenses_of_paths([str(tmp_path)])}
    assert {path for path, permissive in found.items() if permissive} == {
        "a/package.json", "a/i.js", "third_party/x/LICENSE", "third_party/x/x.c",
    }  # fmt: skip


def test_single_files(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text(MIT)
    (tmp_path / "x.py").write_text("# SPDX-License-Identifier: Apache-2.0\n")
    answers = list(licenses_of_paths([str(tmp_path / "LICENSE"), str(tmp_path / "x.py")]))
    assert [one["license"] for one in answers] == ["MIT", "Apache-2.0"]
    assert answers[0]["evidence"][0]["method"] == "text"
    with pytest.raises(InputError, match="No such file"):
        list(licenses_of_paths([str(tmp_path / "none")]))


def test_languages_echo_each_path_as_given(tmp_path: Path) -> None:
    (tmp_path / "x.rs").write_text("fn main() {}\n")
    (tmp_path / "y.bin").write_bytes(b"\0\1")
    given = [str(tmp_path / "x.rs"), str(tmp_path / "y.bin")]
    assert [(one["path"], one["language"]) for one in languages_of_paths(given)] == [
        (given[0], "Rust"),
        (given[1], None),
    ]


def test_the_command_prints_one_object_per_line_and_succeeds_whatever_it_finds(tmp_path: Path) -> None:
    make_folders(tmp_path)
    done = fairstack("data", "license", "copyleft/g.py", "permissive", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert all("path" in json.loads(line) for line in done.stdout.splitlines())
    assert fairstack("data", "language", "none", cwd=tmp_path).returncode == 1
