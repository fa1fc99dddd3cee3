"""The tokenizer that everything in `model` uses: bytes to tokens and back, without loss, whatever the bytes are.

Reads tokenizer.json, of an own tokenizer or one of StarCoder or StarCoder2. Gives the tokens that the `tokenizers` library gives for any
text, several times faster and on as many threads as one likes. Two things differ on purpose: bytes that are no UTF-8 are encoded too
(the library would see U+FFFD), and the name of a special token inside a text is text, so no file can forge one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model.tokenizer import tokenizer_json
from model.tokenizer.bpe_kernels import Tables, decode_all, encode_all
from model.tokenizer.bpe_tables import tables_of
from model.tokenizer.special import SpecialIds
from stack_data.errors import InputError

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Tokens = npt.NDArray[Any]
"""uint16 or uint32, as CodeTokenizer.dtype says."""


@dataclass(frozen=True, slots=True)
class CodeTokenizer:
    """A tokenizer, ready to use.

    special   ids of special tokens by their part; names: all of them by name
    identity  SHA-256 of what decides the tokens: the canonical tokenizer.json
    dtype     uint16 where every id fits, else uint32
    lengths   int32[V]: bytes of each token; 0 for special tokens and ids that are no token
    tables    arrays for the kernels (model.tokenizer.bpe_kernels)
    """

    folder: Path
    special: SpecialIds
    names: dict[str, int]
    identity: str
    vocab_size: int
    dtype: type[np.unsignedinteger[Any]]
    lengths: npt.NDArray[np.int32]
    tables: Tables

    @classmethod
    def load(cls, folder: Path) -> CodeTokenizer:
        """Read the tokenizer in a folder; InputError when it is missing, damaged, or of a kind that is not supported."""
        path = folder / tokenizer_json.NAME
        if not path.exists():
            raise InputError(f"{folder} holds no tokenizer: there is no {tokenizer_json.NAME} in it")
        found = tokenizer_json.read(folder)
        special = SpecialIds.of(found.added, str(path))
        tables = tables_of(found, str(path))
        size = len(tables.token_bounds) - 1
        lengths = np.diff(tables.token_bounds).astype(np.int32)
        dtype = np.uint16 if size <= 1 << 16 else np.uint32
        return cls(folder, special, dict(found.added), found.identity, size, dtype, lengths, tables)

    @property
    def token_bytes(self) -> tuple[Bytes, Ints]:
        """The bytes of all tokens, one after the other, and where each begins: uint8[.], int64[V + 1]."""
        return self.tables.token_data, self.tables.token_bounds

    def encode(self, data: Bytes, bounds: Ints) -> tuple[Tokens, Ints]:
        """Return the tokens of D texts, data[bounds[d]:bounds[d + 1]], and where those of each begin, int64[D + 1]."""
        out = np.empty(int(bounds[-1] - bounds[0]), self.dtype)
        found = encode_all(self.tables, data, bounds, out)
        return out[: found[-1]], found

    def encode_one(self, text: bytes | str) -> Tokens:
        """Return the tokens of one text; a str is taken as UTF-8."""
        raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        return self.encode(np.frombuffer(raw, np.uint8), np.array([0, len(raw)], np.int64))[0]

    def decode(self, tokens: npt.ArrayLike) -> bytes:
        """Return the bytes of tokens; special tokens have none. InputError for an id that is no token."""
        ids = np.asarray(tokens, np.int64).ravel()
        if len(ids) and not 0 <= ids.min() <= ids.max() < self.vocab_size:
            wrong = ids[(ids < 0) | (ids >= self.vocab_size)][0]
            raise InputError(f"{wrong} is no token: ids are 0 to {self.vocab_size - 1}")
        out = np.empty(int(self.lengths[ids].sum()), np.uint8)
        decode_all(self.tables.token_data, self.tables.token_bounds, ids, out)
        return out.tobytes()
