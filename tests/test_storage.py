"""Files appear whole or not at all, equal rows give equal bytes, and damage is one clear error."""

from __future__ import annotations

import errno
import fcntl
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack_data import storage
from stack_data.errors import InputError, StorageError

SCHEMA = pa.schema(
    [
        pa.field("content_id", pa.string()),
        pa.field("content", pa.large_binary()),
        pa.field("reason", pa.dictionary(pa.int16(), pa.string())),
        pa.field("licenses", pa.list_(pa.string())),
    ]
)


def table_of(count: int) -> pa.Table:
    rows = [
        {
            "content_id": f"{row:040x}", "content": bytes([row % 251]) * (row % 97),
            "reason": None if row % 3 else f"r{row % 4}", "licenses": ["MIT"] * (row % 3) if row % 5 else None,
        }
        for row in range(count)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def cut(table: pa.Table, cuts: list[int]) -> list[pa.Table]:
    """Return the table in pieces, each made of chunks of its own that share nothing with their neighbours."""
    bounds = [0, *sorted(min(one, table.num_rows) for one in cuts), table.num_rows]
    pieces = [table.slice(start, end - start) for start, end in zip(bounds, bounds[1:], strict=False)]
    return [pa.Table.from_pylist(piece.to_pylist(), schema=table.schema) for piece in pieces]


@given(count=st.integers(0, 60), cuts=st.lists(st.integers(0, 60), max_size=6), rows=st.integers(1, 25))
def test_equal_rows_give_equal_bytes_however_they_are_cut(
    tmp_path_factory: pytest.TempPathFactory, count: int, cuts: list[int], rows: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    table = table_of(count)
    storage.write_parquet(folder / "whole", table, {"key": "value"}, rows)
    with storage.writing_parquet(folder / "pieces", SCHEMA, {"key": "value"}, rows) as part:
        for piece in cut(table, cuts):
            part.write(piece)
    chunked = pa.concat_tables(cut(table, cuts))
    storage.write_parquet(folder / "chunked", chunked, {"key": "value"}, rows)
    whole = (folder / "whole").read_bytes()
    assert (folder / "pieces").read_bytes() == whole
    assert (folder / "chunked").read_bytes() == whole
    assert storage.read_parquet(folder / "whole").to_pylist() == table.to_pylist()
    assert [group.num_rows for group in storage.read_row_groups(folder / "whole")] == [
        min(rows, count - start) for start in range(0, count, rows)
    ]


def test_metadata_is_read_back_and_a_partial_file_has_none(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    assert storage.read_metadata(path) is None
    storage.write_parquet(path, table_of(5), {"fairstack.plan": "abc"})
    assert storage.read_metadata(path) == {"fairstack.plan": "abc"}
    path.write_bytes(path.read_bytes()[:-10])
    assert storage.read_metadata(path) is None


def test_a_block_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.parquet"
    storage.write_parquet(path, table_of(3))
    before = path.read_bytes()
    with pytest.raises(RuntimeError), storage.writing_parquet(path, SCHEMA) as part:
        part.write(table_of(2000))
        raise RuntimeError("stopped")
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == ["file.parquet"]


def test_a_disk_that_refuses_is_told_apart_from_a_full_one(tmp_path: Path) -> None:
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        with pytest.raises(StorageError, match="the disk is full"), storage.replacing(tmp_path / "x"):
            raise OSError(number, "refused")
    # pyarrow's own error has words only.
    with pytest.raises(StorageError, match="the disk is full"), storage.replacing(tmp_path / "x"):
        raise OSError("Error writing bytes to file. Detail: [errno 28] No space left on device")
    with (
        pytest.raises(StorageError, match="cannot write .*x: Read-only file system"),
        storage.replacing(tmp_path / "x"),
    ):
        raise OSError(errno.EROFS, "Read-only file system")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        storage.write_text(tmp_path / "file" / "below", "")
    with pytest.raises(StorageError, match="cannot write"):
        storage.make_folder(tmp_path / "file" / "below")


def test_a_refusal_leaves_no_folder_and_no_lock(tmp_path: Path) -> None:
    for folder in (tmp_path / "a" / "b", tmp_path):
        with pytest.raises(InputError, match="refused"), storage.locked(folder):
            raise InputError("refused")
        assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="refused"), storage.locked(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "begun").touch()
        raise InputError("refused")
    assert (tmp_path / "a" / "b" / "begun").exists()


def test_whoever_comes_while_a_refusal_tidies_up_is_sent_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def after_it_went(handle: IO[bytes], how: int) -> None:
        (tmp_path / storage.LOCK_NAME).unlink()
        taken(handle, how)

    taken = fcntl.flock
    monkeypatch.setattr("fcntl.flock", after_it_went)
    # The lock of a file that has no name any more holds nobody off.
    with pytest.raises(InputError, match="another process"), storage.locked(tmp_path):
        raise AssertionError("held")


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    for name in (".a.parquet.12.34.tmp", "a.parquet", ".hidden", "b.tmp"):
        (tmp_path / "files" / name).write_bytes(b"")
    storage.remove_temporaries(tmp_path)
    assert sorted(one.name for one in (tmp_path / "files").iterdir()) == [".hidden", "a.parquet", "b.tmp"]


def test_temporary_folders_of_an_index_are_left_to_its_own_writers(tmp_path: Path) -> None:
    left = tmp_path / "index/keywords/.3.99.tmp"
    left.mkdir(parents=True)
    (left / "words").write_bytes(b"")
    storage.remove_temporaries(tmp_path)
    assert [one.name for one in left.iterdir()] == ["words"]


def test_json_is_the_same_text_for_the_same_value(tmp_path: Path) -> None:
    storage.write_json(tmp_path / "a", {"b": 1, "a": "\u00e9"})
    storage.write_json(tmp_path / "b", {"a": "\u00e9", "b": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == '{\n "a": "é",\n "b": 1\n}\n'.encode()
    assert storage.read_json(tmp_path / "a") == {"a": "\u00e9", "b": 1}


def test_a_missing_or_damaged_file_is_named(tmp_path: Path) -> None:
    absent, damaged = tmp_path / "absent", tmp_path / "damaged"
    damaged.write_bytes(b'PAR1 {"half')
    for read in (storage.read_json, storage.read_parquet, lambda path: list(storage.read_row_groups(path))):
        with pytest.raises(InputError, match="absent does not exist"):
            read(absent)
        with pytest.raises(InputError, match="damaged (cannot be read|is damaged)") as caught:
            read(damaged)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="absent cannot be read"):
        storage.sha256_file(absent)


def test_a_page_damaged_inside_is_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    storage.write_parquet(path, table_of(400))
    content = bytearray(path.read_bytes())
    # The footer stays whole: only decoding can tell.
    at = pq.ParquetFile(path).metadata.row_group(0).column(1).data_page_offset + 60
    content[at : at + 40] = bytes(40)
    path.write_bytes(content)
    assert storage.read_metadata(path) == {}
    with pytest.raises(InputError, match="damaged"):
        storage.read_parquet(path)
