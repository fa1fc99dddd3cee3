"""The files of the deny index: hashes of what was removed, in one sorted table however many removals there were.

INDEX/deny/<generation>/
code.u64, blinded.u64            uint64, little-endian, ascending; a hash that several removals (batches) took out is there for each
code.batches, blinded.batches    uint32: whose it is, a row of the manifest's `batches`
code.shared, blinded.shared      the bits, packed: it also occurs in a file that was not removed
seen.i64                         documents of the index whose hashes were taken, until a merge erases them: no other batch has them again
manifest.json                    format, lexer version, counts, batches, SHA-256 of each file; written last

A change writes all of it as the next generation, under a temporary name first, and then deletes the one before: whatever is killed leaves
one of the two, and the newest counts. `removals` and `segments` in the manifest are how long removals.jsonl was and which segments (number
and SHA-256) the index had when the bits were set.

Choice: one table, because bits are set anew at every release anyway, and because looking a hash up then costs the same after 200 removals
as after one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stack_data import storage
from stack_data.errors import InputError
from stack_data.search.deny_kernels import filter_of, first_of_run
from stack_data.search.kernels import LEXER_VERSION
from stack_data.search.pages import map_file

FORMAT, DENY, MANIFEST = "fairstack-deny/2", "deny", "manifest.json"
SEEN = "seen.i64"
Hashes = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.uint32]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Table:
    """M hashes of a view with their batches (rows of Store.batches) and bits; table: see deny_kernels.filter_of."""

    hashes: Hashes
    batches: Codes
    shared: Bools
    table: Bytes

    @classmethod
    def of(cls, hashes: Hashes, batches: Codes, shared: Bools) -> Table:
        """Return sorted rows, ready to be asked."""
        return cls(hashes, batches, shared, filter_of(hashes))

    def with_batch(self, number: int, hashes: Hashes) -> Table:
        """Return this with the hashes of a new batch, each once; their bits are those that equal ones have."""
        every = np.concatenate([self.hashes, hashes])
        batches = np.concatenate([self.batches, np.full(len(hashes), number, np.uint32)])
        shared = np.concatenate([self.shared, np.zeros(len(hashes), bool)])
        order = np.argsort(every, kind="stable")
        every, shared = every[order], shared[order]
        return Table.of(every, batches[order], shared[first_of_run(every)])

    def where(self, chosen: Bools) -> Table:
        """Return some of the rows."""
        return Table.of(self.hashes[chosen], self.batches[chosen], self.shared[chosen])

    def with_bits(self, rows: Iterable[npt.NDArray[np.int64]], keep: bool) -> Table:
        """Return this with the bits of these rows set, and of rows with equal hashes. rows: first of equal ones; keep: those that are set stay."""
        shared = self.shared.copy() if keep else np.zeros(len(self.hashes), bool)
        for some in rows:
            shared[some] = True
        return Table(self.hashes, self.batches, shared[first_of_run(self.hashes)], self.table)


@dataclass(frozen=True, slots=True)
class Store:
    """The opened files. generation: 0 when there is none; tables: by view; removals, segments and seen: see the module."""

    generation: int
    batches: tuple[str, ...]
    removals: int
    segments: tuple[tuple[int, str], ...]
    tables: dict[str, Table]
    seen: npt.NDArray[np.int64]

    def is_equal(self, other: Store) -> bool:
        """Return whether two stores have the same bytes."""
        mine, theirs = ((one.batches, one.removals, one.segments) for one in (self, other))
        if mine != theirs or not np.array_equal(self.seen, other.seen):
            return False
        pairs = [(one, other.tables[name]) for name, one in self.tables.items()]
        return all(len(a.hashes) == len(b.hashes) and np.array_equal(a.shared, b.shared) for a, b in pairs)

    @property
    def num_hashes(self) -> int:
        """How many hashes there are, each once for each batch."""
        return sum(len(one.hashes) for one in self.tables.values())

    @property
    def num_exclusive(self) -> int:
        """How many of them occur in nothing that stays."""
        return sum(int((~one.shared).sum()) for one in self.tables.values())


def each_once(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the different ones of many numbers, ascending. `np.unique` makes a table of hashes first: seven times slower where most differ."""
    ordered = np.sort(values)
    is_first = np.ones(len(ordered), bool)
    is_first[1:] = ordered[1:] != ordered[:-1]
    return ordered[is_first]


def empty(views: Iterable[str]) -> Store:
    """Return what an index has before its first removal."""
    none = Table.of(np.empty(0, np.uint64), np.empty(0, np.uint32), np.empty(0, bool))
    return Store(0, (), 0, (), dict.fromkeys(views, none), np.empty(0, np.int64))


def generations(folder: Path) -> list[int]:
    """Return the generations that lie in a folder, ascending."""
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    older = [name for name in names if not name.startswith(".") and not name.isdigit()]
    if older:
        raise InputError(
            f"{folder / older[0]} was made by another version, and its texts are gone; use the version that made it"
        )
    return sorted(int(name) for name in names if name.isdigit())


def read(folder: Path, views: Mapping[str, int]) -> Store:
    """Open INDEX/deny. views: name -> k. InputError when it is damaged or another version made it."""
    found = generations(folder)
    if not found:
        return empty(views)
    newest = folder / str(found[-1])
    made = storage.read_json(newest / MANIFEST)
    if made.get("format") != FORMAT or made.get("lexer") != LEXER_VERSION or made.get("k") != dict(views):
        maker = f"{made.get('format')}, lexer {made.get('lexer')}, k {made.get('k')}"
        raise InputError(
            f"{newest} was made by another version ({maker}), and its texts are gone; use the version that made it"
        )
    tables = {name: _table(newest, name, made) for name in views}
    seen = _checked(newest, SEEN, made, 8 * int(made["seen"])).view(np.int64)
    return Store(
        found[-1],
        tuple(made["batches"]),
        int(made["removals"]),
        tuple((number, sha256) for number, sha256 in made["segments"]),
        tables,
        seen,
    )


def _table(folder: Path, name: str, made: Mapping[str, Any]) -> Table:
    count = int(made["hashes"][name])
    hashes = _checked(folder, f"{name}.u64", made, 8 * count).view(np.uint64)
    batches = _checked(folder, f"{name}.batches", made, 4 * count).view(np.uint32)
    packed = _checked(folder, f"{name}.shared", made, -(-count // 8))
    return Table.of(hashes, batches, np.unpackbits(packed, count=count).astype(bool))


def _checked(folder: Path, name: str, made: Mapping[str, Any], num_bytes: int) -> Bytes:
    """Return a file of a generation, mapped."""
    raw = map_file(folder / name, num_bytes)
    if hashlib.sha256(raw.data).hexdigest() != made["files"].get(name):
        raise InputError(f"{folder / name} is damaged; restore the deny index from a backup")
    return raw


def write(folder: Path, store: Store, views: Mapping[str, int]) -> Store:
    """Write a store as the next generation, delete those before, and return it. StorageError when the disk refuses."""
    generation = store.generation + 1
    target, beside = folder / str(generation), folder / f".{generation}.{os.getpid()}.tmp"
    files = {name: raw for view, table in store.tables.items() for name, raw in _files(view, table).items()}
    files[SEEN] = store.seen.astype("<i8").tobytes()
    made = {
        "format": FORMAT, "lexer": LEXER_VERSION, "k": dict(views), "batches": list(store.batches), "removals": store.removals, "seen": len(store.seen),
        "segments": [list(one) for one in store.segments],
        "hashes": {name: len(one.hashes) for name, one in store.tables.items()},
        "files": {name: hashlib.sha256(raw).hexdigest() for name, raw in files.items()},
    }  # fmt: skip
    try:
        beside.mkdir(parents=True)
        for name, raw in files.items():
            with (beside / name).open("wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
        storage.write_json(beside / MANIFEST, made)
        beside.rename(target)
        storage.sync_folder(folder)
    except OSError as error:
        raise storage.refused(target, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    clean(folder)
    return replace(store, generation=generation)


def _files(view: str, table: Table) -> dict[str, bytes]:
    return {
        f"{view}.u64": table.hashes.astype("<u8").tobytes(), f"{view}.batches": table.batches.astype("<u4").tobytes(),
        f"{view}.shared": np.packbits(table.shared).tobytes(),
    }  # fmt: skip


def clean(folder: Path) -> None:
    """Delete generations before the newest, and what killed writers left behind. Only for who holds the index."""
    keep: Sequence[str] = [str(one) for one in generations(folder)[-1:]]
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in keep:
            shutil.rmtree(path, ignore_errors=True)
