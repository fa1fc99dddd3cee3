"""A purge of a build erases from the build's own index too, goes on after a kill, and says what it could not do."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

import pytest

from stack_data import storage
from stack_data.build import release_of
from stack_data.purge import purge
from stack_data.search.build import add, build
from stack_data.search.deny import DenyIndex
from stack_data.search.index import open_index
from stack_data.search.index_state import SEGMENTS
from stack_data.search.integrity import verify_index
from stack_data.search.keyword_index import KeywordIndex, update
from stack_data.search.purged import follow
from tests.corpus import fairstack
from tests.leaving import code, commit, config, entry, found, killed_purge, license_of, listed, made, repository

OWN, SHARED = code("planted_text"), code("shared")
LEAVES = entry(name="plantedname")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build with two releases, the second without plantedname, and an index of the first with keywords."""
    root = tmp_path_factory.mktemp("purged")
    one = commit(root / "git/one", {"LICENSE": license_of("Plantedperson"), "own.py": OWN, "shared.py": SHARED})
    two = commit(root / "git/two", {"LICENSE": license_of("Two"), "copy.py": SHARED, "two.py": code("two")})
    folder = made(config(root, [repository(one, "plantedname", stars=5), repository(two, "bertram")])).folder
    build([folder / "releases/1.0.0"], folder / "index")
    update(folder / "index")
    release_of(folder, ["release.version=2.0.0"], suppressions=[listed(root / "list", LEAVES)])
    return folder


@pytest.fixture
def corpus(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "corpus"))


def shown(index: Path) -> set[str]:
    places = [one for segment in open_index(index).segments for one in segment.places.to_pylist()]
    return {f"{one['owner']}/{one['path']}" for one in places}


def test_what_a_purge_erased_is_erased_from_the_builds_index(corpus: Path) -> None:
    index = corpus / "index"
    assert found(index / SEGMENTS, "plantedname") and KeywordIndex(open_index(index)).search("planted_text_3").files
    done = fairstack("data", "purge", corpus)
    assert (done.returncode, done.stderr) == (0, "")
    assert "index: 2 places taken out of" in done.stdout and "1 content erased there; deny batch" in done.stdout
    assert shown(index) == {"bertram/copy.py", "bertram/two.py"}
    assert found(index, "plantedname") == []
    assert verify_index(index).problems == []
    assert not KeywordIndex(open_index(index)).search("planted_text_3").files
    # Code that nobody has any more is refused, code that bertram has too is not.
    assert DenyIndex(index).refusal("", OWN, "Python") and not DenyIndex(index).refusal("", SHARED, "Python")
    again = fairstack("data", "purge", corpus, "--json")
    assert json.loads(again.stdout)["index"] | {"folder": ""} == {
        "folder": "", "places": 0, "erased": 0, "deny_batch": "", "problem": "",
    }  # fmt: skip


def test_an_index_that_another_process_holds_is_told_and_erased_later(corpus: Path) -> None:
    index = corpus / "index"
    with storage.locked(index):
        done = fairstack("data", "purge", corpus)
    assert done.returncode == 1
    assert "no answer has it any more, but its text is still in" in done.stdout
    assert f"fairstack search merge {index}" in done.stdout
    assert (open_index(index).segments[0].tombstones != 0).sum() == 2
    assert fairstack("data", "purge", corpus).returncode == 0
    assert found(index, "plantedname") == []


def test_an_index_that_cannot_be_opened_is_told(corpus: Path) -> None:
    state = storage.read_json(corpus / "index/index.json")
    storage.write_json(corpus / "index/index.json", state | {"format": "fairstack-index/0"})
    done = fairstack("data", "purge", corpus)
    assert done.returncode == 1
    assert "still has it: " in done.stdout and "fairstack-index/0" in done.stdout


def test_a_build_without_an_index_is_purged_as_before(corpus: Path) -> None:
    shutil.rmtree(corpus / "index")
    done = json.loads(fairstack("data", "purge", corpus, "--json").stdout)
    assert done["contents"] == 2 and "index" not in done


def test_who_came_back_stays_in_an_index_that_was_built_anew(corpus: Path, tmp_path: Path) -> None:
    # A release that has them again: what 1.0.0 was, as 3.0.0.
    later = Path(shutil.copytree(corpus / "releases/1.0.0", tmp_path / "3.0.0"))
    made_of = storage.read_json(later / "manifest.json")
    made_of["plan"]["config"]["version"] = "3.0.0"
    storage.write_json(later / "manifest.json", made_of)
    lists = purge(corpus).removals
    anew = tmp_path / "anew"
    build([corpus / "releases/1.0.0", later], anew)
    assert follow(anew, lists).num_places == 0
    assert "plantedname/own.py" in shown(anew)
    (old,) = lists
    assert follow(corpus / "index", [old]).num_places == 2


def test_what_killed_writers_left_of_an_index_stops_no_purge_and_goes(corpus: Path) -> None:
    index = corpus / "index"
    add(index, corpus / "releases/2.0.0")
    left = [index / name for name in ("keywords/.3.99.tmp", "segments/.9.tmp")]
    for folder in left:
        folder.mkdir(parents=True)
        (folder / "text").write_text("plantedname")
    done = fairstack("data", "purge", corpus)
    assert done.returncode == 0, done.stderr
    assert not any(folder.exists() for folder in left)


@pytest.mark.parametrize("seed", range(int(os.environ.get("FAIRSTACK_KILLS", "3"))))
def test_a_purge_killed_anywhere_finishes_when_it_is_run_again(corpus: Path, seed: int) -> None:
    draw, index = random.Random(seed), corpus / "index"
    add(index, corpus / "releases/2.0.0")
    for _ in range(3):
        killed_purge(corpus, draw.uniform(1.0, 6.0))
        open_index(index)
    done = fairstack("data", "purge", corpus)
    assert done.returncode == 0, done.stderr
    assert found(index, "plantedname") == [] and verify_index(index).problems == []
    assert sorted(path.name for path in (index / SEGMENTS).iterdir()) == [
        str(one.number) for one in open_index(index).segments
    ]
    assert DenyIndex(index).refusal("", OWN, "Python")
