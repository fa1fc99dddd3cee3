"""StarCoder2's format, string by string."""

from __future__ import annotations

import numpy as np

from stack_data.commits import Commit
from stack_data.formats import starcoder2
from stack_data.formats.starcoder2 import render
from stack_data.notebook_blocks import Block
from tests.formats.examples import files, key_with

NAMED, BARE = key_with(True, probability=0.5), key_with(False, probability=0.5)


def test_a_repository_names_itself_and_its_paths_or_neither() -> None:
    made = render(
        files(["a = 1\n", "b = 2\n", "c\n"], [NAMED, NAMED, BARE], starts=[0, 2, 3], paths=["a.py", "lib/b.py", "c.py"])
    )
    assert made.texts.to_pylist() == [
        "<repo_name>jane/tool<file_sep>a.py\na = 1\n<file_sep>lib/b.py\nb = 2\n<|endoftext|>",
        "<file_sep>c\n<|endoftext|>",
    ]
    bounds = zip(made.texts.to_pylist(), ([0, 1], [2]), strict=True)
    assert [text.encode()[made.at[row] :][:2] for text, rows in bounds for row in rows] == [b"a ", b"b ", b"c\n"]


def test_texts_of_more_than_one_byte_a_character_are_found_where_they_say() -> None:
    made = render(files(["\u00e4\U0001f600", "b"], [NAMED, NAMED], starts=[0, 2], paths=["\u00fc.py", "b"]))
    raw = made.texts[0].as_py().encode()
    assert [raw[made.at[0] :][:6].decode(), raw[made.at[1] :][:1]] == ["\u00e4\U0001f600", b"b"]


def test_half_of_the_documents_have_names() -> None:
    keys = np.random.default_rng(1).integers(0, 2**63, 20_000).tolist()
    texts = render(files(["x"] * len(keys), keys)).texts.to_pylist()
    assert abs(sum("<repo_name>" in text for text in texts) / len(texts) - 0.5) < 0.015


def test_notebooks_are_documents_of_their_own_and_commits_have_no_tokens() -> None:
    assert starcoder2.script("x = 1\n") == "<jupyter_script>x = 1\n"
    assert starcoder2.notebook([Block("code", "x")]) == "<jupyter_start><jupyter_code>x<jupyter_output><empty_output>"
    assert starcoder2.commit(Commit("a", "b", "c"), 1) is None
    made = render(files(["<jupyter_script>x"], [NAMED], whole=[True]))
    assert made.texts.to_pylist() == ["<jupyter_script>x<|endoftext|>"]
