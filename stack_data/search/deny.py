"""The deny index: refusing completions that repeat code which was removed, after its text was erased.

INDEX/deny/<batch>.<generation>/ holds, for what one removal took out, the 64-bit hashes of every k-gram of its code view (k = 12) and of
its blinded view (k = 24), ascending, and a bit for each: it also occurs in a file that was not removed. No text, no names, no ids. It
outlives merges, purges and later releases; `erase` deletes a batch, and with it the refusals.

code.u64, blinded.u64        uint64, little-endian
code.shared, blinded.shared  the bits, packed
manifest.json                format, lexer version, counts, SHA-256 of each file; written last

`update` makes a batch of the documents that live no more and whose texts the index still holds, before a merge erases them, and sets
all bits anew by reading every living text. A batch whose bits changed is written as its next generation and then the one before deleted,
so a killed update leaves either. The rule (`DenyIndex.refusal`): preceding text and completion together hold N - k + 1 grams in a row that
are stored (N = 32 and 50), at least half of them exclusive to what was removed, and the run covers at least 8 tokens of the completion.

Choice: hashes, not a filter, so that bits can be set anew and a batch erased. Another lexer version cannot read them, because
the texts are gone: it refuses to open them rather than let removed code pass.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stack_data import storage
from stack_data.errors import InputError
from stack_data.search.deny_kernels import filter_of, find, refusing_run
from stack_data.search.families import family_of
from stack_data.search.index import Index, open_index
from stack_data.search.kernels import LEXER_VERSION
from stack_data.search.kgrams import kgrams
from stack_data.search.lexer import Tokens, lex
from stack_data.search.pages import map_file

FORMAT, DENY, MANIFEST = "fairstack-deny/1", "deny", "manifest.json"
COMPLETION_TOKENS = 8
_LOT_BYTES = 16 << 20
Hashes = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rule:
    """A view of the rule: k tokens a gram; guaranteed: N tokens in a row refuse."""

    name: str
    k: int
    guaranteed: int

    @property
    def shortest(self) -> int:
        """Grams in a row."""
        return self.guaranteed - self.k + 1

    def hashes(self, tokens: Tokens) -> Hashes:
        """Return the hashes of this view's tokens."""
        return tokens.blinded() if self.name == "blinded" else tokens.code

    def grams(self, tokens: Tokens) -> Hashes:
        """Return the hash of every gram of texts, one text after the other."""
        return kgrams(self.hashes(tokens), tokens.bounds, self.k)[0]


RULES = (Rule("code", 12, 32), Rule("blinded", 24, 50))


@dataclass(slots=True)
class _Batch:
    """Stored hashes of a batch and their bits, by view. table: see deny_kernels.filter_of."""

    name: str
    generation: int
    hashes: dict[str, Hashes]
    shared: dict[str, Bools]
    tables: dict[str, npt.NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Updated:
    """batch: the id of the new batch, "" when nothing new was removed; how many hashes there are now, and how many are exclusive."""

    batch: str
    num_hashes: int
    num_exclusive: int


# Making


def update(folder: Path) -> Updated:
    """Store what was removed and is still in the index's texts, and set all bits anew: at every release; a merge does it too."""
    with storage.locked(folder):
        return update_locked(folder)


def update_locked(folder: Path) -> Updated:
    """Do what `update` does for whoever holds the index already."""
    index = open_index(folder)
    batches = _opened(folder / DENY, clean=True)
    made = _new_batch(index, batches)
    every = [*batches, made] if made else batches
    for one in every:
        for rule in RULES:
            one.shared[rule.name] = np.zeros(len(one.hashes[rule.name]), bool)
    if every:
        _mark(index, every)
    for one in every:
        _write(folder / DENY, one)
    shared = sum(int(bits.sum()) for one in every for bits in one.shared.values())
    total = sum(len(hashes) for one in every for hashes in one.hashes.values())
    return Updated(made.name if made else "", total, total - shared)


def erase(folder: Path, batch: str) -> None:
    """Delete the hashes of a batch: from then on nothing refuses that code. InputError when there is none of this id."""
    with storage.locked(folder):
        found = [path for path in (folder / DENY).glob("*.*") if path.name.partition(".")[0] == batch]
        if not found:
            raise InputError(f"{folder} has no batch {batch!r} in its deny index; the receipt of a removal states it")
        for path in found:
            shutil.rmtree(path)


def _new_batch(index: Index, batches: list[_Batch]) -> _Batch | None:
    """Return the hashes of documents that live no more, without those stored already."""
    gathered: dict[str, list[Hashes]] = {rule.name: [] for rule in RULES}
    for tokens in _lots(index, living=False):
        for rule in RULES:
            gathered[rule.name].append(np.unique(rule.grams(tokens)))
    hashes = {}
    for name, lots in gathered.items():
        found = np.unique(np.concatenate([np.empty(0, np.uint64), *lots]))
        for one in batches:
            found = found[find(one.hashes[name], one.tables[name], found) < 0]
        hashes[name] = found
    if not any(map(len, hashes.values())):
        return None
    tables = {name: filter_of(found) for name, found in hashes.items()}
    return _Batch(secrets.token_hex(8), 0, hashes, {}, tables)


def _mark(index: Index, batches: list[_Batch]) -> None:
    """Set the bits of hashes that occur in living documents."""
    for tokens in _lots(index, living=True):
        for rule in RULES:
            grams = rule.grams(tokens)
            for one in batches:
                rows = find(one.hashes[rule.name], one.tables[rule.name], grams)
                one.shared[rule.name][rows[rows >= 0]] = True


def _lots(index: Index, living: bool) -> Iterator[Tokens]:
    """Yield the tokens of all texts of documents that live, or do not, some at a time."""
    for segment in index.segments:
        rows = np.flatnonzero(segment.num_bytes >= 0)
        rows = rows[index.living(rows | segment.number << 32) == living] if len(rows) else rows
        sizes = np.cumsum(segment.num_bytes[rows].astype(np.int64))
        for lot in np.split(rows, np.flatnonzero(np.diff(sizes // _LOT_BYTES)) + 1):
            if len(lot):
                found = index.texts(lot | segment.number << 32)
                yield lex(found.texts, found.families)


def _write(folder: Path, batch: _Batch) -> None:
    """Write a batch as its next generation and delete the one before."""
    target = folder / f"{batch.name}.{batch.generation + 1}"
    beside = folder / f".{target.name}.{os.getpid()}.tmp"
    files = {f"{name}.u64": found.astype("<u8").tobytes() for name, found in batch.hashes.items()}
    files |= {f"{name}.shared": np.packbits(bits).tobytes() for name, bits in batch.shared.items()}
    made: dict[str, Any] = {"format": FORMAT, "lexer": LEXER_VERSION, "k": {rule.name: rule.k for rule in RULES}}
    made["files"] = {name: hashlib.sha256(raw).hexdigest() for name, raw in files.items()}
    made["hashes"] = {name: len(found) for name, found in batch.hashes.items()}
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
        shutil.rmtree(folder / f"{batch.name}.{batch.generation}", ignore_errors=True)
    except OSError as error:
        raise storage.refused(target, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


# Reading


def _opened(folder: Path, clean: bool = False) -> list[_Batch]:
    newest: dict[str, int] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        name, _, generation = path.name.partition(".")
        if name and generation.isdigit():
            newest[name] = max(newest.get(name, 0), int(generation))
        elif clean:
            shutil.rmtree(path, ignore_errors=True)
    return [_batch(folder / f"{name}.{generation}", name, generation) for name, generation in sorted(newest.items())]


def _batch(folder: Path, name: str, generation: int) -> _Batch:
    made = storage.read_json(folder / MANIFEST)
    stated = {rule.name: rule.k for rule in RULES}
    if made.get("format") != FORMAT or made.get("lexer") != LEXER_VERSION or made.get("k") != stated:
        seen = f"{made.get('format')}, lexer {made.get('lexer')}, k {made.get('k')}"
        raise InputError(
            f"{folder} was made by another version ({seen}), and its texts are gone; use the version that made it"
        )
    hashes, shared = {}, {}
    for rule in RULES:
        count = int(made["hashes"][rule.name])
        hashes[rule.name] = _checked(folder, f"{rule.name}.u64", made, 8 * count).view(np.uint64)
        packed = _checked(folder, f"{rule.name}.shared", made, -(-count // 8))
        shared[rule.name] = np.unpackbits(packed, count=count).astype(bool)
    return _Batch(name, generation, hashes, shared, {key: filter_of(found) for key, found in hashes.items()})


def _checked(folder: Path, name: str, made: dict[str, Any], num_bytes: int) -> npt.NDArray[np.uint8]:
    """Return a file of a batch, mapped."""
    raw = map_file(folder / name, num_bytes)
    if hashlib.sha256(raw.data).hexdigest() != made["files"].get(name):
        raise InputError(f"{folder / name} is damaged; restore the deny index from a backup")
    return raw


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a completion is refused. view: code, or blinded (renamed); tokens: how long the run is, preceding text included."""

    view: str
    tokens: int


class DenyIndex:
    """The opened deny index of a search index. Threads may ask at the same time."""

    def __init__(self, folder: Path) -> None:
        """Read it; one that is not there refuses nothing. InputError when it is damaged or of another version."""
        self._batches = _opened(folder / DENY)

    def __len__(self) -> int:
        return sum(len(found) for one in self._batches for found in one.hashes.values())

    def refusal(self, before: str, completion: str, language: str | None = None) -> Refusal | None:
        """Return why a completion after some text is refused, None when it is not. language: a Linguist name."""
        if not self._batches:
            return None
        head = len(before.encode("utf-8", "replace"))
        text = before + completion
        tokens = lex(pa.array([text.encode("utf-8", "replace")], pa.large_binary()), family_of(language))
        # A token that the completion ends belongs to it.
        first = int(np.searchsorted(tokens.ends, head, side="right"))
        for rule in RULES:
            hits, exclusive = self._hits(rule, rule.grams(tokens))
            begin, end = refusing_run(hits, exclusive, rule.k, rule.shortest, first, COMPLETION_TOKENS)
            if begin >= 0:
                return Refusal(rule.name, end - begin)
        return None

    def _hits(self, rule: Rule, grams: Hashes) -> tuple[Bools, Bools]:
        """Return which grams are stored, and which of them occur in nothing that was not removed."""
        hits, exclusive = np.zeros(len(grams), bool), np.zeros(len(grams), bool)
        for one in self._batches:
            rows = find(one.hashes[rule.name], one.tables[rule.name], grams)
            found = rows >= 0
            hits |= found
            exclusive[found] |= ~one.shared[rule.name][rows[found]]
        return hits, exclusive
