"""`data verify`: every file of a build or a release against its manifests, and every released row against itself.

A release folder is checked alone, wherever it was copied to. What is recomputed: SHA-256 of each listed file, the
decoding of every column, content_id and text_sha256 from the text, shard, order and counts, that provenance and notices speak of
exactly the released contents, and the Merkle trees. Where a purge rewrote a file, its record says which bytes count, and
what was erased must be nowhere. Not recomputed: licence decisions (rerun the build for that).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from stack_data import manifest, merkle, purges, storage
from stack_data.config_file import load_resolved
from stack_data.departures import erasable
from stack_data.errors import FairStackError, InputError
from stack_data.export import export
from stack_data.id_columns import content_hash
from stack_data.identity import content_id
from stack_data.layout import Build
from stack_data.lock import read as read_lock
from stack_data.pipeline import parts_of
from stack_data.release.tables import DATA
from stack_data.text import SAME_BYTES


@dataclass(slots=True)
class Verification:
    """The outcome: one line per problem."""

    num_files: int = 0
    num_rows: int = 0
    problems: list[str] = field(default_factory=list)


def verify(folder: Path) -> Verification:
    """Check a build, a release or an export of one; InputError when the folder is none."""
    result = Verification()
    if (folder / "sources.lock.json").exists():
        _verify_build(Build.open(folder), result)
    elif (folder / "manifest.json").exists():
        if manifest.read(folder / "manifest.json").plan["kind"] == "export":
            _verify_export(folder, result)
        else:
            _verify_release(folder, result)
    else:
        raise InputError(f"{folder} is neither a build (sources.lock.json) nor a release or an export (manifest.json)")
    return result


def _verify_export(folder: Path, result: Verification) -> None:
    listed = manifest.read(folder / "manifest.json")
    result.num_files = len(listed.outputs)
    result.num_rows = sum(storage.num_rows(path) for path in sorted(folder.glob("*.parquet")))
    result.problems += export.problems(folder)


def _verify_build(build: Build, result: Verification) -> None:
    paths = [build.group_manifest(group.name) for group in read_lock(build).groups]
    paths += sorted([*(build.folder / "decisions").glob("*/manifest.json"), *build.clusters.glob("manifest.json")])
    try:
        load_resolved(build.config)
    except FairStackError as error:
        result.problems.append(str(error))
    for path in paths:
        try:
            listed = manifest.read(path)
        except InputError as error:
            result.problems.append(str(error))
            continue
        _check_files(build.folder, listed, result)
    gone, left = _erased(build, result)
    for group in read_lock(build).groups:
        for path in sorted((build.folder / "files").glob(f"{group.name}-*.parquet")):
            _check_contents(path, gone, left, result)
    for release in sorted((build.folder / "releases").glob("*/manifest.json")):
        _verify_release(release.parent, result)


def _erased(build: Build, result: Verification) -> tuple[set[str], set[str]]:
    """Return the ids that were erased from the files of a build, and those of them that nobody else has brought since."""
    if purges.is_pending(build.folder):
        result.problems.append(
            f"{build.folder}: a purge was stopped; run it again: fairstack data purge {build.folder}"
        )
    outputs = {
        name: output
        for group in read_lock(build).groups
        if (made := manifest.read_if_present(build.group_manifest(group.name)))
        for name, output in made.outputs.items()
        if name.startswith("files/")
    }
    gone = purges.erased(build.folder, outputs)
    return gone, gone & set(erasable(build, parts_of(build)).to_pylist()) if gone else gone


def _check_files(folder: Path, listed: manifest.Manifest, result: Verification) -> None:
    """Hash every listed file, and decode every column of the tables among them."""
    wanted = purges.current(folder, listed.outputs)
    for name in sorted(listed.outputs):
        path = folder / name
        if wanted[name] == purges.GONE:
            if path.exists():
                result.problems.append(f"{path}: is there although it was purged")
            continue
        result.num_files += 1
        if not path.exists():
            result.problems.append(f"{path}: missing")
        elif storage.sha256_file(path) != wanted[name]:
            result.problems.append(f"{path}: its bytes are not those of the manifest")
        elif path.suffix == ".parquet":
            _decode(path, result)


def _decode(path: Path, result: Verification) -> None:
    try:
        for _ in storage.read_row_groups(path):
            pass
    except InputError as error:
        result.problems.append(str(error))


def _check_contents(path: Path, gone: set[str], left: set[str], result: Verification) -> None:
    """Rehash the contents of a part. gone: ids that were erased; left: those that must be nowhere."""
    try:
        for table in storage.read_row_groups(path):
            result.num_rows += table.num_rows
            rows = zip(
                table["content_id"].to_pylist(), table["sha256"].to_pylist(), table["content"].to_pylist(), strict=True
            )
            for identity, digest, content in rows:
                if (content is None and identity not in gone) or (content is not None and identity in left):
                    state = "missing" if content is None else "still there although it was purged"
                    result.problems.append(f"{path}: {identity}: its content is {state}")
                elif content is not None and (
                    content_id(content) != identity or hashlib.sha256(content).hexdigest() != digest
                ):
                    result.problems.append(f"{path}: {identity}: the content has another hash")
    except InputError as error:
        result.problems.append(str(error))


def _verify_release(folder: Path, result: Verification) -> None:
    try:
        listed = manifest.read(folder / "manifest.json")
    except InputError as error:
        result.problems.append(str(error))
        return
    _check_files(folder, listed, result)
    extra = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    extra = {name for name in extra if not name.startswith("purges/")} - {*listed.outputs, "manifest.json"}
    result.problems += [f"{folder / name}: not in the manifest" for name in sorted(extra)]
    if purges.is_pending(folder):
        result.problems.append(f"{folder}: taking files out of it was stopped; run the same command again")
    removed = {one for record in purges.records(folder) for one in record.content_ids}
    _check_trees(folder, listed, result)
    rows = 0
    for name in sorted(one for one in listed.outputs if one.startswith("data/")):
        try:
            rows += _check_shard(folder, name.removeprefix("data/"), listed.plan["config"], removed, result)
        except InputError as error:
            result.problems.append(str(error))
    if rows != listed.counts["files"] - len(removed):
        less = f", of which {len(removed)} were taken out" if removed else ""
        result.problems.append(f"{folder}: {rows} rows, the manifest says {listed.counts['files']}{less}")


def _check_trees(folder: Path, listed: manifest.Manifest, result: Verification) -> None:
    for name, opened in (("contents", merkle.open_contents), ("names", merkle.open_names)):
        try:
            with opened(folder / "merkle") as tree:
                stated, found = listed.counts["merkle"][name], {"size": tree.head().size, "root": tree.head().root}
                if found != stated:
                    result.problems.append(f"{folder}: the tree of {name} has another root than the manifest says")
                result.problems += [f"{folder}: {problem}" for problem in tree.problems()]
        except InputError as error:
            result.problems.append(str(error))


def _check_shard(folder: Path, name: str, config: dict[str, Any], removed: set[str], result: Verification) -> int:
    """Check one data shard, and that provenance and notices stand beside it; return its rows."""
    path = folder / "data" / name
    ids: list[str] = []
    for table in storage.read_row_groups(path):
        if table.schema.names != DATA.names:
            result.problems.append(f"{path}: its columns are not those of a release")
            return 0
        _check_rows(path, table, result)
        ids += table["content_id"].to_pylist()
    result.num_rows += len(ids)
    result.problems += [f"{path}: {one}: is there although it was taken out" for one in ids if one in removed]
    _check_order(path, name, ids, int(config["seed"]), result)
    places = storage.read_parquet(folder / "provenance" / name, ["released_content_id", "rank"])
    first = [one["released_content_id"] for one in places.to_pylist() if one["rank"] == 0]
    if first != ids:
        result.problems.append(f"{folder / 'provenance' / name}: does not list the places of the shard's contents")
    if storage.read_parquet(folder / "notices" / name, ["content_id"])["content_id"].to_pylist() != ids:
        result.problems.append(f"{folder / 'notices' / name}: does not list the shard's contents")
    return len(ids)


def _check_rows(path: Path, table: pa.Table, result: Verification) -> None:
    columns = (
        "content_id",
        "content",
        "text_sha256",
        "sha256",
        "encoding",
        "conversion",
        "length_bytes",
        "license_type",
    )
    for row in zip(*(table[name].to_pylist() for name in columns), strict=True):
        identity, text, text_hash, original, encoding, conversion, length, license_type = row
        content = text.encode("utf-8")
        digest = hashlib.sha256(content).hexdigest()
        plain = encoding == "utf-8" and conversion in SAME_BYTES
        if digest != text_hash or length != len(content):
            result.problems.append(f"{path}: {identity}: text_sha256 or length_bytes is not the text's")
        elif plain and digest == original and content_id(content) != identity:
            result.problems.append(f"{path}: {identity}: is not the id of the text")
        if license_type != "permissive":
            result.problems.append(f"{path}: {identity}: license_type is {license_type}")


def _check_order(path: Path, name: str, ids: list[str], seed: int, result: Verification) -> None:
    keys = content_hash(pa.array(ids, pa.string()), seed)
    number, count = _numbers(name)
    if len(keys) and (np.any(keys[1:] < keys[:-1]) or np.any(keys % np.uint64(count) != number)):
        result.problems.append(f"{path}: rows are not in their shard or not in hash order")


def _numbers(name: str) -> tuple[int, int]:
    """Return shard number and count out of `.../train-00003-of-00016.parquet`."""
    _, number, _, count = name.rpartition("/")[2].removesuffix(".parquet").split("-")
    return int(number), int(count)
