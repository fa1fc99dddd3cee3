"""resolve: which places a set of suppression lists takes out, and which contents no place is left of. A pure function.

Everything that must honour an opt-out asks here: fetch, release, index, shards and serving. Two passes over the places, part by part:
the first finds the places that entries name, the second gathers every place of the contents they hold (and of their near duplicates
where an entry asks for those), on which the spread is decided. Memory: one byte per place, and about 150 bytes for each that is gathered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data.errors import ConfigError
from stack_data.optout.id_set import IdSet, raw_ids
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
    flags, wanted, pairs = _named(parts, targets, author_share, near)
    where, gathered = _gather(parts, flags, wanted, pairs)
    has_spread = bool((gathered.flags & (EXACT | NEAR)).any())
    why = spread(gathered, repositories_of(repositories if has_spread else repositories.slice(0, 0)))
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


def _named(
    parts: Iterable[Places], targets: Targets, author_share: float, near: pa.Table | None
) -> tuple[list[npt.NDArray[np.uint8]], IdSet, npt.NDArray[np.int64]]:
    """Return the bits of the entries that name each place (uint8[N] of each part), and the contents to gather: see _with_near."""
    flags, reached, nearly = [], [], []
    for part in parts:
        bits = _flags(part, targets, author_share)
        flags.append(bits)
        reached.append(raw_ids(part.content_id.filter(pa.array((bits > 0) | targets.linked[part.repository]))))
        nearly.append(raw_ids(part.content_id.filter(pa.array((bits & NEAR) > 0))))
    wanted, pairs = _with_near(reached, nearly, near)
    return flags, wanted, pairs


def _flags(part: Places, targets: Targets, author_share: float) -> npt.NDArray[np.uint8]:
    """Return the bits of the entries that name each place: uint8[N]."""
    flags = targets.repository[part.repository]
    for row in np.flatnonzero(targets.has_paths[part.repository]).tolist() if targets.paths else ():
        path = part.path[row].as_py()
        for bits, matches in targets.paths[int(part.repository[row])]:
            if matches(path):
                flags[row] |= bits
    if len(targets.contents):
        at = targets.contents.index_in(part.content_id)
        flags |= np.where(at >= 0, targets.content_flags[at], 0).astype(np.uint8)
    if len(targets.emails) and part.authors is not None:
        flags |= _authored(part.authors, targets, author_share)
    return flags


def _authored(authors: pa.Array, targets: Targets, author_share: float) -> npt.NDArray[np.uint8]:
    """Return the bits of e-mail entries whose author has enough of each place."""
    owner = pc.list_parent_indices(authors).to_numpy(zero_copy_only=False)
    flat = pc.list_flatten(authors)
    at = targets.emails.index_in(flat.field("email_hash"))
    enough = flat.field("share").to_numpy(zero_copy_only=False) >= np.float32(author_share)
    flags = np.zeros(len(authors), np.uint8)
    hit = (at >= 0) & enough
    np.bitwise_or.at(flags, owner[hit], targets.email_flags[at[hit]])
    return flags


def _with_near(
    reached: list[npt.NDArray[np.uint8]], asked: list[npt.NDArray[np.uint8]], near: pa.Table | None
) -> tuple[IdSet, npt.NDArray[np.int64]]:
    """Return the contents to gather, and pairs of near duplicates among them as numbers (both directions).

    reached: raw ids of what entries reach or are linked to; asked: of that, whose near duplicates are asked for.
    """
    anchors = IdSet.joined(asked)
    if near is None or not len(anchors):
        return IdSet.joined(reached), np.empty((2, 0), np.int64)
    first, second = (near[name].combine_chunks() for name in ("first_id", "second_id"))
    mine = pa.array((anchors.index_in(first) >= 0) | (anchors.index_in(second) >= 0))
    first, second = first.filter(mine), second.filter(mine)
    wanted = IdSet.joined([*reached, raw_ids(first), raw_ids(second)])
    pair = np.stack([wanted.index_in(one) for one in (first, second)])
    return wanted, np.concatenate([pair, pair[::-1]], axis=1)


def _gather(
    parts: Iterable[Places], flags: Sequence[npt.NDArray[np.uint8]], wanted: IdSet, near: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int32], Gathered]:
    """Return (part, row) of every place of the wanted contents, int32[2, N] in order, and what decides about them."""
    if not len(wanted):
        return np.empty((2, 0), np.int32), _joined([], near)
    where, found = [], []
    for number, (part, named) in enumerate(zip(parts, flags, strict=True)):
        at = wanted.index_in(part.content_id)
        rows = np.flatnonzero(at >= 0)
        where.append(np.stack([np.full(len(rows), number), rows]).astype(np.int32))
        copies = part.is_copy[rows] if part.is_copy is not None else np.zeros(len(rows), bool)
        found.append((at[rows], part.repository[rows], named[rows], copies))
    return np.concatenate([np.empty((2, 0), np.int32), *where], axis=1), _joined(found, near)


def _joined(found: Sequence[tuple[npt.NDArray[Any], ...]], near: npt.NDArray[np.int64]) -> Gathered:
    empty = tuple(np.empty(0, kind) for kind in (np.int64, np.int64, np.uint8, bool))
    content, repository, bits, is_copy = (np.concatenate(column) for column in zip(empty, *found, strict=True))
    return Gathered(content, repository, bits, is_copy, near)


def _resolution(
    flags: Sequence[npt.NDArray[np.uint8]], targets: Targets, wanted: IdSet, where: npt.NDArray[np.int32],
    gathered: Gathered, why: npt.NDArray[np.int8],
) -> Resolution:  # fmt: skip
    goes = why <= LAST_GOING
    rows = tuple(bits > 0 for bits in flags)
    for mask, (begin, end) in zip(rows, _ranges(where[0], len(rows)), strict=True):
        mask[where[1, begin:end][goes[begin:end]]] = True
    gone = np.zeros(len(wanted), bool)
    gone[gathered.content[goes]] = True
    gone[gathered.content[~goes]] = False
    is_other = (why == Why.NOT_ASKED) & targets.linked[gathered.repository]
    shown = np.flatnonzero(_concerned(gathered, targets))
    preview = pa.table(
        {
            "content_id": wanted.ids(gathered.content[shown]), "part": where[0][shown], "row": where[1][shown],
            "goes": goes[shown], "why": np.where(is_other, np.int8(Why.OTHER_NAME), why)[shown],
        }
    ).cast(PREVIEW)  # fmt: skip
    return Resolution(rows, wanted.ids(np.flatnonzero(gone)), preview)


def _ranges(parts: npt.NDArray[np.int32], count: int) -> Iterator[tuple[int, int]]:
    """Yield where the places of each part begin and end among gathered ones."""
    bounds = np.searchsorted(parts, np.arange(count + 1))
    yield from zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)


def _concerned(gathered: Gathered, targets: Targets) -> npt.NDArray[np.bool_]:
    """Return which gathered places a person should see: all of a content that an entry reaches, and what it is linked to."""
    reached = gathered.holding((gathered.flags & (MATCHES | EXACT)) > 0)
    shown = reached.copy()
    shown[gathered.near[1][reached[gathered.near[0]]]] = True
    return np.asarray(shown[gathered.content] | targets.linked[gathered.repository])
