"""Declared licences of package manifests."""

from __future__ import annotations

import json

import pytest

from stack_data.licenses.metadata import declared

CASES = [
    ("pyproject.toml", '[project]\nlicense = "MIT"\n', ["MIT"]),
    ("pyproject.toml", '[project]\nlicense = {text = "Apache-2.0"}\n', ["Apache-2.0"]),
    ("pyproject.toml", '[project]\nlicense = {file = "LICENSE"}\n', []),
    ("pyproject.toml", '[tool.poetry]\nlicense = "GPL-3.0-or-later"\n', ["GPL-3.0-or-later"]),
    ("pyproject.toml", '[project]\nclassifiers = ["License :: OSI Approved :: MIT License"]\n', ["MIT"]),
    ("pyproject.toml", '[project]\nlicense = "Custom Terms of Foo"\n', [None]),
    ("pyproject.toml", "not toml [", []),
    (
        "setup.cfg",
        "[metadata]\nlicense = BSD 3-Clause\nclassifiers =\n  License :: OSI Approved :: BSD License\n",
        ["BSD-3-Clause"],
    ),
    (
        "setup.py",
        "setup(name='x', license='GPLv3', classifiers=['License :: OSI Approved :: MIT License'])",
        ["GPL-3.0-only", "MIT"],
    ),
    (
        "PKG-INFO",
        "Name: x\nLicense: UNKNOWN\nClassifier: License :: OSI Approved :: Apache Software License\n",
        ["LicenseRef-family-Apache"],
    ),
    (
        "METADATA",
        "Name: x\nLicense-Expression: MIT OR Apache-2.0\nLicense: proprietary\n",
        ["MIT OR Apache-2.0"],
    ),
    (
        "METADATA",
        "Name: x\nLicense: BSD\nClassifier: License :: OSI Approved :: BSD License\n",
        ["LicenseRef-family-BSD"],
    ),
    ("package.json", json.dumps({"license": "ISC"}), ["ISC"]),
    ("package.json", json.dumps({"license": "UNLICENSED"}), ["LicenseRef-proprietary"]),
    ("package.json", json.dumps({"license": "SEE LICENSE IN LICENSE.md"}), []),
    (
        "package.json",
        json.dumps({"licenses": [{"type": "MIT"}, {"type": "GPL-2.0"}]}),
        ["MIT", "GPL-2.0-only"],
    ),
    ("package.json", json.dumps({"name": "x"}), []),
    ("package.json", "[]", []),
    ("Cargo.toml", '[package]\nlicense = "MIT/Apache-2.0"\n', ["MIT OR Apache-2.0"]),
    ("Cargo.toml", '[workspace.package]\nlicense = "MPL-2.0"\n', ["MPL-2.0"]),
    (
        "pom.xml",
        "<project><licenses><license><name>Apache License, Version 2.0</name></license></licenses></project>",
        ["Apache-2.0"],
    ),
    ("pom.xml", "<!DOCTYPE x [<!ENTITY a 'b'>]><project/>", []),
    ("composer.json", json.dumps({"license": ["MIT", "GPL-2.0-only"]}), ["MIT OR GPL-2.0-only"]),
    ("DESCRIPTION", "Package: x\nLicense: MIT + file LICENSE\n", ["MIT"]),
    ("DESCRIPTION", "Package: x\nLicense: GPL-2 | GPL-3\n", ["GPL-2.0-only OR GPL-3.0-only"]),
]


@pytest.mark.parametrize(("name", "text", "expected"), CASES)
def test_manifests(name: str, text: str, expected: list[str | None]) -> None:
    assert [one.expression for one in declared(f"a/{name}", text)] == expected


def test_a_proprietary_word_is_evidence_against() -> None:
    assert [one.expression for one in declared("METADATA", "Name: x\nLicense: NVIDIA Proprietary Software\n")] == [
        "LicenseRef-proprietary"
    ]


def test_an_unknown_statement_keeps_what_it_said() -> None:
    (one,) = declared("package.json", json.dumps({"license": "Fancy Terms"}))
    assert one.expression is None
    assert "Fancy Terms" in one.detail
