"""From a tokenizer file to the arrays of the kernels: hash tables of merges and whole words, and the bytes of every token."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from model.tokenizer.bpe_kernels import Tables, fill_whole
from model.tokenizer.characters import character_classes
from model.tokenizer.merge_kernels import NONE, fill_pairs
from model.tokenizer.tokenizer_json import TokenizerJson
from stack_data.errors import InputError

MAX_TOKENS = 1 << 24
"""Ids beyond this are a damaged file, not a vocabulary."""


@cache
def byte_symbols() -> tuple[str, ...]:
    """Return the character that byte-level tokenizers write for each byte: itself where it shows, else one from U+0100 on."""
    shown = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(0x100, 0x200))
    return tuple(chr(byte) if byte in shown else chr(next(others)) for byte in range(256))


def tables_of(read: TokenizerJson, origin: str) -> Tables:
    """Return the tables of a tokenizer. origin: named in the InputError when its vocabulary cannot write every byte."""
    num_tokens = max([*read.vocabulary.values(), *read.added.values()], default=-1) + 1
    if not 0 < num_tokens <= MAX_TOKENS:
        raise InputError(f"{origin} is damaged: its largest token id is {num_tokens - 1}")
    byte_ids = np.array([read.vocabulary.get(symbol, -1) for symbol in byte_symbols()], np.int32)
    if (byte_ids < 0).any():
        missing = int(np.flatnonzero(byte_ids < 0)[0])
        raise InputError(
            f"{origin} has no token for byte 0x{missing:02x}, so it cannot write any text; use a byte-level one"
        )
    data, bounds = _token_bytes(read, num_tokens, origin)
    empty = np.full(3, NONE, np.uint64)
    tables = Tables(character_classes(), byte_ids, _pairs(read, origin), empty, data, bounds)
    whole = np.full(3 * _room(num_tokens), NONE, np.uint64)
    fill_whole(tables, whole)
    return tables._replace(whole=whole)


def _room(count: int) -> int:
    """Return how many slots a table of so many entries has: a power of two, at most a quarter full."""
    return 1 << (4 * max(count, 1) - 1).bit_length()


def _pairs(read: TokenizerJson, origin: str) -> npt.NDArray[np.uint64]:
    try:
        ids = [(read.vocabulary[a], read.vocabulary[b], read.vocabulary[a + b]) for a, b in read.merges]
    except KeyError as error:
        raise InputError(f"{origin} is damaged: a merge speaks of {error.args[0]!r}, which is no token") from None
    columns = np.array(ids, np.int64).reshape(-1, 3)
    pairs = np.full(2 * _room(len(ids)), NONE, np.uint64)
    fill_pairs(columns[:, 0].copy(), columns[:, 1].copy(), columns[:, 2].copy(), pairs)
    return pairs


def _token_bytes(
    read: TokenizerJson, num_tokens: int, origin: str
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return the bytes of all tokens, and their bounds; special tokens and ids without a token have none."""
    byte_of = {symbol: byte for byte, symbol in enumerate(byte_symbols())}
    pieces = [b""] * num_tokens
    for token, number in read.vocabulary.items():
        if token in read.added:
            continue
        try:
            pieces[number] = bytes(byte_of[symbol] for symbol in token)
        except KeyError:
            raise InputError(f"{origin} is not byte-level: its token {number} is {token[:40]!r}") from None
    bounds = np.cumsum([0, *map(len, pieces)], dtype=np.int64)
    return np.frombuffer(b"".join(pieces), np.uint8), bounds
