"""What an opt-out would do to a build, before anybody confirms it: which places go, which copies stay and why, and what follows.

Reads a finished build and entries that need not be in any list; writes nothing of the build: the opt-out step is done once more beside
it, in a folder that is deleted. Shown are the places of every content that an entry reaches; counted are contents of releases, with
the lists in force now and with the entries added to them (a whole list takes the place of its issuer's).

For the builder and the one who asks, not for the public: it names places. It holds nothing else, so it does not tell who asked.
Not covered: what only masks (it hides answers, and takes nothing out of a build), and entries that have ended.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data import storage
from stack_data.build import reopen
from stack_data.decide_optout import repositories_of, resolution_of, run_optout, unreached_by
from stack_data.fold import Fold, fold
from stack_data.layout import Build
from stack_data.optout.lists import Entry, SuppressionList
from stack_data.optout.resolve import Resolution
from stack_data.optout.spread import LAST_GOING, MEANINGS, Why
from stack_data.pipeline import Run
from stack_data.progress import Silent
from stack_data.reasons import Reason
from stack_data.rows import numpy_of

FORMAT = "fairstack-preview/1"
LINES = 20
"""Places of each reason that the text lists."""
WAITING = (Why.MAYBE_OLDER, Why.SHARED_HISTORY, Why.COPY_AT_TARGET, Why.OTHER_NAME)
"""Reasons for which a place stays until a moderator grants the spread."""
EXEMPTION = "Names inside contents that are kept stay, such as a copyright line in someone else's copy: the licence requires it."

PLACES = pa.schema(
    [
        pa.field("content_id", pa.string()), pa.field("host", pa.string()), pa.field("owner", pa.string()),
        pa.field("repo", pa.string()), pa.field("path", pa.string()), pa.field("goes", pa.bool_()), pa.field("why", pa.int8()),
        pa.field("released", pa.bool_()),
    ]
)  # fmt: skip
"""One row per place of a content that is reached, in the order of the build.

why       spread.Why
released  releases name it now: as a place of a file, or of a near duplicate that was dropped beside one
"""


@dataclass(frozen=True, slots=True)
class Preview:
    """What entries would do.

    places       see PLACES
    unread       further places that go, of files that were never read (binaries, too large ones)
    vanish       contents that releases would lose; vanish_bytes: their size
    come_back    near duplicates of what vanishes that releases would have in its place
    reinstated   contents that would be released again because an earlier entry is no longer there
    moved        contents that stay and would be displayed at another place
    unreached    lines of the list whose names the build has nothing of: a slip of the pen, or somebody who is not here; not the
                 names, since a preview is shown to those who ask about their own
    idle         entries that take nothing out: those that only mask, and those that have ended
    """

    places: pa.Table
    unread: int
    vanish: int
    vanish_bytes: int
    come_back: int
    reinstated: int
    moved: int
    idle: int
    unreached: tuple[int, ...]

    @property
    def waiting(self) -> int:
        """How many places wait for a moderator; what no release names anyway needs none."""
        waits = pc.is_in(self.places["why"], pa.array([int(why) for why in WAITING], pa.int8()))
        return _count(pc.and_(waits, self.places["released"]))

    def by_reason(self) -> dict[Why, int]:
        """Return how many places each reason has, in the order of Why."""
        counts = Counter(self.places["why"].to_pylist())
        return {why: counts[why] for why in Why if counts[why]}

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        numbers = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "places"
        }
        reasons = self.by_reason()
        return {
            "format": FORMAT, "goes": sum(number for why, number in reasons.items() if why <= LAST_GOING),
            "stays": sum(number for why, number in reasons.items() if why > LAST_GOING), "waiting": self.waiting, **numbers,
            "reasons": {why.name.lower(): {"places": number, "meaning": MEANINGS[why]} for why, number in reasons.items()},
            "exempt": EXEMPTION,
            "places": [row | {"why": Why(row["why"]).name.lower()} for row in self.places.to_pylist()],
        }  # fmt: skip


def preview(folder: Path, candidate: SuppressionList | Entry) -> Preview:
    """Return what a list, or one more entry, would do to a finished build. Nothing of the build changes.

    Raises InputError when the build is not finished, ConfigError when e-mail entries are of another key.
    """
    return preview_of(reopen(folder), candidate)


def preview_of(run: Run, candidate: SuppressionList | Entry) -> Preview:
    """Return what a list, or one more entry, would do to an opened build."""
    if isinstance(candidate, Entry):
        asked = SuppressionList(issuer="asked", epoch=0, created=candidate.since, entries=(candidate,))
        after: Sequence[SuppressionList] = (*run.lists, asked)
    else:
        asked = candidate
        after = (*(one for one in run.lists if one.issuer != candidate.issuer), candidate)
    found, now = resolution_of(run, [asked]), fold(run.build, run.config, run.parts())
    places = _places(run, found, now)
    unread = sum(int(rows.sum()) for rows in found.rows) - _count(places["goes"])
    return Preview(
        places, unread, **_outcome(run, now, after),
        idle=len(asked.entries) - len(asked.in_force()),
        unreached=_lines(asked, unreached_by(run, asked)),
    )  # fmt: skip


def _lines(asked: SuppressionList, entries: Sequence[Entry]) -> tuple[int, ...]:
    """Return the lines at which a list has these entries: the header is line 1."""
    found = set(entries)
    return tuple(number for number, one in enumerate(asked.entries, 2) if one in found)


def _count(holds: pa.ChunkedArray) -> int:
    return int(pc.sum(holds).as_py() or 0)


def _places(run: Run, found: Resolution, now: Fold) -> pa.Table:
    """Spell out the places of a resolution: see PLACES."""
    repositories, first = repositories_of(run)
    released = _released(run, now)
    tables = [PLACES.empty_table()]
    numbers = found.preview["part"].to_numpy()
    for number, (group, part) in enumerate(run.parts()):
        mine = found.preview.filter(pa.array(numbers == number))
        if not mine.num_rows:
            continue
        stored = storage.read_parquet(run.build.provenance(part), ["repository", "path"]).take(mine["row"])
        names = repositories.take(pa.array(stored["repository"].to_numpy().astype(np.int64) + first[group]))
        columns = {name: names[name] for name in ("host", "owner", "repo")} | {"path": stored["path"]}
        columns |= {name: mine[name] for name in ("content_id", "goes", "why")}
        columns["released"] = pa.array(np.isin(_keys(number, mine["row"]), released))
        tables.append(pa.table([columns[name] for name in PLACES.names], names=PLACES.names).cast(PLACES))
    return pa.concat_tables(tables)


def _keys(part: int | npt.NDArray[np.int64], rows: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    return np.asarray(part * 2**32 + rows.to_numpy().astype(np.int64))


def _released(run: Run, now: Fold) -> npt.NDArray[np.int64]:
    """Return the places that releases name, each as a number."""
    parts = pa.array([part for _, part in run.parts()])
    columns = ((one["place_part"].cast(pa.string()), one["place_row"]) for one in (now.places, now.near))
    return np.concatenate([_keys(numpy_of(pc.index_in(part, parts)).astype(np.int64), row) for part, row in columns])


@dataclass(frozen=True, slots=True)
class _Beside(Build):
    """A build whose opt-out step lies elsewhere."""

    scratch: Path

    def decisions(self, stage: str, part: str) -> Path:
        return self.scratch / f"{part}.parquet" if stage == "optout" else Build.decisions(self, stage, part)

    def stage_manifest(self, stage: str) -> Path:
        return self.scratch / "manifest.json" if stage == "optout" else Build.stage_manifest(self, stage)

    def relative(self, path: Path) -> str:
        return Build.relative(
            self, self.folder / "decisions" / "optout" / path.name if path.parent == self.scratch else path
        )


def _outcome(run: Run, now: Fold, lists: Sequence[SuppressionList]) -> dict[str, int]:
    """Return the counts of Preview: releases with these lists in force beside releases now."""
    with tempfile.TemporaryDirectory() as scratch:
        beside = dataclasses.replace(
            run, build=_Beside(run.build.folder, Path(scratch)), lists=tuple(lists), progress=Silent()
        )
        run_optout(beside)
        then = fold(beside.build, run.config, run.parts())
    gone = _without(now.kept, then.kept)
    returned = _without(then.kept, now.kept)
    before = now.dropped.filter(pc.is_in(now.dropped["content_id"], returned["content_id"].combine_chunks()))
    near = _count(pc.equal(before["reason"].cast(pa.string()), Reason.NEAR_DUPLICATE.value))
    return {
        "vanish": gone.num_rows, "vanish_bytes": int(gone["num_bytes"].to_numpy().sum()), "come_back": near,
        "reinstated": returned.num_rows - near, "moved": _moved(now, then),
    }  # fmt: skip


def _without(kept: pa.Table, others: pa.Table) -> pa.Table:
    return kept.filter(pc.invert(pc.is_in(kept["content_id"], others["content_id"].combine_chunks())))


def _moved(now: Fold, then: Fold) -> int:
    """Return how many contents are in both and displayed at different places."""
    at = pc.index_in(then.kept["content_id"], now.kept["content_id"].combine_chunks())
    both = numpy_of(at.is_valid()).astype(bool)
    old, new = now.kept.take(at.filter(pa.array(both))), then.kept.filter(pa.array(both))
    same: npt.NDArray[np.bool_] = numpy_of(old["place_row"]) == numpy_of(new["place_row"])
    return int((~(same & numpy_of(pc.equal(*(one["place_part"].cast(pa.string()) for one in (old, new)))))).sum())


def preview_text(found: Preview) -> str:
    """Return a preview for people: the counts, then the first places of each reason."""
    told = found.to_json()
    released = [
        _count(pc.and_(found.places["released"], pc.equal(found.places["goes"], goes))) for goes in (True, False)
    ]
    lines = [
        f"places that go: {told['goes']:,}, of which releases name {released[0]:,}",
        f"copies that stay: {told['stays']:,}, of which releases name {released[1]:,} and {found.waiting:,} wait for a moderator",
        f"contents that releases lose: {found.vanish:,} ({found.vanish_bytes:,} bytes); displayed at another place: {found.moved:,}",
        f"near duplicates that come back in their place: {found.come_back:,}",
    ]
    lines += [f"places of files that were never read, which go too: {found.unread:,}"] if found.unread else []
    lines += [f"contents that are released again: {found.reinstated:,}"] if found.reinstated else []
    lines += [f"entries that only mask or have ended: {found.idle:,}"] if found.idle else []
    if found.unreached:
        at = ", ".join(map(str, found.unreached[:LINES])) + (", ..." if len(found.unreached) > LINES else "")
        lines.append(f"entries whose name is nowhere in this build: {len(found.unreached):,} (lines {at})")
    lines.append(EXEMPTION)
    for why, number in found.by_reason().items():
        lines += ["", f"{'goes' if why <= LAST_GOING else 'stays'}: {MEANINGS[why]} ({number:,})"]
        lines += [f"  {line}" for line in _first(found.places, why)]
        lines += [f"  and {number - LINES:,} more"] if number > LINES else []
    return "\n".join(lines)


def _first(places: pa.Table, why: Why) -> Iterator[str]:
    """Yield the first places of a reason, those that releases name before the others."""
    mine = places.filter(pc.equal(places["why"], int(why)))
    order = pa.array(np.argsort(~numpy_of(mine["released"]).astype(bool), kind="stable")[:LINES])
    for row in mine.take(order).to_pylist():
        aside = "" if row["released"] else "  (in no release)"
        yield f"{row['content_id']}  {row['host']}/{row['owner']}/{row['repo']}: {row['path']}{aside}"
