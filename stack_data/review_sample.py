"""The sample of a release that people review: which files are drawn, and what the build found about each.

Reads the release's data/ for the draw, and provenance, repositories and licence decisions of its build for the evidence;
writes nothing. A place that the build has no more (read anew since, or gone) is drawn all the same, without evidence.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stack_data import manifest, storage
from stack_data.errors import InputError
from stack_data.id_columns import content_hash
from stack_data.layout import Build, part_name
from stack_data.lock import read as read_lock
from stack_data.review_sheet import url_of
from stack_data.stages import header

_SHOWN_EVIDENCE = 8
_COLUMNS = ["content_id", "host", "repo_name", "path", "revision_id", "language", "detected_licenses"]


def draw(release: Path, size: int, seed: int) -> pa.Table:
    """Return the files of a release with the smallest hashes, in their order; one shard at a time."""
    drawn: pa.Table | None = None
    for path in sorted((release / "data").glob("*/*.parquet")):
        rows = storage.read_parquet(path, _COLUMNS)
        rows = rows.append_column("key", pa.array(content_hash(rows["content_id"], seed)))
        rows = rows if drawn is None else pa.concat_tables([drawn, rows])
        order = pc.sort_indices(rows, [("key", "ascending"), ("content_id", "ascending")])
        drawn = rows.take(order[:size])
    if drawn is None or not drawn.num_rows:
        raise InputError(f"{release} has no files to review")
    return drawn


def sheet_rows(build: Build, drawn: pa.Table) -> list[dict[str, Any]]:
    """Return the lines of a sheet (review_sheet.SHOWN) about drawn files."""
    evidence = _evidence(build, drawn)
    rows = []
    for row in drawn.to_pylist():
        place = (row["content_id"], row["host"], row["repo_name"], row["revision_id"], row["path"])
        expression, found = evidence.get(place, (" AND ".join(row["detected_licenses"]), ""))
        rows.append(
            row | {
                "repository": row["repo_name"], "revision": row["revision_id"], "license_found": expression, "evidence": found,
                "url": url_of(row["host"], row["repo_name"], row["revision_id"], row["path"]),
            }
        )  # fmt: skip
    return rows


_Place = tuple[str, str, str, str, str]


def _evidence(build: Build, drawn: pa.Table) -> dict[_Place, tuple[str, str]]:
    """Return licence and evidence in words of the drawn places that the build still has."""
    found: dict[_Place, tuple[str, str]] = {}
    ids = drawn["content_id"].combine_chunks()
    columns = ["content_id", "repository", "revision", "path"]
    for group in read_lock(build).groups:
        stored: list[str] | None = None
        names: list[dict[str, Any]] = []
        for number in range(int(manifest.read(build.group_manifest(group.name)).counts["parts"])):
            part = part_name(group.name, number)
            table = storage.read_parquet(build.provenance(part), columns)
            rows = pc.indices_nonzero(pc.is_in(table["content_id"], ids).fill_null(False))
            if not len(rows):
                continue
            if stored is None:
                verdicts = storage.read_parquet(build.decisions("license", f"{group.name}.verdicts"), ["evidence"])
                stored = verdicts["evidence"].to_pylist()
                names = storage.read_parquet(build.repositories(group.name), ["host", "owner", "repo"]).to_pylist()
            decided = storage.read_parquet(build.decisions("license", part), ["expression", "verdict"]).take(rows)
            for place, verdict in zip(table.take(rows).to_pylist(), decided.to_pylist(), strict=True):
                owner = names[place["repository"]]
                key = (
                    place["content_id"],
                    owner["host"],
                    f"{owner['owner']}/{owner['repo']}",
                    place["revision"],
                    place["path"],
                )
                found[key] = (verdict["expression"] or "", _in_words(stored[verdict["verdict"]]))
    return found


def _in_words(stored: str) -> str:
    """Return stored evidence in words: what was found where."""
    evidence = header.from_json(stored)
    words = [
        f"{one.method} {one.expression or 'unknown'} in {one.path or ('the sources' if one.method == 'declared' else 'the file')}"
        for one in evidence[:_SHOWN_EVIDENCE]
    ]
    more = len(evidence) - len(words)
    return "; ".join([*words, f"{more} more"] if more > 0 else words)
