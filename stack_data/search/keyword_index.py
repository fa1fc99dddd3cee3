"""Keyword search over an index: INDEX/keywords/<segment>/, one keyword index beside each segment, and answers made of all of them.

`update` makes what is missing and deletes what belongs to segments that are no more; it runs after build, add and merge, under the
index's lock. A killed one leaves folders that the next one deletes. Answers hold living documents only: hits are compared with
tombstones and suppression lists when they are asked for, and a hit of which some places are hidden is looked at again, so that a
path or a repository that was removed finds nothing.

Not covered: words of a content that one segment holds together with paths that a later release added in another one; a merge
joins them. Scores of several segments are compared as they are.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stack_data import storage
from stack_data.errors import InputError
from stack_data.search import keyword
from stack_data.search.clone_urls import asked_of
from stack_data.search.documents import NEAR, RELATIONS
from stack_data.search.files_lookup import facts_json
from stack_data.search.hiding import repository_rows
from stack_data.search.highlights import Line, highlights, holds
from stack_data.search.index import Index, open_index
from stack_data.search.index_state import KEYWORDS
from stack_data.search.keyword import Keyed, Keywords
from stack_data.search.keyword_query import LANGUAGE, LICENSE, PATH, REPOSITORY, Clause, clauses_of
from stack_data.search.names import is_of
from stack_data.search.owned import hosts_of
from stack_data.search.protocol import Facts
from stack_data.search.segment import Segment

MOST_FILES = 1000
"""Hits that a page may reach; further ones are counted at most."""
_BATCH_BYTES = 8 << 20
Ints = npt.NDArray[np.int64]


# Making


def has_keywords(folder: Path) -> bool:
    """Return whether an index has keyword search."""
    return (folder / KEYWORDS).is_dir()


def update(folder: Path, threads: int = 1) -> int:
    """Make the keyword indexes that an index lacks, or has damaged or of another version; return the bytes on disk of all.

    Those that it needs no more are deleted.
    """
    with storage.locked(folder):
        index = open_index(folder)
        beside = folder / KEYWORDS
        storage.make_folder(beside)
        wanted = {str(one.number): one for one in index.segments}
        for path in beside.iterdir():
            if path.name not in wanted or not keyword.is_whole(path):
                shutil.rmtree(path, ignore_errors=True)
        for name, segment in wanted.items():
            if not (beside / name).exists():
                keyword.write(beside / name, _keyed(index, segment), threads)
        return sum(path.stat().st_size for path in beside.rglob("*") if path.is_file())


def _keyed(index: Index, segment: Segment) -> Iterator[Keyed]:
    """Yield the living documents of a segment with the places that were not removed."""
    repository = repository_rows(segment)
    sizes = np.maximum(segment.num_bytes.astype(np.int64), 0)
    for rows in np.split(np.arange(len(segment)), np.flatnonzero(np.diff(np.cumsum(sizes) // _BATCH_BYTES)) + 1):
        living = rows[index.living(rows | segment.number << 32)] if len(rows) else rows
        if len(living):
            yield _batch(segment, living, repository)


def _batch(segment: Segment, rows: Ints, repository: Ints) -> Keyed:
    data, bounds = segment.texts.read(rows)
    texts = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(rows), [None, pa.py_buffer(bounds.astype(np.int64)), pa.py_buffer(data)]
    )
    places = [_shown(segment, row) for row in rows.tolist()]
    offsets = pa.array(np.cumsum([0, *map(len, places)]), pa.int32())
    chosen = np.concatenate([np.empty(0, np.int64), *places])
    paths, keys = (
        segment.places["path"].take(pa.array(chosen)),
        segment.repositories["key"].take(pa.array(repository[chosen])),
    )
    documents = segment.documents.take(pa.array(rows))
    return Keyed(
        rows, texts, pa.ListArray.from_arrays(offsets, paths), pa.ListArray.from_arrays(offsets, keys),
        documents["language"].cast(pa.string()), documents["license"].cast(pa.string()),
    )  # fmt: skip


def _shown(segment: Segment, row: int) -> Ints:
    """Return the places of a document that hold this very content and were not removed."""
    begin, end = segment.place_bounds.of(row)
    own = segment.shown(begin, end) & (segment.relations[begin:end] != NEAR)
    return begin + np.flatnonzero(own).astype(np.int64)


# Asking


@dataclass(frozen=True, slots=True)
class File:
    """A file that was found. lines: those that answer the query, none where only its path or facts do."""

    facts: Facts
    score: float
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Files:
    """A page of what was found. num_files: how many there are in all; capped: at most so many, not all were looked at."""

    files: tuple[File, ...]
    num_files: int
    capped: bool
    index: Index

    def to_json(self) -> dict[str, Any]:
        """Return the page as JSON values."""
        return {
            "files": [_file_json(one) for one in self.files], "num_files": self.num_files, "capped": self.capped,
            "searched": [{"release": one.label, "identity": one.identity} for one in self.index.searched],
        }  # fmt: skip


def _file_json(found: File) -> dict[str, Any]:
    shown = found.facts.places[0]
    lines = [
        {"number": one.number, "text": one.text, "spans": [list(span) for span in one.spans]} for one in found.lines
    ]
    place = {"host": shown.host, "repo_name": shown.repo_name, "path": shown.path}
    return {**place, "score": round(found.score, 4), "lines": lines, **facts_json(found.facts)}


class KeywordIndex:
    """The keyword indexes of an opened index. Threads may ask at the same time."""

    def __init__(self, index: Index) -> None:
        """Open them; InputError when the index has none, or not of all its segments."""
        self._index = index
        self._hosts = hosts_of(index.segments)
        folder = index.folder / KEYWORDS
        missing = [one.number for one in index.segments if not (folder / str(one.number) / keyword.MANIFEST).exists()]
        if missing:
            state = (
                "has no keyword index" if not folder.exists() else f"lacks the keyword index of segment {missing[0]}"
            )
            raise InputError(f"{index.folder} {state}; make it with: fairstack search keywords {index.folder}")
        self._parts = [(one, Keywords(folder / str(one.number))) for one in index.segments]

    def search(self, query: str, first: int = 0, count: int = 10) -> Files:
        """Return a page of the files that a query (keyword_query.py) finds, best first; InputError for what is no query."""
        clauses = clauses_of(query)
        count, first = max(count, 0), max(first, 0)
        if first + count > MOST_FILES:
            raise InputError(
                f"only the first {MOST_FILES:,} files can be listed (asked: {first:,} to {first + count:,}); add words"
            )
        documents, scores, is_capped, total = self._hits(clauses)
        chosen = slice(first, first + count)
        files = self._files(documents[chosen], scores[chosen], clauses)
        return Files(tuple(files), len(documents) if not is_capped else total, is_capped, self._index)

    def _hits(self, clauses: Sequence[Clause]) -> tuple[Ints, npt.NDArray[np.float64], bool, int]:
        """Return the documents that hold all clauses, best first, their scores, whether there are more, and at most how many."""
        found = [(part, keywords.search(clauses, MOST_FILES, self._hosts)) for part, keywords in self._parts]
        documents = np.concatenate([np.empty(0, np.int64), *(hits.rows | part.number << 32 for part, hits in found)])
        scores = np.concatenate([np.empty(0), *(hits.scores for _, hits in found)])
        lives = self._index.living(documents)
        documents, scores = documents[lives], scores[lives]
        ids = self._index.content_ids(documents)
        order = np.lexsort((ids, -np.round(scores, 4)))
        # Of a content's rows the best one counts, and the document that has the text stands for it.
        order = order[np.sort(np.unique(ids[order], return_index=True)[1])]
        is_capped = any(hits.total > len(hits.rows) for _, hits in found)
        if self._hides():
            order = order[[self._still(one, clauses) for one in documents[order].tolist()]]
        return self._index.find(ids[order]), scores[order], is_capped, sum(hits.total for _, hits in found)

    def _hides(self) -> bool:
        return any(part.tombstones.any() or part.hidden.any() for part, _ in self._parts)

    def _still(self, document: int, clauses: Sequence[Clause]) -> bool:
        """Return whether a hit holds without the places that are hidden."""
        segment, _, rows = next(iter(self._index.split(np.array([document], np.int64))))
        begin, end = segment.place_bounds.of(int(rows[0]))
        if segment.shown(begin, end).all():
            return True
        texts_at = self._index.find(segment.content_ids[rows])
        facts = self._index.facts(texts_at)[0]
        text = self._index.texts(texts_at).texts[0].as_py()
        return all(self._holds(facts, text, one) != one.excluded for one in clauses)

    def _holds(self, facts: Facts, text: bytes, clause: Clause) -> bool:
        own = [one for one in facts.places if one.relation != RELATIONS[NEAR]]
        if clause.field == LANGUAGE:
            return facts.language.lower() == clause.value.lower()
        if clause.field == LICENSE:
            return clause.value.lower() in {one.strip("() ") for one in facts.license.lower().split(" and ")}
        if clause.field == REPOSITORY:
            asked = asked_of(clause.value, self._hosts)
            return any(is_of(asked, one.host, one.repo_name) for one in own)
        in_path = any(holds(one.path.encode("utf-8", "surrogateescape"), clause.words) for one in own)
        return in_path if clause.field == PATH else bool(highlights(text, [_plain(clause)], 1)) or in_path

    def _files(self, documents: Ints, scores: npt.NDArray[np.float64], clauses: Sequence[Clause]) -> Iterator[File]:
        texts = self._index.texts(documents).texts
        for facts, score, text in zip(self._index.facts(documents), scores.tolist(), texts, strict=True):
            if facts.places:
                yield File(facts, score, highlights(text.as_py(), clauses))


def _plain(clause: Clause) -> Clause:
    return Clause(clause.field, clause.value, clause.words)


def verify(folder: Path) -> Iterator[str]:
    """Yield what differs from the manifests of an index's keyword indexes."""
    for path in sorted((folder / KEYWORDS).iterdir()) if has_keywords(folder) else ():
        if (path / keyword.MANIFEST).exists():
            yield from keyword.verify(path)
