"""Structured notebooks: exactly invertible, readable, what of outputs stays, and the scripts and triplets made of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stack_data.errors import InputError
from stack_data.notebook_blocks import (
    CUT,
    MAX_OUTPUT_CHARS,
    Block,
    Triplet,
    blocks_of,
    language_of,
    merged,
    script_of,
    text_of,
    to_blocks_text,
    triplets,
)
from stack_data.notebooks import to_script

PIECES = st.lists(
    st.sampled_from(
        ["# %%", "# %% [markdown]", "# %% [output]", "# %% [notebook] r", "# \\%%", "#%%", "%%", "#", "# ", "\\", "\n", "\r\n", "\r", "\t",
         "\U0001f600", "é", "x = 1", " "]
    )
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    max_size=12,
).map("".join)  # fmt: skip
BLOCKS = st.lists(st.builds(Block, st.sampled_from(["text", "code", "output"]), PIECES), max_size=6)


def cell(kind: str, source: Any, *outputs: Any) -> dict[str, Any]:
    return {"cell_type": kind, "source": source, "metadata": {}} | (
        {"outputs": list(outputs)} if kind == "code" else {}
    )


def notebook(*cells: dict[str, Any], language: str = "python") -> str:
    return json.dumps({"cells": cells, "metadata": {"language_info": {"name": language}}, "nbformat": 4})


def blocks(*cells: dict[str, Any]) -> list[Block]:
    text = to_blocks_text(notebook(*cells))
    assert text is not None
    return blocks_of(text)


def shown(*outputs: Any) -> str | None:
    """Return the output block of a cell with these outputs, None without one."""
    found = blocks(cell("code", "f()", *outputs))
    return found[1].text if len(found) > 1 else None


def stream(text: Any) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": text}


def result(**data: Any) -> dict[str, Any]:
    return {"output_type": "execute_result", "data": {name.replace("_", "/"): value for name, value in data.items()}}


def test_the_form_is_that_of_percent_scripts() -> None:
    text = to_blocks_text(
        notebook(cell("markdown", ["# Title\n", "\n", "Prose."]), cell("code", "x = 1\nx", result(text_plain="1")))
    )
    assert text == (
        "# %% [notebook] python\n\n# %% [markdown]\n# # Title\n#\n# Prose.\n\n# %%\nx = 1\nx\n\n# %% [output]\n# 1\n"
    )


@given(BLOCKS)
@example([Block("code", "")])
@example(
    [Block("code", "# %%\n\n# %% [output]\n# \\%%"), Block("text", "%% [markdown]\n\n\\%%\n"), Block("output", "\r\n")]
)
def test_every_block_comes_back_exactly(given_blocks: list[Block]) -> None:
    text = text_of("julia", given_blocks)
    assert blocks_of(text) == given_blocks
    assert language_of(text) == "julia"


@given(st.lists(st.tuples(st.sampled_from(["markdown", "code"]), PIECES), min_size=1, max_size=5))
def test_a_notebook_comes_back_as_its_merged_cells(cells: list[tuple[str, str]]) -> None:
    text = to_blocks_text(notebook(*(cell(kind, source) for kind, source in cells)))
    expected = merged(
        Block(
            "text" if kind == "markdown" else "code", "\n".join(source.strip("\r\n").replace("\r\n", "\n").split("\r"))
        )
        for kind, source in cells
        if source.strip()
    )
    assert (blocks_of(text) if text else []) == expected


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_a_language_of_any_spelling_is_one_line(language: str) -> None:
    text = text_of(language, [Block("code", "x")])
    assert blocks_of(text) == [Block("code", "x")]
    assert language_of(text) == " ".join(language.split())


@pytest.mark.parametrize("text", ["", "x = 1\n", "# %%\nx\n", "# %% [notebook] python\nx\n", "# %% [notebook]\n"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="no structured notebook"):
        blocks_of(text)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"nbformat": 4, "cells": []}', '{"nbformat": "4", "cells": [{}]}', '{"nbformat": 4, "cells": [3]}',
                                  '{"nbformat": 4, "cells": [{"cell_type": "raw", "source": "x"}]}'])  # fmt: skip
def test_what_holds_nothing_is_no_notebook(text: str) -> None:
    assert to_blocks_text(text) is None


def test_consecutive_blocks_of_a_kind_are_one() -> None:
    cells = cell("markdown", "a"), cell("markdown", " "), cell("markdown", "b"), cell("code", "c"), cell("code", "d")
    assert blocks(*cells) == [Block("text", "a\n\nb"), Block("code", "c\n\nd")]


def test_an_output_stands_behind_its_code() -> None:
    assert blocks(cell("code", "c", stream("1\n")), cell("code", "d")) == [
        Block("code", "c"),
        Block("output", "1"),
        Block("code", "d"),
    ]


def test_a_cell_in_another_language_stays_by_itself() -> None:
    cells = cell("code", "a"), cell("code", "%%bash\nls"), cell("code", "b"), cell("code", "%%time\nc")
    assert blocks(*cells) == [Block("code", "a"), Block("code", "%%bash\nls"), Block("code", "b\n\n%%time\nc")]


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ([stream(["a\n", "b\n"])], "a\nb"),
        ([stream("a"), stream("b")], "ab"),
        ([stream("a"), result(text_plain="b")], "a\nb"),
        ([result(text_plain=["a\n", "b"], text_html="<b>")], "a\nb"),
        ([result(text_plain="<Figure>", image_png="iVBO")], None),
        ([result(text_html="<b>")], None),
        ([stream("\x1b[1;31mred\x1b[0m \x1b]8;;http://x\x07link")], "red link"),
        ([stream(" 10%\r 50%\r100%\n")], "100%"),
        ([stream("a\r\nb\r\n")], "a\nb"),
        ([stream("50%\r")], "50%"),
        ([stream("a\x08\x00b")], "ab"),
        ([{"output_type": "error", "ename": "E", "evalue": "no", "traceback": ["/home/jane/x.py"]}], "E: no"),
        ([{"output_type": "error", "ename": "KeyboardInterrupt", "evalue": ""}], "KeyboardInterrupt"),
        ([{"output_type": "pyout", "text": ["1"]}], "1"),
        ([{"output_type": "display_data", "text": ["<Figure>"], "png": "iVBO"}], None),
        ([3, {"output_type": "execute_result", "data": 3}, stream([1]), stream("a")], "a"),
        ([stream("\n\n")], None),
        ([], None),
    ],
)  # fmt: skip
def test_of_outputs_what_a_person_reads_stays(outputs: list[Any], expected: str | None) -> None:
    assert shown(*outputs) == expected


def test_a_long_output_is_cut() -> None:
    assert shown(stream("x" * MAX_OUTPUT_CHARS)) == "x" * MAX_OUTPUT_CHARS
    assert shown(stream("x" * MAX_OUTPUT_CHARS + "y")) == "x" * MAX_OUTPUT_CHARS + CUT


def test_outputs_that_are_no_list_are_none() -> None:
    assert blocks(cell("code", "f()") | {"outputs": {"a": 1}}) == [Block("code", "f()")]


@given(st.lists(st.tuples(st.sampled_from(["code", "raw"]), PIECES), min_size=1, max_size=4), st.booleans())
def test_the_script_is_that_of_the_notebook(cells: list[tuple[str, str]], with_title: bool) -> None:
    # Quotes that stay open in one cell and commands that go on behind its end are not told apart once cells are merged.
    made = [cell(kind, source.replace("\\", "")) for kind, source in cells]
    whole = notebook(*([cell("markdown", "A\n\nb")] if with_title else []), *made, language="python")
    text = to_blocks_text(whole)
    assert (script_of(text) if text else None) == to_script(whole)


def test_the_script_of_another_language_has_its_comments() -> None:
    whole = notebook(cell("markdown", "Say"), cell("code", "let x = 1", stream("1")), language="rust")
    text = to_blocks_text(whole)
    assert text is not None
    assert script_of(text) == to_script(whole) == "// Say\n\nlet x = 1\n"


def test_triplets_go_from_the_first_text_to_the_last_code() -> None:
    found = triplets(
        [Block("code", "dropped"), Block("output", "0"), Block("text", "t"), Block("code", "a"), Block("output", "1"),
         Block("code", "b"), Block("text", "u"), Block("code", "c"), Block("output", "2"), Block("text", "dropped")]
    )  # fmt: skip
    assert found == [Triplet("t", "a\nb", ""), Triplet("u", "c", "2")]
