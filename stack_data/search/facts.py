"""What answers say of contents: their places over all segments, those of later releases first, and the releases that hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stack_data.search.protocol import Documents, Facts, Place, Release
from stack_data.search.segment import ROW, Ints, Segment

_COLUMNS = ("content_id", "host", "owner", "repo", "revision", "path", "license", "language", "relation", "releases")
Key = tuple[bytes, str, str, str, str, str]


def facts_of(
    segments: Sequence[Segment], releases: Sequence[Release], documents: Documents, ids: npt.NDArray[np.bytes_]
) -> list[Facts]:
    """Return the facts of documents whose content ids are bytes20[D]."""
    found = [_Places.of(segment, _rows(segment, documents, ids)) for segment in reversed(segments)]
    made = []
    for number, document in enumerate(documents.tolist()):
        own: dict[Key, list[Any]] = {}
        near: dict[Key, list[Any]] = {}
        hidden: set[Key] = set()
        for places in found:
            places.gather(number, own, near, hidden)
        # A place that a later release has no more is shown, and one that was removed is removed everywhere.
        made.append(_facts(document, ids[number], releases, own, near, len(hidden - own.keys() - near.keys())))
    return made


def _rows(segment: Segment, documents: Documents, ids: npt.NDArray[np.bytes_]) -> Ints:
    """Return the rows of contents in a segment, -1 for those that are not here; they need not be looked for where all are of it."""
    is_here = len(documents) > 0 and int(documents.min()) >> 32 == int(documents.max()) >> 32 == segment.number
    return documents & ROW if is_here else segment.find(ids)


@dataclass(frozen=True, slots=True)
class _Places:
    """The places of D documents in one segment. bounds: which rows are a document's; rows: whether shown, then columns."""

    bounds: list[int]
    rows: list[tuple[Any, ...]]

    @classmethod
    def of(cls, segment: Segment, documents: Ints) -> _Places:
        """Read the places of documents, rows int64[D], -1 for those that are not here: all at once, column by column."""
        bounds, rows, shown = segment.places_of(documents)
        columns = (segment.place_values(name, rows) for name in _COLUMNS)
        return cls(bounds.tolist(), list(zip(shown.tolist(), *columns, strict=True)) if len(rows) else [])

    def gather(self, number: int, own: dict[Key, list[Any]], near: dict[Key, list[Any]], hidden: set[Key]) -> None:
        """Add the places of a document."""
        for is_shown, *values in self.rows[self.bounds[number] : self.bounds[number + 1]]:
            key: Key = tuple(values[:6])  # type: ignore[assignment]
            if not is_shown:
                hidden.add(key)
                continue
            known = (near if values[8] == "near" else own).setdefault(key, [*values[6:8], 0])
            known[2] |= values[9]


def _facts(
    document: int, raw: bytes, releases: Sequence[Release], own: dict[Key, list[Any]], near: dict[Key, list[Any]], withheld: int
) -> Facts:  # fmt: skip
    content_id = raw.ljust(20, b"\0").hex()
    if not own:
        return Facts(document, content_id, "", "", (), (), withheld + len(near))
    mask = 0
    for one in own.values():
        mask |= one[2]
    # The first place that is left is the displayed one, whichever was when the release was made.
    places = [_place("self" if at == 0 else "exact", key, one) for at, (key, one) in enumerate(own.items())]
    places += [_place("near", key, one) for key, one in near.items()]
    versions = tuple(one.label for bit, one in enumerate(releases) if mask >> bit & 1)
    return Facts(document, content_id, places[0].language, places[0].license, versions, tuple(places), withheld)


def _place(relation: str, key: Key, known: Sequence[Any]) -> Place:
    raw, host, owner, repo, revision, path = key
    return Place(relation, raw.hex(), host, f"{owner}/{repo}", path, revision, known[0], known[1])
