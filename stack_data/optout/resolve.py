"""resolve: which places a set of suppression lists takes out, and which contents no place is left of. A pure function.

Everything that must honour an opt-out asks here: fetch, release, index, shards and serving. Two passes over the places, part by part:
the first finds the places that entries name, the second gathers every place of the contents they hold (and of their near duplicates
where an entry asks for those), on which the spread is decided. Memory: one byte per place, and what is gathered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data.errors import ConfigError
from stack_data.optout.lists import SuppressionList
from stack_data.optout.spread import LAST_GOING, Gathered, Why, repositories_of, spread
from stack_data.optout.targets import EXACT, MATCHES, NEAR, Targets, targets_of

RULE_VERSION = 1
AUTHOR_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Places:
    """N places of one part.

    content_id  string[N], null where the content was never read; path: string[N]
    repository  int64[N]: row of the table of repositories
    authors     list<struct<email_hash, share>>[N], or None
    is_copy     bool[N]: vendored or generated there, or None
    """

    content_id: pa.Array
    repository: npt.NDArray[np.int64]
    path: pa.Array
    authors: pa.Array | None = None
    is_copy: npt.NDArray[np.bool_] | None = None


PREVIEW = pa.schema(
    [
        pa.field("content_id", pa.string()), pa.field("part", pa.int32()), pa.field("row", pa.int32()),
        pa.field("goes", pa.bool_()), pa.field("why", pa.int8()),
    ]
)  # fmt: skip
"""One row per place of a content that an entry reaches: what goes, what stays, and why (spread.Why)."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What opt-outs take out.

    rows      for each part bool[N]: the places that go
    contents  string: ids of contents that a place went of and none is left of
    preview   see PREVIEW
    """

    rows: tuple[npt.NDArray[np.bool_], ...]
    contents: pa.Array
    preview: pa.Table


def resolve(
    parts: Iterable[Places], repositories: pa.Table, lists: Sequence[SuppressionList], *,
    effects: Sequence[str] = ("remove",), near: pa.Table | None = None, renamed_to: Mapping[int, str] | None = None,
    author_share: float = AUTHOR_SHARE,
) -> Resolution:  # fmt: skip
    """Apply the lists in force to places.

    parts: read twice, so no iterator; near: columns first_id, second_id of verified near duplicates; renamed_to: see targets_of.
    Raises ConfigError when e-mail entries are of another key than the authors of these places.
    """
    entries = [entry for one in lists for entry in one.in_force(effects)]
    check_author_keys(repositories, [one for one in lists if any(e.kind == "email" for e in one.in_force(effects))])
    targets = targets_of(entries, repositories, renamed_to or {})
    flags = [_named(part, targets, author_share) for part in parts]
    wanted, pairs = _wanted(parts, flags, targets, near)
    where, gathered = _gather(parts, flags, targets, wanted, pairs)
    why = spread(gathered, repositories_of(repositories))
    return _resolution(flags, targets, wanted, where, gathered, why)


def check_author_keys(repositories: pa.Table, lists: Sequence[SuppressionList]) -> None:
    """Raise ConfigError unless the e-mail hashes of lists and repositories are of one key and all authors are known."""
    if not lists or "key_id" not in repositories.column_names:
        return
    used = {one for one in repositories["key_id"].unique().to_pylist() if one}
    for one in lists:
        other = sorted(used - {one.author_key_id})
        if other:
            raise ConfigError(
                f"the e-mail entries of issuer {one.issuer!r} are hashed with the key {one.author_key_id}, this build's authors with "
                f"{other[0]}; build with the key of the list (FAIRSTACK_AUTHOR_KEY) and --anew fetch"
            )
    unknown = pc.and_(pc.invert(repositories["authors_known"]), pc.equal(repositories["source_kind"], "git"))
    count = pc.sum(unknown).as_py() or 0
    if count:
        raise ConfigError(
            f"{lists[0].issuer!r} has opt-outs by e-mail, and the authors of {count:,} git repositories of this build are not known; set "
            "FAIRSTACK_AUTHOR_KEY and run: fairstack data build CONFIG --anew fetch (shallow clones must be deepened first)"
        )


def _named(part: Places, targets: Targets, author_share: float) -> npt.NDArray[np.uint8]:
    """Return the bits of the entries that name each place: uint8[N]."""
    flags = targets.repository[part.repository] if len(part.repository) else np.empty(0, np.uint8)
    if targets.paths:
        for row in np.flatnonzero(np.isin(part.repository, list(targets.paths))).tolist():
            path = part.path[row].as_py()
            for bits, matches in targets.paths[int(part.repository[row])]:
                if matches(path):
                    flags[row] |= bits
    if len(targets.contents):
        at = pc.index_in(part.content_id, targets.contents).fill_null(-1).to_numpy(zero_copy_only=False)
        flags |= np.where(at >= 0, targets.content_flags[at], 0).astype(np.uint8)
    if len(targets.emails) and part.authors is not None:
        flags |= _authored(part.authors, targets, author_share)
    return flags


def _authored(authors: pa.Array, targets: Targets, author_share: float) -> npt.NDArray[np.uint8]:
    """Return the bits of e-mail entries whose author has enough of each place."""
    owner = pc.list_parent_indices(authors).to_numpy(zero_copy_only=False)
    flat = pc.list_flatten(authors)
    at = pc.index_in(flat.field("email_hash"), targets.emails).fill_null(-1).to_numpy(zero_copy_only=False)
    enough = flat.field("share").to_numpy(zero_copy_only=False) >= np.float32(author_share)
    flags = np.zeros(len(authors), np.uint8)
    hit = (at >= 0) & enough
    np.bitwise_or.at(flags, owner[hit], targets.email_flags[at[hit]])
    return flags


def _wanted(
    parts: Iterable[Places], flags: Sequence[npt.NDArray[np.uint8]], targets: Targets, near: pa.Table | None
) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    """Return the contents to gather, and pairs of near duplicates among them as numbers (both directions)."""
    found, nearly = [pa.array([], pa.string())], [pa.array([], pa.string())]
    for part, bits in zip(parts, flags, strict=True):
        touched = (bits > 0) | (targets.linked[part.repository] if targets.linked.any() else False)
        found.append(part.content_id.filter(pa.array(touched)).drop_null())
        nearly.append(part.content_id.filter(pa.array((bits & NEAR) > 0)).drop_null())
    ids, asked = pa.concat_arrays(found).unique(), pa.concat_arrays(nearly).unique()
    if near is None or not len(asked):
        return ids, np.empty((2, 0), np.int64)
    first, second = (near[name].combine_chunks() for name in ("first_id", "second_id"))
    mine = pc.or_(pc.is_in(first, asked), pc.is_in(second, asked))
    first, second = first.filter(mine), second.filter(mine)
    ids = pa.concat_arrays([ids, first, second]).unique()
    pair = np.stack([pc.index_in(one, ids).to_numpy(zero_copy_only=False).astype(np.int64) for one in (first, second)])
    return ids, np.concatenate([pair, pair[::-1]], axis=1)


def _gather(
    parts: Iterable[Places], flags: Sequence[npt.NDArray[np.uint8]], targets: Targets, wanted: pa.Array,
    near: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], Gathered]:  # fmt: skip
    """Return (part, row) of every place of the wanted contents, int64[2, N], and what decides about them."""
    where, content, repository, bits, is_copy = [], [], [], [], []
    for number, (part, named) in enumerate(zip(parts, flags, strict=True)):
        at = pc.index_in(part.content_id, wanted).fill_null(-1).to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(at >= 0)
        where.append(np.stack([np.full(len(rows), number), rows]))
        content.append(at[rows].astype(np.int64))
        repository.append(part.repository[rows].astype(np.int64))
        bits.append(named[rows])
        is_copy.append(part.is_copy[rows] if part.is_copy is not None else np.zeros(len(rows), bool))
    if not where:
        empty = np.empty(0, np.int64)
        return np.empty((2, 0), np.int64), Gathered(empty, empty, empty.astype(np.uint8), empty.astype(bool), near)
    joined = Gathered(
        np.concatenate(content), np.concatenate(repository), np.concatenate(bits), np.concatenate(is_copy), near
    )
    return np.concatenate(where, axis=1), joined


def _resolution(
    flags: Sequence[npt.NDArray[np.uint8]], targets: Targets, wanted: pa.Array, where: npt.NDArray[np.int64],
    gathered: Gathered, why: npt.NDArray[np.int8],
) -> Resolution:  # fmt: skip
    goes = why <= LAST_GOING
    rows = tuple(bits > 0 for bits in flags)
    for number, mask in enumerate(rows):
        mask[where[1][goes & (where[0] == number)]] = True
    gone = np.zeros(len(wanted), bool)
    gone[gathered.content[goes]] = True
    gone[gathered.content[~goes]] = False
    if len(where[0]) and targets.linked.any():
        why = np.where((why == Why.NOT_ASKED) & targets.linked[gathered.repository], Why.OTHER_NAME, why).astype(
            np.int8
        )
    shown = np.flatnonzero(_concerned(gathered, targets))
    preview = pa.table(
        {
            "content_id": wanted.take(pa.array(gathered.content[shown])), "part": where[0][shown], "row": where[1][shown],
            "goes": goes[shown], "why": why[shown],
        }
    ).cast(PREVIEW)  # fmt: skip
    return Resolution(rows, wanted.filter(pa.array(gone)), preview)


def _concerned(gathered: Gathered, targets: Targets) -> npt.NDArray[np.bool_]:
    """Return which gathered places a person should see: all of a content that an entry reaches, and what it is linked to."""
    reached = gathered.content[(gathered.flags & (MATCHES | EXACT)) > 0]
    near = gathered.near[1][np.isin(gathered.near[0], reached)]
    linked = targets.linked[gathered.repository] if len(gathered.repository) else np.empty(0, bool)
    return np.asarray(np.isin(gathered.content, np.concatenate([reached, near])) | linked)
