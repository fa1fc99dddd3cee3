"""The deny index: refusing completions that repeat code which was removed, after its text was erased.

INDEX/deny (deny_store.py) holds the 64-bit hashes of every k-gram of the code view (k = 12) and of the blinded view (k = 24) of what
removals took out, and a bit for each: it also occurs in a file that was not removed. No text, no names, no ids. It outlives merges,
purges and later releases; `erase` and `erase_texts` delete hashes, and with them the refusals.

`update` makes a batch of the documents that live no more and whose texts the index still holds, before a merge erases them, and sets
all bits anew by reading every living text; after an addition `follow_locked` reads only what came. The rule (`DenyIndex.refusal`):
preceding text and completion together hold N - k + 1 grams in a row that are stored (N = 32 and 50), at least half of them exclusive to
what was removed, the run covers at least 8 tokens of the completion, and blinded ones are as varied as renamed matches must be: lists of
strings are alike in all code.

Choice: hashes, not a filter, so that bits can be set anew and a batch erased. Another lexer version cannot read them, because
the texts are gone: it refuses to open them rather than let removed code pass.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stack_data import storage
from stack_data.errors import InputError
from stack_data.progress import Progress, Silent
from stack_data.search import deny_store
from stack_data.search.deny_kernels import find, refusing_run
from stack_data.search.deny_store import DENY, Bools, Hashes, Store
from stack_data.search.families import family_names, family_of
from stack_data.search.filters import varied_windows
from stack_data.search.index import Index, open_index
from stack_data.search.kgrams import kgrams
from stack_data.search.lexer import Tokens, lex
from stack_data.search.removals import LOG
from stack_data.search.segment import Segment
from stack_data.search.segment_writer import in_order

COMPLETION_TOKENS = 8
_LOT_BYTES = 4 << 20
Documents = npt.NDArray[np.int64]


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

    def counting(self, tokens: Tokens) -> Bools:
        """Tell of each token of a text whether a run may refuse from it on: with names blinded only where it is varied (filters.py)."""
        if self.name == "code":
            return np.ones(len(tokens), np.bool_)
        return np.asarray(varied_windows(self.hashes(tokens), tokens.bounds))


RULES = (Rule("code", 12, 32), Rule("blinded", 24, 50))
_VIEWS = {rule.name: rule.k for rule in RULES}


@dataclass(frozen=True, slots=True)
class Updated:
    """batch: the id of the new batch, "" when nothing new was removed; how many hashes there are now, and how many are exclusive."""

    batch: str
    num_hashes: int
    num_exclusive: int


# Making


def update(folder: Path, progress: Progress | None = None) -> Updated:
    """Store what was removed and is still in the index's texts, and set all bits anew: a merge does it too."""
    with storage.locked(folder):
        return update_locked(folder, progress)


def update_locked(folder: Path, progress: Progress | None = None) -> Updated:
    """Do what `update` does for whoever holds the index already."""
    return _updated(folder, open_index(folder), None, progress or Silent())


def follow_locked(folder: Path) -> Updated | None:
    """Set the bits after segments were added, for whoever holds the index; None when it has no deny index.

    Reads the texts of the contents that came only, unless something was removed since the bits were set.
    """
    if not deny_store.generations(folder / DENY):
        return None
    index, known = open_index(folder), deny_store.read(folder / DENY, _VIEWS)
    new = [
        one for one, listed in zip(index.segments, index.state.segments, strict=True) if listed not in known.segments
    ]
    return _updated(folder, index, new if known.removals == _length(folder) else None, Silent())


def _updated(folder: Path, index: Index, added: Sequence[Segment] | None, progress: Progress) -> Updated:
    """Store what lives no more and set bits. added: only the contents of these segments changed; None: any may have."""
    known = deny_store.read(folder / DENY, _VIEWS)
    deny_store.clean(folder / DENY)
    length, gone = _length(folder), _gone(index, added, known.seen)
    made = _with_batch(known, index, gone)
    if made.batches and (added is None or added):
        progress.begin("deny", sum(map(len, index.segments)) if added is None else None, None)
        made = _marked(made, index, added, progress)
        progress.end()
    if made.num_hashes or known.generation:
        made = replace(made, removals=length, segments=index.state.segments)
        if not made.is_equal(known):
            made = deny_store.write(folder / DENY, made, _VIEWS)
    batch = made.batches[-1] if len(made.batches) > len(known.batches) else ""
    return Updated(batch, made.num_hashes, made.num_exclusive)


def _length(folder: Path) -> int:
    """Return how much was ever removed, in bytes of the log."""
    path = folder / LOG
    return path.stat().st_size if path.exists() else 0


def _gone(index: Index, added: Sequence[Segment] | None, seen: Documents) -> Documents:
    """Return the documents with texts that live no more and are in no batch yet."""
    found = np.concatenate([np.empty(0, np.int64), *_lots(index, False, added)])
    return found[~np.isin(found, seen)]


def _with_batch(known: Store, index: Index, gone: Documents) -> Store:
    """Add a batch of documents. Those that were merged away since are forgotten: only hashes are left of them."""
    numbers = np.array([number for number, sha in index.state.segments if (number, sha) in known.segments], np.int64)
    seen = np.union1d(known.seen[np.isin(known.seen >> 32, numbers)], gone)
    gathered: dict[str, list[Hashes]] = {rule.name: [np.empty(0, np.uint64)] for rule in RULES}
    for lot in _each(index, _cut(index, gone), lambda rule, grams: deny_store.each_once(grams)):
        for name, found in lot.items():
            gathered[name].append(found)
    hashes = {name: deny_store.each_once(np.concatenate(lots)) for name, lots in gathered.items()}
    if not any(map(len, hashes.values())):
        return replace(known, seen=seen)
    tables = {name: known.tables[name].with_batch(len(known.batches), one) for name, one in hashes.items()}
    return replace(known, batches=(*known.batches, secrets.token_hex(8)), tables=tables, seen=seen)


def _marked(store: Store, index: Index, added: Sequence[Segment] | None, progress: Progress) -> Store:
    """Set the bits of hashes that occur in living documents."""
    rows: dict[str, list[npt.NDArray[np.int64]]] = {rule.name: [] for rule in RULES}

    def stored(rule: Rule, grams: Hashes) -> npt.NDArray[np.int64]:
        at = find(store.tables[rule.name].hashes, store.tables[rule.name].table, grams)
        return deny_store.each_once(at[at >= 0])

    for lot in _each(index, _told(_lots(index, True, added), progress), stored):
        for name, found in lot.items():
            rows[name].append(found)
    tables = {name: one.with_bits(rows[name], keep=added is not None) for name, one in store.tables.items()}
    return replace(store, tables=tables)


def _told(lots: Iterable[Documents], progress: Progress) -> Iterator[Documents]:
    """Yield lots, and tell of each when the next one is asked for."""
    for lot in lots:
        yield lot
        progress.advance(len(lot), 0)


def _each(
    index: Index, lots: Iterable[Documents], work: Callable[[Rule, Hashes], npt.NDArray[Any]]
) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """Yield, by view, what `work` makes of the grams of some texts at a time."""

    def of_lot(documents: Documents) -> dict[str, npt.NDArray[Any]]:
        found = index.texts(documents)
        tokens = lex(found.texts, found.families)
        return {rule.name: work(rule, rule.grams(tokens)) for rule in RULES}

    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers, thread_name_prefix="deny") as pool:
        yield from in_order(pool, of_lot, lots, 2 * workers)


def _lots(index: Index, living: bool, added: Sequence[Segment] | None) -> Iterator[Documents]:
    """Yield documents with texts that live, or do not, a few MB at a time. added: only contents that have rows in these segments."""
    for segment in index.segments:
        rows = np.flatnonzero(segment.num_bytes >= 0)
        if added is not None and segment not in added:
            ids = segment.content_ids[rows]
            is_added = np.zeros(len(rows), bool)
            for one in added:
                is_added |= one.find(ids) >= 0
            rows = rows[is_added]
        if len(rows):
            rows = rows[index.living(rows | segment.number << 32) == living]
        yield from _cut(index, rows | segment.number << 32)


def _cut(index: Index, documents: Documents) -> Iterator[Documents]:
    """Cut documents, by segment, into lots of a few MB of text."""
    for segment, at, rows in index.split(documents):
        sizes = np.cumsum(segment.num_bytes[rows].astype(np.int64))
        yield from np.split(documents[at], np.flatnonzero(np.diff(sizes // _LOT_BYTES)) + 1)


# Erasing


def erase(folder: Path, batch: str) -> None:
    """Delete the hashes of a batch: from then on nothing refuses that code. InputError when there is none of this id.

    What other batches hold too stays theirs.
    """
    with storage.locked(folder):
        known = deny_store.read(folder / DENY, _VIEWS)
        if batch not in known.batches:
            raise InputError(f"{folder} has no batch {batch!r} in its deny index; the receipt of a removal states it")
        number = known.batches.index(batch)
        tables = {}
        for name, one in known.tables.items():
            kept = one.where(one.batches != number)
            tables[name] = replace(kept, batches=(kept.batches - (kept.batches > number)).astype(np.uint32))
        batches = tuple(one for one in known.batches if one != batch)
        deny_store.write(folder / DENY, replace(known, batches=batches, tables=tables), _VIEWS)


def erase_texts(folder: Path, texts: Sequence[tuple[str, str | None]]) -> int:
    """Delete the hashes of texts, each with its Linguist language, from every batch; return how many there were.

    For who asks for their files' hashes to go and not for a whole batch. Grams that other removed files have in common with these go too.
    """
    with storage.locked(folder):
        known = deny_store.read(folder / DENY, _VIEWS)
        raw = pa.array([text.encode("utf-8", "surrogatepass") for text, _ in texts], pa.large_binary())
        tokens = lex(raw, np.array([family_of(language) for _, language in texts], np.uint8))
        tables = {
            rule.name: known.tables[rule.name].where(~np.isin(known.tables[rule.name].hashes, rule.grams(tokens)))
            for rule in RULES
        }
        made = replace(known, tables=tables)
        if made.num_hashes < known.num_hashes:
            deny_store.write(folder / DENY, made, _VIEWS)
        return known.num_hashes - made.num_hashes


# Reading


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a completion is refused. view: code, or blinded (renamed); tokens: how long the run is, preceding text included."""

    view: str
    tokens: int


class DenyIndex:
    """The opened deny index of a search index. Threads may ask at the same time."""

    def __init__(self, folder: Path) -> None:
        """Read it; one that is not there refuses nothing. InputError when it is damaged or of another version."""
        self._store = deny_store.read(folder / DENY, _VIEWS)

    def __len__(self) -> int:
        return self._store.num_hashes

    def refusal(self, before: str, completion: str, language: str | None = None) -> Refusal | None:
        """Return why a completion after some text is refused, None when it is not. language: a Linguist name; without it the text is
        read as every family of languages, which takes as many times as long."""
        if not len(self):
            return None
        head = len(before.encode("utf-8", "replace"))
        text = before + completion
        raw = pa.array([text.encode("utf-8", "replace")], pa.large_binary())
        families = range(len(family_names())) if language is None else (family_of(language),)
        found = (self._refusal(lex(raw, family), head) for family in families)
        return next((one for one in found if one is not None), None)

    def _refusal(self, tokens: Tokens, head: int) -> Refusal | None:
        """Return why a text as it is read in one family is refused; head: where the completion begins, in bytes."""
        # A token that the completion ends belongs to it.
        first = int(np.searchsorted(tokens.ends, head, side="right"))
        for rule in RULES:
            hits, exclusive = self._hits(rule, rule.grams(tokens))
            begin, end = refusing_run(
                hits, exclusive, rule.counting(tokens), rule.k, rule.shortest, first, COMPLETION_TOKENS
            )
            if begin >= 0:
                return Refusal(rule.name, end - begin)
        return None

    def _hits(self, rule: Rule, grams: Hashes) -> tuple[Bools, Bools]:
        """Return which grams are stored, and which of them occur in nothing that was not removed."""
        table = self._store.tables[rule.name]
        rows = find(table.hashes, table.table, grams)
        hits = rows >= 0
        exclusive = np.zeros(len(grams), bool)
        exclusive[hits] = ~table.shared[rows[hits]]
        return hits, exclusive
