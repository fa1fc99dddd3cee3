"""Looking up single files by what identifies their bytes: content id (git's), SHA-256, SHA-256 of the released text, SWHID.

Reads the mapped tables of an index, by binary search: content ids lie in order, hashes by way of hashes.order. A content that a release dropped as a
near duplicate is found too, as what it was dropped beside. What was removed is not found.

Not covered: other kinds of SWHIDs; folders, commits and releases are in no index.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stack_data.errors import InputError
from stack_data.identity import swhid
from stack_data.optout.written_names import shown
from stack_data.search.documents import fixed
from stack_data.search.index import Index
from stack_data.search.owned_kernels import prefix_range
from stack_data.search.protocol import Facts, Place
from stack_data.search.segment import Segment

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FileId:
    """What identifies bytes. kind: content_id or sha256, of the file or of its text; raw: 20 or 32 bytes."""

    kind: str
    raw: bytes


def file_id(text: str) -> FileId:
    """Return what a text identifies: 40 or 64 hex digits, sha256:..., or a SWHID of a content; InputError when it is none."""
    word = text.strip().lower()
    swh = re.fullmatch(r"swh:1:([a-z]+):([0-9a-f]{40})(?:;.*)?", word)
    if swh and swh[1] != "cnt":
        raise InputError(f"{shown(text)!r} is the SWHID of a {swh[1]}; only contents (swh:1:cnt:...) are in an index")
    digits = swh[2] if swh else re.sub(r"^(?:sha256|sha1_git|git):", "", word)
    if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", digits):
        return FileId("content_id" if len(digits) == 40 else "sha256", bytes.fromhex(digits))
    raise InputError(
        f"{shown(text)!r} is no file, and identifies no file; give a content id (40 hex digits: git hash-object FILE), a SHA-256 (64) or a SWHID"
    )


def documents_of(index: Index, identity: FileId) -> Ints:
    """Return the documents whose bytes have this identity, one of each content: int64[N]."""
    if identity.kind == "content_id":
        ids = np.frombuffer(identity.raw, "S20")
    else:
        ids = np.unique(
            np.concatenate([np.empty(0, "S20"), *(_with_sha256(one, identity.raw) for one in index.segments)])
        )
    found = index.find(ids)
    return found[found >= 0]


def _with_sha256(segment: Segment, raw: bytes) -> npt.NDArray[np.bytes_]:
    count = len(segment)
    rows = [
        rows_with(segment.documents[name], segment.hash_order[begin : begin + count], raw)
        for name, begin in (("sha256", 0), ("text_sha256", count))
    ]
    return segment.content_ids[np.concatenate(rows)]


def rows_with(column: pa.FixedSizeBinaryArray, order: npt.NDArray[np.uint32], raw: bytes) -> Ints:
    """Return the rows of a column, among those of `order`, that hold these bytes. order: rows by their first eight bytes."""
    width = column.type.byte_width
    values = fixed(column).view(np.uint8).reshape(-1, width)
    hits = order[slice(*prefix_range(values, order, np.frombuffer(raw, np.uint8)))].astype(np.int64)
    return np.asarray(hits[(values[hits] == np.frombuffer(raw, np.uint8)).all(axis=1)], np.int64)


def find(index: Index, ids: Sequence[str]) -> Mapping[str, int]:
    """Return the documents of those contents (hex ids) that are in an index, hidden ones too."""
    found = index.find(np.array([bytes.fromhex(one) for one in ids], "S20")).tolist() if ids else []
    return {content: document for content, document in zip(ids, found, strict=True) if document >= 0}


def near_of(index: Index, identity: FileId) -> Iterator[tuple[int, int, Segment]]:
    """Yield (document, place row, segment) where a content was dropped as a near duplicate of a document, places shown only."""
    if identity.kind != "content_id":
        return
    for segment in index.segments:
        near = segment.hash_order[2 * len(segment) :]
        for row in sorted(rows_with(segment.places["content_id"], near, identity.raw).tolist()):
            if segment.shown(row, row + 1)[0]:
                yield segment.number << 32 | segment.places["document"][row].as_py(), row, segment


def file(index: Index, text: str) -> dict[str, Any]:
    """Return what an index knows of the bytes that a text identifies, as JSON values.

    `found` holds the contents themselves; `near`, where there are none, those that they were dropped beside as near duplicates.
    """
    identity = file_id(text)
    found = [one for one in index.facts(documents_of(index, identity)) if one.places]
    beside: list[Facts] = []
    if not found:
        documents = sorted({document for document, *_ in near_of(index, identity)})
        beside = [one for one in index.facts(np.array(documents, np.int64)) if one.places]
    return {
        "id": text.strip(), "found": [facts_json(one) for one in found], "near": [facts_json(one) for one in beside],
        "searched": [{"release": one.label, "identity": one.identity} for one in index.searched],
    }  # fmt: skip


def facts_json(facts: Facts) -> dict[str, Any]:
    """Return what is known of a content as JSON values."""
    return {
        "content_id": facts.content_id, "swhid": swhid(facts.content_id), "language": facts.language or None,
        "license": facts.license or None, "versions": list(facts.versions), "provenances": [place_json(one) for one in facts.places],
    }  # fmt: skip


def place_json(place: Place) -> dict[str, Any]:
    """Return a place as JSON values."""
    return {
        "relation": place.relation, "content_id": place.content_id, "host": place.host, "repo_name": place.repo_name,
        "path": place.path, "revision": place.revision or None, "license": place.license or None, "language": place.language or None,
    }  # fmt: skip
