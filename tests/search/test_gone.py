"""Which places are gone, stated beside tombstones that change: readers refuse what was not written, and nobody while a removal goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from stack_data.errors import InputError
from stack_data.search import gone, removals
from stack_data.search.build import add, build
from stack_data.search.index import open_index
from stack_data.search.integrity import verify_index
from stack_data.search.merge import merge
from stack_data.search.removals import remove
from tests.search.releases import At, Content, program, release

OWNERS = [f"o{number}" for number in range(12)]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Path]:
    """Two segments; every owner has a file in each."""
    for version, first in (("1.0.0", 0), ("2.0.0", 50)):
        contents = [Content(program(first + seed, 12), (At(owner),)) for seed, owner in enumerate(OWNERS, 1)]
        build([release(tmp_path, contents, version)], tmp_path / "index")
    yield tmp_path / "index"


def tombstones(index: Path) -> list[Path]:
    return sorted(index.rglob("tombstones"))


def test_an_index_of_which_nothing_was_removed_states_nothing(index: Path) -> None:
    assert gone.read(index) == gone.Stated()
    remove(index)
    assert not (index / gone.APPLIED).exists()


def test_a_removal_states_what_it_took_from_each_segment(index: Path) -> None:
    remove(index, owners=["github.com/o3", "github.com/o4"])
    stated = gone.read(index)
    assert stated.is_settled and stated.size == (index / removals.LOG).stat().st_size
    assert [int(stated.rows(one).sum()) for one in open_index(index).segments] == [2, 2]


@pytest.mark.parametrize("change", ["lost", "another segment's", "more", "another byte"])
def test_tombstones_that_nobody_wrote_are_refused(index: Path, change: str) -> None:
    remove(index, owners=["github.com/o3"])
    one, other = tombstones(index)
    raw = one.read_bytes()
    changed = {
        "lost": bytes(len(raw)), "another segment's": other.read_bytes(), "more": raw[:-1] + b"\xff" if raw[-1] == 0 else b"\xff" + raw[1:],
        "another byte": raw.replace(b"\xff", b"\x01"),
    }[change]  # fmt: skip
    assert changed != raw
    one.write_bytes(changed)
    with pytest.raises(InputError, match="tombstones is damaged: it is not what removals.applied says was removed"):
        open_index(index)


def test_a_removal_that_goes_on_is_no_damage_but_a_lost_one_is(index: Path) -> None:
    remove(index, owners=["github.com/o3"])
    gone.write(index, replace(gone.read(index), is_settled=False))
    path = tombstones(index)[0]
    raw = path.read_bytes()
    path.write_bytes(b"\xff" + raw[1:] if raw[0] == 0 else raw[:-1] + b"\xff")
    open_index(index)
    path.write_bytes(bytes(len(raw)))
    with pytest.raises(InputError, match="is damaged"):
        open_index(index)


def test_what_is_added_or_merged_after_a_removal_is_stated_too(index: Path, tmp_path: Path) -> None:
    remove(index, owners=["github.com/o3"])
    add(index, release(tmp_path, [Content(program(90), (At("o3"),)), Content(program(91))], "3.0.0"))
    assert set(gone.read(index).segments) == {"1", "2", "3"}
    merge(index)
    assert gone.read(index).segments == {}
    assert verify_index(index).problems == []


def test_a_reader_is_never_refused_while_others_remove(index: Path) -> None:
    """One thread removes; others open the index all the while."""
    failed: list[Exception] = []
    is_done = threading.Event()

    def open_again_and_again() -> None:
        while not is_done.is_set():
            try:
                open_index(index)
            except Exception as error:  # noqa: BLE001 - whatever it is, the test says so
                failed.append(error)

    readers = [threading.Thread(target=open_again_and_again) for _ in range(3)]
    for one in readers:
        one.start()
    for owner in OWNERS:
        remove(index, owners=[f"github.com/{owner}"])
    is_done.set()
    for one in readers:
        one.join()
    assert failed == []
    assert [int(one.tombstones.sum()) for one in open_index(index).segments] == [255 * len(OWNERS)] * 2


def test_a_removal_clears_away_what_a_killed_one_left(index: Path) -> None:
    left = index / f".{gone.APPLIED}.1.2.tmp"
    left.write_text("half")
    remove(index)
    assert not left.exists()
