"""Rows that a shard takes from its parent's: in their places, with the bytes of a shard that was written anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack_data import storage
from stack_data.errors import InputError
from stack_data.manifest import Output
from stack_data.release.common_rows import Common, common_rows
from stack_data.release.parent import RELEASED, Parent
from stack_data.release.tables import NOTICES, PROVENANCE

GROUP_ROWS = 3
SHARD = "python/train-00000-of-00001.parquet"
DATA = pa.schema(
    [pa.field("content_id", pa.string()), pa.field("content", pa.large_string()), pa.field("length", pa.int64())]
)


def identity(number: int) -> str:
    return f"{number:040x}"


def data(numbers: list[int]) -> pa.Table:
    rows = {
        "content_id": [identity(one) for one in numbers],
        "content": [f"text {one}" * one for one in numbers],
        "length": numbers,
    }
    return pa.table(rows, schema=DATA)


def provenance(numbers: list[int]) -> pa.Table:
    """Two places of every other content."""
    rows = [
        {"released_content_id": identity(one), "rank": rank, "path": f"{one}/{rank}", "texts": ["t"] if rank else None}
        for one in numbers
        for rank in range(1 + one % 2)
    ]
    return pa.Table.from_pylist(rows, schema=PROVENANCE)


def notices(numbers: list[int]) -> pa.Table:
    rows = [{"content_id": identity(one), "copyrights": [f"(c) {one}"] * (one % 3), "texts": []} for one in numbers]
    return pa.Table.from_pylist(rows, schema=NOTICES)


def save(path: Path, table: pa.Table) -> Output:
    with storage.writing_parquet(path, table.schema, None, GROUP_ROWS) as part:
        part.write(table)
    return Output.of(path, "text")


def parent_of(folder: Path, numbers: list[int], fingerprints: list[int] | None = None) -> Parent:
    made = {"data": data(numbers), "provenance": provenance(numbers), "notices": notices(numbers)}
    outputs = {f"{name}/{SHARD}": save(folder / name / SHARD, table) for name, table in made.items()}
    return Parent("1.0.0", "", folder, {}, outputs, 0.0, {}, released(numbers, fingerprints or numbers))


def released(numbers: list[int], fingerprints: list[int]) -> pa.Table:
    columns = [[identity(one) for one in numbers], [SHARD] * len(numbers), pa.array(fingerprints, pa.uint64()), numbers]
    return pa.table([pa.array(column) for column in columns], names=RELEASED.names).cast(RELEASED)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=20))
def test_rows_come_in_order_and_with_the_bytes_of_a_shard_written_anew(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[tuple[bool, bool, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("releases")
    parent = parent_of(folder / "old", [at for at, (was, _, _) in enumerate(kinds) if was])
    now = [at for at, (_, stays, _) in enumerate(kinds) if stays]
    taken = np.array([kinds[at][0] and kinds[at][2] for at in now], bool)
    anew = [at for at in now if not (kinds[at][0] and kinds[at][2])]
    common = Common(parent, SHARD, pa.array([identity(at) for at in now], pa.string()), taken)
    wanted = save(folder / "wanted", data(now))
    with storage.writing_parquet(folder / "found", DATA, None, GROUP_ROWS) as part:
        for rows in common.data(lambda begin, end: data(anew[begin:end])):
            part.write(rows)
    assert Output.of(folder / "found", "text") == wanted
    for name, make, key in (("provenance", provenance, "released_content_id"), ("notices", notices, "content_id")):
        found = save(folder / f"found-{name}", common.table(name, key, make(anew)))
        assert found == save(folder / f"wanted-{name}", make(now))


def test_only_rows_that_are_the_same_in_whole_shards_are_taken(tmp_path: Path) -> None:
    parent = parent_of(tmp_path, [1, 2, 3])
    current = released([1, 2, 4], [1, 7, 4])
    assert common_rows(parent, current, {SHARD}).tolist() == [True, False, False]
    assert not common_rows(parent, current, set()).any()
    assert not common_rows(parent, current.slice(0, 0), {SHARD}).any()
    (tmp_path / "notices" / SHARD).write_bytes(b"damaged")
    assert not common_rows(parent, current, {SHARD}).any()


def test_a_parent_that_is_known_by_its_ids_alone_has_no_rows_to_give(tmp_path: Path) -> None:
    parent = parent_of(tmp_path, [1])
    unknown = parent.released.set_column(2, RELEASED.field("fingerprint"), pa.nulls(1, pa.uint64()))
    known = Parent("1.0.0", "", tmp_path, {}, parent.outputs, 0.0, {}, unknown)
    assert not common_rows(known, released([1], [1]), {SHARD}).any()


def test_a_shard_without_the_rows_it_should_have_is_refused(tmp_path: Path) -> None:
    common = Common(parent_of(tmp_path, [1, 2]), SHARD, pa.array([identity(1), identity(3)]), np.array([True, True]))
    with pytest.raises(InputError, match="lacks rows"):
        list(common.data(lambda begin, end: data([])))
