"""The families of languages that the lexer knows, as arrays that its kernel reads.

Reads stack_data/tables/lexer_families.toml; a language's family is `family_of`. Languages of one family share comment signs,
quotes and keywords, so that code without a known language is lexed once for each family instead of once for each of hundreds of
languages. A family's keywords are the words that nearly all of its main languages reserve, so that a copy whose names were changed to words
that only another language reserves, or that are types or functions of it, is found. What is given up: other reserved words are names.

Flags of families, beyond what the table's other columns say:

string_prefixes       r, b, f, u, t and pairs of them directly before a quote belong to the string (Python)
raw_strings           R"x(...)x" and r#"..."# are strings without escapes (C++, Rust)
ticks_in_numbers      ' between digits belongs to the number (C++)
regular_expressions   / after what is no value begins a regular expression that ends on its line (JavaScript)
comments_begin_words  the comment sign directly after a word, a quote or one of $ { & \\ is none (shell, Perl)
quotes_begin_words    ' directly after a word or a closing bracket is no quote (MATLAB, Haskell, YAML)
strings_are_values    a quote begins a string only after = (HTML, XML)
backslash_escapes     a backslash outside strings makes one sign with the sign after it (TeX, Lisp)
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from stack_data.tables import load_table

SPACE, WORD, DIGIT, QUOTE, DROPPED, SIGN, HIGH, BACKSLASH = range(8)
"""Kinds of bytes."""
NO_QUOTE, ONE_LINE, MANY_LINES, CHARACTER = range(4)
"""What a quote begins."""
LINE, OPEN, CLOSE = range(3)
"""Which signs of comments."""
QUOTES = (b'"', b"'", b"`")
FLAGS = (
    "string_prefixes", "raw_strings", "ticks_in_numbers", "regular_expressions", "comments_begin_words", "quotes_begin_words",
    "strings_are_values", "backslash_escapes", "fold",
)  # fmt: skip
(
    STRING_PREFIXES, RAW_STRINGS, TICKS_IN_NUMBERS, REGULAR_EXPRESSIONS, COMMENTS_BEGIN_WORDS, QUOTES_BEGIN_WORDS,
    STRINGS_ARE_VALUES, BACKSLASH_ESCAPES, FOLD,
) = (1 << bit for bit in range(len(FLAGS)))  # fmt: skip

SEED, MIX = 0xCBF29CE484222325, 0xD6E8FEB86659FD93
MOST_SIGNS, KEYWORD_SLOTS = 4, 1024
"""Signs of comments of a kind, and bytes of one, at most; slots of a family's keywords."""
_WIDE = (1 << 64) - 1
_WORD = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"


class FamilyTables(NamedTuple):
    """Everything of F families that the kernel reads; signs are padded with 0.

    kinds uint8[F, 256]; opens uint8[F, 256], whether a byte may begin a comment; signs uint8[F, 3, 4, 4], of lines, of the
    beginnings and of the ends of blocks, and their sizes int64[F, 3, 4]; quotes uint8[F, 2, 3], what " ' ` begin, and whether
    three do; joins uint8[F, 128, 128]: bit 0 two signs are one operator, the rest a row of thirds; thirds uint8[128, 128];
    keywords uint64[F, 1024], hashes in open addressing; flags int64[F].
    """

    kinds: npt.NDArray[np.uint8]
    opens: npt.NDArray[np.uint8]
    signs: npt.NDArray[np.uint8]
    sizes: npt.NDArray[np.int64]
    quotes: npt.NDArray[np.uint8]
    joins: npt.NDArray[np.uint8]
    thirds: npt.NDArray[np.uint8]
    keywords: npt.NDArray[np.uint64]
    flags: npt.NDArray[np.int64]


def token_hash(content: bytes) -> int:
    """Return the hash that the kernel gives to the bytes of a word or sign."""
    value = SEED
    for first in range(0, len(content) // 7 * 7, 7):
        value = ((value ^ _packed(content[first : first + 7])) * MIX) & _WIDE
        value ^= value >> 32
    value ^= _packed(content[len(content) // 7 * 7 :])
    for _ in range(2):
        value = ((value ^ (value >> 32)) * MIX) & _WIDE
    return value ^ (value >> 32)


def _packed(content: bytes) -> int:
    """Return up to 7 bytes as one number, with a 1 before them, so that none is another's beginning."""
    return int.from_bytes(b"\1" + content, "big")


@cache
def _described() -> dict[str, dict[str, Any]]:
    families: dict[str, dict[str, Any]] = load_table("lexer_families")["families"]
    return families


@cache
def family_names() -> tuple[str, ...]:
    """Return the names of all families; a family's number is its place here. The first one is `plain`."""
    return tuple(_described())


@cache
def _by_language() -> dict[str, int]:
    return {language: number for number, family in enumerate(_described().values()) for language in family["languages"]}


def family_of(language: str | None) -> int:
    """Return the number of the family of a Linguist language; that of `plain` for one in no family, or none."""
    return _by_language().get(language or "", 0)


@cache
def family_tables() -> FamilyTables:
    """Return the tables of all families."""
    count = len(_described())
    tables = FamilyTables(
        np.full((count, 256), SIGN, np.uint8), np.zeros((count, 256), np.uint8), np.zeros((count, 3, MOST_SIGNS, 4), np.uint8),
        np.zeros((count, 3, MOST_SIGNS), np.int64), np.zeros((count, 2, 3), np.uint8), np.zeros((count, 128, 128), np.uint8),
        np.zeros((128, 128), np.uint8), np.zeros((count, KEYWORD_SLOTS), np.uint64), np.zeros(count, np.int64),
    )  # fmt: skip
    for number, family in enumerate(_described().values()):
        _fill_bytes(tables, number, family)
        _fill_comments(tables, number, family)
        _fill_operators(tables, number, family.get("operators", "").split())
        _fill_keywords(tables, number, family)
    return tables


def _fill_bytes(tables: FamilyTables, number: int, family: dict[str, Any]) -> None:
    kinds = tables.kinds[number]
    kinds[:33] = SPACE
    kinds[127] = SPACE
    kinds[128:] = HIGH
    kinds[list(_WORD)] = WORD
    kinds[list(b"0123456789")] = DIGIT
    kinds[list(b",;")] = DROPPED
    kinds[ord("\\")] = BACKSLASH
    for name, rule in (("one_line", ONE_LINE), ("many_lines", MANY_LINES), ("chars", CHARACTER)):
        for quote in family.get(name, []):
            tables.quotes[number, 0, QUOTES.index(quote.encode())] = rule
            kinds[ord(quote)] = QUOTE
    for quote in family.get("triple", []):
        tables.quotes[number, 1, QUOTES.index(quote.encode())] = 1
    flags = [*family.get("flags", []), *(["fold"] if family.get("fold") else [])]
    tables.flags[number] = sum(1 << FLAGS.index(flag) for flag in flags)


def _fill_comments(tables: FamilyTables, number: int, family: dict[str, Any]) -> None:
    pairs = family.get("block", [])
    columns = (family.get("line", []), [pair[0] for pair in pairs], [pair[1] for pair in pairs])
    for which, signs in enumerate(columns):
        for place, sign in enumerate(signs):
            raw = sign.encode()
            tables.signs[number, which, place, : len(raw)] = list(raw)
            tables.sizes[number, which, place] = len(raw)
            tables.opens[number, raw[0]] |= which != CLOSE


def _fill_operators(tables: FamilyTables, number: int, operators: list[str]) -> None:
    joins = tables.joins[number]
    for operator in operators:
        raw = operator.encode()
        if len(raw) == 2:
            joins[raw[0], raw[1]] |= 1
    for operator in operators:
        raw = operator.encode()
        if len(raw) == 3:
            row = int(joins[raw[0], raw[1]] >> 1) or _free_row(tables.thirds)
            joins[raw[0], raw[1]] |= row << 1
            tables.thirds[row, raw[2]] = 1


def _free_row(thirds: npt.NDArray[np.uint8]) -> int:
    """Return the first row without an operator; row 0 stands for none."""
    return 1 + int(np.flatnonzero(~thirds[1:].any(axis=1))[0])


def _fill_keywords(tables: FamilyTables, number: int, family: dict[str, Any]) -> None:
    slots = tables.keywords[number]
    for word in sorted(set(family["keywords"].split())):
        value = token_hash((word.lower() if family.get("fold") else word).encode())
        slot = value % KEYWORD_SLOTS
        while slots[slot]:
            slot = (slot + 1) % KEYWORD_SLOTS
        slots[slot] = value
