"""Templates and the automaton that runs them, beside a plain regular expression as oracle."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from stack_data.licenses import automaton
from stack_data.licenses.templates import Template, compile_templates, leading, trailing, trim
from stack_data.licenses.tokens import make_spelling, tokenize

SPELLING = make_spelling({}, {"not", "must"}, set())


def ends(nodes: list[object], text: str, kind: str = "phrase") -> list[tuple[int, int]]:
    """Return (first word, word after the longest match) of every match."""
    program = compile_templates([Template(("X",), kind, nodes)], SPELLING)
    trials = automaton.run(program, tokenize(text, SPELLING))
    return sorted({(int(b), int(e)) for b, e in zip(trials.begin, trials.end, strict=True) if e >= 0})


def test_a_literal_matches_wherever_it_stands() -> None:
    assert ends(["free of charge"], "it is free, of charge; free of CHARGE") == [(2, 5), (5, 8)]


def test_an_optional_part_may_be_absent_and_the_longest_match_wins() -> None:
    nodes: list[object] = ["use", ["?", ["and copy"]], ["?", ["it all"]]]
    assert ends(nodes, "use and copy it all day") == [(0, 5)]
    assert ends(nodes, "use it all") == [(0, 3)]


def test_a_choice_takes_one_of_its_texts() -> None:
    nodes: list[object] = ["it ", ["|", "is", ["is", "was never", ""]], " given"]
    assert [ends(nodes, text) for text in ("it is given", "it was never given", "it given", "it has given")] == [
        [(0, 3)],
        [(0, 4)],
        [(0, 2)],
        [],
    ]


def test_a_slot_takes_names_and_no_word_with_an_effect() -> None:
    nodes: list[object] = ["by ", ["*", "the holder", 500], " as is"]
    assert ends(nodes, "by Jane Doe and others as is") == [(0, 7)]
    assert ends(nodes, "by Jane who must not as is") == []


def test_a_slot_may_repeat_the_effects_of_its_own_original() -> None:
    nodes: list[object] = ["by ", ["*", "whoever must", 500], " as is"]
    assert ends(nodes, "by those who must as is") == [(0, 6)]


def test_a_slot_has_a_limit() -> None:
    nodes: list[object] = ["by ", ["*", "x", 500], " end"]
    assert ends(nodes, "by " + "word " * 60 + "end") == [(0, 62)]
    assert ends(nodes, "by " + "word " * 61 + "end") == []


def test_a_numbering_slot_takes_numbers_and_letters_only() -> None:
    nodes: list[object] = ["met ", ["*", "1.", 20], " retain"]
    assert ends(nodes, "met 2) retain") == [(0, 3)]
    assert ends(nodes, "met GPL retain") == []


def test_how_far_a_failed_match_went_is_known() -> None:
    program = compile_templates([Template(("X",), "phrase", ["one two three four five"])], SPELLING)
    trials = automaton.run(program, tokenize("one two three 4 five", SPELLING))
    assert list(trials.end) == [-1] and list(trials.furthest) == [3]


def test_leading_parts_are_cut_off_and_trailing_appendices_become_pieces() -> None:
    nodes: list[object] = [
        ["?", ["My License"]],
        ["*", "Copyright X", 5000],
        "The text.",
        ["?", ["Apply it: Copyright ", ["*", "[name]", 500], " Licensed."]],
    ]
    assert trim(nodes) == ["The text."]
    assert leading(nodes) == ["My License"]
    assert [piece.strip() for piece in trailing(nodes)] == ["Apply it:", "Licensed."]


words = st.sampled_from(("a", "b", "c", "d"))
literal = st.lists(words, min_size=1, max_size=3).map(" ".join)
part = st.one_of(
    literal,
    literal.map(lambda text: ["?", [text]]),
    st.lists(literal, min_size=1, max_size=3).map(lambda texts: ["|", "", texts]),
)


def as_regex(nodes: list[object]) -> str:
    """Translate nodes into a regular expression over words that end in a blank."""
    pieces = []
    for node in nodes:
        if isinstance(node, str):
            pieces.append("".join(f"{word} " for word in node.split()))
        elif node[0] == "?":  # type: ignore[index]
            pieces.append(f"(?:{as_regex(node[1])})?")  # type: ignore[index]
        else:
            pieces.append("(?:" + "|".join(as_regex([text]) for text in node[2]) + ")")  # type: ignore[index]
    return "".join(pieces)


@settings(max_examples=200, deadline=None)
@given(st.lists(part, min_size=1, max_size=4), st.lists(words, max_size=10))
def test_the_automaton_agrees_with_a_regular_expression_on_whole_matches(nodes: list[object], text: list[str]) -> None:
    nodes = ["x", *nodes, "y"]
    pattern = re.compile(as_regex(nodes))
    sentence = ["x", *text, "y"]
    expected = pattern.fullmatch("".join(f"{word} " for word in sentence)) is not None
    assert ((0, len(sentence)) in ends(nodes, " ".join(sentence))) == expected
