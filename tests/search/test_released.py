"""Release folders as an index reads them: real ones of the builder, and everything that is none."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stack_data import storage
from stack_data.errors import InputError
from stack_data.manifest import Manifest, Output, Plan, read
from stack_data.purges import Purging
from stack_data.release.removal import Removal
from stack_data.release.removal import remove as take_out
from stack_data.search.build import add, build
from stack_data.search.index import open_index
from stack_data.search.integrity import verify_index
from stack_data.search.removals import remove
from tests.leaving import code, commit, config, license_of, made, repository, rows
from tests.search.releases import At, Content, program, release
from tests.search.test_index import contents_found

SHARD = "python/train-00000-of-00001.parquet"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of the builder: two owners, one file that both have."""
    folder = tmp_path_factory.mktemp("real")
    for owner in ("jane", "joe"):
        files = {"LICENSE": license_of(owner), "own.py": code(owner), "lib/both.py": code("both", 30)}
        commit(folder / owner, files)
    path = config(folder, [repository(folder / owner, owner) for owner in ("jane", "joe")])
    made(path)
    return folder / "build/corpus/releases/1.0.0"


def test_a_release_of_the_builder_is_indexed_whole(real: Path, tmp_path: Path) -> None:
    build([real], tmp_path / "index")
    index = open_index(tmp_path / "index")
    released = {row["content_id"]: row for row in rows(real)}
    documents = index.find(np.array([bytes.fromhex(one) for one in released], "S20"))
    assert [text.decode() for text in index.texts(documents).texts.to_pylist()] == [
        row["content"] for row in released.values()
    ]
    places = {
        (row["released_content_id"], row["relation"], f"{row['owner']}/{row['repo']}", row["path"], row["revision"])
        for row in rows(real, "provenance")
    }
    assert {
        (one.content_id, at.relation, at.repo_name, at.path, at.revision)
        for one in index.facts(documents)
        for at in one.places
    } == places
    assert all(one.license == "MIT" and one.versions == ("corpus 1.0.0",) for one in index.facts(documents))
    assert {one.identity for one in index.searched} == {storage.sha256_file(real / "manifest.json")}
    assert verify_index(tmp_path / "index").problems == []


def test_a_release_from_which_somebody_left_is_indexed_without_them(real: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy/1.0.0"
    shutil.copytree(real, copy)
    left = [row["content_id"] for row in rows(real) if row["repo_name"] == "joe/lib"]
    assert left
    take_out(copy, Removal(pa.array(left), pa.array([], pa.string())), {})
    build([copy], tmp_path / "index")
    assert contents_found(open_index(tmp_path / "index"), code("joe")) == set()
    assert contents_found(open_index(tmp_path / "index"), code("jane"))
    build([real], tmp_path / "other")
    remove(tmp_path / "other", contents=left)
    assert contents_found(open_index(tmp_path / "other"), code("joe")) == set()


def test_a_release_of_which_nothing_is_left_is_an_empty_one(tmp_path: Path) -> None:
    made = release(tmp_path, [])
    assert build([made], tmp_path / "index")[0].num_segments == 0
    assert len(open_index(tmp_path / "index").searched) == 1


def broken(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def rewritten(folder: Path, name: str, table: pa.Table) -> None:
    """Replace a table of a release and let its manifest agree."""
    storage.write_parquet(folder / name, table, None, 3)
    listed = read(folder / "manifest.json")
    outputs = {**listed.outputs, name: Output.of(folder / name, "text")}
    Manifest(listed.plan, outputs, listed.counts).write(folder / "manifest.json")


def without_places(folder: Path) -> None:
    rewritten(folder, f"provenance/{SHARD}", pq.read_table(folder / "provenance" / SHARD).slice(1))


def with_more_places(folder: Path) -> None:
    table = pq.read_table(folder / "provenance" / SHARD)
    rewritten(folder, f"provenance/{SHARD}", pa.concat_tables([table, table.slice(0, 1)]))


def twice(folder: Path) -> None:
    for kind in ("data", "provenance"):
        table = pq.read_table(folder / kind / SHARD)
        rewritten(folder, f"{kind}/{SHARD}", pa.concat_tables([table, table]))


def erased(folder: Path) -> None:
    table = pq.read_table(folder / "data" / SHARD)
    rewritten(folder, f"data/{SHARD}", table.set_column(1, "content", pa.nulls(table.num_rows, pa.large_string())))


def without_column(folder: Path) -> None:
    rewritten(folder, f"data/{SHARD}", pq.read_table(folder / "data" / SHARD).drop_columns(["text_sha256"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "is no release: it has no manifest.json"),
        (lambda folder: Manifest(Plan(kind="export", inputs={}).to_json(), {}, {}).write(folder / "manifest.json"), "its manifest is of kind 'export'"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "cannot be read"),
        (lambda folder: Purging(folder).begin(), "was stopped; run the same command again"),
        (lambda folder: (folder / "data" / SHARD).unlink(), "is missing; copy the release again"),
        (lambda folder: (folder / "provenance" / SHARD).unlink(), "is missing; copy the release again"),
        (lambda folder: broken(folder / "data" / SHARD), "its bytes are not those of the manifest"),
        (lambda folder: broken(folder / "provenance" / SHARD), "its bytes are not those of the manifest"),
        (without_places, "does not list the places of its shard's contents"),
        (with_more_places, "does not list the places of its shard's contents"),
        (twice, "holds a content twice"), (erased, "content is null in row group 0"), (without_column, "has no column 'text_sha256'"),
    ],
)  # fmt: skip
def test_what_is_no_whole_release_is_refused_and_the_index_stays(
    tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    build([release(tmp_path, [Content(program(1))])], tmp_path / "index")
    bad = release(tmp_path, [Content(program(number)) for number in range(2, 9)], "2.0.0")
    change(bad)
    with pytest.raises(InputError, match=message):
        add(tmp_path / "index", bad, segment_bytes=1)
    assert [one.label for one in open_index(tmp_path / "index").searched] == ["corpus 1.0.0"]
    with pytest.raises(InputError, match=message):
        build([bad], tmp_path / "new")
    add(tmp_path / "index", release(tmp_path, [Content(program(5), (At("x"),))], "3.0.0"))
    assert verify_index(tmp_path / "index").problems == []
    assert len(list((tmp_path / "index/segments").iterdir())) == 2


def test_a_folder_of_something_else_is_not_written_to(tmp_path: Path) -> None:
    made = release(tmp_path, [Content(program(1))])
    (tmp_path / "home").mkdir()
    (tmp_path / "home/thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"is no search index and holds thesis.txt; name a new or empty folder"):
        build([made], tmp_path / "home")
    with pytest.raises(InputError, match="name at least one release"):
        build([], tmp_path / "index")
    with pytest.raises(InputError, match="is no search index"):
        remove(tmp_path / "home", owners=["github.com/jane"])
