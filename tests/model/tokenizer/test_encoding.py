from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.tokenizer.bpe_kernels import encode_into, is_boundary
from model.tokenizer.special import SPECIAL_TOKENS
from model.tokenizer.split_kernels import REACH, word_end
from tests.model.tokenizer.tokenizers_made import SOURCE, pair

OURS, LIBRARY = pair()
# Every branch of the splitter: contractions, blanks, other white space, numbers of two kinds, letters, marks, signs, four-byte characters.
PIECES = [
    "'", "'s", "'t", "'re", "'ve", "'ll", "'d", "'m", "'l", "s", "t", "re", "d", "a", "word", " ", "  ", "\n", "\r\n", "\t", "\u00a0", "\u2003",
    "\u0085", "1", "42", "\u00bd", "\u0663", "\u2167", "\u3007", "\u00e9", "e\u0301", "\u4f60\u597d", "\U0001f600", "\u200d", ";", "==", "(", "_", "\0",
    "\x1c", "\x7f", "\ufeff", "\ufffd", "\U0010ffff", "return", "self.", *SPECIAL_TOKENS[:3], "x" * 60, " " * 70, "=" * 100,
]  # fmt: skip
pieced = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
texts = st.one_of(pieced, st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
invalid = st.sampled_from(
    [b"\xff", b"\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xe2\x82", b"\xf0\x9f\x98", b"\xf4\x90\x80\x80", b"\xe0\x80\x80"]
)
raw_texts = st.one_of(
    texts.map(str.encode),
    st.binary(max_size=40),
    st.lists(st.one_of(pieced.map(str.encode), invalid), max_size=6).map(b"".join),
)


@settings(max_examples=500, deadline=None)
@given(texts)
def test_any_unicode_text_gives_the_tokens_of_the_library(text: str) -> None:
    assert OURS.encode_one(text).tolist() == LIBRARY.encode(text, add_special_tokens=False).ids


@settings(max_examples=300, deadline=None)
@given(raw_texts)
def test_any_bytes_come_back(raw: bytes) -> None:
    assert OURS.decode(OURS.encode_one(raw)) == raw


@settings(max_examples=300, deadline=None)
@given(texts, texts, st.sampled_from([b"\xff", b"\x80", b"\xed\xa0\x80", b"\xf0\x9f\x98"]))
def test_bytes_that_are_no_text_are_tokens_of_their_own(before: str, after: str, wrong: bytes) -> None:
    expected = [OURS.encode_one(before), [OURS.tables.byte_ids[byte] for byte in wrong], OURS.encode_one(after)]
    assert OURS.encode_one(before.encode() + wrong + after.encode()).tolist() == np.concatenate(expected).tolist()


def test_real_files_give_the_tokens_of_the_library() -> None:
    for path in sorted(SOURCE.rglob("*.py"))[:60]:
        text = path.read_text(encoding="utf-8")
        assert OURS.encode_one(text).tolist() == LIBRARY.encode(text, add_special_tokens=False).ids


def test_every_code_point_between_others_gives_the_tokens_of_the_library() -> None:
    points = [one for one in range(0x110000) if not 0xD800 <= one < 0xE000]
    random.Random(1).shuffle(points)
    # All of the first plane and a sample of the others, each beside neighbours of every kind.
    chosen = [one for one in points if one < 0x3000 or one % 23 == 0]
    joints = ["a", " ", ";", "1", "\n", "\t ", "'"]
    for first in range(0, len(chosen), 500):
        text = "".join(chr(one) + joints[at % len(joints)] for at, one in enumerate(chosen[first : first + 500]))
        assert OURS.encode_one(text).tolist() == LIBRARY.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("length", [48, 49, 300, 5000])
def test_long_words_give_the_tokens_of_the_library(length: int) -> None:
    drawn = random.Random(length)
    for letters in ("ab", "return", "x", "\u00e9\u4f60z"):
        text = "".join(drawn.choice(letters) for _ in range(length))
        assert OURS.encode_one(text).tolist() == LIBRARY.encode(text, add_special_tokens=False).ids


def test_a_word_of_a_million_letters_takes_no_longer_than_it_should() -> None:
    text = ("return" * 200_000).encode()
    assert OURS.decode(OURS.encode_one(text)) == text


def test_names_of_special_tokens_in_a_text_are_text() -> None:
    tokens = OURS.encode_one("".join(SPECIAL_TOKENS))
    assert min(tokens.tolist()) >= len(SPECIAL_TOKENS)
    assert OURS.decode(tokens) == "".join(SPECIAL_TOKENS).encode()


@settings(max_examples=1500, deadline=None)
@given(raw_texts, st.data())
def test_at_a_boundary_both_sides_have_the_tokens_they_have_alone(raw: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(raw)))
    buffer = np.frombuffer(raw, np.uint8)
    if is_boundary(OURS.tables, buffer, 0, len(raw), at):
        halves = [OURS.encode_one(raw[:at]), OURS.encode_one(raw[at:])]
        assert OURS.encode_one(raw).tolist() == np.concatenate(halves).tolist()


@settings(max_examples=1000, deadline=None)
@given(raw_texts, st.data())
def test_a_boundary_is_one_whatever_stands_out_of_reach(raw: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(raw)))
    near = raw[max(at - REACH, 0) : at + REACH]
    # Other text further off; where the text itself ends within reach it ends there in both.
    before = data.draw(texts.map(str.encode)) if at >= REACH else b""
    after = data.draw(texts.map(str.encode)) if len(raw) - at >= REACH else b""
    other, moved = before + near + after, len(before) + min(at, REACH)
    if is_boundary(OURS.tables, np.frombuffer(raw, np.uint8), 0, len(raw), at):
        halves = [OURS.encode_one(other[:moved]), OURS.encode_one(other[moved:])]
        assert OURS.encode_one(other).tolist() == np.concatenate(halves).tolist()


def words(raw: bytes) -> list[bytes]:
    buffer, at, found = np.frombuffer(raw, np.uint8), 0, []
    while at < len(raw):
        end = word_end(buffer, at, len(raw), OURS.tables.classes)
        found.append(raw[at:end])
        at = end
    return found


def test_at_a_boundary_of_any_short_text_both_sides_have_the_words_they_have_alone() -> None:
    parts = [b"a", b"re", b"'", b" ", b"\n", b"1", b";", b"\xff", "\u00a0".encode()]
    known = {b"".join(one): words(b"".join(one)) for size in range(5) for one in product(parts, repeat=size)}
    num_found = 0
    for raw, whole in known.items():
        buffer = np.frombuffer(raw, np.uint8)
        for at in range(1, len(raw)):
            if raw[:at] in known and raw[at:] in known and is_boundary(OURS.tables, buffer, 0, len(raw), at):
                assert known[raw[:at]] + known[raw[at:]] == whole, (raw, at)
                num_found += 1
    assert num_found > 10_000


def test_boundaries_are_found_in_ordinary_code() -> None:
    raw = np.frombuffer((SOURCE / "storage.py").read_bytes(), np.uint8)
    found = [at for at in range(len(raw) + 1) if is_boundary(OURS.tables, raw, 0, len(raw), at)]
    assert max(np.diff(found)) <= 200
    assert len(found) > len(raw) / 6


def test_the_kernel_writes_where_it_is_told() -> None:
    raw = np.frombuffer(b"def f(): return 1", np.uint8)
    out = np.zeros(40, np.int64)
    end = encode_into(OURS.tables, raw, 4, 8, out, 10)
    assert out[10:end].tolist() == OURS.encode_one(b"f():").tolist()
    assert not out[:10].any()
    assert not out[end:].any()


def test_many_texts_on_many_threads_give_the_same_tokens() -> None:
    raw = [path.read_bytes() for path in sorted(SOURCE.glob("*.py"))]
    data, bounds = np.frombuffer(b"".join(raw), np.uint8), np.cumsum([0, *map(len, raw)])
    tokens, found = OURS.encode(data, bounds)
    with ThreadPoolExecutor(4) as pool:
        alone = list(pool.map(OURS.encode_one, raw))
    assert [tokens[a:b].tolist() for a, b in zip(found[:-1], found[1:], strict=True)] == [one.tolist() for one in alone]
    assert tokens.dtype == np.uint16


def test_texts_may_begin_anywhere_in_the_buffer() -> None:
    tokens, found = OURS.encode(np.frombuffer(b"...abc def", np.uint8), np.array([3, 6, 6, 10]))
    assert found.tolist()[1] == found.tolist()[2]
    assert OURS.decode(tokens) == b"abc def"
