"""Which places of an index were removed, as its last writer left them: what readers hold the tombstones against.

INDEX/removals.applied    {"size", "is_settled", "segments", "check"}; replaced atomically

size: how many bytes of removals.jsonl have been carried out; segments: number -> the removed rows, as bits (packed, zlib, base64), of
those that have some; check: SHA-256 of the rest. Tombstones change in mapped files, so no checksum could be written with them at one
time. A writer therefore first states that it is at work (is_settled false), sets tombstones, and states what there is then. They are only
ever set, so at any time a reader must find every row that is stated, and while the record is settled no other one. Whoever finds something
else reads the record again before it says damaged, so that no reader is refused because a removal goes on; a killed
writer leaves a record that is not settled, which the next one makes good out of the log.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stack_data import storage
from stack_data.errors import InputError
from stack_data.search.segment import GONE, TOMBSTONES, Segment

APPLIED = "removals.applied"


@dataclass(frozen=True, slots=True)
class Stated:
    """What removals.applied says; see the module. An index of which nothing was ever removed has none."""

    size: int = 0
    is_settled: bool = True
    segments: Mapping[str, str] = field(default_factory=dict)

    def rows(self, segment: Segment) -> npt.NDArray[np.bool_]:
        """Return which place rows of a segment it calls removed: bool[P]."""
        count = segment.places.num_rows
        stated = self.segments.get(str(segment.number))
        if stated is None:
            return np.zeros(count, bool)
        packed = np.frombuffer(zlib.decompress(base64.b64decode(stated)), np.uint8)
        return np.unpackbits(packed, count=count).view(bool) if 8 * len(packed) >= count else np.zeros(count, bool)

    def agrees(self, segment: Segment) -> bool:
        """Tell whether the tombstones of a segment are what they may be."""
        stated = self.rows(segment)
        if not self.is_settled:
            return bool(segment.tombstones[stated].all())
        return np.array_equal(segment.tombstones, stated.view(np.uint8) * np.uint8(GONE))


def is_of(stated: Stated, segments: Sequence[Segment]) -> bool:
    """Tell whether a record is of these segments alone, and their tombstones are what they may be."""
    return stated.segments.keys() <= {str(one.number) for one in segments} and all(map(stated.agrees, segments))


def stated_of(size: int, segments: Iterable[Segment]) -> Stated:
    """Return what the tombstones of segments are now."""
    rows = {one.number: one.tombstones != 0 for one in segments}
    packed = {str(number): np.packbits(each).tobytes() for number, each in rows.items() if each.any()}
    return Stated(size, True, {name: base64.b64encode(zlib.compress(raw, 6)).decode() for name, raw in packed.items()})


def read(folder: Path) -> Stated:
    """Read what an index states; nothing when it states nothing. InputError when that is damaged."""
    path = folder / APPLIED
    if not path.exists():
        return Stated()
    try:
        value = storage.read_json(path)
    except InputError:
        value = None
    if not isinstance(value, dict) or value.pop("check", None) != _check(value):
        raise _damaged(folder, path, "its bytes are not those that were written")
    return Stated(value["size"], value["is_settled"], value["segments"])


def write(folder: Path, stated: Stated) -> None:
    """Replace what an index states."""
    value = {"size": stated.size, "is_settled": stated.is_settled, "segments": dict(stated.segments)}
    storage.write_json(folder / APPLIED, value | {"check": _check(value)})


def check(folder: Path, segments: Iterable[Segment]) -> None:
    """Compare the tombstones of opened segments with what the index states. InputError when removed places are shown, or others hidden."""
    segments = list(segments)
    stated = read(folder)
    while wrong := [one for one in segments if not stated.agrees(one)]:
        again = read(folder)
        if again == stated:
            raise _damaged(folder, wrong[0].folder / TOMBSTONES, f"it is not what {APPLIED} says was removed")
        stated = again


def _damaged(folder: Path, path: Path, what: str) -> InputError:
    return InputError(
        f"{path} is damaged: {what}; to make it anew out of the log of removals: fairstack search remove {folder}"
    )


def _check(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
