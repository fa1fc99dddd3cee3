"""How a snippet is read: in each family of languages and each state in which it may begin, and as lexemes.

A snippet may be cut inside a comment or a string, and its language may be unknown; so it is lexed once for each possibility, in one
pass. A content is compared only with readings in one family: the snippet's language's, or, where that is unknown, the content's own.
Readings of a family that give the same tokens are one. Reads the snippet; writes nothing. Not covered: a snippet in two languages is
read in the family of one at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from stack_data.search.families import family_names, family_of
from stack_data.search.lexer import Tokens, lex_bytes, lexemes_bytes, start_states

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Readings:
    """The R readings of one snippet.

    data: its bytes in UTF-8; families, states: uint8[R]; tokens, blinded: of all readings; lexemes: of the snippet, as one text;
    is_known: whether the language was given, so that all readings are of one family and hold for contents of every family.
    """

    data: Bytes
    families: npt.NDArray[np.uint8]
    states: npt.NDArray[np.uint8]
    tokens: Tokens
    blinded: npt.NDArray[np.uint64]
    lexemes: Tokens
    is_known: bool

    def of(self, number: int) -> slice:
        """Return where the tokens of a reading are."""
        return slice(int(self.tokens.bounds[number]), int(self.tokens.bounds[number + 1]))


def family_named(language: str) -> int:
    """Return the family of a language by its Linguist name or an alias; ConfigError for what is neither."""
    # Only who names a language waits for the tables of languages.
    from stack_data.languages.language import language_named

    return family_of(language_named(language))


def read(snippet: str, language: str | None = None) -> Readings:
    """Read a snippet. Any string will do; lone surrogates are signs. ConfigError for a language that Linguist does not know."""
    raw = snippet.encode("utf-8", "surrogatepass")
    data = np.frombuffer(raw, np.uint8)
    families, states = _possible(None if language is None else family_named(language))
    count = len(families)
    tokens = lex_bytes(data, np.zeros(count, np.int64), np.full(count, len(raw), np.int64), families, states)
    kept = _different(tokens, families)
    if len(kept) < count:
        tokens = _taken(tokens, kept)
    return Readings(
        data, families[kept], states[kept], tokens, tokens.blinded(), lexemes_bytes(data, np.zeros(1, np.int64), np.array([len(raw)])), language is not None,
    )  # fmt: skip


@cache
def _possible(family: int | None) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return (families, states) of all readings, by family, the state of code first."""
    chosen = range(len(family_names())) if family is None else (family,)
    pairs = [(one, state) for one in chosen for state in start_states(one)]
    return np.array([one for one, _ in pairs], np.uint8), np.array([state for _, state in pairs], np.uint8)


def _different(tokens: Tokens, families: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return the readings that differ from all before them in their family and have tokens; the first one always."""
    seen: set[tuple[int, bytes]] = set()
    kept: list[int] = []
    for number, (family, begin, end) in enumerate(
        zip(families.tolist(), tokens.bounds[:-1].tolist(), tokens.bounds[1:].tolist(), strict=True)
    ):
        key = (family, tokens.starts[begin:end].tobytes() + tokens.code[begin:end].tobytes())
        if not kept or (end > begin and key not in seen):
            seen.add(key)
            kept.append(number)
    return np.array(kept, np.int64)


def _taken(tokens: Tokens, kept: npt.NDArray[np.int64]) -> Tokens:
    """Return the tokens of some texts, ascending, one after the other."""
    begins, ends = tokens.bounds[kept], tokens.bounds[kept + 1]
    is_kept = np.zeros(len(tokens.bounds) - 1, np.bool_)
    is_kept[kept] = True
    chosen = is_kept.repeat(tokens.bounds[1:] - tokens.bounds[:-1])
    bounds = np.concatenate((np.zeros(1, np.int64), np.cumsum(ends - begins)))
    return Tokens(bounds, tokens.code[chosen], tokens.kinds[chosen], tokens.starts[chosen], tokens.ends[chosen])
