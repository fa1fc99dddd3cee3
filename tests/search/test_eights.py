"""Bytes eight at a time: what the words say of each byte, and that a text reads the same wherever it lies."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from numba import njit

from stack_data.search.eights import (
    SLACK,
    counted,
    eight,
    equals,
    first,
    next_of,
    no_word,
    past_blanks,
    pointer,
    sixty_four,
)
from stack_data.search.families import family_names, token_hash
from stack_data.search.lexer import Tokens, lex, lex_bytes, lexemes, lexemes_bytes

EIGHT = some.binary(min_size=8, max_size=8)
# Runs of letters, blanks and signs about as long as the steps, and letters of several bytes.
TEXT = some.lists(
    some.sampled_from([b"abcdefg", b"_9", b"x", b" ", b" " * 9, b"\n", b"'", b'"', b"\\", b"+=", b"\x7f", b"\xc3\xa9", "中".encode()])
    | some.integers(1, 70).map(lambda size: b"w" * size)
    | some.binary(max_size=3),
    max_size=40,
).map(b"".join)  # fmt: skip


@njit(nogil=True)  # type: ignore[misc]
def _tested(data, byte):  # type: ignore[no-untyped-def]
    word = eight(pointer(data), 0)
    return equals(word, byte), no_word(word), first(equals(word, byte))


@njit(nogil=True)  # type: ignore[misc]
def _searched(data, at, end, one, other):  # type: ignore[no-untyped-def]
    return next_of(pointer(data), at, end, one, other, one, other), past_blanks(pointer(data), at, end)


@njit(nogil=True)  # type: ignore[misc]
def _block(data):  # type: ignore[no-untyped-def]
    return sixty_four(pointer(data), 0)


@njit(nogil=True)  # type: ignore[misc]
def _counted(data, begin, stop, end):  # type: ignore[no-untyped-def]
    return counted(pointer(data), begin, stop, end)


def marks(word: int) -> list[bool]:
    assert word & 0x7F7F7F7F7F7F7F7F == 0
    return [bool(word >> 8 * byte & 0x80) for byte in range(8)]


def column(text: bytes) -> np.ndarray:
    return np.frombuffer(text + bytes(SLACK), np.uint8)


def columns(tokens: Tokens) -> list[list[int]]:
    found = (tokens.code, tokens.kinds, tokens.starts, tokens.ends)
    return [one.tolist() for one in found]


@given(EIGHT, some.integers(0, 255))
def test_a_word_says_of_each_byte_what_it_is(text: bytes, byte: int) -> None:
    same, others, at = _tested(column(text), np.uint8(byte))
    assert marks(same) == [one == byte for one in text]
    assert marks(others) == [not re.fullmatch(rb"[A-Za-z0-9_]", bytes([one])) for one in text]
    assert at == (text.find(byte) if byte in text else 8)


def test_every_byte_is_in_its_class_at_every_place() -> None:
    for byte in range(256):
        for place in range(8):
            text = bytearray(b"\xff" * 8)
            text[place] = byte
            _, others, _ = _tested(column(bytes(text)), np.uint8(0))
            assert marks(others)[place] == (not (byte < 128 and (chr(byte).isalnum() or chr(byte) == "_")))


@given(
    TEXT, some.integers(0, 20), some.integers(0, 20), some.sampled_from(b"'\"\\\n \r"), some.sampled_from(b"w\x00\xa9")
)
def test_searches_end_where_a_loop_over_bytes_does(text: bytes, skip: int, cut: int, one: int, other: int) -> None:
    end = max(0, len(text) - cut)
    at = min(skip, end)
    found, past = _searched(column(text), at, end, one, other)
    assert found == next((place for place in range(at, end) if text[place] in (one, other)), end)
    assert past == next((place for place in range(at, end) if text[place] != 32), end)


@given(
    some.binary(min_size=64, max_size=64)
    | some.text(some.characters(max_codepoint=127), min_size=64, max_size=64).map(str.encode)
)
def test_a_block_tells_words_and_signs(text: bytes) -> None:
    words, signs, is_ascii = _block(column(text))
    assert is_ascii == text.isascii()
    if is_ascii:
        assert [bool(words >> place & 1) for place in range(64)] == [chr(one).isalnum() or one == 95 for one in text]
        visible = [33 <= one < 127 and not (chr(one).isalnum() or one == 95) for one in text]
        assert [bool(signs >> place & 1) for place in range(64)] == visible


@settings(deadline=None)
@given(TEXT, some.binary(max_size=80), some.binary(max_size=80), some.integers(0, len(family_names()) - 1))
def test_a_text_has_the_same_tokens_whatever_lies_around_it(
    text: bytes, before: bytes, after: bytes, family: int
) -> None:
    alone = pa.array([text], pa.large_binary())
    around = np.frombuffer(before + text + after, np.uint8)
    begins, ends = np.array([len(before)]), np.array([len(before) + len(text)])
    assert columns(lexemes_bytes(around, begins, ends)) == columns(lexemes(alone))
    assert columns(lex_bytes(around, begins, ends, family)) == columns(lex(alone, family))


@given(TEXT.map(lambda text: text.replace(b"\x7f", b" ")))
def test_lexemes_are_what_a_pattern_finds(text: bytes) -> None:
    shown = text.decode("ascii", "ignore")
    found = lexemes(pa.array([shown]))
    wanted = [(one.start(), one.end()) for one in re.finditer(r"[A-Za-z0-9_]+|[!-/:-@\[-^`{-~]", shown)]
    assert list(zip(found.starts.tolist(), found.ends.tolist(), strict=True)) == wanted
    assert found.code.tolist() == [token_hash(shown[begin:end].encode()) for begin, end in wanted]


@pytest.mark.parametrize("size", range(1, 80))
def test_words_of_every_length_have_the_hash_of_their_bytes(size: int) -> None:
    word = bytes(97 + place % 26 for place in range(size))
    for text in (word, b" " * (64 - size % 64) + word + b"+", word + "é".encode()):
        found = lexemes(pa.array([text], pa.large_binary()))
        whole = word + ("é".encode() if text.endswith("é".encode()) else b"")
        assert found.code[0] == token_hash(whole)
        assert lex(pa.array([text], pa.large_binary()), 0).code[0] == token_hash(whole)


@given(some.text(some.sampled_from("ab\r\né中\U0001f600"), max_size=60), some.integers(0, 30), some.integers(0, 30))
def test_code_points_and_lines_are_counted(text: str, begin: int, cut: int) -> None:
    stop = max(len(text) - cut, 0)
    begin = min(begin, stop)
    raw = text.encode()
    first, last = (len(text[:place].encode()) for place in (begin, stop))
    points, lines = _counted(column(raw)[: len(raw)], first, last, len(raw))
    assert points == stop - begin
    ended = [
        place
        for place in range(begin, stop)
        if text[place] == "\n" or (text[place] == "\r" and text[place + 1 : place + 2] != "\n")
    ]
    assert lines == len(ended)
