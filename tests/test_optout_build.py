"""Opt-outs through a build: before fetch, before release, and what the next release says of it. Real git repositories."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stack_data import signing
from stack_data.build import build, refresh, release_of
from stack_data.config_file import load
from stack_data.errors import InputError, StaleBuildError
from stack_data.optout import SuppressionList
from stack_data.optout.lists import write
from stack_data.verify import verify
from tests.corpus import fairstack
from tests.leaving import code, commit, config, entry, found, license_of, listed, made, names, repository, rows, tree

SHARED = code("shared")
NEAR = code("nearly", 60)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """alice, bertram and carol; bertram has a copy of a file of alice's, carol a near duplicate of another."""
    people = {
        "alice": {"alice_one.py": code("one"), "shared.py": SHARED, "nearly.py": NEAR, "two.c": "int two(void) { return 2; }\n"},
        "bertram": {"bertram.py": code("bertram"), "copied/shared.py": SHARED, "Makefile": "all:\n\tcc -o three three.c\n\techo three\n"},
        "carol": {"carol.py": code("carol"), "carols_nearly.py": NEAR.replace("59", "58"), "four.rb": "def four\n  4\nend\n" * 3},
    }  # fmt: skip
    folders = []
    for person, files in people.items():
        folder = commit(tmp_path / "git" / person, {"LICENSE": license_of(f"{person.title()} Unique"), **files})
        folders.append(repository(folder, person, stars=5 if person == "alice" else 0))
    return config(tmp_path, folders)


def test_what_an_owner_leaves_is_gone_and_a_copy_elsewhere_is_displayed(corpus: Path, tmp_path: Path) -> None:
    first = made(corpus).release
    assert first is not None
    assert "alice/lib/shared.py" in names(first) and "bertram/lib/copied/shared.py" not in names(first)
    everybody = listed(tmp_path / "list", entry(name="Alice"))
    with pytest.raises(InputError, match=r"release 1.1.0 would remove 3 files of 1.0.0.*--version 2.0.0"):
        release_of(tmp_path / "build/corpus", ["release.version=1.1.0"], suppressions=[everybody])
    counts = release_of(tmp_path / "build/corpus", ["release.version=2.0.0"]).counts
    second = tmp_path / "build/corpus/releases/2.0.0"
    assert not [one for one in names(second) if one.startswith("alice")]
    assert names(second) - names(first) == {"bertram/lib/copied/shared.py", "carol/lib/carols_nearly.py"}
    assert counts["changes"] == {
        "parent": "1.0.0", "edited": 1, "added": {"near_duplicate": {"files": 1, "bytes": len(NEAR)}},
        "removed": {"opted_out": {"files": 3, "bytes": counts["changes"]["removed"]["opted_out"]["bytes"]}},
    }  # fmt: skip
    assert verify(tmp_path / "build/corpus").problems == []
    told = json.loads((second / "ledger/opt-outs.json").read_text())
    assert told["lists"] == {"local": 1}
    assert told["left"]["owners"] == {"number": 1, "of": 3} and told["left"]["files"] == {"number": 3, "of": 9}
    assert "3 files opted out" in (second / "README.md").read_text()


def test_nothing_that_is_published_names_who_left(corpus: Path, tmp_path: Path) -> None:
    made(corpus)
    release_of(
        tmp_path / "build/corpus",
        ["release.version=2.0.0"],
        suppressions=[listed(tmp_path / "list", entry(name="alice"))],
    )
    second = tmp_path / "build/corpus/releases/2.0.0"
    assert found(second, "alice", "alice_one", "one_3") == []
    # The report and the answers of the build say nothing of it either.
    report = fairstack("data", "report", tmp_path / "build/corpus")
    assert report.returncode == 0 and "opted_out" in report.stdout
    assert (
        "alice"
        not in (report.stdout + (tmp_path / "build/corpus/report.html").read_text()).replace(str(tmp_path), "").lower()
    )


@pytest.mark.parametrize("name", ["alice", "bertram", "carol"])
def test_an_incremental_release_has_the_bytes_of_a_full_one(corpus: Path, tmp_path: Path, name: str) -> None:
    entries = listed(tmp_path / "list", entry(name=name))
    for builds, full in (("one", False), ("two", True)):
        made(corpus, builds)
        release_of(tmp_path / builds / "corpus", ["release.version=2.0.0"], suppressions=[entries], full=full)
        release_of(tmp_path / builds / "corpus", ["release.version=2.0.1"], full=full)
    for version in ("2.0.0", "2.0.1"):
        one, two = (tree(tmp_path / builds / "corpus/releases" / version) for builds in ("one", "two"))
        assert one == two
    # Shards in which nothing changed are the parent's files, not copies of them.
    old, new = (tmp_path / "one/corpus/releases" / version for version in ("1.0.0", "2.0.0"))
    parents = [(path, old / path.relative_to(new)) for path in new.rglob("*-of-*.parquet")]
    assert any(before.exists() and before.samefile(path) for path, before in parents)


def test_who_has_left_before_the_build_is_never_fetched(corpus: Path, tmp_path: Path) -> None:
    listed(tmp_path / "list", entry("repository", name="alice/lib"))
    corpus.write_text(corpus.read_text() + '\n[optout]\nlists = ["list"]\n')
    first = made(corpus).release
    assert first is not None and found(tmp_path / "build/corpus/files", "alice_one", "one_3") == []
    assert found(first, "alice") == [] and verify(tmp_path / "build/corpus").problems == []
    assert made(corpus).release == first
    # Taken back: the next refresh fetches it.
    listed(tmp_path / "list", epoch=2)
    refresh(tmp_path / "build/corpus")
    release_of(tmp_path / "build/corpus", ["release.version=2.0.0"])
    assert "alice/lib/alice_one.py" in names(tmp_path / "build/corpus/releases/2.0.0")


def test_a_list_that_cannot_be_had_stops_the_release_and_one_in_force_stays(corpus: Path, tmp_path: Path) -> None:
    folder = made(corpus).folder
    second = listed(tmp_path / "list", entry(name="alice"), epoch=2)
    release_of(folder, ["release.version=2.0.0"], suppressions=[second])
    older = listed(tmp_path / "older", epoch=1)
    with pytest.raises(InputError, match="epoch 1 of issuer 'local' is older than epoch 2"):
        release_of(folder, ["release.version=3.0.0"], suppressions=[older])
    with pytest.raises(InputError, match="cannot be read"):
        release_of(folder, ["release.version=3.0.0"], suppressions=["absent"])
    assert not (folder / "releases/3.0.0").exists()
    # Nobody has to name it again: what was in force stays.
    release_of(folder, ["release.version=2.0.1"])
    assert found(folder / "releases/2.0.1", "alice") == []


def test_a_signed_list_is_believed_only_from_a_key_of_the_configuration(corpus: Path, tmp_path: Path) -> None:
    secret, public = signing.new_key()
    signed = SuppressionList(issuer="registry", epoch=4, created="2026-11-21", entries=(entry(name="bertram"),))
    (tmp_path / "signed").write_text(write(signed, secret))
    extra = '\n[optout]\nlists = ["signed"]\n[optout.keys]\nregistry = ["{}"]\n'
    text = corpus.read_text()
    corpus.write_text(text + extra.format(signing.new_key()[1]))
    with pytest.raises(InputError, match="signed: line 1: key_id .* is not trusted"):
        made(corpus)
    assert not (tmp_path / "build/corpus/files").exists()
    corpus.write_text(text + extra.format(public))
    first = made(corpus).release
    assert first is not None and found(first, "bertram") == []


def test_a_newer_list_under_an_old_version_is_refused(corpus: Path, tmp_path: Path) -> None:
    folder = made(corpus).folder
    with pytest.raises(StaleBuildError, match=r"release 1.0.0 exists and would now differ"):
        release_of(folder, suppressions=[listed(tmp_path / "list", entry(name="alice"))])


def test_what_was_trained_on_is_never_validated_on(tmp_path: Path) -> None:
    folders = []
    for number in range(30):
        folder = commit(tmp_path / f"git/{number}", {"LICENSE": license_of("P"), "a.py": code(f"name{number}", 30)})
        folders.append(repository(folder, f"person{number}"))
    path = config(tmp_path, folders)
    path.write_text(path.read_text().replace("validation_fraction = 0.0", "validation_fraction = 0.1"))
    made(path)
    folder = tmp_path / "build/corpus"

    def split(version: str, name: str) -> set[str]:
        paths = (folder / "releases" / version / "data").rglob(f"{name}-*.parquet")
        import pyarrow.parquet as pq

        return {one for file in paths for one in pq.read_table(file)["content_id"].to_pylist()}

    held_out = split("1.0.0", "validation")
    assert held_out
    owners = {
        row["repo_name"].split("/")[0] for row in rows(folder / "releases/1.0.0") if row["content_id"] in held_out
    }
    leaving = listed(tmp_path / "list", *(entry(name=one) for one in sorted(owners)[:-1]))
    release_of(folder, ["release.version=2.0.0"], suppressions=[leaving])
    assert split("2.0.0", "validation").isdisjoint(split("1.0.0", "train"))
    assert split("2.0.0", "train") <= split("1.0.0", "train")


def test_a_build_takes_the_configured_lists_before_it_asks_any_source(tmp_path: Path) -> None:
    path = tmp_path / "corpus.toml"
    path.write_text(
        'name = "corpus"\n[[source]]\nname = "s"\nkind = "directory"\npath = "absent"\n[optout]\nlists = ["absent.jsonl"]\n'
    )
    with pytest.raises(InputError, match=r"absent.jsonl cannot be read"):
        build(load(path, [f'run.builds="{tmp_path}/build"']), tmp_path)


def test_why_says_what_left_and_what_is_shown_instead(corpus: Path, tmp_path: Path) -> None:
    folder = made(corpus).folder
    release_of(folder, ["release.version=2.0.0"], suppressions=[listed(tmp_path / "list", entry(name="alice"))])
    gone = fairstack("data", "why", folder, "alice_one.py").stdout
    assert "dropped: opted_out" in gone and "    opt-out: opted_out\n" in gone
    both = fairstack("data", "why", folder, "copied/shared.py").stdout
    identity = both.split()[0]
    everywhere = fairstack("data", "why", folder, identity).stdout
    assert "  kept" in everywhere.splitlines()[0]
    assert everywhere.count("opt-out: opted_out") == 1 and "bertram/lib" in everywhere


def test_a_new_release_below_the_newest_needs_its_parent_named(corpus: Path, tmp_path: Path) -> None:
    folder = made(corpus).folder
    release_of(folder, ["release.version=2.0.0"])
    for version in ("1.1.0", "0.9.0"):
        with pytest.raises(InputError, match=f"release {version} would be below 2.0.0, the newest"):
            release_of(folder, [f"release.version={version}"])
    release_of(folder, ["release.version=1.1.0", "release.parent=1.0.0"])
    assert names(folder / "releases/1.1.0") == names(folder / "releases/1.0.0")
    assert release_of(folder, ["release.version=1.0.0"]).counts["files"] == len(names(folder / "releases/1.0.0"))


def test_who_was_never_read_is_counted_and_told_when_they_come_back(corpus: Path, tmp_path: Path) -> None:
    listed(tmp_path / "list", entry("repository", name="alice/lib"))
    corpus.write_text(corpus.read_text() + '\n[optout]\nlists = ["list"]\n')
    first = made(corpus).release
    assert first is not None
    card = (first / "README.md").read_text()
    assert "they had opted out before and were never read: 1 repositories and packages" in card
    listed(tmp_path / "list", epoch=2)
    done = fairstack("data", "release", tmp_path / "build/corpus", "--version", "1.0.1")
    assert done.returncode == 0 and "1 repositories or packages may be read again and have not been yet" in done.stderr
