"""Who left: the places that opt-outs take away, and what share of a build that is.

Reads decisions/optout/; writes nothing. Shares are of what would have been kept without any opt-out, before near duplicates are
dropped. Counts only: nothing here names an owner, a repository or a content.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data import manifest, storage
from stack_data.layout import Build
from stack_data.purges import erased
from stack_data.reasons import LEAVING, Reason
from stack_data.rows import Rows, numpy_of
from stack_data.signals import candidates

_Bools = npt.NDArray[np.bool_]

ERASING = (Reason.OPTED_OUT, Reason.RESERVED_IN_REPOSITORY)
"""What a purge erases. A source that is merely gone is left out, and not erased."""


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    number: int
    of: int

    @property
    def fraction(self) -> float:
        """The share, 0 of nothing."""
        return self.number / self.of if self.of else 0.0


@dataclass(frozen=True, slots=True)
class Departures:
    """What left. reasons: (reason, files, bytes); a file, owner or repository counts once nothing of it is left."""

    reasons: tuple[tuple[Reason, int, int], ...]
    files: Share
    num_bytes: Share
    owners: Share
    repositories: Share

    def to_json(self) -> dict[str, Any]:
        """Return the counts as plain JSON values."""
        shares = {
            "files": self.files,
            "bytes": self.num_bytes,
            "owners": self.owners,
            "repositories": self.repositories,
        }
        return {
            "left": {name: {"number": one.number, "of": one.of} for name, one in shares.items()},
            "reasons": {reason.value: {"files": files, "bytes": size} for reason, files, size in self.reasons},
        }


def leaving(build: Build, rows: Rows, parts: Sequence[tuple[str, str]]) -> npt.NDArray[np.int8]:
    """Return why each place leaves: int8[P], its number in LEAVING, -1 when it stays."""
    left = _decided(build, parts)
    groups = dict.fromkeys(group for group, _ in parts)
    if not build.purges.exists() or not rows.ids:
        return left
    outputs = {
        name: output
        for group in groups
        for name, output in manifest.read(build.group_manifest(group)).outputs.items()
        if name.startswith("files/")
    }
    gone = pa.array(sorted(erased(build.folder, outputs)), pa.string())
    hit = of_content(rows, numpy_of(pc.is_in(rows.ids, gone)).astype(bool))
    return np.where((left < 0) & hit, LEAVING.index(Reason.PURGED), left).astype(np.int8)


def erasable(build: Build, parts: Sequence[tuple[str, str]]) -> pa.Array:
    """Return the ids of contents all of whose places have opted out or are reserved: string, sorted."""
    leaves, stays = [pa.array([], pa.string())], [pa.array([], pa.string())]
    for _, part in parts:
        reasons = storage.read_parquet(build.decisions("optout", part), ["reason"])["reason"].cast(pa.string())
        places = storage.read_parquet(build.provenance(part), ["content_id", "path"])
        hit = pc.is_in(reasons, pa.array([one.value for one in ERASING]))
        hit = pc.and_(hit, pc.invert(pc.match_substring_regex(places["path"], candidates())))
        leaves.append(places["content_id"].filter(hit).drop_null().combine_chunks())
        stays.append(places["content_id"].filter(pc.invert(hit)).drop_null().combine_chunks())
    left = pa.concat_arrays(leaves).unique()
    gone = left.filter(pc.invert(pc.is_in(left, pa.concat_arrays(stays).unique())))
    return gone.take(pc.sort_indices(gone))


def _decided(build: Build, parts: Sequence[tuple[str, str]]) -> npt.NDArray[np.int8]:
    names = pa.array([reason.value for reason in LEAVING])
    found = [np.empty(0, np.int8)]
    for _, part in parts:
        reasons = storage.read_parquet(build.decisions("optout", part), ["reason"])["reason"].cast(pa.string())
        found.append(numpy_of(pc.index_in(reasons, names).fill_null(-1)).astype(np.int8))
    return np.concatenate(found)


def has_place(rows: Rows, places: _Bools) -> _Bools:
    """Return which contents have one of these places: bool[C]."""
    found = np.zeros(len(rows.owner), bool)
    found[rows.content[places]] = True
    return found


def of_content(rows: Rows, contents: _Bools) -> _Bools:
    """Return for each place what holds of its content, False where it was never read: bool[P]."""
    return (
        np.asarray(contents[rows.content] & (rows.content >= 0)) if len(contents) else np.zeros(len(rows.content), bool)
    )


def left_reasons(
    rows: Rows, left: npt.NDArray[np.int8], before: _Bools, gone: _Bools
) -> Iterator[tuple[Reason, _Bools]]:
    """Yield for each reason which of the contents that are gone left for it: the weightiest of their places."""
    for code in reversed(range(len(LEAVING))):
        yield LEAVING[code], gone & has_place(rows, before & (left == code))


def departures(rows: Rows, left: npt.NDArray[np.int8], before: _Bools) -> Departures:
    """Count what left. before: the places that would be kept without any opt-out, bool[P]."""
    after = before & (left < 0)
    contents, remaining = has_place(rows, before), has_place(rows, after)
    gone = contents & ~remaining
    first = np.zeros(len(gone), np.int8)
    for code, (_, hit) in enumerate(left_reasons(rows, left, before, gone)):
        first[hit] = len(LEAVING) - 1 - code
    reasons = tuple(
        (LEAVING[code], int(chosen.sum()), int(rows.sizes[chosen].sum()))
        for code in range(len(LEAVING))
        if (chosen := gone & (first == code)).any()
    )
    owners, repositories = _owner_codes(rows.repositories), np.arange(rows.repositories.num_rows)
    return Departures(
        reasons, Share(int(gone.sum()), int(contents.sum())), Share(int(rows.sizes[gone].sum()), int(rows.sizes[contents].sum())),
        _share_of(owners, rows, before, after), _share_of(repositories, rows, before, after),
    )  # fmt: skip


def _share_of(codes: npt.NDArray[np.int64], rows: Rows, before: _Bools, after: _Bools) -> Share:
    had = np.unique(codes[rows.repository[before]])
    has = np.unique(codes[rows.repository[after]])
    return Share(len(had) - len(has), len(had))


def _owner_codes(repositories: pa.Table) -> npt.NDArray[np.int64]:
    """Number the owners of repositories; a package without owner is its own."""
    owner = pc.if_else(
        pc.equal(repositories["owner"], "-"),
        pc.binary_join_element_wise("-", repositories["repo"], "/"),
        repositories["owner"],
    )
    names = pc.binary_join_element_wise(repositories["host"], owner, "/")
    combined = names.combine_chunks() if isinstance(names, pa.ChunkedArray) else names
    return numpy_of(combined.dictionary_encode().indices).astype(np.int64)
