"""Licence files of published packages, with what was read in them by review."""

from __future__ import annotations

from typing import Any

import pytest

from stack_data.licenses import expressions
from stack_data.licenses.evidence import Evidence
from stack_data.licenses.texts import find_texts
from tests.licenses.samples import is_permissive, license_ids, permissive_ids, real_files, spdx_text


def told(evidence: list[Evidence]) -> list[str]:
    return sorted({one.expression or "unknown" for one in evidence})


@pytest.mark.parametrize("file", real_files(), ids=lambda file: str(file["origin"]))
def test_a_real_file_is_read_as_a_person_reads_it(file: dict[str, Any]) -> None:
    found = find_texts(file["text"]).evidence
    assert told([one for one in found if not one.files]) == file["expressions"]
    assert told([one for one in found if one.files]) == file["scoped"]


def test_the_sample_is_large_and_mixed() -> None:
    files = real_files()
    assert len(files) >= 60
    assert sum(len(file["expressions"]) + len(file["scoped"]) > 1 for file in files) >= 25


@pytest.mark.parametrize("identifier", sorted(permissive_ids()))
def test_every_allowed_text_of_the_list_is_recognised_as_itself(identifier: str) -> None:
    found = [one.expression for one in find_texts(spdx_text(identifier)).evidence]
    assert None not in found
    assert {identifier, expressions.parse(identifier)}.intersection(found), found
    allowed = {*permissive_ids(), "Net-SNMP"}
    assert all(one in allowed or expressions.is_permissive(str(one), allowed.__contains__) for one in found)


def test_no_text_of_the_list_that_is_not_allowed_is_read_as_allowed() -> None:
    allowed = set(permissive_ids())
    equal = {"Nunit": "zlib-acknowledgement", "StandardML-NJ": "SMLNJ"}
    wrong = [name for name in license_ids() if name not in {*allowed, *equal} and is_permissive(spdx_text(name))]
    assert wrong == ["Python-2.0.1"] or wrong == []
