"""The deny index: removed code is refused after its text is gone, other code is not, and nothing of the text is kept."""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from stack_data import storage
from stack_data.errors import InputError
from stack_data.search import deny, deny_store
from stack_data.search.build import add
from stack_data.search.deny import DenyIndex, Refusal, erase, erase_texts, follow_locked, update
from stack_data.search.deny_kernels import filter_of, find, refusing_run
from stack_data.search.deny_store import DENY, MANIFEST, each_once
from stack_data.search.merge import merge
from stack_data.search.removals import remove
from tests.leaving import code
from tests.search.published import HTTP, copied
from tests.search.releases import At, Content, program, release
from tests.search.test_scan import RENAMED

HALF = HTTP.index("        raise")


@pytest.fixture
def purged(tmp_path: Path) -> Path:
    """An index that jane left and whose texts were erased."""
    folder = copied(tmp_path)
    remove(folder, owners=["github.com/jane", "github.com/jane-old"])
    assert update(folder).batch
    merge(folder)
    return folder


def test_removed_code_is_refused_after_its_text_was_erased(purged: Path) -> None:
    index = DenyIndex(purged)
    refused = index.refusal(HTTP[:HALF], HTTP[HALF:], "Python")
    assert refused is not None and refused.view == "code" and refused.tokens >= 32
    assert index.refusal("", HTTP, "Python") is not None
    spaced = re.sub(r"\n +", lambda found: found[0] + " ", HTTP).replace("(", "( ")
    assert index.refusal("", spaced, "Python") is not None


def test_removed_code_is_refused_whatever_its_language(purged: Path) -> None:
    index = DenyIndex(purged)
    assert index.refusal("", HTTP) is not None
    renamed = index.refusal("", RENAMED)
    assert renamed is not None and renamed.view == "blinded"
    assert index.refusal("", code("main")) is None


def test_renamed_code_is_refused_as_blinded(purged: Path) -> None:
    refused = DenyIndex(purged).refusal("", RENAMED, "Python")
    assert refused is not None and refused.view == "blinded" and refused.tokens >= 50


def test_other_code_is_not_refused(purged: Path) -> None:
    index = DenyIndex(purged)
    assert index.refusal("", code("main"), "Python") is None
    assert index.refusal("import os\n", "print(os.name)\n", "Python") is None
    assert index.refusal("", "") is None


def test_code_that_others_still_have_is_not_refused(purged: Path) -> None:
    # util.py is word for word in john's repository, which stays.
    assert DenyIndex(purged).refusal("", code("util"), "Python") is None


def test_a_completion_that_adds_little_to_removed_code_is_not_refused(purged: Path) -> None:
    index = DenyIndex(purged)
    before = HTTP[: HTTP.index('(":")')]
    assert index.refusal(before, "(0", "Python") is None


def test_bits_are_set_anew_when_the_last_copy_goes_too(purged: Path) -> None:
    remove(purged, owners=["github.com/john"])
    before = DenyIndex(purged)
    assert before.refusal("", code("util"), "Python") is None
    made = update(purged)
    assert made.batch and made.num_exclusive <= made.num_hashes
    assert DenyIndex(purged).refusal("", code("util"), "Python") is not None
    assert DenyIndex(purged).refusal("", HTTP, "Python") is not None


def test_an_update_without_removals_changes_nothing(purged: Path) -> None:
    first, second = update(purged), update(purged)
    assert first == second and not first.batch
    assert DenyIndex(purged).refusal("", HTTP, "Python") is not None


def test_a_batch_can_be_erased_and_stays_erased(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    remove(folder, repositories=["github.com/jane/lib"])
    batch = update(folder).batch
    erase(folder, batch)
    # Its texts are still in the index, and are not taken again.
    assert (update(folder).batch, merge(folder).deny_batch, len(DenyIndex(folder))) == ("", "", 0)
    assert DenyIndex(folder).refusal("", HTTP, "Python") is None
    for unknown in (batch, "0" * 16):
        with pytest.raises(InputError, match="no batch"):
            erase(folder, unknown)


def test_what_two_batches_have_stays_when_one_is_erased(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    remove(folder, repositories=["github.com/jane/lib"])
    first = update(folder).batch
    remove(folder, owners=["github.com/john"])
    second = update(folder)
    assert second.batch and second.batch != first
    # util.py was in both repositories; it left with the second.
    assert DenyIndex(folder).refusal("", code("util"), "Python")
    erase(folder, first)
    index = DenyIndex(folder)
    assert index.refusal("", code("util"), "Python") and index.refusal("", code("main"), "Python")
    assert index.refusal("", HTTP, "Python") is None
    erase(folder, second.batch)
    assert len(DenyIndex(folder)) == 0


def test_the_hashes_of_a_file_can_be_erased_alone(purged: Path) -> None:
    count = len(DenyIndex(purged))
    erased = erase_texts(purged, [(HTTP, "Python")])
    assert 0 < erased < count and len(DenyIndex(purged)) == count - erased
    assert DenyIndex(purged).refusal("", HTTP, "Python") is None
    assert DenyIndex(purged).refusal("", code("kept"), "Python")
    assert erase_texts(purged, [(HTTP, "Python"), ("", None)]) == 0


def test_many_removals_lie_in_one_table(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    texts = [program(seed, 8) for seed in range(12)]
    add(folder, release(tmp_path / "one", [Content(one, (At(f"owner{n}"),)) for n, one in enumerate(texts)]))
    batches = []
    for number in range(10):
        remove(folder, owners=[f"github.com/owner{number}"])
        batches.append(update(folder).batch)
    assert len(set(batches)) == 10 and all(batches)
    assert [path.name for path in (folder / DENY).iterdir()] == ["10"]
    merge(folder)
    assert [bool(DenyIndex(folder).refusal("", one, "Python")) for one in texts] == [True] * 10 + [False] * 2
    erase(folder, batches[4])
    assert [bool(DenyIndex(folder).refusal("", one, "Python")) for one in texts[3:6]] == [True, False, True]


@pytest.mark.parametrize("is_killed", [False, True])
def test_code_that_a_later_release_has_is_refused_no_more(
    tmp_path: Path, is_killed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, text, other = tmp_path / "index", program(1, 8), program(2, 8)
    add(folder, release(tmp_path / "one", [Content(text, (At("jane"),)), Content(program(3), (At("john"),))]))
    remove(folder, owners=["github.com/jane"])
    merge(folder)
    assert DenyIndex(folder).refusal("", text, "Python")
    later = release(
        tmp_path / "two", [Content(text + "# more\n", (At("john", path="b.py"),)), Content(other)], version="2.0.0"
    )
    if is_killed:
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr("stack_data.search.deny.follow_locked", _killed)
            add(folder, later)
        assert DenyIndex(folder).refusal("", text, "Python")
    add(folder, later)
    # john has it now; jane's file that came again is dead from its first day, and refused.
    assert DenyIndex(folder).refusal("", text, "Python") is None
    assert DenyIndex(folder).refusal("", other, "Python")


def _killed(_: Path) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("seed", range(8))
def test_bits_after_additions_are_those_of_reading_everything(tmp_path: Path, seed: int) -> None:
    draw, folder = random.Random(seed), tmp_path / "index"
    texts = [program(one, 6) for one in range(10)]
    for version in range(4):
        mine = draw.sample(texts, draw.randint(1, 6))
        contents = [Content(one, tuple(At(f"o{n}") for n in draw.sample(range(5), 2))) for one in mine]
        add(folder, release(tmp_path / "r", contents, version=f"{version + 1}.0.0"))
        if draw.random() < 0.7:
            remove(folder, owners=[f"github.com/o{draw.randrange(5)}"])
            update(folder)
        if draw.random() < 0.3:
            merge(folder)
    known, views = deny_store.read(folder / DENY, deny._VIEWS), deny._VIEWS
    if known.generation:
        follow_locked(folder)
        incremental = deny_store.read(folder / DENY, views)
        update(folder)
        full = deny_store.read(folder / DENY, views)
        assert incremental.num_exclusive == full.num_exclusive
        for name in views:
            assert np.array_equal(incremental.tables[name].shared, full.tables[name].shared)


def test_nothing_of_text_or_names_is_kept(purged: Path) -> None:
    for path in (purged / DENY).rglob("*"):
        for word in (b"jane", b"parse", b"lib", b"request"):
            assert path.is_dir() or word not in path.read_bytes().lower()
        assert "jane" not in path.name


def test_an_index_without_one_refuses_nothing(tmp_path: Path) -> None:
    assert DenyIndex(tmp_path).refusal("", HTTP, "Python") is None


def test_a_killed_update_leaves_the_generation_before(purged: Path) -> None:
    (folder,) = (purged / DENY).iterdir()
    (purged / DENY / f".{int(folder.name) + 1}.1.tmp").mkdir()
    assert DenyIndex(purged).refusal("", HTTP, "Python") is not None
    shutil.copytree(folder, purged / DENY / str(int(folder.name) + 1))
    assert DenyIndex(purged).refusal("", HTTP, "Python") is not None
    update(purged)
    (left,) = (purged / DENY).iterdir()
    assert int(left.name) > int(folder.name)


def test_damage_and_other_versions_refuse_to_open(purged: Path) -> None:
    (folder,) = (purged / DENY).iterdir()
    path = folder / "code.u64"
    raw = path.read_bytes()
    for damaged in (raw[:-8], raw[:-1] + bytes([raw[-1] ^ 1])):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="damaged"):
            DenyIndex(purged)
    path.write_bytes(raw)
    storage.write_json(folder / MANIFEST, storage.read_json(folder / MANIFEST) | {"lexer": -1})
    with pytest.raises(InputError, match="another version"):
        DenyIndex(purged)
    folder.rename(purged / DENY / "0123456789abcdef.1")
    with pytest.raises(InputError, match="another version"):
        DenyIndex(purged)


def test_hashes_are_found_and_the_others_are_not() -> None:
    draw = np.random.default_rng(3)
    stored = np.unique(draw.integers(0, 2**63, 1000).astype(np.uint64))
    asked = np.concatenate([stored[::3], draw.integers(0, 2**63, 1000).astype(np.uint64), stored[:1] + np.uint64(1)])
    known = {int(value): row for row, value in enumerate(stored)}
    assert find(stored, filter_of(stored), asked).tolist() == [known.get(int(one), -1) for one in asked]


@pytest.mark.parametrize(
    ("hits", "exclusive", "first", "found"),
    [
        ("111111", "111111", 0, (0, 8)),
        ("111111", "101010", 0, (0, 8)),
        ("111111", "100000", 0, (-1, -1)),
        ("111111", "000011", 0, (0, 8)),
        ("111011", "111111", 0, (-1, -1)),
        ("011111", "011111", 0, (1, 8)),
        ("111111", "111111", 6, (0, 8)),
        ("111111", "111111", 7, (-1, -1)),
        ("", "", 0, (-1, -1)),
    ],
)  # fmt: skip
def test_a_run_refuses_when_it_is_long_exclusive_and_of_the_completion(
    hits: str, exclusive: str, first: int, found: tuple[int, int]
) -> None:
    columns = [np.array([one == "1" for one in text], bool) for text in (hits, exclusive)]
    # Grams of 3 tokens, 4 in a row, 2 tokens of the completion.
    assert refusing_run(*columns, np.ones(len(columns[0]) + 2, np.bool_), 3, 4, first, 2) == found


def test_a_run_refuses_only_where_it_counts() -> None:
    hits = np.ones(8, bool)
    counts = np.zeros(10, bool)
    assert refusing_run(hits, hits, counts, 3, 4, 0, 2) == (-1, -1)
    counts[4] = True
    assert refusing_run(hits, hits, counts, 3, 4, 0, 2) == (0, 10)
    counts[4], counts[5] = False, True  # four in a row are not left
    assert refusing_run(hits, hits, counts, 3, 4, 0, 2) == (-1, -1)


def test_lists_of_other_strings_are_no_copies(tmp_path: Path) -> None:
    def listing(word: str) -> str:
        return "NAMES = [\n" + "".join(f'    "{word}{at}",\n' for at in range(90)) + "]\n"

    folder = tmp_path / "index"
    add(folder, release(tmp_path / "one", [Content(listing("a")), Content(program(3), (At("john"),))]))
    remove(folder, repositories=["github.com/jane/lib"])
    update(folder)
    index = DenyIndex(folder)
    assert index.refusal("", listing("b"), "Python") is None
    copied_ = index.refusal("", listing("a"), "Python")
    assert copied_ is not None and copied_.view == "code"


def test_a_refusal_says_view_and_length() -> None:
    assert Refusal("code", 40).tokens == 40


@given(some.lists(some.integers(0, 2**64 - 1) | some.integers(0, 3), max_size=50))
def test_each_number_is_kept_once_and_in_order(values: list[int]) -> None:
    assert each_once(np.array(values, np.uint64)).tolist() == sorted(set(values))
