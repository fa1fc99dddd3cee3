"""Real code in several releases, the indexes that one gets by adding, removing and merging them, and what lives in each by plain arithmetic.

Releases a to c hold overlapping parts of the files, d all that were removed and some new ones. Every seventh content has a copy in a
mirror of another owner; release c shows every ninth of its contents otherwise than those before (redacted anew). One repository in ten is removed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from stack_data.identity import content_id
from stack_data.search.answer import Answer
from stack_data.search.build import add, build
from stack_data.search.index import Index
from stack_data.search.merge import merge
from stack_data.search.query import match
from stack_data.search.removals import remove
from stack_data.search.views import BLINDED
from tests.search.guaranteed import Scan, Span, Text, judge
from tests.search.releases import At, Content, release

PARTS = {"a": {0, 1, 2, 3, 4, 5, 6}, "b": {3, 4, 5, 6, 7}, "c": {1, 5, 6, 7, 8}, "d": {0, 2, 7, 8, 9}}
"""Which tenths of the repositories each release holds."""
STATES = "one segment", "several segments", "merged", "a tenth removed", "removed and merged", "and added to"
_MIRROR, _REDACTED = 7, 9


@dataclass(frozen=True, slots=True)
class File:
    """A file of a repository of the owner `real`."""

    text: str
    language: str
    repo: str
    path: str


Place = tuple[str, str, str]
"""Content id, repository, path."""


@dataclass
class State:
    """An index and what is in it: the releases added, whose places were removed, whether a merge has erased those."""

    name: str
    folder: Path
    releases: str
    removed: frozenset[str] = frozenset()
    erased: str = ""

    shown: dict[str, Text] = field(default_factory=dict)
    """The text that counts of each content."""
    places: dict[str, set[Place]] = field(default_factory=dict)
    hidden: dict[str, set[Place]] = field(default_factory=dict)
    """Places that live, and those that were removed but not erased, of each content."""

    @cached_property
    def living(self) -> set[str]:
        return {identity for identity, places in self.places.items() if places}

    def shows(self, text: Text) -> bool:
        """Tell whether a text is the one that counts of its content."""
        return self.shown.get(text.content_id) == text


class World:
    """Releases under a folder, made of files."""

    def __init__(self, files: Sequence[File], folder: Path) -> None:
        self.folder = folder
        repos = sorted({one.repo for one in files}, key=lambda name: content_id(name.encode()))
        part = {name: number % 10 for number, name in enumerate(repos)}
        self.removed = frozenset(f"github.com/real/{name}" for name in repos[::10])
        self.contents = {name: _contents(files, part, parts, name == "c") for name, parts in PARTS.items()}
        self.releases = {
            name: release(folder, contents, f"{number + 1}.0.0", shards=3, rows=200)
            for number, (name, contents) in enumerate(self.contents.items())
        }
        shown = {(one.id, one.shown): one.language for contents in self.contents.values() for one in contents}
        self.texts = [Text(key[0], key[1].encode(), language or "") for key, language in sorted(shown.items())]

    @cached_property
    def of_removed(self) -> set[str]:
        """The contents that have a place in a removed repository."""
        everything = (one for contents in self.contents.values() for one in contents)
        return {
            one.id for one in everything if any(f"{at.host}/{at.owner}/{at.repo}" in self.removed for at in one.places)
        }

    def states(self) -> Iterator[State]:
        """Make and yield each state of an index in turn; later ones are made of earlier ones, which stay. Call once."""
        total = sum(len(one.raw) for one in self.texts)
        yield self._known(State("one segment", self._made("one", "a", 1 << 30), "a"))
        several = self._made("several", "abc", total // 8)
        yield self._known(State("several segments", several, "abc"))
        yield self._known(State("merged", self._copied(several, "merged", merge), "abc"))
        gone = self._copied(several, "removed", lambda one: remove(one, repositories=self.removed))
        yield self._known(State("a tenth removed", gone, "abc", self.removed))
        merged = self._copied(gone, "erased", lambda one: merge(one, segment_bytes=total // 3))
        yield self._known(State("removed and merged", merged, "abc", self.removed, "abc"))
        topped = self._copied(merged, "topped", lambda one: add(one, self.releases["d"]))
        yield self._known(State("and added to", topped, "abcd", self.removed, "abc"))

    def _made(self, name: str, letters: str, segment_bytes: int) -> Path:
        build([self.releases[one] for one in letters], self.folder / name, segment_bytes=segment_bytes)
        return self.folder / name

    def _copied(self, start: Path, name: str, change: Callable[[Path], object]) -> Path:
        folder = Path(shutil.copytree(start, self.folder / name))
        change(folder)
        return folder

    def _known(self, state: State) -> State:
        for letter in state.releases:
            for one in self.contents[letter]:
                state.shown[one.id] = Text(one.id, one.shown.encode(), one.language or "")
                for at in one.places:
                    place = (one.id, f"{at.owner}/{at.repo}", at.path)
                    if f"{at.host}/{at.owner}/{at.repo}" not in state.removed:
                        state.places.setdefault(one.id, set()).add(place)
                    elif letter not in state.erased:
                        state.hidden.setdefault(one.id, set()).add(place)
        return state


def _contents(files: Sequence[File], part: dict[str, int], parts: set[int], is_redacted: bool) -> list[Content]:
    places: dict[str, list[At]] = {}
    known: dict[str, File] = {}
    for one in files:
        if part[one.repo] in parts:
            identity = content_id(one.text.encode())
            known[identity] = one
            places.setdefault(identity, []).append(At("real", one.repo, one.path))
    made = []
    for identity, one in known.items():
        number = int(identity[:8], 16)
        mirror = [At("mirror", f"{one.repo}-copy", one.path)] if number % _MIRROR == 0 else []
        released = one.text.replace("the ", "a ") if is_redacted and number % _REDACTED == 0 else None
        made.append(Content(one.text, (*places[identity], *mirror), one.language, released))
    return made


def lives(state: State, text: Text) -> bool:
    """Tell whether a text is shown at a living place."""
    return text.content_id in state.living and state.shows(text)


def verdicts(index: Index, state: State, scan: Scan, spans: Sequence[tuple[Span, tuple[int, ...]]]) -> Iterator[str]:
    """Yield what is wrong with the answer to each span, "" for nothing. With each span go the rows of the texts that hold it."""
    for span, holders in spans:
        answer = match(index, span.snippet, span.language)
        held = {scan.texts[row].content_id for row in holders if state.shows(scan.texts[row])}
        why = judge(answer, span, scan.view, held & state.living, state.living)
        yield why or _of_places(answer, state, held if scan.view is not BLINDED else set())


def _of_places(answer: Answer, state: State, held: set[str]) -> str:
    """Return what is wrong with the places that an answer tells of and counts as withheld. held: contents that hold what was asked."""
    told = {one.content_id: {(one.content_id, at.repo_name, at.path) for at in one.places} for one in answer.matches}
    if any(places != state.places[identity] for identity, places in told.items()):
        return "names other places"
    # Of contents that hold the run only under other names nothing is counted.
    least = sum(len(state.hidden.get(one, ())) for one in {*told, *held})
    if answer.withheld < least and not answer.capped:
        return "withholds without saying so"
    return "withholds what is not there" if answer.withheld and not any(state.hidden.values()) else ""
