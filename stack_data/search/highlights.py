"""Lines of a text that answer a keyword query, with the spans that match.

Works on the text alone, so what is shown is in it. Lines are chosen by how many clauses they hold, then by how early they are.
Spans are code points within the line that is shown; long lines are cut around their first span.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data.search.code_words import spelled, words
from stack_data.search.keyword_query import EXACT, TEXT, Clause

MOST_LINES = 5
MOST_CHARACTERS = 240
_BEFORE = 60
_BREAKS = re.compile(rb"\r\n|\r|\n")

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Line:
    """A line, numbered from 1, and its spans: pairs [from, to) of code points of `text`."""

    number: int
    text: str
    spans: tuple[tuple[int, int], ...]


def highlights(text: bytes, clauses: Sequence[Clause], most: int = MOST_LINES) -> tuple[Line, ...]:
    """Return the best lines of a UTF-8 text in their order, none when only other fields match."""
    wanted = [one for one in clauses if one.field in (TEXT, EXACT) and not one.excluded]
    found = _spans(text, wanted)
    if not found:
        return ()
    breaks = [(0, 0), *((one.start(), one.end()) for one in _BREAKS.finditer(text)), (len(text), len(text))]
    begins = np.array([end for _, end in breaks[:-1]], np.int64)
    by_line: dict[int, list[tuple[int, int, int]]] = {}
    for clause, start, end in found:
        by_line.setdefault(int(np.searchsorted(begins, start, side="right")) - 1, []).append((start, end, clause))
    best = sorted(by_line, key=lambda line: (-len({clause for *_, clause in by_line[line]}), line))[:most]
    return tuple(
        _line(text[breaks[line][1] : breaks[line + 1][0]], line, breaks[line][1], by_line[line])
        for line in sorted(best)
    )


def holds(text: bytes, wanted: Sequence[str]) -> bool:
    """Return whether a text has these words in a row."""
    return bool(len(_rows(spelled(words(pa.array([text], pa.large_binary()))), wanted)))


_MOST_SPANS = 2000
"""Of each clause; the first ones count."""


def _spans(text: bytes, clauses: Sequence[Clause]) -> list[tuple[int, int, int]]:
    """Return (number of the clause, first byte, byte behind the last) of whatever matches."""
    found: list[tuple[int, int, int]] = []
    split = words(pa.array([text], pa.large_binary()))
    column = spelled(split) if any(one.field == TEXT for one in clauses) else pa.array([], pa.large_string())
    for number, clause in enumerate(clauses):
        if clause.field == EXACT:
            whole = re.compile(
                rb"(?<![\w\x80-\xff])" + re.escape(clause.value.encode()) + rb"(?![\w\x80-\xff])", _case(clause)
            )
            found += [
                (number, one.start(), one.end())
                for one, _ in zip(whole.finditer(text), range(_MOST_SPANS), strict=False)
            ]
            continue
        rows = _rows(column, clause.words)[:_MOST_SPANS]
        last = rows + len(clause.words) - 1
        found += [
            (number, int(start), int(end)) for start, end in zip(split.starts[rows], split.ends[last], strict=True)
        ]
    return found


def _case(clause: Clause) -> int:
    return re.IGNORECASE if len(clause.words) == 1 else 0


def _rows(column: pa.Array, wanted: Sequence[str]) -> Places:
    """Return where these words stand in a row: the number of the first one."""
    distinct = list(dict.fromkeys(wanted))
    ids = pc.index_in(column, pa.array(distinct, pa.large_string())).fill_null(-1).to_numpy()
    here = np.flatnonzero(ids == 0)
    for place, word in enumerate(wanted):
        here = here[here + place < len(ids)]
        here = here[ids[here + place] == distinct.index(word)]
    return here.astype(np.int64)


def _line(raw: bytes, number: int, begin: int, spans: Sequence[tuple[int, int, int]]) -> Line:
    """Return a line of bytes as text, cut around its first span. Spans over several lines end with this one."""
    inside = sorted({(max(start - begin, 0), min(end - begin, len(raw))) for start, end, _ in spans})
    text = raw.decode("utf-8", "replace")
    points = [(_points(raw, start), _points(raw, end)) for start, end in inside]
    first = 0 if len(text) <= MOST_CHARACTERS else max(points[0][0] - _BEFORE, 0)
    cut = text[first : first + MOST_CHARACTERS]
    shown = [(max(start - first, 0), min(end - first, len(cut))) for start, end in _apart(points)]
    return Line(number + 1, cut, tuple((start, end) for start, end in shown if start < end))


def _points(raw: bytes, end: int) -> int:
    return len(raw[:end].decode("utf-8", "replace"))


def _apart(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join spans that touch or overlap; they are in order."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
