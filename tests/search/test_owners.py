"""Owners, repositories and files are found by any of their names; what left is in no part of an answer."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from stack_data.errors import InputError
from stack_data.identity import content_id
from stack_data.search import owners
from stack_data.search.build import add
from stack_data.search.documents import leading
from stack_data.search.dropped import dropped
from stack_data.search.files_lookup import file, file_id, find, rows_with
from stack_data.search.index import Index, open_index
from stack_data.search.joined import text_of
from stack_data.search.owned_kernels import (
    bits_of,
    distinct,
    first_equal,
    host_codes,
    local_numbers,
    lower_bound,
    number_ids,
)
from stack_data.search.removals import remove
from tests.leaving import code, made
from tests.search.published import BIG, HTTP, build_folder, copied, published

UTIL = code("util")


@pytest.fixture(scope="module")
def index() -> Index:
    return published()


def owner(index: Index, text: str) -> owners.Owned:
    return owners.owner(index, owners.asked_in(index, text))


def paths(index: Index, text: str, first: int = 0, count: int = 100) -> list[str]:
    return [one["path"] for one in owners.files(index, owners.asked_in(index, text), first, count).rows]


@pytest.mark.parametrize(
    "text", ["github.com/Jane/Lib", "jane/LIB", "https://github.com/JANE/lib.git", "git@github.com:jane/lib", "pkg:github/jane/lib"]
)  # fmt: skip
def test_a_repository_is_found_by_every_spelling(index: Index, text: str) -> None:
    found = owner(index, text)
    assert found.released.files == 3
    assert found.repositories == (("github.com", "Jane/Lib", 3),)


def test_what_is_released_is_counted(index: Index) -> None:
    found = owner(index, "github.com/jane/lib").released
    assert (found.files, found.contents) == (3, 3)
    assert found.num_bytes == sum(len(one.encode()) for one in (HTTP, UTIL, BIG))
    assert found.languages["Python"] == 3
    assert found.licenses == {"MIT": 3}
    assert found.versions == {"corpus 1.0.0": 3}


def test_an_owner_has_repositories_under_former_names_by_the_hosts_number(index: Index) -> None:
    found = owner(index, "jane")
    assert {name for _, name, _ in found.repositories} == {"Jane/Lib", "jane-old/kept"}
    assert owner(index, "jane-old").num_repositories == 2
    assert owner(index, "github.com/jane-old/kept").num_repositories == 1


def test_an_owner_has_what_its_subgroups_have(index: Index) -> None:
    for text in ("gitlab.com/group", "gitlab.com/group/sub/proj", "https://gitlab.com/group/sub/proj/-/tree/main"):
        assert owner(index, text).released.files == 1
    assert owner(index, "github.com/group").released.files == 0


def test_a_beginning_of_a_name_is_another_name(index: Index) -> None:
    for text in ("jan", "github.com/jane/li", "github.com/jane/lib2", "jane.", "joh"):
        assert owner(index, text).released.files == 0


def test_files_are_listed_by_path_page_by_page(index: Index) -> None:
    every = paths(index, "jane/lib")
    assert every == ["big.py", "src/http_client.py", "util.py"]
    assert [one for first in range(3) for one in paths(index, "jane/lib", first, 1)] == every
    page = owners.files(index, owners.asked_in(index, "jane/lib"), 2, 5)
    assert (page.total, page.next) == (3, None)
    assert owners.files(index, owners.asked_in(index, "jane/lib"), 9, 5).rows == ()
    assert page.rows[0]["content_id"] == content_id(UTIL.encode())
    assert page.rows[0]["license"] == "MIT"
    assert page.rows[0]["versions"] == ["corpus 1.0.0"]


def test_the_address_of_a_file_or_folder_asks_for_it_alone(index: Index) -> None:
    assert paths(index, "https://github.com/jane/lib/blob/main/util.py") == ["util.py"]
    assert paths(index, "https://github.com/jane/lib/tree/main/src") == ["src/http_client.py"]
    assert paths(index, "https://github.com/jane/lib/blob/main/util") == []


def test_identical_copies_at_others_places_are_told(index: Index) -> None:
    found = owner(index, "jane/lib")
    assert (found.exact.contents, found.exact.places, found.exact.repositories) == (1, 1, 1)
    rows = owners.copies(index, owners.asked_in(index, "jane/lib"), "exact").rows
    assert {(one["repo_name"], one["path"]) for one in rows} == {("john/tool", "vendored_util/util.py")}


def test_near_copies_live_on_where_theirs_was_released(index: Index) -> None:
    stories = {name: owner(index, name) for name in ("jane/lib", "john/tool")}
    near = {name: one.near.contents for name, one in stories.items()}
    # One of the two was dropped beside the other: its owner is told of the one that is released.
    assert sorted(near.values()) == [0, 1]
    loser = next(name for name, count in near.items() if count)
    rows = owners.copies(index, owners.asked_in(index, loser), "near").rows
    assert [one["path"] for one in rows] == [{"jane/lib": "big_copy.py", "john/tool": "big.py"}[loser]]


def test_an_answer_names_what_was_searched_and_is_json(index: Index) -> None:
    value = json.loads(json.dumps(owner(index, "nobody-at-all").to_json()))
    assert value["searched"] == [{"release": "corpus 1.0.0", "identity": index.searched[0].identity}]
    assert value["released"]["files"] == 0


# What left


def test_a_removed_owner_is_nobody_at_once_and_unlike_no_stranger(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    reader = open_index(folder)
    assert owner(reader, "john").released.files
    remove(folder, owners=["github.com/john"])
    gone = owner(reader, "github.com/john").to_json()
    stranger = owner(reader, "github.com/stranger").to_json()
    assert gone | {"name": ""} == stranger | {"name": ""}
    assert owner(reader, "jane/lib").exact.repositories == 0
    assert not any(
        one["repo_name"] == "john/tool" for one in file(reader, content_id(UTIL.encode()))["found"][0]["provenances"]
    )


def test_the_same_place_in_two_releases_counts_once(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    root = build_folder().parent.parent
    work = tmp_path / "again"
    work.mkdir()
    text = (
        (root / "corpus.toml")
        .read_text()
        .replace("validation_bytes = 0\n", 'validation_bytes = 0\nversion = "2.0.0"\n')
    )
    (work / "corpus.toml").write_text(text)
    made(work / "corpus.toml")
    add(folder, work / "build" / "corpus" / "releases" / "2.0.0")
    index = open_index(folder)
    assert len(index.segments) == 2
    found = owner(index, "jane/lib").released
    assert (found.files, found.contents) == (3, 3)
    assert found.versions == {"corpus 1.0.0": 3, "corpus 2.0.0": 3}
    assert found.num_bytes == owner(published(), "jane/lib").released.num_bytes
    assert owner(index, "jane/lib").exact == owner(published(), "jane/lib").exact
    assert paths(index, "jane/lib") == paths(published(), "jane/lib")
    assert file(index, content_id(UTIL.encode()))["found"][0]["versions"] == ["corpus 1.0.0", "corpus 2.0.0"]


# Dropped


def test_what_a_build_dropped_is_told_by_reason() -> None:
    found = dropped(build_folder()).of(owners.asked_in(published(), "jane/lib"))
    assert {one["reason"]: one["files"] for one in found["reasons"]}["license_not_permissive"] == 1
    assert all(one["meaning"] and one["stage"] for one in found["reasons"])
    assert dropped(build_folder()).of(owners.asked_in(published(), "nobody"))["files"] == 0


def test_a_name_that_only_the_build_knows_is_followed() -> None:
    read = dropped(build_folder())
    assert read.of(owners.asked_in(published(), "github.com/jane-before/lib")) == read.of(
        owners.asked_in(published(), "github.com/jane/lib")
    )


def test_what_opted_out_is_in_no_count_of_what_was_dropped(tmp_path: Path) -> None:
    from tests.leaving import entry, listed

    root = build_folder().parent.parent
    path = tmp_path / "corpus.toml"
    path.write_text(
        (root / "corpus.toml").read_text()
        + f'[optout]\nlists = ["{listed(tmp_path / "list.jsonl", entry(name="john"))}"]\n'
    )
    made(path)
    read = dropped(tmp_path / "build" / "corpus")
    assert read.of(owners.asked_in(published(), "john")) == {"files": 0, "reasons": []}
    assert read.of(owners.asked_in(published(), "jane/lib"))["files"] > 0


# Files


@pytest.mark.parametrize(
    "form", ["{id}", "swh:1:cnt:{id}", "swh:1:cnt:{id};origin=https://example.org", "{sha}", "sha256:{sha}", " {SHA} "]
)
def test_a_file_is_found_by_every_identity(index: Index, form: str) -> None:
    sha = hashlib.sha256(UTIL.encode()).hexdigest()
    asked = form.format(id=content_id(UTIL.encode()), sha=sha, SHA=sha.upper())
    found = file(index, asked)
    assert [one["content_id"] for one in found["found"]] == [content_id(UTIL.encode())]
    assert len(found["found"][0]["provenances"]) == 2
    assert found["searched"]


def test_a_near_duplicate_that_was_dropped_is_found_as_one(index: Index) -> None:
    ids = [content_id(one.encode()) for one in (BIG, BIG.replace("7919", "7918", 1).replace("big_3(", "big_3x("))]
    answers = [file(index, one) for one in ids]
    assert sorted((len(one["found"]), len(one["near"])) for one in answers) == [(0, 1), (1, 0)]


def test_an_unknown_file_is_not_found_and_says_what_was_searched(index: Index) -> None:
    found = file(index, "0" * 40)
    assert (found["found"], found["near"]) == ([], [])
    assert found["searched"][0]["release"] == "corpus 1.0.0"
    assert file(index, "f" * 64)["found"] == []


@pytest.mark.parametrize(
    "text", ["", "x", "0" * 39, "0" * 41, "swh:1:dir:" + "0" * 40, "swh:2:cnt:" + "0" * 40, "\x1b[2J"]
)
def test_what_identifies_no_file_is_refused_in_one_printable_line(text: str) -> None:
    with pytest.raises(InputError) as refused:
        file_id(text)
    assert str(refused.value).isprintable()


def test_many_contents_are_found_at_once(index: Index) -> None:
    known = content_id(UTIL.encode())
    assert list(find(index, ["0" * 40, known])) == [known]
    assert find(index, []) == {}


# Kernels


def test_equal_ids_get_one_number() -> None:
    draw = np.random.default_rng(5)
    ids = draw.integers(0, 2, (300, 20)).astype(np.uint8)
    ids[:, 4:] = 0
    numbers, count = number_ids(ids)
    known = list(dict.fromkeys(one.tobytes() for one in ids))
    assert (numbers.tolist(), count) == ([known.index(one.tobytes()) for one in ids], len(known))


def test_equal_keys_are_told_by_their_first_and_by_numbers_in_their_repository() -> None:
    keys = np.array([5, 7, 5, 0, 7, 0], np.uint64)
    assert first_equal(keys).tolist() == [0, 1, 0, 3, 1, 3]
    assert first_equal(keys[:0]).tolist() == []
    numbers, counts = local_numbers(keys, np.array([1, 0, 1, 1, 0, 1], np.uint32), 3)
    assert (numbers.tolist(), counts.tolist()) == ([0, 0, 0, 1, 0, 1], [1, 2, 0])
    assert distinct(np.array([3, 1, 3, 0, 1])).tolist() == [3, 1, 0]


def test_strings_are_found_among_ascending_ones_and_hosts_are_numbered() -> None:
    names = ["a.b/x/y", "a.b/xy/z", "a/x/y", "b/x/y"]
    column = text_of(pa.array(["skipped", *names])[1:])
    for wanted in (*names, "", "a", "a.b/x", "a.b/x/y0", "c"):
        raw = np.frombuffer(wanted.encode(), np.uint8)
        assert lower_bound(*column, len(names), raw) == sum(one < wanted for one in names)
    assert host_codes(*column, len(names)).tolist() == [0, 0, 1, 2]


def test_bits_of_masks_are_counted() -> None:
    counts = bits_of(np.array([1, 3, 1 << 63], np.uint64)).tolist()
    assert (counts[0], counts[1], counts[63], sum(counts)) == (2, 1, 1, 4)


def test_rows_are_found_by_hashes_whose_first_bytes_are_alike() -> None:
    raw = [b"a" * 8 + bytes([one]) * 24 for one in (3, 1, 2, 1)] + [b"b" * 32, b"\0" * 32, b"\xff" * 32]
    column = pa.array([b"?" * 32, *raw], pa.binary(32))[1:]
    order = np.argsort(leading(column), kind="stable").astype(np.uint32)
    for one in {*raw, b"c" * 32, b"a" * 32}:
        assert rows_with(column, order, one).tolist() == [row for row, other in enumerate(raw) if other == one]
    assert rows_with(column, order[:0], raw[0]).tolist() == []


def test_every_file_is_found_by_both_of_its_hashes(index: Index) -> None:
    for segment in index.segments:
        for one in segment.documents.to_pylist():
            for name in ("sha256", "text_sha256"):
                assert one["content_id"].hex() in {
                    found["content_id"] for found in file(index, one[name].hex())["found"]
                }
