"""Random corpora with lists of opt-outs, built for real, and what must be released of them, told naively."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stack_data.build import BuildResult
from stack_data.identity import content_id
from stack_data.optout import Entry, Places, Resolution, SuppressionList, resolve
from stack_data.prove import prove
from stack_data.release.notices import notice_path
from stack_data.verify import verify
from tests.leaving import DAY, code, commit, config, found, license_of, made, repository, rows

Place = tuple[str, str, str, str]
"""Host, owner, repository, path."""

OWNERS = {"zaphod": 101, "yvonne": 102, "xanthippe": 103}
"""Names that stand in nothing else, and their numbers at the host."""
GPL = "This program is free software: you can redistribute it under the terms of the GNU General Public License as published by the "
GPL += "Free Software Foundation, either version 3 of the License, or any later version.\n"


def family(name: int, variant: int) -> str:
    """Return a program; one of the next variant is a near duplicate (Jaccard 0.8), the one after that is not (0.64)."""
    words = ("later" if line < 2 * variant else "earlier" for line in range(12))
    return "".join(f"value_{name}_{at} = compute_{name}({one}_{at}, {at * 7919})\n" for at, one in enumerate(words))


TEXTS: tuple[str, ...] = (
    *(family(name, variant) for name, count in ((0, 4), (1, 2)) for variant in range(count)), code("single", 2),
    "int main(void) { return 7; }\n",
)  # fmt: skip
IDS = tuple(content_id(text.encode()) for text in TEXTS)
PATHS = ("a.py", "src/b.py", "src/deep/c.py", "docs/d.py", "e.py")
GLOBS = ("*", "*.py", "/a.py", "src/", "src/*.py", "**/c.py", "docs/**", "absent/")


@dataclass(frozen=True)
class Repo:
    """A repository; texts: path -> number of its text. facts: what a host knows of it; None: a plain folder."""

    owner: str
    repo: str
    texts: Mapping[str, int]
    is_copyleft: bool
    facts: Mapping[str, Any] | None


@dataclass(frozen=True)
class World:
    """A corpus, and the lists that come one after the other: (issuer, entries). Each is followed by a release."""

    repositories: tuple[Repo, ...]
    steps: tuple[tuple[str, tuple[Entry, ...]], ...]


def world_of(seed: int) -> World:
    """Return a random corpus and lists. Drawn evenly: hypothesis by itself tries few copies and few entries that reach something."""
    draw = random.Random(seed)
    owners = draw.choices(sorted(OWNERS), k=draw.randint(3, 4))
    named = [(owner, f"quux{at}thing") for at, owner in enumerate(owners)]
    repositories = tuple(_repository(draw, owner, repo, named) for owner, repo in named)
    steps = []
    for at in range(draw.randint(1, 2)):
        # The first list asks for something, a later one may take everything back.
        entries = tuple(_entry(draw, named) for _ in range(draw.randint(0 if at else 1, 3)))
        steps.append((draw.choice(["local", "registry"]), entries))
    return World(repositories, tuple(steps))


def _repository(draw: random.Random, owner: str, repo: str, named: Sequence[tuple[str, str]]) -> Repo:
    texts = {path: draw.randrange(len(TEXTS)) for path in draw.sample(PATHS, draw.randint(3, len(PATHS)))}
    facts = None
    if draw.random() < 0.6:
        above = draw.choice([None, *named])
        facts = {
            "owner_id": draw.choice([None, OWNERS[owner]]), "stars": draw.randrange(3),
            "host_time": draw.choice([None, "2019-01-01T00:00:00Z", "2021-01-01T00:00:00Z"]),
            "fork_of": f"github.com/{'/'.join(above)}" if above else None, "is_fork": bool(above),
        }  # fmt: skip
    return Repo(owner, repo, texts, draw.random() < 0.1, facts)


def _entry(draw: random.Random, named: Sequence[tuple[str, str]]) -> Entry:
    kind = draw.choice(["owner", "repository", "repository", "path", "path", "content"])
    values: dict[str, Any] = {
        "spread": draw.choice(["none", "exact", "near"]), "granted": draw.choice(["", "moderator"]),
        "effect": "mask" if draw.random() < 0.1 else "remove", "until": DAY if draw.random() < 0.1 else "",
    }  # fmt: skip
    if kind == "content":
        return Entry(kind=kind, content_id=draw.choice(IDS), since=DAY, **values)
    owner, repo = draw.choice(named)
    if kind == "owner":
        numeric = draw.choice([None, None, OWNERS[owner], 666])
        return Entry(kind=kind, host="github.com", name=owner.title(), numeric_id=numeric, since=DAY, **values)
    glob = draw.choice(GLOBS) if kind == "path" else ""
    return Entry(kind=kind, host="GitHub.com", name=f"{owner}/{repo}", glob=glob, since=DAY, **values)


# A build of it


def build_of(world: World, folder: Path, public: str) -> BuildResult:
    sources = "".join(_directory(one) for one in world.repositories if one.facts is None)
    extra = f'{sources}\n[optout.keys]\nregistry = ["{public}"]\n'
    of_git = []
    for one in world.repositories:
        text = GPL if one.is_copyleft else license_of(f"{one.owner} of {one.repo}")
        files: dict[str, str | None] = {"LICENSE": text, **{path: TEXTS[at] for path, at in one.texts.items()}}
        if one.facts is not None:
            known = {name: value for name, value in one.facts.items() if value is not None}
            of_git.append(repository(commit(folder / one.repo, files), one.owner, one.repo, **known))
            continue
        for name, content in files.items():
            (folder / one.repo / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / one.repo / name).write_text(str(content))
    path = config(folder, of_git, extra)
    if not of_git:
        path.write_text(path.read_text().replace('[[source]]\nname = "repos"\nkind = "git"\n', "", 1))
    return made(path)


def _directory(one: Repo) -> str:
    facts = {"host": "github.com", "owner": one.owner, "repo": one.repo, "path": one.repo, "kind": "directory"}
    # Names of sources are in manifests, so they are nobody's.
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in facts.items()]
    return f'[[source]]\nname = "folder{one.repo[4]}"\n{"".join(lines)}'


@dataclass(frozen=True)
class Known:
    """What a build has fetched and decided, read once more by the test itself.

    names, ids    the place and the content of each (part, row); before: those that are released where nobody has left
    edges, ranks  verified near duplicates, in both directions, and the order of preference of those that have one
    """

    parts: tuple[str, ...]
    places: tuple[Places, ...]
    repositories: pa.Table
    near: pa.Table
    names: Mapping[tuple[str, int], Place]
    ids: Mapping[tuple[str, int], str]
    before: frozenset[tuple[str, int]]
    edges: Mapping[str, set[str]]
    ranks: Mapping[str, int]


def known_of(built: BuildResult) -> Known:
    folder, tables, first = built.folder, [], {}
    for path in sorted((folder / "repositories").glob("*.parquet")):
        first[path.stem] = sum(one.num_rows for one in tables)
        tables.append(pq.read_table(path))
    repositories = pa.concat_tables(tables)
    owned = [(row["host"], row["owner"], row["repo"]) for row in repositories.to_pylist()]
    parts, places, names, ids = [], [], {}, {}
    for path in sorted((folder / "provenance").glob("*.parquet")):
        table = pq.read_table(path).combine_chunks()
        marks = pq.read_table(folder / "decisions/language" / path.name)
        rows_ = table["repository"].to_numpy().astype(np.int64) + first[path.stem.rpartition("-")[0]]
        is_copy = np.array(marks["is_vendor"].to_pylist(), bool) | np.array(marks["is_generated"].to_pylist(), bool)
        content, where = table["content_id"].combine_chunks(), table["path"].combine_chunks()
        places.append(Places(content, rows_, where, None, is_copy))
        parts.append(path.stem)
        for row, (repository_row, one, identity) in enumerate(zip(rows_.tolist(), where, content, strict=True)):
            names[path.stem, row] = (*owned[repository_row], one.as_py())
            ids[path.stem, row] = identity.as_py()
    near = pq.read_table(folder / "clusters/edges.parquet", columns=["first_id", "second_id"])
    edges: dict[str, set[str]] = defaultdict(set)
    for row in near.to_pylist():
        edges[row["first_id"]].add(row["second_id"])
        edges[row["second_id"]].add(row["first_id"])
    ranks = {row["content_id"]: row["rank"] for row in pq.read_table(folder / "clusters/members.parquet").to_pylist()}
    shown = [*built.fold.places.to_pylist(), *built.fold.near.to_pylist()]
    before = frozenset((row["place_part"], row["place_row"]) for row in shown)
    return Known(tuple(parts), tuple(places), repositories, near, names, ids, before, edges, ranks)


# What must be released, told naively


@dataclass(frozen=True)
class Expected:
    """gone: the places that resolve names; kept: the places of each content that is released; beside: of those dropped as near to it."""

    resolution: Resolution
    gone: frozenset[tuple[str, int]]
    kept: Mapping[str, set[Place]]
    beside: Mapping[str, set[Place]]


def expected_of(known: Known, lists: Sequence[SuppressionList]) -> Expected:
    resolution = resolve(known.places, known.repositories, lists, near=known.near)
    gone = frozenset(
        (part, int(row))
        for part, mask in zip(known.parts, resolution.rows, strict=True)
        for row in np.flatnonzero(mask)
    )
    left: dict[str, set[Place]] = defaultdict(set)
    for place in known.before - gone:
        left[known.ids[place]].add(known.names[place])
    kept: set[str] = set()
    for one in sorted(left, key=lambda identity: known.ranks.get(identity, -1)):
        if not known.edges.get(one, set()) & kept:
            kept.add(one)
    return Expected(resolution, gone, {one: left[one] for one in kept}, {one: left[one] for one in left.keys() - kept})


def check(release: Path, known: Known, expected: Expected) -> None:
    """Hold a release against what must be in it, and against what must not."""
    data, places = rows(release), rows(release, "provenance")
    assert len(data) == len({row["content_id"] for row in data})
    assert {row["content_id"] for row in data} == set(expected.kept)
    texts = dict(zip(IDS, TEXTS, strict=True))
    for row in data:
        owner, _, repo = row["repo_name"].rpartition("/")
        assert (row["host"], owner, repo, row["path"]) in expected.kept[row["content_id"]]
        assert texts.get(row["content_id"], row["content"]) == row["content"]
        assert row["num_provenances"] == len(expected.kept[row["content_id"]])
    own, beside = defaultdict(set), defaultdict(set)
    for row in places:
        name = (row["host"], row["owner"], row["repo"], row["path"])
        (beside if row["relation"] == "near" else own)[row["content_id"]].add(name)
        if row["relation"] == "near":
            assert row["released_content_id"] in known.edges[row["content_id"]] & set(expected.kept)
    assert (own, beside) == (expected.kept, expected.beside)
    assert sum(map(len, [*own.values(), *beside.values()])) == len(places)
    assert sorted(row["content_id"] for row in rows(release, "notices/python")) == sorted(
        row["content_id"] for row in data if row["language"] == "Python"
    )
    _check_absent(release, known, expected)
    assert verify(release).problems == []


def _check_absent(release: Path, known: Known, expected: Expected) -> None:
    """Look for what left: its names in every byte, its contents in every column and in the trees."""
    stay = set().union(*expected.kept.values(), *expected.beside.values())
    notices = {path.relative_to(release) for path in (release / "NOTICE").rglob("*.txt")}
    assert notices == {notice_path(row["host"], *row["repo_name"].split("/")) for row in rows(release)}
    lost = {known.ids[place] for place in known.before & expected.gone} - set(expected.kept) - set(expected.beside)
    assert {row["content_id"] for row in rows(release, "ledger")}.isdisjoint(lost)
    absent = sorted(lost)[:2]
    words = list(lost)
    for size in (2, 3):
        every = {known.names[place][:size] for place in known.names}
        staying = {known.names[place][:size] for place in known.names.keys() - expected.gone}
        assert {place[:size] for place in stay} <= staying
        absent += ["/".join(name) for name in sorted(every - staying)]
        words += [name[-1] for name in every - staying]
    assert found(release, *words) == []
    assert {prove(release, one)["claim"] for one in absent} <= {"absent"}
