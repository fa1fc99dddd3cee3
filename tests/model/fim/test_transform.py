"""Cutting at characters: equal to encoding three strings, in StarCoder's orders, and undone exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from model.fim.cut_kernels import fim_into
from model.fim.draws import key_of
from model.fim.inverse import unfim
from model.fim.transform import fim, prompt
from model.tokenizer.code_tokenizer import CodeTokenizer
from stack_data.errors import InputError
from tests.model.fim.tokenizers_used import encoded, tokenizer

PIECES = st.sampled_from(
    [
        b"def f(x):\r\n", b"\treturn x\n", b"    ", b" ", b"\n", b"\n\n", b"don't", b"'s", b"'re", b"x_1234", b"....", b"/* caf\xc3\xa9 */",
        b"\xe4\xbd\xa0\xe5\xa5\xbd", b"\xf0\x9f\x98\x80\xf0\x9f\x98\x80", b"\xc2\xa0\xe2\x80\x83", b"\xff\xfe", b"\x80", b"\xf0\x9f", b"\0",
        b"<fim_middle>", b"<|endoftext|>", b"aaaaaaaaaaaaaaaaaaaa", b"(((((", b"\xc2\xbd\xd9\xa3", b"\xed\xa0\x80", b"self.assertEqual",
    ]
)  # fmt: skip
TEXTS = st.one_of(
    st.lists(PIECES, max_size=14).map(b"".join), st.binary(max_size=40), st.text(max_size=30).map(lambda text: text.encode("utf-8", "surrogatepass")),
)  # fmt: skip
TOKENIZERS = st.sampled_from([275, 400, 1500]).map(tokenizer)
KEYS = st.integers(0, 2**64 - 1).map(np.uint64)


def expected(text: bytes, cuts: tuple[int, int], used: CodeTokenizer, is_spm: bool) -> list[int]:
    """Encode three strings, the plain way."""
    special = used.special
    prefix, middle, suffix = (
        encoded(piece, used).tolist() for piece in (text[: cuts[0]], text[cuts[0] : cuts[1]], text[cuts[1] :])
    )
    if is_spm:
        joined = [special.fim_prefix, special.fim_suffix, *suffix, special.fim_middle, *prefix, *middle]
    else:
        joined = [special.fim_prefix, *prefix, special.fim_suffix, *suffix, special.fim_middle, *middle]
    return [*joined, special.end_of_text]


@given(TEXTS, TOKENIZERS, KEYS, st.booleans(), st.data())
@example(b"", tokenizer(275), np.uint64(0), False, None)
def test_cutting_equals_encoding_three_strings(
    text: bytes, used: CodeTokenizer, key: np.uint64, is_spm: bool, data: st.DataObject | None
) -> None:
    places = st.integers(0, len(text))
    first, second = sorted((data.draw(places), data.draw(places))) if data else (0, 0)
    found = fim(encoded(text, used), key, used, float(is_spm), (first, second))
    assert found.tolist() == expected(text, (first, second), used, is_spm)


def test_every_pair_of_cuts_of_a_hard_text_equals_encoding_three_strings() -> None:
    text = "x = don't  \n\n\tif a1234:\r\n    😀é 's\u2003\u2003end".encode() + b"\xff\x80 \xf0\x9f"
    for used in (tokenizer(400), tokenizer(1500)):
        tokens = encoded(text, used)
        for first in range(len(text) + 1):
            for second in range(first, len(text) + 1):
                found = fim(tokens, np.uint64(1), used, 0.0, (first, second))
                assert found.tolist() == expected(text, (first, second), used, False), (first, second)


@given(TEXTS, TOKENIZERS, KEYS)
def test_the_inverse_gives_the_bytes_back(text: bytes, used: CodeTokenizer, key: np.uint64) -> None:
    found = fim(encoded(text, used), key, used)
    assert unfim(found, used) == text
    assert found[-1] == used.special.end_of_text
    assert (found == used.special.fim_middle).sum() == 1


@given(TEXTS, TOKENIZERS, KEYS, st.integers(0, 4), st.booleans(), st.booleans())
def test_what_does_not_fit_moves_the_cuts_and_loses_nothing(
    text: bytes, used: CodeTokenizer, key: np.uint64, slack: int, is_first: bool, is_last: bool
) -> None:
    tokens, special = encoded(text, used), used.special
    names, none = (special.fim_prefix, special.fim_suffix, special.fim_middle), np.empty(0, np.int64)
    data, offsets, out = (
        np.empty(len(text) + 1, np.uint8),
        np.empty(len(tokens) + 1, np.int64),
        np.empty(len(text) + 4, np.int64),
    )
    room = len(tokens) + 3 + slack
    end = fim_into(used.tables, tokens, key, (-1, -1), 0.5, is_first, is_last, names, none, room, data, offsets, out, 0)
    assert end <= room
    assert unfim(out[:end], used) == text


def test_the_order_of_both_forms_is_the_references() -> None:
    # What Megatron's own function gives for RandomState(0) and one byte a token: see the orders in its gpt_dataset.py.
    used = tokenizer(275)
    names = {
        used.special.fim_prefix: "<PRE>",
        used.special.fim_suffix: "<SUF>",
        used.special.fim_middle: "<MID>",
        used.special.end_of_text: "<EOD>",
    }

    def shown(text: bytes, cuts: tuple[int, int], spm_rate: float) -> str:
        tokens = fim(encoded(text, used), np.uint64(0), used, spm_rate, cuts)
        return "".join(names.get(one, "") or used.decode([one]).decode() for one in tokens.tolist())

    assert (
        shown(b"abcdefgh", (0, 5), 0.0) + shown(b"ijklmnop", (3, 5), 0.0)
        == "<PRE><SUF>fgh<MID>abcde<EOD><PRE>ijk<SUF>nop<MID>lm<EOD>"
    )
    assert (
        shown(b"abcdefgh", (0, 5), 1.0) + shown(b"ijklmnop", (3, 5), 1.0)
        == "<PRE><SUF>fgh<MID>abcde<EOD><PRE><SUF>nop<MID>ijklm<EOD>"
    )
    # The third of its documents it cuts off at the window's end; nothing is cut off here.
    assert shown(b"qrstuvwxyz", (3, 8), 0.0) == "<PRE>qrs<SUF>yz<MID>tuvwx<EOD>"
    assert shown(b"qrstuvwxyz", (3, 8), 1.0) == "<PRE><SUF>yz<MID>qrstuvwx<EOD>"


def test_cuts_fall_between_characters_each_as_often() -> None:
    used, text = tokenizer(400), "aé😀b"
    places = {text[:at].encode(): at for at in range(len(text) + 1)}
    tokens, seen = encoded(text.encode(), used), np.zeros((5, 5), int)
    for epoch in range(5000):
        ids = fim(tokens, key_of(0, np.zeros(20, np.uint8), epoch=epoch), used, 0.0).tolist()
        suffix, middle = ids.index(used.special.fim_suffix), ids.index(used.special.fim_middle)
        prefix, rest = used.decode(ids[1:suffix]), used.decode(ids[suffix + 1 : middle])
        seen[places[prefix], 4 - len(rest.decode())] += 1
    # Two fair draws of 5 places, sorted: a pair of different places is twice as likely as one place twice.
    for first in range(5):
        for second in range(5):
            wanted = 0 if second < first else 200 if second == first else 400
            assert abs(seen[first, second] - wanted) <= (0 if not wanted else 90)


@pytest.mark.parametrize("order", ["psm", "spm"])
def test_a_prompt_is_what_training_shows_before_the_middle(order: str) -> None:
    used, text = tokenizer(), b"def f(x):\n    return x + 1\n"
    trained = fim(encoded(text, used), np.uint64(0), used, float(order == "spm"), (14, 23))
    asked = prompt(used, text[:14], text[23:], order)  # type: ignore[arg-type]
    assert trained.tolist() == [*asked.tolist(), *encoded(text[14:23], used).tolist(), used.special.end_of_text]


def test_cuts_out_of_order_are_refused() -> None:
    with pytest.raises(InputError, match=r"within the text's 3 bytes \(seen: \(2, 1\)\)"):
        fim(encoded(b"abc", tokenizer()), np.uint64(0), tokenizer(), cuts=(2, 1))
