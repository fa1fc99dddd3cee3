"""Files of an index that were changed, cut off or lost: one clear error, or the answer that would have been given."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stack_data.errors import InputError
from stack_data.search import index_state, integrity
from stack_data.search.build import add, build
from stack_data.search.index import open_index
from stack_data.search.integrity import verify_index
from stack_data.search.removals import remove
from tests.search.releases import At, Content, program, release
from tests.search.test_index import hits

CONTENTS = [Content(program(seed, 20), (At("jane"), At("joe"))) for seed in range(1, 5)] + [
    Content(program(9), (At("sue"),))
]
MISSING_IS_EMPTY = {"removals.jsonl", "removals.applied", "removals.lock", ".lock"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damage")
    build([release(folder, CONTENTS)], folder / "index")
    remove(folder / "index", owners=["github.com/sue"])
    return folder / "index"


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def answers(folder: Path) -> Any:
    """Return everything that an index says."""
    index = open_index(folder)
    ids = np.array([bytes.fromhex(one.id) for one in CONTENTS], "S20")
    documents = index.find(ids)
    facts = [
        (one.content_id, one.language, one.license, one.versions, one.places, one.withheld)
        for one in index.facts(documents)
    ]
    return [hits(index, one.text) for one in CONTENTS], index.texts(documents).texts.to_pylist(), facts, index.searched


NAMES = (
    "index.json", "segments/1/blinded.samples", "segments/1/code.samples", "segments/1/documents.arrow", "segments/1/hashes.order", "segments/1/lexeme.samples",
    "segments/1/manifest.json", "segments/1/pages.sums", "segments/1/places.arrow", "segments/1/repositories.arrow",
    "segments/1/repository_places.u32", "segments/1/superseded.i64", "segments/1/texts.blocks", "segments/1/texts.index", "segments/1/texts.marks",
    "segments/1/tombstones", "removals.jsonl", "removals.applied", "removals.lock", ".lock",
)  # fmt: skip


def test_every_file_is_tried(made: Path) -> None:
    assert files(made) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_refused_or_changes_nothing(made: Path, tmp_path: Path, name: str) -> None:
    expected = answers(made)
    raw = (made / name).read_bytes()
    draw = random.Random(name)
    changes: list[Callable[[bytes], bytes]] = [lambda _: b"", lambda old: old + b"\0", lambda old: bytes(len(old))]
    for _ in range(12 if raw else 0):
        at, bit, size = draw.randrange(len(raw)), 1 << draw.randrange(8), draw.randrange(len(raw))
        changes.append(lambda old, at=at, bit=bit: old[:at] + bytes([old[at] ^ bit]) + old[at + 1 :])
        changes.append(lambda old, size=size: old[:size])
    for number, change in enumerate(changes):
        folder = tmp_path / str(number)
        shutil.copytree(made, folder)
        (folder / name).write_bytes(change(raw))
        try:
            found = answers(folder)
        except InputError as error:
            assert str(folder) in str(error) and "\n" not in str(error)
            continue
        assert found == expected


@pytest.mark.parametrize("name", [name for name in NAMES if name not in MISSING_IS_EMPTY])
def test_a_missing_file_is_refused(made: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "index"
    shutil.copytree(made, folder)
    (folder / name).unlink()
    with pytest.raises(InputError):
        answers(folder)


@pytest.mark.parametrize(
    "name", [name for name in NAMES if "1/" in name and not name.endswith(("superseded.i64", "manifest.json"))]
)
def test_verify_finds_one_changed_bit_anywhere(made: Path, tmp_path: Path, name: str) -> None:
    draw = random.Random(name)
    for number in range(3):
        folder = tmp_path / str(number)
        shutil.copytree(made, folder)
        raw = bytearray((folder / name).read_bytes())
        is_tombstones = name.endswith("tombstones")
        at = raw.index(255) if is_tombstones else draw.randrange(len(raw))
        raw[at] = 0 if is_tombstones else raw[at] ^ 1
        (folder / name).write_bytes(raw)
        assert verify_index(folder).problems


def test_verify_checks_the_order_of_hashes(made: Path) -> None:
    segment = open_index(made).segments[0]
    assert list(integrity._order(segment)) == []
    segment.hash_order = segment.hash_order[::-1]
    assert list(integrity._order(segment)) == [f"{made / 'segments/1/hashes.order'}: hashes do not ascend"]


def test_another_lexer_or_format_is_named(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_state, "LEXER_VERSION", 99)
    with pytest.raises(InputError, match="made with lexer 2, this version asks with 99; delete index.json and build"):
        open_index(made)
    monkeypatch.setattr(index_state, "FORMAT", "fairstack-index/3")
    with pytest.raises(InputError, match="is of format 'fairstack-index/2', this version reads 'fairstack-index/3'"):
        open_index(made)
    with pytest.raises(InputError, match=r"is no search index: it has no index.json"):
        open_index(tmp_path)


def test_a_lost_or_torn_end_of_the_log_is_made_good(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    shutil.copytree(made, folder)
    log = folder / "removals.jsonl"
    whole = log.read_text()
    # Killed while a line was written: that removal was never promised.
    log.write_text(whole + '{"kind": "owner", "id": "12')
    remove(folder)
    assert log.read_text() == whole
    # Killed after the line and before the tombstones.
    with log.open("a") as file:
        file.write(f'{{"kind": "content", "id": "{CONTENTS[0].id}"}}\n')
    assert any("were removed" in one for one in verify_index(folder).problems)
    remove(folder)
    assert verify_index(folder).problems == []
    assert answers(folder)[2][0][4] == ()
    log.write_text(whole + "nonsense\n")
    with pytest.raises(InputError, match=r"removals.jsonl is damaged: line \d+ is no removal"):
        add(folder, release(tmp_path, [Content(program(50))], "3.0.0"))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("segments/1/tombstones", lambda raw: bytes(len(raw))),
        ("segments/1/tombstones", lambda raw: raw.replace(b"\xff", b"\xfe")),
        ("removals.applied", lambda _: b""),
        ("removals.applied", lambda _: b"999999\n"),
        ("removals.applied", lambda raw: raw.replace(b"true", b"false")),
    ],
)
def test_what_says_which_places_are_gone_is_refused_and_made_anew(
    made: Path, tmp_path: Path, name: str, change: Callable[[bytes], bytes]
) -> None:
    folder = tmp_path / "index"
    shutil.copytree(made, folder)
    raw = (folder / name).read_bytes()
    (folder / name).write_bytes(change(raw))
    with pytest.raises(InputError, match=f"{name} is damaged: .*: fairstack search remove {folder}"):
        answers(folder)
    assert verify_index(folder).problems
    remove(folder)
    assert verify_index(folder).problems == []
    assert (folder / name).read_bytes() == raw
    assert answers(folder) == answers(made)


def test_tombstones_that_hide_more_than_the_log_names_are_nobodys_to_make_good(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    shutil.copytree(made, folder)
    path = folder / "segments/1/tombstones"
    path.write_bytes(b"\xff" * path.stat().st_size)
    for ask in (answers, remove):
        with pytest.raises(InputError, match="is damaged"):
            ask(folder)


def test_a_log_that_lost_removals_is_refused_by_the_next_writer(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    shutil.copytree(made, folder)
    (folder / "removals.jsonl").unlink()
    assert answers(folder) == answers(made)
    with pytest.raises(InputError, match="hides places that .*removals.jsonl does not name"):
        add(folder, release(tmp_path, [Content(program(50))], "3.0.0"))


def test_one_bad_page_of_samples_stops_only_those_who_read_it(tmp_path: Path) -> None:
    text = program(1, 20_000)
    build([release(tmp_path, [Content(text)])], tmp_path / "index")
    path = tmp_path / "index/segments/1/code.samples"
    raw = bytearray(path.read_bytes())
    raw[-3] ^= 4
    path.write_bytes(raw)
    refused = 0
    for begin in range(0, 20_000, 500):
        try:
            hits(open_index(tmp_path / "index"), text[begin : begin + 120])
        except InputError as error:
            assert f"{path} is damaged" in str(error)
            refused += 1
    assert 0 < refused < 40
