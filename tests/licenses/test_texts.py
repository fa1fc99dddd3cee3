"""Whole files: texts, what stands around them, and what must stay unknown."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack_data.config import LicenseConfig
from stack_data.licenses.policy import policy_of
from stack_data.licenses.texts import find_header_texts, find_texts, looks_like_license_text
from stack_data.licenses.tree import join_level
from tests.licenses.samples import ISC, MIT, is_permissive, permissive_ids, spdx_text


def expressions(text: str) -> set[str | None]:
    return {found.expression for found in find_texts(text).evidence}


def test_the_mit_text_with_title_and_copyright_is_mit() -> None:
    assert expressions(MIT) == {"MIT"}


def test_evidence_points_at_the_words_of_the_text_and_names_the_path() -> None:
    (found,) = find_texts(MIT, "sub/LICENSE").evidence
    assert MIT[found.start : found.end].startswith("Permission is hereby granted")
    assert MIT[found.start : found.end].endswith("DEALINGS IN THE SOFTWARE")
    assert (found.path, found.method, found.score) == ("sub/LICENSE", "text", 1.0)


def test_copyright_lines_are_returned_with_their_spans() -> None:
    (span,) = find_texts(MIT).copyrights
    assert MIT[slice(*span)] == "Copyright (c) 2020 Jane Doe"


def test_an_altered_text_is_unknown_and_says_where_it_differs() -> None:
    found = find_texts(MIT.replace("publish, distribute, ", "")).evidence[-1]
    assert found.expression is None
    assert found.detail == "nearest MIT: expected 'publish distribute sublicense', found 'sublicense and or'"


def test_two_texts_in_one_file_are_both_found() -> None:
    assert expressions(f"{MIT}\n\n-----\n\n{ISC}") == {"MIT", "ISC"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("This project is licensed under the MIT license.", {"MIT"}),
        ("Licensed under the Apache License, Version 2.0.", {"Apache-2.0"}),
        ("SPDX-License-Identifier: MIT OR Apache-2.0", {"MIT OR Apache-2.0"}),
        ("Licensed under either of\n\n * Apache License, Version 2.0\n * MIT license\n\nat your option.", {"Apache-2.0 OR MIT"}),
        ("This software is available under the terms of *either* of the licenses\nfound in LICENSE.APACHE or LICENSE.MIT.", {"Apache-2.0 OR MIT"}),
        ("Dual licensed under the MIT and GPL-3.0-only licenses.", {"GPL-3.0-only OR MIT"}),
    ],
)  # fmt: skip
def test_a_file_that_only_names_licences_refers_to_them(text: str, expected: set[str]) -> None:
    assert expressions(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "This software is released under the Acme Public License.",
        "Licensed under the terms of the Foo agreement.",
        "All rights are with Acme. Usage requires a contract.",
    ],
)
def test_an_unknown_licence_is_not_taken_for_none(text: str) -> None:
    assert expressions(text) == {None}


def test_a_choice_among_texts_joins_them_by_or() -> None:
    text = f"You may use this software under EITHER of the following licenses.\n\n{MIT}\n\n{ISC}"
    assert "ISC OR MIT" in expressions(text)


def test_a_title_that_contradicts_the_text_counts_as_well() -> None:
    assert expressions(MIT.replace("The MIT License (MIT)", "GNU General Public License v3")) == {
        "MIT",
        "GPL-3.0-only",
    }


def test_copyleft_that_deviates_a_little_is_called_by_its_name() -> None:
    text = spdx_text("GPL-2.0-only").replace(
        "offer you this license which gives you", "hand you this license that gives"
    )
    assert expressions(text) <= {"GPL-2.0-only", "GPL-2.0-or-later"}


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.upper(),
        lambda text: "\n".join(f" * {line}" for line in text.splitlines()),
        lambda text: "\n".join(f"# {line}" for line in text.splitlines()),
        lambda text: "\n".join(f"// {line}" for line in text.splitlines()),
        lambda text: "\n".join(f"dnl {line}" for line in text.splitlines()),
        lambda text: " ".join(text.split()),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace('"', "``").replace("(c)", "\u00a9"),
        lambda text: text.replace("merchantability".upper(), "MERCHANT-\nABILITY").replace("copies of", "cop-\nies of"),
        lambda text: "<html><body><p>" + text.replace("\n\n", "</p>\n<p>").replace('"', "&quot;") + "</p></body></html>",
        lambda text: text.replace("The MIT License (MIT)", "# MIT License"),
        lambda text: text.replace("sublicense", "sub-license").replace("NONINFRINGEMENT", "NON-INFRINGEMENT"),
        lambda text: text.replace("Permission", "1. Permission").replace("The above", "2. The above"),
        lambda text: text.replace("Permission", "**Permission**"),
        lambda text: text.replace("THE AUTHORS OR COPYRIGHT HOLDERS", "ACME LIMITED"),
        lambda text: text.replace("Jane Doe", "Will Grant <will@example.com>, May Law and contributors"),
        lambda text: text.replace("Jane Doe", "\u674e\u96f7"),
    ],
)  # fmt: skip
def test_layout_names_and_markup_do_not_change_the_verdict(change) -> None:  # type: ignore[no-untyped-def]
    assert expressions(change(MIT)) == {"MIT"}


def test_a_licence_text_in_a_header_comment_is_found() -> None:
    comment = "/*\n" + "\n".join(f" * {line}" for line in ISC.splitlines()) + "\n */"
    assert [found.expression for found in find_header_texts(comment).evidence] == ["ISC"]


def test_a_comment_without_a_grant_costs_nothing_and_says_nothing() -> None:
    assert find_header_texts("# Helpers for the MIT license parser.").evidence == ()


def test_the_prefilter_passes_every_permissive_text() -> None:
    missed = [name for name in permissive_ids() if not looks_like_license_text(spdx_text(name))]
    assert len(missed) < 12, missed


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=400))
def test_any_text_is_read_without_error_and_spans_lie_inside(text: str) -> None:
    for found in find_texts(text).evidence:
        assert 0 <= found.start <= found.end <= len(text)


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60), st.integers(0, 900))
def test_text_inserted_inside_is_never_read_as_mit_when_it_has_an_effect(inserted: str, place: int) -> None:
    changed = MIT[: 60 + place] + inserted + " not " + MIT[60 + place :]
    assert not is_permissive(changed) or "http" in inserted


def test_the_same_text_gives_the_same_answer() -> None:
    assert find_texts(MIT) == find_texts(str(MIT))


@pytest.mark.parametrize(
    "sentence",
    [
        "JSZip is dual licensed. At your choice you may use it under the MIT license *or* the GPLv3 license.",
        "You may use the project under the terms of either the MIT License or the GNU General Public License (GPL) Version 3.",
    ],
)
def test_a_choice_in_prose_is_a_choice(sentence: str) -> None:
    def permissive(text: str) -> bool:
        joined = join_level(find_texts(text).evidence)
        return not joined.unknown and policy_of(LicenseConfig()).is_permissive(joined.expression)

    texts = f"{MIT}\n\n{spdx_text('GPL-3.0-only')}"
    assert permissive(f"{sentence}\n\n{texts}")
    assert not permissive(f"{sentence} Never sell it.\n\n{texts}")
    assert not permissive(texts)
