"""All contents and places of a build as columns, what the steps before near deduplication say of them, and which
places are preferred.

Reads provenance, repositories and decisions; writes nothing. The fold (fold.py) makes its verdicts of this, and near
deduplication its candidates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data import purges, storage
from stack_data.config import BuildConfig
from stack_data.filters import profiles
from stack_data.id_columns import content_hash
from stack_data.layout import Build
from stack_data.reasons import Reason


@dataclass(frozen=True, slots=True)
class Rows:
    """All rows of the build as columns: C contents (rows of files/) and P places (rows of provenance/), part by part.

    parts, groups              name of each part, and of its source group
    ids, sizes, text_sizes     string[C], int64[C]: bytes of the original, int64[C]: bytes of the text in UTF-8
    is_commit                  bool[C]: a commit, not a file
    sides                      int64[2, S]: a commit, and a content of the build that is its file before or after
    content_part, content_row  int32[C]: number of the part, row in it; place_part, place_row: int32[P], likewise
    owner                      int64[C]: the content row that exact deduplication keeps
    content                    int64[P]: the kept content row of each place, -1 where it was never read
    erased_evidence            bool[C]: a purge erased evidence that the content is not permissive
    places, repositories       P rows with the decisions of every stage; all repositories; repository: int64[P], row of these
    """

    parts: list[str]
    groups: list[str]
    ids: pa.Array
    sizes: npt.NDArray[np.int64]
    text_sizes: npt.NDArray[np.int64]
    is_commit: npt.NDArray[np.bool_]
    sides: npt.NDArray[np.int64]
    content_part: npt.NDArray[np.int32]
    content_row: npt.NDArray[np.int32]
    owner: npt.NDArray[np.int64]
    place_part: npt.NDArray[np.int32]
    place_row: npt.NDArray[np.int32]
    content: npt.NDArray[np.int64]
    places: pa.Table
    repositories: pa.Table
    repository: npt.NDArray[np.int64]
    erased_evidence: npt.NDArray[np.bool_]


PLACE_STAGES = ("license", "language", "filter")
"""The stages that decide about places whose content was read, in order: the first one's reason is told."""

_PLACE_COLUMNS = ["content_id", "file_part", "file_row", "repository", "path", "num_bytes"]
_REPOSITORY_COLUMNS = ["host", "owner", "repo", "host_time", "first_seen", "is_fork", "stars", "audience"]


def load(build: Build, parts: Sequence[tuple[str, str]]) -> Rows:
    """Read the columns of a build whose stages are done. `parts`: (group, part) of every part, in order, at least one."""
    names = [part for _, part in parts]
    groups = list(dict.fromkeys(group for group, _ in parts))
    files = [_file_columns(build, part) for part in names]
    exact = [storage.read_parquet(build.decisions("exact", part), ["kept_in", "kept_row"]) for part in names]
    places = [_place_columns(build, part) for part in names]
    counts = [table.num_rows for table in files]
    first_content = np.cumsum([0, *counts])
    part_number = {part: number for number, part in enumerate(names)}
    owner = _owners(exact, first_content, part_number)
    table = pa.concat_tables(places)
    place_part = np.repeat(np.arange(len(names)), [part.num_rows for part in places]).astype(np.int32)
    group_start = _group_starts(parts)
    file_part = numpy_of(table["file_part"]) if len(places) else np.empty(0, np.int32)
    file_row = numpy_of(table["file_row"]) if len(places) else np.empty(0, np.int32)
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
    return Rows(
        names, [group for group, _ in parts], joined_files["content_id"].combine_chunks(), numpy_of(joined_files["num_bytes"]),
        numpy_of(joined_files["text_bytes"]), numpy_of(joined_files["is_commit"]).astype(bool), _sides(joined_files, owner),
        np.repeat(np.arange(len(names)), counts).astype(np.int32),
        np.concatenate([np.arange(count) for count in counts]).astype(np.int32),
        owner, place_part, np.concatenate([np.arange(part.num_rows) for part in places]).astype(np.int32),
        content.astype(np.int64), table, pa.concat_tables(repositories),
        part_groups[place_part] + numpy_of(table["repository"]), _erased_evidence(build, joined_files["content_id"]),
    )  # fmt: skip


def _erased_evidence(build: Build, ids: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    known = [one for record in purges.records(build.folder) for one in record.facts.get(purges.NOT_PERMISSIVE, ())]
    return numpy_of(pc.is_in(ids, pa.array(known, pa.string()))).astype(bool)


def _file_columns(build: Build, part: str) -> pa.Table:
    table = storage.read_parquet(build.files(part), ["content_id", "num_bytes", "text_bytes", "sides"])
    return table.append_column("is_commit", table["sides"].is_valid())


def _sides(files: pa.Table, owner: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return pairs of a commit and a content that it holds, by the rows that exact deduplication keeps: int64[2, S]."""
    sides = files["sides"].combine_chunks()
    commits = pc.list_parent_indices(sides).to_numpy().astype(np.int64)
    if not len(commits):
        return np.empty((2, 0), np.int64)
    held = pc.index_in(pc.list_flatten(sides), files["content_id"].combine_chunks()).fill_null(-1).to_numpy()
    known = held >= 0
    return np.stack([owner[commits[known]], owner[held[known]]])


def _place_columns(build: Build, part: str) -> pa.Table:
    table = storage.read_parquet(build.provenance(part), _PLACE_COLUMNS)
    licenses = storage.read_parquet(build.decisions("license", part), ["reason", "expression", "license_type"])
    languages = storage.read_parquet(
        build.decisions("language", part), ["reason", "language", "extension", "is_vendor", "is_generated"]
    )
    filtered = storage.read_parquet(build.decisions("filter", part), ["reason"])
    fetched = storage.read_parquet(build.decisions("fetch", part), ["reason"])
    table = table.append_column("fetch_reason", fetched["reason"].cast(pa.string()))
    table = table.append_column("license_reason", licenses["reason"].cast(pa.string()))
    table = table.append_column("expression", licenses["expression"])
    table = table.append_column("license_type", licenses["license_type"].cast(pa.string()))
    table = table.append_column("language_reason", languages["reason"].cast(pa.string()))
    table = table.append_column("filter_reason", filtered["reason"].cast(pa.string()))
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
        rows = np.flatnonzero(~is_null(table["kept_in"]))
        if len(rows):
            chosen = table.take(pa.array(rows))
            parts = [part_number[name] for name in chosen["kept_in"].to_pylist()]
            owner[first_content[number] + rows] = first_content[parts] + numpy_of(chosen["kept_row"])
    return owner


def _group_starts(parts: Sequence[tuple[str, str]]) -> npt.NDArray[np.int64]:
    """Return, for each part, the number of its group's first part."""
    first: dict[str, int] = {}
    for number, (group, _) in enumerate(parts):
        first.setdefault(group, number)
    return np.array([first[group] for group, _ in parts], np.int64)


def numpy_of(column: pa.Array | pa.ChunkedArray) -> npt.NDArray[Any]:
    """Return a column without nulls as an array."""
    if isinstance(column, pa.ChunkedArray):
        return np.asarray(column.to_numpy())
    return np.asarray(column.to_numpy(zero_copy_only=False))


CONTENT_REASONS = (Reason.BENCHMARK_FOUND, Reason.MALWARE)
"""Why single contents are left out, whatever is said of their places, in order of weight."""


def content_reasons(build: Build, rows: Rows) -> npt.NDArray[np.int64]:
    """Return the number in CONTENT_REASONS for which each content is left out, -1 for none: int64[C]."""
    found = np.full(len(rows.owner), -1, np.int64)
    for number, reason in reversed(list(enumerate(CONTENT_REASONS))):
        paths = [build.decisions(reason.stage, part) for part in rows.parts]
        columns = [storage.read_parquet(path, ["reason"])["reason"] for path in paths]
        dropped = [numpy_of(column.is_valid()).astype(bool) for column in columns]
        left_out = np.concatenate([np.empty(0, bool), *dropped])
        left_out[rows.sides[0][left_out[rows.sides[1]]]] = True
        found[left_out] = number
    return found


def is_null(column: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Return which values of a column are null: bool[N]."""
    return numpy_of(column.is_null()).astype(bool)


def entry_bytes(rows: Rows) -> npt.NDArray[np.int64]:
    """Return the bytes of each place as its source states them, 0 where unknown: int64[P]."""
    return np.asarray(np.maximum(numpy_of(rows.places["num_bytes"]), 0), np.int64)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What the steps before near deduplication say: of places (kept_place) and of contents (the others)."""

    kept_place: npt.NDArray[np.bool_]
    original: npt.NDArray[np.bool_]
    has_place: npt.NDArray[np.bool_]
    tainted: npt.NDArray[np.bool_]
    over_budget: npt.NDArray[np.bool_]

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """Contents that are kept so far: bool[C]."""
        return self.original & self.has_place & ~self.tainted & ~self.over_budget


BUDGET_SEED = 1
"""Not the seed of shards: a sample is then no choice of shards."""


def verdicts_of(rows: Rows, config: BuildConfig) -> Verdicts:
    """Join what the stages say of places and contents; nothing is read."""
    usable = rows.content >= 0
    kept_place = usable.copy()
    for stage in PLACE_STAGES:
        kept_place &= is_null(rows.places[f"{stage}_reason"])
    tainted = np.zeros(len(rows.owner), bool)
    if config.license.places == "all":
        tainted |= rows.erased_evidence
        bad = numpy_of(pc.equal(rows.places["license_type"].cast(pa.string()), "non_permissive")) & usable
        tainted[rows.content[bad]] = True
        # A commit holds a file as it was before and after: what taints that taints it.
        tainted[rows.sides[0][tainted[rows.sides[1]]]] = True
    has_place = np.zeros(len(rows.owner), bool)
    has_place[rows.content[kept_place]] = True
    original = rows.owner == np.arange(len(rows.owner))
    over_budget = _over_budget(rows, kept_place, original & has_place & ~tainted, profiles.budgets(config.filter))
    return Verdicts(kept_place, original, has_place, tainted, over_budget)


def _over_budget(
    rows: Rows, kept_place: npt.NDArray[np.bool_], kept: npt.NDArray[np.bool_], budgets: dict[str, int]
) -> npt.NDArray[np.bool_]:
    """Return which kept contents are left out because their language, that of their first kept place, is over its budget.

    Drawn by a hash of the content: what stays is a fair sample, and mostly the same one after some contents went.
    """
    out = np.zeros(len(kept), bool)
    shown = np.flatnonzero(kept_place)[::-1]
    first = np.full(len(kept), -1, np.int64)
    first[rows.content[shown]] = shown
    chosen = np.flatnonzero(kept)
    languages = pc.dictionary_encode(rows.places["language"].take(pa.array(first[chosen])).combine_chunks())
    codes, sizes = numpy_of(languages.indices), rows.text_sizes[chosen]
    for code, name in enumerate(languages.dictionary.to_pylist()):
        budget = budgets.get(name, budgets.get("", 0))
        of = chosen[codes == code]
        if 0 < budget < int(sizes[codes == code].sum()):
            order = of[np.argsort(content_hash(rows.ids.take(pa.array(of)), BUDGET_SEED), kind="stable")]
            out[order[np.cumsum(rows.text_sizes[order]) > budget]] = True
    return out


@dataclass(frozen=True, slots=True)
class Candidates:
    """The contents that every step before near deduplication keeps.

    parts  names of the file parts; part, row: int64[N], where each content lies
    ids    string[N]
    rank   int64[N]: the order of preference over all contents of the build, 0 the best: by the best of all its places
    over_budget  how many contents the budgets of languages left out
    """

    parts: list[str]
    part: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    ids: pa.Array
    rank: npt.NDArray[np.int64]
    over_budget: int = 0


def candidates(build: Build, config: BuildConfig, parts: Sequence[tuple[str, str]]) -> Candidates:
    """Return what near deduplication compares."""
    rows = load(build, parts) if parts else None
    if rows is None or rows.places.num_rows == 0:
        empty = np.empty(0, np.int64)
        return Candidates([part for _, part in parts], empty, empty, pa.array([], pa.string()), empty)
    verdict = verdicts_of(rows, config)
    chosen = np.flatnonzero(verdict.kept)
    ids = rows.ids.take(pa.array(chosen))
    return Candidates(
        rows.parts, rows.content_part[chosen].astype(np.int64), rows.content_row[chosen].astype(np.int64), ids,
        _content_ranks(rows, chosen, ids), int(verdict.over_budget.sum()),
    )  # fmt: skip


def _content_ranks(rows: Rows, chosen: npt.NDArray[np.int64], ids: pa.Array) -> npt.NDArray[np.int64]:
    """Return the preference of contents: by the best of all their places, then by content id."""
    wanted = np.zeros(len(rows.owner), bool)
    wanted[chosen] = True
    usable = rows.content >= 0
    shown = usable.copy()
    shown[usable] = wanted[rows.content[usable]]
    order, rank = ranked(rows, shown)
    best = order[rank == 0]  # in order of the contents' rows, as `chosen` is
    keys = _preferences(rows, best).append_column("content_id", ids)
    sorting = pc.sort_indices(keys, [(name, "ascending") for name in keys.column_names]).to_numpy()
    ranks = np.empty(len(chosen), np.int64)
    ranks[sorting] = np.arange(len(chosen))
    return ranks


def ranked(rows: Rows, shown: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Return the shown places ordered by (content, rank) and each one's rank, the best first."""
    order = np.flatnonzero(shown)
    if not len(order):
        return order, np.empty(0, np.int32)
    # Equal in everything: the earlier place, so that the order is total.
    keys = _preferences(rows, order).append_column("position", pa.array(order))
    keys = keys.add_column(0, "content", pa.array(rows.content[order]))
    sorting = pc.sort_indices(keys, [(name, "ascending") for name in keys.column_names]).to_numpy()
    order = order[sorting]
    contents = rows.content[order]
    starts = np.flatnonzero(np.concatenate([[True], contents[1:] != contents[:-1]]))
    lengths = np.diff(np.append(starts, len(order)))
    return order, (np.arange(len(order)) - np.repeat(starts, lengths)).astype(np.int32)


def _preferences(rows: Rows, order: npt.NDArray[np.int64]) -> pa.Table:
    """Return what places are preferred by, in order of weight, the smaller the better.

    No fork, not vendored, earliest host_time or first_seen, more stars, smallest (host, owner, repo, path).
    """
    taken = rows.repositories.take(pa.array(rows.repository[order]))
    times = pc.if_else(pc.equal(taken["host_time"].fill_null(""), ""), taken["first_seen"], taken["host_time"])
    return pa.table(
        {
            "fork": taken["is_fork"].fill_null(False),
            "vendor": rows.places["is_vendor"].take(pa.array(order)), "time": times.fill_null("9999"),
            "stars": pc.negate(taken["stars"].fill_null(0)), "host": taken["host"], "owner": taken["owner"],
            "repo": taken["repo"], "path": rows.places["path"].take(pa.array(order)),
        }
    )  # fmt: skip
