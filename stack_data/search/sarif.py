"""A scan as SARIF 2.1.0, the format in which code hosts and editors take findings of analysis tools.

One result for each file that is in the corpus whole, and one for each span that lies in no other of the same content; rules are the kinds
of match. Paths are relative to the checkout (uriBaseId SRCROOT) and percent-encoded; lines are those of the file; columns are not stated,
so whole lines are marked. A result's fingerprint depends on what was copied and not on where it stands now, so that a host recognises it after
the file changed. Everything beyond the first place of a match is in the result's properties. Skipped files are notifications of the invocation.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from stack_data.search.answer import GUARANTEED, Match
from stack_data.search.files_lookup import place_json
from stack_data.search.protocol import Place
from stack_data.search.scan import Found, Scan

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
RULES = {
    "identical": "The whole file is in the corpus, byte for byte.",
    "exact": "A span equals one in the corpus, comments included.",
    "reformatted": "A span equals one in the corpus but for comments and layout.",
    "renamed": "A span equals one in the corpus but for its names and literals, which are renamed one to one.",
}
_LEVEL = "note"


def sarif(scan: Scan, version: str) -> dict[str, Any]:
    """Return a scan as a SARIF log. version: of FairStack."""
    releases = [{"release": one.label, "identity": one.identity} for one in scan.searched]
    run = {
        "tool": {"driver": {"name": "FairStack", "version": version, "rules": [_rule(*one) for one in RULES.items()]}},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"SRCROOT": {"description": {"text": "The root of the checkout that was scanned."}}},
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": list(_notifications(scan))}],
        "results": [result for one in scan.files for result in _results(one)],
        "properties": {
            "searched": releases, "guaranteedFromTokens": dict(GUARANTEED),
            "note": "No finding does not mean original: only these releases were searched, for copies of at least that many tokens.",
        },
    }  # fmt: skip
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(kind: str, meaning: str) -> dict[str, Any]:
    return {
        "id": f"fairstack/{kind}", "name": f"{kind.capitalize()}Match", "shortDescription": {"text": meaning},
        "defaultConfiguration": {"level": _LEVEL},
    }  # fmt: skip


def _notifications(scan: Scan) -> Iterator[dict[str, Any]]:
    for one in scan.files:
        if one.status == "skipped":
            yield {
                "level": "none",
                "message": {"text": f"not searched: {one.reason}"},
                "locations": [_location(one.path)],
            }
        elif one.capped:
            text = "more was found than is listed, or looking was stopped"
            yield {"level": "warning", "message": {"text": text}, "locations": [_location(one.path)]}


def _results(found: Found) -> Iterator[dict[str, Any]]:
    if found.identical is not None:
        facts = found.identical
        text = f"This file is in {_versions(facts.versions)}: {_where(facts.places[0])}, {facts.license or 'licence unknown'}."
        properties = {
            "contentId": facts.content_id, "license": facts.license or None, "versions": list(facts.versions),
            "provenances": [place_json(one) for one in facts.places],
        }  # fmt: skip
        yield _result("identical", text, _location(found.path), f"identical/{facts.content_id}", properties)
    for one in _outermost(found.matches):
        yield _span(found, one)


def _outermost(matches: Sequence[Match]) -> Iterator[Match]:
    """Yield the matches that lie in no other of the same content: an exact stretch of a renamed copy would mark its lines once more."""
    by_content: dict[str, list[Match]] = {}
    for one in matches:
        by_content.setdefault(one.content_id, []).append(one)
    for one in matches:
        if not any(other is not one and _encloses(other, one) for other in by_content[one.content_id]):
            yield one


def _encloses(other: Match, one: Match) -> bool:
    """Tell whether both spans of a match lie in those of another that is longer."""
    spans = zip((other.query_span, other.source_span), (one.query_span, one.source_span), strict=True)
    return all(begin <= first and last <= end for (begin, end), (first, last) in spans) and (
        other.query_span != one.query_span
    )


def _span(found: Found, match: Match) -> dict[str, Any]:
    first, last = match.source_lines
    text = (
        f"{match.num_tokens:,} tokens ({match.kind}) are in {_versions(match.versions)}: {_where(match.places[0])}, "
        f"lines {first}-{last}, {match.license or 'licence unknown'}."
    )
    properties = {
        "contentId": match.content_id, "kind": match.kind, "numTokens": match.num_tokens, "querySpan": list(match.query_span),
        "sourceSpan": list(match.source_span), "sourceLines": [first, last], "license": match.license or None,
        "language": match.language or None, "versions": list(match.versions),
        "provenances": [place_json(one) for one in match.places],
    }  # fmt: skip
    identity = f"{match.kind}/{match.content_id}/{match.source_span[0]}-{match.source_span[1]}"
    return _result(match.kind, text, _location(found.path, match.query_lines), identity, properties)


def _result(
    kind: str, text: str, location: dict[str, Any], identity: str, properties: dict[str, Any]
) -> dict[str, Any]:
    return {
        "ruleId": f"fairstack/{kind}", "ruleIndex": list(RULES).index(kind), "level": _LEVEL, "message": {"text": text},
        "locations": [location], "properties": properties,
        "partialFingerprints": {"fairstackMatch/v1": hashlib.sha256(identity.encode()).hexdigest()},
    }  # fmt: skip


def _location(path: str, lines: tuple[int, int] | None = None) -> dict[str, Any]:
    physical: dict[str, Any] = {
        "artifactLocation": {"uri": quote(path, safe="/"), "uriBaseId": "SRCROOT"},
    }
    if lines:
        physical["region"] = {"startLine": lines[0], "endLine": lines[1]}
    return {"physicalLocation": physical}


def _where(place: Place) -> str:
    return f"{place.host}/{place.repo_name}: {place.path}"


def _versions(versions: tuple[str, ...]) -> str:
    return ", ".join(versions) or "the corpus"
