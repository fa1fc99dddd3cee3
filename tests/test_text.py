"""From bytes to text: the conversions, how they are chosen and stored, and which texts have the bytes of their contents."""

from __future__ import annotations

import pyarrow as pa
import pytest

from stack_data import notebook_blocks, notebooks
from stack_data.commits import CONVERSION as COMMIT
from stack_data.commits import document
from stack_data.reasons import Reason
from stack_data.text import SAME_BYTES, Reading, decode, is_plain, reading_of, text_of, texts_of
from tests.corpus import NOTEBOOK

DOCUMENT = document("a = 1\n", "Make it two", "a = 2\n")
SCRIPT = "# What is it?\n\nanswer = 42\n"
BLOCKS = "# %% [notebook] python\n\n# %% [markdown]\n# What is it?\n\n# %%\nanswer = 42\n"


def test_a_notebook_is_read_in_the_form_that_is_asked_for() -> None:
    assert reading_of(NOTEBOOK) == reading_of(NOTEBOOK, "script") == Reading("utf-8", notebooks.CONVERSION, len(SCRIPT))
    assert reading_of(NOTEBOOK, "structured") == Reading("utf-8", notebook_blocks.CONVERSION, len(BLOCKS))


@pytest.mark.parametrize(
    ("conversion", "text"),
    [(notebooks.CONVERSION, SCRIPT), (notebook_blocks.CONVERSION, BLOCKS), ("", NOTEBOOK.decode())],
)
def test_a_stored_form_stays_what_it_was(conversion: str, text: str) -> None:
    assert decode(NOTEBOOK, "utf-8", conversion) == text


def test_a_damaged_notebook_is_read_as_it_is_in_either_form() -> None:
    for content in (NOTEBOOK[:-3], b'{"nbformat": 4, "cells": []}'):
        for form in ("script", "structured"):
            assert reading_of(content, form) == Reading("utf-8", "", len(content))  # type: ignore[arg-type]


def test_a_commit_document_is_known_by_its_shape_and_is_its_own_text() -> None:
    assert reading_of(DOCUMENT) == Reading("utf-8", COMMIT, len(DOCUMENT))
    assert text_of(DOCUMENT) == decode(DOCUMENT, "utf-8", COMMIT) == DOCUMENT.decode()
    assert reading_of(DOCUMENT + b"\0") is Reason.BINARY


@pytest.mark.parametrize(
    "content", [DOCUMENT[:-2], b"\n" + DOCUMENT, b"\xef\xbb\xbf" + DOCUMENT, DOCUMENT.decode().encode("utf-16")]
)
def test_what_is_nearly_a_document_is_a_text(content: bytes) -> None:
    reading = reading_of(content)
    assert isinstance(reading, Reading)
    assert reading.conversion == ""


def test_texts_of_mixed_rows_are_those_of_each() -> None:
    rows = [
        (b"x\n", "utf-8", ""), (DOCUMENT, "utf-8", COMMIT), (NOTEBOOK, "utf-8", notebook_blocks.CONVERSION),
        (NOTEBOOK, "utf-8", notebooks.CONVERSION), ("é".encode("latin-1"), "latin-1", ""), (None, "utf-8", COMMIT),
    ]  # fmt: skip
    contents, encodings, conversions = zip(*rows, strict=True)
    table = pa.table(
        {"content": pa.array(contents, pa.large_binary()), "encoding": pa.array(encodings).dictionary_encode(),
         "conversion": pa.array(conversions).dictionary_encode()}
    )  # fmt: skip
    assert texts_of(table).to_pylist() == ["x\n", DOCUMENT.decode(), BLOCKS, SCRIPT, "é", None]
    assert is_plain(table["encoding"], table["conversion"]).tolist() == [True, True, False, False, False, True]
    assert COMMIT in SAME_BYTES
