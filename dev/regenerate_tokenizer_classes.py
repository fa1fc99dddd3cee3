"""Writes model/tokenizer/tables/character_classes.json.gz: how the `tokenizers` library tells letters, white space and numbers apart.

Asks the library itself, code point by code point, since its two parts (Digits, and the expression of ByteLevel) know Unicode by tables
of their own, and neither is that of the running Python. Run it after an update of the library, with `--check` to compare only.
"""

from __future__ import annotations

import gzip
import json
import sys
from itertools import groupby
from pathlib import Path

import tokenizers
from tokenizers import pre_tokenizers

from model.tokenizer.characters import LETTER, NUMBER, OTHER, SPACE

TARGET = Path(__file__).parent.parent / "model/tokenizer/tables/character_classes.json.gz"
_CHUNK = 250


def classes_of(points: list[int]) -> list[int]:
    """Return the class of each code point by what the library does with it between other characters."""
    digits = pre_tokenizers.Digits(individual_digits=True)
    words = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    is_number = _joins(digits, "a", points)
    beside_letter, beside_sign, beside_space = (_joins(words, one, points) for one in ("a", ";", "\t"))
    found = []
    for number, letter, sign, space in zip(is_number, beside_letter, beside_sign, beside_space, strict=True):
        found.append(NUMBER if not number else LETTER if letter else SPACE if space else OTHER if sign else -1)
    if -1 in found:
        raise SystemExit(f"U+{points[found.index(-1)]:04X} is of no known class: the kernels must learn it")
    return found


def _joins(splitter: pre_tokenizers.PreTokenizer, beside: str, points: list[int]) -> list[bool]:
    """Tell of each code point whether it stays in one piece with the character before it."""
    joined: list[bool] = []
    for first in range(0, len(points), _CHUNK):
        chunk = points[first : first + _CHUNK]
        # A digit ends every run, so probes do not meet; behind the probe once more, since the last of a run of white space is split off.
        text = "".join(f"1{beside}{chr(one)}{beside}" for one in chunk) + "1"
        starts = {span[0] for _, span in splitter.pre_tokenize_str(text)}
        joined += [4 * at + 2 not in starts for at in range(len(chunk))]
    return joined


def ranges() -> list[list[int]]:
    """Return [first, end, class] of every run of code points that are not OTHER."""
    points = [one for one in range(0x110000) if not 0xD800 <= one < 0xE000]
    found, first = [], 0
    classes = dict(zip(points, classes_of(points), strict=True))
    for kind, run in groupby(range(0x110000), lambda one: classes.get(one, OTHER)):
        count = len(list(run))
        if kind != OTHER:
            found.append([first, first + count, kind])
        first += count
    return found


def main() -> int:
    """Write the table, or with --check tell whether it is up to date."""
    made = {"tokenizers": tokenizers.__version__, "ranges": ranges()}
    if "--check" in sys.argv:
        known = json.loads(gzip.decompress(TARGET.read_bytes()))
        return int(known["ranges"] != made["ranges"])
    text = json.dumps(made, separators=(",", ":")) + "\n"
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_bytes(gzip.compress(text.encode(), mtime=0))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
