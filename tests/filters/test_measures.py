"""Measures of texts beside plain Python: str methods for characters and lines, `re` for encoded data."""

from __future__ import annotations

import random
import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack_data.filters.measures import Measures, measure

TEXTS = st.text(st.one_of(st.sampled_from("\n\r ab1_\u00e9\u4f60\U0001f600\x0b\u2028"), st.characters(codec="utf-8")))
PATTERNS = (
    r"[a-zA-Z0-9+/\n=]{64,}",
    r"(?:\b(?:0x|\\x)?[0-9a-fA-F]{2}(?:,|\b\s*)){8,}",
    r"(?:\\u[0-9a-fA-F]{4}){8,}",
)
# Pieces that the patterns are made of, and what stands just beside them.
PIECES = st.lists(
    st.sampled_from(
        ["0x", "\\x", "\\u", "0a", "FF", "1", "e9", ",", ", ", " ", "\n", "\r\n", "\t", "\u00a0", "g", "_", "\u00e9", "\\",
         "00e9", "0x1f,", "\\x41", "\\u00e9", "de ad be ef ", "QUJD" * 16, "+/=", '"', "x", "0", "\U0001f600"]
    ),
    max_size=60,
).map("".join)  # fmt: skip


def plain(text: str) -> tuple[int, float, int, float, float, int]:
    """Return lines, average and longest line, alphanumeric and letter share, and characters of a text."""
    lines = re.split("\r\n|\n|\r", text)
    if lines[-1] == "":
        lines.pop()
    lengths = [len(line) for line in lines]
    if not text:
        return 0, 0.0, 0, 0.0, 0.0, 0
    shares = [sum(map(holds, text)) / len(text) for holds in (str.isalnum, str.isalpha)]
    return len(lines), sum(lengths) / len(lines), max(lengths), *shares, len(text)


def encoded(text: str) -> tuple[int, int]:
    """Return the longest match of the patterns and the characters of all."""
    lengths = [len(found[0]) for pattern in PATTERNS for found in re.finditer(pattern, text)]
    return max(lengths, default=0), sum(lengths)


def of(*texts: str) -> Measures:
    return measure(pa.array(texts, pa.large_string()))


@given(texts=st.lists(TEXTS, max_size=6), start=st.integers(0, 3))
def test_lines_and_shares_are_those_of_plain_python(texts: list[str], start: int) -> None:
    measured = measure(pa.array(texts, pa.large_string())[start:])
    for row, text in enumerate(texts[start:]):
        assert tuple(values[row] for values in measured[:6]) == pytest.approx(plain(text))


@given(texts=st.lists(PIECES, max_size=4))
def test_encoded_data_is_what_the_patterns_match(texts: list[str]) -> None:
    measured = of(*texts)
    for row, text in enumerate(texts):
        assert (measured.encoded_longest[row], measured.encoded_chars[row]) == encoded(text), text


@pytest.mark.parametrize("seed", range(300))
def test_encoded_data_in_long_random_texts(seed: int) -> None:
    chosen = random.Random(seed)
    pieces = ["0x", "\\x", "0a", "ff", ",", " ", "\n", "A" * 30, "\\u00e9", "\u00e9", "_", "7"]
    weights = [chosen.random() ** 3 for _ in pieces]
    text = "".join(chosen.choices(pieces, weights, k=200))
    measured = of(text)
    assert (measured.encoded_longest[0], measured.encoded_chars[0]) == encoded(text), text


@pytest.mark.parametrize(
    ("text", "longest"),
    [
        ("QUJD" * 16, 64),
        ("QUJD" * 15 + "QUJ", 0),
        ("0x00,0x01,0x02,0x03,0x04,0x05,0x06,0x07", 39),
        ("0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07", 0),  # the pattern takes no space after a comma
        ('"\\x48\\x31\\x48\\x31\\x48\\x31\\x48\\x31\\x48"', 32),  # the first byte has no boundary before its backslash
        ("\\u00e9" * 8, 48),
        ("de ad be ef de ad be ef", 23),
        ("deadbeefdeadbeef", 0),
    ],
)
def test_smallest_examples_of_encoded_data(text: str, longest: int) -> None:
    assert of(text).encoded_longest[0] == longest
    assert encoded(text)[0] == longest
