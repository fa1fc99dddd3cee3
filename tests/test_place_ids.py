"""Place ids by columns are those of identity.place_id, whatever the columns are made of and however many rows there are."""

from __future__ import annotations

import hashlib
import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack_data import place_ids as module
from stack_data.identity import place_id
from stack_data.place_ids import is_named, place_ids
from stack_data.sha256_kernels import LANES, place_digests

NAMES = ("host", "owner", "repo")
Row = tuple[str, str, str, str, str]


@pytest.fixture(autouse=True, params=["by kernels", "one by one", "in batches"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each test is done in each way that rows are hashed."""
    monkeypatch.setattr(module, "_FEW", 1 << 40 if request.param == "one by one" else 0)
    monkeypatch.setattr(module, "_BATCH", 150 if request.param == "in batches" else 1 << 18)
    return str(request.param)


def table(rows: list[Row], raw: bool, coded: bool, num_chunks: int = 1) -> pa.Table:
    """Return rows as the tables of shards and indexes have them (raw, coded), or those of releases."""

    def chunk(part: list[Row]) -> pa.Table:
        ids, *names, paths = zip(*part, strict=True)
        columns = [pa.array([bytes.fromhex(one) for one in ids], pa.binary(20)) if raw else pa.array(ids)]
        columns += [pa.array(one).dictionary_encode() if coded else pa.array(one) for one in names]
        columns += [pa.array(paths, pa.large_string() if coded else pa.string())]
        return pa.table(columns, names=["content_id", *NAMES, "path"])

    size = -(-len(rows) // num_chunks)
    return pa.concat_tables([chunk(rows[at : at + size]) for at in range(0, len(rows), size)])


def many(count: int, seed: int = 0) -> list[Row]:
    """Return places with paths of every length around the ends of blocks, few repositories and names that fold."""
    draw = random.Random(seed)
    owners = ["Straße", "OCTOCAT", "octocat", "ﬁne", "-", "ΑΣ", ""]
    return [
        (
            draw.randbytes(20).hex(), draw.choice(["github.com", "GitHub.com", "pypi"]), draw.choice(owners), f"Repo-{draw.randrange(9)}",
            draw.choice(["", "a", "é", "文"]) * draw.randrange(3) + "p" * (at % 200) + (draw.random() < 0.01) * "long/" * 300,
        )
        for at in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "coded", "num_chunks"), [(True, True, 1), (True, True, 3), (False, False, 1), (False, False, 4)]
)
def test_ids_are_those_of_one_place_after_the_other(raw: bool, coded: bool, num_chunks: int) -> None:
    rows = many(2 * LANES + 301)
    found = table(rows, raw, coded, num_chunks)
    wanted = [place_id(*row) for row in rows]
    assert place_ids(found).to_pylist() == wanted
    assert place_ids(found.slice(77, 200)).to_pylist() == wanted[77:277]
    # Columns may be in another order, with others beside them.
    more = found.select(["path", "repo", "owner", "host", "content_id"]).append_column(
        "is_copy", pa.array([True] * len(rows))
    )
    assert place_ids(more).to_pylist() == wanted


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(
    st.lists(
        st.tuples(
            st.binary(min_size=20, max_size=20), names, names, names, st.text(st.characters(exclude_categories=["Cs"]))
        ),
        min_size=1,
    )
)
def test_any_text_may_be_a_name_or_a_path(rows: list[tuple[bytes, str, str, str, str]]) -> None:
    told = [(one[0].hex(), *one[1:]) for one in rows]
    assert place_ids(table(told, True, True)).to_pylist() == [place_id(*one) for one in told]


def test_rows_that_a_list_names_are_found() -> None:
    rows = many(400)
    found = table(rows, True, True)
    wanted = [place_id(*rows[at]) for at in (0, 3, 399)]
    assert np.flatnonzero(is_named(found, pa.array([*wanted, "0" * 64, "no id"]))).tolist() == [0, 3, 399]
    assert not is_named(found, pa.array([], pa.string())).any()
    assert len(is_named(found.slice(0, 0), pa.array(wanted))) == len(place_ids(found.slice(0, 0))) == 0


def test_digests_are_the_librarys() -> None:
    rows = [bytes([at % 256]) * 20 for at in range(LANES + 1)]
    middles, paths = [b"", b"m" * 70], [b"x" * (at % 140) for at in range(len(rows))]
    of = np.arange(len(rows)) % 2
    ends = [np.cumsum([0, *map(len, one)]).astype(np.int64) for one in (middles, paths)]
    texts = [np.frombuffer(b"".join(one), np.uint8) for one in (middles, paths)]
    ids = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, 20)
    digests = place_digests(ids, texts[0], ends[0], of, texts[1], ends[1])
    wanted = [hashlib.sha256(row.hex().encode() + middles[at % 2] + paths[at]).digest() for at, row in enumerate(rows)]
    assert [one.tobytes() for one in digests] == wanted
    assert place_digests(ids[:0], texts[0], ends[0], of[:0], texts[1], ends[1][:1]).shape == (0, 32)
