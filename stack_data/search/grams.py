"""Grams with what lies beside them: what a source is sampled by and a query probes with.

Beside its 64-bit hash a gram has 6 bits of the `view.context` tokens directly left of it, and 6 of those directly right; 0 where there
are not that many, else 1 to 63. Two grams are worth a comparison of texts when their hashes are equal and one of the two contexts is
(`views` says why that loses nothing); by chance that happens to three in a hundred.

Grams of the blinded view are of its tokens and of which names are the same (patterns.py): a match in which names correspond one to one
has these in common too, and far less else does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from stack_data.search.kgrams import kgrams
from stack_data.search.lexer import Tokens
from stack_data.search.patterns import bits_of, pattern_grams
from stack_data.search.views import BLINDED, View

_STEP = np.uint64(0x9E3779B97F4A7C15)
Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Grams:
    """The G grams of N texts, of one view, in order.

    hashes uint64[G]; left, right uint8[G]: context bits, 0 to 63; bounds int64[N + 1]: those of text i are bounds[i]:bounds[i + 1],
    the j-th begins at its token j * stride (of a query: j).
    """

    view: View
    hashes: Hashes
    left: Bits
    right: Bits
    bounds: Places

    def __len__(self) -> int:
        return len(self.hashes)


def grams_of(tokens: Tokens, view: View) -> Grams:
    """Return every gram of texts, as a query needs. tokens: of `lexer.lexemes` for the lexeme view, else of `lexer.lex`."""
    return _grams(tokens, view, 1)


def samples_of(tokens: Tokens, view: View) -> Grams:
    """Return the grams at every `view.stride`-th token of texts, as a source is indexed by."""
    return _grams(tokens, view, view.stride)


def _grams(tokens: Tokens, view: View, stride: int) -> Grams:
    hashes, bounds = view.hashes(tokens), tokens.bounds
    if view.name == BLINDED.name:
        counts = np.maximum(bounds[1:] - bounds[:-1] - (view.k - stride), 0) // stride
        found, left, right = pattern_grams(hashes, tokens.code, tokens.kinds, bounds, view.k, view.context, stride)
        return Grams(view, found, left, right, np.concatenate((np.zeros(1, np.int64), np.cumsum(counts))))
    grams, of_text = kgrams(hashes, bounds, view.k, stride)
    return Grams(view, grams, *context_bits(hashes, bounds, view, stride), of_text)


def context_bits(hashes: Hashes, bounds: Places, view: View, stride: int) -> tuple[Bits, Bits]:
    """Return (left, right), uint8[G] each, of the grams at tokens 0, stride, 2 * stride, ... of N texts.

    hashes: uint64[T] of the view's tokens; bounds: int64[N + 1].
    """
    return _context_bits(hashes, bounds, view.k, view.context, stride)  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _context_bits(hashes, bounds, k, context, stride):  # type: ignore[no-untyped-def]
    count = np.int64(0)
    for row in range(len(bounds) - 1):
        count += max(bounds[row + 1] - bounds[row] - k + stride, 0) // stride
    left, right = np.zeros(count, np.uint8), np.zeros(count, np.uint8)
    at = 0
    for row in range(len(bounds) - 1):
        begin, end = bounds[row], bounds[row + 1]
        for first in range(begin, end - k + 1, stride):
            if first - begin >= context:
                left[at] = bits_of(_rolled(hashes, first - context, first))
            if end - first - k >= context:
                right[at] = bits_of(_rolled(hashes, first + k, first + k + context))
            at += 1
    return left, right


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _rolled(hashes, begin, end):  # type: ignore[no-untyped-def]
    value = np.uint64(0)
    for at in range(begin, end):
        value = value * _STEP + hashes[at]
    return value
