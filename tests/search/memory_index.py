"""A search index in memory, as small as can be: the reference that the real one is compared with, and what query tests search."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from stack_data.identity import content_id
from stack_data.near.shingles import text_bytes
from stack_data.search.families import family_of
from stack_data.search.grams import Grams, samples_of
from stack_data.search.lexer import lex, lexemes
from stack_data.search.outlines import Outlines, outline
from stack_data.search.protocol import Candidates, Documents, Facts, Place, Release, Texts
from stack_data.search.views import LEXEME, VIEWS, View


@dataclass(frozen=True)
class Source:
    """A text in a language, at places (repo_name, path)."""

    text: str
    language: str = "Python"
    places: tuple[tuple[str, str], ...] = (("owner/repo", "file.py"),)
    license: str = "MIT"

    @property
    def content_id(self) -> str:
        return content_id(self.text.encode("utf-8", "surrogatepass"))


@dataclass
class MemoryIndex:
    """Documents are numbered by content id; hidden: numbers of documents, and (number, place) pairs, that answers leave out.
    spacing: bytes between marks."""

    sources: Sequence[Source]
    views: tuple[View, ...] = VIEWS
    spacing: int = 200
    hidden: set[int] = field(default_factory=set)
    hidden_places: set[tuple[int, int]] = field(default_factory=set)
    searched: tuple[Release, ...] = (Release("memory", "1.0.0", hashlib.sha256(b"memory").hexdigest()),)

    def __post_init__(self) -> None:
        self.sources = sorted({one.content_id: one for one in self.sources}.values(), key=lambda one: one.content_id)
        raw = [one.text.encode("utf-8", "surrogatepass") for one in self.sources]
        self.raw = pa.array(raw, pa.large_binary())
        self.families = np.array([family_of(one.language) for one in self.sources], np.uint8)
        self.ids = pa.array([bytes.fromhex(one.content_id) for one in self.sources], pa.binary(20))
        words, tokens = lexemes(self.raw), lex(self.raw, self.families)
        self.words, self.tokens = words, tokens
        data, begins, ends = text_bytes(self.raw)
        self.marks = outline(tokens, words, data, begins, ends, self.families, self.spacing)
        self.samples = {view.name: self._samples(words if view is LEXEME else tokens, view) for view in self.views}

    def _samples(self, tokens, view):  # type: ignore[no-untyped-def]
        grams = samples_of(tokens, view)
        order = np.argsort(grams.hashes, kind="stable")
        document = np.repeat(np.arange(len(self.sources)), np.diff(grams.bounds))
        position = (np.arange(len(grams)) - grams.bounds[document]) * view.stride
        return grams.hashes[order], grams.left[order], grams.right[order], document[order], position[order]

    def current(self) -> MemoryIndex:
        return self

    def candidates(self, grams: Grams, most: int | None = None) -> Candidates:
        hashes, left, right, document, position = self.samples[grams.view.name]
        begins, ends = (np.searchsorted(hashes, grams.hashes, side) for side in ("left", "right"))
        left_out = np.zeros(len(grams), bool)
        if most is not None:
            order = np.argsort(ends - begins, kind="stable")
            left_out[order] = (np.cumsum((ends - begins)[order]) > most) & (np.arange(len(order)) > 0)
            ends = np.where(left_out, begins, ends)
        query = np.repeat(np.arange(len(grams)), ends - begins)
        skipped = np.cumsum(ends - begins) - (ends - begins)
        rows = np.arange(len(query)) - skipped[query] + begins[query]
        same = (left[rows] == grams.left[query]) & (left[rows] > 0)
        same |= (right[rows] == grams.right[query]) & (right[rows] > 0)
        query, rows = query[same], rows[same]
        lives = ~np.isin(document[rows], list(self.hidden))
        withheld = np.unique(document[rows[~lives]])
        query, rows = query[lives], rows[lives]
        order = np.lexsort((position[rows], document[rows], query))
        query, rows = query[order], rows[order]
        return Candidates(query.astype(np.int32), document[rows], position[rows].astype(np.int32), withheld, left_out)

    def content_ids(self, documents: Documents) -> np.ndarray:
        return np.array(self.ids.take(pa.array(documents)).to_pylist(), "S20")

    def outlines(self, documents: Documents) -> Outlines:
        bounds, marks = self.marks
        rows = [np.arange(bounds[one], bounds[one + 1]) for one in documents.tolist()]
        sizes = np.array([len(self.raw[one].as_py()) for one in documents.tolist()])
        return Outlines(self.families[documents], sizes, np.cumsum([0, *map(len, rows)]), marks[np.concatenate(rows)])

    def pieces(self, documents: Documents, begins: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = zip(documents.tolist(), begins.tolist(), ends.tolist(), strict=True)
        read = [self.raw[one].as_py()[begin:end] for one, begin, end in rows]
        return np.frombuffer(b"".join(read), np.uint8), np.cumsum([0, *map(len, read)])

    def texts(self, documents: Documents) -> Texts:
        chosen = pa.array(documents)
        return Texts(documents, self.ids.take(chosen), self.raw.take(chosen), self.families[documents])

    def facts(self, documents: Documents) -> Sequence[Facts]:
        return [self._facts(number) for number in documents.tolist()]

    def _facts(self, number: int) -> Facts:
        source = self.sources[number]
        places = tuple(
            Place(
                "self" if place == 0 else "exact",
                source.content_id,
                "example.org",
                repo,
                path,
                "",
                source.license,
                source.language,
            )
            for place, (repo, path) in enumerate(source.places)
            if number not in self.hidden and (number, place) not in self.hidden_places
        )
        versions = tuple(one.label for one in self.searched)
        withheld = len(source.places) - len(places)
        return Facts(number, source.content_id, source.language, source.license, versions, places, withheld)
