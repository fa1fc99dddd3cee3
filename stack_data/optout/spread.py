"""How far an opt-out spreads beyond the places it names: which copies elsewhere go, which stay, and why.

Works on the gathered places of the contents concerned. A copy elsewhere goes without a moderator only when it cannot be the original:

    fork           the host says that its repository is a fork of the target's (fork_of), directly or through others
    same_repository  it lies in the target's own repository
    created_later  a registry's upload held the bytes before the copy's repository existed at its host, and that holds for
                   every other place of the content that is known

Only what a pusher cannot write counts: the time of an upload to a registry (a package's host_time) as the latest time by which the
target had the bytes, the time at which a host created a repository as the earliest by which a copy can have had them. A repository's
own age proves nothing about its contents, since anything can be pushed into an old one; nor do commit dates and root commits, which
can be forged; equal root commits only show that a moderator has to look (shared_history). A target that is vendored or generated
there grants nothing.

Given up: most first-time requests with a spread go to a moderator.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data.optout.name_columns import fold_column
from stack_data.optout.targets import EXACT, EXACT_GRANTED, MATCHES, NEAR, NEAR_GRANTED

_Ints = npt.NDArray[np.int64]
_Bools = npt.NDArray[np.bool_]
_NEVER, _ALWAYS = np.int64(2**62), np.int64(-(2**62))


class Why(IntEnum):
    """Why a place goes (up to LAST_GOING) or stays."""

    MATCHES = 1
    SAME_REPOSITORY = 2
    FORK = 3
    CREATED_LATER = 4
    GRANTED = 5
    NOT_ASKED = 6
    MAYBE_OLDER = 7
    SHARED_HISTORY = 8
    COPY_AT_TARGET = 9
    OTHER_NAME = 10


LAST_GOING = Why.GRANTED
MEANINGS = {
    Why.MATCHES: "an entry names it",
    Why.SAME_REPOSITORY: "a copy in the same repository",
    Why.FORK: "its host says that it is a fork of the target",
    Why.CREATED_LATER: "its repository was created after the target was uploaded to a registry",
    Why.GRANTED: "a moderator has granted it",
    Why.NOT_ASKED: "a copy elsewhere, and the entry does not ask for copies",
    Why.MAYBE_OLDER: "it, or another copy, may be the original: for a moderator",
    Why.SHARED_HISTORY: "its history has the same root commit, which can be pushed: for a moderator",
    Why.COPY_AT_TARGET: "the target's own copy is vendored or generated: for a moderator",
    Why.OTHER_NAME: "only a name that others may hold (a former name, a project's own statement) leads here: for a moderator",
}


@dataclass(frozen=True, slots=True)
class Repositories:
    """What decides about R repositories, beside their names.

    uploaded  int64[R]: seconds since 1970 by which a registry had the package; _NEVER for what is no package
    created   int64[R]: seconds at which the host created it; _ALWAYS where unknown, and for packages (an earlier version may have
              been uploaded before)
    ancestors list of (row, row of the repository it is a fork of): int64[2, K]
    history   int64[R]: equal numbers share a root commit; -1 unknown
    """

    uploaded: _Ints
    created: _Ints
    ancestors: _Ints
    history: _Ints


_PACKAGES = ("packages", "environment")


def repositories_of(table: pa.Table) -> Repositories:
    """Read what decides out of a table of repositories (records.REPOSITORIES; columns that are missing are unknown)."""
    fields = {
        "source_kind": pa.string(),
        "host_time": pa.string(),
        "fork_of": pa.string(),
        "root_commits": pa.list_(pa.string()),
    }
    kind, time, fork, roots = (
        table[name].combine_chunks() if name in table.column_names else pa.nulls(table.num_rows, of)
        for name, of in fields.items()
    )
    is_package = np.asarray(pc.is_in(kind, pa.array(_PACKAGES)).to_numpy(zero_copy_only=False), bool)
    stated = _seconds(time)
    known = stated != _ALWAYS
    return Repositories(
        np.where(is_package & known, stated, _NEVER), np.where(~is_package & known, stated, _ALWAYS),
        _ancestors(table, fork), _histories(roots),
    )  # fmt: skip


def _seconds(times: pa.Array) -> _Ints:
    """Return times as seconds since 1970, _ALWAYS for none and for what is no time: int64[N]."""
    found = np.full(len(times), _ALWAYS)
    rows = np.flatnonzero(pc.greater(pc.utf8_length(times), 0).fill_null(False).to_numpy(zero_copy_only=False))
    texts = [text.removesuffix("Z") for text in times.take(pa.array(rows)).to_pylist()]
    try:
        found[rows] = np.array(texts, "datetime64[s]").astype(np.int64)
    except ValueError:
        found[rows] = [_second(text) for text in texts]
    return np.maximum(found, _ALWAYS)


def _second(text: str) -> int:
    try:
        return int(np.datetime64(text, "s").astype(np.int64))
    except ValueError:
        return int(_ALWAYS)


def _ancestors(table: pa.Table, fork_of: pa.Array) -> _Ints:
    """Return each fork with every repository of the table above it."""
    forks = np.flatnonzero(pc.greater(pc.utf8_length(fork_of), 0).fill_null(False).to_numpy(zero_copy_only=False))
    parents = dict(zip(forks.tolist(), fold_column(fork_of.take(pa.array(forks))).to_pylist(), strict=True))
    rows = _rows_of(table, set(parents.values())) if parents else {}
    pairs: list[tuple[int, int]] = []
    for row in parents:
        seen, above = {row}, rows.get(parents[row])
        while above is not None and above not in seen:
            pairs.append((row, above))
            seen.add(above)
            above = rows.get(parents[above]) if above in parents else None
    return np.array(pairs, np.int64).reshape(-1, 2).T


def _rows_of(table: pa.Table, names: set[str]) -> dict[str, int]:
    """Return the rows of the repositories that have these names."""
    full = fold_column(
        pc.binary_join_element_wise(*(table[name].combine_chunks() for name in ("host", "owner", "repo")), "/")
    )
    rows = np.flatnonzero(pc.is_in(full, pa.array(list(names))).to_numpy(zero_copy_only=False))
    return dict(zip(full.take(pa.array(rows)).to_pylist(), rows.tolist(), strict=True))


def _histories(roots: pa.Array) -> _Ints:
    """Number repositories so that those that share a root commit, or are joined by others that do, have the same number."""
    rows = pc.list_parent_indices(roots).to_numpy(zero_copy_only=False)
    commits = pc.list_flatten(roots).dictionary_encode()
    codes = np.asarray(commits.indices.to_numpy(zero_copy_only=False), np.int64)
    # The first repository that has each commit stands for it.
    first = np.unique(codes, return_index=True)[1] if len(codes) else np.empty(0, np.int64)
    leader = np.asarray(rows[first], np.int64)
    parent: dict[int, int] = {}

    def find(row: int) -> int:
        while parent.get(row, row) != row:
            parent[row] = parent.get(parent[row], parent[row])
            row = parent[row]
        return row

    found = np.full(len(roots), -1)
    found[rows] = leader[codes]
    joining = np.flatnonzero(found[rows] != leader[codes])
    for row, code in zip(rows[joining].tolist(), codes[joining].tolist(), strict=True):
        parent[find(int(leader[code]))] = find(int(found[row]))
    numbers = np.arange(len(roots))
    numbers[list(parent)] = [find(row) for row in list(parent)]
    return np.where(found >= 0, numbers[found], -1)


@dataclass(frozen=True, slots=True)
class Gathered:
    """N places of the contents concerned.

    content     int64[N]: number of the content; repository: int64[N]; flags: uint8[N], bits of entries that name the place
    is_copy     bool[N]: vendored or generated there
    near        int64[2, K]: pairs of contents whose text is nearly the same, in both directions
    """

    content: _Ints
    repository: _Ints
    flags: npt.NDArray[np.uint8]
    is_copy: _Bools
    near: _Ints

    def holding(self, places: _Bools) -> _Bools:
        """Return which contents have one of these places: bool[contents]."""
        found = np.zeros(1 + max(self.content.max(initial=-1), self.near.max(initial=-1)), bool)
        found[self.content[places]] = True
        return found


def spread(places: Gathered, facts: Repositories) -> npt.NDArray[np.int8]:
    """Return for each gathered place why it goes or stays (Why): int8[N]."""
    why = np.where(places.flags & MATCHES, Why.MATCHES, Why.NOT_ASKED).astype(np.int8)
    asked = np.flatnonzero(places.holding((places.flags & EXACT) > 0))
    _judge(why, places, facts, np.stack([asked, asked]), EXACT, EXACT_GRANTED, None)
    asks = places.holding((places.flags & NEAR) > 0)
    near = places.near[:, asks[places.near[0]]]
    if near.shape[1]:
        # A near duplicate is no younger than its target unless every place of the target's own bytes is known to be.
        asked = np.unique(near[0])
        original = np.zeros(len(asks), bool)
        original[asked] = _oldest(places, facts, np.stack([asked, asked]), NEAR)
        _judge(why, places, facts, near, NEAR, NEAR_GRANTED, original)
    return why


def _judge(
    why: npt.NDArray[np.int8], places: Gathered, facts: Repositories, pairs: _Ints, asks: int, grants: int,
    original: _Bools | None,
) -> None:  # fmt: skip
    """Decide about the places of pairs[1] as copies of the targets of pairs[0]; write it into `why` where it is stronger."""
    if not pairs.shape[1]:
        return
    case, row = _cases(pairs, places.content)
    left = (places.flags[row] & MATCHES) == 0
    case, row = case[left], row[left]
    of = pairs[0][case]
    here = places.repository[row]
    target = (places.flags & asks) > 0
    sound = target & ~places.is_copy
    owned = _keys(places.content[target], places.repository[target], facts)
    above = _keys(places.content[sound], places.repository[sound], facts)
    forks = _is_fork(of, here, above, facts)
    same = _is_in(_keys(of, here, facts), owned)
    granted = places.holding((places.flags & grants) > 0)[of]
    has_sound = places.holding(sound)[of]
    rooted = target & (facts.history[places.repository] >= 0)
    roots = _keys(places.content[rooted], facts.history[places.repository[rooted]], facts)
    shared = (facts.history[here] >= 0) & _is_in(_keys(of, facts.history[here], facts), roots)
    later = facts.created[here] > _evidence(of, places, sound, facts)
    oldest = _all_of(case, (later & ~shared) | forks | same, pairs.shape[1])[case]
    if original is not None:
        oldest &= original[of]
    found = np.select(
        [granted, same, forks, ~has_sound, shared, oldest & later],
        [Why.GRANTED, Why.SAME_REPOSITORY, Why.FORK, Why.COPY_AT_TARGET, Why.SHARED_HISTORY, Why.CREATED_LATER],
        Why.MAYBE_OLDER,
    ).astype(np.int8)
    # A place may be a copy of several targets: going wins over staying, and a reason over none.
    for reason in (*_STAYING, *_GOING):
        why[row[found == reason]] = np.where(
            _strength(why[row[found == reason]]) < _strength(np.int8(reason)), reason, why[row[found == reason]]
        )


_STAYING = (Why.MAYBE_OLDER, Why.SHARED_HISTORY, Why.COPY_AT_TARGET)
_GOING = (Why.CREATED_LATER, Why.FORK, Why.SAME_REPOSITORY, Why.GRANTED)
_ORDER = np.zeros(max(Why) + 1, np.int8)
_ORDER[[*_STAYING, *_GOING, Why.MATCHES]] = np.arange(1, 9)


def _strength(why: npt.NDArray[np.int8] | np.int8) -> npt.NDArray[np.int8]:
    return np.asarray(_ORDER[why])


def _oldest(places: Gathered, facts: Repositories, pairs: _Ints, asks: int) -> _Bools:
    """Return for each pair of equal contents whether the targets are older than all other places of it: bool[pairs]."""
    case, row = _cases(pairs, places.content)
    of, here = pairs[0][case], places.repository[row]
    target = (places.flags & asks) > 0
    sound = target & ~places.is_copy
    later = facts.created[here] > _evidence(of, places, sound, facts)
    owned = _keys(places.content[target], places.repository[target], facts)
    known = target[row] | later | _is_in(_keys(of, here, facts), owned) | _is_fork(of, here, _keys(
        places.content[sound], places.repository[sound], facts), facts)  # fmt: skip
    return _all_of(case, known, pairs.shape[1])


def _cases(pairs: _Ints, content: _Ints) -> tuple[_Ints, _Ints]:
    """Return (number of the pair, gathered place) for every place of every pair's second content."""
    order = np.argsort(content, kind="stable")
    begin = np.searchsorted(content[order], pairs[1], side="left")
    lengths = np.searchsorted(content[order], pairs[1], side="right") - begin
    case = np.repeat(np.arange(pairs.shape[1]), lengths)
    at = np.arange(len(case)) + (begin - (np.cumsum(lengths) - lengths))[case]
    return case, order[at]


def _keys(content: _Ints, repository: _Ints, facts: Repositories) -> _Ints:
    """Return one number for each pair of a content and a row (or history) of the table of repositories."""
    return content * len(facts.created) + repository


def _is_in(values: _Ints, among: _Ints) -> _Bools:
    """Return which values are among others: bool[N]. A third of the time of numpy's isin where both are millions."""
    if not len(among):
        return np.zeros(len(values), bool)
    among = np.sort(among)
    return np.asarray(among[np.minimum(np.searchsorted(among, values), len(among) - 1)] == values)


def _is_fork(of: _Ints, here: _Ints, above: _Ints, facts: Repositories) -> _Bools:
    """Return whether each place's repository is a fork of one that holds a target of content `of`."""
    if not facts.ancestors.shape[1]:
        return np.zeros(len(of), bool)
    child, parent = facts.ancestors[:, np.argsort(facts.ancestors[0], kind="stable")]
    begin = np.searchsorted(child, here, side="left")
    lengths = np.searchsorted(child, here, side="right") - begin
    place = np.repeat(np.arange(len(here)), lengths)
    at = np.arange(len(place)) + (begin - (np.cumsum(lengths) - lengths))[place]
    hit = _is_in(_keys(of[place], parent[at], facts), above)
    found = np.zeros(len(of), bool)
    found[place[hit]] = True
    return found


def _evidence(of: _Ints, places: Gathered, sound: _Bools, facts: Repositories) -> _Ints:
    """Return for contents the earliest time by which a registry held them at a target: int64, _NEVER without."""
    earliest = np.full(len(places.holding(sound)), _NEVER)
    np.minimum.at(earliest, places.content[sound], facts.uploaded[places.repository[sound]])
    return np.asarray(earliest[of], np.int64)


def _all_of(case: _Ints, holds: _Bools, count: int) -> _Bools:
    """Return for each case whether `holds` is true of all its rows."""
    failed = np.zeros(count, bool)
    failed[case[~holds]] = True
    return ~failed
