"""What is read out of a table of repositories before the spread is decided."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack_data.optout.spread import repositories_of

COMMITS = st.one_of(st.none(), st.lists(st.sampled_from("abcdef"), max_size=3))


@given(st.lists(COMMITS, max_size=9))
def test_repositories_joined_by_root_commits_have_one_number(roots: list[list[str] | None]) -> None:
    found = repositories_of(pa.table({"root_commits": pa.array(roots, pa.list_(pa.string()))})).history.tolist()
    groups: list[tuple[set[int], set[str]]] = []
    for row, commits in enumerate(roots):
        if commits:
            joined = [one for one in groups if one[1] & set(commits)]
            groups = [one for one in groups if one not in joined]
            groups.append(({row}.union(*(one[0] for one in joined)), set(commits).union(*(one[1] for one in joined))))
    assert [number >= 0 for number in found] == [bool(commits) for commits in roots]
    assert sorted(sorted(rows) for rows, _ in groups) == sorted(
        [row for row, one in enumerate(found) if one == number] for number in set(found) - {-1}
    )


@pytest.mark.parametrize("other", ["", None, "2020-01-01T00:00:00Z"], ids=["empty", "none", "good"])
def test_a_time_that_is_none_is_unknown_and_harms_no_other(other: str | None) -> None:
    times = ["2020-01-01T00:00:00Z", "yesterday", "NaT", other]
    table = pa.table({"source_kind": ["packages"] * 4, "host_time": times})
    known = repositories_of(table).uploaded.tolist()
    never = repositories_of(pa.table({"source_kind": ["packages"]})).uploaded[0]
    assert known == [1577836800, never, never, 1577836800 if other else never]


def test_a_fork_has_everything_above_it_and_a_circle_ends() -> None:
    names, above = ["a", "B", "c", "d"], [None, "x/y/A", "X/Y/b", "x/y/d"]
    table = pa.table({"host": ["x"] * 4, "owner": ["Y"] * 4, "repo": names, "fork_of": above})
    assert sorted(map(tuple, repositories_of(table).ancestors.T.tolist())) == [(1, 0), (2, 0), (2, 1)]
