"""Arrow columns of texts and paths, brought into the two types that the passes of this package work on.

Texts become large_binary: RE2 then works on bytes, a cut never has to care for code points, and 64-bit offsets hold
any column. Paths become large_string. Nulls count as empty.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Rows = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def text_column(texts: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return any column of strings or bytes as one large_binary array without nulls."""
    return _column(texts, pa.large_binary(), b"")


def path_column(paths: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return any column of strings as one large_string array without nulls."""
    return _column(paths, pa.large_string(), "")


def _column(values: pa.Array | pa.ChunkedArray, wanted: pa.DataType, empty: str | bytes) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if values.type != wanted:
        values = values.cast(wanted)
    return values.fill_null(empty) if values.null_count else values


def matches(values: pa.Array, pattern: str) -> Mask:
    """Return which values the RE2 pattern occurs in, as a numpy mask."""
    return as_mask(pc.match_substring_regex(values, pattern))


def as_mask(values: pa.BooleanArray) -> Mask:
    """Return an Arrow column of booleans as a numpy mask."""
    mask: Mask = values.to_numpy(zero_copy_only=False)
    return mask


def rows_where(mask: Mask) -> Rows:
    """Return the row numbers at which a mask holds."""
    return np.flatnonzero(mask)


def heads(texts: pa.Array, num_bytes: int) -> pa.Array:
    """Return the first bytes of every text. Only these bytes are copied."""
    return pc.binary_slice(texts, 0, num_bytes)


def tails(texts: pa.Array, num_bytes: int) -> pa.Array:
    """Return the last bytes of every text. Only these bytes are copied."""
    return pc.binary_slice(texts, -num_bytes, None)


def either(patterns: Iterable[str]) -> str:
    """Return one pattern that matches where any of the patterns does."""
    return "|".join(f"(?:{pattern})" for pattern in patterns)
