"""The fold against a plain Python model of formats.md section 2, on builds drawn at random."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack_data import storage
from stack_data.config import BuildConfig
from stack_data.fold import Fold, fold
from stack_data.identity import content_id
from stack_data.layout import Build, part_name
from stack_data.reasons import Reason
from stack_data.records import (
    DECONTAMINATION_DECISIONS,
    FETCH_DECISIONS,
    FILES,
    FILTER_DECISIONS,
    LANGUAGE_DECISIONS,
    LICENSE_DECISIONS,
    MALWARE_DECISIONS,
    OPTOUT_DECISIONS,
    PROVENANCE,
    REPOSITORIES,
)
from stack_data.stages import exact

PERMISSIVE = ("permissive", None)
LICENSES = (
    PERMISSIVE,
    ("non_permissive", Reason.LICENSE_NOT_PERMISSIVE),
    ("unknown", Reason.LICENSE_UNKNOWN),
    ("no_license", Reason.NO_LICENSE),
)
FILTERS = (None, None, Reason.LONG_LINE)
LEFT = (None, None, None, Reason.OPTED_OUT, Reason.SOURCE_GONE)
FOUND = (None, None, None, Reason.BENCHMARK_FOUND, Reason.MALWARE)
LANGUAGES = (("Python", None), ("C", None), (None, Reason.UNKNOWN_LANGUAGE))


@dataclass(frozen=True)
class Place:
    """One drawn place. `content` None: the entry was never read."""

    group: int
    repository: int
    content: int | None
    license: tuple[str, Reason | None]
    language: tuple[str | None, Reason | None]
    filter: Reason | None
    is_vendor: bool
    left: Reason | None


@dataclass(frozen=True)
class Drawn:
    """A drawn build: places in order inside each group, its repositories, and what is found in each content."""

    places: list[Place]
    repositories: list[list[dict[str, Any]]]
    part_rows: int
    found: tuple[Reason | None, ...] = (None,) * 5


@st.composite
def builds(draw: st.DrawFn) -> Drawn:
    repositories = [
        [
            {
                "host": draw(st.sampled_from("hi")), "owner": draw(st.sampled_from("op")), "repo": f"r{group}{number}",
                "is_fork": draw(st.booleans()), "stars": draw(st.sampled_from([None, 0, 5])),
                "host_time": draw(st.sampled_from([None, "", "2011-01-01", "2019-01-01"])),
                "first_seen": "2026-01-01", "audience": draw(st.sampled_from(["public", "public", "inner"])),
            }
            for number in range(draw(st.integers(1, 2)))
        ]
        for group in range(draw(st.integers(1, 3)))
    ]  # fmt: skip
    place = st.builds(
        Place,
        group=st.integers(0, len(repositories) - 1), repository=st.integers(0, 1),
        content=st.one_of(st.integers(0, 4), st.integers(0, 4), st.none()), license=st.sampled_from(LICENSES),
        language=st.sampled_from(LANGUAGES), filter=st.sampled_from(FILTERS), is_vendor=st.booleans(),
        left=st.sampled_from(LEFT),
    )  # fmt: skip
    found = tuple(draw(st.lists(st.sampled_from(FOUND), min_size=5, max_size=5)))
    return Drawn(draw(st.lists(place, max_size=14)), repositories, draw(st.integers(1, 4)), found)


def body(content: int) -> bytes:
    return b"content %d" % content


def identity(content: int | None) -> str | None:
    return None if content is None else content_id(body(content))


@dataclass
class Row:
    """A place where the fetch step puts it: part of its group, row inside it, and where its content lies."""

    place: Place
    path: str
    group: int
    part: int
    row: int
    file_part: int
    file_row: int


def lay_out(drawn: Drawn) -> tuple[list[Row], dict[tuple[int, int], list[int]]]:
    """Return the rows of all places, and the contents of each (group, part), new to the group."""
    rows: list[Row] = []
    contents: dict[tuple[int, int], list[int]] = {}
    for group in range(len(drawn.repositories)):
        known: dict[int, tuple[int, int]] = {}
        mine = [place for place in drawn.places if place.group == group]
        for number, place in enumerate(mine):
            part = number // drawn.part_rows
            held = contents.setdefault((group, part), [])
            if place.content is not None and place.content not in known:
                known[place.content] = (part, len(held))
                held.append(place.content)
            where = known.get(place.content, (-1, -1)) if place.content is not None else (-1, -1)
            rows.append(Row(place, f"f{number}.py", group, part, number % drawn.part_rows, *where))
        contents.setdefault((group, 0), [])
    return rows, contents


def write(drawn: Drawn, build: Build) -> list[tuple[str, str]]:
    """Write the drawn build as the stages would; return its (group, part) pairs."""
    rows, contents = lay_out(drawn)
    names = [(f"g{group}", part_name(f"g{group}", part)) for group, part in sorted(contents)]
    ids = []
    for (group, part), (_, name) in zip(sorted(contents), names, strict=True):
        files = [body(content) for content in contents[group, part]]
        table = pa.Table.from_pylist(
            [
                {"content_id": content_id(one), "sha256": "", "content": one, "num_bytes": len(one),
                 "encoding": "utf-8", "conversion": "", "text_bytes": len(one)}
                for one in files
            ],
            schema=FILES,
        )  # fmt: skip
        storage.write_parquet(build.files(name), table)
        for reason, schema in (
            (Reason.BENCHMARK_FOUND, DECONTAMINATION_DECISIONS),
            (Reason.MALWARE, MALWARE_DECISIONS),
        ):
            decided = [reason if drawn.found[content] is reason else None for content in contents[group, part]]
            rows_of = [{"action": "drop" if one else "keep", "reason": one and one.value} for one in decided]
            storage.write_parquet(build.decisions(reason.stage, name), pa.Table.from_pylist(rows_of, schema=schema))
        ids.append(table["content_id"])
        write_places(build, name, [row for row in rows if (row.group, row.part) == (group, part)])
    for group, repositories in enumerate(drawn.repositories):
        blank = {"source_kind": "directory", "audience": "public", "authors_known": False}
        table = pa.Table.from_pylist([blank | one for one in (*repositories, repositories[0])], schema=REPOSITORIES)
        storage.write_parquet(build.repositories(f"g{group}"), table)
    for (_, name), table in zip(names, exact.decide([name for _, name in names], ids), strict=True):
        storage.write_parquet(build.decisions("exact", name), table)
    return names


def write_places(build: Build, name: str, rows: list[Row]) -> None:
    def decided(reason: Reason | None, **columns: Any) -> dict[str, Any]:
        return {"action": "drop" if reason else "keep", "reason": reason.value if reason else None, **columns}

    size = [len(body(row.place.content)) if row.place.content is not None else 7 for row in rows]
    tables = {
        build.provenance(name): pa.Table.from_pylist(
            [
                {"content_id": identity(row.place.content), "file_part": row.file_part, "file_row": row.file_row,
                 "repository": row.place.repository, "revision": "", "path": row.path, "num_bytes": num_bytes}
                for row, num_bytes in zip(rows, size, strict=True)
            ],
            schema=PROVENANCE,
        ),
        build.decisions("fetch", name): pa.Table.from_pylist(
            [decided(Reason.BINARY if row.place.content is None else None) for row in rows], schema=FETCH_DECISIONS
        ),
        build.decisions("license", name): pa.Table.from_pylist(
            [
                decided(row.place.license[1], expression="MIT", license_type=row.place.license[0], verdict=0)
                for row in rows
            ],
            schema=LICENSE_DECISIONS,
        ),
        build.decisions("language", name): pa.Table.from_pylist(
            [
                decided(row.place.language[1], language=row.place.language[0], extension=".py",
                        is_vendor=row.place.is_vendor, is_documentation=False, is_generated=False)
                for row in rows
            ],
            schema=LANGUAGE_DECISIONS,
        ),
        build.decisions("filter", name): pa.Table.from_pylist(
            [decided(row.place.filter) for row in rows], schema=FILTER_DECISIONS
        ),
        build.decisions("optout", name): pa.Table.from_pylist(
            [decided(row.place.left) for row in rows], schema=OPTOUT_DECISIONS
        ),
    }  # fmt: skip
    for path, table in tables.items():
        storage.write_parquet(path, table)


def reason_of(row: Row) -> Reason | None:
    return row.place.license[1] or row.place.language[1] or row.place.filter


def is_seen(drawn: Drawn, row: Row, audience: str | None) -> bool:
    return audience is None or repository_of(drawn, row)["audience"] == audience


def repository_of(drawn: Drawn, row: Row) -> dict[str, Any]:
    repositories = [*drawn.repositories[row.group], drawn.repositories[row.group][0]]
    return repositories[row.place.repository if row.place.repository < len(repositories) else 0]


def model(
    drawn: Drawn, places: str, audience: str | None
) -> tuple[list[str], dict[str, list[tuple[int, str]]], dict[str, Reason]]:
    """Return kept ids in order, each one's places best first, and the reason of each dropped content."""
    rows, contents = lay_out(drawn)
    order = list(dict.fromkeys(one for key in sorted(contents) for one in contents[key]))
    kept, shown, dropped = [], {}, {}
    for content in order:
        everywhere = [row for row in rows if row.place.content == content]
        mine = [row for row in everywhere if is_seen(drawn, row, audience)]
        if not mine:
            continue
        would = [row for row in mine if reason_of(row) is None]
        good = [row for row in would if row.place.left is None]
        # Licence evidence counts from everywhere, also from places that left or that this audience does not see.
        tainted = places == "all" and any(row.place.license[0] == "non_permissive" for row in everywhere)
        name = identity(content) or ""
        if would and not tainted and drawn.found[content]:
            dropped[name] = drawn.found[content]
        elif would and not good and not tainted:
            dropped[name] = (
                Reason.OPTED_OUT if any(row.place.left is Reason.OPTED_OUT for row in would) else Reason.SOURCE_GONE
            )
        elif good and not tainted:
            kept.append(name)
            shown[name] = [(row.group, row.path) for row in sorted(good, key=lambda row: best_first(drawn, row))]
        else:
            dropped[name] = Reason.LICENSE_ELSEWHERE if would else reason_of(mine[0]) or Reason.BINARY
    return kept, shown, dropped


def best_first(drawn: Drawn, row: Row) -> tuple[Any, ...]:
    one = repository_of(drawn, row)
    time = one["host_time"] or one["first_seen"]
    return (one["is_fork"], row.place.is_vendor, time, -(one["stars"] or 0), one["host"], one["owner"], one["repo"],
            row.path.encode(), row.group, row.part, row.row)  # fmt: skip


def places_of(result: Fold, build: Build) -> Iterator[tuple[str, int, tuple[int, str]]]:
    for row in result.places.to_pylist():
        path = storage.read_parquet(build.provenance(row["place_part"]))["path"][row["place_row"]].as_py()
        yield row["content_id"], row["rank"], (int(row["group"][1:]), path)


def config_of(places: str) -> BuildConfig:
    return BuildConfig.model_validate(
        {
            "name": "x",
            "source": [{"name": "s", "kind": "directory", "path": "."}],
            "license": {"places": places},
        }
    )


@pytest.mark.reason("license_elsewhere")
@given(drawn=builds(), places=st.sampled_from(["all", "any"]), audience=st.sampled_from([None, "public", "inner"]))
def test_the_fold_is_what_the_plain_model_says(
    tmp_path_factory: pytest.TempPathFactory, drawn: Drawn, places: str, audience: str | None
) -> None:
    build = Build(tmp_path_factory.mktemp("fold"))
    result = fold(build, config_of(places), write(drawn, build), audience)
    kept, shown, dropped = model(drawn, places, audience)
    assert result.kept["content_id"].to_pylist() == kept
    assert result.kept["num_provenances"].to_pylist() == [len(shown[one]) for one in kept]
    found: dict[str, list[tuple[int, str]]] = {}
    for name, rank, place in places_of(result, build):
        assert rank == len(found.setdefault(name, []))
        found[name].append(place)
    assert found == shown
    assert {row["content_id"]: Reason(row["reason"]) for row in result.dropped.to_pylist()} == dropped
    check_sums(drawn, result, audience)


def check_sums(drawn: Drawn, result: Fold, audience: str | None) -> None:
    """Nothing is lost silently: what each reason removed and what is kept add up to what was read."""
    seen = [row for row in lay_out(drawn)[0] if is_seen(drawn, row, audience)]
    assert result.num_entries == len(seen)
    assert sum(one.num_files for one in result.attrition) + result.kept.num_rows == len(seen)
    left = result.departures
    assert left.files.number == sum(one.num_files for one in result.attrition if one.stage == "optout")
    assert sum(files for _, files, _ in left.reasons) == left.files.number <= left.files.of
    assert left.repositories.of >= left.repositories.number >= 0 and left.owners.of >= left.owners.number >= 0
    kept_bytes = sum(result.kept["num_bytes"].to_pylist())
    assert sum(one.num_bytes for one in result.attrition) + kept_bytes == result.num_entry_bytes


def test_a_build_without_places_is_empty(tmp_path: Path) -> None:
    build = Build(tmp_path)
    drawn = Drawn([], [[{"host": "h", "owner": "o", "repo": "r"}]], 1)
    result = fold(build, config_of("all"), write(drawn, build))
    assert (result.kept.num_rows, result.places.num_rows, result.dropped.num_rows) == (0, 0, 0)
    assert result.attrition == ()
