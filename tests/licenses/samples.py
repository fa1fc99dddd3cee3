"""Sample texts for the tests of licence recognition, and what counts as permissive there."""

from __future__ import annotations

import functools
import json
import lzma
from pathlib import Path
from typing import Any

from stack_data.licenses import expressions
from stack_data.licenses.templates import plain
from stack_data.licenses.texts import find_texts
from stack_data.tables import load_table

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

ISC = """ISC License

Copyright (c) 2019, Jane Doe

Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby
granted, provided that the above copyright notice and this permission notice appear in all copies.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS SOFTWARE INCLUDING
ALL IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL,
DIRECT, INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS,
WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE
USE OR PERFORMANCE OF THIS SOFTWARE.
"""


@functools.cache
def _licenses() -> dict[str, Any]:
    return {entry["id"]: entry for entry in load_table("spdx_licenses")["licenses"]}


def spdx_text(identifier: str) -> str:
    """Return a listed licence's text, every variable part as in the original."""
    return plain(_licenses()[identifier]["template"])


def license_ids() -> list[str]:
    """Return the identifiers of all listed licences."""
    return sorted(_licenses())


@functools.cache
def permissive_ids() -> frozenset[str]:
    """Return the identifiers of the tiers that are allowed by default."""
    tiers = load_table("blueoak_v15")["tiers"]
    return frozenset(i for tier in tiers if tier["name"] != "Lead" for i in tier["ids"] if i in _licenses())


def is_permissive(text: str) -> bool:
    """Tell whether everything in a file is known and allowed by default; scoped parts count too."""
    found = [one.expression for one in find_texts(text).evidence]
    licenses = [one for one in found if one is None or not expressions.is_exception(one)]
    return bool(licenses) and all(
        one is not None and expressions.is_permissive(one, permissive_ids().__contains__) for one in licenses
    )


def real_files() -> list[dict[str, Any]]:
    """Return the licence files of published packages with what was read in them by review."""
    path = Path(__file__).parent / "data" / "real.json.xz"
    files: list[dict[str, Any]] = json.loads(lzma.decompress(path.read_bytes()))["files"]
    return files
