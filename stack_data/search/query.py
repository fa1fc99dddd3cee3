"""Search for a snippet: which contents hold a part of it, where, and under which licence.

`match` reads the snippet in each way it may be meant, asks the index for every gram, reads the contents that are candidates, compares
them token by token and lists the maximal common spans in the shared order. What is guaranteed, and what is not, is in
docs/search-queries.md. Reads an index through the `SearchIndex` protocol, so that answers do not depend on what stands behind it; writes
nothing. Choice: work is bounded (contents for one place, bytes, comparisons), and an answer that met a bound says `capped`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stack_data.memory import give_back
from stack_data.search.answer import Answer
from stack_data.search.candidates import Probed, probe, varied
from stack_data.search.limits import THOROUGH, Limits
from stack_data.search.listing import lexemes_of, listed
from stack_data.search.outlines import is_outlined
from stack_data.search.protocol import SearchIndex
from stack_data.search.reading_order import Queue, next_round, queued
from stack_data.search.readings import Readings, read
from stack_data.search.verify import Verified, verify
from stack_data.search.views import BLINDED

WHOLE = 16
"""How many times as much where an index knows no marks, so that whole texts are read."""
ROUND = 8, 64
"""Contents read in the first round, and in a later one at most: as many as the bytes that may still be read allow."""
_LARGE = 256 << 10
"""Bytes that were lexed for an answer, from which on memory is given back after it."""
Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


def match(index: SearchIndex, snippet: str, language: str | None = None, limits: Limits = THOROUGH) -> Answer:
    """Return what contents of an index have in common with a snippet.

    language: a Linguist name or alias; without it the snippet is read as each content is. Raises ConfigError for a language that is
    none, InputError where the index is damaged. limits: how much is read and listed before the answer says `capped`.
    """
    index = index.current()
    readings = read(snippet, language)
    is_varied = varied(readings)
    probed = [probe(index, readings, view, is_varied, limits.candidates) for view in index.views]
    rounds, is_whole = _rounds(index, readings, probed, is_varied, limits)
    matches, hidden, is_cut = listed(index, readings, rounds, limits.contents)
    withheld = hidden + _withheld(index, probed, limits.contents)
    if len(readings.data) * len(readings.families) + sum(one.num_bytes for one in rounds) > _LARGE:
        # A process that answers people keeps what it needs for most of them, not for the longest.
        give_back()
    return Answer(matches, _num_tokens(readings, rounds), is_cut or not is_whole, withheld, index.searched)


def _rounds(
    index: SearchIndex, readings: Readings, probed: list[Probed], is_varied: Flags, limits: Limits
) -> tuple[list[Verified], bool]:
    """Read the candidates, round by round; return the rounds, and whether all were read and compared to the end."""
    queue, rounds = queued(index, readings, probed, limits.contents), []
    is_read, is_whole = np.zeros(len(queue), np.bool_), True
    coverage = np.zeros(len(readings.lexemes), np.int32)
    num_bytes, num_read = 0, 0
    most_bytes = (limits.num_bytes + limits.bytes_each * len(readings.data)) * (1 if is_outlined(index) else WHOLE)
    while num_bytes < most_bytes and num_read < len(queue):
        size = min(ROUND[1], 1 + (most_bytes - num_bytes) * num_read // num_bytes) if num_bytes else ROUND[0]
        places = _next(queue, is_read, coverage, size, limits.contents)
        if not len(places):
            break
        share = (most_bytes - num_bytes) * len(places) // (len(queue) - num_read)
        rounds.append(verify(index, readings, probed, is_varied, queue, places, share))
        if not queue.is_short:
            _count(readings, rounds[-1], coverage)
        num_bytes += rounds[-1].num_bytes
        num_read += len(places)
        is_whole &= rounds[-1].is_whole
    return rounds, is_whole and bool(is_read.all()) and all(one.is_whole for one in probed)


def _next(queue: Queue, is_read: Flags, coverage: npt.NDArray[np.int32], size: int, most_contents: int) -> Ints:
    """Return the places in the queue of the next round's documents, at most `size`, by document; marks them as read."""
    if queue.is_short:
        chosen = np.flatnonzero(~is_read)[:size]
        is_read[chosen] = True
    else:
        hits = queue.begins, queue.first_lexeme, queue.last_lexeme
        chosen = next_round(*hits, is_read, coverage, most_contents, size)
    return np.asarray(chosen[np.argsort(queue.document[chosen])])


def _count(readings: Readings, verified: Verified, coverage: npt.NDArray[np.int32]) -> None:
    """Add to each lexeme of the snippet how many contents of a round match there."""
    begins, ends = lexemes_of(readings, verified.spans)
    for text in np.unique(verified.spans.text).tolist():
        of_text = np.zeros(len(coverage), np.int32)
        for number in np.flatnonzero(verified.spans.text == text).tolist():
            of_text[begins[number] : ends[number]] = 1
        coverage += of_text


def _num_tokens(readings: Readings, rounds: list[Verified]) -> int:
    """Return how many code tokens the snippet has, in the reading of which a content covers most; else in the first one."""
    most = rounds[0].covered if rounds else np.zeros(1, np.int64)
    for one in rounds[1:]:
        most = np.maximum(most, one.covered)
    chosen = int(np.argmax(most))
    return int(readings.tokens.bounds[chosen + 1] - readings.tokens.bounds[chosen])


def _withheld(index: SearchIndex, probed: list[Probed], most: int) -> int:
    """Return how many places hidden contents have that hold what the snippet does: a gram and what lies beside it, names included."""
    asked = [one.withheld for one in probed if one.view.name != BLINDED.name and len(one.withheld)]
    if not asked:
        return 0
    hidden = np.unique(np.concatenate(asked))
    told = index.facts(hidden[:most])
    return sum(max(1, one.withheld) for one in told) + max(0, len(hidden) - most)
