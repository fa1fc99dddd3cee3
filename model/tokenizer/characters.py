"""What kind of character each Unicode code point is to the splitter, as one table of bytes.

Reads tables/character_classes.json.gz (made by dev/regenerate_tokenizer_classes.py from the `tokenizers` library itself). It is shipped
rather than asked of the running Python or library, so that the same text gives the same tokens wherever it is encoded.
"""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

OTHER, LETTER, SPACE, NUMBER, INVALID = 0, 1, 2, 3, 4
"""Classes of code points. NUMBER: a word of its own, always. INVALID: a byte that belongs to no code point; likewise."""


@cache
def character_classes() -> npt.NDArray[np.uint8]:
    """Return the class of every code point: uint8[0x110000]."""
    path = Path(__file__).parent / "tables/character_classes.json.gz"
    classes = np.zeros(0x110000, np.uint8)
    for first, end, kind in json.loads(gzip.decompress(path.read_bytes()))["ranges"]:
        classes[first:end] = kind
    return classes
