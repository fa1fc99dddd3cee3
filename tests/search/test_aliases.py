"""Former names and projects' addresses lead to what an index has; the name of somebody who left leads nowhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from stack_data import storage
from stack_data.optout import SuppressionList
from stack_data.search import owners
from stack_data.search.aliases import Alias, Aliases, aliases_of, build_around
from stack_data.search.index import Index, open_index
from stack_data.search.removals import remove
from tests.leaving import entry
from tests.search.published import build_folder, copied

PROJECT = Alias("github.com/ann/proj", "gitlab.com/group/sub/proj", "github.com/Ann/proj", True)
BEFORE = "github.com/jane-before/lib"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copied(tmp_path)


def known(folder: Path, *more: Alias, lists: tuple[SuppressionList, ...] = ()) -> Aliases:
    """Return what the build knows, and more."""
    found = aliases_of(build_folder(), folder, lists)
    return Aliases(tuple(sorted((*found.every, *more))), found.index, found.lists)


def ask(index: Index, text: str, aliases: Aliases | None) -> owners.Owned:
    return owners.owner(index, owners.asked_in(index, text), aliases)


def rules(**values: object) -> SuppressionList:
    return SuppressionList(issuer="local", epoch=1, created="2026-11-21", entries=(entry(effect="mask", **values),))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [BEFORE, "jane-before/lib", "Jane-Before", "https://github.com/JANE-before/Lib.git"])
def test_a_former_name_finds_the_repository_under_its_present_one_and_is_told(folder: Path, text: str) -> None:
    index = open_index(folder)
    found = ask(index, text, known(folder))
    assert found.aliases == ((BEFORE, "github.com", "Jane/Lib"),)
    assert found.released == ask(index, "github.com/jane/lib", None).released
    assert found.to_json()["aliases"] == [{"alias": BEFORE, "host": "github.com", "repo_name": "Jane/Lib"}]
    asked = owners.asked_in(index, text)
    assert owners.files(index, asked, aliases=known(folder)).total == 3
    assert owners.copies(index, asked, aliases=known(folder)).total == 1
    assert ask(index, text, None).released.files == 0


def test_what_lies_under_a_former_name_is_found_by_the_present_one(folder: Path) -> None:
    name = Alias("github.com/new/home", "github.com/john/tool", "github.com/new/home", False)
    back = Alias("github.com/john/tool", "github.com/new/home", "github.com/john/tool", False)
    found = ask(open_index(folder), "new/home", known(folder, name, back))
    assert [one[1] for one in found.repositories] == ["john/tool"]


def test_a_projects_address_leads_to_the_package_where_nothing_of_the_name_is_shown(folder: Path) -> None:
    index = open_index(folder)
    found = ask(index, "ann/proj", known(folder, PROJECT))
    assert found.aliases == (("github.com/Ann/proj", "gitlab.com", "group/sub/proj"),)
    # It is the package's word alone: whoever has the name is asked about, and it leads nowhere from the package.
    claim = Alias("github.com/jane/lib", PROJECT.target, "github.com/jane/lib", True)
    assert ask(index, "jane/lib", known(folder, claim)).aliases == ()
    assert ask(index, "gitlab.com/group/sub/proj", known(folder, claim)).num_repositories == 1


def test_another_name_of_what_left_tells_nothing(folder: Path) -> None:
    index = open_index(folder)
    remove(folder, repositories=["github.com/jane/lib"])
    found, stranger = (ask(index, name, known(folder)).to_json() for name in ("jane-before/lib", "who/knows"))
    assert found | {"name": ""} == stranger | {"name": ""}


@pytest.mark.parametrize("gone", [{"owners": ["github.com/jane-before"]}, {"repositories": [BEFORE]}])
def test_a_name_that_was_removed_leads_nowhere(folder: Path, gone: dict[str, list[str]]) -> None:
    index = open_index(folder)
    remove(folder, **gone)  # type: ignore[arg-type]
    assert ask(index, BEFORE, known(folder)).to_json() == ask(index, BEFORE, None).to_json()
    assert ask(index, "jane/lib", known(folder)).released.files == 3


@pytest.mark.parametrize("named", [{"name": "jane-before"}, {"kind": "repository", "name": "jane-before/lib"}])
def test_a_name_that_a_reader_hides_leads_nowhere(folder: Path, named: dict[str, str]) -> None:
    listed = rules(**named)
    index = open_index(folder, [listed])
    assert ask(index, BEFORE, known(folder, lists=(listed,))).released.files == 0
    other = rules(kind="email", name="", email_hash="0" * 64)
    assert ask(index, BEFORE, known(folder, lists=(other,))).released.files == 3


def test_names_of_another_audience_are_not_read(folder: Path) -> None:
    assert aliases_of(build_folder(), folder, audience="internal").every == ()


def test_an_index_in_a_build_knows_its_build(tmp_path: Path) -> None:
    build = tmp_path / "corpus"
    shutil.copytree(build_folder(), build)
    assert build_around(build / "index") == build.resolve()
    assert build_around(build / "other") is None
    storage.make_folder(tmp_path / "elsewhere" / "index")
    assert build_around(tmp_path / "elsewhere" / "index") is None
