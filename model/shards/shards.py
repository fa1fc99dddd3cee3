"""A folder of token shards, opened: the tokens of each document as a view of a mapped file, and what is said of it.

What drops did is seen at once by whoever has the folder open: tokens and marks are changed in place. The tables that name places are
read when the folder is opened. `open_shards` compares sizes with the manifest; hashes are `verify_shards`'s to compare.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from model.shards import drop_records
from model.shards.tables import (
    DOCUMENTS,
    DOCUMENTS_FILE,
    DROPPED_FILE,
    MANIFEST,
    RULE_VERSION,
    TOKENIZER,
    raw_ids,
    read_table,
    tokens_file,
)
from stack_data import manifest, storage
from stack_data.errors import InputError
from stack_data.manifest import Manifest


@dataclass(frozen=True)
class Shards:
    """D documents.

    columns      documents.arrow, see tables.DOCUMENTS
    num_tokens   int64[D]: as tokenized; a drop changes none
    is_dropped   bool[D], mapped
    content_ids  uint8[D, 20]
    releases     names with versions, by the numbers in the column `release`
    identity     SHA-256 of the manifest as it was made; drops leave it
    """

    folder: Path
    manifest: Manifest
    columns: pa.Table
    num_tokens: npt.NDArray[np.int64]
    is_dropped: npt.NDArray[np.bool_]
    content_ids: npt.NDArray[np.uint8]
    releases: tuple[str, ...]
    identity: str
    _files: tuple[npt.NDArray[Any], ...]
    _file: npt.NDArray[np.int64]
    _offset: npt.NDArray[np.int64]

    @property
    def num_documents(self) -> int:
        """How many documents there are, dropped ones included."""
        return len(self.num_tokens)

    def tokens(self, document: int) -> npt.NDArray[Any]:
        """Return the tokens of a document: a view, uint16 or uint32; zeros when it was dropped."""
        begin = self._offset[document]
        found: npt.NDArray[Any] = self._files[self._file[document]][begin : begin + self.num_tokens[document]]
        return found

    @property
    def tokenizer(self) -> Path:
        """The folder of the copy of the tokenizer."""
        return self.folder / TOKENIZER

    @cached_property
    def drops(self) -> tuple[drop_records.DropRecord, ...]:
        """What was dropped since the shards were made, in order."""
        return tuple(drop_records.records(self.folder))

    @cached_property
    def epochs(self) -> Mapping[str, int]:
        """{issuer: epoch} of the suppression lists that the shards follow, drops included."""
        return drop_records.epochs(self.manifest, self.drops)


def open_shards(folder: Path) -> Shards:
    """Open a folder of shards; InputError when it is none, is damaged, or a drop was stopped in it."""
    path = folder / MANIFEST
    if not path.exists():
        raise InputError(
            f"{folder} holds no token shards: it has no {MANIFEST}; make them with: fairstack model shards RELEASE.."
        )
    made = manifest.read(path)
    if made.plan.get("kind") != "shards":
        raise InputError(
            f"{folder} holds no token shards: its manifest is of kind {made.plan.get('kind')!r}; name what `fairstack model shards` made"
        )
    rules = made.plan.get("rules", {}).get("shards")
    if rules != RULE_VERSION:
        raise InputError(
            f"{folder} holds token shards of format {rules!r}, and this version reads {RULE_VERSION}; make them again in another folder: "
            "fairstack model shards RELEASE.."
        )
    if drop_records.is_pending(folder):
        raise InputError(f"{folder}: a drop was stopped in it; run it again: fairstack model drop {folder}")
    columns = read_table(folder / DOCUMENTS_FILE, DOCUMENTS)
    num_tokens, file, offset = (columns[name].to_numpy().astype(np.int64) for name in ("num_tokens", "file", "offset"))
    dropped = _mapped(folder / DROPPED_FILE, made.outputs[DROPPED_FILE].num_bytes, np.uint8).view(np.bool_)
    if len(dropped) != len(num_tokens):
        raise InputError(
            f"{folder / DROPPED_FILE} is damaged: it has {len(dropped)} marks for {len(num_tokens)} documents"
        )
    config = made.plan["config"]
    files = _token_files(folder, made, np.dtype(config["dtype"]).newbyteorder("<"))
    _check_ranges(folder, files, file, offset + num_tokens)
    return Shards(
        folder, made, columns, num_tokens, dropped, raw_ids(columns["content_id"]),
        tuple(f"{one['name']} {one['version']}" for one in config["releases"]), storage.sha256_file(path), files, file, offset,
    )  # fmt: skip


def _token_files(folder: Path, made: Manifest, dtype: np.dtype[Any]) -> tuple[npt.NDArray[Any], ...]:
    count = sum(name.startswith("tokens-") for name in made.outputs)
    return tuple(
        _mapped(folder / tokens_file(one), made.outputs[tokens_file(one)].num_bytes, dtype) for one in range(count)
    )


def _mapped(path: Path, num_bytes: int, dtype: Any) -> npt.NDArray[Any]:
    """Return a file as a read-only array; InputError unless it has as many bytes as the manifest says."""
    try:
        size = path.stat().st_size
        if size != num_bytes:
            raise InputError(
                f"{path} is damaged: it has {size:,} bytes, and the manifest says {num_bytes:,}; delete the folder and make the shards again"
            )
        return np.memmap(path, dtype, "r").view(np.ndarray) if size else np.empty(0, dtype)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}; delete the folder and make the shards again"
        ) from error


def _check_ranges(
    folder: Path, files: tuple[npt.NDArray[Any], ...], file: npt.NDArray[np.int64], end: npt.NDArray[np.int64]
) -> None:
    sizes = np.array([len(one) for one in files], np.int64)
    if len(file) and (file.max() >= len(sizes) or (end > sizes[file]).any()):
        raise InputError(
            f"{folder / DOCUMENTS_FILE} is damaged: it names tokens beyond the end of a file; delete the folder and make the shards again"
        )
