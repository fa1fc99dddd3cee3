"""Splits and shards are fixed by hashes alone: not by order, not by what else is there."""

from __future__ import annotations

import hashlib
import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack_data.config import ReleaseConfig
from stack_data.release.shards import Assignment, assign, content_hash, repository_draw, repository_key


def ids(count: int) -> list[str]:
    return [hashlib.sha1(b"%d" % number).hexdigest() for number in range(count)]


def kept(sizes: list[int], languages: list[str] | None = None) -> pa.Table:
    """Return kept contents; the language "commit" stands for commits."""
    names = languages or ["Python"] * len(sizes)
    return pa.table(
        {
            "content_id": ids(len(sizes)), "text_bytes": pa.array(sizes, pa.int64()),
            "language": pa.array(["C" if name == "commit" else name for name in names]).dictionary_encode(),
            "is_commit": pa.array([name == "commit" for name in names]),
        }
    )  # fmt: skip


def splits_of(assignment: Assignment) -> list[str]:
    return [assignment.shards[row].split for row in assignment.shard.tolist()]


def assigned(sizes: list[int], places: list[tuple[int, int]], keys: list[str], config: ReleaseConfig) -> Assignment:
    """Assign contents of these sizes; places: (content, repository), ordered by content."""
    contents = np.array([content for content, _ in places], np.int32)
    repositories = np.array([repository for _, repository in places], np.int64)
    return assign(kept(sizes), contents, repositories, keys, config)


def mixed(identity: str, seed: int) -> int:
    """splitmix64 of an id's first eight bytes, in plain Python."""
    word = (int.from_bytes(bytes.fromhex(identity)[:8], "little") + 0x9E3779B97F4A7C15 * (seed + 1)) % 2**64
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    word = (word ^ word >> 27) * 0x94D049BB133111EB % 2**64
    return word ^ word >> 31


@given(seed=st.integers(0, 2**31), start=st.integers(0, 5))
def test_the_hash_is_splitmix64_of_the_id_also_in_a_slice(seed: int, start: int) -> None:
    names = ids(9)
    column = pa.array(names)[start:]
    assert content_hash(column, seed).tolist() == [mixed(one, seed) for one in names[start:]]


def test_a_seed_moves_every_row() -> None:
    names = pa.array(ids(50))
    assert not np.any(content_hash(names, 0) == content_hash(names, 1))


def test_there_are_no_more_shards_than_files() -> None:
    config = ReleaseConfig(shard_bytes=1, validation_fraction=0)
    found = assigned([1_000_000, 1], [(0, 0), (1, 0)], ["h/o/r"], config)
    assert [shard.name for shard in found.shards] == [
        "python/train-00000-of-00002.parquet",
        "python/train-00001-of-00002.parquet",
    ]


def test_shards_hold_about_the_bytes_that_were_asked_for() -> None:
    config = ReleaseConfig(shard_bytes=10_000, validation_fraction=0)
    sizes = [100] * 1000
    found = assigned(sizes, [(row, 0) for row in range(1000)], ["h/o/r"], config)
    assert len(found.shards) == 10
    assert np.bincount(found.shard).min() > 60


def test_languages_have_folders_of_their_own_named_by_slugs() -> None:
    names = ["C#", "Python", "F*", "C#"]
    found = assign(
        kept([9, 9, 9, 9], names), np.arange(4, dtype=np.int32), np.zeros(4, np.int64), ["h/o/r"],
        ReleaseConfig(validation_fraction=0),
    )  # fmt: skip
    assert [shard.slug for shard in found.shards] == ["c-sharp", "f-star", "python"]
    assert [found.shards[row].slug for row in found.shard.tolist()] == ["c-sharp", "python", "f-star", "c-sharp"]


def test_commits_have_a_folder_of_their_own_whatever_their_language() -> None:
    config = ReleaseConfig(validation_fraction=0)
    found = assign(
        kept([9, 9], ["commit", "C"]), np.arange(2, dtype=np.int32), np.zeros(2, np.int64), ["h/o/r"], config
    )
    assert [found.shards[row].slug for row in found.shard.tolist()] == ["git-commits", "c"]


def drawn_keys(count: int, p: float) -> tuple[list[str], list[str]]:
    """Return repositories that are drawn for validation at p, and others."""
    keys = [f"h/o/{number}" for number in range(count)]
    return [key for key in keys if repository_draw(key, 0) < p], [key for key in keys if repository_draw(key, 0) >= p]


def test_a_content_with_any_place_in_a_train_repository_is_train() -> None:
    drawn, others = drawn_keys(400, 0.01)
    config = ReleaseConfig(validation_fraction=0.01, validation_bytes=0)
    # Content 0 lies in both, content 1 only in the drawn one, the rest in the other.
    places = [(0, 0), (0, 1), (1, 0), *((row, 1) for row in range(2, 40))]
    found = assigned([10] * 40, places, [drawn[0], others[0]], config)
    assert splits_of(found) == ["train", "validation", *["train"] * 38]
    assert found.p == 0.01


def test_p_rises_until_validation_holds_enough() -> None:
    drawn, others = drawn_keys(2000, 0.05)
    late = next(key for key in drawn if repository_draw(key, 0) > 0.04)
    found = assigned([10, 990], [(0, 0), (1, 1)], [late, others[0]], ReleaseConfig(validation_bytes=0))
    assert found.p == 0.05
    assert splits_of(found) == ["validation", "train"]
    # Two megabytes are the least, so this corpus is too small for a validation split.
    found = assigned([10, 990], [(0, 0), (1, 1)], [late, others[0]], ReleaseConfig())
    assert (found.p, splits_of(found)) == (0.0, ["train", "train"])


def test_validation_never_holds_more_than_train() -> None:
    drawn, others = drawn_keys(400, 0.01)
    found = assigned([990, 10], [(0, 0), (1, 1)], [drawn[0], others[0]], ReleaseConfig(validation_bytes=0))
    assert found.p == 0.0
    assert set(splits_of(found)) == {"train"}


def test_the_draw_of_a_repository_knows_nothing_of_the_others() -> None:
    assert repository_draw("h/o/r", 0) == repository_draw("h/o/r", 0) != repository_draw("h/o/r", 1)
    draws = [repository_draw(f"h/o/{number}", 3) for number in range(4000)]
    assert 0.07 < np.mean(np.array(draws) < 0.1) < 0.13


def test_spellings_of_a_repository_are_one() -> None:
    assert repository_key("GitHub.com", "Jos\u00e9", "R") == repository_key("github.com", "jose\u0301", "r")


@pytest.mark.parametrize("seed", [0, 7])
def test_the_order_of_contents_moves_none(seed: int) -> None:
    sizes = [random.Random(row).randrange(1, 400) for row in range(120)]
    config = ReleaseConfig(shard_bytes=2000, validation_bytes=0, seed=seed)
    keys = [f"h/o/{number}" for number in range(12)]
    table = kept(sizes)
    places = [(row, row % 12) for row in range(120)]
    order = random.Random(seed).sample(range(120), 120)
    first = assigned(sizes, places, keys, config)
    shuffled = assign(
        table.take(order), np.arange(120, dtype=np.int32), np.array([row % 12 for row in order], np.int64), keys, config
    )
    names = {name: first.shards[shard] for name, shard in zip(ids(120), first.shard.tolist(), strict=True)}
    again = table.take(order)["content_id"].to_pylist()
    assert names == {name: shuffled.shards[shard] for name, shard in zip(again, shuffled.shard.tolist(), strict=True)}
