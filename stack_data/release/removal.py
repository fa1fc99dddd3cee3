"""Taking contents and places out of a finished release folder: what `data update` does for holders and a purge for the builder.

Needs the folder alone. Rows of contents that left are deleted; a file whose displayed place left shows its best remaining place,
which provenance/ describes in full; NOTICE/, licence texts, the name tree (a leaf that left stays as its hash), croissant.json
and the card follow. manifest.json stays as it was made, since its hash is the release's identity; `purges/<number>.json` says what
each rewritten file became. Only shards with such rows are rewritten. Everything is idempotent, so a run that was killed is done again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data import manifest, storage
from stack_data.id_columns import id_bytes
from stack_data.identity import fold_name
from stack_data.languages.paths import endings_of
from stack_data.manifest import Manifest
from stack_data.merkle_leaves import tombstone_names
from stack_data.place_ids import is_named
from stack_data.purges import Purging, Record, records
from stack_data.release import notices
from stack_data.release.tables import DATA, NOTICES, PROVENANCE

_Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Removal:
    """What leaves. contents: ids, string; places: place ids (identity.place_id), string."""

    contents: pa.Array
    places: pa.Array


def remove(folder: Path, removal: Removal, facts: dict[str, Any]) -> Record | None:
    """Take contents and places out of a release; return the record of it, None when nothing of it was there.

    facts: stated in the record. Raises InputError when the release is damaged, StorageError when the disk refuses.
    """
    made = manifest.read(folder / "manifest.json")
    shards = sorted(name.removeprefix("data/") for name in made.outputs if name.startswith("data/"))
    planned = {name: leaving for name in shards if (leaving := _leaving(folder, name, removal)) is not None}
    purging = Purging(folder)
    if not planned and not purging.was_stopped:
        return purging.record(made.outputs, (), facts)
    purging.begin()
    # First, while the rows that name them are still there.
    if tombstone_names(folder / "merkle", _names_left(folder, shards, planned)):
        purging.touched.update(f"merkle/{path.name}" for path in (folder / "merkle").iterdir())
    for name, leaving in planned.items():
        _rewrite(folder, name, leaving, int(made.plan["config"]["row_group_rows"]))
        purging.touched.update(f"{kind}/{name}" for kind in ("data", "notices", "provenance"))
    purging.touched.update(_rewrite_notices(folder, shards, made))
    purging.touched.update(_rewrite_documents(folder, made, shards))
    gone = _gone(folder, shards)
    before = {one for record in records(folder) for one in record.content_ids}
    return purging.record(made.outputs, gone, facts | {"num_files": len(set(gone) - before)})


def _gone(folder: Path, shards: list[str]) -> list[str]:
    """Return the ids that the release was made with and has no more.

    Asked of the tree, which never changes: a run that was killed knows only a part of what it took out.
    """
    present = [id_bytes(storage.read_parquet(folder / "data" / name, ["content_id"])["content_id"]) for name in shards]
    ids = np.fromfile(folder / "merkle/contents.leaves", "S20")
    left = ids[~np.isin(ids, np.concatenate([np.empty(0, "S20"), *present]))]
    return [one.ljust(20, b"\0").hex() for one in left.tolist()]


def _leaving(folder: Path, shard: str, removal: Removal) -> _Bools | None:
    """Return which provenance rows of a shard leave: bool[P]; None when none does."""
    columns = ["released_content_id", "content_id", "relation", "host", "owner", "repo", "path"]
    rows = storage.read_parquet(folder / "provenance" / shard, columns)
    ids, released = rows["content_id"].combine_chunks(), rows["released_content_id"].combine_chunks()
    leaves = pc.or_(pc.is_in(ids, removal.contents), pc.is_in(released, removal.contents))
    if len(removal.places):
        leaves = pc.or_(leaves, pa.array(is_named(rows, removal.places)))
    left = np.asarray(leaves.to_numpy(zero_copy_only=False), bool)
    if not left.any():
        return None
    # A content without a place of its own left goes altogether, and the near duplicates dropped beside it with it.
    own = pc.not_equal(rows["relation"].combine_chunks(), "near").to_numpy(zero_copy_only=False) & ~left
    stays = pc.is_in(released, released.filter(pa.array(own)))
    return np.asarray(left | ~stays.to_numpy(zero_copy_only=False).astype(bool), bool)


def _names_of(rows: pa.Table) -> set[str]:
    distinct = rows.select(["host", "owner", "repo"]).group_by(["host", "owner", "repo"]).aggregate([]).to_pylist()
    return {"/".join(fold_name(one[key]) for key in ("host", "owner", "repo")) for one in distinct}


def _names_left(folder: Path, shards: list[str], planned: dict[str, _Bools]) -> set[str]:
    """Return the names of repositories of which nothing stays."""
    left: set[str] = set()
    stays: set[str] = set()
    for name in shards:
        rows = storage.read_parquet(folder / "provenance" / name, ["host", "owner", "repo"])
        if name in planned:
            left |= _names_of(rows.filter(pa.array(planned[name])))
            rows = rows.filter(pa.array(~planned[name]))
        stays |= _names_of(rows)
    return left - stays


def _rewrite(folder: Path, shard: str, leaving: _Bools, row_group_rows: int) -> None:
    """Rewrite a shard of data, notices and provenance, in this order, without the leaving places."""
    places = _ranked(storage.read_parquet(folder / "provenance" / shard).filter(pa.array(~leaving)))
    own = places.filter(pc.not_equal(places["relation"], "near"))
    shown = own.filter(pc.equal(own["relation"], "self"))
    counts = own.group_by("released_content_id").aggregate([("rank", "count")])
    displayed, texts = shown["released_content_id"].combine_chunks(), shown["texts"].combine_chunks()

    def data() -> Iterator[pa.Table]:
        for group in storage.read_row_groups(folder / "data" / shard):
            yield _data_rows(group, shown, displayed, counts)

    _save(folder / "data" / shard, DATA, data(), row_group_rows)
    notice = storage.read_parquet(folder / "notices" / shard)
    at = pc.index_in(notice["content_id"], displayed)
    notice = notice.filter(at.is_valid()).set_column(2, NOTICES.field("texts"), texts.take(at.drop_null()))
    _save(folder / "notices" / shard, NOTICES, iter([notice]), row_group_rows)
    _save(folder / "provenance" / shard, PROVENANCE, iter([places]), row_group_rows)


def _save(path: Path, schema: pa.Schema, tables: Iterator[pa.Table], row_group_rows: int) -> None:
    with storage.writing_parquet(path, schema, None, row_group_rows, compression_level=3) as part:
        for table in tables:
            part.write(table)


def _ranked(places: pa.Table) -> pa.Table:
    """Return provenance rows with ranks and relations as they are now: the first own place is displayed."""
    names = places["released_content_id"].combine_chunks()
    starts = np.ones(len(names), bool)
    if len(names):
        starts[1:] = pc.not_equal(names[1:], names[:-1]).to_numpy(zero_copy_only=False)
    first = np.flatnonzero(starts)[np.cumsum(starts) - 1] if len(names) else np.empty(0, np.int64)
    rank = (np.arange(len(names)) - first).astype(np.int32)
    is_near = pc.equal(places["relation"], "near").to_numpy()
    relation = pa.array(np.where(is_near, "near", np.where(rank == 0, "self", "exact")), pa.string())
    schema = places.schema
    places = places.set_column(schema.get_field_index("rank"), "rank", pa.array(rank))
    return places.set_column(schema.get_field_index("relation"), "relation", relation)


def _data_rows(rows: pa.Table, shown: pa.Table, displayed: pa.Array, counts: pa.Table) -> pa.Table:
    """Return the data rows that stay, with what their displayed places say."""
    at = pc.index_in(rows["content_id"], displayed)
    rows, at = rows.filter(at.is_valid()), at.drop_null()
    place = shown.take(at)
    number = counts["rank_count"].take(pc.index_in(rows["content_id"], counts["released_content_id"].combine_chunks()))
    columns = {
        "path": place["path"], "host": place["host"], "revision_id": place["revision"], "language": place["language"],
        "repo_name": pc.binary_join_element_wise(place["owner"], place["repo"], "/"),
        "extension": endings_of(place["path"]), "detected_licenses": place["detected_licenses"],
        "is_vendor": place["is_vendor"], "is_generated": place["is_generated"], "source_kind": place["source_kind"],
        "star_events_count": place["star_events_count"],
        "num_provenances": number.cast(pa.int32()),
    }  # fmt: skip
    for name, column in columns.items():
        rows = rows.set_column(rows.schema.get_field_index(name), DATA.field(name), column)
    return rows


def _rewrite_notices(folder: Path, shards: list[str], made: Manifest) -> set[str]:
    """Bring licence texts and NOTICE/ to what is there now; return the paths of the files that changed or went."""
    used: set[str] = set()
    for name in shards:
        for kind in ("notices", "provenance"):
            texts = storage.read_parquet(folder / kind / name, ["texts"])["texts"]
            used.update(pc.list_flatten(texts).unique().to_pylist())
    listed = storage.read_parquet(folder / "notices/texts.parquet")
    kept = listed.filter(pc.is_in(listed["text_sha256"], pa.array(sorted(used), pa.string())))
    changed: set[str] = set()
    if kept.num_rows < listed.num_rows:
        _save(folder / "notices/texts.parquet", listed.schema, iter([kept]), int(made.plan["config"]["row_group_rows"]))
        changed.add("notices/texts.parquet")
    present: set[str] = set()
    for path, text in notices.notice_files(folder, shards):
        present.add(path.as_posix())
        old = (folder / path).read_bytes() if (folder / path).exists() else b""
        if old != text.encode("utf-8", "surrogatepass"):
            storage.write_text(folder / path, text, durable=False)
            changed.add(path.as_posix())
    for path in sorted((folder / "NOTICE").rglob("*.txt")):
        name = path.relative_to(folder).as_posix()
        if name not in present:
            path.unlink()
            changed.add(name)
    return changed


_SECTION = re.compile(r"\n## Taken back since\n.*?(?=\n## )", re.DOTALL)


def _rewrite_documents(folder: Path, made: Manifest, shards: list[str]) -> set[str]:
    """Let the card and the Croissant file say what is there now."""
    files = sum(storage.num_rows(folder / "data" / name) for name in shards)
    card = (folder / "README.md").read_text(encoding="utf-8")
    told = (
        f"\n## Taken back since\n\n{made.counts['files'] - files:,} of the {made.counts['files']:,} files of this release have been "
        f"taken out of this copy, and {files:,} are left; the tables on this page count the release as it was made.\n"
    )
    storage.write_text(
        folder / "README.md", _SECTION.sub("", card).replace("\n## Languages\n", told + "\n## Languages\n", 1)
    )
    description = storage.read_json(folder / "croissant.json")
    for one in description["distribution"]:
        if "sha256" in one:
            path = folder / one["contentUrl"]
            one["sha256"], one["contentSize"] = storage.sha256_file(path), f"{path.stat().st_size} B"
    storage.write_text(folder / "croissant.json", json.dumps(description, ensure_ascii=False, indent=1) + "\n")
    return {"README.md", "croissant.json"}
