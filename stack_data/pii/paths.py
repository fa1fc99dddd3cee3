"""`data pii`: what the builder would replace in single files. No build is needed; folders are walked."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from stack_data.config import PiiConfig
from stack_data.inspect import read_text
from stack_data.sources.folders import list_tree
from stack_data.stages.pii import spans_of

_BATCH = 64


def findings_of_paths(paths: Sequence[str], config: PiiConfig) -> Iterator[dict[str, Any]]:
    """Yield {"path", "findings": [{"kind", "start", "end"}]} for each file, byte offsets into its text in UTF-8.

    A file without a text (binary, too large) has no findings; InputError when a path cannot be read.
    """
    files = _files(paths)
    while batch := list(itertools.islice(files, _BATCH)):
        read = [read_text(path) for _, path in batch]
        texts = pa.array([text if isinstance(text, str) else None for text in read], pa.large_string())
        found = spans_of(texts, config)
        for row, (shown, _) in enumerate(batch):
            yield {"path": shown, "findings": [span._asdict() for span in found.get(row, ())]}


def _files(paths: Sequence[str]) -> Iterator[tuple[str, Path]]:
    for given in paths:
        path = Path(given)
        if path.is_dir():
            for listed in list_tree(given, lambda name: name.endswith(".git/")):
                if listed.reason is None:
                    yield f"{given.rstrip('/')}/{listed.path}", path / listed.path
        else:
            yield given, path
