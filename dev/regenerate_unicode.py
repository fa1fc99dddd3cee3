"""Rebuild the table of Unicode classes from the Unicode data of the Python that runs this.

Writes stack_data/tables/unicode_classes.json.gz: ranges of code points with the class that the search's lexer gives them
(stack_data/search/characters.py). The table is shipped, not asked of the running Python, so that two versions of Python never
make different tokens of one file. Equal input gives equal bytes.

Usage: python dev/regenerate_unicode.py
"""

from __future__ import annotations

import gzip
import itertools
import json
import sys
import unicodedata
from pathlib import Path

TABLE = Path(__file__).resolve().parent.parent / "stack_data" / "tables" / "unicode_classes.json.gz"
LETTER, JOINED, SIGN = 1, 2, 3


def class_of(code: int) -> int:
    """Return the class of a code point: letters and digits, what only joins words, signs, or 0 for all else."""
    category = unicodedata.category(chr(code))
    if category[0] == "L" or category == "Nd" or code == ord("_"):
        return LETTER
    if category[0] == "M" or category in ("Nl", "No"):
        return JOINED
    return SIGN if category[0] in "PS" else 0


def main() -> None:
    """Write the table."""
    ranges, first = [], 0
    for kind, codes in itertools.groupby(map(class_of, range(sys.maxunicode + 1))):
        size = sum(1 for _ in codes)
        if kind:
            ranges.append([first, first + size, kind])
        first += size
    about = {"origin": f"Unicode Character Database {unicodedata.unidata_version}", "license": "Unicode-3.0"}
    text = json.dumps({"about": about, "ranges": ranges}, separators=(",", ":"), sort_keys=True)
    TABLE.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
