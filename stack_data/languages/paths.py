"""Whether a path says that a file is someone else's (vendored), documentation, or made by a program.

Reads the table linguist_paths: Linguist's patterns, joined into one RE2 pattern per question and run over the column of
paths. Paths are relative to the root of their repository or package and use `/`.

Licence decisions do not use these patterns; what counts as nested there is a list of its own (formats.md, section 2).
"""

from __future__ import annotations

from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from stack_data.languages.columns import either, path_column
from stack_data.languages.generated_rules import GENERATED_NAMES
from stack_data.languages.tables import read_table


@cache
def _pattern(kind: str) -> str:
    patterns: list[str] = read_table("linguist_paths")[kind]
    return either(patterns)


@cache
def _generated_pattern() -> str:
    return either([_pattern("generated"), *GENERATED_NAMES])


def is_vendored(paths: pa.Array) -> pa.BooleanArray:
    """Return which paths Linguist counts as code that was copied from elsewhere."""
    return pc.match_substring_regex(path_column(paths), _pattern("vendored"))


def is_documentation(paths: pa.Array) -> pa.BooleanArray:
    """Return which paths Linguist counts as documentation."""
    return pc.match_substring_regex(path_column(paths), _pattern("documentation"))


def is_generated_name(paths: pa.Array) -> pa.BooleanArray:
    """Return which paths alone say that a program wrote the file, such as lock files."""
    return pc.match_substring_regex(path_column(paths), _generated_pattern())


def endings_of(paths: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return the ending of each path's file name with its dot, null without one: string[N]."""
    return pc.struct_field(pc.extract_regex(paths, r"[^/.][^/]*?(?P<ending>\.[^./]+)$"), "ending")
