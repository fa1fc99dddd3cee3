"""StarCoder's rules for commits: a smallest example of each, and draws that depend on the content alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack_data.commits import Commit, document
from stack_data.filters.commits import co_authors, fault_of_change, fault_of_message, message_of, reach
from stack_data.identity import content_id
from stack_data.reasons import Reason


def lines(*numbers: int) -> str:
    return "".join(f"line {number}\n" for number in numbers)


def fault(path: str, before: str, after: str) -> Reason | None:
    commit = Commit(before, "Change it", after)
    found = fault_of_change(path, commit, content_id(document(*commit)))
    return found[0] if found else None


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Fix the off-by-one in the reader", None),
        ("", Reason.COMMIT_NO_MESSAGE),
        ("Update README.md", Reason.COMMIT_AUTOMATIC_MESSAGE),
        ("update", Reason.COMMIT_AUTOMATIC_MESSAGE),
        ("[bot] Auto commit of the night", Reason.COMMIT_AUTOMATIC_MESSAGE),
        ("v1.2.3", Reason.COMMIT_AUTOMATIC_MESSAGE),
        ("1.2.3-rc1", Reason.COMMIT_AUTOMATIC_MESSAGE),
        ("1.2.3 is faster", None),
        ("d670460b4b4aece5915caf5c68d12f560a9fe3e4", Reason.COMMIT_AUTOMATIC_MESSAGE),
        ("d670460b4b4aece5915caf5c68d12f560a9fe3e4 d670460b4b4aece5915caf5c68d12f560a9fe3e4", Reason.COMMIT_AUTOMATIC_MESSAGE),
        ("Say it\n\nd670460b4b4aece5915caf5c68d12f560a9fe3e4", None),
        ("Say " + "a word " * 20_000, Reason.COMMIT_TOO_LONG),
    ],
)  # fmt: skip
def test_messages_that_say_nothing_are_left_out(message: str, expected: Reason | None) -> None:
    assert fault_of_message(message) is expected


def test_lines_that_name_people_and_tools_are_no_part_of_a_message() -> None:
    written = (
        "Fix it\r\n\r\nBecause:\n* a\n\nSigned-off-by: Jane Doe <jane@example.org>\nco-authored-by: J <j@example.org>\n"
        "Cc: K <k@example.org>\nChange-Id: I1\ngit-svn-id: https://example.org@1\nCloses: #3\n"
    )
    assert message_of(written) == "Fix it\n\nBecause:\n* a\n\nCloses: #3"
    assert co_authors(written) == ["j@example.org"]


@given(st.text(st.sampled_from("ab-by:cc <>@\n\r\t"), max_size=200))
def test_any_message_can_be_read(written: str) -> None:
    assert message_of(message_of(written)) == message_of(written)
    assert all("\n" not in one for one in co_authors(written))


def test_a_hostile_message_takes_no_long_time() -> None:
    assert message_of("-" * 1_000_000) == "-" * 1_000_000
    assert co_authors("co-authored-by:" * 50_000) == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((1, 2, 3), (1, 2, 3), 0),
        ((1, 2, 3), (1, 9, 3), 1),
        ((1, 2, 3), (1, 3), 1),
        ((1, 2), (1, 7, 8, 2), 2),
        ((1, 2, 3, 4), (9, 2, 3, 8), 4),
        ((1, 1), (1, 1, 1), 1),
        ((), (1, 2), 2),
    ],
)
def test_the_reach_is_from_the_first_changed_line_to_the_last(
    before: tuple[int, ...], after: tuple[int, ...], expected: int
) -> None:
    assert reach(lines(*before), lines(*after)) == expected


def test_a_change_of_white_space_alone_at_the_end_reaches_one_line() -> None:
    assert reach("a\nb", "a\nb\n") == 1


@given(st.lists(st.integers(0, 3), max_size=8), st.lists(st.integers(0, 3), max_size=8))
def test_the_reach_is_that_of_the_other_direction(before: list[int], after: list[int]) -> None:
    assert reach(lines(*before), lines(*after)) == reach(lines(*after), lines(*before)) <= max(len(before), len(after))


def test_nothing_that_does_not_change_is_taken() -> None:
    assert fault("a.py", "x\n", "x\n") is Reason.COMMIT_NO_TEXT
    assert fault("a.py", "x\n", " \n") is Reason.COMMIT_NO_TEXT


def test_more_than_a_hundred_thousand_characters_are_too_long() -> None:
    assert fault("a.py", "x" * 100_001, "x\n") is Reason.COMMIT_TOO_LONG
    assert fault("a.py", "x\n", "\N{EURO SIGN}" * 100_001) is Reason.COMMIT_TOO_LONG
    assert fault("a.py", "x" * 100_000, lines(*range(4))) is None


@pytest.mark.parametrize(
    ("path", "changed", "share"),
    [("a.py", 5, 1.0), ("a.py", 2, 0.5), ("a.py", 200, 0.1), ("a.py", 199, 1.0), ("a.json", 5, 0.5), ("a/B.YAML", 5, 0.5), ("json", 5, 0.5),
     ("a.html", 1, 0.25), ("ajson", 5, 1.0)],
)  # fmt: skip
def test_small_far_reaching_and_data_changes_are_sampled(path: str, changed: int, share: float) -> None:
    found = [fault(path, lines(*range(changed)), f"try {number}\n" * changed) for number in range(400)]
    assert set(found) <= {None, Reason.COMMIT_NOT_DRAWN}
    assert found.count(None) / 400 == pytest.approx(share, abs=0.09 if share < 1 else 0)
    assert found == [fault(path, lines(*range(changed)), f"try {number}\n" * changed) for number in range(400)]
