"""Pieces of texts from mark to mark: they lex to the very tokens of the whole text, whatever the family and the text."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack_data.near.shingles import text_bytes
from stack_data.search.families import family_names, family_of
from stack_data.search.lexer import lex, lex_bytes, lexemes
from stack_data.search.outlines import Outlines, outline, pieces_for

STDLIB = Path(sysconfig.get_paths()["stdlib"])


def check(texts: list[bytes], families: np.ndarray, spacing: int) -> int:
    """Compare every piece of three marks with the whole; return how many marks there are."""
    array = pa.array(texts, pa.large_binary())
    data, begins, ends = text_bytes(array)
    tokens, words = lex(array, families), lexemes(array)
    outlines = Outlines(families, ends - begins, *outline(tokens, words, data, begins, ends, families, spacing))
    for row, text in enumerate(texts):
        first, last = int(tokens.bounds[row]), int(tokens.bounds[row + 1])
        marks = outlines.marks[outlines.bounds[row] : outlines.bounds[row + 1]].astype(np.int64)
        for low in range(len(marks)):
            stop = int(marks[low + 1, 0]) if low + 1 < len(marks) else last - first
            if stop == marks[low, 0] and low + 1 < len(marks):
                continue  # only comments between the two
            piece = pieces_for(outlines, np.array([[row, 0, marks[low, 0], stop]]))
            begin, limit, end = int(piece.begin[0]), int(piece.limit[0]), int(piece.end[0])
            part = np.frombuffer(text[begin:end], np.uint8)
            got = lex_bytes(part, np.array([0]), np.array([len(part)]), families[row])
            count = int(np.searchsorted(got.starts, limit - begin))
            here = slice(first + int(marks[low, 0]), first + int(marks[low, 0]) + count)
            assert count >= stop - marks[low, 0]
            for name in ("code", "kinds"):
                assert np.array_equal(getattr(got, name)[:count], getattr(tokens, name)[here])
            for name in ("starts", "ends"):
                assert np.array_equal(getattr(got, name)[:count] + begin, getattr(tokens, name)[here])
            said = text[:begin].decode("utf-8", "replace")
            if "\ufffd" not in said:
                lines = said.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
                assert (len(said), lines) == (marks[low, 3], marks[low, 4])
            parts = lexemes(pa.array([text[begin:limit]], pa.large_binary()))
            at = int(words.bounds[row]) + int(marks[low, 1])
            assert np.array_equal(parts.code, words.code[at : at + len(parts)])
    return len(outlines.marks)


FRAGMENTS = st.sampled_from(
    [*b"abcR \n\t'\"`/*#-;.,(){}[]<>=!%\\01\r", "é".encode(), "1é".encode(), b"/*", b"*/", b"//", b"'''", b'"""', b"1.", b"..", b"if ", b"R\"x(",
     b")x\"", b"r#\"", b"\"#", b"{-", b"--", b"#|", b"|#", b"<!--", b"-->", b"a = ", b"/[/]", b"<<=", b"x' ", b"\xff"]
).map(lambda one: bytes([one]) if isinstance(one, int) else one)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(FRAGMENTS, max_size=120).map(b"".join), st.integers(0, len(family_names()) - 1), st.integers(1, 9))
def test_any_bytes_in_any_family_can_be_read_from_mark_to_mark(text: bytes, family: int, spacing: int) -> None:
    check([text], np.array([family], np.uint8), spacing)


@pytest.mark.parametrize("spacing", [9, 700])
def test_real_code_can_be_read_from_mark_to_mark(spacing: int) -> None:
    texts = [path.read_bytes() for path in sorted(STDLIB.glob("*.py"))[:12]]
    assert check(texts, np.full(len(texts), family_of("Python"), np.uint8), spacing) > 30


def test_pieces_that_touch_are_read_as_one() -> None:
    text = b" ".join(b"name%d" % at for at in range(100))
    array = pa.array([text, text], pa.large_binary())
    data, begins, ends = text_bytes(array)
    families = np.zeros(2, np.uint8)
    outlines = Outlines(
        families, ends - begins, *outline(lex(array, families), lexemes(array), data, begins, ends, families, 60)
    )
    marks = outlines.marks[outlines.bounds[0] : outlines.bounds[1], 0].astype(np.int64)
    assert np.diff(marks).min() >= 8 and np.diff(marks).max() <= 10

    def mark(token: int, after: int = 0) -> int:
        return int([*marks, 100][np.searchsorted(marks, token, side="right") - 1 + after])

    code = [[0, 0, 5, 15], [0, 0, 15, 38], [1, 0, 95, 100], [0, 0, 70, 75]]
    found = pieces_for(outlines, np.array([*code, [1, 1, -3, 4]]))
    assert found.text.tolist() == [0, 0, 1, 1]
    assert found.marks[:, 0].tolist() == [0, mark(70), 0, mark(95)]
    assert [text[:at].count(b" ") for at in found.limit.tolist()] == [mark(38, 1), mark(75, 1), mark(0, 1), 99]
    assert [text[:at].count(b" ") for at in found.end.tolist()] == [mark(38, 2), mark(75, 2), mark(0, 2), 99]
