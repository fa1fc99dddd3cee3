"""The fold: from decisions about places and contents to one verdict for each content.

Reads the decision folders; writes nothing. A content is kept when no content-level decision drops it, at least one
of its places is kept, and none carries positive evidence of a licence that is not permissive (license.places =
"all"). Missing evidence elsewhere does not taint. What is displayed comes from the best-ranked kept place.

Opt-outs take places away after all that: the evidence of a place that left still counts, and clusters of near duplicates and
draws of languages stay what they were. For an audience only its places exist, apart from licence evidence, which counts from everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data import storage
from stack_data.config import BuildConfig
from stack_data.departures import Departures, Share, departures, has_place, leaving, left_reasons, of_content
from stack_data.layout import Build
from stack_data.near.clusters import walk
from stack_data.reasons import BY_VALUE, READING, Reason
from stack_data.rows import (
    CONTENT_REASONS,
    PLACE_STAGES,
    Rows,
    content_reasons,
    entry_bytes,
    load,
    numpy_of,
    ranked,
    verdicts_of,
)

_PART = pa.dictionary(pa.int32(), pa.string())

KEPT = pa.schema(
    [
        pa.field("content_id", pa.string()),
        # Where the bytes lie: file part and row.
        pa.field("part", _PART),
        pa.field("row", pa.int32()),
        pa.field("num_bytes", pa.int64()),
        # Of the text in UTF-8, which is what a release holds.
        pa.field("text_bytes", pa.int64()),
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
        pa.field("is_commit", pa.bool_()),
        pa.field("num_provenances", pa.int32()),
        pa.field("near_duplicate_cluster", pa.int64()),
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


NEAR = pa.schema(
    [
        pa.field("kept_row", pa.int32()),
        pa.field("content_id", pa.string()),
        # The content was dropped beside this very one, the best kept one that it has an edge to.
        pa.field("is_beside", pa.bool_()),
        pa.field("place_part", _PART),
        pa.field("place_row", pa.int32()),
        pa.field("group", _PART),
        pa.field("repository", pa.int32()),
        pa.field("language", pa.dictionary(pa.int16(), pa.string())),
        pa.field("expression", pa.string()),
    ]
)
"""One row per place of a dropped near duplicate and kept content that it has an edge to, ordered by (kept_row, id)."""


@dataclass(frozen=True, slots=True)
class Attrition:
    """What one reason removed. stages of READING and reason exact_duplicate count places, the others contents."""

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
    near: pa.Table
    departures: Departures


def fold(build: Build, config: BuildConfig, parts: Sequence[tuple[str, str]], audience: str | None = None) -> Fold:
    """Join all decisions of a build. parts: (group, part) of every part, in order; audience: only its places, default all."""
    rows = load(build, parts) if parts else None
    if rows is None or rows.places.num_rows == 0:
        empty = Departures((), *[Share(0, 0)] * 4)
        return Fold(
            KEPT.empty_table(), PLACES.empty_table(), DROPPED.empty_table(), (), 0, 0, NEAR.empty_table(), empty
        )
    verdict = verdicts_of(rows, config)
    seen = _seen(rows, audience)
    single = content_reasons(build, rows)
    before = verdict.kept_place & seen & of_content(rows, verdict.kept & (single < 0))
    left = leaving(build, rows, parts)
    kept_place = before & (left < 0)
    would, remains = has_place(rows, before), has_place(rows, kept_place)
    near = _near(build, rows, remains)
    kept = remains & (near.beside < 0)
    shown = kept_place & of_content(rows, kept)
    order, rank = ranked(rows, shown)
    kept_rows = np.flatnonzero(kept)
    otherwise = has_place(rows, verdict.kept_place & seen)
    reasons = (
        (Reason.LICENSE_ELSEWHERE, verdict.tainted & otherwise),
        (Reason.LANGUAGE_OVER_BUDGET, verdict.over_budget),
        *((reason, verdict.kept & otherwise & (single == number)) for number, reason in enumerate(CONTENT_REASONS)),
        (Reason.NEAR_DUPLICATE, near.beside >= 0),
        *left_reasons(rows, left, before, would & ~remains),
    )
    dropped = _dropped(rows, verdict.original & ~kept & has_place(rows, seen & (rows.content >= 0)), seen, reasons)
    places = _places_table(rows, order, rank, kept_rows)
    kept_table = _kept_table(rows, kept_rows, order, rank, places, near.cluster)
    return Fold(
        kept_table, places, dropped, _attrition(rows, dropped, seen), int(seen.sum()), int(entry_bytes(rows)[seen].sum()),
        _near_table(rows, near, kept, kept_place), departures(rows, left, before),
    )  # fmt: skip


def _seen(rows: Rows, audience: str | None) -> npt.NDArray[np.bool_]:
    """Return which places an audience sees: bool[P]."""
    if audience is None:
        return np.ones(len(rows.content), bool)
    return numpy_of(pc.equal(rows.repositories["audience"], audience)).astype(bool)[rows.repository]


@dataclass(frozen=True, slots=True)
class _Near:
    """What near deduplication says of contents, all by their rows.

    beside   the content that each content is dropped beside, or -1; cluster: its cluster's number, or -1
    pairs    int64[2, K]: the verified edges among contents that no step before drops
    """

    beside: npt.NDArray[np.int64]
    cluster: npt.NDArray[np.int64]
    pairs: npt.NDArray[np.int64]


def _near(build: Build, rows: Rows, kept: npt.NDArray[np.bool_]) -> _Near:
    """Walk the verified edges over what is kept so far."""
    nothing = np.full(len(kept), -1, np.int64)
    if not build.stage_manifest("near").exists():
        return _Near(nothing, nothing, np.empty((2, 0), np.int64))
    members, edges = storage.read_parquet(build.members), storage.read_parquet(build.edges)
    alive = np.flatnonzero(kept)
    # Contents with an edge, numbered as members are; those that are not kept any more have no row.
    place = pc.index_in(members["content_id"], rows.ids.take(pa.array(alive))).fill_null(-1).to_numpy()
    row = np.where(place >= 0, alive[np.maximum(place, 0)], -1) if len(alive) else np.full(len(place), -1, np.int64)
    first = pc.index_in(edges["first_id"], members["content_id"].combine_chunks()).to_numpy().astype(np.int64)
    second = pc.index_in(edges["second_id"], members["content_id"].combine_chunks()).to_numpy().astype(np.int64)
    order = np.argsort(members["rank"].to_numpy(), kind="stable").astype(np.int64)
    beside = walk(order, row >= 0, first, second)
    found = _Near(nothing.copy(), nothing.copy(), np.stack([row[first], row[second]]))
    present = np.flatnonzero(row >= 0)
    found.cluster[row[present]] = members["cluster"].to_numpy()[present]
    dropped = np.flatnonzero(beside >= 0)
    found.beside[row[dropped]] = row[beside[dropped]]
    return _Near(found.beside, found.cluster, found.pairs[:, (found.pairs >= 0).all(axis=0)])


def _near_table(rows: Rows, near: _Near, kept: npt.NDArray[np.bool_], kept_place: npt.NDArray[np.bool_]) -> pa.Table:
    """Return the places of dropped near duplicates, by the kept contents they have an edge to."""
    both = np.concatenate([near.pairs, near.pairs[::-1]], axis=1)
    anchor, other = both[:, kept[both[0]] & (near.beside[both[1]] >= 0)]
    sorting = np.lexsort((other, anchor))
    anchor, other = anchor[sorting], other[sorting]
    usable = np.flatnonzero(kept_place & (rows.content >= 0))
    usable = usable[np.argsort(rows.content[usable], kind="stable")]
    begin = np.searchsorted(rows.content[usable], other, side="left")
    lengths = np.searchsorted(rows.content[usable], other, side="right") - begin
    places = usable[np.repeat(begin - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())]
    of = np.repeat(np.arange(len(anchor)), lengths)
    take = pa.array(places)
    return pa.table(
        {
            "kept_row": np.searchsorted(np.flatnonzero(kept), anchor[of]).astype(np.int32),
            "content_id": rows.ids.take(pa.array(other[of])), "is_beside": near.beside[other[of]] == anchor[of],
            "place_part": _part_names(rows, rows.place_part[places]), "place_row": rows.place_row[places],
            "group": _group_names(rows, rows.place_part[places]), "repository": rows.places["repository"].take(take),
            "language": rows.places["language"].take(take), "expression": rows.places["expression"].take(take),
        }
    ).cast(NEAR)  # fmt: skip


def _part_names(rows: Rows, numbers: npt.NDArray[np.int32]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(numbers, pa.int32()), pa.array(rows.parts))


def _group_names(rows: Rows, numbers: npt.NDArray[np.int32]) -> pa.Array:
    return (
        pa.DictionaryArray.from_arrays(pa.array(numbers, pa.int32()), pa.array(rows.groups))
        .cast(pa.string())
        .dictionary_encode()
    )


def _places_table(
    rows: Rows, order: npt.NDArray[np.int64], rank: npt.NDArray[np.int32], kept_rows: npt.NDArray[np.int64]
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
    rows: Rows, kept_rows: npt.NDArray[np.int64], order: npt.NDArray[np.int64],
    rank: npt.NDArray[np.int32], places: pa.Table, cluster: npt.NDArray[np.int64],
) -> pa.Table:  # fmt: skip
    best = np.flatnonzero(rank == 0)
    shown = pa.array(order[best])
    counts = np.diff(np.append(best, len(order))).astype(np.int32)
    chosen = places.take(pa.array(best))
    columns = {
        "content_id": rows.ids.take(pa.array(kept_rows)), "part": _part_names(rows, rows.content_part[kept_rows]),
        "row": rows.content_row[kept_rows], "num_bytes": rows.sizes[kept_rows],
        "text_bytes": rows.text_sizes[kept_rows], "is_commit": rows.is_commit[kept_rows],
        "place_part": chosen["place_part"], "place_row": chosen["place_row"], "group": chosen["group"],
        "repository": chosen["repository"], "num_provenances": counts,
        "near_duplicate_cluster": pa.array(cluster[kept_rows], mask=cluster[kept_rows] < 0),
    } | {
        name: rows.places[name].take(shown)
        for name in ("language", "extension", "expression", "license_type", "is_vendor", "is_generated")
    }  # fmt: skip
    return pa.table([columns[name] for name in KEPT.names], names=KEPT.names).cast(KEPT)


def _dropped(
    rows: Rows, gone: npt.NDArray[np.bool_], seen: npt.NDArray[np.bool_],
    reasons_of: Sequence[tuple[Reason, npt.NDArray[np.bool_]]],
) -> pa.Table:  # fmt: skip
    """Return the contents that are out, each with the reason of its first place, or one that is given for contents."""
    first = np.full(len(rows.owner), -1, np.int64)
    usable = np.flatnonzero((rows.content >= 0) & seen)[::-1]
    first[rows.content[usable]] = usable
    chosen = np.flatnonzero(gone)
    places = first[chosen]
    take = pa.array(places, mask=places < 0)
    reason = pc.coalesce(*(rows.places[f"{stage}_reason"].take(take) for stage in PLACE_STAGES))
    for given, holds in reasons_of:
        reason = pc.if_else(pa.array(holds[chosen]), given.value, reason)
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


def _attrition(rows: Rows, dropped: pa.Table, seen: npt.NDArray[np.bool_]) -> tuple[Attrition, ...]:
    """Return what each reason removed, in the order of the stages."""
    sizes = entry_bytes(rows)
    found = []
    fetched = rows.places["fetch_reason"]
    for reason in (one for one in Reason if one.stage in READING):
        hit = numpy_of(pc.equal(fetched, reason.value).fill_null(False)).astype(bool) & seen
        if hit.any():
            found.append(Attrition(reason.stage, reason.value, int(hit.sum()), int(sizes[hit].sum())))
    usable = np.flatnonzero((rows.content >= 0) & seen)
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
