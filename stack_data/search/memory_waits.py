"""Waiting less for memory in kernels that read mapped files here and there.

A look at a page that was not used for a while costs as much as a thousand instructions: first the tables that say where it is, then the
line itself. `prefetch` asks for many of them at once; `rank` searches ascending numbers from where they should be, since a binary search looks
at a page for each of its first steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(_typing: Any, array: Any, at: Any) -> Any:
    """Ask for an item of a contiguous array that will be read soon. `at` need not be inside of it."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, values[0]).data
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        place = builder.bitcast(builder.gep(data, [values[1]]), byte)
        signature_of = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, signature_of, "llvm.prefetch.p0")
        # To be read, kept close, as data.
        builder.call(function, [place, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), build


@njit(cache=True, nogil=True)  # type: ignore[misc]
def rank(ascending, value, low, high):  # type: ignore[no-untyped-def]
    """Return the last place from `low` on, before `high`, whose number is not above the value; `low` where all are.

    The search begins where the value would be if the numbers were equally far apart, and widens from there.
    """
    if high - low < 2:
        return low
    begin, end = ascending[low], ascending[high - 1]
    if value <= begin:
        # Of equal ones the last.
        at = low
    elif value >= end:
        return high - 1
    else:
        at = low + np.int64((value - begin) / (end - begin) * (high - 1 - low))
    step = 1
    if ascending[at] <= value:
        low, stop = at, at + 1
        while stop < high and ascending[stop] <= value:
            low = stop
            stop += step
            step *= 2
        high = min(stop, high)
    else:
        high, start = at, at - 1
        while start > low and ascending[start] > value:
            high = start
            start -= step
            step *= 2
        low = max(start, low)
    while high - low > 1:
        middle = (low + high) // 2
        if ascending[middle] <= value:
            low = middle
        else:
            high = middle
    return low
