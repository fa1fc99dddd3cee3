"""What a message says of two plans that differ."""

from __future__ import annotations

from stack_data.manifest import differences, told

HASHES = ("a" * 64, "b" * 64)


def test_differences_are_told_key_by_key() -> None:
    assert differences({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}, "d": None}) == ["b.c: 2 -> 3"]
    assert differences({"a": HASHES[0]}, {"a": HASHES[1]}) == ["a changed"]
    assert differences({}, {"a": "x" * 80}) == [f'a: absent -> "{"x" * 56}...']


def test_lists_of_tables_are_compared_table_by_table() -> None:
    old = {"releases": [{"name": "one", "identity": HASHES[0]}, {"name": "two"}]}
    new = {"releases": [{"name": "one", "identity": HASHES[1]}, {"name": "three"}]}
    assert differences(old, new) == ["identity changed", 'releases[1].name: "two" -> "three"']
    assert differences({"releases": [{"name": "one"}]}, {"releases": []}) == ['releases: [{"name": "one"}] -> []']


def test_three_differences_are_told_and_the_rest_counted() -> None:
    assert told(["a", "b"]) == "a; b"
    assert told(["a", "b", "c", "d", "e"]) == "a; b; c; and 2 more"
