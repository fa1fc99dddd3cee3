"""What the hosts of a build's sources said when they were last asked (recheck.py), as decisions about repositories and places.

Reads recheck.json; writes nothing. A repository whose host says that it is gone leaves; one that its host redirects is known by the
name it has now; signals that have come up since are honoured as if they had been there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data import manifest, recheck
from stack_data.pipeline import Run
from stack_data.recheck import Checked
from stack_data.signals import Signals, reserved


@dataclass(frozen=True, slots=True)
class Rechecked:
    """What is known of the repositories of a build, by source group and row of its repositories.

    gone      rows whose host says that they are gone; renamed_to: row -> host/owner/repo now
    reserved  row -> signals that are there now
    """

    gone: dict[str, set[int]]
    renamed_to: dict[str, dict[int, str]]
    reserved: dict[str, dict[int, Signals]]

    def reserved_places(self, group: str, places: pa.Table) -> npt.NDArray[np.bool_]:
        """Return which places (columns repository, path) today's signals reserve: bool[N]."""
        found = np.zeros(places.num_rows, bool)
        for row, signals in self.reserved.get(group, {}).items():
            mine = pc.indices_nonzero(pc.equal(places["repository"], row))
            codes, _ = signals.codes(places["path"].take(mine))
            found[mine.to_numpy()] = codes >= 0
        return found


def rechecked(run: Run) -> Rechecked:
    """Return what the last recheck says of the repositories that a build has; nothing when there was none."""
    found = Rechecked({}, {}, {})
    for group, row, checked in _units(run):
        if checked.state.state == "gone":
            found.gone.setdefault(group, set()).add(row)
        if checked.state.renamed_to:
            found.renamed_to.setdefault(group, {})[row] = checked.state.renamed_to
        # Once renamed, what answers under the old name may be somebody else's.
        elif checked.state.signals:
            signals = reserved(dict(checked.state.signals))
            if signals:
                found.reserved.setdefault(group, {})[row] = signals
    return found


def _units(run: Run) -> Iterator[tuple[str, int, Checked]]:
    """Yield (group, row of its repositories, what is known) of every unit that was asked and was read."""
    made = recheck.read(run.build.folder)
    for group in run.lock.groups if made else ():
        known = made.units.get(group.source, {}) if made else {}
        units = manifest.read(run.build.group_manifest(group.name)).counts["units"]
        for key, (first, count) in units.items():
            if key in known:
                yield from ((group.name, row, known[key]) for row in range(first, first + count))


def last_check(run: Run) -> str:
    """Return when hosts last answered and for how many sources, "" when none ever did."""
    made = recheck.read(run.build.folder)
    days = [checked.checked for _, _, checked in made.every()] if made else []
    answered = [day for day in days if day]
    return f"{max(answered)} ({len(answered):,} of {len(days):,} sources answered)" if answered else ""
