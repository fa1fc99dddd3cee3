"""The JSON of an answer is the format that all parts share: these keys, in this order, and nothing else."""

from __future__ import annotations

import json

from stack_data.search.answer import Answer, Match, as_json
from stack_data.search.protocol import Place, Release

PLACE = Place("self", "ab" * 20, "github.com", "owner/repo", "a/b.py", "", "MIT", "Python")
MATCH = Match(
    "exact", 70, (1, 2), (3, 400), (5, 6), (7, 404), "ab" * 20, "Python", "MIT", ("demo 1.0.0",), (PLACE, PLACE)
)


def test_the_keys_of_an_answer_are_those_of_the_format() -> None:
    told = as_json(Answer((MATCH,), 80, True, 3, (Release("demo", "1.0.0", "cd" * 32),)))
    assert list(told) == ["matches", "num_tokens", "capped", "withheld", "guaranteed_from_tokens", "searched"]
    assert list(told["matches"][0]) == [
        "kind", "num_tokens", "query_lines", "query_span", "source_lines", "source_span", "content_id", "language", "license",
        "versions", "host", "repo_name", "path", "provenances",
    ]  # fmt: skip
    assert told["searched"] == [{"release": "demo 1.0.0", "identity": "cd" * 32}]
    assert (told["num_tokens"], told["capped"], told["withheld"]) == (80, True, 3)


def test_an_answer_survives_json() -> None:
    told = as_json(Answer((MATCH,), 80, False, 0, ()))
    assert json.loads(json.dumps(told)) == told
    (found,) = told["matches"]
    assert (found["query_lines"], found["query_span"]) == ([1, 2], [3, 400])
    assert (found["source_lines"], found["source_span"]) == ([5, 6], [7, 404])
    assert [one["repo_name"] for one in found["provenances"]] == ["owner/repo", "owner/repo"]


def test_what_is_not_known_is_null() -> None:
    place = Place("self", "ab" * 20, "github.com", "owner/repo", "a/b", "", "", "")
    match = Match("renamed", 50, (1, 1), (0, 1), (1, 1), (0, 1), "ab" * 20, "", "", (), (place,))
    (found,) = as_json(Answer((match,), 50, False, 0, ()))["matches"]
    assert found["language"] is None and found["license"] is None
    assert found["provenances"][0]["revision"] is None and found["provenances"][0]["license"] is None
