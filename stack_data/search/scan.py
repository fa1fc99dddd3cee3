"""Scanning a checkout: which of its files, and which spans of them, are in the corpus.

First whole files by their content ids, then the spans of every other file by `match`. Nothing is written but the report
(scan_report.py, sarif.py). What is one's own is left out by name: a match whose places are all in `own` repositories is no finding,
and counted.

A file of which nothing was found is not thereby original: a report names the releases that were searched and the shortest
copy that is always found. Capped: files over `MOST_TEXT` characters are searched in pieces at line ends, and a copy that lies over
such an end counts as two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import pyarrow as pa

from stack_data.identity import content_id
from stack_data.languages.detection import detect_languages
from stack_data.search.answer import Answer, Match
from stack_data.search.checkout import File
from stack_data.search.clone_urls import Asked
from stack_data.search.names import is_of
from stack_data.search.protocol import Facts, Place, Release, SearchIndex

Matcher = Callable[[SearchIndex, str, str | None], Answer]
"""`query.match`: (index, text, language) -> the answer."""
Finder = Callable[[Sequence[str]], Mapping[str, int]]
"""Content ids -> documents of those that are in the index and not hidden."""
MOST_TEXT = 1 << 20
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of a file.

    status    identical, matches, nothing or skipped; reason: why it was skipped, else ""
    identical what is known of the same content in the corpus; matches: spans, longest first; own: findings left out as one's own
    """

    path: str
    num_bytes: int
    content_id: str
    language: str
    status: str
    reason: str = ""
    identical: Facts | None = None
    matches: tuple[Match, ...] = ()
    num_tokens: int = 0
    capped: bool = False
    withheld: int = 0
    own: int = 0


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found of a checkout. files: in the order of their paths; searched: the releases."""

    target: str
    files: tuple[Found, ...]
    searched: tuple[Release, ...]

    def count(self, status: str) -> int:
        """Return how many files have a status."""
        return sum(one.status == status for one in self.files)


def scan(
    index: SearchIndex, target: str, files: Iterable[File], match: Matcher, find: Finder, *,
    own: Sequence[Asked] = (), workers: int = 2, advance: Callable[[int], None] = lambda _: None,
) -> Scan:  # fmt: skip
    """Look for all files in the index. advance: told the bytes of each file that is done; workers: threads."""
    now = index.current()
    found: list[Found] = []
    with ThreadPoolExecutor(workers) as pool:
        for batch in _batches(files):
            languages, ids = (
                _languages(batch),
                [content_id(one.content) if one.content is not None else "" for one in batch],
            )
            documents = find([one for one in ids if one])
            facts = dict(zip(documents, now.facts(np.array(list(documents.values()), np.int64)), strict=True))

            def look(row: int) -> Found:
                return _look(now, batch[row], ids[row], languages[row], facts.get(ids[row]), match, own)  # noqa: B023

            for one in pool.map(look, range(len(batch))):
                found.append(one)
                advance(max(one.num_bytes, 0))
    return Scan(target, tuple(found), now.searched)


def _batches(files: Iterable[File]) -> Iterator[list[File]]:
    rest = iter(files)
    while batch := list(islice(rest, _BATCH)):
        yield batch


def _languages(batch: Sequence[File]) -> list[str]:
    """Return the language of each file, "" where it is not known."""
    texts = pa.array([one.text or "" for one in batch], pa.large_string())
    return [one or "" for one in detect_languages(pa.array([one.path for one in batch]), texts).to_pylist()]


def _look(
    index: SearchIndex,
    file: File,
    identity: str,
    language: str,
    facts: Facts | None,
    match: Matcher,
    own: Sequence[Asked],
) -> Found:
    base = Found(file.path, file.num_bytes, identity, language, "nothing")
    if facts is not None and facts.places:
        others = _others(facts.places, own)
        if others:
            return replace(base, status="identical", identical=replace(facts, places=others))
        return replace(base, own=1)
    if file.text is None:
        return replace(base, status="skipped", reason=file.reason.value if file.reason else "")
    return _matched(base, index, file.text, language, match, own)


def _matched(base: Found, index: SearchIndex, text: str, language: str, match: Matcher, own: Sequence[Asked]) -> Found:
    matches: list[Match] = []
    tokens = withheld = mine = 0
    capped = False
    for first_line, first, piece in _pieces(text):
        answer = match(index, piece, language or None)
        tokens, withheld, capped = tokens + answer.num_tokens, withheld + answer.withheld, capped or answer.capped
        for one in answer.matches:
            others = _others(one.places, own)
            mine += not others
            if others:
                matches.append(_moved(replace(one, places=others), first_line, first))
    matches.sort(key=lambda one: (-one.num_tokens, one.content_id, one.query_span, one.source_span))
    status = "matches" if matches else "nothing"
    return replace(
        base, status=status, matches=tuple(matches), num_tokens=tokens, capped=capped, withheld=withheld, own=mine
    )


def _others(places: Sequence[Place], own: Sequence[Asked]) -> tuple[Place, ...]:
    """Return the places that are not one's own, in their order."""
    return tuple(one for one in places if not any(is_of(asked, one.host, one.repo_name) for asked in own))


def _pieces(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield (lines before, characters before, piece) of a text, cut at line ends where it is long."""
    lines = first = 0
    while len(text) - first > MOST_TEXT:
        end = text.rfind("\n", first, first + MOST_TEXT) + 1 or first + MOST_TEXT
        piece = text[first:end]
        yield lines, first, piece
        lines, first = lines + _breaks(piece), end
    yield lines, first, text[first:]


def _breaks(piece: str) -> int:
    return piece.count("\n") + piece.count("\r") - piece.count("\r\n")


def _moved(match: Match, lines: int, characters: int) -> Match:
    """Return a match of a piece as one of the whole text."""
    (from_line, to_line), (start, end) = match.query_lines, match.query_span
    return replace(
        match, query_lines=(from_line + lines, to_line + lines), query_span=(start + characters, end + characters)
    )
