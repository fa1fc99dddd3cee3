"""The data tables: compressed JSON files made by the scripts dev/regenerate_*.py, and TOML files kept by hand.

Every table states its origin, version and licence under the key `about`. Tables are read when first needed.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
import lzma
import tomllib
from importlib import resources
from typing import Any


def load_table(name: str) -> Any:
    """Return the JSON value of `<name>.json.xz` or `.json.gz`, or the table of `<name>.toml`."""
    folder = resources.files(__name__)
    for suffix, opener in ((".json.xz", lzma.decompress), (".json.gz", gzip.decompress)):
        path = folder / f"{name}{suffix}"
        if path.is_file():
            return json.loads(opener(path.read_bytes()))
    return tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))


LICENSE_TABLES = ("blueoak_", "license_", "spdx_")
LANGUAGE_TABLES = ("linguist_",)
FILTER_TABLES = ("filters",)
SIGNAL_TABLES = ("opt_out_signals",)


@functools.cache
def tables_version(prefixes: tuple[str, ...]) -> int:
    """Return a number that changes with the bytes of any table whose name begins with one of the prefixes."""
    digest = hashlib.sha256()
    for file in sorted(resources.files(__name__).iterdir(), key=lambda file: file.name):
        if file.name.startswith(prefixes):
            digest.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return int.from_bytes(digest.digest()[:6])
