"""Copyright lines."""

from __future__ import annotations

import pytest

from stack_data.licenses.copyrights import HEADER_LINES, copyright_lines, copyright_statements

LINES = [
    ("# Copyright 2020 Jane Doe\n", ["Copyright 2020 Jane Doe"]),
    (
        " * Copyright (c) 2019-2020, Jane Doe <jane@example.org>\n */",
        ["Copyright (c) 2019-2020, Jane Doe <jane@example.org>"],
    ),
    ("/* (c) 2020 Jane */", ["(c) 2020 Jane"]),
    ("// © Jane Doe\n", ["© Jane Doe"]),
    ("# SPDX-FileCopyrightText: 2020 Jane\n", ["SPDX-FileCopyrightText: 2020 Jane"]),
    ("# Portions Copyright 2018 John Roe\r\n", ["Portions Copyright 2018 John Roe"]),
    ("Copyright holders shall be asked\n", []),
    ("the above copyright notice\n", []),
    ("x = func(c)\n", []),
    ("", []),
]


@pytest.mark.parametrize(("text", "lines"), LINES)
def test_statements_are_found_and_cleaned(text: str, lines: list[str]) -> None:
    assert copyright_lines(text) == lines


def test_each_line_once_and_only_at_the_head() -> None:
    assert copyright_lines(
        "# Copyright 2020 A\n# Copyright 2020 A\n" + "\n" * HEADER_LINES + "# Copyright 2021 B\n"
    ) == ["Copyright 2020 A"]
    assert copyright_statements("\n" * 200 + "Copyright 2021 B\n") == ["Copyright 2021 B"]
