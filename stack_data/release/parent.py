"""The release that a release follows: what it inherits from it, and which of its shards are the same in both.

Every release leaves a row per content in the build (`released/<version>.parquet`): id, shard, and a fingerprint of everything that
its rows are made of beside the decisions in the manifests. The next release inherits shard counts and splits, says what changed, and
gives a shard whose rows are all the same a second name instead of writing it again. That is done only when all inputs but the
opt-outs are those of the parent; otherwise every byte is written anew. Both ways end in the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data import manifest, storage
from stack_data.counting import counted
from stack_data.errors import InputError
from stack_data.fold import Fold
from stack_data.id_columns import mixed
from stack_data.layout import Build, version_key

RELEASED = pa.schema(
    [
        pa.field("content_id", pa.string()),
        pa.field("shard", pa.dictionary(pa.int32(), pa.string())),
        pa.field("fingerprint", pa.uint64()),
        pa.field("num_bytes", pa.int64()),
    ]
)


@dataclass(frozen=True, slots=True)
class Parent:
    """A release that was made before.

    identity   SHA-256 of its manifest; plan: what it was made from; p: the draw of its splits
    counts     number of shards by `slug/split`
    released   one row per content (RELEASED)
    """

    version: str
    identity: str
    folder: Path
    plan: Mapping[str, Any]
    outputs: Mapping[str, manifest.Output]
    p: float
    counts: Mapping[str, int]
    released: pa.Table

    def has_whole(self, shard: str) -> bool:
        """Return whether the files of a shard are those that were released: nothing was purged from them, or damaged them."""
        for name in (f"{folder}/{shard}" for folder in ("data", "provenance", "notices")):
            path = self.folder / name
            if not path.is_file() or storage.sha256_file(path) != self.outputs[name].sha256:
                return False
        return True

    def split(self, name: str) -> pa.Array:
        """Return the ids of a split: string."""
        shards = self.released["shard"].combine_chunks()
        is_of = [value.rpartition("/")[2].startswith(f"{name}-") for value in shards.dictionary.to_pylist()]
        return self.released["content_id"].filter(pa.array(is_of, pa.bool_()).take(shards.indices)).combine_chunks()


def find_parent(build: Build, version: str, named: str, audience: str) -> Parent | None:
    """Return the release that `version` follows: the one that is named, else the newest below it; None when there is none.

    Releases for another audience are nobody's parents here: what they hold is not to be told.
    """
    below = [
        one for one in build.releases if version_key(one.name) < version_key(version) and _audience(one) == audience
    ]
    earlier = [one for one in below if not named or one.name == named]
    if named and not earlier:
        known = ", ".join(one.name for one in below) or "none"
        raise InputError(
            f"release.parent {named!r} is no release of this build below {version} for the audience {audience!r} (there are: {known})"
        )
    if not earlier:
        return None
    folder = earlier[-1]
    made = manifest.read(folder / "manifest.json")
    return Parent(
        folder.name, storage.sha256_file(folder / "manifest.json"), folder, made.plan, made.outputs, float(made.counts["p"]),
        made.counts["shards"], _released(build, folder),
    )  # fmt: skip


def _audience(release: Path) -> str:
    return str(manifest.read(release / "manifest.json").plan["config"]["audience"])


def _released(build: Build, folder: Path) -> pa.Table:
    """Return what a release is made of; its ids alone where the build does not know more."""
    path = build.released(folder.name)
    if path.exists():
        return storage.read_parquet(path)
    tables = [RELEASED.empty_table()]
    for file in sorted((folder / "data").rglob("*.parquet")):
        ids = storage.read_parquet(file, ["content_id", "length_bytes"])
        name = pa.array([file.relative_to(folder / "data").as_posix()] * ids.num_rows, pa.string())
        columns = [ids["content_id"], name, pa.nulls(ids.num_rows, pa.uint64()), ids["length_bytes"]]
        tables.append(pa.table(columns, names=RELEASED.names).cast(RELEASED))
    return pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()


@dataclass(frozen=True, slots=True)
class Changes:
    """What a release has that its parent has not, and the other way round: files and bytes; edited: rows that say something else."""

    added: tuple[int, int]
    removed: tuple[int, int]
    edited: int
    removed_ids: pa.Array
    added_ids: pa.Array


def changes_of(parent: Parent, current: pa.Table, comparable: bool) -> Changes:
    """Compare a parent with the rows of a release (RELEASED). comparable: equal fingerprints mean equal rows (is_comparable)."""
    old, new = parent.released, current
    at = pc.index_in(new["content_id"], old["content_id"].combine_chunks())
    is_new, is_gone = at.is_null(), pc.invert(pc.is_in(old["content_id"], new["content_id"].combine_chunks()))
    kept = new.filter(pc.invert(is_new))
    before = old["fingerprint"].take(at.drop_null())
    edited = (pc.sum(pc.not_equal(kept["fingerprint"], before)).as_py() or 0) if comparable else 0
    added, removed = new.filter(is_new), old.filter(is_gone)
    return Changes(
        _sums(added),
        _sums(removed),
        int(edited),
        removed["content_id"].combine_chunks(),
        added["content_id"].combine_chunks(),
    )


def _sums(rows: pa.Table) -> tuple[int, int]:
    return rows.num_rows, int(pc.sum(rows["num_bytes"]).as_py() or 0)


def reasons_of(parent: Parent, changes: Changes, current: pa.Table, seen: Fold) -> dict[str, Any]:
    """Return what changed since the parent as counts: {"parent", "added", "removed": {reason: {"files", "bytes"}}, "edited"}.

    A removed file has the reason for which it is dropped now, an added one that for which the parent had dropped it.
    """
    now = seen.dropped.select(["content_id", "reason"])
    before = [
        storage.read_parquet(path, ["content_id", "reason"]) for path in sorted(parent.folder.glob("ledger/*.parquet"))
    ]
    return {
        "parent": parent.version,
        "added": _by_reason(changes.added_ids, current, pa.concat_tables(before) if before else now.slice(0, 0), "new"),
        "removed": _by_reason(changes.removed_ids, parent.released, now, "not read any more"),
        "edited": changes.edited,
    }  # fmt: skip


def _by_reason(ids: pa.Array, rows: pa.Table, reasons: pa.Table, otherwise: str) -> dict[str, dict[str, int]]:
    sizes = rows["num_bytes"].take(pc.index_in(ids, rows["content_id"].combine_chunks()))
    found = reasons["reason"].cast(pa.string()).take(pc.index_in(ids, reasons["content_id"].combine_chunks()))
    table = pa.table({"reason": found.fill_null(otherwise), "size": sizes})
    counted = table.group_by("reason").aggregate([("size", "count"), ("size", "sum")]).sort_by("reason")
    return {row["reason"]: {"files": row["size_count"], "bytes": row["size_sum"]} for row in counted.to_pylist()}


def check_version(version: str, parent: Parent, changes: Changes) -> None:
    """Raise InputError unless the version says that files or places of the parent were taken back."""
    major, old = int(version.split(".")[0]), int(parent.version.split(".")[0])
    if major == old and (changes.removed[0] or changes.edited):
        raise InputError(
            f"release {version} would remove {counted(changes.removed[0], 'file')} of {parent.version} and change "
            f"{counted(changes.edited, 'row')}; a "
            f"release that takes something back raises the first number: --version {old + 1}.0.0"
        )


def fingerprints(places: pa.Table, owners: npt.NDArray[np.int32], count: int, seed: int) -> npt.NDArray[np.uint64]:
    """Return a hash of each content's places in their order: uint64[count].

    places: columns place_part and place_row, ordered by content; owners: int32[P], the content of each, ascending.
    """
    parts = places["place_part"].combine_chunks()
    numbers = np.array([_number(name, seed) for name in parts.dictionary.to_pylist()] or [0], np.uint64)
    rank = np.arange(len(owners)) - np.searchsorted(owners, owners, side="left")
    with np.errstate(over="ignore"):
        words = numbers[parts.indices.to_numpy(zero_copy_only=False)] if len(owners) else np.empty(0, np.uint64)
        words = mixed(words + places["place_row"].to_numpy().astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
        words = mixed(words ^ mixed(rank.astype(np.uint64) + np.uint64(1)))
    found = np.zeros(count, np.uint64)
    np.add.at(found, owners, words)
    return found


def _number(name: str, seed: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}\0{name}".encode()).digest()[:8], "big")


_OWN = ("version", "title", "parent", "key", "contact", "url", "creator", "validation_fraction", "validation_bytes")
"""Settings of a release that no row of its shards depends on."""


def is_comparable(parent: Parent, plan: manifest.Plan) -> bool:
    """Return whether the parent was made as `plan` says, apart from opt-outs: equal fingerprints then mean equal rows."""
    current = plan.to_json()

    def rest(one: Mapping[str, Any]) -> dict[str, Any]:
        inputs = {
            name: digest for name, digest in one["inputs"].items() if not name.startswith(("decisions/optout", "releases/", "reviews/"))
        }  # fmt: skip
        config = {name: value for name, value in one["config"].items() if name not in _OWN}
        return {"inputs": inputs, "config": config, "rules": one["rules"], "writer": one["writer"]}

    return rest(parent.plan) == rest(current)


def same_shards(parent: Parent, current: pa.Table) -> set[str]:
    """Return the names of the shards whose rows are all those of the parent's shard of that name."""
    old, new = _sums_of_shards(parent.released), _sums_of_shards(current)
    return {name for name, sums in new.items() if old.get(name) == sums}


def _sums_of_shards(rows: pa.Table) -> dict[str, tuple[int, int]]:
    """Return for each shard its number of rows and the sum of their fingerprints, in any order."""
    shards = rows["shard"].combine_chunks()
    if rows["fingerprint"].null_count:
        return {}
    codes, prints = shards.indices.to_numpy(zero_copy_only=False), rows["fingerprint"].to_numpy()
    sums = np.zeros(len(shards.dictionary), np.uint64)
    np.add.at(sums, codes, mixed(prints))
    counts = np.bincount(codes, minlength=len(sums))
    return dict(zip(shards.dictionary.to_pylist(), zip(counts.tolist(), sums.tolist(), strict=True), strict=True))
