"""Commits and structured notebooks through whole builds: what is released, refreshed and left, and that opt-outs reach commits."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from stack_data import storage
from stack_data.build import BuildResult, refresh, release_of
from stack_data.commits import CONVERSION, parts_of, side_ids
from stack_data.identity import content_id
from stack_data.notebook_blocks import CONVERSION as BLOCKS
from stack_data.notebook_blocks import blocks_of
from stack_data.optout import Entry
from stack_data.sources.git_history import email_hash, key_id
from stack_data.verify import verify
from tests.corpus import NOTEBOOK
from tests.leaving import code, commit, config, entry, found, license_of, listed, made, repository, rows

KEY = "a key of this test"


def change(folder: Path, name: str, word: str, **environment: str) -> None:
    commit(folder, {name: code(word)}, **environment)


def histories(root: Path) -> dict[str, Path]:
    """Return two repositories with commits; every word of code is in one version of one file."""
    found = {}
    for owner in ("ann", "bob"):
        folder = commit(root / "repos" / owner, {"LICENSE": license_of(owner), "one.py": code(f"{owner}_one"), "two.py": code(f"{owner}_two")})  # fmt: skip
        change(folder, "one.py", f"{owner}_one_more")
        change(folder, "two.py", f"{owner}_two_more", GIT_AUTHOR_EMAIL="carl@example.org")
        found[owner] = folder
    return found


def configuration(folder: Path, repos: Mapping[str, Path], commits: int = 10, extra: str = "") -> Path:
    path = config(folder, [repository(repos[owner], owner) for owner in repos], extra)
    path.write_text(path.read_text().replace('kind = "git"\n', f'kind = "git"\ncommits = {commits}\n'))
    return path


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FAIRSTACK_AUTHOR_KEY", KEY)
    return configuration(tmp_path, histories(tmp_path))


def documents(built: Path) -> dict[str, dict[str, Any]]:
    """Return the released commits by the first word of what they change to."""
    found = [row for row in rows(built) if row["conversion"] == CONVERSION]
    return {parts_of(row["content"]).after.split("_0(")[0].removeprefix("def "): row for row in found}


def released(result: BuildResult) -> Path:
    assert result.release is not None
    return result.release


def test_commits_are_released_as_documents_with_their_places(corpus: Path) -> None:
    release = released(made(corpus))
    found = documents(release)
    assert sorted(found) == ["ann_one_more", "ann_two_more", "bob_one_more", "bob_two_more"]
    row = found["ann_one_more"]
    assert (row["path"], row["repo_name"], row["language"], row["detected_licenses"]) == (
        "one.py",
        "ann/lib",
        "Python",
        ["MIT"],
    )
    assert row["content_id"] == content_id(row["content"].encode())
    assert side_ids(row["content"]) == tuple(content_id(code(word).encode()) for word in ("ann_one", "ann_one_more"))
    files = {row["path"]: row for row in rows(release) if row["conversion"] == "" and row["repo_name"] == "ann/lib"}
    assert files["one.py"]["content_id"] == side_ids(row["content"])[1]
    assert row["revision_id"] != files["one.py"]["revision_id"]
    assert not verify(release).problems


def test_without_being_asked_for_no_commit_is_released(tmp_path: Path) -> None:
    assert documents(released(made(configuration(tmp_path, histories(tmp_path), commits=0)))) == {}


def test_a_refresh_takes_new_commits_and_keeps_the_rest(corpus: Path, tmp_path: Path) -> None:
    first = made(corpus)
    old = documents(released(first))
    change(tmp_path / "repos" / "ann", "one.py", "ann_one_newest")
    refresh(first.folder)
    release_of(first.folder, ['release.version="2.0.0"'])
    new = documents(first.folder / "releases" / "2.0.0")
    assert sorted(new) == ["ann_one_newest", "ann_two_more", "bob_one_more", "bob_two_more"]
    assert all(new[name]["content_id"] == old[name]["content_id"] for name in new if name in old)
    again = made(corpus, "again")
    for name in ("files", "provenance", "decisions/fetch"):
        left, right = (contents(one.folder / name) for one in (first, again))
        assert left.keys() == right.keys()
        assert all(left[key].equals(right[key]) for key in left)


def contents(folder: Path) -> dict[str, pa.Table]:
    return {path.name: storage.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}


@pytest.mark.parametrize(
    ("leaves", "stays"),
    [
        (entry("owner", "ann"), ["bob_one_more", "bob_two_more"]),
        (entry("repository", "ann/lib"), ["bob_one_more", "bob_two_more"]),
        (entry("path", "ann/lib", glob="/one.py"), ["ann_two_more", "bob_one_more", "bob_two_more"]),
        (entry("email", "", email_hash=email_hash(KEY, "carl@example.org")), ["ann_one_more", "bob_one_more"]),
    ],
)  # fmt: skip
def test_opt_outs_reach_commits_through_their_places(
    corpus: Path, tmp_path: Path, leaves: Entry, stays: list[str]
) -> None:
    path = listed(tmp_path / "list.jsonl", leaves, author_key_id=key_id(KEY))
    corpus.write_text(corpus.read_text() + f'[optout]\nlists = ["{path}"]\n')
    assert sorted(documents(released(made(corpus)))) == stays


@pytest.mark.parametrize("version", ["ann_one", "ann_one_more"])
def test_a_commit_goes_with_a_content_that_it_holds(corpus: Path, tmp_path: Path, version: str) -> None:
    """Also with one that is no file of the corpus any more."""
    leaves = entry("content", "", content_id=content_id(code(version).encode()))
    corpus.write_text(corpus.read_text() + f'[optout]\nlists = ["{listed(tmp_path / "list.jsonl", leaves)}"]\n')
    built = released(made(corpus))
    assert sorted(documents(built)) == ["ann_two_more", "bob_one_more", "bob_two_more"]
    assert found(built / "data", f"{version}_0(") == []


def test_a_commit_goes_with_its_repositorys_file_and_stays_for_a_copy_elsewhere(tmp_path: Path) -> None:
    repos = histories(tmp_path)
    copy = commit(tmp_path / "repos" / "cora", {"LICENSE": license_of("cora"), "copied.py": code("ann_one_more")})
    for leaves, stays in (("cora", True), ("ann", False)):
        path = configuration(tmp_path, repos | {"cora": copy})
        lists = f'[optout]\nlists = ["{listed(tmp_path / f"{leaves}.jsonl", entry("owner", leaves))}"]\n'
        path.write_text(path.read_text() + lists)
        assert ("ann_one_more" in documents(released(made(path, leaves)))) is stays


def test_a_file_under_another_licence_elsewhere_takes_its_commits_along(tmp_path: Path) -> None:
    repos = histories(tmp_path)
    gpl = "# SPDX-License-Identifier: GPL-3.0-only\n"
    copyleft = commit(tmp_path / "repos" / "gnu", {"COPYING": "GPL", "g.py": gpl, "copied.py": code("ann_one")})
    path = configuration(tmp_path, repos | {"gnu": copyleft})
    path.write_text(path.read_text() + '[license]\ncurations = "curations.toml"\n')
    (tmp_path / "curations.toml").write_text(
        '[[curation]]\nrepository = "github.com/gnu/lib"\nlicense = "GPL-3.0-only"\nperson = "A"\nreason = "b"\ndate = 2026-01-01\n'
    )
    assert sorted(documents(released(made(path)))) == ["ann_two_more", "bob_one_more", "bob_two_more"]


def test_a_change_of_licence_keeps_earlier_commits_out(tmp_path: Path) -> None:
    repos = histories(tmp_path)
    commit(repos["ann"], {"LICENSE": license_of("Ann and others")})
    assert sorted(documents(released(made(configuration(tmp_path, repos))))) == ["bob_one_more", "bob_two_more"]


def test_a_header_on_either_side_decides_about_the_document(tmp_path: Path) -> None:
    repos = histories(tmp_path)
    for word in ("gpl_first", "gpl_second"):
        commit(repos["ann"], {"two.py": "# SPDX-License-Identifier: GPL-3.0-only\n" + code(word)})
    assert sorted(documents(released(made(configuration(tmp_path, repos))))) == [
        "ann_one_more",
        "bob_one_more",
        "bob_two_more",
    ]


def test_the_language_is_that_of_the_file_after_the_change(tmp_path: Path) -> None:
    repos = histories(tmp_path)
    for word in ("first", "second"):
        commit(
            repos["ann"], {"run": "#!/usr/bin/env ruby\n" + "".join(f"puts :{word}_{number}\n" for number in range(9))}
        )
    found = [row for row in rows(released(made(configuration(tmp_path, repos)))) if row["path"] == "run"]
    assert {(row["conversion"], row["language"]) for row in found} == {("", "Ruby"), (CONVERSION, "Ruby")}


def test_notebooks_are_released_in_the_form_that_is_asked_for(tmp_path: Path) -> None:
    repos = histories(tmp_path)
    (repos["ann"] / "analysis.ipynb").write_bytes(NOTEBOOK)
    commit(repos["ann"], {})
    for form, conversion in (("script", "notebook-1"), ("structured", BLOCKS)):
        built = made(configuration(tmp_path, repos), form, fetch__notebooks=f'"{form}"')
        (row,) = (row for row in rows(released(built)) if row["path"] == "analysis.ipynb")
        assert (row["conversion"], row["content_id"]) == (conversion, content_id(NOTEBOOK))
        if form == "structured":
            assert [block.kind for block in blocks_of(row["content"])] == ["text", "code"]
        shutil.rmtree(built.folder)
