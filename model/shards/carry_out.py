"""The part of a drop that changes what is on the disk: marks, tokens, tables, and the record of it.

Reads drops/pending.json and drops/staged/ (model/shards/drop.py made them). Every step may be done again, so a drop that was killed is
simply carried out once more. Marks and tokens are written in place: whoever has the shards mapped sees it, the bytes on the disk are
the ones overwritten, and no space is needed.
"""

from __future__ import annotations

import mmap
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.shards import drop_records
from model.shards.drop_records import DropRecord
from model.shards.tables import (
    DOCUMENTS,
    DOCUMENTS_FILE,
    DROPPED_FILE,
    DROPS,
    MANIFEST,
    PLACES_FILE,
    read_table,
    tokens_file,
)
from stack_data import manifest, storage

STAGED = "staged"
"""The folder below drops/ in which tables wait to take the place of those that are there."""
GONE = 1
"""The mark of a dropped document."""
_BLOCK = bytes(1 << 20)


def go_on(folder: Path) -> DropRecord | None:
    """Carry out a drop that was stopped; clear away what one left that had decided nothing."""
    pending = drop_records.read_pending(folder)
    if pending is not None:
        return carry_out(folder, pending)
    shutil.rmtree(folder / DROPS / STAGED, ignore_errors=True)
    return None


def carry_out(folder: Path, planned: DropRecord) -> DropRecord:
    """Do what was planned, or the rest of it, and return the record of it. StorageError when the disk refuses."""
    done = drop_records.records(folder)
    record = next((one for one in done if one.number == planned.number), None)
    if record is None:
        files = _overwrite(folder, np.array(planned.documents, np.int64))
        for name in (DOCUMENTS_FILE, PLACES_FILE):
            _replace(folder / DROPS / STAGED / name, folder / name)
        touched = [*files, DROPPED_FILE, DOCUMENTS_FILE, PLACES_FILE] if planned.num_places else []
        before = drop_records.current(manifest.read(folder / MANIFEST), done)
        after = {name: storage.sha256_file(folder / name) for name in touched}
        record = replace(
            planned, files={name: (before[name], now) for name, now in after.items() if now != before[name]}
        )
        drop_records.write(folder, record)
    drop_records.end_pending(folder)
    shutil.rmtree(folder / DROPS / STAGED, ignore_errors=True)
    return record


def _replace(staged: Path, target: Path) -> None:
    if not staged.exists():
        return
    try:
        staged.rename(target)
        storage.sync_folder(target.parent)
    except OSError as error:
        raise storage.refused(target, error) from error


def _overwrite(folder: Path, documents: npt.NDArray[np.int64]) -> list[str]:
    """Mark documents as dropped, then write zeros over their tokens; return the files of tokens that hold any."""
    if not len(documents):
        return []
    # The mark first: who reads on meanwhile must never take zeros for tokens.
    _fill(folder / DROPPED_FILE, [(one, one + 1) for one in documents.tolist()], bytes([GONE]))
    columns = read_table(folder / DOCUMENTS_FILE, DOCUMENTS)
    width = np.dtype(manifest.read(folder / MANIFEST).plan["config"]["dtype"]).itemsize
    file, offset, count = (
        columns[name].to_numpy()[documents].astype(np.int64) for name in ("file", "offset", "num_tokens")
    )
    numbers = np.unique(file[count > 0]).tolist()
    for number in numbers:
        rows = np.flatnonzero((file == number) & (count > 0))
        begins, ends = offset[rows] * width, (offset[rows] + count[rows]) * width
        _fill(folder / tokens_file(number), list(zip(begins.tolist(), ends.tolist(), strict=True)), _BLOCK)
    return [tokens_file(number) for number in numbers]


def _fill(path: Path, spans: Sequence[tuple[int, int]], block: bytes) -> None:
    """Write a block again and again over spans of bytes of a file, in place, onto the disk."""
    try:
        with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
            for begin, end in spans:
                for at in range(begin, end, len(block)):
                    size = min(len(block), end - at)
                    mapped[at : at + size] = block[:size]
            mapped.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise storage.refused(path, error) from error
