"""The truth that queries are compared with: every common run of every view by looking at every pair of tokens, no index, no kernels.

Written from the definition alone and as plainly as possible; only the lexer is shared. Slow: for small worlds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from stack_data.search.families import family_of, token_hash
from stack_data.search.lexer import NAME, Tokens, lex, lexemes, start_states
from tests.search.memory_index import Source

Found = tuple[str, int, str, tuple[int, int], tuple[int, int]]
"""Kind, number of tokens, content id, span of the source, span of the snippet; spans in code points."""


def common_runs(one: np.ndarray, other: np.ndarray, least: int) -> Iterator[tuple[int, int, int]]:
    """Yield (begin in one, begin in other, length) of all maximal common runs of at least `least` tokens."""
    same = np.zeros((len(one) + 1, len(other) + 1), bool)
    same[:-1, :-1] = one[:, None] == other[None, :]
    before = np.zeros(len(other) + 1, int)
    for row in range(len(one)):
        length = np.where(same[row], np.concatenate(([0], before[:-1])) + 1, 0)
        ends = same[row, :-1] & ~same[row + 1, 1:]
        for column in np.flatnonzero(ends & (length[:-1] >= least)).tolist():
            size = int(length[column])
            yield row - size + 1, column - size + 1, size
        before = length


def is_varied(blinded: Sequence[int]) -> bool:
    """Tell whether each 50 tokens in a row have at least 20 different runs of four."""
    return all(
        len({tuple(blinded[at : at + 4]) for at in range(first, first + 47)}) >= 20
        for first in range(len(blinded) - 49)
    )


Pair = tuple[int, int, int]
"""The names at a token of two texts, and their role in the run."""


def is_one_to_one(pairs: Sequence[Pair]) -> bool:
    """Tell whether names correspond one to one, those of each role among themselves."""
    ones, others = {(one, role) for one, _, role in pairs}, {(other, role) for _, other, role in pairs}
    return len(set(pairs)) == len(ones) == len(others)


def role(run: Sequence[int], at: int) -> int:
    """Return 1 for a name of a member, 0 for another, 2 for the first token of a run."""
    members = [token_hash(sign) for sign in (b".", b"->", b"::", b"?.")]
    return 2 if at == 0 else int(run[at - 1] in members)


def stretches(blinded: Sequence[int], pairs: Sequence[Pair | None]) -> Iterator[tuple[int, int]]:
    """Yield (begin, end) of the longest stretches of a run that are varied and one to one; pairs: the two names at each token."""
    last = -1
    for begin in range(len(blinded) - 49):
        end = begin + 49
        while end < len(blinded) and is_varied(blinded[max(begin, end - 49) : end + 1]) and is_one_to_one(
            [pair for pair in pairs[begin : end + 1] if pair]
        ):  # fmt: skip
            end += 1
        if end - begin >= 50 and end > last:
            last = end
            yield begin, end


def points(raw: bytes, offset: int) -> int:
    return len(raw[:offset].decode("utf-8", "surrogatepass"))


def words(raw: bytes) -> Tokens:
    return lexemes(pa.array([raw], pa.large_binary()))


def search(sources: Sequence[Source], snippet: str, language: str | None) -> list[Found]:
    """Return all matches, in the answer's order."""
    found = [
        one
        for source in {one.content_id: one for one in sources}.values()
        for one in matches(source, snippet, language)
    ]
    return sorted(found, key=lambda one: (-one[1], one[2], one[3][0], one[4][0]))


def matches(source: Source, snippet: str, language: str | None) -> list[Found]:
    raw, text = snippet.encode("utf-8", "surrogatepass"), source.text.encode("utf-8", "surrogatepass")
    spans = list(runs_of(words(raw), words(text), "exact", 65))
    theirs = lex(pa.array([text], pa.large_binary()), family_of(source.language))
    family = family_of(language) if language else family_of(source.language)
    best: list[tuple[str, int, int, int, int, int]] = []
    most = -1
    for state in start_states(family):
        mine = lex(pa.array([raw], pa.large_binary()), family, state)
        reading = [*runs_of(mine, theirs, "reformatted", 32), *renamed(mine, theirs)]
        covered = len({at for first, last in token_spans(reading, mine) for at in range(first, last)})
        if covered > most:
            best, most = reading, covered
    spans += best
    listed = [with_kind(span, raw, text) for span in spans]
    return [
        (
            kind,
            count,
            source.content_id,
            (points(text, begin), points(text, end)),
            (points(raw, first), points(raw, last)),
        )
        for kind, count, first, last, begin, end in uncontained(listed)
    ]


def token_spans(reading: list, mine: Tokens) -> list:  # type: ignore[type-arg]
    """Return (first token, end token) of spans given by bytes of the snippet."""
    return [
        (int(np.searchsorted(mine.starts, first)), int(np.searchsorted(mine.ends, last)) + 1)
        for _, _, first, last, _, _ in reading
    ]


def runs_of(mine: Tokens, theirs: Tokens, kind: str, least: int) -> Iterator[tuple[str, int, int, int, int, int]]:
    """Yield (kind, tokens, first and last byte of the snippet, first and last byte of the text)."""
    for first, begin, size in common_runs(mine.code, theirs.code, least):
        yield (kind, size, *places(mine, first, size), *places(theirs, begin, size))


def renamed(mine: Tokens, theirs: Tokens) -> Iterator[tuple[str, int, int, int, int, int]]:
    blinded = mine.blinded()
    for first, begin, size in common_runs(blinded, theirs.blinded(), 50):
        run = blinded[first : first + size].tolist()
        pairs = [
            (int(mine.code[first + at]), int(theirs.code[begin + at]), role(run, at))
            if mine.kinds[first + at] == NAME
            else None
            for at in range(size)
        ]
        for start, end in stretches(run, pairs):
            here = places(mine, first + start, end - start)
            yield ("renamed", end - start, *here, *places(theirs, begin + start, end - start))


def places(tokens: Tokens, first: int, size: int) -> tuple[int, int]:
    return int(tokens.starts[first]), int(tokens.ends[first + size - 1])


def with_kind(
    span: tuple[str, int, int, int, int, int], raw: bytes, text: bytes
) -> tuple[str, int, int, int, int, int]:
    kind, _, first, last, begin, end = span
    one, other = words(raw[first:last]).code.tolist(), words(text[begin:end]).code.tolist()
    return ("exact", len(one), *span[2:]) if kind == "reformatted" and one == other else span


def uncontained(spans: list) -> list:  # type: ignore[type-arg]
    """Return what lies in no other of the same or a stricter kind; of equal ones the smallest source offset."""
    strictness = {"exact": 0, "reformatted": 1, "renamed": 2}
    kept = []
    for one in spans:
        kind, _, first, last, begin, _ = one
        for other in spans:
            is_stricter = strictness[other[0]] <= strictness[kind]
            holds = other[2] <= first and last <= other[3]
            is_same = (other[2], other[3]) == (first, last)
            wins = not is_same or (strictness[other[0]], other[4]) < (strictness[kind], begin)
            if is_stricter and holds and wins:
                break
        else:
            if one not in kept:
                kept.append(one)
    return kept
