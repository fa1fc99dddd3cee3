"""Tests of stack_data/languages/heuristics.py."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from stack_data.languages.heuristics import first_rules, rules_by_extension
from stack_data.languages.language import languages

RULES = [(extension, rule) for extension, rules in rules_by_extension().items() for rule in rules]


def test_every_pattern_compiles_and_every_language_exists() -> None:
    for _, rule in RULES:
        assert set(rule.languages) <= set(languages())
        for pattern, _ in rule.conditions:
            pc.match_substring_regex(pa.array([b"a\n\0b"]), pattern)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("127.0.0.1 localhost", True),
        ("10.0.0.0/8", True),
        ("256.1.1.1 a", False),
        ("1.2.3 a", False),
        ("1.2.3.4.5 a", False),
    ],
)
def test_the_rewritten_rule_of_hosts_files_knows_addresses(text: str, holds: bool) -> None:
    number = first_rules(".txt", pa.array([text.encode()], pa.large_binary()))[0]
    assert (rules_by_extension()[".txt"][number].languages == ("Hosts File",)) == holds


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        (" vim: set ft=help:", True),
        (" vim:tw=78:ft=help:norl:", True),
        ("vi:ft=help", True),
        (" vim: set ft=python:", False),
        ("the vim help", False),
    ],
)
def test_the_rewritten_rule_of_vim_help_reads_modelines(text: str, holds: bool) -> None:
    number = first_rules(".txt", pa.array([text.encode()], pa.large_binary()))[0]
    assert (rules_by_extension()[".txt"][number].languages == ("Vim Help File",)) == holds


def test_the_first_rule_that_holds_wins_row_by_row() -> None:
    texts = pa.array([b"@interface A", b"class A {", b"int a;", b""], pa.large_binary())
    chosen = [rules_by_extension()[".h"][number].languages[0] for number in first_rules(".h", texts).tolist()]
    assert chosen == ["Objective-C", "C++", "C", "C"]
    assert np.array_equal(first_rules(".nothing", texts), [-1, -1, -1, -1])


def test_the_matching_time_stays_linear_on_hostile_text() -> None:
    hostile = pa.array([b"a" * 50_000, b"(((" * 16_000, b"\t \n" * 16_000, b"'" * 50_000], pa.large_binary())
    for extension in rules_by_extension():
        first_rules(extension, hostile)
