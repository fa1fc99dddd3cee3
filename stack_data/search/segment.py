"""A segment of an index, opened: documents, places, repositories, texts and samples, all mapped, nothing copied.

segments/<number>/ never changes once it has its name, but for `tombstones`: uint8[P], 255 for a place that was removed (no single bit
that flips brings it back). Writers set it in the mapped file, so every process that has the segment open sees it at once; gone.py says
what it must be. What is opened is checked against its manifest: sizes of all files, and the sums of everything but texts, marks and
samples, which are checked page by page when they are read (pages.py).
"""

from __future__ import annotations

import hashlib
import mmap
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from stack_data import manifest, storage
from stack_data.errors import InputError
from stack_data.search import documents as tables
from stack_data.search.families import family_of
from stack_data.search.mark_store import MARKS, MarkStore
from stack_data.search.pages import PAGE, Bytes, Pages, Sums, map_file, num_pages
from stack_data.search.samples import SampleTable, file_name
from stack_data.search.text_store import BLOCKS, INDEX, TextStore
from stack_data.search.views import VIEWS

MANIFEST, SUMS, TOMBSTONES, SUPERSEDED = "manifest.json", "pages.sums", "tombstones", "superseded.i64"
SUMMED = (
    tables.DOCUMENTS_FILE, tables.PLACES_FILE, tables.REPOSITORIES_FILE, tables.REPOSITORY_PLACES_FILE, tables.HASHES_FILE,
    SUPERSEDED, INDEX,
    MARKS,    *(file_name(view) for view in VIEWS),
)  # fmt: skip
"""The files that pages.sums covers, in its order. texts.blocks has the sums of its blocks in texts.index."""
_CHECKED_LATER = {MARKS, *(file_name(view) for view in VIEWS)}
GONE = 255
ROW = 0xFFFFFFFF
"""The bits of a document's number that are its row; those above are its segment's."""
_FEW = 8
_FEW_VALUES = 4096
"""Values of a dictionary that are kept as Python objects."""
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(slots=True)
class _Files:
    """The files of a segment, mapped."""

    folder: Path
    listed: manifest.Manifest
    pages: dict[str, Pages] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path, sha256: str) -> _Files:
        path = folder / MANIFEST
        if storage.sha256_file(path) != sha256:
            raise InputError(
                f"{path} is damaged: the index names another one; delete index.json and build the index anew (removals stay)"
            )
        made = cls(folder, manifest.read(path))
        raw = made.mapped(SUMS)
        if hashlib.sha256(raw.data).hexdigest() != made.listed.outputs[SUMS].sha256:
            raise InputError(
                f"{folder / SUMS} is damaged: its bytes are not those of the manifest; delete index.json and build the index anew (removals stay)"
            )
        made._cut(raw.view(np.uint64))
        return made

    def mapped(self, name: str) -> Bytes:
        if name not in self.listed.outputs:
            raise InputError(
                f"{self.folder / MANIFEST} is damaged: it lists no {name}; delete index.json and build the index anew (removals stay)"
            )
        return map_file(self.folder / name, self.listed.outputs[name].num_bytes)

    def _cut(self, sums: Sums) -> None:
        at = 0
        for name in SUMMED:
            raw = self.mapped(name)
            count = num_pages(len(raw))
            self.pages[name] = Pages.of(self.folder / name, raw, sums[at : at + count])
            at += count
            if name not in _CHECKED_LATER:
                if len(self.pages[name].sums) != count:
                    raise self.pages[name].damaged()
                self.pages[name].check()
        if at != len(sums):
            raise InputError(
                f"{self.folder / SUMS} is damaged: it has {len(sums):,} sums for {at:,} pages of {PAGE} bytes"
            )

    def batch(self, name: str, schema: pa.Schema) -> pa.RecordBatch:
        """Return a mapped table."""
        path = self.folder / name
        try:
            # From the bytes whose sums were checked.
            with pa.ipc.open_file(pa.py_buffer(self.pages[name].raw)) as reader:
                batch = reader.get_batch(0)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{path} is damaged or no Arrow file: {storage.first_line(error)}") from error
        if not batch.schema.equals(schema):
            raise InputError(
                f"{path} has other columns than this version reads; delete index.json and build the index anew (removals stay)"
            )
        return batch


class Segment:
    """One segment. Rows of documents are numbered from 0; `number << 32 | row` names one in the whole index."""

    def __init__(self, folder: Path, sha256: str) -> None:
        """Map a segment whose manifest has this SHA-256; InputError when something of it is missing or damaged."""
        files = _Files.open(folder, sha256)
        self.folder, self.number, self.manifest = folder, int(folder.name), files.listed
        self.documents = files.batch(tables.DOCUMENTS_FILE, tables.DOCUMENTS)
        self.places = files.batch(tables.PLACES_FILE, tables.PLACES)
        self.repositories = files.batch(tables.REPOSITORIES_FILE, tables.REPOSITORIES)
        self.repository_places = files.pages[tables.REPOSITORY_PLACES_FILE].raw.view(np.uint32)
        self.hash_order = files.pages[tables.HASHES_FILE].raw.view(np.uint32)
        self.superseded = files.pages[SUPERSEDED].raw.view(np.int64)
        self.content_ids = tables.fixed(self.documents["content_id"])
        self.num_bytes = tables.numbers(self.documents["num_bytes"])
        begins = tables.numbers(self.documents["place_begin"])
        self.place_bounds = _Bounds(begins, self.places.num_rows)
        self.relations = tables.numbers(self.places["relation"].indices)
        counts = files.listed.counts
        count = self.documents.num_rows
        self.texts = TextStore(
            folder / BLOCKS, files.mapped(BLOCKS), files.pages[INDEX].raw, count, int(counts["blocks"])
        )
        self.marks = MarkStore(files.pages[MARKS], count)
        self.samples = {
            view.name: SampleTable(view, files.pages[file_name(view)], int(counts["samples"][view.name]), count)
            for view in VIEWS
        }
        self.tombstones = _map_tombstones(folder / TOMBSTONES, self.places.num_rows)
        self.hidden: Bytes = np.zeros(1, np.uint8)
        """uint8[P], 1 for places that a reader's suppression lists hide; of length 1 when there are none."""

    def __len__(self) -> int:
        return int(self.documents.num_rows)

    @cached_property
    def families(self) -> npt.NDArray[np.uint8]:
        """The families of the languages in the dictionary of documents."""
        return np.array([family_of(one or None) for one in self.documents["language"].dictionary.to_pylist()], np.uint8)

    @cached_property
    def _language_codes(self) -> npt.NDArray[Any]:
        """The places of documents' languages in their dictionary."""
        return tables.numbers(self.documents["language"].indices)

    def families_of(self, rows: Ints) -> npt.NDArray[np.uint8]:
        """Return what documents are lexed as: uint8[N]."""
        return np.asarray(self.families[self._language_codes[rows]])

    @cached_property
    def _place_columns(self) -> dict[str, tuple[pa.Array | list[Any], Ints | None]]:
        """The columns of places as they are read: of a dictionary its values, a list where they are few, and the codes of the rows."""
        made: dict[str, tuple[pa.Array | list[Any], Ints | None]] = {}
        for name, column in zip(self.places.schema.names, self.places.columns, strict=True):
            if pa.types.is_dictionary(column.type):
                values = column.dictionary
                few = values.to_pylist() if len(values) <= _FEW_VALUES else values
                made[name] = (few, tables.numbers(column.indices))
            else:
                made[name] = (column, None)
        return made

    def place_values(self, name: str, rows: Ints) -> list[Any]:
        """Return a column of some places."""
        values, codes = self._place_columns[name]
        chosen = rows if codes is None else codes[rows]
        if isinstance(values, list):
            return [values[row] for row in chosen.tolist()]
        if len(chosen) <= _FEW:
            return [values[row].as_py() for row in chosen.tolist()]
        return values.take(tables.row_column(chosen)).to_pylist()  # type: ignore[no-any-return]

    def living(self, rows: Ints) -> Bools:
        """Return which documents have a place of their own here that is neither removed nor hidden: bool[N]."""
        bounds = self.place_bounds
        return living(rows, bounds.begins, bounds.end, self.relations, self.tombstones, self.hidden)  # type: ignore[no-any-return]

    def shown(self, begin: int, end: int) -> Bools:
        """Return which of these place rows are neither removed nor hidden."""
        shown = self.tombstones[begin:end] == 0
        return np.asarray(shown & (self.hidden[begin:end] == 0)) if len(self.hidden) == len(self.tombstones) else shown

    def places_of(self, rows: Ints) -> tuple[Ints, Ints, Bools]:
        """Return the places of D documents, -1 for those that are not here: bounds int64[D + 1], place rows, and which are shown."""
        bounds = self.place_bounds
        return places_of(rows, bounds.begins, bounds.end, self.tombstones, self.hidden)  # type: ignore[no-any-return]

    def find(self, ids: npt.NDArray[np.bytes_]) -> Ints:
        """Return the rows of contents, bytes20[N]; -1 for those that are not here."""
        at = np.searchsorted(self.content_ids, ids)
        inside = np.minimum(at, len(self) - 1)
        return np.where(self.content_ids[inside] == ids, inside, -1)


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Where the places of documents begin and end."""

    begins: npt.NDArray[np.uint32]
    end: int

    def of(self, row: int) -> tuple[int, int]:
        """Return the first place row of a document and the one after its last."""
        return int(self.begins[row]), int(self.begins[row + 1]) if row + 1 < len(self.begins) else self.end


@njit(cache=True, nogil=True)  # type: ignore[misc]
def living(rows, begins, end, relations, tombstones, hidden):  # type: ignore[no-untyped-def]
    """See Segment.living."""
    found = np.zeros(len(rows), np.bool_)
    is_hiding = len(hidden) == len(tombstones)
    for at in range(len(rows)):
        if at and rows[at] == rows[at - 1]:
            found[at] = found[at - 1]
            continue
        stop = begins[rows[at] + 1] if rows[at] + 1 < len(begins) else end
        for place in range(begins[rows[at]], stop):
            if relations[place] != 2 and tombstones[place] == 0 and not (is_hiding and hidden[place] != 0):
                found[at] = True
                break
    return found


@njit(cache=True, nogil=True)  # type: ignore[misc]
def places_of(rows, begins, end, tombstones, hidden):  # type: ignore[no-untyped-def]
    """See Segment.places_of."""
    bounds = np.zeros(len(rows) + 1, np.int64)
    for at in range(len(rows)):
        stop = begins[rows[at] + 1] if rows[at] + 1 < len(begins) else end
        bounds[at + 1] = bounds[at] + (stop - begins[rows[at]] if rows[at] >= 0 else 0)
    places, shown = np.empty(bounds[-1], np.int64), np.empty(bounds[-1], np.bool_)
    is_hiding = len(hidden) == len(tombstones)
    for at in range(len(rows)):
        for number in range(bounds[at], bounds[at + 1]):
            place = begins[rows[at]] + number - bounds[at]
            places[number] = place
            shown[number] = tombstones[place] == 0 and not (is_hiding and hidden[place] != 0)
    return bounds, places, shown


def _map_tombstones(path: Path, num_places: int) -> Bytes:
    """Map the one file that others change while it is open."""
    try:
        with path.open("rb") as file:
            if file.seek(0, 2) != num_places:
                raise InputError(
                    f"{path} is damaged: it has another size than one byte per place; delete index.json and build the index anew (removals stay)"
                )
            return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
