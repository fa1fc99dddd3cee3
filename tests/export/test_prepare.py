"""What each row of a release becomes."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from stack_data import commits, notebook_blocks, notebooks
from stack_data.export.options import Options
from stack_data.export.prepare import READ, prepare
from stack_data.identity import content_id
from stack_data.notebook_blocks import Block

BLOCKS = notebook_blocks.text_of("python", [Block("text", "What?"), Block("code", "1 + 1"), Block("output", "2")])
COMMIT = commits.document("a\nb\n", "Change b", "a\nc\n").decode()


def prepared(
    options: dict[str, Any], text: str, conversion: str = "", **others: Any
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    row = {
        "content_id": content_id(text.encode()), "content": text, "path": "a.py", "repo_name": "jane/tool", "host": "github.com",
        "language": "Python", "detected_licenses": ["MIT"], "conversion": conversion, "star_events_count": 3,
    } | others  # fmt: skip
    found = prepare(pa.table({name: [row[name]] for name in READ}), Options(**options).resolved())
    return found.rows.to_pylist(), dict(found.left_out)


@pytest.mark.parametrize(
    ("options", "text", "conversion", "wanted"),
    [
        ({"format": "starcoder"}, "x", "", ("x", "file", False)),
        ({"format": "starcoder"}, "x", notebooks.CONVERSION, ("x", "notebook", False)),
        ({"format": "starcoder2"}, "x", notebooks.CONVERSION, ("<jupyter_script>x", "notebook", True)),
        ({"format": "plain"}, "x", notebooks.CONVERSION, ("x", "notebook", False)),
        (
            {"format": "starcoder"}, BLOCKS, notebook_blocks.CONVERSION,
            ("<jupyter_start><jupyter_text>What?<jupyter_code>1 + 1<jupyter_output>2", "notebook", True),
        ),
        (
            {"format": "starcoder2", "notebooks": "script"}, BLOCKS, notebook_blocks.CONVERSION,
            ("<jupyter_script># What?\n\n1 + 1\n", "notebook", True),
        ),
        (
            {"format": "starcoder", "notebooks": "script"}, BLOCKS, notebook_blocks.CONVERSION,
            ("# What?\n\n1 + 1\n", "notebook", False),
        ),
        ({"format": "plain"}, BLOCKS, notebook_blocks.CONVERSION, ("# What?\n\n1 + 1\n", "notebook", False)),
        (
            {"format": "starcoder", "seed": 3}, COMMIT, commits.CONVERSION,
            ("<commit_before>a\nb\n<commit_msg>Change b<commit_after>a\nc\n", "commit", True),
        ),
        ({"format": "plain"}, COMMIT, commits.CONVERSION, (COMMIT, "commit", True)),
    ],
)  # fmt: skip
def test_a_row_becomes_what_its_format_has_for_it(
    options: dict[str, Any], text: str, conversion: str, wanted: tuple[str, str, bool]
) -> None:
    [row], left_out = prepared(options, text, conversion)
    assert (row["text"], row["kind"], row["whole"]) == wanted and left_out == {}


@pytest.mark.parametrize(
    ("options", "text", "conversion", "others", "reason"),
    [
        ({"format": "starcoder"}, "usage: <filename>", "", {}, "special_token"),
        ({"format": "starcoder"}, "x", "", {"path": "<filename>.py"}, "special_token"),
        ({"format": "starcoder2"}, "x", "", {"repo_name": "<|endoftext|>/x"}, "special_token"),
        ({"format": "starcoder"}, "x", "", {"path": "a\nb.py"}, "line_break_in_path"),
        ({"format": "starcoder2"}, COMMIT, commits.CONVERSION, {}, "no_form"),
        ({"format": "starcoder"}, "no commit", commits.CONVERSION, {}, "unreadable"),
        ({"format": "starcoder2"}, "no notebook", notebook_blocks.CONVERSION, {}, "unreadable"),
        ({"format": "starcoder"}, commits.document("<commit_msg>", "", "x").decode(), commits.CONVERSION, {}, "special_token"),
        (
            {"format": "starcoder2"}, notebook_blocks.text_of("python", [Block("code", "'<empty_output>'")]),
            notebook_blocks.CONVERSION, {}, "special_token",
        ),
        ({"format": "starcoder2"}, "'<file_sep>'", notebooks.CONVERSION, {}, "special_token"),
    ],
)  # fmt: skip
def test_what_would_fool_a_tokenizer_or_has_no_form_is_left_out_and_counted(
    options: dict[str, Any], text: str, conversion: str, others: dict[str, str], reason: str
) -> None:
    assert prepared(options, text, conversion, **others) == ([], {reason: 1})


def test_a_token_of_another_format_is_a_text_like_any_other() -> None:
    [row], _ = prepared({"format": "starcoder2"}, "usage: <filename>")
    assert row["text"] == "usage: <filename>"
    [row], _ = prepared({"format": "plain"}, "<|endoftext|>", path="a\nb")
    assert row["text"] == "<|endoftext|>"


def test_files_of_a_repository_share_their_key_and_a_notebook_has_its_own() -> None:
    options = {"format": "starcoder2"}
    keys = [prepared(options, text)[0][0]["key"] for text in ("x", "y")]
    assert keys[0] == keys[1] != prepared(options, "x", host="gitlab.com")[0][0]["key"]
    assert prepared(options, "x", notebooks.CONVERSION)[0][0]["key"] != keys[0]
