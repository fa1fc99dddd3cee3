"""What contents say about their own licence."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack_data.licenses.headers import evidence_in, leading_comments, speaking_rows

MIT_COMMENT = """/*
 * Copyright (c) 2020 Someone
 *
 * Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
 * documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
 * rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
 * persons to whom the Software is furnished to do so, subject to the following conditions:
 *
 * The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
 * Software.
 *
 * THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
 * WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
 * COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
 * OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
 */
int main(void) { return 0; }
"""

SAYS = {
    "# SPDX-License-Identifier: MIT\nx = 1\n": ["MIT"],
    "/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */\nint x;": ["GPL-2.0-only WITH Linux-syscall-note"],
    "<!-- SPDX-License-Identifier: Apache-2.0 -->\n<p>": ["Apache-2.0"],
    "x = 'SPDX-License-Identifier: %s'\n": [],
    "# SPDX-License-Identifier: NoSuchLicense\n": [None],
    "__license__ = 'GPLv3'\n": ["GPL-3.0-only"],
    'MODULE_LICENSE("GPL v2");': ["GPL-2.0-only"],
    "/*! @license MIT */\nfunction f(){}": ["MIT"],
    "// a\nint a;\n/* distributed under the terms of the GNU General Public\n * License version 2 */": ["GPL-2.0-only"],
    "import os\n\nx = 1\n": [],
    MIT_COMMENT: ["MIT"],
}


@pytest.mark.parametrize("text", SAYS)
def test_headers_tags_and_fields(text: str) -> None:
    assert list(dict.fromkeys(one.expression for one in evidence_in(text))) == SAYS[text]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("to use, copy, modify", "to use for non-commercial purposes, copy, modify"),
        ("free of charge, ", "for a fee, "),
        (" */\nint main", " * The Software shall be used for Good, not Evil.\n */\nint main"),
    ],
)
def test_an_altered_text_in_a_header_is_not_permissive(old: str, new: str) -> None:
    altered = MIT_COMMENT.replace(old, new)
    assert altered != MIT_COMMENT
    found = evidence_in(altered)
    assert found
    assert (
        any(one.expression is None or one.expression == "LicenseRef-proprietary" for one in found)
        or found[0].expression == "JSON"
    )


def test_comments_are_found_between_preamble_lines() -> None:
    text = "#!/bin/sh\n# one\n\n# two\nimport os\n'''three'''\nx = 1\n# four"
    assert [comment.strip() for _, comment in leading_comments(text)] == [
        "#!/bin/sh\n# one\n\n# two",
        "'''three'''",
    ]


def test_spans_lie_in_the_text() -> None:
    for text in SAYS:
        for one in evidence_in(text):
            assert 0 <= one.start < one.end <= len(text)


@given(st.lists(st.sampled_from([*SAYS, "x = 1\n", "", "plain text about licences\n"]), max_size=6))
def test_the_columnar_pass_misses_nothing(texts: list[str]) -> None:
    speaking = {row for row, _ in speaking_rows(pa.array(texts, pa.large_string()))}
    assert {row for row, text in enumerate(texts) if evidence_in(text)} <= speaking


@given(st.text(alphabet=st.characters(), max_size=400))
def test_any_text_is_read_without_error(text: str) -> None:
    evidence_in(text)
