"""Tests of stack_data/languages/names.py."""

from __future__ import annotations

import pyarrow as pa
import pytest

from stack_data.languages.names import name_clues, name_keys


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("a/b/c.PY", ".py"),
        ("a.b/Makefile", "=Makefile"),
        ("x.blade.php", ".blade.php"),
        ("x.tar.php", ".php"),
        ("config.h.in", ".h.in"),
        ("x.3pm.in", ".3pm.in"),
        (".bashrc", "=.bashrc"),
        ("plain", ""),
        ("a.", "."),
        ("a/", ""),
    ],
)
def test_a_name_is_reduced_to_its_whole_name_or_extension(path: str, key: str) -> None:
    assert name_keys(pa.array([path], pa.large_string())).to_pylist() == [key]


def test_clues_say_what_a_key_stands_for() -> None:
    assert name_clues("=Makefile").filename == ("Makefile",)
    assert name_clues("=CMakeLists.txt").extension == name_clues(".txt").extension
    assert name_clues(".sol").generic and not name_clues(".sol").extension
    assert name_clues(".3pm").manual_page and name_clues(".n.in").manual_page
    assert not name_clues(".10").manual_page
    assert name_clues(".strange.in").extension == ()
