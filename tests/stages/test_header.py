"""The header stage on commit documents: what the file says before and after, and nothing else."""

from __future__ import annotations

import pyarrow as pa
import pytest

from stack_data.commits import document
from stack_data.licenses.evidence import Evidence
from stack_data.stages import header

MIT, GPL = "# SPDX-License-Identifier: MIT\n", "# SPDX-License-Identifier: GPL-3.0-only\n"


def said(text: str) -> tuple[str | None, tuple[Evidence, ...]]:
    row = header.decide(pa.chunked_array([["0" * 40]]), pa.array([text], pa.large_string())).to_pylist()[0]
    return row["expression"], header.from_json(row["evidence"]) if row["evidence"] else ()


def made(before: str, message: str, after: str) -> str:
    return document(before, message, after).decode()


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("x = 1\n", "x = 2\n", None),
        (MIT, MIT + "x = 1\n", "MIT"),
        (GPL, "x = 1\n", "GPL-3.0-only"),
        ("x = 1\n", GPL, "GPL-3.0-only"),
        (MIT, GPL, "GPL-3.0-only AND MIT"),
        ("# Copyright 2020 A\n# This file is licensed under the MIT License.\n", "x\n", "MIT"),
    ],
)
def test_both_sides_of_a_commit_count(before: str, after: str, expected: str | None) -> None:
    expression, _ = said(made(before, "Change it", after))
    assert expression == expected


def test_the_message_says_nothing_about_the_file() -> None:
    assert said(made("x = 1\n", f"Say it\n\n{GPL}\nLicensed under the GPL-3.0", "x = 2\n")) == (None, ())


def test_what_both_sides_say_is_told_once_and_where_it_stands() -> None:
    text = made(f"import a\n{MIT}", "Change it", f"import b\n{MIT}")
    _, evidence = said(text)
    (one,) = evidence
    assert text[one.start : one.end].strip() == "MIT"


def test_other_texts_are_read_as_ever() -> None:
    assert said(MIT + "x = 1\n")[0] == "MIT"
    assert said("==== commit-1 before ====\n" + MIT)[0] == "MIT"
