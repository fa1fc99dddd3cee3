"""The order of a repository's files: by path, or so that a file comes after the files it imports.

Pure functions over paths and a graph of imports (imports/). In dependency order the strongly connected components of the graph are
sorted topologically; wherever several could come next, the one with the smallest path does, and inside a component, which is a cycle
of imports, files are in order of their paths. So a repository without imports is in path order, and equal repositories have equal
orders. Nothing here recurses: a chain of imports may be as long as a repository.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

RULE_VERSION = 1


def path_order(paths: Sequence[str]) -> list[int]:
    """Return the positions of N paths in order of the paths; equal paths keep their order."""
    return sorted(range(len(paths)), key=paths.__getitem__)


def dependency_order(paths: Sequence[str], imports: Sequence[Sequence[int]]) -> list[int]:
    """Return the positions of N files, what is imported before what imports it.

    imports: for each file the positions of the files it imports.
    """
    by_path = path_order(paths)
    place = [0] * len(paths)
    for rank, position in enumerate(by_path):
        place[position] = rank
    # From here on a file is its rank by path, so that numbers compare as paths do.
    targets = [sorted({place[target] for target in imports[position]}) for position in by_path]
    return [by_path[rank] for component in _sorted_components(targets) for rank in component]


def _sorted_components(targets: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Yield the components of a graph, each after those it points at, the one with the smallest member first."""
    components = [sorted(component) for component in _components(targets)]
    of = {member: number for number, component in enumerate(components) for member in component}
    needs = [
        {of[target] for member in component for target in targets[member]} - {number}
        for number, component in enumerate(components)
    ]
    needed_by: list[list[int]] = [[] for _ in components]
    for number, others in enumerate(needs):
        for other in others:
            needed_by[other].append(number)
    missing = [len(others) for others in needs]
    ready = [(components[number][0], number) for number, count in enumerate(missing) if not count]
    heapq.heapify(ready)
    while ready:
        _, number = heapq.heappop(ready)
        yield components[number]
        for other in needed_by[number]:
            missing[other] -= 1
            if not missing[other]:
                heapq.heappush(ready, (components[other][0], other))


def _components(targets: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Yield the strongly connected components of a graph (Tarjan's algorithm, with a stack of its own)."""
    index, low = [-1] * len(targets), [0] * len(targets)
    on_stack, stack, counter = [False] * len(targets), list[int](), 0
    for root in range(len(targets)):
        if index[root] >= 0:
            continue
        work: list[tuple[int, int]] = [(root, 0)]
        while work:
            node, at = work.pop()
            if at == 0:
                index[node] = low[node] = counter
                counter += 1
                stack.append(node)
                on_stack[node] = True
            if at < len(targets[node]):
                target = targets[node][at]
                work.append((node, at + 1))
                if index[target] < 0:
                    work.append((target, 0))
                elif on_stack[target]:
                    low[node] = min(low[node], index[target])
                continue
            if low[node] == index[node]:
                yield _popped(stack, node, on_stack)
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[node])


def _popped(stack: list[int], until: int, on_stack: list[bool]) -> list[int]:
    """Take a component off the stack."""
    component = []
    while True:
        member = stack.pop()
        on_stack[member] = False
        component.append(member)
        if member == until:
            return component
