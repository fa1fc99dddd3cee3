"""What kind of evidence a file is by its path, and what each kind may say."""

from __future__ import annotations

import pytest

from stack_data.licenses.files import kind_of
from stack_data.licenses.reading import evidence_of
from tests.licenses.samples import ISC, MIT, spdx_text


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("LICENSE", "license"),
        ("LICENSE.md", "license"),
        ("docs/LICENSE", "license"),
        ("docs/LICENSE.txt", "license"),
        ("docs/license.rst", "page"),
        ("a/doc/html/copyright.html", "page"),
        ("LICENSES/MIT.md", "license"),
        ("NOTICE", "notice"),
        ("README.md", "readme"),
        ("license.py", None),
        ("src/main.c", None),
    ],
)
def test_the_name_and_the_folder_tell_the_kind(path: str, kind: str | None) -> None:
    assert kind_of(path) == kind


def page(text: str) -> list[str | None]:
    return [one.expression for one in evidence_of("docs/license.rst", text, "page", {})]


def test_a_page_may_tell_about_licences() -> None:
    told = "License\n=======\n\nPlug-ins that link the library may be under the GPL-3.0, and must not hide it.\n"
    assert page(told) == []
    assert [one.expression for one in evidence_of("LICENSE", told, "license", {})] != []


def test_a_text_on_a_page_counts() -> None:
    assert page(f"License\n=======\n\n{MIT}") == ["MIT"]
    assert page(spdx_text("GPL-2.0-only")) == ["GPL-2.0-only"]


def test_what_a_page_says_of_the_documentation_counts() -> None:
    assert page("<p>The documentation is licensed under <a href='x'>CC-BY-SA-4.0</a>.</p>\n") == [
        "LicenseRef-CC-restricted"
    ]


def test_a_licence_file_that_nothing_explains_is_unknown_and_a_notice_is_no_evidence() -> None:
    text = "You may use this on Sundays only, and never sell it.\n"
    (unknown,) = evidence_of("LICENSE", text, "license", {})
    assert unknown.expression is None
    assert evidence_of("NOTICE", text, "notice", {}) == []
    assert [one.expression for one in evidence_of("NOTICE", ISC, "notice", {})] == ["ISC"]


@pytest.mark.parametrize(
    "section",
    ["Free for non-commercial use only", "Licensed MIT. You may not use this code for AI training."],
)
def test_what_a_readme_says_under_its_licence_heading_narrows(section: str) -> None:
    found = evidence_of("README.md", f"# Foo\n\n## License\n\n{section}\n\n## Use\n\nRun it.\n", "readme", {})
    assert any(one.expression is None for one in found)
    assert evidence_of("README.md", f"# Foo\n\n## Use\n\n{section}\n", "readme", {}) == []
