"""Notices in running text, each with the words people really write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack_data.config import LicenseConfig
from stack_data.licenses.notices import field_expression, notice_in
from stack_data.licenses.policy import policy_of

GPL_NOTICE = """ * This program is free software; you can redistribute it and/or modify
 * it under the terms of the GNU General Public License as published by
 * the Free Software Foundation; either version {version} of the License{later}"""

KNOWN = {
    '# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file': "Apache-2.0",
    GPL_NOTICE.format(version=2, later=", or\n * (at your option) any later version."): "GPL-2.0-or-later",
    GPL_NOTICE.format(version=3, later="."): "GPL-3.0-only",
    "it under the terms of version 2.1 of the GNU Lesser General Public License": "LGPL-2.1-only",
    "released under the GPLv3+": "GPL-3.0-or-later",
    "Licensed under the AGPL": "AGPL-3.0-only",
    "// Use of this source code is governed by a BSD-style license": "LicenseRef-family-BSD",
    "dual licensed under the terms of the Apache License, Version 2.0, and the MIT License": "Apache-2.0 OR MIT",
    "Licensed under the MIT license or the GPL version 2 at your option.": "GPL-2.0-only OR MIT",
    "Licensed under MIT. Portions are distributed under the LGPL.": "LGPL-2.0-or-later AND MIT",
    "Part of the LLVM Project, under the Apache License v2.0 with LLVM Exceptions": "Apache-2.0 WITH LLVM-exception",
    "Distributed under the Boost Software License, Version 1.0.": "BSL-1.0",
    "MIT Licensed": "MIT",
    "This file is subject to the terms of the Eclipse Public License 2.0": "EPL-2.0",
    "licensed under CC BY-NC-SA 4.0": "LicenseRef-CC-restricted",
}


@pytest.mark.parametrize("text", KNOWN)
def test_a_grant_names_its_licence(text: str) -> None:
    notice = notice_in(text)
    assert notice is not None
    assert notice.expression == KNOWN[text]


UNKNOWN = [
    'Licensed under the Apache License, Version 2.0 (the "Apache License") with the following modification; you may',
    "Licensed under the MIT license. Non-commercial use only.",
    "Released under the Foo Corp license, version 3",
    "Licensed under the BSD license with the Commons Clause",
    "Licensed under the MIT license, for research purposes only",
]


@pytest.mark.parametrize("text", UNKNOWN)
def test_a_narrowed_or_unnamed_grant_is_unknown(text: str) -> None:
    notice = notice_in(text)
    assert notice is not None
    assert notice.expression is None
    assert notice.detail


SILENT = [
    "# Copyright 2020 Foo. All rights reserved.",
    "This code parses the output of GPL tools and is not GPL.",
    "See the LICENSE file in the root directory of this source tree.",
    "Licensed to PSF under a Contributor Agreement.",
    "permission bits of a directory",
    "",
]


@pytest.mark.parametrize("text", SILENT)
def test_other_words_say_nothing(text: str) -> None:
    assert notice_in(text) is None


def test_proprietary_words_beside_a_copyright_are_a_licence() -> None:
    notice = notice_in(
        "Copyright Foo. Any use of this software without an express license agreement is strictly prohibited."
    )
    assert notice is not None
    assert notice.expression == "LicenseRef-proprietary"


@pytest.mark.parametrize(
    ("value", "expression"),
    [
        ("MIT", "MIT"), ("GPL v2", "GPL-2.0-only"), ("Dual BSD/GPL", "GPL-1.0-or-later OR LicenseRef-family-BSD"),
        ("BSD, see LICENSE for more details.", "LicenseRef-family-BSD"), ("see LICENSE", None), ("", None),
    ],
)  # fmt: skip
def test_fields(value: str, expression: str | None) -> None:
    notice = field_expression(value)
    assert (notice.expression if notice else None) == expression


COPYLEFT = [text for text, expression in KNOWN.items() if "GPL" in expression and " OR " not in expression]


@given(
    st.sampled_from(COPYLEFT),
    st.text(alphabet="abc xyz.\n*#", max_size=800),
    st.text(alphabet="abc xyz.\n", max_size=800),
)
def test_copyleft_is_never_read_as_permissive(notice: str, before: str, after: str) -> None:
    found = notice_in(f"{before}\n{notice}\n{after}")
    assert found is not None
    assert not policy_of(LicenseConfig()).is_permissive(found.expression)


@given(st.text(max_size=300))
def test_any_text_is_read_without_error(text: str) -> None:
    notice_in(text)
    field_expression(text)


RESTRICTED = [
    "Not for commercial use.",
    "For non-commercial use only",
    "For evaluation only; redistribution prohibited.",
    "Academic use only.",
    "All use subject to the Foo EULA",
    "Business Source License 1.1",
    "You may use this for personal use.",
    "This code may not be used to train machine learning models.",
]


@pytest.mark.parametrize("text", RESTRICTED)
def test_a_restriction_needs_no_licence_beside_it(text: str) -> None:
    notice = notice_in(text)
    assert notice is not None
    assert not policy_of(LicenseConfig()).is_permissive(notice.expression)


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("GPL v2 licensed", "GPL-2.0-only"),
        ("/*! foo v1 | (c) Bar | GPL licensed */", "GPL-1.0-or-later"),
        ("This file is part of Foo, which is GPL.", "GPL-1.0-or-later"),
        ("This is LGPL-2.1 licensed code", "LGPL-2.1-only"),
    ],
)
def test_a_licence_can_state_itself(text: str, expression: str) -> None:
    notice = notice_in(text)
    assert notice is not None
    assert notice.expression == expression


@pytest.mark.parametrize(
    "text",
    [
        "This licence is GPL-compatible.",
        "for internal use only",
        "These figures are used for evaluation only",
        "free for personal and commercial use",
        "This layer must not be used in training mode",
    ],
)
def test_what_only_sounds_like_a_restriction_says_nothing(text: str) -> None:
    assert notice_in(text) is None


def test_a_field_that_restricts_is_not_permissive() -> None:
    notice = field_expression("free for research")
    assert notice is not None
    assert not policy_of(LicenseConfig()).is_permissive(notice.expression)
