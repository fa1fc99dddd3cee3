"""Tests of stack_data/languages/fallback.py."""

from __future__ import annotations

import pyarrow as pa

from stack_data.languages.fallback import choose, default_of, scores
from stack_data.languages.heuristics import rules_by_extension
from stack_data.languages.language import languages
from stack_data.languages.names import by_extension, generic_extensions
from stack_data.languages.tables import read_table


def test_every_extension_that_rules_can_leave_open_has_a_default() -> None:
    defaults = read_table("linguist_keywords")["defaults"]
    for extension, names in by_extension().items():
        rules = rules_by_extension().get(extension, ())
        closed = bool(rules) and not rules[-1].conditions
        if len(names) > 1 and not closed and extension not in generic_extensions():
            assert defaults[extension] in names
    assert set(read_table("linguist_keywords")["keywords"]) <= set(languages())


def test_an_empty_text_gets_the_default() -> None:
    assert choose(".inc", ("PHP", "C++", "Pascal"), pa.array([b""], pa.large_binary())) == ["C++"]
    assert default_of(".cfg", ("HAProxy", "INI")) == "INI"
    assert default_of(".unheard", ("B", "A")) == "A"


def test_words_of_one_candidate_outweigh_the_default() -> None:
    pascal = b"procedure A;\nvar x: integer;\nbegin\n  if x = 1 then exit;\nend\nuses system; implementation"
    assert choose(".inc", ("PHP", "C++", "Pascal"), pa.array([pascal], pa.large_binary())) == ["Pascal"]


def test_words_in_comments_and_strings_do_not_count() -> None:
    names = ("C++", "Pascal")
    assert scores(names, "// procedure begin end uses\n") == scores(names, "")
    assert scores(names, '"procedure begin end uses"') == scores(names, "")


def test_comment_lines_speak_for_the_languages_that_use_their_sign() -> None:
    text = b"% a class\n% of documents\n\\x\n"
    assert choose(".cls", ("Apex", "TeX", "OpenEdge ABL"), pa.array([text], pa.large_binary())) == ["TeX"]
