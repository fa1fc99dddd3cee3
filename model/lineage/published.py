"""What a checkpoint states of the machine that it was made on: nothing. Paths become names without folders; URLs stay, without secrets.

A checkpoint is published, and a path tells user names and how a machine is laid out. Which data it was, its lineage says by identities; those,
and no paths, are what a run that goes on is compared by. The run's own config.json, which stays on the machine, has everything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

PATHS: Mapping[str, tuple[str, ...]] = {
    "data": ("releases", "shards", "tokenizer", "old_shards"), "optout": ("lists",), "run": ("folder",),
}  # fmt: skip
"""The settings of a run that name files or folders, by table."""

_ABSOLUTE = re.compile(r"(?:~|[A-Za-z]:)?[/\\].*[/\\]|~[^/\\]*[/\\]", re.DOTALL)


def configuration(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's configuration (as `ModelConfig.resolved` returns it) as a checkpoint states it."""
    told = dict(config)
    for table in PATHS.keys() & told.keys():
        named = told[table]
        told[table] = {key: _named(value) if key in PATHS[table] else value for key, value in named.items()}
    return told


def tokenizer_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tokenizer_config.json whose paths are names: transformers writes down where it read each file."""
    return {
        key: name(value) if isinstance(value, str) and _ABSOLUTE.match(value) else value
        for key, value in settings.items()
    }


def _named(value: Any) -> Any:
    return name(value) if isinstance(value, str) else [name(one) for one in value]


def name(location: str) -> str:
    """Return the last part of a path; a URL without what may be a secret in it: user, password, query."""
    if "://" in location:
        parts = urlsplit(location)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return re.split(r"[/\\]", location.rstrip("/\\"))[-1]
