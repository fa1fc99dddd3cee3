"""`data similar`: which files of a release a given file is a near duplicate of.

`ReleaseIndex` reads a release once and answers any number of questions: candidates from datasketch's MinHashLSH over our
signatures, each then compared exactly. It needs nothing but the release's data/ folder, wherever it was copied to.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from stack_data import storage
from stack_data.config import NearConfig
from stack_data.errors import InputError
from stack_data.near import jaccard
from stack_data.near.bands import Banding
from stack_data.near.shingles import Signed, permutations, sign
from stack_data.near.sketches import make_index, to_lean
from stack_data.reasons import Reason
from stack_data.text import text_of

_COLUMNS = ["content_id", "host", "repo_name", "path", "language", "detected_licenses"]


@dataclass(frozen=True, slots=True)
class Similar:
    """A released file that a text is near to. similarity: exact Jaccard similarity of their shingle sets."""

    similarity: float
    content_id: str
    host: str
    repo_name: str
    path: str
    language: str
    detected_licenses: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the answer as plain JSON values."""
        return asdict(self)


class ReleaseIndex:
    """The near-duplicate index of a release. Memory: about 3 kB per file, contents are read again when compared."""

    def __init__(self, release: Path, config: NearConfig | None = None) -> None:
        self.config = config or NearConfig()
        self.using = permutations(self.config.permutations, self.config.seed)
        self.files = sorted((release / "data").glob("*/*.parquet"))
        if not self.files:
            raise InputError(f"{release} is no release: it has no data/<language>/*.parquet")
        keys: list[str] = []
        signatures = [np.empty((0, len(self.using)), np.uint32)]
        for number, path in enumerate(self.files):
            for group, rows in enumerate(storage.read_row_groups(path, ["content"])):
                signed = sign(rows["content"].combine_chunks(), self.using)
                enough = np.flatnonzero(signed.counts >= self.config.min_shingles)
                keys += [f"{number}/{group}/{row}" for row in enough.tolist()]
                signatures.append(signed.signatures[enough])
        self.banding = Banding(self.config.bands, self.config.rows, self.config.threshold)
        self.index = make_index(keys, np.concatenate(signatures), self.using, self.banding)

    def query(self, text: str) -> list[Similar]:
        """Return the released files that a text is a near duplicate of, the most similar first."""
        signed = sign(pa.array([text], pa.large_string()), self.using)
        if signed.counts[0] < self.config.min_shingles:
            return []
        by_group: dict[tuple[int, int], list[int]] = {}
        for key in self.index.query(to_lean(signed.signatures[0], self.using)):
            number, group, row = map(int, key.split("/"))
            by_group.setdefault((number, group), []).append(row)
        found = [one for place, rows in by_group.items() for one in self._compare(signed, *place, sorted(rows))]
        return sorted(found, key=lambda one: (-one.similarity, one.content_id))

    def _compare(self, signed: Signed, number: int, group: int, rows: list[int]) -> list[Similar]:
        table = storage.read_row_group(self.files[number], group, [*_COLUMNS, "content"]).take(pa.array(rows))
        others = sign(table["content"].combine_chunks(), self.using)
        hashes = np.concatenate([signed.hashes, others.hashes])
        ends = np.cumsum(np.concatenate([signed.counts, others.counts]).astype(np.int64))
        begins = np.concatenate([[0], ends[:-1]])
        second = np.arange(1, len(rows) + 1)
        shared = jaccard.shared(hashes, begins, ends, np.zeros(len(rows), np.int64), second)
        similarity = shared / (signed.counts[0] + others.counts - shared)
        return [
            Similar(round(float(value), 4), **{name: _plain(row[name]) for name in _COLUMNS})
            for value, row in zip(similarity, table.to_pylist(), strict=True)
            if value >= self.config.threshold
        ]


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def similar(release: Path, file: Path) -> list[Similar]:
    """Return the files of a release that a file is a near duplicate of; InputError when either cannot be read."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error
    text = text_of(content)
    if isinstance(text, Reason):
        raise InputError(f"{file} is no text: {text.meaning}")
    return ReleaseIndex(release).query(text)
