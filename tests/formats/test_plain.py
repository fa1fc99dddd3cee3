"""Plain documents."""

from __future__ import annotations

from stack_data.formats.plain import TOKENS, render
from tests.formats.examples import files


def test_a_file_is_its_text_byte_for_byte() -> None:
    made = render(files(["no end", "end\n", "<|endoftext|>"], [1, 2, 3]))
    assert made.texts.to_pylist() == ["no end", "end\n", "<|endoftext|>"] and TOKENS == ()


def test_files_of_a_repository_stand_one_after_the_other_each_ended() -> None:
    made = render(files(["a", "b\n", "c"], [1, 1, 1], starts=[0, 3]))
    assert made.texts.to_pylist() == ["a\nb\nc\n"] and made.at.tolist() == [0, 2, 4]
