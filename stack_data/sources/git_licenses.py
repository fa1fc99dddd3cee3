"""Was a path of a repository under the same licence at another commit? Evidence of two trees, compared folder by folder.

The same means: in every folder above the path the licence files are the same blobs, and manifests and READMEs state the same,
although they may differ otherwise. Folders that speak for the one above them (LICENSES/, debian/) count with it. Nothing
is judged here, and what cannot be read is not the same. Trees and statements are kept by their ids, so that a history is
read for the price of what changes in it.
Not compared: sections of licence files in folders aside that name the path, except those of debian/copyright.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa

from stack_data.licenses.files import Kind, folder_of, kind_of
from stack_data.licenses.headers import evidence_in, speaking_rows
from stack_data.licenses.reading import evidence_of
from stack_data.reasons import Reason
from stack_data.sources.git_objects import Objects
from stack_data.text import text_of

_ENTRY = re.compile(rb"([0-7]{5,6}) ([^\0]+)\0(.{20})", re.DOTALL)
_FOLDER = b"40000"
_MAX_TREE_BYTES = 16 * 1024**2
_MAX_STATEMENT_BYTES = 1024**2
_MAX_DEPTH = 100
_LEVELS, _STATEMENTS = 2048, 65536
"""How many folders and statements are remembered."""


@dataclass(frozen=True, slots=True)
class _Level:
    """A folder's evidence, its own and that of folders below which speak for it, and the ids of its folders by name."""

    evidence: frozenset[Hashable]
    folders: dict[str, str]


class LicenseTrees:
    """The licence evidence of a repository's trees."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._level = lru_cache(_LEVELS)(self._read_level)
        self._statements = lru_cache(_STATEMENTS)(self._read_statements)

    def agree(self, path: str, tree: str, other: str) -> bool:
        """Return whether two trees (ids) have the same evidence in every folder above `path`."""
        folder = ""
        for name in path.split("/")[:-1]:
            if tree == other:
                return True
            mine, theirs = self._level(tree, folder), self._level(other, folder)
            if mine is None or theirs is None or mine.evidence != theirs.evidence:
                return False
            if name not in mine.folders or name not in theirs.folders:
                return False
            tree, other = mine.folders[name], theirs.folders[name]
            folder = _join(folder, name)
        if tree == other:
            return True
        mine, theirs = self._level(tree, folder), self._level(other, folder)
        return mine is not None and theirs is not None and mine.evidence == theirs.evidence

    def _read_level(self, tree: str, folder: str) -> _Level | None:
        found = self._objects.read(tree, "tree", _MAX_TREE_BYTES)
        if isinstance(found, Reason) or folder.count("/") >= _MAX_DEPTH:
            return None
        evidence: set[Hashable] = set()
        folders: dict[str, str] = {}
        end = 0
        for entry in _ENTRY.finditer(found):
            if entry.start() != end:
                return None
            end = entry.end()
            name, oid = entry[2].decode("utf-8", "surrogateescape"), entry[3].hex()
            if entry[1] != _FOLDER:
                evidence |= self._evidence(_join(folder, name), oid, entry[1])
                continue
            folders[name] = oid
            if _speaks_above(name):
                below = self._level(oid, _join(folder, name))
                if below is None:
                    return None
                evidence |= below.evidence
        return _Level(frozenset(evidence), folders) if end == len(found) else None

    def _evidence(self, path: str, oid: str, mode: bytes) -> frozenset[Hashable]:
        kind = kind_of(path)
        if kind is None:
            return frozenset()
        if kind in ("manifest", "readme") and mode.startswith(b"100"):
            return self._statements(oid, path, kind)
        return frozenset({(kind, mode[:3], oid)})

    def _read_statements(self, oid: str, path: str, kind: Kind) -> frozenset[Hashable]:
        found = self._objects.read(oid, "blob", _MAX_STATEMENT_BYTES)
        text = found if isinstance(found, Reason) else text_of(found)
        if isinstance(text, Reason):
            # Nothing is known of what it states: only the very same file is the same.
            return frozenset({(kind, oid)})
        return frozenset((one.method, one.expression, one.files) for one in evidence_of(path, text, kind, {}))


def headers_agree(texts: Sequence[str]) -> bool:
    """Return whether texts say the same about their own licence, whatever else they say."""
    said: list[frozenset[Hashable]] = [frozenset()] * len(texts)
    for row, deep in speaking_rows(pa.array(texts, pa.large_string())):
        said[row] = frozenset((one.method, one.expression, one.files) for one in evidence_in(texts[row], deep))
    return len(set(said)) <= 1


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


@lru_cache(65536)
def _speaks_above(name: str) -> bool:
    """Return whether licence files in a folder of this name speak for files outside of it."""
    return name == "debian" or folder_of(f"{name}/file") == ""
