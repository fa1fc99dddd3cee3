"""Purging a build and its releases, and updating copies of releases: what left is nowhere, and what stayed is whole."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

import pytest

from stack_data import signing
from stack_data.build import refresh, release_of
from stack_data.errors import ConfigError, InputError
from stack_data.prove import prove
from stack_data.purge import purge
from stack_data.update import update
from stack_data.verify import verify
from tests.corpus import fairstack
from tests.leaving import (
    code,
    commit,
    config,
    entry,
    found,
    killed_purge,
    license_of,
    listed,
    made,
    names,
    repository,
    rows,
    tree,
)

SHARED = code("shared")
NEAR = code("nearly", 60)
PLANTED = ("plantedname", "planted_text", "plantedperson")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """plantedname has an own file, one that bertram has too, and one that carol has nearly; somebody's vendored copy is not planted."""
    people = {
        "plantedname": {
            "plantedname_own.py": code("planted_text"), "shared.py": SHARED, "nearly.py": NEAR, "plantedname.c": "int planted_text;\n",
        },
        "bertram": {"bertram.py": code("bertram"), "copied/shared.py": SHARED, "Makefile": "all:\n\tcc -o three three.c\n\techo 3\n"},
        "carol": {"carol.py": code("carol"), "carols_nearly.py": NEAR.replace("59", "58"), "four.rb": "def four\n  4\nend\n" * 3},
    }  # fmt: skip
    folders = []
    for person, files in people.items():
        license_text = license_of("Plantedperson" if person == "plantedname" else person.title())
        folder = commit(tmp_path / "git" / person, {"LICENSE": license_text, **files})
        folders.append(repository(folder, person, stars=5 if person == "plantedname" else 0))
    return config(tmp_path, folders)


LEAVES = entry(name="plantedname")


def left(folder: Path, *words: str) -> list[tuple[str, str]]:
    """Return where words are found in everything that holds contents; provenance/ and the lock of the build know names."""
    places = [
        folder / one
        for one in ("files", "decisions", "clusters", "releases", "removals", "released", "purges")
        if (folder / one).exists()
    ]
    return [hit for place in places for hit in found(place, *words)]


def test_a_purge_erases_what_left_from_the_build_and_from_older_releases(corpus: Path, tmp_path: Path) -> None:
    folder = made(corpus).folder
    assert {word for _, word in left(folder, *PLANTED)} == set(PLANTED)
    release_of(folder, ["release.version=2.0.0"], suppressions=[listed(tmp_path / "list", LEAVES)])
    assert found(folder / "releases/2.0.0", *PLANTED) == []
    done = purge(folder)
    # Its four files and its licence; shared.py stays as bertram's, and what carol has nearly is hers.
    assert done.num_contents == 4 and set(done.releases) == {"1.0.0"}
    # In the build, decisions keep the hashes of contents and nothing of their text.
    assert left(folder, *PLANTED[1:]) == []
    assert found(folder / "releases", *PLANTED) == []
    assert verify(folder).problems == []
    assert names(folder / "releases/1.0.0") == {
        "bertram/lib/bertram.py", "bertram/lib/copied/shared.py", "bertram/lib/Makefile", "carol/lib/carol.py", "carol/lib/four.rb",
    }  # fmt: skip
    assert purge(folder).record is None


def test_a_purged_release_shows_the_place_that_is_left_as_the_next_release_does(corpus: Path, tmp_path: Path) -> None:
    folder = made(corpus).folder
    release_of(folder, ["release.version=2.0.0"], suppressions=[listed(tmp_path / "list", LEAVES)])
    purge(folder)
    for kind in ("data", "notices", "provenance"):
        new = {json.dumps(row, sort_keys=True) for row in rows(folder / "releases/2.0.0", kind)}
        old = [json.dumps(row, sort_keys=True) for row in rows(folder / "releases/1.0.0", kind)]
        assert set(old) <= new, kind
    notices = {path.read_text() for path in (folder / "releases/1.0.0/NOTICE").rglob("*.txt")}
    assert {text.splitlines()[0] for text in notices} == {
        "Notices for the files of github.com/bertram/lib in this release.",
        "Notices for the files of github.com/carol/lib in this release.",
    }
    assert any("1 of 6" not in text for text in notices)


def test_a_holder_updates_a_copy_and_only_the_shards_concerned(corpus: Path, tmp_path: Path) -> None:
    folder = made(corpus).folder
    copy = tmp_path / "elsewhere/copy"
    shutil.copytree(folder / "releases/1.0.0", copy)
    shutil.move(tmp_path / "git", tmp_path / "gone")
    release_of(folder, ["release.version=2.0.0"], suppressions=[listed(tmp_path / "list", LEAVES)])
    shelf = folder / "removals/1.0.0/1.jsonl"
    assert found(shelf.parent, *PLANTED) == []
    before = tree(copy)
    shutil.move(folder, tmp_path / "build is far away")
    shelf = tmp_path / "build is far away/removals/1.0.0/1.jsonl"
    done = fairstack("data", "update", copy, shelf)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("update: 3 files taken out")
    assert found(copy, *PLANTED) == [] and verify(copy).problems == []
    untouched = {name for name, content in tree(copy).items() if before.get(name) == content}
    assert "manifest.json" in untouched and [name for name in untouched if name.startswith("data/")]
    assert fairstack("data", "update", copy, shelf).stdout.endswith("is up to date with epoch 1\n")
    # The name leaf stays as its hash: the root is the same, and nothing can be proven beside it any more.
    assert prove(copy, "github.com/carol/lib")["claim"] == "present"
    with pytest.raises(InputError, match="can prove neither"):
        prove(copy, "github.com/plantedname/lib")


def test_a_list_for_another_release_unsigned_or_older_is_refused(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, public = signing.new_key()
    text = corpus.read_text()
    corpus.write_text(text.replace("[release]\n", f'[release]\nkey = "{public}"\n'))
    folder = made(corpus).folder
    copy = tmp_path / "copy"
    shutil.copytree(folder / "releases/1.0.0", copy)
    leaves = listed(tmp_path / "list", LEAVES)
    monkeypatch.setenv("FAIRSTACK_SIGNING_KEY", signing.new_key()[0])
    with pytest.raises(ConfigError, match="removal lists are signed with key"):
        release_of(folder, ["release.version=2.0.0"], suppressions=[leaves])
    monkeypatch.setenv("FAIRSTACK_SIGNING_KEY", secret)
    release_of(folder, ["release.version=2.0.0"])
    shelf = folder / "removals/1.0.0"
    release_of(
        folder,
        ["release.version=3.0.0"],
        suppressions=[listed(tmp_path / "list2", LEAVES, entry(name="carol"), epoch=2)],
    )
    assert sorted(path.name for path in shelf.iterdir()) == ["1.jsonl", "2.jsonl"]
    before = tree(copy)
    signed = (shelf / "1.jsonl").read_text()
    (tmp_path / "unsigned").write_text(signed.rsplit("\n", 2)[0] + "\n")
    (tmp_path / "changed").write_text(signed.replace('"content_id": "', '"content_id": "0', 1))
    (tmp_path / "cut").write_text(signed[:-3])
    for name, told in (
        ("unsigned", "no signature"),
        ("changed", "the signature is not that of key"),
        ("cut", "has no end"),
    ):
        with pytest.raises(InputError, match=told):
            update(copy, str(tmp_path / name))
    with pytest.raises(InputError, match="is for release 2.0.0 of corpus"):
        update(copy, str(folder / "removals/2.0.0/1.jsonl"))
    assert tree(copy) == before
    assert update(copy, str(shelf / "2.jsonl")).num_files == 5
    with pytest.raises(InputError, match="epoch 1 is older than epoch 2"):
        update(copy, str(shelf / "1.jsonl"))
    with pytest.raises(InputError, match="is no release"):
        update(tmp_path, str(shelf / "2.jsonl"))


def test_who_comes_back_after_a_purge_must_be_fetched_again(corpus: Path, tmp_path: Path) -> None:
    folder = made(corpus).folder
    release_of(folder, ["release.version=2.0.0"], suppressions=[listed(tmp_path / "list", LEAVES)])
    purge(folder)
    made_now = release_of(folder, ["release.version=3.0.0"], suppressions=[listed(tmp_path / "back", epoch=2)])
    assert made_now.counts["reasons"]["purged"]["files"] == 3
    assert "plantedname/lib/shared.py" in names(folder / "releases/3.0.0")
    assert "dropped: purged" in fairstack("data", "why", folder, "plantedname_own.py").stdout
    assert verify(folder).problems == []
    refresh(folder)
    assert verify(folder).problems == []


@pytest.mark.parametrize("seed", range(int(os.environ.get("FAIRSTACK_KILLS", "4"))))
def test_a_purge_killed_at_any_moment_goes_on_to_the_same_bytes(corpus: Path, tmp_path: Path, seed: int) -> None:
    folder = made(corpus).folder
    release_of(folder, ["release.version=2.0.0"], suppressions=[listed(tmp_path / "list", LEAVES)])
    other = tmp_path / "other/corpus"
    shutil.copytree(folder, other)
    purge(other)
    draw = random.Random(seed)
    for _ in range(3):
        killed_purge(folder, draw.uniform(0.5, 3.0))
    purge(folder)
    ours, theirs = tree(folder), tree(other)
    skipped = ("purges/", ".lock", "cache/", "report")
    same = [name for name in theirs if not name.startswith(skipped) and "/purges/" not in name]
    assert [name for name in same if ours.get(name) != theirs[name]] == []
    assert found(folder / "releases", *PLANTED) == [] and verify(folder).problems == []


def test_erased_evidence_still_keeps_what_is_not_permissive_out(tmp_path: Path) -> None:
    """Somebody's GPL file lies in an MIT repository too; that they leave, and all is decided anew, does not make it permissive."""
    gpl = "SPDX-License-Identifier: GPL-3.0-only\n"
    one = commit(
        tmp_path / "git/one",
        {"COPYING": gpl, "shared.py": SHARED, "pyproject.toml": '[project]\nname = "x"\nlicense = "GPL-3.0-only"\n'},
    )
    two = commit(tmp_path / "git/two", {"LICENSE": license_of("Two"), "shared.py": SHARED, "own.py": code("own")})
    path = config(tmp_path, [repository(one, "plantedname"), repository(two, "bertram")])
    folder = made(path).folder
    assert names(folder / "releases/1.0.0") == {"bertram/lib/own.py"}
    release_of(folder, ["release.version=1.0.1"], suppressions=[listed(tmp_path / "list", LEAVES)])
    purge(folder)
    commit(two, {"further.py": code("further")})
    refresh(folder)
    release_of(folder, ["release.version=1.1.0"])
    assert names(folder / "releases/1.1.0") == {"bertram/lib/own.py", "bertram/lib/further.py"}
    assert "license_elsewhere" in fairstack("data", "why", folder, "shared.py").stdout
    assert verify(folder).problems == []
