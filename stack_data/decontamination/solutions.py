"""Solutions found by their tokens: verbatim, in another layout, or with other names.

A solution is looked for whole, in texts lexed as the solution's own language. Two things that are style alone are left out of
both first: strings that are statements (docstrings between the lines), and parentheses that only group (after an operator, a
keyword or at the beginning of a statement; not those of a call). The lexer leaves out comments, commas, semicolons and layout, and
folds quotes. What is left must be equal token by token:

- reformatted (or verbatim, where the bytes are equal too): equal tokens;
- renamed: equal keywords and operators, names one to one, numbers and strings where numbers and strings stand.

Candidates come from the hash of a solution's first tokens, rolled over the text; each is compared to its end, so nothing is
found that is not there. A solution begins and ends where a statement does: at a line, a colon or a semicolon.

Choice: the whole solution, so one inserted or changed statement hides it; parts of it are items of their own (items.infilling).
Not covered: a solution in lines that each begin with a sign (comments, doctests, diffs), or inside a string of one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stack_data.decontamination.solution_kernels import find_all, reduce_all, strings_over_lines
from stack_data.near.shingles import text_bytes
from stack_data.search.families import token_hash
from stack_data.search.kernels import blind
from stack_data.search.lexer import Tokens, lex_bytes

EXACT, RENAMED = 0, 1
MOST_WINDOW = 8, 16
"""Tokens whose hash is looked up, at most: in the code view and in the blinded one."""
LEAST_TOKENS = 4
_DEPTH = 3  # strings in strings that are read as code again
_LEAST_STRING_BYTES = 40
Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Reduced:
    """Tokens of N texts without what is style alone: bounds int64[N + 1], and their numbers among all: index int64[R]."""

    bounds: Ints
    index: Ints


@dataclass(frozen=True, slots=True)
class Table:
    """Which solutions begin with a hash: bool[65536] by its upper bits, sorted keys uint64, and which solution each is."""

    window: int
    slots: npt.NDArray[np.bool_]
    keys: Hashes
    order: Ints


@dataclass(frozen=True, slots=True)
class Solutions:
    """P solutions in one family, as reduced tokens one after the other; those of p are bounds[p]:bounds[p + 1].

    code, kinds: of the tokens; names: int32, which of the solution's names each is, in order of appearance, -1 for none;
    exact, renamed: by the code view and by the blinded one; num_code_tokens: of each whole solution, int64[P].
    """

    family: int
    bounds: Ints
    code: Hashes
    kinds: npt.NDArray[np.uint8]
    names: npt.NDArray[np.int32]
    exact: Table
    renamed: Table
    num_code_tokens: Ints


def make_solutions(texts: Sequence[str], family: int, min_exact: Ints, min_renamed: Ints) -> Solutions:
    """Return the table of P solutions. One of fewer code tokens than its `min_exact`, int64[P], is never found, and none with other
    names of fewer than its `min_renamed`."""
    data, begins, ends = text_bytes(pa.array(list(texts), pa.large_string()))
    tokens = lex_bytes(data, begins, ends, family)
    reduced = _reduced(tokens, data, begins)
    code, kinds = tokens.code[reduced.index], tokens.kinds[reduced.index]
    blinded, names = tokens.blinded()[reduced.index], tokens.names()[reduced.index]
    sizes, counts = np.diff(reduced.bounds), np.diff(tokens.bounds)
    searched = [(counts >= least) & (sizes >= LEAST_TOKENS) for least in (min_exact, min_renamed)]
    exact, renamed = (
        _table(view, reduced.bounds, sizes, np.flatnonzero(chosen), most)
        for view, chosen, most in zip((code, blinded), searched, MOST_WINDOW, strict=True)
    )
    return Solutions(family, reduced.bounds, code, kinds, _numbered(names, reduced.bounds), exact, renamed, counts)


def _table(view: Hashes, bounds: Ints, sizes: Ints, chosen: Ints, most: int) -> Table:
    window = int(min(most, sizes[chosen].min())) if len(chosen) else most
    keys = np.array([window_hash(view[bounds[one] : bounds[one] + window]) for one in chosen.tolist()], np.uint64)
    order = np.argsort(keys, kind="stable")
    slots = np.zeros(1 << 16, bool)
    slots[keys >> np.uint64(48)] = True
    return Table(window, slots, keys[order], chosen[order].astype(np.int64))


def window_hash(view: Hashes) -> int:
    """Return the hash of tokens in a row, as the kernel rolls it."""
    value = 0
    for token in view.tolist():
        value = (value * 0x9E3779B97F4A7C15 + token) % (1 << 64)
    return value


def _numbered(names: Hashes, bounds: Ints) -> npt.NDArray[np.int32]:
    numbers = np.full(len(names), -1, np.int32)
    for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        known: dict[int, int] = {}
        for at in range(start, end):
            if names[at]:
                numbers[at] = known.setdefault(int(names[at]), len(known))
    return numbers


_SIGNS = tuple(np.uint64(token_hash(sign)) for sign in (b"(", b")", b"[", b"]", b"{", b"}", b":", b"def", b"class"))


def _reduced(tokens: Tokens, data: npt.NDArray[np.uint8], begins: Ints) -> Reduced:
    return Reduced(
        *reduce_all(data, begins, tokens.bounds, tokens.code, tokens.kinds, tokens.starts, tokens.ends, _SIGNS)
    )


def find(solutions: Solutions, data: npt.NDArray[np.uint8], begins: Ints, ends: Ints) -> Ints:
    """Return where N texts, begins[i]:ends[i] of data, hold solutions: int64[F, 5] of text, solution, EXACT or RENAMED, start, end.

    Start and end are byte offsets into the text, of the first place of each; strings over several lines are read as code too.
    """
    rows = np.arange(len(begins))
    found, first = [], begins
    for _ in range(_DEPTH):
        tokens = lex_bytes(data, begins, ends, solutions.family)
        hits = _find(solutions, tokens, data, begins)
        shift = (begins - first)[hits[:, 0]]
        found.append(np.column_stack((rows[hits[:, 0]], hits[:, 1:3], hits[:, 3:] + shift[:, None])))
        inside = strings_over_lines(
            data, begins, tokens.bounds, tokens.kinds, tokens.starts, tokens.ends, _LEAST_STRING_BYTES
        )
        if not len(inside):
            break
        rows, first = rows[inside[:, 0]], first[inside[:, 0]]
        begins, ends = inside[:, 1].copy(), inside[:, 2].copy()
    return np.concatenate(found)


def _find(solutions: Solutions, tokens: Tokens, data: npt.NDArray[np.uint8], begins: Ints) -> Ints:
    reduced = _reduced(tokens, data, begins)
    tables = tuple(
        (np.int64(table.window), table.slots, table.keys, table.order) for table in (solutions.exact, solutions.renamed)
    )
    code, kinds = tokens.code[reduced.index], tokens.kinds[reduced.index]
    found: Ints = find_all(
        data, begins, (code, blind(code, kinds), kinds, tokens.starts, tokens.ends), reduced.bounds, reduced.index, _SIGNS,
        (solutions.bounds, solutions.code, solutions.kinds, solutions.names), tables,
    )  # fmt: skip
    return found
