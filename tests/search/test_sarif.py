"""SARIF logs have what the format requires, and fingerprints that do not depend on where a finding stands."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest

from stack_data.search.checkout import File
from stack_data.search.files_lookup import find
from stack_data.search.query import match
from stack_data.search.sarif import RULES, SCHEMA, sarif
from stack_data.search.scan import Scan, scan
from tests.leaving import code
from tests.search.published import published

NAMES = ("a.py", "sp ace/\u00fc#1%?.py", "c.bin")


@pytest.fixture(scope="module")
def done() -> Scan:
    index = published()
    texts = (code("util"), "x = 1\n" + code("util"))
    files = [File(name, len(text), text.encode(), text, None) for name, text in zip(NAMES, texts, strict=False)]
    from stack_data.reasons import Reason

    files.append(File(NAMES[2], 2, b"\0\1", None, Reason.BINARY))
    return scan(index, "x", files, match, lambda ids: find(index, ids))


@pytest.fixture(scope="module")
def log(done: Scan) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(json.dumps(sarif(done, "1.2.3")))
    return value


def test_a_log_has_what_the_format_requires(log: dict[str, Any]) -> None:
    assert log["version"] == "2.1.0"
    assert log["$schema"] == SCHEMA
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "FairStack" and driver["version"] == "1.2.3"
    assert len({one["id"] for one in driver["rules"]}) == len(RULES)
    for result in run["results"]:
        assert result["message"]["text"]
        assert result["level"] in ("none", "note", "warning", "error")
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        for location in result["locations"]:
            _check(location["physicalLocation"], run)
    for invocation in run["invocations"]:
        assert invocation["executionSuccessful"] is True
        for told in invocation["toolExecutionNotifications"]:
            assert told["message"]["text"] and told["level"] in ("none", "note", "warning", "error")


def _check(physical: dict[str, Any], run: dict[str, Any]) -> None:
    uri = physical["artifactLocation"]["uri"]
    assert re.fullmatch(r"[A-Za-z0-9._~/%-]+", uri) and not uri.startswith("/")
    assert unquote(uri) in NAMES
    assert physical["artifactLocation"]["uriBaseId"] in run["originalUriBaseIds"]
    region = physical.get("region")
    assert region is None or 1 <= region["startLine"] <= region["endLine"]


def test_each_finding_is_a_result_with_its_places_and_licence(log: dict[str, Any]) -> None:
    results = log["runs"][0]["results"]
    assert [one["ruleId"] for one in results] == ["fairstack/identical", "fairstack/exact"]
    assert "region" not in results[0]["locations"][0]["physicalLocation"]
    assert results[1]["locations"][0]["physicalLocation"]["region"]["startLine"] == 2
    for one in results:
        assert "github.com/Jane/Lib: util.py" in one["message"]["text"] or "john/tool" in one["message"]["text"]
        assert one["properties"]["license"] == "MIT"
        assert len(one["properties"]["provenances"]) == 2
    assert log["runs"][0]["properties"]["searched"][0]["release"] == "corpus 1.0.0"


def test_skipped_files_are_notifications(log: dict[str, Any]) -> None:
    (told,) = log["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    assert "binary" in told["message"]["text"]


def test_a_finding_is_recognised_after_it_moved(done: Scan) -> None:
    (found,) = (one for one in done.files if one.matches)
    moved = replace(
        found, path="elsewhere.py", matches=tuple(replace(one, query_lines=(90, 99)) for one in found.matches)
    )
    both = [
        sarif(replace(done, files=(one,)), "1")["runs"][0]["results"][0]["partialFingerprints"]
        for one in (found, moved)
    ]
    assert both[0] == both[1]
    other = replace(found, matches=tuple(replace(one, kind="renamed") for one in found.matches))
    assert sarif(replace(done, files=(other,)), "1")["runs"][0]["results"][0]["partialFingerprints"] != both[0]


def test_a_stretch_of_a_match_of_the_same_content_is_no_result_of_its_own(done: Scan) -> None:
    (found,) = (one for one in done.files if one.matches)
    (match_,) = found.matches
    whole = replace(match_, kind="renamed", query_span=(0, 90), source_span=(100, 190))
    inside = replace(match_, query_span=(10, 40), source_span=(110, 140))
    elsewhere = replace(inside, source_span=(300, 330))
    other = replace(inside, content_id="0" * 40)
    given = replace(found, matches=(whole, inside, elsewhere, other))
    results = sarif(replace(done, files=(given,)), "1")["runs"][0]["results"]
    assert [(one["properties"]["querySpan"], one["properties"]["sourceSpan"]) for one in results] == [
        ([0, 90], [100, 190]), ([10, 40], [300, 330]), ([10, 40], [110, 140]),
    ]  # fmt: skip
