"""The filter stage: the smallest example of every reason, the exceptions of languages, and what a configuration changes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from stack_data.config import FilterConfig
from stack_data.config_file import load
from stack_data.errors import ConfigError
from stack_data.filters.profiles import budgets, check, profiles, rules_for
from stack_data.languages import LANGUAGES
from stack_data.reasons import Reason
from stack_data.stages import filter

CODE = "def first(value):\n    return value\n"
LETTERS = "abcdefghi\n"


def decided(
    text: str | None, language: str | None = "Python", name: str = "a.py", *, written_by_program: bool = False,
    conversion: str = "", **config: Any,
) -> tuple[Reason | None, str]:  # fmt: skip
    places = filter.Places(
        pa.array(["0" * 40]), pa.array([name]), pa.array([language], pa.string()), pa.array([conversion]),
        np.array([written_by_program]), pa.array([text], pa.large_string()),
    )  # fmt: skip
    row = filter.decide(places, FilterConfig(**config)).to_pylist()[0]
    assert row["action"] == ("drop" if row["reason"] else "keep")
    return (Reason(row["reason"]) if row["reason"] else None), row["detail"] or ""


def reason(text: str | None, language: str | None = "Python", name: str = "a.py", **others: Any) -> Reason | None:
    return decided(text, language, name, **others)[0]


def html(visible: int, hidden: int) -> str:
    seen = ("v v v v v\n" * visible)[: visible - 1] + "v"
    return f"<p>{seen}</p><style>{'h ' * (hidden // 2 - 11)}</style>"


def test_ordinary_code_is_kept() -> None:
    for profile in ("starcoder2", "the-stack", "none"):
        assert decided(CODE, profile=profile) == (None, "")


def test_what_was_never_read_is_no_matter_of_filters() -> None:
    assert reason(None) is None


# Each pair is at the threshold: one character, line or digit makes the difference.
STARCODER2: tuple[tuple[Reason, tuple[Any, ...], tuple[Any, ...]], ...] = (
    (Reason.GENERATED_PHRASE, ("\n\n\n\n# auto-generated\n" + CODE,), ("\n\n\n\n\n# auto-generated\n" + CODE,)),
    (Reason.GENERATED_PHRASE, ("# This File Is Generated\n" + CODE,), ("# This file is not generated\n" + CODE,)),
    (Reason.TOO_MANY_LINES, ("x = y\n" * 100_001,), ("x = y\n" * 100_000,)),
    (Reason.TOO_MANY_LINES, ("a: b\n" * 513, "YAML"), ("a: b\n" * 512, "YAML")),
    (Reason.TOO_MANY_LINES, ('"key": "b",\n' * 513, "JSON"), ('"key": "b",\n' * 512, "JSON")),
    (Reason.LONG_LINES, ("word " * 20 + "w\n",), ("word " * 20 + "\n",)),
    (Reason.LONG_LINE, ("w " * 500 + "w\n" + "x\n" * 20,), ("w " * 500 + "\n" + "x\n" * 20,)),
    (Reason.LONG_LINE, ("w " * 50_000 + "w\n", "Markdown"), ("w " * 50_000 + "\n", "Markdown")),
    (Reason.FEW_LETTERS, ("ab 1 2 3\n",), ("abc 1 2 3\n",)),
    (Reason.FEW_ALPHANUMERICS, ("1 2 - - -\n", "WebAssembly"), ("1 2 3 - -\n", "WebAssembly")),
    (Reason.ENCODED_DATA, ("x = '" + "QUJ\n" * 256 + "Q'\n" + "y x\n" * 400,), ("x = '" + "QUJ\n" * 256 + "'\n" + "y x\n" * 400,)),
    (Reason.ENCODED_DATA, ("A" * 64 + " \n" + " x" * 30 + " ",), ("A" * 64 + " \n" + " x" * 31,)),
    (Reason.LITTLE_VISIBLE_TEXT, (html(99, 22), "HTML"), (html(100, 22), "HTML")),
    (Reason.LITTLE_VISIBLE_TEXT, (html(100, 402), "HTML"), (html(100, 400), "HTML")),
    (Reason.FILE_NAME, (CODE, "Text", "LICENSE"), (CODE, "Text", "ReadMe.TXT")),
    (Reason.FILE_NAME, (CODE, "Text", "toodo.txt"), (CODE, "Text", "dev-requirements.txt")),
)  # fmt: skip


@pytest.mark.parametrize(("expected", "dropped", "kept"), STARCODER2)
def test_the_smallest_example_of_each_rule(expected: Reason, dropped: tuple[Any, ...], kept: tuple[Any, ...]) -> None:
    assert reason(*dropped) is expected
    assert reason(*kept) is None


@pytest.mark.reason("secret_in_path")
@pytest.mark.parametrize(
    ("path", "out"),
    [
        ("docs/joe.doe@some-company.de.md", True),
        ("keys/ghp_" + "x7Qz9LmK2vTb4RfWc8Yp1NsDa6HgUe3JoV5i" + ".py", True),
        ("node_modules/package@1.2.3/index.js", False),
        ("icons/icon@2x.py", False),
        ("10.0.0.1/8.8.4.4/a.py", False),
    ],
)
def test_a_path_that_holds_a_secret_is_out(path: str, out: bool) -> None:
    ids, texts = pa.array(["0" * 40]), pa.array([CODE], pa.large_string())
    places = filter.Places(ids, pa.array([path]), pa.array(["Python"]), pa.array([""]), np.zeros(1, bool), texts)
    found = filter.decide(places, FilterConfig(), ("email", "key", "password"))["reason"].to_pylist()
    assert found == [Reason.SECRET_IN_PATH.value if out else None]
    assert filter.decide(places, FilterConfig())["reason"].to_pylist() == [None]


def test_generated_files_and_broken_notebooks() -> None:
    assert reason(CODE, written_by_program=True) is Reason.GENERATED
    assert reason(CODE, written_by_program=True, generated=False) is None
    assert reason(CODE, "Jupyter Notebook", "a.ipynb") is Reason.NOTEBOOK_UNREADABLE
    assert reason(CODE, "Jupyter Notebook", "a.ipynb", conversion="notebook-1") is None


@pytest.mark.parametrize("language", ["HTML", "JSON", "Markdown", "Roff", "Roff Manpage", "SMT", "TeX", "XML"])
def test_prose_and_data_may_have_long_lines(language: str) -> None:
    assert reason("word " * 400 + "\n", language) is None
    assert reason("word " * 400 + "\n", "C") is Reason.LONG_LINES


THE_STACK: tuple[tuple[Reason, tuple[Any, ...], tuple[Any, ...]], ...] = (
    (Reason.LONG_LINES, ("word " * 20 + "w\n",), ("word " * 20 + "w\n", "SQL")),
    (Reason.LONG_LINE, ("w " * 500 + "w\n" + "x\n" * 20,), ("w " * 500 + "w\n" + "x\n" * 20, "CMake")),
    (Reason.FEW_ALPHANUMERICS, ("1 2 - - -\n",), ("1 2 3 - -\n",)),
    (Reason.FEW_LETTERS, ("ab 1 2 3\n", "VHDL"), ("ab 1 2 3\n", "C")),
    (Reason.TOO_SHORT, (LETTERS * 9 + "abcdefgh\n", "JSON"), (LETTERS * 10, "JSON")),
    (Reason.TOO_LONG, (LETTERS * 500 + "a", "YAML"), (LETTERS * 500, "YAML")),
    (Reason.XML_DECLARATION, ("\n" * 86 + "<?xml version='1.0'?><a/>\n" + CODE * 9, "XML"),
                             ("\n" * 87 + "<?xml version='1.0'?><a/>\n" + CODE * 9, "XML")),
    (Reason.LITTLE_VISIBLE_TEXT, (html(99, 22), "HTML"), (html(100, 22), "HTML")),
)  # fmt: skip


@pytest.mark.parametrize(("expected", "dropped", "kept"), THE_STACK)
def test_the_rules_of_the_stack(expected: Reason, dropped: tuple[Any, ...], kept: tuple[Any, ...]) -> None:
    assert reason(*dropped, profile="the-stack") is expected
    assert reason(*kept, profile="the-stack") is None


def test_a_detail_says_value_and_limit() -> None:
    assert decided("w " * 500 + "w\n" + "x y\n" * 20) == (Reason.LONG_LINE, "longest line 1001, limit 1000")
    assert decided("ab 1 2 3\n") == (Reason.FEW_LETTERS, "share of letters 0.222, limit 0.25")


def test_the_configuration_changes_single_rules_and_single_languages() -> None:
    short = {"languages": {"C": {"max_line_chars": 5}}}
    assert reason("abcdef\n", "C", **short) is Reason.LONG_LINE
    assert reason("abcdef\n", "Python", **short) is None
    assert reason("abcdef\n", "Python", max_line_chars=5) is Reason.LONG_LINE
    # The profile's exception for a language comes before a rule for all.
    assert reason("abcdef " * 30, "Markdown", max_line_chars=5) is None
    assert reason("ab 1 2 3\n", min_letters=0) is None
    assert reason("abcdef\n", profile="none", max_line_chars=5) is Reason.LONG_LINE
    assert reason(CODE, written_by_program=True, profile="none") is None


def test_the_first_rule_in_the_order_of_the_page_is_named() -> None:
    assert reason("# autogenerated\n" + "1 " * 2000) is Reason.GENERATED_PHRASE


def test_every_exception_names_a_language_and_every_rule_is_of_a_profile() -> None:
    for general, exceptions in profiles().values():
        assert set(exceptions) <= set(LANGUAGES)
        assert general == general.model_copy()
    used = {name for general, exceptions in profiles().values() for one in (general, *exceptions.values())
            for name, value in one if value is not None}  # fmt: skip
    assert used == set(type(rules_for(FilterConfig(), None)).model_fields)


def test_an_unknown_language_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'Python'"):
        check(FilterConfig(languages={"Pythn": {"max_lines": 1}}))


def test_budgets_are_those_of_the_profile_and_the_configuration() -> None:
    assert budgets(FilterConfig())["Java"] == 200_000_000_000
    own = budgets(FilterConfig(languages={"Java": {"max_language_bytes": 7}}, max_language_bytes=9))
    assert (own["Java"], own["HTML"], own[""]) == (7, 100_000_000_000, 9)


@pytest.mark.parametrize(
    ("setting", "told"),
    [("max_lines=true", "'filter.max_lines' must be a whole number (seen: true)"), ("generated=1", "'filter.generated' must be true or false"),
     ('generated="no"', "'filter.generated' must be true or false"), ("languages.json.max_lines=1", "did you mean 'JSON'")],
)  # fmt: skip
def test_values_of_the_wrong_kind_and_wrong_names_are_refused(tmp_path: Path, setting: str, told: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text('name = "x"\n[[source]]\nname = "s"\nkind = "directory"\npath = "."\n')
    with pytest.raises(ConfigError, match=re.escape(told)):
        check(load(path, [f"filter.{setting}"]).filter)


def test_one_language_can_be_set_on_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('name = "x"\n[[source]]\nname = "s"\nkind = "directory"\npath = "."\n')
    config = load(path, ['filter.languages."Jupyter Notebook".max_lines=7', "filter.languages.C++.max_lines=8"])
    assert config.filter.languages["Jupyter Notebook"].max_lines == 7
    assert config.filter.languages["C++"].max_lines == 8
