"""The order of a repository's files."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stack_data.repository_order import dependency_order, path_order

PATHS = st.lists(st.text("abc/", min_size=1, max_size=4), min_size=1, max_size=12, unique=True)


@st.composite
def repositories(draw: st.DrawFn, acyclic: bool) -> tuple[list[str], list[list[int]]]:
    paths = draw(PATHS)
    rank = draw(st.permutations(range(len(paths))))
    imports = [
        [
            target
            for target in draw(st.lists(st.integers(0, len(paths) - 1), max_size=4))
            if not acyclic or rank[target] < rank[one]
        ]
        for one in range(len(paths))
    ]
    return paths, imports


def reachable(imports: list[list[int]], start: int) -> set[int]:
    found, work = set[int](), [start]
    while work:
        for target in imports[work.pop()]:
            if target not in found:
                found.add(target)
                work.append(target)
    return found


@given(repositories(acyclic=True))
def test_what_is_imported_comes_first_where_there_are_no_cycles(repository: tuple[list[str], list[list[int]]]) -> None:
    paths, imports = repository
    order = dependency_order(paths, imports)
    assert sorted(order) == list(range(len(paths)))
    assert all(order.index(target) < order.index(one) for one, targets in enumerate(imports) for target in targets)


@given(repositories(acyclic=False))
def test_every_file_is_there_once_and_cycles_stay_together_in_order_of_paths(
    repository: tuple[list[str], list[list[int]]],
) -> None:
    paths, imports = repository
    order = dependency_order(paths, imports)
    assert sorted(order) == list(range(len(paths)))
    reach = [reachable(imports, one) for one in range(len(paths))]
    for one in range(len(paths)):
        for other in reach[one]:
            if one not in reach[other]:
                assert order.index(other) < order.index(one)
        cycle = [file for file in order if file == one or (file in reach[one] and one in reach[file])]
        assert [paths[file] for file in cycle] == sorted(paths[file] for file in cycle)
        first = order.index(cycle[0])
        assert order[first : first + len(cycle)] == cycle


@given(repositories(acyclic=False), st.randoms())
def test_the_order_does_not_depend_on_how_files_are_listed(
    repository: tuple[list[str], list[list[int]]], chance: object
) -> None:
    paths, imports = repository
    places = list(range(len(paths)))
    chance.shuffle(places)  # type: ignore[attr-defined]
    back = {place: position for position, place in enumerate(places)}
    moved = dependency_order(
        [paths[one] for one in places], [[back[target] for target in imports[one]] for one in places]
    )
    assert [paths[places[one]] for one in moved] == [paths[one] for one in dependency_order(paths, imports)]


@given(PATHS)
def test_without_imports_the_order_is_that_of_the_paths(paths: list[str]) -> None:
    assert dependency_order(paths, [[]] * len(paths)) == path_order(paths)


def test_the_smallest_path_comes_next_and_a_long_chain_is_no_deep_recursion() -> None:
    assert dependency_order(["a", "b", "c", "d"], [[3], [], [], []]) == [1, 2, 3, 0]
    count = 20_000
    chain = dependency_order([f"{one:05d}" for one in range(count)], [[one + 1] for one in range(count - 1)] + [[]])
    assert chain == list(range(count))[::-1]
    ring = dependency_order([f"{one:05d}" for one in range(count)], [[(one + 1) % count] for one in range(count)])
    assert ring == list(range(count))
