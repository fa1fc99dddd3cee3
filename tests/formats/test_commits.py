"""How much of a commit is shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stack_data.formats.commits import shown, window

LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "d"]), max_size=12).map("".join)


def test_a_window_holds_the_change_and_lines_around_it() -> None:
    before = "".join(f"{number}\n" for number in range(10))
    after = before.replace("5\n", "five\n5.5\n")
    assert window(before, after, 0) == ("5\n", "five\n5.5\n")
    assert window(before, after, 2) == ("3\n4\n5\n6\n7\n", "3\n4\nfive\n5.5\n6\n7\n")
    assert window(before, after, 32) == (before, after)


def test_a_new_file_has_nothing_before_it() -> None:
    assert window("", "x\ny\n", 3) == ("", "x\ny\n")


@given(LINES, LINES, st.integers(0, 32))
def test_what_is_left_out_is_the_same_on_both_sides(before: str, after: str, num_lines: int) -> None:
    old, new = window(before, after, num_lines)
    assert old in before and new in after
    head = before[: before.find(old)] if old else ""
    if old and new and before.count(old) == 1:
        assert after.startswith(head)


def test_a_fifth_of_the_commits_show_the_whole_file_and_windows_have_up_to_32_lines() -> None:
    before = "".join(f"{number}\n" for number in range(100))
    after = before.replace("50\n", "fifty\n")
    sizes = [shown(before, after, key)[0].count("\n") for key in range(5_000)]
    assert abs(sizes.count(100) / len(sizes) - 0.2) < 0.02
    assert {size for size in sizes if size != 100} == {1 + 2 * lines for lines in range(33)}
