"""Which contents hold a gram of a snippet: the candidates of each view.

Every gram of every reading is asked for, equal ones once; grams of few kinds of tokens, and blinded ones outside varied windows
(filters.py), are not: no match needs them. In which order the candidates are read is in reading_order.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from stack_data.search.filters import of_many_kinds, varied_windows, within_varied
from stack_data.search.grams import grams_of
from stack_data.search.protocol import SearchIndex
from stack_data.search.readings import Readings
from stack_data.search.verify_kernels import distinct
from stack_data.search.views import BLINDED, LEXEME, View

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Probed:
    """The candidates of one view.

    first, last, earlier: of `distinct`, over the grams of all readings; bounds int64[R + 1]: which are a reading's; query, document,
    position: of the candidates, [M] each; asked bool[G]: which grams were asked for; withheld: hidden documents that would be candidates;
    is_whole: whether no gram that should be asked for stands at too many places.
    """

    view: View
    last: Ints
    earlier: Ints
    bounds: Ints
    query: npt.NDArray[np.int32]
    document: Ints
    position: npt.NDArray[np.int32]
    first: Ints
    asked: npt.NDArray[np.bool_]
    withheld: Ints
    is_whole: bool


def varied(readings: Readings) -> npt.NDArray[np.bool_]:
    """Tell of each token of the readings whether a varied window begins there."""
    return np.asarray(varied_windows(readings.blinded, readings.tokens.bounds))


def probe(
    index: SearchIndex, readings: Readings, view: View, is_varied: npt.NDArray[np.bool_], most: int | None = None
) -> Probed:
    """Ask an index for the grams of a snippet in one view; most: about how many candidates, of all but the commonest grams."""
    tokens = readings.lexemes if view.name == LEXEME.name else readings.tokens
    grams = grams_of(tokens, view)
    if view.name == BLINDED.name:
        wanted = within_varied(is_varied, tokens.bounds, view.k)
        wanted &= of_many_kinds(readings.blinded, tokens.bounds, view.k)
    else:
        wanted = of_many_kinds(tokens.code, tokens.bounds, view.k)
    first, last, earlier = distinct(grams.hashes, grams.left, grams.right, wanted)
    asked = type(grams)(
        view, grams.hashes[first], grams.left[first], grams.right[first], np.array([0, len(first)], np.int64)
    )
    found = index.candidates(asked, most)
    _unask(wanted, found.left_out, last, earlier)
    return Probed(
        view, last, earlier, grams.bounds, found.query, found.document, found.position, first, wanted,
        found.withheld, not found.left_out.any(),
    )  # fmt: skip


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _unask(asked, left_out, last, earlier):  # type: ignore[no-untyped-def]
    """Take grams that were left out from those that were asked for, wherever they stand in the readings."""
    for number in range(len(left_out)):
        at = last[number] if left_out[number] else -1
        while at >= 0:
            asked[at] = False
            at = earlier[at]
