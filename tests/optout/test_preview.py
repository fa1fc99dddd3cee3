"""Previews: what they say is what the release then does, and looking changes nothing. A real build of git repositories."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from stack_data.build import release_of
from stack_data.errors import InputError
from stack_data.optout import Entry, SuppressionList
from stack_data.optout.preview import EXEMPTION, LINES, WAITING, preview, preview_text
from stack_data.optout.spread import MEANINGS, Why
from tests.corpus import make, write_config
from tests.leaving import code, commit, config, entry, license_of, listed, made, names, repository, rows, tree

SHARED, NEAR = code("shared"), code("nearly", 60)
MANY = {f"many/m{number}.py": code(f"m{number}") for number in range(LINES + 5)}
ALICES = len(MANY) + 5
"""Her files that were read, the licence among them."""


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """alice leaves; bertram has a copy of a file of hers, carol a near duplicate of another, dora a fork."""
    folder = tmp_path_factory.mktemp("corpus")
    people: dict[str, dict[str, str | None]] = {
        "alice": {"one.py": code("one"), "shared.py": SHARED, "nearly.py": NEAR, "logo.png": "\0", **MANY},
        "bertram": {"bertram.py": code("bertram"), "copied/shared.py": SHARED},
        "carol": {"carol.py": code("carol"), "carols_nearly.py": NEAR.replace("59", "58")},
        "dora": {"shared.py": SHARED},
    }
    repositories = []
    for person, files in people.items():
        where = commit(folder / "git" / person, {"LICENSE": license_of(person.title()), **files})
        facts = {"is_fork": True, "fork_of": "github.com/alice/lib"} if person == "dora" else {}
        repositories.append(repository(where, person, stars=5 if person == "alice" else 0, **facts))
    return made(config(folder, repositories)).folder


@pytest.fixture
def build(first: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(first, tmp_path / first.name))


def offered(*entries: Entry, issuer: str = "local", epoch: int = 1) -> SuppressionList:
    return SuppressionList(issuer=issuer, epoch=epoch, created="2026-11-21", entries=entries)


def places(found: Any) -> dict[str, str]:
    return {f"{one['owner']}/{one['path']}": one["why"] for one in found.to_json()["places"]}


def test_a_preview_says_what_goes_what_stays_and_why(first: Path) -> None:
    found = preview(first, entry(name="Alice"))
    told = places(found)
    assert told["alice/one.py"] == told["alice/shared.py"] == told["alice/nearly.py"] == "matches"
    assert told["bertram/copied/shared.py"] == told["dora/shared.py"] == "not_asked"
    assert not [one for one in told if one.startswith("carol")]
    assert found.by_reason() == {Why.MATCHES: ALICES, Why.NOT_ASKED: 2}
    assert (found.unread, found.waiting, found.idle, found.reinstated) == (0, 0, 0, 0)


def test_a_preview_is_what_the_release_then_does(build: Path, tmp_path: Path) -> None:
    found = preview(build, offered(entry(name="alice")))
    before = build / "releases/1.0.0"
    release_of(build, ["release.version=2.0.0"], suppressions=[listed(tmp_path / "list", entry(name="alice"))])
    after = build / "releases/2.0.0"
    old, new = ({row["content_id"]: row for row in rows(one)} for one in (before, after))
    gone = [row for content, row in old.items() if content not in new]
    assert found.vanish == len(gone) == len(MANY) + 2
    assert found.vanish_bytes == sum(row["length_bytes"] for row in gone)
    assert found.come_back == len(new.keys() - old.keys()) == 1 and "carol/lib/carols_nearly.py" in names(after)
    assert found.moved == sum(old[one]["repo_name"] != new[one]["repo_name"] for one in old.keys() & new.keys()) == 1


def test_a_name_of_which_the_build_has_nothing_is_told(first: Path) -> None:
    found = preview(first, offered(entry(name="alice"), entry(name="alicia"), entry("repository", name="alice/lab")))
    assert found.unreached == (3, 4)
    assert "entries whose name is nowhere in this build: 2 (lines 3, 4)\n" in preview_text(found)


def test_looking_changes_no_byte_of_the_build(build: Path, tmp_path: Path) -> None:
    release_of(build, ["release.version=2.0.0"], suppressions=[listed(tmp_path / "list", entry(name="dora"))])
    before = tree(build)
    times = {path: path.stat().st_mtime_ns for path in build.rglob("*")}
    for candidate in (entry(name="alice", spread="near"), offered(), offered(entry(name="alice"), epoch=2)):
        preview_text(preview(build, candidate))
    assert tree(build) == before
    assert {path: path.stat().st_mtime_ns for path in build.rglob("*")} == times


def test_copies_that_were_asked_for_go_or_wait_for_a_moderator(first: Path) -> None:
    waits = preview(first, entry(name="alice", spread="near"))
    told = places(waits)
    assert told["dora/shared.py"] == "fork" and told["bertram/copied/shared.py"] == "maybe_older"
    assert told["carol/carols_nearly.py"] == "maybe_older"
    assert waits.waiting == 2 and waits.come_back == 1
    granted = preview(first, entry(name="alice", spread="near", granted="moderator"))
    assert {one for one, why in places(granted).items() if why == "granted"} == {
        "bertram/copied/shared.py", "carol/carols_nearly.py", "dora/shared.py",
    }  # fmt: skip
    assert granted.waiting == granted.come_back == granted.moved == 0
    assert granted.vanish == waits.vanish + 1


def test_an_entry_is_counted_on_top_of_the_lists_in_force_and_a_list_in_place_of_its_issuers(
    build: Path, tmp_path: Path
) -> None:
    release_of(build, ["release.version=2.0.0"], suppressions=[listed(tmp_path / "list", entry(name="alice"))])
    # Her shared file is gone already: only its copies are left, and one of them stays.
    assert preview(build, entry(name="bertram")).vanish == 1
    assert preview(build, offered(entry(name="bertram"), issuer="other")).vanish == 1
    back = preview(build, offered(entry(name="bertram"), epoch=2))
    assert back.reinstated == len(MANY) + 2 and back.vanish == 2
    nothing = preview(build, offered(entry(name="alice"), epoch=2))
    assert (nothing.vanish, nothing.come_back, nothing.moved, nothing.reinstated) == (0, 0, 0, 0)
    assert nothing.places.num_rows > 0


def test_entries_that_only_mask_or_have_ended_take_nothing_out(first: Path) -> None:
    found = preview(first, offered(entry(name="alice", effect="mask"), entry(name="bertram", until="2026-02-01")))
    assert (found.idle, found.vanish, found.places.num_rows, found.unread) == (2, 0, 0, 0)
    assert "entries that only mask or have ended: 2" in preview_text(found)


def test_nothing_but_places_of_the_build_is_mentioned(first: Path) -> None:
    strange = [
        entry("content", host="", content_id="ab" * 20), entry(name="somebody-else", numeric_id=987654321), entry(name="alice"),
        entry("path", name="zoe/secret", glob="hidden/*.py"), entry("repository", name="yves/private"),
    ]  # fmt: skip
    found = preview(first, offered(*strange, issuer="an-issuer"))
    told = json.dumps(found.to_json()) + preview_text(found)
    for word in ("abab", "somebody", "987654321", "zoe", "secret", "hidden", "yves", "an-issuer"):
        assert word not in told
    here = {f"{owner}/lib" for owner in ("alice", "bertram", "carol", "dora")}
    assert {f"{one['owner']}/{one['repo']}" for one in found.to_json()["places"]} <= here


def test_the_text_lists_the_first_places_of_each_reason_and_the_exemption(first: Path) -> None:
    text = preview_text(preview(first, entry(name="alice")))
    lines = text.splitlines()
    assert EXEMPTION in lines
    start = lines.index(f"goes: {MEANINGS[Why.MATCHES]} ({ALICES})")
    assert lines[start + LINES + 1] == f"  and {ALICES - LINES} more"
    assert any(line.endswith("  github.com/bertram/lib: copied/shared.py") for line in lines)
    assert "copies that stay: 2, of which releases name 2 and 0 wait for a moderator" in lines
    assert f"places that go: {ALICES}, of which releases name {ALICES - 2}" in lines
    # Pictures and licence texts are in no release, and come last.
    told = preview(first, entry("repository", name="bertram/lib")).to_json()["places"]
    assert {one["path"]: one["released"] for one in told if one["owner"] == "bertram"} == {
        "LICENSE": False, "bertram.py": True, "copied/shared.py": True,
    }  # fmt: skip
    assert [line[-17:] for line in preview_text(preview(first, entry(name="dora"))).splitlines() if "dora" in line][
        -1
    ] == "  (in no release)"


def test_every_reason_that_says_so_waits_for_a_moderator() -> None:
    assert set(WAITING) == {
        why for why, meaning in MEANINGS.items() if "moderator" in meaning and why is not Why.GRANTED
    }


def test_files_that_were_never_read_are_counted(tmp_path: Path) -> None:
    folder = make(write_config(tmp_path, folders=("permissive",)), limits__max_file_bytes=900).folder
    found = preview(folder, Entry(kind="repository", host="directory", name="-/permissive", since="2026-01-01"))
    assert found.unread == 2 and "files that were never read, which go too: 2" in preview_text(found)


def test_a_build_that_is_not_finished_is_refused(build: Path) -> None:
    (build / "decisions/license/manifest.json").unlink()
    with pytest.raises(InputError, match="is not finished"):
        preview(build, entry(name="alice"))
