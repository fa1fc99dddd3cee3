"""Files that become documents: what every format gets, what it returns, and how it draws.

Texts are joined by one Arrow kernel and documents are slices of what it made, so no text passes through a Python object. A special
token that occurs inside a text would be taken for control by a tokenizer; `unsafe` finds such files, and no format renders them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data.id_columns import mixed

Draws = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Files:
    """N files in the order in which they stand in R documents.

    texts       large_string[N]
    paths       string[N]
    repo_names  string[N], owner and repository
    stars       int64[N], null where unknown
    whole       bool[N]: the text is a document of its own that a format has rendered (a notebook, a commit)
    keys        what a file's draws follow from: uint64[N], a hash of the seed and of the content or its repository
    starts      first file of each document, and N: int64[R + 1]
    """

    texts: pa.LargeStringArray
    paths: pa.Array
    repo_names: pa.Array
    stars: pa.Array
    whole: npt.NDArray[np.bool_]
    keys: npt.NDArray[np.uint64]
    starts: npt.NDArray[np.int64]

    def is_first(self) -> npt.NDArray[np.bool_]:
        """Return which files begin a document: bool[N]."""
        return self._marked(self.starts[:-1])

    def is_last(self) -> npt.NDArray[np.bool_]:
        """Return which files end a document: bool[N]."""
        return self._marked(self.starts[1:] - 1)

    def _marked(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        found = np.zeros(len(self.texts), bool)
        found[rows] = True
        return found


@dataclass(frozen=True, slots=True)
class Documents:
    """R documents out of N files. texts: large_string[R]; at: byte in its document at which each file's text begins, int64[N]."""

    texts: pa.LargeStringArray
    at: npt.NDArray[np.int64]


def join(files: Files, before: Sequence[pa.Array], behind: pa.Array) -> Documents:
    """Return documents in which these columns of strings stand before and behind each file's text."""
    prefixes = _beside([*before, pa.nulls(len(files.texts), pa.string()).fill_null("")])
    joined = _beside([prefixes, files.texts, behind])
    bounds = np.frombuffer(joined.buffers()[1], np.int64)[joined.offset :][: len(joined) + 1]
    offsets = np.ascontiguousarray(bounds[files.starts])
    texts = pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), joined.buffers()[2])
    begins = np.repeat(offsets[:-1], np.diff(files.starts))
    return Documents(texts, bounds[:-1] + pc.binary_length(prefixes).to_numpy() - begins)


def _beside(columns: Sequence[pa.Array]) -> pa.LargeStringArray:
    """Return a column in which the strings of several stand one after the other."""
    large = pa.large_string()
    return pc.binary_join_element_wise(*[one.cast(large) for one in columns], pa.scalar("", large))


def where(rows: npt.NDArray[np.bool_], values: pa.Array | str) -> pa.Array:
    """Return a column of strings that is empty where `rows` does not hold: string[N]."""
    values = pa.scalar(values) if isinstance(values, str) else values
    return pc.if_else(pa.array(rows), values, "")


def draws(keys: npt.NDArray[np.uint64], number: int) -> Draws:
    """Return the number-th draw of each key, in [0, 1): float64[N]."""
    salt = np.uint64((number + 1) * 0xD1B54A32D192ED03 & 0xFFFFFFFFFFFFFFFF)
    return (mixed(keys ^ salt) >> np.uint64(11)).astype(np.float64) / 2.0**53


def draw(key: int, number: int) -> float:
    """Return one draw, as `draws` makes it."""
    return float(draws(np.array([key], np.uint64), number)[0])


def unsafe(texts: pa.Array, tokens: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return where a text holds one of a format's special tokens: bool[N]."""
    if not tokens:
        return np.zeros(len(texts), bool)
    # All begin alike, so few texts meet the whole expression.
    pattern = "<(?:" + "|".join(re.escape(token[1:]) for token in tokens) + ")"
    return np.asarray(pc.match_substring_regex(texts, pattern).fill_null(False))
