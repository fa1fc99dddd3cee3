"""Choosing among matches, and folding the words around texts so that phrases can be matched over them.

Folding drops the words of recognised texts, makes one word of each licence name and puts a word for each line
end. A blank line or a dropped text is a barrier that no phrase crosses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stack_data.licenses import automaton
from stack_data.licenses.phrases import BARE_WORD, LINE_WORD, NAME_WORD, Library
from stack_data.licenses.tokens import COVERED, LINE_END, OPERATIVE, SKIP, Words, word_hash

_LINE = re.compile("\n")
NAME, BARE, LINE = (np.uint64(word_hash(word)) for word in (NAME_WORD, BARE_WORD, LINE_WORD))


@dataclass(frozen=True, slots=True)
class Match:
    """A template's match over words begin to end."""

    template: int
    begin: int
    end: int


def longest(trials: automaton.Trials, rank: NDArray[np.int32] | None = None) -> list[Match]:
    """Return accepted matches that do not overlap, in order of the text: longer ones chosen first, then by rank."""
    accepted = np.flatnonzero(trials.end >= 0)
    lengths = trials.end[accepted] - trials.begin[accepted]
    templates = trials.template[accepted]
    preferred = templates if rank is None else rank[templates]
    order = accepted[np.lexsort((preferred, trials.begin[accepted], -lengths))]
    chosen: list[Match] = []
    taken: list[tuple[int, int]] = []
    for trial in order:
        begin, end = int(trials.begin[trial]), int(trials.end[trial])
        if all(end <= other_begin or begin >= other_end for other_begin, other_end in taken):
            taken.append((begin, end))
            chosen.append(Match(int(trials.template[trial]), begin, end))
    return sorted(chosen, key=lambda match: match.begin)


def fold(text: str, words: Words, names: list[Match], library: Library) -> tuple[Words, NDArray[np.int32]]:
    """Return the folded words, and for each of them the number of the name it is, or -1."""
    hashes, starts, ends, flags = words.hash.copy(), words.start, words.end.copy(), words.flags.copy()
    keep = (flags & COVERED) == 0
    origin = np.full(len(words), -1, np.int32)
    for number, match in enumerate(names):
        bare = library.templates[match.template].kind == "bare"
        hashes[match.begin] = BARE if bare else NAME
        flags[match.begin] &= 255 ^ (OPERATIVE | SKIP)
        ends[match.begin] = ends[match.end - 1]
        keep[match.begin + 1 : match.end] = False
        origin[match.begin] = number
    kept = np.flatnonzero(keep)
    inserted = _breaks(text, starts, ends, flags, kept)
    place = np.arange(len(kept)) + np.cumsum(inserted)
    total = len(kept) + int(inserted.sum()) + 1
    folded = Words(
        np.full(total, LINE),
        np.zeros(total, np.int32),
        np.zeros(total, np.int32),
        np.full(total, LINE_END, np.uint8),
    )
    folded.flags[place[inserted == 3] - 2] = COVERED
    folded.hash[place], folded.flags[place] = hashes[kept], flags[kept]
    folded.start[place], folded.end[place] = starts[kept], ends[kept]
    folded_origin = np.full(total, -1, np.int32)
    folded_origin[place] = origin[kept]
    return folded, folded_origin


def _breaks(
    text: str,
    starts: NDArray[np.int32],
    ends: NDArray[np.int32],
    flags: NDArray[np.uint8],
    kept: NDArray[np.intp],
) -> NDArray[np.int64]:
    """Return how many words to insert before each kept word: 0, 1 at a line end, 3 (line, barrier, line) at a gap."""
    lines_at = np.array([mark.start() for mark in _LINE.finditer(text)], np.int64)
    previous = np.concatenate([[0], ends[kept[:-1]]]) if len(kept) else np.zeros(0, np.int64)
    lines = np.searchsorted(lines_at, starts[kept]) - np.searchsorted(lines_at, previous)
    covered = np.cumsum((flags & COVERED) != 0)[kept]
    apart = (lines > 1) | (np.diff(covered, prepend=-1) != 0)
    return np.where(apart, 3, np.minimum(lines, 1)).astype(np.int64)
