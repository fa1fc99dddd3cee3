"""Marks in texts, so that a search reads pieces of a text instead of all of it.

A mark is a place where the lexer may begin as if it had come from the text's beginning: the first token of the text, and about every
`SPACING` bytes a token whose reading depends on nothing before it (a name, a keyword, a number that begins with a digit, a string where
quotes need no look back) and that begins a lexeme too. It states the tokens, lexemes, bytes and code points before it, and its line. A
piece from one mark up to another lexes to the very tokens of the whole text; it is read one mark further than it is used, since the
lexer may look ahead beyond a token's end.

20 bytes a mark: about 0.018 bytes per byte of code. `outline` makes them where texts are lexed anyway; `pieces_for` finds which pieces
hold given tokens. Not covered: stretches without such tokens, which are read whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Protocol, TypeGuard

import numpy as np
import numpy.typing as npt
from numba import njit

from stack_data.search.eights import counted, pointer
from stack_data.search.families import QUOTES_BEGIN_WORDS, STRINGS_ARE_VALUES, family_tables
from stack_data.search.kernels import KEYWORD, NAME, NUMBER, STRING
from stack_data.search.lexer import Tokens

SPACING = 1024
"""Bytes between marks, at least."""
BEGINNING = np.array([[0, 0, 0, 0, 1]])
"""The only mark of a text that is read whole."""
Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Outlines:
    """What is known of D texts before they are read.

    families uint8[D]; sizes int64[D] in bytes; bounds int64[D + 1]: marks of text i are bounds[i]:bounds[i + 1], the first one its
    beginning; marks uint32[M, 5]: code tokens, lexemes, bytes and code points before each, and its line.
    """

    families: npt.NDArray[np.uint8]
    sizes: Ints
    bounds: Ints
    marks: npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Pieces:
    """P pieces of texts, ascending. text: which of the D texts; begin, limit, end: bytes of the text, tokens from `limit` on are not to
    be used; marks int64[P, 5]: those at the beginning."""

    text: Ints
    begin: Ints
    limit: Ints
    end: Ints
    marks: Ints

    def __len__(self) -> int:
        return len(self.text)

    def take(self, numbers: Ints) -> Pieces:
        """Return some of them."""
        return Pieces(*(column[numbers] for column in (self.text, self.begin, self.limit, self.end, self.marks)))

    def beside(self, other: Pieces) -> Pieces:
        """Return these and, after them, others."""
        return Pieces(*(np.concatenate((getattr(self, one), getattr(other, one))) for one in self.__slots__))


class Outlined(Protocol):
    """An index that knows marks, beyond what `SearchIndex` asks for."""

    def outlines(self, documents: Ints) -> Outlines:
        """Return the outlines of documents, int64[D], in their order."""

    def pieces(self, documents: Ints, begins: Ints, ends: Ints) -> tuple[Bytes, Ints]:
        """Return the bytes from begins[i] to ends[i] of each document's text, one after the other, and their bounds int64[P + 1]."""


def is_outlined(index: object) -> TypeGuard[Outlined]:
    """Return whether an index knows marks."""
    return hasattr(index, "outlines") and hasattr(index, "pieces")


def outline(
    tokens: Tokens, lexemes: Tokens, data: Bytes, begins: Ints, ends: Ints, families: npt.NDArray[np.uint8],
    spacing: int = SPACING,
) -> tuple[Ints, npt.NDArray[np.uint32]]:  # fmt: skip
    """Return (bounds int64[N + 1], marks uint32[M, 5]) of N texts, data[begins[i]:ends[i]], by their tokens and lexemes."""
    return _outline(  # type: ignore[no-any-return]
        tokens.bounds, tokens.kinds, tokens.starts, lexemes.bounds, lexemes.starts, data, begins, ends, families, _beginners(),
        spacing,
    )  # fmt: skip


@cache
def _beginners() -> Bytes:
    """Return with which bytes a token may be marked in each family, as bits by kinds of tokens: uint8[F, 256]."""
    tables = family_tables()
    marked = np.full((len(tables.flags), 256), 1 << NAME | 1 << KEYWORD, np.uint8)
    marked[:, np.frombuffer(b"0123456789", np.uint8)] |= 1 << NUMBER
    looks_back = (tables.flags & (STRINGS_ARE_VALUES | QUOTES_BEGIN_WORDS)) > 0
    marked[np.ix_(~looks_back, np.frombuffer(b"\"'`", np.uint8))] |= 1 << STRING
    marked[tables.opens > 0] = 0
    return marked


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _outline(bounds, kinds, starts, lexeme_bounds, lexeme_starts, data, begins, ends, families, marked, spacing):  # type: ignore[no-untyped-def]
    marks, count = np.empty((len(begins) + len(data) // spacing + 1, 5), np.uint32), 0
    firsts = np.zeros(len(begins) + 1, np.int64)
    raw = pointer(data)
    for row in range(len(begins)):
        marks[count] = (0, 0, 0, 0, 1)
        count += 1
        lexeme = lexeme_bounds[row]
        at, points, line = begins[row], np.int64(0), np.int64(1)
        for token in range(bounds[row], bounds[row + 1]):
            start = starts[token]
            if start - marks[count - 1, 2] < spacing:
                continue
            if marked[families[row], raw[begins[row] + start]] >> kinds[token] & 1:
                while lexeme < lexeme_bounds[row + 1] and lexeme_starts[lexeme] < start:
                    lexeme += 1
                if lexeme < lexeme_bounds[row + 1] and lexeme_starts[lexeme] == start:
                    more, lines = counted(raw, at, begins[row] + start, ends[row])
                    points, line, at = points + more, line + lines, begins[row] + start
                    marks[count, 0], marks[count, 1] = token - bounds[row], lexeme - lexeme_bounds[row]
                    marks[count, 2], marks[count, 3], marks[count, 4] = start, points, line
                    count += 1
        firsts[row + 1] = count
    return firsts, marks[:count].copy()


def pieces_for(outlines: Outlines, asked: Ints) -> Pieces:
    """Return the pieces that hold tokens asked for: int64[N, 4] of text, 1 for lexemes and 0 for code tokens, first token, token after the last."""
    return Pieces(*_pieces(asked, outlines.bounds, outlines.marks, outlines.sizes))


def affordable(
    outlines: Outlines, asked: Ints, seen: npt.NDArray[np.bool_], num_bytes: int
) -> tuple[npt.NDArray[np.bool_], int]:
    """Return which of N ranges of tokens, in order, so many bytes suffice for, bool[N], and how many bytes are left.

    asked: as in `pieces_for`; seen bool[M]: marks whose bytes are read already, changed in place.
    """
    taken, left = _affordable(asked, outlines.bounds, outlines.marks, outlines.sizes, seen, num_bytes)
    return np.asarray(taken), int(left)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _affordable(asked, bounds, marks, sizes, seen, left):  # type: ignore[no-untyped-def]
    ranges = _ranges(bounds, marks, asked)
    taken = np.zeros(len(ranges), np.bool_)
    for number in range(len(ranges)):
        text, first, stop = ranges[number]
        high = bounds[text + 1]
        size = np.int64(0)
        for mark in range(first, min(stop + 1, high)):
            if not seen[mark]:
                size += (np.int64(marks[mark + 1, 2]) if mark + 1 < high else sizes[text]) - marks[mark, 2]
        if size <= left:
            taken[number] = True
            left -= size
            seen[first : min(stop + 1, high)] = True
    return taken, left


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _ranges(bounds, marks, asked):  # type: ignore[no-untyped-def]
    """Return int64[N, 3] of text, mark from which on and mark up to which tokens are read; the text's last one + 1 for its end."""
    out = np.empty((len(asked), 3), np.int64)
    for number in range(len(asked)):
        text, column, first, last = asked[number]
        low, high = bounds[text], bounds[text + 1]
        begin, stop = low, high
        while stop - begin > 1:
            middle = (begin + stop) // 2
            if marks[middle, column] <= max(first, 0):
                begin = middle
            else:
                stop = middle
        while stop < high and marks[stop, column] < last:
            stop += 1
        out[number, 0], out[number, 1], out[number, 2] = text, begin, stop
    return out


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _pieces(asked, bounds, marks, sizes):  # type: ignore[no-untyped-def]
    """Return the columns of Pieces for ranges of tokens."""
    ranges = _ranges(bounds, marks, asked)
    return _merged(ranges[np.argsort((ranges[:, 0] << 32) + ranges[:, 1])], bounds, marks, sizes)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def in_pieces(pairs, bounds, chains, piece_text, piece_marks, column):  # type: ignore[no-untyped-def]
    """Return int64[N, 3], a chain, the piece that it lies in, and its token there less that of the reading, of N chains of `Chains`."""
    out = np.empty((len(chains), 3), np.int64)
    for number in range(len(chains)):
        head = bounds[chains[number]]
        text, shift, token = pairs[head, 1], pairs[head, 2], pairs[head, 4]
        low, high = 0, len(piece_text)
        while high - low > 1:
            middle = (low + high) // 2
            is_later = piece_text[middle] > text
            if is_later or (piece_text[middle] == text and piece_marks[middle, column] > token):
                high = middle
            else:
                low = middle
        out[number, 0], out[number, 1], out[number, 2] = chains[number], low, shift - piece_marks[low, column]
    return out


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _merged(ranges, bounds, marks, sizes):  # type: ignore[no-untyped-def]
    """Join ranges that overlap or touch; see Pieces."""
    text, at = np.empty(len(ranges), np.int64), np.empty((3, len(ranges)), np.int64)
    firsts, stops, count = np.empty(len(ranges), np.int64), np.empty(len(ranges), np.int64), 0
    for number in range(len(ranges)):
        if count and text[count - 1] == ranges[number, 0] and ranges[number, 1] <= stops[count - 1]:
            stops[count - 1] = max(stops[count - 1], ranges[number, 2])
            continue
        text[count], firsts[count], stops[count] = ranges[number, 0], ranges[number, 1], ranges[number, 2]
        count += 1
    begun = np.empty((count, 5), np.int64)
    for number in range(count):
        high, size = bounds[text[number] + 1], sizes[text[number]]
        begun[number] = marks[firsts[number]]
        at[0, number] = marks[firsts[number], 2]
        at[1, number] = marks[stops[number], 2] if stops[number] < high else size
        at[2, number] = marks[stops[number] + 1, 2] if stops[number] + 1 < high else size
    return text[:count].copy(), at[0, :count].copy(), at[1, :count].copy(), at[2, :count].copy(), begun
