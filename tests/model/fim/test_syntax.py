"""Cuts along the syntax tree, for every grammar; random cuts where there is no tree."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.fim.syntax import GRAMMARS, RANDOM, SyntaxCuts, grammar, grammar_versions

TEXTS = {
    "Python": "import os\n\n\ndef f(x):\n    if x:\n        return x + 1\n    return os.name\n",
    "JavaScript": "function f(x) {\n  if (x) { return x + 1; }\n  return 2;\n}\n",
    "TypeScript": "function f(x: number): number {\n  const y: number = x;\n  return y + 1;\n}\n",
    "TSX": "const a = (n: string) => <p className={n}>hi</p>;\nexport default a;\n",
    "Java": "class A {\n  int f(int x) { return x + 1; }\n  int g() { return 2; }\n}\n",
    "Go": 'package a\n\nimport "fmt"\n\nfunc f(x int) int {\n\tfmt.Println(x)\n\treturn x + 1\n}\n',
    "Rust": "fn f(x: i32) -> i32 {\n    let y = x;\n    y + 1\n}\n",
    "C": "#include <stdio.h>\nint f(int x) {\n  int y = x;\n  return y + 1;\n}\n",
    "C++": "template <class T> T f(T x) {\n  T y = x;\n  return y + 1;\n}\n",
}


def spans(language: str, text: bytes, number: int = 200, is_whole: bool = True) -> list[tuple[int, int]]:
    cutter = SyntaxCuts(1.0)
    return [
        cutter.cuts(np.uint64(key * 0x9E3779B97F4A7C15 % 2**64), language, lambda: text, is_whole)
        for key in range(number)
    ]


def siblings(language: str, text: bytes) -> set[tuple[int, int]]:
    """Every run of siblings there is, found by walking the whole tree."""
    import tree_sitter

    found, waiting = set(), [tree_sitter.Parser(grammar(language)).parse(text).root_node]
    tree = waiting[0]
    while waiting:
        node = waiting.pop()
        children = node.children
        waiting.extend(children)
        found |= {(first.start_byte, last.end_byte) for at, first in enumerate(children) for last in children[at:]}
    assert not tree.has_error
    return found


@pytest.mark.parametrize("language", sorted(GRAMMARS))
def test_a_middle_is_a_node_or_a_run_of_siblings(language: str) -> None:
    text = TEXTS[language].encode()
    found = spans(language, text)
    # Behind the last node there is none to take.
    assert found.count(RANDOM) < len(found) / 10
    found = [one for one in found if one != RANDOM]
    assert set(found) <= siblings(language, text)
    # Small and large ones, not always the same.
    assert len(set(found)) > 8
    assert min(end - begin for begin, end in found) < 10 < max(end - begin for begin, end in found)


def test_cuts_are_a_pure_function_on_any_thread() -> None:
    text = TEXTS["Python"].encode()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: spans("Python", text, 50), range(4)))
    assert all(one == found[0] for one in found)


def test_a_document_that_does_not_parse_is_left_to_random_cuts() -> None:
    assert set(spans("Python", b"def f(:\n  )) = x y z\n")) == {RANDOM}


def test_a_chunk_gives_nodes_that_are_whole() -> None:
    text = b"+ 1)\n\ndef f(x):\n    return x\n\n\ndef g(y"
    found = set(spans("Python", text, is_whole=False)) - {RANDOM}
    assert any(text[begin:end].startswith(b"def f(x):") or text[begin:end] == b"return x" for begin, end in found)
    assert set(spans("Python", text)) == {RANDOM}


def test_a_language_without_a_grammar_is_left_to_random_cuts_unread() -> None:
    def unread() -> bytes:
        raise AssertionError("the text was asked for")

    assert SyntaxCuts(1.0).cuts(np.uint64(3), "COBOL", unread) == RANDOM
    assert SyntaxCuts(0.0).cuts(np.uint64(3), "Python", unread) == RANDOM


@given(st.binary(max_size=200), st.sampled_from(sorted(GRAMMARS)), st.integers(0, 2**64 - 1), st.booleans())
def test_any_bytes_give_cuts_within_them(text: bytes, language: str, key: int, is_whole: bool) -> None:
    first, second = SyntaxCuts(1.0).cuts(np.uint64(key), language, lambda: text, is_whole)
    assert (first, second) == RANDOM or 0 <= first < second <= len(text)


def test_versions_name_every_grammar() -> None:
    assert len(grammar_versions()) == 1 + len({module for module, _ in GRAMMARS.values()})
    assert SyntaxCuts(0.0).versions() == {}
