"""The fold: from decisions about places and contents to one verdict for each content.

Reads the decision folders; writes nothing. A content is kept when no content-level decision drops it, at least one
of its places is kept, and none carries positive evidence of a licence that is not permissive (license.places =
"all"). Missing evidence elsewhere does not taint. What is displayed comes from the best-ranked kept place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data import storage
from stack_data.config import BuildConfig
from stack_data.layout import Build
from stack_data.reasons import BY_VALUE, Reason

_PART = pa.dictionary(pa.int32(), pa.string())

KEPT = pa.schema(
    [
        pa.field("content_id", pa.string()),
        # Where the bytes lie: file part and row.
        pa.field("part", _PART),
        pa.field("row", pa.int32()),
        pa.field("num_bytes", pa.int64()),
        # The displayed place: provenance part and row, its source group and the repository's row.
        pa.field("place_part", _PART),
        pa.field("place_row", pa.int32()),
        pa.field("group", _PART),
        pa.field("repository", pa.int32()),
        pa.field("language", pa.dictionary(pa.int16(), pa.string())),
        pa.field("extension", pa.string()),
        pa.field("expression", pa.string()),
        pa.field("license_type", pa.string()),
        pa.field("is_vendor", pa.bool_()),
        pa.field("is_generated", pa.bool_()),
        pa.field("num_provenances", pa.int32()),
    ]
)
"""One row per kept content, ordered by (source order, part, row)."""

PLACES = pa.schema(
    [
        pa.field("content_id", pa.string()),
        pa.field("kept_row", pa.int32()),
        pa.field("rank", pa.int32()),
        pa.field("place_part", _PART),
        pa.field("place_row", pa.int32()),
        pa.field("group", _PART),
        pa.field("repository", pa.int32()),
        pa.field("language", pa.dictionary(pa.int16(), pa.string())),
        pa.field("expression", pa.string()),
    ]
)
"""One row per kept place of a kept content, ordered by (kept_row, rank); kept_row is its content's row of KEPT."""

DROPPED = pa.schema(
    [
        pa.field("content_id", pa.string()),
        pa.field("stage", pa.dictionary(pa.int8(), pa.string())),
        pa.field("reason", pa.dictionary(pa.int16(), pa.string())),
        pa.field("num_bytes", pa.int64()),
        # An example place, for reports inside the build.
        pa.field("place_part", _PART),
        pa.field("place_row", pa.int32()),
    ]
)
"""One row per content that was read and is not kept, each content once."""


@dataclass(frozen=True, slots=True)
class Attrition:
    """What one reason removed. stage "fetch" and reason exact_duplicate count places, the others contents."""

    stage: str
    reason: str
    num_files: int
    num_bytes: int


@dataclass(frozen=True, slots=True)
class Fold:
    """The verdicts of a build."""

    kept: pa.Table
    places: pa.Table
    dropped: pa.Table
    attrition: tuple[Attrition, ...]
    num_entries: int
    num_entry_bytes: int


@dataclass(frozen=True, slots=True)
class _Rows:
    """All rows of the build as columns: contents (rows of files/) and places (rows of provenance/).

    first_place[P] and first_content[P] are the positions at which part p begins; `owner` is, for each content row,
    the content row that exact deduplication keeps; `content` is, for each place, its content's kept row, or -1.
    """

    parts: list[str]
    groups: list[str]
    ids: pa.Array
    sizes: npt.NDArray[np.int64]
    content_part: npt.NDArray[np.int32]
    content_row: npt.NDArray[np.int32]
    owner: npt.NDArray[np.int64]
    place_part: npt.NDArray[np.int32]
    place_row: npt.NDArray[np.int32]
    content: npt.NDArray[np.int64]
    places: pa.Table
    repositories: pa.Table
    repository: npt.NDArray[np.int64]


def fold(build: Build, config: BuildConfig, parts: Sequence[tuple[str, str]]) -> Fold:
    """Join all decisions of a build. `parts`: (group, part) of every part, in order."""
    rows = _load(build, parts) if parts else None
    if rows is None or rows.places.num_rows == 0:
        return Fold(KEPT.empty_table(), PLACES.empty_table(), DROPPED.empty_table(), (), 0, 0)
    usable = rows.content >= 0
    license_reason = rows.places["license_reason"]
    language_reason = rows.places["language_reason"]
    kept_place = usable & _is_null(license_reason) & _is_null(language_reason)
    tainted = np.zeros(len(rows.owner), bool)
    if config.license.places == "all":
        bad = _numpy(pc.equal(rows.places["license_type"].cast(pa.string()), "non_permissive")) & usable
        tainted[rows.content[bad]] = True
    has_place = np.zeros(len(rows.owner), bool)
    has_place[rows.content[kept_place]] = True
    original = rows.owner == np.arange(len(rows.owner))
    kept = original & has_place & ~tainted
    shown = kept_place.copy()
    shown[usable] &= kept[rows.content[usable]]
    order, rank = _ranked(rows, shown)
    kept_rows = np.flatnonzero(kept)
    dropped = _dropped(rows, original & ~kept, tainted & has_place)
    places = _places_table(rows, order, rank, kept_rows)
    kept_table = _kept_table(rows, kept_rows, order, rank, places)
    return Fold(
        kept_table, places, dropped, _attrition(rows, dropped), len(rows.content), int(_entry_bytes(rows).sum())
    )


def _entry_bytes(rows: _Rows) -> npt.NDArray[np.int64]:
    return np.asarray(np.maximum(_numpy(rows.places["num_bytes"]), 0), np.int64)


def _numpy(column: pa.Array | pa.ChunkedArray) -> npt.NDArray[Any]:
    if isinstance(column, pa.ChunkedArray):
        return np.asarray(column.to_numpy())
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _is_null(column: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    return _numpy(column.is_null()).astype(bool)


_PLACE_COLUMNS = ["content_id", "file_part", "file_row", "repository", "path", "num_bytes"]
_REPOSITORY_COLUMNS = ["host", "owner", "repo", "host_time", "first_seen", "is_fork", "stars"]


def _load(build: Build, parts: Sequence[tuple[str, str]]) -> _Rows:
    names = [part for _, part in parts]
    groups = list(dict.fromkeys(group for group, _ in parts))
    files = [storage.read_parquet(build.files(part), ["content_id", "num_bytes"]) for part in names]
    exact = [storage.read_parquet(build.decisions("exact", part), ["kept_in", "kept_row"]) for part in names]
    places = [_place_columns(build, part) for part in names]
    counts = [table.num_rows for table in files]
    first_content = np.cumsum([0, *counts])
    part_number = {part: number for number, part in enumerate(names)}
    owner = _owners(exact, first_content, part_number)
    table = pa.concat_tables(places)
    place_part = np.repeat(np.arange(len(names)), [part.num_rows for part in places]).astype(np.int32)
    group_start = _group_starts(parts)
    file_part = _numpy(table["file_part"]) if len(places) else np.empty(0, np.int32)
    file_row = _numpy(table["file_row"]) if len(places) else np.empty(0, np.int32)
    start = (
        first_content[np.minimum(group_start[place_part] + np.maximum(file_part, 0), len(names) - 1)]
        if len(places)
        else file_part
    )
    content = np.where(file_row >= 0, owner[np.where(file_row >= 0, start + file_row, 0)] if len(owner) else -1, -1)
    repositories = [storage.read_parquet(build.repositories(group), _REPOSITORY_COLUMNS) for group in groups]
    first_repository = dict(zip(groups, np.cumsum([0, *(one.num_rows for one in repositories)]), strict=False))
    part_groups = np.array([first_repository[group] for group, _ in parts], np.int64)
    joined_files = pa.concat_tables(files)
    return _Rows(
        names, [group for group, _ in parts], joined_files["content_id"].combine_chunks(), _numpy(joined_files["num_bytes"]),
        np.repeat(np.arange(len(names)), counts).astype(np.int32),
        np.concatenate([np.arange(count) for count in counts]).astype(np.int32),
        owner, place_part, np.concatenate([np.arange(part.num_rows) for part in places]).astype(np.int32),
        content.astype(np.int64), table, pa.concat_tables(repositories),
        part_groups[place_part] + _numpy(table["repository"]),
    )  # fmt: skip


def _place_columns(build: Build, part: str) -> pa.Table:
    table = storage.read_parquet(build.provenance(part), _PLACE_COLUMNS)
    licenses = storage.read_parquet(build.decisions("license", part), ["reason", "expression", "license_type"])
    languages = storage.read_parquet(
        build.decisions("language", part), ["reason", "language", "extension", "is_vendor", "is_generated"]
    )
    fetched = storage.read_parquet(build.decisions("fetch", part), ["reason"])
    table = table.append_column("fetch_reason", fetched["reason"].cast(pa.string()))
    table = table.append_column("license_reason", licenses["reason"].cast(pa.string()))
    table = table.append_column("expression", licenses["expression"])
    table = table.append_column("license_type", licenses["license_type"].cast(pa.string()))
    table = table.append_column("language_reason", languages["reason"].cast(pa.string()))
    for name in ("language", "extension"):
        table = table.append_column(name, languages[name].cast(pa.string()))
    for name in ("is_vendor", "is_generated"):
        table = table.append_column(name, languages[name])
    return table


def _owners(
    exact: Sequence[pa.Table], first_content: npt.NDArray[np.int64], part_number: dict[str, int]
) -> npt.NDArray[np.int64]:
    owner = np.arange(first_content[-1])
    for number, table in enumerate(exact):
        rows = np.flatnonzero(~_is_null(table["kept_in"]))
        if len(rows):
            chosen = table.take(pa.array(rows))
            parts = [part_number[name] for name in chosen["kept_in"].to_pylist()]
            owner[first_content[number] + rows] = first_content[parts] + _numpy(chosen["kept_row"])
    return owner


def _group_starts(parts: Sequence[tuple[str, str]]) -> npt.NDArray[np.int64]:
    """Return, for each part, the number of its group's first part."""
    first: dict[str, int] = {}
    for number, (group, _) in enumerate(parts):
        first.setdefault(group, number)
    return np.array([first[group] for group, _ in parts], np.int64)


def _ranked(rows: _Rows, shown: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Return the shown places ordered by (content, rank) and each one's rank.

    Best first: no fork, not vendored, earliest host_time or first_seen, more stars, smallest (host, owner, repo, path).
    """
    order = np.flatnonzero(shown)
    if not len(order):
        return order, np.empty(0, np.int32)
    taken = rows.repositories.take(pa.array(rows.repository[order]))
    times = pc.if_else(pc.equal(taken["host_time"].fill_null(""), ""), taken["first_seen"], taken["host_time"])
    keys = pa.table(
        {
            "content": rows.content[order], "fork": taken["is_fork"].fill_null(False),
            "vendor": rows.places["is_vendor"].take(pa.array(order)), "time": times.fill_null("9999"),
            "stars": pc.negate(taken["stars"].fill_null(0)), "host": taken["host"], "owner": taken["owner"],
            "repo": taken["repo"], "path": rows.places["path"].take(pa.array(order)),
            # Equal in everything: the earlier place, so that the order is total.
            "position": order,
        }
    )  # fmt: skip
    sorting = pc.sort_indices(keys, [(name, "ascending") for name in keys.column_names]).to_numpy()
    order = order[sorting]
    contents = rows.content[order]
    starts = np.flatnonzero(np.concatenate([[True], contents[1:] != contents[:-1]]))
    lengths = np.diff(np.append(starts, len(order)))
    return order, (np.arange(len(order)) - np.repeat(starts, lengths)).astype(np.int32)


def _part_names(rows: _Rows, numbers: npt.NDArray[np.int32]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(numbers, pa.int32()), pa.array(rows.parts))


def _group_names(rows: _Rows, numbers: npt.NDArray[np.int32]) -> pa.Array:
    return (
        pa.DictionaryArray.from_arrays(pa.array(numbers, pa.int32()), pa.array(rows.groups))
        .cast(pa.string())
        .dictionary_encode()
    )


def _places_table(
    rows: _Rows, order: npt.NDArray[np.int64], rank: npt.NDArray[np.int32], kept_rows: npt.NDArray[np.int64]
) -> pa.Table:
    take = pa.array(order)
    return pa.table(
        {
            "content_id": rows.ids.take(pa.array(rows.content[order])),
            "kept_row": np.searchsorted(kept_rows, rows.content[order]).astype(np.int32), "rank": rank,
            "place_part": _part_names(rows, rows.place_part[order]), "place_row": rows.place_row[order],
            "group": _group_names(rows, rows.place_part[order]), "repository": rows.places["repository"].take(take),
            "language": rows.places["language"].take(take), "expression": rows.places["expression"].take(take),
        }
    ).cast(PLACES)  # fmt: skip


def _kept_table(
    rows: _Rows, kept_rows: npt.NDArray[np.int64], order: npt.NDArray[np.int64],
    rank: npt.NDArray[np.int32], places: pa.Table,
) -> pa.Table:  # fmt: skip
    best = np.flatnonzero(rank == 0)
    shown = pa.array(order[best])
    counts = np.diff(np.append(best, len(order))).astype(np.int32)
    chosen = places.take(pa.array(best))
    columns = {
        "content_id": rows.ids.take(pa.array(kept_rows)), "part": _part_names(rows, rows.content_part[kept_rows]),
        "row": rows.content_row[kept_rows], "num_bytes": rows.sizes[kept_rows],
        "place_part": chosen["place_part"], "place_row": chosen["place_row"], "group": chosen["group"],
        "repository": chosen["repository"], "num_provenances": counts,
    } | {
        name: rows.places[name].take(shown)
        for name in ("language", "extension", "expression", "license_type", "is_vendor", "is_generated")
    }  # fmt: skip
    return pa.table([columns[name] for name in KEPT.names], names=KEPT.names).cast(KEPT)


def _dropped(rows: _Rows, gone: npt.NDArray[np.bool_], elsewhere: npt.NDArray[np.bool_]) -> pa.Table:
    """Return the contents that are out, each with the reason of its first place (or that of another place's licence)."""
    first = np.full(len(rows.owner), -1, np.int64)
    usable = np.flatnonzero(rows.content >= 0)[::-1]
    first[rows.content[usable]] = usable
    chosen = np.flatnonzero(gone)
    places = first[chosen]
    take = pa.array(places, mask=places < 0)
    reason = pc.coalesce(rows.places["license_reason"].take(take), rows.places["language_reason"].take(take))
    reason = pc.if_else(pa.array(elsewhere[chosen]), Reason.LICENSE_ELSEWHERE.value, reason)
    reasons = (
        reason.combine_chunks().dictionary_encode()
        if isinstance(reason, pa.ChunkedArray)
        else reason.dictionary_encode()
    )
    stages = pa.array([BY_VALUE[value].stage for value in reasons.dictionary.to_pylist()], pa.string())
    return pa.table(
        {
            "content_id": rows.ids.take(pa.array(chosen)), "stage": stages.take(reasons.indices), "reason": reasons,
            "num_bytes": rows.sizes[chosen], "place_part": _part_names(rows, rows.place_part[places]),
            "place_row": rows.place_row[places],
        }
    ).cast(DROPPED)  # fmt: skip


def _attrition(rows: _Rows, dropped: pa.Table) -> tuple[Attrition, ...]:
    """Return what each reason removed, in the order of the stages."""
    sizes = _entry_bytes(rows)
    found = []
    fetched = rows.places["fetch_reason"]
    for reason in (one for one in Reason if one.stage == "fetch"):
        hit = _numpy(pc.equal(fetched, reason.value).fill_null(False)).astype(bool)
        if hit.any():
            found.append(Attrition("fetch", reason.value, int(hit.sum()), int(sizes[hit].sum())))
    usable = np.flatnonzero(rows.content >= 0)
    repeated = np.ones(len(usable), bool)
    repeated[np.unique(rows.content[usable], return_index=True)[1]] = False
    if repeated.any():
        again = usable[repeated]
        found.append(Attrition("exact", Reason.EXACT_DUPLICATE.value, len(again), int(sizes[again].sum())))
    totals = dropped.group_by("reason").aggregate([("num_bytes", "sum"), ("num_bytes", "count")]).to_pylist()
    by_reason = {row["reason"]: row for row in totals}
    for reason in Reason:
        row = by_reason.get(reason.value)
        if row:
            found.append(Attrition(reason.stage, reason.value, row["num_bytes_count"], row["num_bytes_sum"]))
    return tuple(found)
