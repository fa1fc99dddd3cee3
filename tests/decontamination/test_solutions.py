"""Solutions found by tokens: what may be changed, what may not, and that real ones are found in real files."""

from __future__ import annotations

import ast
import random
import re
import sysconfig
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from stack_data.decontamination.items import shipped_humaneval
from stack_data.decontamination.solutions import EXACT, RENAMED, Solutions, find, make_solutions
from stack_data.near.shingles import text_bytes
from stack_data.search.families import family_of
from stack_data.search.lexer import NAME, lex

PYTHON = family_of("Python")
BODY = """    total = 0
    for index, item in enumerate(items):
        if item in ('a', 'b') and index > 0:
            total += (len(item) + index) * 2
    return total, items
"""


def table(*bodies: str, family: int = PYTHON, exact: int = 8, renamed: int = 16) -> Solutions:
    return make_solutions(bodies, family, np.full(len(bodies), exact), np.full(len(bodies), renamed))


def found(solutions: Solutions, text: str) -> list[tuple[int, int]]:
    return [(one, view) for _, one, view, _, _ in find(solutions, *text_bytes(pa.array([text]))).tolist()]


HEAD = "import os\n\ndef f(items):\n"
TAIL = "\n\ndef g():\n    return f([])\n"


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body,
        lambda body: body.replace("    ", "\t"),
        lambda body: body.replace("'", '"'),
        lambda body: body.replace("\n", "  # why, 'so'\n"),
        lambda body: body.replace("\n", "\r\n"),
        lambda body: '    """What it does,\n    and how.\n    """\n' + body,
        lambda body: body.replace("        if", "        'a note'\n        if"),
        lambda body: body.replace("return total, items", "return (\n        total,\n        items,\n    )"),
        lambda body: body.replace("('a', 'b')", '(\n            "a",\n            "b",\n        )'),
        lambda body: body.replace("item in (", "(item in (").replace("index > 0", "(index > 0))"),
        lambda body: body.replace("index, item in", "(index, item) in"),
        lambda body: body.replace(" and", " \\\n and"),
        lambda body: body.replace("= 0", "=0;"),
        lambda body: f'"""Code:\n\n{HEAD}{body}"""\n',
        lambda body: f"x = '''\n{HEAD}{body}\n'''\n",
        lambda body: f"# Notes\n\nDon't :( and \"quote.\n\n```python\n{HEAD}{body}```\n",
    ],
)  # fmt: skip
def test_layout_comments_quotes_and_grouping_hide_nothing(change) -> None:  # type: ignore[no-untyped-def]
    assert found(table(BODY), HEAD + change(BODY) + TAIL) == [(0, EXACT)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("items", "values"), ("total", "n"), ("'a', 'b'", "'c', \"d\""), ("> 0", "> 17"), ("enumerate", "pairs"),
    ],
)  # fmt: skip
def test_other_names_and_literals_are_found_as_renamed(old: str, new: str) -> None:
    assert found(table(BODY), HEAD + BODY.replace(old, new) + TAIL) == [(0, RENAMED)]


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.replace("total += ", "index += "),  # two names become one
        lambda body: body.replace("(len(item)", "(len(it)"),  # one name becomes two
        lambda body: body.replace(" and ", " or "),
        lambda body: body.replace("+=", "-="),
        lambda body: body.replace("    return total", "    items = 1\n    return total"),
        lambda body: body.replace("return total, items", "return total, items + [1]"),  # it goes on
        lambda body: body.replace("total = 0", "a.total = 0", 1),  # it begins before
        lambda body: body.replace("len(item)", "len[item]"),
        lambda body: "\n".join(f"# {line}" for line in body.split("\n")),
    ],
)  # fmt: skip
def test_another_program_is_not_found(change) -> None:  # type: ignore[no-untyped-def]
    assert found(table(BODY), HEAD + change(BODY) + TAIL) == []


def test_short_ones_are_not_found_with_other_names_and_the_shortest_not_at_all() -> None:
    body = "    return sorted(set(items))[::-1]"  # 14 tokens
    assert found(table(body), f"def f():\n{body}\n") == [(0, EXACT)]
    assert found(table(body), f"def f():\n{body}\n".replace("items", "x")) == []
    assert found(table(body, exact=15), f"def f():\n{body}\n") == []
    assert found(table(body, renamed=8), f"def f():\n{body}\n".replace("items", "x")) == [(0, RENAMED)]
    assert found(table(), "def f(): pass") == found(table(body), "") == []


def test_another_language_is_lexed_as_it_is() -> None:
    body = "  int total = 0; /* n */\n  for (int i = 0; i < n; i++) { total += a[i] * 2; }\n  return total;\n"
    text = "int f() {\n" + body.replace("/* n */", "// it's\n").replace("{ total", "{\n total") + "}\n"
    assert found(table(body, family=family_of("C++")), text) == [(0, EXACT)]
    assert found(table(body, family=family_of("C++")), text.replace("total", "t")) == [(0, RENAMED)]


def test_places_are_those_of_the_first_and_last_token_also_inside_strings() -> None:
    texts = [HEAD + BODY, f'x = 1\ny = """\n{HEAD}{BODY}"""\n', f"é = '''{HEAD}\"\"\"{BODY}\"\"\"'''\n"]
    for row, one, _, start, end in find(table(BODY), *text_bytes(pa.array(texts))).tolist():
        assert texts[row].encode()[start:end].decode() == BODY.strip()
        assert one == 0
    assert sorted(find(table(BODY), *text_bytes(pa.array(texts)))[:, 0].tolist()) == [0, 1, 2]


def renamed(text: str) -> str:
    raw = text.encode()
    tokens = lex(pa.array([text]), PYTHON)
    pieces, last = [], 0
    for start, end, kind in zip(tokens.starts, tokens.ends, tokens.kinds, strict=True):
        pieces += [raw[last:start], b"q_" + raw[start:end] if kind == NAME else raw[start:end]]
        last = end
    return b"".join([*pieces, raw[last:]]).decode()


def test_every_solution_of_humaneval_is_found_in_real_files() -> None:
    """Of 16 tokens and more verbatim, written anew by Python and renamed; of 8 to 15 the first two."""
    bodies = [dict(item.parts)["solution"] for item in shipped_humaneval()]
    solutions, chosen = table(*bodies), random.Random(5)
    files = sorted(path for path in Path(sysconfig.get_paths()["stdlib"]).glob("*.py") if path.stat().st_size > 2000)
    hosts = [text for path in chosen.sample(files, 40) if "\ndef " in (text := path.read_text())]
    for number, body in enumerate(bodies):
        size = solutions.num_code_tokens[number]
        anew = "\n".join(ast.unparse(ast.parse(f"def f():\n{body}")).split("\n")[1:])
        for written, view, least in ((body, EXACT, 8), (anew, None, 8), (renamed(body), RENAMED, 16)):
            lines = chosen.choice(hosts).split("\n")
            at = chosen.choice([row for row, line in enumerate(lines) if re.match(r"def |class |import ", line)])
            text = "\n".join([*lines[:at], "def planted(x):", written, *lines[at:]])
            views = [how for one, how in found(solutions, text) if one == number]
            assert (bool(views) if view is None else view in views) == (size >= least), (number, view, written)
