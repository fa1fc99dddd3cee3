"""Texts that would fool a tokenizer."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import BPE

from stack_data.export.options import FORMATS
from stack_data.formats import starcoder, starcoder2
from stack_data.formats.documents import unsafe
from tests.formats.examples import files, key_with

PIECES = (
    "<",
    ">",
    "|",
    "<|",
    "|>",
    "endoftext",
    "file_sep",
    "<file_sep",
    "filename>",
    "<filename>",
    "<|endoftext|>",
    "\n",
    "a",
    "<<",
)
TEXTS = st.lists(st.sampled_from(PIECES), max_size=6).map("".join)


@pytest.mark.parametrize("tokens", [starcoder.TOKENS, starcoder2.TOKENS])
def test_each_special_token_in_a_text_is_found_and_nothing_else(tokens: tuple[str, ...]) -> None:
    texts = [f"usage: {token}" for token in tokens] + [
        "<",
        "a<b>c",
        "<endoftext>",
        "< filename>",
        "<|endoftext |>",
        None,
    ]
    assert unsafe(pa.array(texts, pa.large_string()), tokens).tolist() == [True] * len(tokens) + [False] * 6


def test_without_tokens_nothing_is_unsafe() -> None:
    assert unsafe(pa.array(["<|endoftext|>"]), ()).tolist() == [False]


def tokenizer(tokens: tuple[str, ...]) -> Tokenizer:
    """Return a tokenizer that knows characters and these special tokens."""
    characters = sorted(set("".join(PIECES) + "".join(tokens) + "jane/tool0123456789"))
    made = Tokenizer(BPE({character: number for number, character in enumerate(characters)}, []))
    made.add_special_tokens([AddedToken(token, special=True) for token in tokens])
    return made


TOKENIZERS = {name: tokenizer(FORMATS[name].TOKENS) for name in ("starcoder", "starcoder2")}
PROBABILITY = {"starcoder": 0.2, "starcoder2": 0.5}


@given(st.sampled_from(sorted(TOKENIZERS)), TEXTS, TEXTS.map(lambda text: text.replace("\n", "")), st.booleans())
def test_a_tokenizer_sees_the_tokens_of_the_format_and_none_of_a_text(
    name: str, text: str, path: str, named: bool
) -> None:
    form = FORMATS[name]
    if unsafe(pa.array([text, path]), form.TOKENS).any():
        return
    key = key_with(*[named] * (3 if name == "starcoder" else 1), probability=PROBABILITY[name])
    document = form.render(files([text], [key], paths=[path], stars=[1])).texts[0].as_py()
    seen = [token for token in TOKENIZERS[name].encode(document).tokens if token in form.TOKENS]
    wanted = {
        ("starcoder", True): ["<reponame>", "<filename>", "<gh_stars>"], ("starcoder", False): [],
        ("starcoder2", True): ["<repo_name>", "<file_sep>"], ("starcoder2", False): ["<file_sep>"],
    }[name, named]  # fmt: skip
    assert seen == [*wanted, "<|endoftext|>"]
    assert not re.search("|".join(map(re.escape, form.TOKENS)), text + path)
