"""The unknown licence texts that cost a build most bytes: what people should look at, and curate, next.

Joins the fold's dropped contents with the verdicts of the licence stage. A content that is out because a licence file
above it is unknown counts for every such file of its verdict, so sums over texts may count a content more than once.
Equal texts (curations' `text_key`) are one entry, whichever repositories have them; their contents are read only to be
hashed. Not covered: unknown headers and statements of manifests, which no curation of a text can settle.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stack_data import storage
from stack_data.build import check_finished
from stack_data.config_file import load_resolved
from stack_data.contents import take_contents
from stack_data.fold import fold
from stack_data.layout import Build, part_name
from stack_data.licenses.curations import text_key
from stack_data.licenses.files import kind_of
from stack_data.lock import read as read_lock
from stack_data.manifest import read as read_manifest
from stack_data.reasons import Reason
from stack_data.report.attrition import human_bytes
from stack_data.review_sheet import url_of
from stack_data.text import texts_of

_REASONS = (Reason.LICENSE_UNKNOWN.value, Reason.LICENSE_CONFLICT.value)


@dataclass(frozen=True, slots=True)
class UnknownText:
    """An unknown licence text and what is out because of it.

    text_sha256          what a curation names; repository, path, revision, url: an example place, the one that costs most
    num_files, num_bytes contents that are out; num_copies: licence files that have this text
    finding              what the builder found odd, in a few words
    """

    COLUMNS: ClassVar[tuple[str, ...]] = (
        "text_sha256", "num_files", "num_bytes", "num_copies", "repository", "path", "revision", "url", "finding",
    )  # fmt: skip

    text_sha256: str
    repository: str
    path: str
    revision: str
    url: str
    num_files: int
    num_bytes: int
    num_copies: int
    finding: str

    def to_json(self) -> dict[str, Any]:
        """Return the entry as plain JSON values."""
        return asdict(self)


@dataclass(slots=True)
class _Cost:
    num_files: int = 0
    num_bytes: int = 0
    finding: str = ""


def unknown_texts(folder: Path) -> list[UnknownText]:
    """Return the unknown licence texts of a finished build, those that cost most bytes first."""
    check_finished(folder)
    build = Build.open(folder)
    groups = [group.name for group in read_lock(build).groups]
    parts = [
        (group, part_name(group, number))
        for group in groups
        for number in range(int(read_manifest(build.group_manifest(group)).counts["parts"]))
    ]
    dropped = fold(build, load_resolved(build.config), parts).dropped
    dropped = dropped.filter(pc.is_in(dropped["reason"].cast(pa.string()), pa.array(_REASONS)))
    by_key: dict[str, list[tuple[_Cost, dict[str, Any]]]] = defaultdict(list)
    for group in groups:
        costs = _costs(build, group, [part for of, part in parts if of == group], dropped)
        for key, cost, place in _texts(build, group, [part for of, part in parts if of == group], costs):
            by_key[key].append((cost, place))
    found = [_entry(key, copies) for key, copies in by_key.items()]
    return sorted(found, key=lambda one: (-one.num_bytes, one.text_sha256))


def _costs(build: Build, group: str, parts: list[str], dropped: pa.Table) -> dict[tuple[int, str], _Cost]:
    """Return what each unknown licence file of a group costs, by (repository row, path)."""
    evidence: list[str] | None = None
    costs: dict[tuple[int, str], _Cost] = defaultdict(_Cost)
    for part in parts:
        out = dropped.filter(pc.equal(dropped["place_part"].cast(pa.string()), part))
        if not out.num_rows:
            continue
        decided = storage.read_parquet(build.decisions("license", part), ["verdict", "license_type"]).take(
            out["place_row"]
        )
        places = storage.read_parquet(build.provenance(part), ["repository"]).take(out["place_row"])
        table = pa.table(
            {
                "repository": places["repository"], "verdict": decided["verdict"], "size": out["num_bytes"],
                "unknown": pc.equal(decided["license_type"].cast(pa.string()), "unknown"),
            }
        )  # fmt: skip
        table = (
            table.filter(table["unknown"])
            .group_by(["repository", "verdict"])
            .aggregate([("size", "count"), ("size", "sum")])
        )
        if evidence is None:
            stored = storage.read_parquet(build.decisions("license", f"{group}.verdicts"), ["evidence"])
            evidence = stored["evidence"].to_pylist()
        for row in table.to_pylist():
            for path, finding in _unknown_files(evidence[row["verdict"]]).items():
                cost = costs[row["repository"], path]
                cost.num_files += row["size_count"]
                cost.num_bytes += row["size_sum"]
                cost.finding = finding
    return costs


def _unknown_files(stored: str) -> dict[str, str]:
    """Return the licence files of a verdict that hold unknown text, and the first finding in each."""
    found: dict[str, str] = {}
    for one in json.loads(stored):
        path = one.get("path", "")
        if one.get("expression") is None and one["method"] != "curation" and kind_of(path) in ("license", "notice"):
            found.setdefault(path, one.get("detail", ""))
    return found


def _texts(
    build: Build, group: str, parts: list[str], costs: dict[tuple[int, str], _Cost]
) -> Iterator[tuple[str, _Cost, dict[str, Any]]]:
    """Yield (text key, cost, place) of the licence files in `costs`."""
    if not costs:
        return
    names = storage.read_parquet(build.repositories(group), ["host", "owner", "repo"]).to_pylist()
    paths = pa.array(sorted({path for _, path in costs}), pa.string())
    wanted: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for part in parts:
        table = storage.read_parquet(
            build.provenance(part), ["repository", "path", "revision", "file_part", "file_row"]
        )
        table = table.filter(pc.and_(pc.is_in(table["path"], paths), pc.greater_equal(table["file_row"], 0)))
        for place in table.to_pylist():
            if (place["repository"], place["path"]) in costs:
                wanted[place["file_part"]].append(place)
    for number, places in sorted(wanted.items()):
        rows, inverse = np.unique([place["file_row"] for place in places], return_inverse=True)
        texts = texts_of(take_contents(build, part_name(group, number), rows))
        for place, row in zip(places, inverse.tolist(), strict=True):
            text = texts[row].as_py()
            # A purge leaves the place without its text.
            if text is not None:
                yield text_key(text), costs[place["repository"], place["path"]], place | names[place["repository"]]


def _entry(key: str, copies: list[tuple[_Cost, dict[str, Any]]]) -> UnknownText:
    cost, place = max(copies, key=lambda one: (one[0].num_bytes, one[1]["path"]))
    name = f"{place['owner']}/{place['repo']}"
    return UnknownText(
        key, f"{place['host']}/{name}", place["path"], place["revision"],
        url_of(place["host"], name, place["revision"], place["path"]),
        sum(one.num_files for one, _ in copies), sum(one.num_bytes for one, _ in copies), len(copies), cost.finding,
    )  # fmt: skip


def unknown_table(found: list[UnknownText], rows: int = 10) -> str:
    """Return the costliest texts as lines for people."""
    if not found:
        return "no licence text is unknown"
    lines = ["unknown licence texts that cost most:"]
    for one in found[:rows]:
        lines.append(f"  {human_bytes(one.num_bytes):>8} {one.num_files:>7,} files  {one.repository}: {one.path}")
        lines.append(f'           text_sha256 = "{one.text_sha256}"' + (f"  # {one.finding}" if one.finding else ""))
    return "\n".join([*lines, f"  and {len(found) - rows:,} more"] if len(found) > rows else lines)
