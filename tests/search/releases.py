"""Release folders for tests of the index: as the builder writes them, in milliseconds, of exactly the contents a test names."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from stack_data import storage
from stack_data.identity import content_id, fold_name
from stack_data.manifest import Manifest, Output, Plan
from stack_data.release.tables import DATA, PROVENANCE


@dataclass(frozen=True)
class At:
    """A place: owner/repo on a host, and the text there where it is only nearly the content."""

    owner: str
    repo: str = "lib"
    path: str = "a.py"
    host: str = "github.com"
    near: str | None = None
    license: tuple[str, ...] = ("MIT",)
    owner_id: int | None = None
    repo_id: int | None = None


@dataclass(frozen=True)
class Content:
    """A text with its places, the displayed one first; released: what the release shows instead of it (redacted)."""

    text: str
    places: tuple[At, ...] = (At("jane"),)
    language: str | None = "Python"
    released: str | None = None

    @property
    def id(self) -> str:
        return content_id(self.text.encode("utf-8", "surrogatepass"))

    @property
    def shown(self) -> str:
        return self.text if self.released is None else self.released


def release(
    folder: Path,
    contents: Sequence[Content],
    version: str = "1.0.0",
    name: str = "corpus",
    shards: int = 1,
    rows: int = 3,
) -> Path:
    """Write a release of contents, dealt out to shards, in row groups of so many rows; return its folder."""
    target = folder / version
    ordered = sorted(contents, key=lambda one: hashlib.sha256(one.id.encode()).digest())
    outputs = {}
    for number in range(shards):
        mine = ordered[number::shards]
        file = f"python/train-{number:05d}-of-{shards:05d}.parquet"
        data = pa.Table.from_pylist([_row(one, DATA) for one in mine], schema=DATA)
        places = pa.Table.from_pylist([row for one in mine for row in _place_rows(one)], schema=PROVENANCE)
        for kind, table in (("data", data), ("provenance", places)):
            storage.write_parquet(target / kind / file, table, None, rows)
            outputs[f"{kind}/{file}"] = Output.of(target / kind / file, "text")
    config = {"name": name, "version": version, "row_group_rows": rows}
    Manifest(
        Plan(kind=f"release/{version}", inputs={}, config=config).to_json(), outputs, {"files": len(contents)}
    ).write(target / "manifest.json")
    return target


def _row(one: Content, schema: pa.Schema) -> dict[str, Any]:
    shown = one.shown.encode()
    first = one.places[0]
    known = {
        "content_id": one.id, "content": one.shown, "language": one.language, "detected_licenses": list(first.license),
        "sha256": hashlib.sha256(one.text.encode()).hexdigest(), "text_sha256": hashlib.sha256(shown).hexdigest(),
        "length_bytes": len(shown), "path": first.path, "host": first.host, "repo_name": f"{first.owner}/{first.repo}",
    }  # fmt: skip
    return {field: known.get(field) for field in schema.names}


def _place_rows(one: Content) -> list[dict[str, Any]]:
    rows = []
    for rank, place in enumerate(one.places):
        own = one.id if place.near is None else content_id(place.near.encode())
        relation = "near" if place.near is not None else "exact" if rank else "self"
        rows.append(
            {
                "released_content_id": one.id, "content_id": own, "relation": relation, "rank": rank, "host": place.host,
                "owner": place.owner, "repo": place.repo, "owner_id": place.owner_id, "repo_id": place.repo_id,
                "revision": "r1", "path": place.path, "language": one.language, "detected_licenses": list(place.license),
            }
        )  # fmt: skip
    return rows


def program(seed: int, lines: int = 30) -> str:
    """Return Python that is like no other seed's."""
    return "".join(
        f"def f{seed}_{line}(value{seed}, other):\n    # comment {line * seed}\n    return value{seed} + other * {line * 7919 + seed}\n"
        for line in range(lines)
    )


def key(place: At) -> str:
    return f"{fold_name(place.host)}/{fold_name(place.owner)}/{fold_name(place.repo)}"
