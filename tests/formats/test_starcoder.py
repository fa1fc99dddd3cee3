"""StarCoder's format, string by string."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from stack_data.commits import Commit
from stack_data.formats import starcoder
from stack_data.formats.starcoder import render, stars_buckets
from stack_data.notebook_blocks import Block
from tests.formats.examples import files, key_with

KEYS = {
    shown: key_with(*shown, probability=0.2)
    for shown in ((True,) * 3, (False,) * 3, (True, False, False), (False, True, True))
}


@pytest.mark.parametrize(
    ("shown", "document"),
    [
        ((True, True, True), "<reponame>jane/tool<filename>a.py<gh_stars>10-100\nx = 1\n<|endoftext|>"),
        ((True, False, False), "<reponame>jane/tool\nx = 1\n<|endoftext|>"),
        ((False, True, True), "<filename>a.py<gh_stars>10-100\nx = 1\n<|endoftext|>"),
        ((False, False, False), "x = 1\n<|endoftext|>"),
    ],
)
def test_a_file_is_its_text_behind_those_facts_that_are_drawn(shown: tuple[bool, ...], document: str) -> None:
    made = render(files(["x = 1\n"], [KEYS[shown]], paths=["a.py"], stars=[11]))
    assert made.texts.to_pylist() == [document]
    assert document.encode()[made.at[0] :].startswith(b"x = 1\n")


def test_stars_that_nobody_knows_are_never_written() -> None:
    made = render(files(["x"], [KEYS[True, True, True]], paths=["a.py"], stars=[None]))
    assert made.texts.to_pylist() == ["<reponame>jane/tool<filename>a.py\nx<|endoftext|>"]


def test_a_document_that_is_whole_has_nothing_before_it() -> None:
    made = render(files(["<jupyter_start>"], [KEYS[True, True, True]], stars=[5], whole=[True]))
    assert made.texts.to_pylist() == ["<jupyter_start><|endoftext|>"] and made.at.tolist() == [0]


def test_stars_have_five_buckets() -> None:
    stars = pa.array([0, 1, 10, 11, 100, 101, 1000, 1001, None], pa.int64())
    wanted = ["0", "1-10", "1-10", "10-100", "10-100", "100-1000", "100-1000", "1000+", ""]
    assert stars_buckets(stars).to_pylist() == wanted


def test_each_fact_is_there_for_a_fifth_of_the_files() -> None:
    keys = np.random.default_rng(1).integers(0, 2**63, 20_000).tolist()
    texts = render(files(["x"] * len(keys), keys, stars=[1] * len(keys))).texts.to_pylist()
    for token in ("<reponame>", "<filename>", "<gh_stars>"):
        assert abs(sum(token in text for text in texts) / len(texts) - 0.2) < 0.01


def test_a_notebook_is_its_blocks_and_code_without_output_says_so() -> None:
    blocks = [Block("text", "# Title"), Block("code", "1 + 1"), Block("output", "2"), Block("code", "x = 3")]
    assert starcoder.notebook(blocks) == (
        "<jupyter_start><jupyter_text># Title<jupyter_code>1 + 1<jupyter_output>2<jupyter_code>x = 3<jupyter_output><empty_output>"
    )
    assert starcoder.notebook([]) is None
    assert starcoder.script("x = 1\n") is None


def test_a_commit_is_before_message_and_after() -> None:
    changed = Commit("a\nb\n", "Change b", "a\nc\n")
    assert starcoder.commit(changed, key_with(True, probability=0.2)) == (
        "<commit_before>a\nb\n<commit_msg>Change b<commit_after>a\nc\n"
    )
