"""Which split, folder and shard each kept content goes to: all of it fixed by hashes, none by order of work.

Splits: a repository is drawn for validation once, by hash(seed, key) < p; a content with any place in a repository
that is not drawn is train. p rises by fixed steps until validation holds enough bytes. Shards: hash(seed, content_id)
modulo the count; rows in hash order. A release inherits p, train and shard counts from its parent: what was in train once is
never validation. Reads nothing; works on the fold's columns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stack_data.config import ReleaseConfig
from stack_data.id_columns import content_hash
from stack_data.identity import fold_name
from stack_data.languages import language_info

RULE_VERSION = 2
COMMITS = "git-commits"
"""The slug of commits, whatever language their files are in."""
SPLIT_STEPS = tuple(step / 100 for step in range(1, 31))
"""The values p takes, one after the other."""

SPLITS = ("train", "validation")


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of each sharded folder of a release."""

    slug: str
    split: str
    number: int
    count: int

    @property
    def name(self) -> str:
        """The shard's path below data/, provenance/ and notices/."""
        return f"{self.slug}/{self.split}-{self.number:05d}-of-{self.count:05d}.parquet"


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where each kept content goes.

    shards  every shard, sorted by name
    shard   row of `shards` for each kept content: int32[N]
    key     hash of each kept content, the order of rows inside a shard: uint64[N]
    p       the share of repositories drawn for validation; 0 when no draw was enough
    """

    shards: tuple[Shard, ...]
    shard: npt.NDArray[np.int32]
    key: npt.NDArray[np.uint64]
    p: float


@dataclass(frozen=True, slots=True)
class Inherited:
    """What a release takes over from its parent.

    trained  bool[N]: kept contents that were in train, or are near duplicates of such
    p        the draw of repositories; counts: shards by `slug/split`
    """

    trained: npt.NDArray[np.bool_]
    p: float
    counts: Mapping[str, int]


def assign(
    kept: pa.Table, place_content: npt.NDArray[np.int32], place_repository: npt.NDArray[np.int64],
    repository_keys: list[str], config: ReleaseConfig, inherited: Inherited | None = None,
) -> Assignment:  # fmt: skip
    """Assign the N kept contents.

    place_content, place_repository: for each kept place its row of `kept` and of `repository_keys`.
    """
    sizes = kept["text_bytes"].to_numpy()
    keys = content_hash(kept["content_id"], config.seed)
    inherited = inherited or Inherited(np.zeros(len(sizes), bool), 0.0, {})
    validation, p = _draw(sizes, place_content, place_repository, repository_keys, config, inherited)
    languages = kept["language"].combine_chunks().cast(pa.string()).dictionary_encode()
    slugs = np.array([*(language_info(name).slug for name in languages.dictionary.to_pylist()), COMMITS], object)
    codes = languages.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    group = np.where(kept["is_commit"].to_numpy(), len(slugs) - 1, codes) * 2 + validation
    shards: list[Shard] = []
    shard = np.zeros(len(sizes), np.int32)
    for code in sorted(np.unique(group).tolist(), key=lambda code: (slugs[code // 2], code % 2)):
        rows = np.flatnonzero(group == code)
        # Never more shards than files: one large file would otherwise ask for thousands of empty ones.
        count = max(1, min(len(rows), -(-int(sizes[rows].sum()) // config.shard_bytes)))
        count = inherited.counts.get(f"{slugs[code // 2]}/{SPLITS[code % 2]}", count)
        shard[rows] = len(shards) + (keys[rows] % np.uint64(count)).astype(np.int32)
        shards += [Shard(slugs[code // 2], SPLITS[code % 2], number, count) for number in range(count)]
    return Assignment(tuple(shards), shard, keys, p)


def repository_draw(key: str, seed: int) -> float:
    """Return the number in [0, 1) that decides a repository's split: validation when it is below p."""
    digest = hashlib.sha256(f"{seed}\0{key}".encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def repository_key(host: str, owner: str, repo: str) -> str:
    """Return the name by which a repository is drawn and compared."""
    return "/".join(map(fold_name, (host, owner, repo)))


def _draw(
    sizes: npt.NDArray[np.int64], place_content: npt.NDArray[np.int32], place_repository: npt.NDArray[np.int64],
    repository_keys: list[str], config: ReleaseConfig, inherited: Inherited,
) -> tuple[npt.NDArray[np.int64], float]:  # fmt: skip
    """Return 1 for each content of the validation split, and p."""
    draws = np.array([repository_draw(key, config.seed) for key in repository_keys])
    wanted = max(config.validation_fraction * int(sizes.sum()), config.validation_bytes)
    for p in (step for step in SPLIT_STEPS if step >= inherited.p) if config.validation_fraction else ():
        in_train = inherited.trained.copy()
        in_train[place_content[draws[place_repository] >= p]] = True
        # At least as much must stay for training as is held out.
        if int(sizes[~in_train].sum()) >= wanted and sizes[in_train].sum() >= sizes[~in_train].sum():
            return (~in_train).astype(np.int64), p
    if inherited.p and config.validation_fraction:
        # Too few bytes are left, however many repositories are drawn: the parent's draw stays.
        in_train = inherited.trained.copy()
        in_train[place_content[draws[place_repository] >= inherited.p]] = True
        return (~in_train).astype(np.int64), inherited.p
    return np.zeros(len(sizes), np.int64), 0.0
