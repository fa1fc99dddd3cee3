"""The lexer of the membership search: from texts to columns of tokens, in one pass over Arrow bytes.

Two readings of a text:

- `lex`, by the language's family (families.py): comments, white space, `,` and `;` are left out; a string is one token whose
  quotes do not count (nor an escape of a quote, nor Python's prefixes u, and r where nothing is escaped); case and separators
  in numbers do not count. It gives two views: `code`, and `blinded`, in which all names are one token, all numbers one, all
  strings one, and keywords and operators stay.
- `lexemes`, whatever the language: runs of letters, digits and `_`, and each punctuation mark and symbol by itself, comments
  and strings included.

Tokens are compared by 64-bit hashes; a token's text is its slice of the text. Nothing is refused: bytes that are no UTF-8 are
signs of one byte, and what has no end (a string, an expression) is read as signs; a block comment without an end goes to the end.
Linear time. A text that begins inside a comment or a string, like a snippet, is lexed from each of `start_states`.

Choice: hashes without a vocabulary, so that an index and a query need no shared numbering; two tokens with one hash would be
taken as equal. Not covered: strings inside strings (`${...}`, f-strings) are part of them; here-documents, heredocs of PHP,
Ruby's =begin, Perl's POD and REM are read as code; names are not normalised (NFKC).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stack_data.near.shingles import text_bytes
from stack_data.search.characters import character_classes
from stack_data.search.eights import SLACK
from stack_data.search.families import LINE, MANY_LINES, OPEN, family_tables
from stack_data.search.kernels import (
    KEYWORD,
    LEXER_VERSION,
    NAME,
    NUMBER,
    OPERATOR,
    STRING,
    blind,
    lex_all,
    lexemes_all,
)
from stack_data.search.scanning import CODE, IN_BLOCK, IN_LINE, IN_STRING, IN_TRIPLE

__all__ = [
    "CODE", "IN_LINE", "KEYWORD", "LEXER_VERSION", "NAME", "NUMBER", "OPERATOR", "STRING", "Tokens", "lex", "lex_bytes", "lexemes",
    "start_states",
]  # fmt: skip

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tokens:
    """The T tokens of N texts one after the other; those of text i are bounds[i]:bounds[i + 1].

    bounds int64[N + 1]; code uint64[T], hashes of the code view; kinds uint8[T], one of NAME, KEYWORD, NUMBER, STRING, OPERATOR;
    starts and ends int32[T], byte offsets into the token's own text.
    """

    bounds: Places
    code: npt.NDArray[np.uint64]
    kinds: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.code)

    def blinded(self) -> npt.NDArray[np.uint64]:
        """Return the hashes of the blinded view, uint64[T]; made anew by each call."""
        return np.asarray(blind(self.code, self.kinds))

    def names(self) -> npt.NDArray[np.uint64]:
        """Return which name each token is, uint64[T]; 0 for what is none. Equal names have equal numbers."""
        return np.where(self.kinds == NAME, self.code, np.uint64(0))


def lex(texts: pa.Array, families: int | npt.NDArray[np.uint8], states: int | npt.NDArray[np.uint8] = CODE) -> Tokens:
    """Lex N texts: string, large_string, binary or large_binary; nulls have no tokens.

    families: the number of each text's family (families.family_of), or one for all; states: how each begins. A text has fewer
    than 2^31 bytes.
    """
    return lex_bytes(*text_bytes(texts), families, states)


def lex_bytes(
    data: Bytes, begins: Places, ends: Places, families: int | npt.NDArray[np.uint8],
    states: int | npt.NDArray[np.uint8] = CODE,
) -> Tokens:  # fmt: skip
    """Lex N pieces of a buffer, from begins[i] to ends[i], as `lex` does texts."""
    data = _with_slack(data, ends)
    chosen = (_of_each(one, len(begins)) for one in (families, states))
    return Tokens(*lex_all(data, begins, ends, *chosen, family_tables(), character_classes()))


def _of_each(one: int | npt.NDArray[np.uint8], count: int) -> npt.NDArray[np.uint8]:
    """Return what was given for all texts, or for each, for each."""
    return np.ascontiguousarray(one, np.uint8) if isinstance(one, np.ndarray) else np.full(count, one, np.uint8)


def lexemes(texts: pa.Array) -> Tokens:
    """Return the lexemes of N texts, whatever their language; each is a NAME or an OPERATOR."""
    return lexemes_bytes(*text_bytes(texts))


def lexemes_bytes(data: Bytes, begins: Places, ends: Places) -> Tokens:
    """Return the lexemes of N pieces of a buffer, from begins[i] to ends[i]."""
    return Tokens(*lexemes_all(_with_slack(data, ends), begins, ends, character_classes()))


def _with_slack(data: Bytes, ends: Places) -> Bytes:
    """Return a buffer of which the kernels can read enough beyond the last text; a copy where the texts end with it."""
    last = int(ends.max(initial=0))
    if last + SLACK <= len(data):
        return data
    return np.concatenate([data[:last], np.zeros(SLACK, np.uint8)])


def start_states(family: int) -> tuple[int, ...]:
    """Return the states in which a piece cut out of a text of a family may begin: in code, in a comment, in a string over lines."""
    tables = family_tables()
    states = [CODE]
    if tables.sizes[family, LINE].any():
        states.append(IN_LINE)
    states += [IN_BLOCK + number for number in np.flatnonzero(tables.sizes[family, OPEN]).tolist()]
    states += [IN_STRING + quote for quote in np.flatnonzero(tables.quotes[family, 0] == MANY_LINES).tolist()]
    states += [IN_TRIPLE + quote for quote in np.flatnonzero(tables.quotes[family, 1]).tolist()]
    return tuple(states)
