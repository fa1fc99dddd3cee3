"""Whole files: texts, what stands around them, and what must stay unknown."""

from __future__ import annotations

import pytest

from stack_data.licenses.texts import find_texts

MIT = """The MIT License (MIT)

Copyright (c) 2020 Jane Doe

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without
limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the
Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions
of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED
TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL
THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF
CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER
DEALINGS IN THE SOFTWARE.
"""


def expressions(text: str) -> set[str | None]:
    return {found.expression for found in find_texts(text).evidence}


def test_the_mit_text_with_title_and_copyright_is_mit() -> None:
    assert expressions(MIT) == {"MIT"}


@pytest.mark.parametrize(
    "rider",
    [
        "The Software shall be used for Good, not Evil.",
        "Commercial use prohibited.",
        "No military use.",
        "Only for internal evaluation.",
    ],
)
@pytest.mark.parametrize("place", ["before", "copyright", "inside", "after"])
def test_a_rider_makes_the_file_unknown_wherever_it_stands(rider: str, place: str) -> None:
    changed = {
        "before": f"{rider}\n\n{MIT}",
        "copyright": MIT.replace("Jane Doe", f"Jane Doe. {rider}"),
        "inside": MIT.replace("of the Software.\n\nTHE", f"of the Software. {rider}\n\nTHE"),
        "after": f"{MIT}\n{rider}\n",
    }[place]
    assert None in expressions(changed)
