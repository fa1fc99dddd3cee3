"""The guarantee over the real index and real code: segments, merges, removals. Truth is a scan of every token of the living texts."""

from __future__ import annotations

import itertools
import random
import sysconfig
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from stack_data.search.index import open_index
from stack_data.search.integrity import verify_index
from stack_data.search.views import VIEWS, View
from tests.search.guaranteed import Scan, Span
from tests.search.histories import STATES, File, State, World, lives, verdicts

SPANS = 200
STDLIB = Path(sysconfig.get_paths()["stdlib"])
INCLUDE = Path(sysconfig.get_paths()["include"])


def real_files(count: int) -> Iterator[File]:
    """Yield files of Python and C that are there wherever the tests run; folders and single modules are their repositories."""
    python = [one for one in sorted(STDLIB.rglob("*.py")) if not {"test", "tests", "site-packages"} & set(one.parts)]
    for language, root, paths in (("Python", STDLIB, python), ("C", INCLUDE, sorted(INCLUDE.rglob("*.h")))):
        for path in random.Random(5).sample(paths, min(count, len(paths))):
            raw, inside = path.read_bytes(), path.relative_to(root)
            if 1500 < len(raw) < 40_000 and b"\r" not in raw and raw.isascii():
                yield File(raw.decode(), language, inside.parts[0].replace(".", "-"), inside.as_posix())


@dataclass(frozen=True)
class Asked:
    """The spans of a view, out of all texts of all releases, with the rows of the texts that hold each."""

    scan: Scan
    spans: list[tuple[Span, tuple[int, ...]]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(list(real_files(150)), tmp_path_factory.mktemp("guarantee"))


@pytest.fixture(scope="module")
def states(world: World) -> dict[str, State]:
    return {one.name: one for one in world.states()}


@pytest.fixture(scope="module")
def asked(world: World) -> dict[View, Asked]:
    found = {}
    for view in VIEWS:
        scan = Scan(world.texts, view)
        spans = itertools.islice(scan.spans(4, Counter()), 4 * SPANS)
        found[view] = Asked(scan, [(span, scan.holders(span)) for span in spans])
    return found


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("view", VIEWS, ids=[view.name for view in VIEWS])
def test_every_span_is_found(states: dict[str, State], asked: dict[View, Asked], name: str, view: View) -> None:
    state, scan = states[name], asked[view].scan
    index = open_index(state.folder)
    of_living = [one for one in asked[view].spans if lives(state, scan.texts[one[0].row])]
    assert Counter(verdicts(index, state, scan, of_living)) == {"": len(of_living)}
    assert len(of_living) >= SPANS


@pytest.mark.parametrize(
    "name", [name for name in STATES if name in ("a tenth removed", "removed and merged", "and added to")]
)
@pytest.mark.parametrize("view", VIEWS, ids=[view.name for view in VIEWS])
def test_what_was_removed_is_found_only_where_a_living_copy_holds_it(
    states: dict[str, State], asked: dict[View, Asked], name: str, view: View
) -> None:
    state, scan = states[name], asked[view].scan
    of_removed = [
        one for one in asked[view].spans if scan.texts[one[0].row].content_id in states["a tenth removed"].hidden
    ]
    assert len(of_removed) >= SPANS // 10
    assert Counter(verdicts(open_index(state.folder), state, scan, of_removed)) == {"": len(of_removed)}


def test_the_states_are_what_they_are_called(states: dict[str, State]) -> None:
    assert tuple(states) == STATES
    segments = {name: len(open_index(state.folder).segments) for name, state in states.items()}
    assert segments["one segment"] == segments["merged"] == 1
    assert segments["several segments"] >= 4 and segments["removed and merged"] > 1
    assert [verify_index(state.folder).problems for state in states.values()] == [[]] * len(states)
    assert len(open_index(states["several segments"].folder)._superseded)
    assert any(states["and added to"].hidden.values()) and not any(states["removed and merged"].hidden.values())
