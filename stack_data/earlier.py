"""Units of an earlier fetch, read again from the parts it wrote instead of from their source.

When a group is fetched anew because some of its units changed, were added or had failed, the others are taken from here:
no clone, download or archive is read twice. The earlier parts are put aside as hard links in the build's cache before
the first new one replaces any of them, and stay there until the group is complete, so that a killed fetch finds them again.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import pyarrow as pa

from stack_data import manifest, storage
from stack_data.layout import Build, part_name
from stack_data.lock import Group
from stack_data.manifest import Manifest, Plan
from stack_data.reasons import BY_VALUE
from stack_data.sources.source import Author, Entry, Repository, UnitReading

_FIXED = ("config", "rules", "lists", "writer")


class EarlierParts:
    """What an earlier fetch of a group wrote, with the units it read whole."""

    def __init__(self, build: Build, group: str, made: Manifest) -> None:
        self._build, self._group, self._made = build, group, made
        self._contents = lru_cache(maxsize=2)(self._read_contents)

    @classmethod
    def of(cls, build: Build, group: Group, plan: Plan) -> EarlierParts | None:
        """Put the parts of a group aside, if they were made by this plan's configuration and rules."""
        aside = Build(build.cache / f"{group.name}.earlier")
        made = manifest.read_if_present(build.group_manifest(group.name))
        if made is not None:
            shutil.rmtree(aside.folder, ignore_errors=True)
            for name in made.outputs:
                storage.link(build.folder / name, aside.folder / name)
            made.write(aside.group_manifest(group.name))
        made = manifest.read_if_present(aside.group_manifest(group.name))
        current = plan.to_json()
        if made is None or any(made.plan.get(key) != current[key] for key in _FIXED):
            return None
        return cls(aside, group.name, made)

    @staticmethod
    def manifest_of(build: Build, group: Group) -> Manifest | None:
        """Return the manifest of parts that a run put aside and did not finish with."""
        return manifest.read_if_present(Build(build.cache / f"{group.name}.earlier").group_manifest(group.name))

    def has(self, unit: str, digest: str) -> bool:
        """Return whether a unit was read whole, in the state that `digest` pins."""
        return self._made.plan["inputs"].get(unit) == digest and unit in self._made.counts["units"]

    def read(self, unit: str) -> UnitReading:
        """Return a unit as its source gave it."""
        first, count = self._made.counts["units"][unit]
        rows = storage.read_parquet(self._build.repositories(self._group)).slice(first, count).to_pylist()
        return UnitReading([_repository(row) for row in rows], self._entries(first, count))

    def _entries(self, first: int, count: int) -> Iterator[Entry]:
        seen: set[str] = set()
        for number in range(int(self._made.counts["parts"])):
            part = part_name(self._group, number)
            places = storage.read_parquet(self._build.provenance(part))
            decided = storage.read_parquet(self._build.decisions("fetch", part), ["reason", "detail"])
            owners = places["repository"].to_numpy()
            mine = pa.array((owners >= first) & (owners < first + count))
            for place, decision in zip(places.filter(mine).to_pylist(), decided.filter(mine).to_pylist(), strict=True):
                yield self._entry(place, decision, first, seen)

    def _entry(self, place: dict[str, Any], decision: dict[str, Any], first: int, seen: set[str]) -> Entry:
        identity, content = place["content_id"], None
        if place["file_row"] >= 0 and identity not in seen:
            seen.add(identity)
            content = self._contents(place["file_part"])[place["file_row"]].as_py()
        reason = BY_VALUE[decision["reason"]] if decision["reason"] else None
        authors = tuple(Author(**author) for author in place["authors"] or ())
        return Entry(
            place["path"], content, place["num_bytes"], reason, decision["detail"] or "", place["repository"] - first,
            place["revision"], authors, place["license"], identity,
        )  # fmt: skip

    def _read_contents(self, number: int) -> pa.ChunkedArray:
        return storage.read_parquet(self._build.files(part_name(self._group, number)), ["content"])["content"]


def _repository(row: dict[str, Any]) -> Repository:
    names = {field.name for field in dataclasses.fields(Repository)}
    known = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items() if key in names}
    values: dict[str, Any] = known
    return Repository(**values)
