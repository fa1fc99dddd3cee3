"""What a search answers: the matches of a snippet, in order, and what was searched.

The shape of the JSON is fixed by the format that all parts share; `as_json` makes it. Query spans are code-point offsets into the
snippet, source spans into the released content, both [from, up to); lines are counted from 1, both ends included, and end with \\n,
\\r\\n or \\r. Kinds say which tokens are equal, not how they were found; num_tokens of a match counts the tokens that are:

exact        all lexemes, comments and strings included; num_tokens are lexemes
reformatted  the code view: all but comments, layout, `,` and `;`, and how strings are quoted; num_tokens are code tokens
renamed      the blinded view, names one to one; num_tokens are code tokens
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stack_data.search.protocol import Place, Release
from stack_data.search.views import BLINDED, CODE, LEXEME

KINDS = ("exact", "reformatted", "renamed")
"""From the strictest on."""
GUARANTEED = {"exact": LEXEME.guaranteed, "reformatted": CODE.guaranteed, "renamed": BLINDED.guaranteed}


@dataclass(frozen=True, slots=True)
class Match:
    """One place in the corpus whose tokens equal a span of the snippet; places: where the content is, the displayed one first."""

    kind: str
    num_tokens: int
    query_lines: tuple[int, int]
    query_span: tuple[int, int]
    source_lines: tuple[int, int]
    source_span: tuple[int, int]
    content_id: str
    language: str
    license: str
    versions: tuple[str, ...]
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """All matches of a snippet, longest first.

    num_tokens: code tokens of the snippet, in the reading that most of its matches hold in; capped: more contents match than are
    listed or were looked at; withheld: places that match and are hidden; searched: the releases that were.
    """

    matches: tuple[Match, ...]
    num_tokens: int
    capped: bool
    withheld: int
    searched: tuple[Release, ...]


def as_json(answer: Answer) -> dict[str, Any]:
    """Return an answer as JSON values, in the shared format."""
    return {
        "matches": [_match(one) for one in answer.matches],
        "num_tokens": answer.num_tokens,
        "capped": answer.capped,
        "withheld": answer.withheld,
        "guaranteed_from_tokens": dict(GUARANTEED),
        "searched": [{"release": one.label, "identity": one.identity} for one in answer.searched],
    }


def _match(match: Match) -> dict[str, Any]:
    shown = match.places[0]
    return {
        "kind": match.kind,
        "num_tokens": match.num_tokens,
        "query_lines": list(match.query_lines),
        "query_span": list(match.query_span),
        "source_lines": list(match.source_lines),
        "source_span": list(match.source_span),
        "content_id": match.content_id,
        "language": match.language or None,
        "license": match.license or None,
        "versions": list(match.versions),
        "host": shown.host,
        "repo_name": shown.repo_name,
        "path": shown.path,
        "provenances": [_place(one) for one in match.places],
    }


def _place(place: Place) -> dict[str, Any]:
    return {
        "relation": place.relation,
        "content_id": place.content_id,
        "host": place.host,
        "repo_name": place.repo_name,
        "path": place.path,
        "revision": place.revision or None,
        "license": place.license or None,
        "language": place.language or None,
    }
