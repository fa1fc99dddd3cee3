"""Tests of stack_data/languages/language.py and of the tables it reads."""

from __future__ import annotations

import re

import pytest

from stack_data.languages import language_info, languages
from stack_data.languages.language import by_alias, by_slug
from stack_data.languages.tables import read_table


def test_slugs_are_unique_plain_and_fixed() -> None:
    assert len(by_slug()) == len(languages())
    assert all(re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", slug) for slug in by_slug())
    fixed = {
        "C#": "c-sharp",
        "F*": "f-star",
        "C++": "c-plus-plus",
        "C": "c",
        "Ren'Py": "renpy",
        "HTML+ERB": "html-plus-erb",
    }
    assert {name: language_info(name).slug for name in fixed} == fixed


def test_languages_carry_their_facts() -> None:
    python = language_info("Python")
    assert (python.type, python.group, python.extensions[0]) == ("programming", None, ".py")
    assert {language.type for language in languages().values()} == {"programming", "markup", "data", "prose"}
    assert all(language.group is None or language.group in languages() for language in languages().values())
    assert len({language.language_id for language in languages().values()}) == len(languages())


def test_aliases_name_one_language() -> None:
    assert by_alias()["cpp"] == "C++"
    assert by_alias()["visual-basic-.net"] == "Visual Basic .NET"


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(KeyError):
        language_info("python")


@pytest.mark.parametrize("table", ["languages", "heuristics", "paths", "keywords"])
def test_every_table_says_where_it_is_from(table: str) -> None:
    origin = read_table(f"linguist_{table}")["origin"]
    assert {"package", "what", "license", "copyright"} == set(origin)
    assert "@" in origin["package"]
