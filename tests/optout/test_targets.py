"""Looking up entries: that only some repositories are looked at one by one loses none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack_data.optout import Entry, targets
from stack_data.records import REPOSITORIES

DAY = "2026-01-01"
OWNERS = ["alice", "Alice", "ALICE/sub", "bob", "-", "Ａlice", "a℀", "a\nb", "alice/x\ny", "Straße", "strasse"]
REPOS = ["lib", "Lib", "a_b", "A.-b", "a-b", "ß", "ss"]
HOSTS = ["github.com", "gist.github.com", "GitHub.com", "pypi", "npm"]
NUMBERS = st.sampled_from([None, None, 1, 2, 2**63 - 1])


@st.composite
def repositories(draw: st.DrawFn) -> dict[str, Any]:
    known = {
        "host": draw(st.sampled_from(HOSTS)),
        "owner": draw(st.sampled_from(OWNERS)),
        "repo": draw(st.sampled_from(REPOS)),
    }
    alias = draw(st.sampled_from([None, [], ["github.com/alice/lib"], ["pypi/-/a-b", "github.com"]]))
    rest = {"source_kind": "git", "audience": "public", "authors_known": False, "aliases": alias}
    return known | rest | {"owner_id": draw(NUMBERS), "repo_id": draw(NUMBERS)}


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    kind = draw(st.sampled_from(["owner", "repository", "path", "package"]))
    owner, repo = draw(st.sampled_from(OWNERS)), draw(st.sampled_from(REPOS))
    name = owner if kind == "owner" else draw(st.sampled_from([f"{owner}/{repo}", f"@{owner}/{repo}", repo]))
    return Entry(
        kind=kind, host=draw(st.sampled_from(HOSTS)), name=name, numeric_id=draw(st.sampled_from([None, 1, 2, 10**30])),
        glob="*" if kind == "path" else "", since=DAY, spread=draw(st.sampled_from(["none", "exact", "near"])),
        granted=draw(st.sampled_from(["", "moderator"])),
    )  # fmt: skip


@given(
    st.lists(repositories(), max_size=6),
    st.lists(entries(), max_size=4),
    st.dictionaries(st.integers(0, 5), st.just("github.com/bob/x")),
)
def test_a_repository_that_is_not_looked_at_is_named_by_no_entry(
    table: list[dict[str, Any]], asked: list[Entry], renamed: dict[int, str]
) -> None:
    rows = pa.Table.from_pylist(table, schema=REPOSITORIES)
    renamed_to = {row: name for row, name in renamed.items() if row < len(table)}
    found = targets.targets_of(asked, rows, renamed_to)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(targets, "_candidates", lambda index, repositories, renamed_to: np.arange(repositories.num_rows))
        wanted = targets.targets_of(asked, rows, renamed_to)
    assert found.repository.tolist() == wanted.repository.tolist() and found.linked.tolist() == wanted.linked.tolist()
    assert {row: [bits for bits, _ in ones] for row, ones in found.paths.items()} == {
        row: [bits for bits, _ in ones] for row, ones in wanted.paths.items()
    }
    assert np.flatnonzero(found.has_paths).tolist() == sorted(found.paths)


@pytest.mark.parametrize("owner", ["alice/x\ny", "Alice", "Ａlice", "ALICE/sub/x"])
def test_an_owner_is_found_however_the_host_spells_it(owner: str) -> None:
    row = {
        "source_kind": "git",
        "host": "gitlab.com",
        "owner": owner,
        "repo": "x",
        "audience": "public",
        "authors_known": False,
    }
    asked = Entry(kind="owner", host="gitlab.com", name="alice", since=DAY)
    assert targets.targets_of([asked], pa.Table.from_pylist([row], schema=REPOSITORIES), {}).repository.tolist() == [1]
