"""What a run has seen of each document: the first step, the last, how often; and what that means for contents that left later.

Saved with every checkpoint as `exposure.arrow`: document (its number in the shards, which never changes), content_id, first_step, last_step,
times; 40 bytes for each document that was seen at all. So `model exposure` answers from the checkpoint alone, also when the shards are
gone. Documents of the validation split are never trained on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from model.lineage import record
from stack_data import storage
from stack_data.errors import InputError

NAME = "exposure.arrow"
Steps = npt.NDArray[np.int32]


@dataclass(slots=True)
class Exposure:
    """Per document int32[D]: the first and last step that it was in (0: none) and in how many items (pieces) it was drawn."""

    first: Steps
    last: Steps
    times: Steps

    @classmethod
    def empty(cls, num_documents: int) -> Exposure:
        """Return that of a run that has not begun."""
        return cls(*(np.zeros(num_documents, np.int32) for _ in range(3)))

    def add(self, step: int, documents: npt.NDArray[np.int64]) -> None:
        """Count the items of a step by the documents they are of: a long document is drawn in pieces, each an item."""
        self.first[documents[self.first[documents] == 0]] = step
        self.last[documents] = step
        np.add.at(self.times, documents, 1)

    def write(self, path: Path, content_ids: npt.NDArray[np.uint8]) -> None:
        """Write the documents that were seen; content_ids uint8[D, 20]."""
        seen = np.flatnonzero(self.first)
        ids = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(20), len(seen), [None, pa.py_buffer(np.ascontiguousarray(content_ids[seen]).tobytes())]
        )
        counts = [pa.array(part[seen], pa.int32()) for part in (self.first, self.last, self.times)]
        columns = [pa.array(seen, pa.int64()), ids, *counts]
        table = pa.table(columns, names=["document", "content_id", "first_step", "last_step", "times"])
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)


def restored(path: Path, content_ids: npt.NDArray[np.uint8]) -> Exposure:
    """Return the exposure that a checkpoint saved, by the rows of the shards in use now; InputError when it is of others."""
    table = read(path)
    rows = table["document"].to_numpy()
    saved = b"".join(table["content_id"].to_pylist())
    if len(rows) and (rows.max() >= len(content_ids) or content_ids[rows].tobytes() != saved):
        raise InputError(f"{path} names documents that the shards do not have; the run was made with other data")
    made = Exposure.empty(len(content_ids))
    for part, name in ((made.first, "first_step"), (made.last, "last_step"), (made.times, "times")):
        part[rows] = table[name].to_numpy()
    return made


def read(path: Path) -> pa.Table:
    """Return the table of an exposure file; InputError when it is missing or damaged."""
    try:
        with pa.OSFile(str(path), "rb") as file:
            return pa.ipc.open_file(file).read_all()
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read: {storage.first_line(error)}") from error


@dataclass(frozen=True, slots=True)
class Seen:
    """What a checkpoint saw of one content that left. last_clean: the step of the last checkpoint before it was first seen; 0: none."""

    content_id: str
    first_step: int
    last_step: int
    times: int
    last_clean: int

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}


def exposure(checkpoint: Path, contents: Iterable[str]) -> list[Seen]:
    """Say what a checkpoint saw of contents (ids in hex), first seen first; those it never saw are left out."""
    saved = sorted(one["step"] for one in record.read(checkpoint)["checkpoints"])
    table = read(checkpoint / NAME)
    wanted = pa.array([bytes.fromhex(one) for one in contents], pa.binary(20))
    hit = table.filter(pc.is_in(table["content_id"], wanted))
    # The same content may stand in several releases, as several documents.
    joined = hit.group_by("content_id").aggregate([("first_step", "min"), ("last_step", "max"), ("times", "sum")])
    found = [_seen(row, saved) for row in joined.to_pylist()]
    return sorted(found, key=lambda one: (one.first_step, one.content_id))


def _seen(row: Mapping[str, Any], saved: list[int]) -> Seen:
    first = row["first_step_min"]
    clean = [step for step in saved if step < first]
    return Seen(row["content_id"].hex(), first, row["last_step_max"], row["times_sum"], clean[-1] if clean else 0)
