"""What kind of character each Unicode code point is, as one table of bytes.

Reads stack_data/tables/unicode_classes.json.gz (made by dev/regenerate_unicode.py). Shipped rather than asked of the running
Python, so that an index made with one version of Python is read by another. Not covered: normalisation; an identifier
written in two Unicode forms is two identifiers.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from stack_data.tables import load_table

LETTER, JOINED, SIGN = 1, 2, 3
"""Letters, decimal digits and `_`; marks and other numbers, which go on with a word; punctuation and symbols. 0: all else."""


@cache
def character_classes() -> npt.NDArray[np.uint8]:
    """Return the class of every code point: uint8[0x110000]."""
    classes = np.zeros(0x110000, np.uint8)
    for first, end, kind in load_table("unicode_classes")["ranges"]:
        classes[first:end] = kind
    return classes
