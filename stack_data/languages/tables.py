"""Reads the tables of this package from stack_data/tables/, once per process and only when first asked for.

The tables are gzipped JSON made by dev/regenerate_languages.py; each names its origin, version and licence.
"""

from __future__ import annotations

import gzip
import json
from functools import cache
from importlib import resources
from typing import Any


@cache
def read_table(name: str) -> dict[str, Any]:
    """Return the table `name` (for example "linguist_languages") as plain JSON values."""
    packed = resources.files("stack_data").joinpath("tables", f"{name}.json.gz").read_bytes()
    table: dict[str, Any] = json.loads(gzip.decompress(packed))
    return table
