"""Visible text beside BeautifulSoup, which StarCoder's filter used."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from stack_data.filters.html import visible_chars

PIECES = (
    "text", " ", "\n", "\u00e9\U0001f600", "&amp;", "&#233;", "&nbsp;", "a & b", "1 < 2", "<p>", "</p>", "<br/>", "<P class=a>",
    '<a href="x>y" title=\'<b>\'>', "</a>", "<!-- a > b -- c -->", "<!DOCTYPE html>", "<?php echo 1 ?>",
    "<script>if (a < b) { '</p>' }</script>", '<SCRIPT src="x.js"></SCRIPT>', "<style>p > a { }</style>",
    "<template><p>hidden</p></template>", "<pre>  \n  </pre>", "<pre> a <b> </b> </pre>", "  \n  ", "<scripted>", "</scripted>", "<ruby>a<rt>b</rt></ruby>",
    "<img alt='>'>", "<input value=a>", "</", "<", "<3",
)  # fmt: skip


def plain(text: str) -> int:
    soup = BeautifulSoup(text, features="html.parser")
    for element in soup(["script", "style"]):
        element.extract()
    return len(soup.get_text())


def ours(*texts: str) -> list[int]:
    return [int(count) for count in visible_chars(pa.array(texts, pa.large_string()))]


@pytest.mark.parametrize("seed", range(200))
def test_documents_of_ordinary_pieces(seed: int) -> None:
    chosen = random.Random(seed)
    # A document that ends inside of a tag is no ordinary one; the last three pieces may do that.
    text = "".join(chosen.choices(PIECES[:-3], k=30))
    assert ours(text) == [plain(text)], text


def test_smallest_examples() -> None:
    assert ours("", "a", "<p>a</p>", "<script>a</script>", "a&lt;b", "<p> \n </p>", "<pre> \n </pre>", "1 < 2") == [
        0, 1, 1, 0, 3, 1, 3, 5,
    ]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join) | st.text(max_size=50))
def test_anything_is_measured_and_never_more_than_is_there(text: str) -> None:
    (count,) = ours(text.encode("utf-8", "replace").decode())
    assert 0 <= count <= len(text)


def test_a_column_that_begins_inside_its_buffer() -> None:
    column = pa.array(["<p>x</p>", "abc", "<b>de</b>"], pa.large_string())
    assert visible_chars(column[1:]).tolist() == [3, 2]
