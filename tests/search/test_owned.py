"""Look-ups by name over random worlds: several releases, segments, removals and lists, beside plain Python over the same tables."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from stack_data.identity import fold_name
from stack_data.optout import SuppressionList
from stack_data.search import owners
from stack_data.search.build import add
from stack_data.search.clone_urls import Asked
from stack_data.search.documents import repository_key
from stack_data.search.index import Index, open_index
from stack_data.search.joined import joined
from stack_data.search.merge import merge
from stack_data.search.removals import remove
from tests.leaving import entry
from tests.search.releases import At, Content, program, release

OWNERS = ("jane", "Jane", "jane-old", "john", "group/sub", "group", "gr")
HOSTS = ("github.com", "gitlab.com", "gist.github.com")


def world(folder: Path, draw: random.Random) -> Path:
    """Make an index of up to four releases that have much in common, in segments of one or a few contents."""
    texts = [program(seed, 2) for seed in range(12)]
    near = [program(100 + seed, 2) for seed in range(3)]
    known: list[Content] = []
    for version in range(draw.randint(1, 4)):
        kept = [one for one in known if draw.random() < 0.8]
        for text in draw.sample(texts, draw.randint(1, 5)):
            if all(one.text != text for one in kept):
                kept.append(Content(text, _distinct([place(draw, near) for _ in range(draw.randint(1, 4))])))
        known = [
            Content(one.text, _distinct([place(draw, []), *one.places[1:]])) if draw.random() < 0.2 else one
            for one in kept
        ]
        known = [Content(one.text, (At(**{**_values(one.places[0]), "near": None}), *one.places[1:])) for one in known]
        made = release(folder / "releases", known, version=f"{version + 1}.0.0")
        add(folder / "index", made, segment_bytes=draw.choice([1, 200, 1 << 20]))
    return folder / "index"


def _distinct(places: list[At]) -> tuple[At, ...]:
    """Leave each place once: a release has none twice."""
    found = {(repository_key(one.host, one.owner, one.repo), one.path): one for one in reversed(places)}
    return tuple(reversed(found.values()))


def _values(at: At) -> dict[str, Any]:
    return {name: getattr(at, name) for name in At.__dataclass_fields__}


def place(draw: random.Random, near: list[str]) -> At:
    return At(
        draw.choice(OWNERS), draw.choice(["lib", "Lib", "tool"]), draw.choice(["a.py", "b/c.py", "b/d.py"]), draw.choice(HOSTS),
        draw.choice(near) if near and draw.random() < 0.3 else None, draw.choice([("MIT",), ("BSD-3-Clause",)]),
        draw.choice([None, None, 7, 8]), draw.choice([None, 70, 80]),
    )  # fmt: skip


def naive(index: Index, asked: Asked) -> dict[str, Any]:
    """Return the counts of an answer, found by looking at every place."""
    groups: dict[tuple[Any, ...], list[tuple[dict[str, Any], int]]] = defaultdict(list)
    sizes: dict[bytes, int] = {}
    keys: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for segment in index.segments:
        documents, places = segment.documents.to_pylist(), segment.places.to_pylist()
        sizes |= {one["content_id"]: one["num_bytes"] for one in documents if one["num_bytes"] >= 0}
        for one in segment.repositories.to_pylist():
            keys[one["key"]].append(one)
        for row, one in enumerate(places):
            key = repository_key(one["host"], one["owner"], one["repo"])
            content = documents[one["document"]]["content_id"]
            if segment.shown(row, row + 1)[0]:
                groups[key, content, one["path"], one["revision"], one["relation"] == "near"].append(
                    (one, one["releases"])
                )
    mine = _asked_for(keys, asked)
    own = {key for key in groups if key[0] in mine and not key[4] and _is_at(key[2], asked.path)}
    near = {key for key in groups if key[0] in mine and key[4] and _is_at(key[2], asked.path)}

    def beside(those: set[tuple[Any, ...]]) -> dict[str, int]:
        contents = {key[1] for key in those}
        found = {key for key in groups if key[1] in contents and key[0] not in mine and not key[4]}
        held = {key[1] for key in found}
        size = sum(sizes[one] for one in held)
        return {
            "contents": len(held),
            "bytes": size,
            "places": len(found),
            "repositories": len({key[0] for key in found}),
        }

    versions = Counter(
        release.label
        for key in own
        for bit, release in enumerate(index.searched)
        if any(mask >> bit & 1 for _, mask in groups[key])
    )
    return {
        "files": len(own), "contents": len({key[1] for key in own}), "bytes": sum(sizes[one] for one in {key[1] for key in own}),
        "languages": dict(Counter(groups[key][0][0]["language"] for key in own)),
        "licenses": dict(Counter(groups[key][0][0]["license"] for key in own)), "versions": dict(versions),
        "repositories": dict(Counter(key[0] for key in own)), "exact": beside(own), "near": beside(near),
    }  # fmt: skip


def _is_at(path: str, wanted: str) -> bool:
    return not wanted or path == wanted or path.startswith(f"{wanted}/")


def _asked_for(keys: dict[str, list[dict[str, Any]]], asked: Asked) -> set[str]:
    hosts = [asked.host] if asked.host else sorted({key.partition("/")[0] for key in keys})
    if asked.repo:
        named = {key for key in keys if key in {repository_key(host, asked.owner, asked.repo) for host in hosts}}
    else:
        hosts += ["gist.github.com"] if "github.com" in hosts else []
        named = {key for key in keys if any(key.startswith(f"{host}/{fold_name(asked.owner)}/") for host in hosts)}
    column = "repo_id" if asked.repo else "owner_id"
    numbers = {
        (fold_name(row["host"]), row[column])
        for key in named for row in keys[key] if row[column] and fold_name(row["owner"]) == fold_name(asked.owner)
    }  # fmt: skip
    return named | {
        key for key, rows in keys.items() if any((fold_name(row["host"]), row[column]) in numbers for row in rows)
    }


def answered(index: Index, asked: Asked) -> dict[str, Any]:
    found = owners.owner(index, asked).to_json()
    released = found["released"]
    repositories = Counter[str]()
    for one in found["repositories"]:
        owner, _, repo = one["repo_name"].rpartition("/")
        repositories[repository_key(one["host"], owner, repo)] += one["files"]
    assert found["num_repositories"] == len(found["repositories"])
    return released | {"repositories": dict(repositories)} | found["elsewhere"]


ASKED = [
    Asked(host, owner, repo, path)
    for host, owner, repo, path in [
        ("", "jane", "", ""), ("github.com", "jane", "", ""), ("", "jane", "lib", ""), ("github.com", "john", "tool", ""),
        ("gitlab.com", "group", "", ""), ("gitlab.com", "group/sub", "lib", ""), ("", "gr", "", ""), ("", "jane-old", "", ""),
        ("", "nobody", "", ""), ("github.com", "jane", "lib", "b"), ("gist.github.com", "jane", "", ""), ("", "john", "", "a.py"),
    ]
]  # fmt: skip


@pytest.mark.parametrize("seed", range(15))
def test_answers_are_those_of_plain_python(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    folder = world(tmp_path, draw)
    reader = open_index(folder)
    check(reader)
    if draw.random() < 0.7:
        remove(folder, repositories=["github.com/john/lib"], owners=["gitlab.com/gr"])
        check(reader)
    if draw.random() < 0.7:
        leaver = entry(name="jane", host=draw.choice(HOSTS), effect="mask", numeric_id=draw.choice([None, 7]))
        check(open_index(folder, [SuppressionList(issuer="local", epoch=1, created="2026-11-21", entries=(leaver,))]))
    if draw.random() < 0.5:
        merge(folder)
        check(reader.current())


def check(index: Index) -> None:
    for asked in ASKED:
        assert answered(index, asked) == naive(index, asked), asked
        page = owners.files(index, asked, 0, 1000)
        assert page.total == len(page.rows) == naive(index, asked)["files"]
        for relation in ("exact", "near"):
            rows = owners.copies(index, asked, relation, 0, 1000).rows
            assert len({one["content_id"] for one in rows}) == naive(index, asked)[relation]["contents"]


def test_what_segments_share_is_found_once_for_each_opened_index(tmp_path: Path) -> None:
    folder = world(tmp_path, random.Random(1))
    index = open_index(folder)
    assert joined(index) is joined(index)
    assert joined(open_index(folder)) is not joined(index)
