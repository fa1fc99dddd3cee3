"""resolve: who is reached by an entry, how far it spreads, and the attacks that must take nothing from anybody else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack_data.errors import ConfigError
from stack_data.optout import Entry, Places, Resolution, SuppressionList, resolve
from stack_data.optout.spread import LAST_GOING, MEANINGS, Why
from stack_data.records import REPOSITORIES

DAY = "2026-01-01"


def repository(name: str, **facts: Any) -> dict[str, Any]:
    host, _, rest = name.partition("/")
    owner, _, repo = rest.rpartition("/")
    kind = "packages" if host in ("pypi", "npm") else "git"
    known = {
        "source_kind": kind,
        "host": host,
        "owner": owner,
        "repo": repo,
        "audience": "public",
        "authors_known": False,
    }
    return known | facts


def content(number: int) -> str:
    return f"{number:040x}"


def run(
    repositories: Sequence[dict[str, Any]], places: Sequence[tuple[int, str, int]], *entries: Entry, copies: Sequence[int] = (),
    near: Sequence[tuple[int, int]] = (), authors: Sequence[Any] | None = None, author_key_id: str = "", **options: Any,
) -> Resolution:  # fmt: skip
    """Resolve entries among places (repository, path, content), cut into two parts."""
    table = pa.Table.from_pylist(list(repositories), schema=REPOSITORIES)
    half = len(places) // 2
    parts = []
    for rows in (range(half), range(half, len(places))):
        parts.append(
            Places(
                pa.array([content(places[row][2]) for row in rows], pa.string()),
                np.array([places[row][0] for row in rows], np.int64), pa.array([places[row][1] for row in rows], pa.string()),
                None if authors is None else pa.array(
                    [authors[row] for row in rows], pa.list_(pa.struct([("email_hash", pa.string()), ("share", pa.float32())]))
                ),
                np.array([row in copies for row in rows], bool),
            )
        )  # fmt: skip
    edges = pa.table({"first_id": [content(a) for a, _ in near], "second_id": [content(b) for _, b in near]})
    made = SuppressionList(issuer="local", epoch=1, created=DAY, entries=entries, author_key_id=author_key_id)
    return resolve(
        parts,
        table,
        [made],
        near=edges.cast(pa.schema([("first_id", pa.string()), ("second_id", pa.string())])),
        **options,
    )


def gone(found: Resolution) -> list[int]:
    return np.flatnonzero(np.concatenate(found.rows)).tolist()


def whys(found: Resolution, places: int) -> dict[int, Why]:
    half = places // 2
    return {row["row"] + half * row["part"]: Why(row["why"]) for row in found.preview.to_pylist()}


def owner(name: str, host: str = "github.com", **values: Any) -> Entry:
    return Entry(kind="owner", host=host, name=name, since=DAY, **values)


def other(kind: str, name: str, host: str = "github.com", **values: Any) -> Entry:
    return Entry(kind=kind, host=host, name=name, since=DAY, **values)


ALICE, BOB = repository("github.com/alice/lib"), repository("github.com/bob/app")


def test_an_owner_takes_their_places_and_leaves_the_copies_of_others() -> None:
    found = run([ALICE, BOB], [(0, "a.py", 1), (0, "b.py", 2), (1, "a.py", 1), (1, "c.py", 3)], owner("Alice"))
    assert gone(found) == [0, 1]
    assert found.contents.to_pylist() == [content(2)]
    assert whys(found, 4) == {0: Why.MATCHES, 1: Why.MATCHES, 2: Why.NOT_ASKED}


@pytest.mark.parametrize(
    ("entry", "rows"),
    [
        (other("repository", "alice/lib"), [0, 1]),
        (other("repository", "alice/app"), []),
        (other("path", "alice/lib", glob="src/*.py"), [0]),
        (other("path", "alice/lib", glob="docs/"), []),
        (other("path", "alice/lib", glob="*"), [0, 1]),
        (other("repository", "alice/lib", host="gitlab.com"), []),
        (other("content", "", host="", content_id=content(1)), [0, 2]),
        (owner("group", host="gitlab.com"), [3]),
        (owner("group/sub", host="gitlab.com"), [3]),
        (owner("gro", host="gitlab.com"), []),
        (other("package", "-/Zope.Interface", host="pypi"), [4]),
        (other("package", "zope_interface", host="pypi"), [4]),
        (other("package", "@scope/name", host="npm"), [5]),
        (owner("scope", host="npm"), [5]),
        (owner("carol"), [6]),
    ],
)
def test_an_entry_reaches_what_it_names(entry: Entry, rows: list[int]) -> None:
    repositories = [
        ALICE, BOB, repository("gitlab.com/group/sub/x"), repository("pypi/-/zope-interface"), repository("npm/scope/name"),
        repository("gist.github.com/carol/0a1b"),
    ]  # fmt: skip
    places = [(0, "src/a.py", 1), (0, "docs.py", 2), (1, "a.py", 1), (2, "b", 3), (3, "c", 4), (4, "d", 5), (5, "e", 6)]
    assert gone(run(repositories, places, entry)) == rows


def test_numbers_alone_decide_where_both_have_them() -> None:
    repositories = [
        repository("github.com/new/lib", owner_id=7, repo_id=70),
        repository("github.com/old/lib", owner_id=8),
    ]
    places = [(0, "a", 1), (1, "a", 2)]
    assert gone(run(repositories, places, owner("old", numeric_id=7))) == [0]
    assert gone(run(repositories, places, owner("old", numeric_id=9))) == []
    assert gone(run(repositories, places, owner("old"))) == [1]
    assert gone(run(repositories, places, other("repository", "gone/name", numeric_id=70))) == [0]


def test_a_host_redirect_is_followed_and_a_former_name_waits_for_a_moderator() -> None:
    places = [(0, "a", 1)]
    moved = [repository("github.com/old/lib")]
    assert gone(run(moved, places, owner("new"), renamed_to={0: "github.com/new/lib"})) == [0]
    named = [repository("github.com/new/lib", aliases=["github.com/old/lib"])]
    found = run(named, places, owner("old"))
    assert gone(found) == [] and whys(found, 1) == {0: Why.OTHER_NAME}
    assert gone(run(named, places, owner("old", granted="moderator"))) == [0]
    assert gone(run([named[0] | {"owner_id": 7}], places, owner("old", numeric_id=7))) == [0]


def test_a_project_url_never_takes_a_package_along() -> None:
    package = repository("pypi/-/lib", aliases=["github.com/alice/lib"])
    found = run([ALICE, package], [(0, "a", 1), (1, "b", 2)], owner("alice"))
    assert gone(found) == [0] and whys(found, 2)[1] == Why.OTHER_NAME
    # Nor the other way round: a package that names somebody's repository as its own.
    assert gone(run([ALICE, package], [(0, "a", 1), (1, "b", 2)], other("package", "lib", host="pypi"))) == [1]


def test_an_author_takes_what_is_mostly_theirs() -> None:
    mine, theirs = "a" * 64, "b" * 64
    known = [repository("github.com/bob/app", authors_known=True, key_id="key")]
    authors = [
        [{"email_hash": mine, "share": 0.5}, {"email_hash": theirs, "share": 0.5}], [{"email_hash": mine, "share": 0.49}], [],
        [{"email_hash": theirs, "share": 1.0}],
    ]  # fmt: skip
    places = [(0, name, at) for at, name in enumerate("abcd")]
    entry = Entry(kind="email", email_hash=mine, since=DAY)
    assert gone(run(known, places, entry, authors=authors, author_key_id="key")) == [0]
    with pytest.raises(ConfigError, match="hashed with the key other, this build's authors with key"):
        run(known, places, entry, authors=authors, author_key_id="other")
    with pytest.raises(ConfigError, match="the authors of 1 git repositories of this build are not known"):
        run([ALICE], [(0, "a", 1)], entry, author_key_id="key")
    assert gone(run([repository("pypi/-/x")], [(0, "a", 1)], entry, author_key_id="key")) == []


def test_an_entry_that_ended_or_only_masks_takes_nothing_out_of_a_release() -> None:
    places = [(0, "a", 1)]
    assert gone(run([ALICE], places, owner("alice", until=DAY))) == []
    assert gone(run([ALICE], places, owner("alice", until="2026-01-02"))) == [0]
    assert gone(run([ALICE], places, owner("alice", effect="mask"))) == []
    assert gone(run([ALICE], places, owner("alice", effect="mask"), effects=("mask", "remove"))) == [0]


PACKAGE = repository("pypi/-/popular", host_time="2020-05-01T00:00:00Z")
YOUNGER = repository("github.com/bob/app", host_time="2021-01-01T00:00:00Z")
ELDER = repository("github.com/carol/old", host_time="2019-01-01T00:00:00Z")
TAKES = other("package", "popular", host="pypi", spread="exact")


def test_a_copy_that_cannot_be_the_original_goes_along() -> None:
    found = run([PACKAGE, YOUNGER], [(0, "a", 1), (1, "a", 1)], TAKES)
    assert gone(found) == [0, 1] and whys(found, 2)[1] == Why.CREATED_LATER
    fork = repository("github.com/dave/lib", is_fork=True, fork_of="github.com/alice/lib")
    far = repository("github.com/erin/lib", is_fork=True, fork_of="github.com/Dave/lib")
    found = run([ALICE, fork, far], [(0, "a", 1), (1, "a", 1), (2, "a", 1)], owner("alice", spread="exact"))
    assert gone(found) == [0, 1, 2] and whys(found, 3)[2] == Why.FORK
    found = run([ALICE], [(0, "src/a", 1), (0, "copy/a", 1)], other("path", "alice/lib", glob="src/", spread="exact"))
    assert whys(found, 2) == {0: Why.MATCHES, 1: Why.SAME_REPOSITORY}


@pytest.mark.parametrize(
    ("others", "why"),
    [
        ([ELDER], Why.MAYBE_OLDER),
        ([YOUNGER, ELDER], Why.MAYBE_OLDER),
        ([BOB], Why.MAYBE_OLDER),
        ([repository("pypi/-/other", host_time="2025-01-01T00:00:00Z")], Why.MAYBE_OLDER),
        ([repository("github.com/x/y", host_time="2020-05-01T00:00:00Z")], Why.MAYBE_OLDER),
    ],
)
def test_one_copy_that_may_be_older_keeps_all_copies(others: list[dict[str, Any]], why: Why) -> None:
    places = [(at, "a", 1) for at in range(1 + len(others))]
    found = run([PACKAGE, *others], places, TAKES)
    assert gone(found) == [0] and set(whys(found, len(places)).values()) == {Why.MATCHES, why}
    granted = other("package", "popular", host="pypi", spread="exact", granted="moderator")
    assert gone(run([PACKAGE, *others], places, granted)) == list(range(len(places)))


def test_a_vendored_target_grants_nothing() -> None:
    found = run([PACKAGE, YOUNGER], [(0, "a", 1), (1, "a", 1)], TAKES, copies=[0])
    assert gone(found) == [0] and whys(found, 2)[1] == Why.COPY_AT_TARGET


ROOT = "c" * 40


@pytest.mark.parametrize(
    "attacker",
    [
        {},
        {"root_commits": [ROOT]},
        {"root_commits": [ROOT], "first_commit_time": "1999-01-01T00:00:00Z"},
        {"host_time": "2008-01-01T00:00:00Z"},
        {"first_seen": "2001-01-01", "host_time": "2008-01-01T00:00:00Z", "stars": 10**6},
    ],
    ids=["pushed copy", "mirror", "forged dates", "old empty repository", "everything at once"],
)
@pytest.mark.parametrize("spread", ["exact", "near"])
def test_a_pushed_copy_of_a_popular_package_takes_nothing_elsewhere(attacker: dict[str, Any], spread: str) -> None:
    popular = repository("github.com/popular/lib", root_commits=[ROOT], host_time="2015-01-01T00:00:00Z", owner_id=5)
    package = repository("pypi/-/lib", aliases=["github.com/mallory/lib"], host_time="2024-01-01T00:00:00Z")
    copy = repository("github.com/mallory/lib", owner_id=66, **attacker)
    places = [(2, "a.py", 1), (0, "a.py", 1), (1, "a.py", 1), (0, "b.py", 2)]
    found = run([popular, package, copy], places, owner("mallory", numeric_id=66, spread=spread), near=[(1, 2)])
    assert gone(found) == [0]
    stays = {why for row, why in whys(found, 4).items() if row}
    assert stays <= {Why.MAYBE_OLDER, Why.SHARED_HISTORY, Why.OTHER_NAME}


def test_who_takes_a_former_name_over_gains_nothing() -> None:
    popular = repository("github.com/new/lib", owner_id=5, aliases=["github.com/old/lib"])
    package = repository("pypi/-/lib", aliases=["github.com/old/lib"])
    places = [(0, "a.py", 1), (1, "a.py", 1)]
    for entry in (owner("old", spread="near"), owner("old", numeric_id=66, spread="near")):
        assert gone(run([popular, package], places, entry)) == []


def test_near_duplicates_go_only_where_an_entry_asks_for_them() -> None:
    places = [(0, "a", 1), (1, "b", 2), (1, "c", 3)]
    assert gone(run([PACKAGE, YOUNGER], places, TAKES, near=[(1, 2)])) == [0]
    near = other("package", "popular", host="pypi", spread="near")
    found = run([PACKAGE, YOUNGER], places, near, near=[(1, 2)])
    assert gone(found) == [0, 1] and found.contents.to_pylist() == [content(1), content(2)]
    # A near duplicate of bytes that may be somebody else's is nobody's to take.
    assert gone(run([PACKAGE, YOUNGER, ELDER], [*places, (2, "a", 1)], near, near=[(1, 2)])) == [0]


def test_every_reason_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Why)


NAMES = ["github.com/a/x", "github.com/b/x", "github.com/c/y", "pypi/-/p", "pypi/-/q"]
TIMES = [None, "2019-01-01T00:00:00Z", "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[tuple[int, str, int]], list[int], Entry]:
    repositories = []
    for name in NAMES:
        fork_of = draw(st.sampled_from(["", "", *NAMES[:3]])) if name.startswith("github") else ""
        roots = draw(st.sampled_from([None, [ROOT], ["d" * 40]]))
        repositories.append(
            repository(name, host_time=draw(st.sampled_from(TIMES)), fork_of=fork_of, root_commits=roots)
        )
    places = draw(st.lists(st.tuples(st.integers(0, 4), st.just("a"), st.integers(0, 2)), min_size=1, max_size=8))
    copies = draw(st.lists(st.integers(0, 7), max_size=2))
    host, _, rest = draw(st.sampled_from(NAMES)).partition("/")
    entry = other("repository", rest, host=host, spread=draw(st.sampled_from(["none", "exact"])))
    return repositories, places, copies, entry


def naive(
    repositories: list[dict[str, Any]], places: list[tuple[int, str, int]], copies: list[int], entry: Entry
) -> set[int]:
    """The rules as they are told, place by place."""
    name = [f"{one['host']}/{one['owner']}/{one['repo']}" for one in repositories]
    hit = {at for at, place in enumerate(places) if name[place[0]] == f"{entry.host}/{entry.name}"}
    out = set(hit)
    if entry.spread == "none":
        return out

    def is_fork(of: int, target: int) -> bool:
        seen = []
        while repositories[of]["fork_of"] and of not in seen:
            seen.append(of)
            of = name.index(repositories[of]["fork_of"])
            if of == target and target not in seen:
                return True
        return False

    for wanted in {places[at][2] for at in hit}:
        sound = [at for at in hit if places[at][2] == wanted and at not in copies]
        rest = [at for at, place in enumerate(places) if place[2] == wanted and at not in hit]
        forks = [at for at in rest if any(is_fork(places[at][0], places[one][0]) for one in sound)]
        out.update(forks)
        others = [at for at in rest if at not in forks]
        target = repositories[places[min(hit)][0]]
        uploaded = target["host_time"] if target["source_kind"] == "packages" else None
        if sound and uploaded and all(
            repositories[places[at][0]]["source_kind"] == "git" and (repositories[places[at][0]]["host_time"] or "") > uploaded
            and not set(target["root_commits"] or ()) & set(repositories[places[at][0]]["root_commits"] or ())
            for at in others
        ):  # fmt: skip
            out.update(others)
    return out


@settings(max_examples=400)
@given(worlds())
def test_the_rules_are_what_they_are_told_to_be(world: Any) -> None:
    repositories, places, copies, entry = world
    found = run(repositories, places, entry, copies=copies)
    assert set(gone(found)) == naive(repositories, places, copies, entry)
    left = {places[at][2] for at in range(len(places)) if at not in gone(found)}
    assert set(found.contents.to_pylist()) == {content(places[at][2]) for at in gone(found)} - {
        content(one) for one in left
    }
    assert all(row["goes"] == (row["why"] <= LAST_GOING) for row in found.preview.to_pylist())
