"""Notebooks as scripts: what stays, what becomes a comment, what is left out, and what is no notebook."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack_data.notebooks import CONVERSION, fault_of, may_be_notebook, to_script
from stack_data.reasons import Reason
from stack_data.text import Reading, reading_of, text_of


def notebook(*cells: tuple[str, Any], language: str = "python", **others: Any) -> str:
    made = [{"cell_type": kind, "source": source, "metadata": {}, "outputs": []} for kind, source in cells]
    return json.dumps({"cells": made, "metadata": {"language_info": {"name": language}}, "nbformat": 4} | others)


def script(*cells: tuple[str, Any], language: str = "python") -> str | None:
    return to_script(notebook(*cells, language=language))


def test_code_stays_and_prose_becomes_comments() -> None:
    cells = ("markdown", ["# Title\n", "\n", "Some *prose*."]), ("code", "import os\n\nprint(os.name)\n"), ("raw", "x")
    assert script(*cells) == "# # Title\n#\n# Some *prose*.\n\nimport os\n\nprint(os.name)\n"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%matplotlib inline", "# %matplotlib inline"),
        ("  !pip install x", "#   !pip install x"),
        ("df?", "# df?"),
        ("?df", "# ?df"),
        ("%timeit f(1)", "# %timeit f(1)"),
        ("      % x)", "      % x)"),
        ("x = a if b else c", "x = a if b else c"),
        ("!ls \\\n  -l\nx = 1", "# !ls \\\n#   -l\nx = 1"),
        ('"""\n!not a command\n%nor magic\n"""\n!ls', '"""\n!not a command\n%nor magic\n"""\n# !ls'),
        ('s = \'"""\'\n!ls', 's = \'"""\'\n# !ls'),
        ('# it\'s """\n!ls', '# it\'s """\n# !ls'),
        ("%%time\nx = 1", "# %%time\nx = 1"),
        ("%%bash\nls -l\necho", "# %%bash\n# ls -l\n# echo"),
    ],
)
def test_lines_that_only_a_notebook_understands_become_comments(line: str, expected: str) -> None:
    assert script(("code", line)) == expected + "\n"


@pytest.mark.parametrize(
    ("language", "comment"),
    [("python", "# a"), ("R", "# a"), ("julia", "# a"), ("scala", "// a"), ("haskell", "-- a"), ("matlab", "% a"),
     ("ocaml", "(* a *)"), ("clojure", ";; a"), ("unheard of", "# a")],
)  # fmt: skip
def test_comments_are_those_of_the_kernel(language: str, comment: str) -> None:
    assert script(("markdown", "a"), language=language) == comment + "\n"


def test_an_exclamation_mark_is_a_command_in_python_only() -> None:
    assert script(("code", "x <- 1\n!x"), language="R") == "x <- 1\n!x\n"


def test_a_cell_without_source_is_passed_over() -> None:
    assert script(("code", None), ("code", "x = 1")) == "x = 1\n"


def test_older_formats_are_read() -> None:
    cells = [
        {"cell_type": "heading", "level": 2, "source": ["Title"]},
        {"cell_type": "code", "input": ["x = 1\n", "y = 2"], "language": "python"},
    ]
    old = {"metadata": {"name": ""}, "nbformat": 3, "worksheets": [{"cells": cells}]}
    assert to_script(json.dumps(old)) == "# ## Title\n\nx = 1\ny = 2\n"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"nbformat": 4}', '{"nbformat": "4", "cells": []}', '{"nbformat": 4, "cells": [1]}',
     '{"nbformat": 4, "cells": [{"source": "x"}]}', '{"nbformat": 4, "cells": [{"cell_type": "code", "source": [1]}]}',
     '{"nbformat": 4, "cells": [{"cell_type": "code", "source": " \\n"}]}', '{"nbformat": 4, "cells": []}',
     '{"nbformat": 4, "metadata": [], "cells": []}', "[" * 100_000, '{"nbformat": ' + "9" * 5000 + "}"],
)  # fmt: skip
def test_what_is_damaged_or_empty_is_no_script(text: str) -> None:
    assert to_script(text) is None


def test_characters_that_utf8_cannot_hold_are_replaced() -> None:
    assert script(("code", "x = '\ud800'")) == "x = '\ufffd'\n"
    assert script(("code", "x = '\U0001f600'")) == "x = '\U0001f600'\n"


def test_a_content_is_a_notebook_by_its_shape() -> None:
    content = notebook(("code", "caf\u00e9 = 1")).encode()
    assert reading_of(content) == Reading("utf-8", CONVERSION, len("caf\u00e9 = 1\n".encode()))
    assert text_of(b" \n" + content) == "caf\u00e9 = 1\n"
    assert reading_of(b'{"nbformat": 4}') == Reading("utf-8", "", 15)
    assert reading_of(b'["nbformat"]') == Reading("utf-8", "", 12)
    assert text_of(b"\0") is Reason.BINARY
    assert text_of(b"\xef\xbb\xbf" + content) == "caf\u00e9 = 1\n"
    assert not may_be_notebook(b"")


@given(st.text() | st.recursive(st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from(["cells", "nbformat", "metadata", "cell_type", "source", "worksheets", "level"]), inner)).map(json.dumps)
)  # fmt: skip
def test_no_text_makes_it_fail(text: str) -> None:
    found = to_script(text)
    assert found is None or found.endswith("\n")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            '{"cells": [],\n "nbformat": 4,\n oops}',
            "line 3, column 2: Expecting property name enclosed in double quotes",
        ),
        (notebook(("code", "secret_word = 1"))[:-3], "line 1, column "),
        ("[" * 100_000, "JSON that is nested too deeply"),
        ('{"nbformat": "four"}', "JSON, but no notebook of format 2 to 4"),
        (notebook(("code", " "), ("raw", "x")), "2 cells, 1 of code or prose, none of which holds anything"),
    ],
)
def test_a_notebook_without_a_script_says_why_and_where_in_no_word_of_its_own(text: str, fault: str) -> None:
    assert to_script(text) is None
    assert fault_of(text).startswith(fault) and "secret_word" not in fault_of(text)
