"""What a search index is to those who ask it: candidates, texts and facts about documents.

The segments on this machine (index.py) are one such index; a cluster may be another. Lexing, verification and classification are the
askers', so that answers are equal whatever stands behind. A document is a number that only the index that gave it understands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stack_data.search.grams import Grams
from stack_data.search.views import View

__all__ = ["Candidates", "Documents", "Facts", "Grams", "Place", "Release", "SearchIndex", "Texts"]

Documents = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Release:
    """A release that was indexed. identity: SHA-256 of its manifest; key: with which its removal lists are signed, "" for none."""

    name: str
    version: str
    identity: str
    key: str = ""

    @property
    def label(self) -> str:
        """How answers call it."""
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True)
class Candidates:
    """M places where a gram of the query may occur, by (query, document, position); of living documents only.

    query int32[M]: number of the gram among those asked for; document int64[M]; position int32[M]: token of the document at which
    the gram begins. withheld int64[W], distinct, ascending: documents that would have been candidates, were they not hidden.
    left_out bool[G]: grams that stand at too many places to be looked for.
    """

    query: npt.NDArray[np.int32]
    document: Documents
    position: npt.NDArray[np.int32]
    withheld: Documents
    left_out: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.query)


@dataclass(frozen=True, slots=True)
class Texts:
    """The released texts of D documents. texts: large_binary[D], UTF-8; families: uint8[D], what each is lexed as."""

    document: Documents
    content_id: pa.FixedSizeBinaryArray
    texts: pa.LargeBinaryArray
    families: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Place:
    """One place that is not hidden. relation: self (displayed), exact, or near: then content_id is not the document's."""

    relation: str
    content_id: str
    host: str
    repo_name: str
    path: str
    revision: str
    license: str
    language: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What answers say of a document.

    versions: labels of the releases that hold it; places: those not hidden, the displayed one first; language and license are the
    first one's. withheld: how many places are hidden.
    """

    document: int
    content_id: str
    language: str
    license: str
    versions: tuple[str, ...]
    places: tuple[Place, ...]
    withheld: int


class SearchIndex(Protocol):
    """An index over releases. All of one answer is asked of one `current()`; opt-outs since then hold for it all the same."""

    @property
    def searched(self) -> tuple[Release, ...]:
        """The releases, in the order in which they were added."""

    @property
    def views(self) -> tuple[View, ...]:
        """The views that can be asked."""

    def current(self) -> SearchIndex:
        """Return the index as it is now: itself when nothing was added or merged since."""

    def candidates(self, grams: Grams, most: int | None = None) -> Candidates:
        """Return where grams of a query may occur; most: about as many places, those of the rarest grams, the others left out."""

    def content_ids(self, documents: Documents) -> npt.NDArray[np.bytes_]:
        """Return the content ids of candidates: bytes20[D]."""

    def texts(self, documents: Documents) -> Texts:
        """Return the texts of candidates, in their order."""

    def facts(self, documents: Documents) -> Sequence[Facts]:
        """Return what is known of candidates, in their order; one that was hidden meanwhile has no places."""
