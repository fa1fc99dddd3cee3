"""index.json: which releases an index holds, in which segments, made with which parameters; replaced atomically, so it is never half.

INDEX/index.json          this
INDEX/segments/<number>/  immutable (segment.py); numbers are never used twice
INDEX/removals.jsonl      what was removed (removals.py)
INDEX/removals.applied    how many bytes of that have been carried out, and which places are removed (gone.py)

What is not listed here is not part of the index: the next writer deletes it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack_data import storage
from stack_data.errors import InputError
from stack_data.search.kernels import LEXER_VERSION
from stack_data.search.protocol import Release
from stack_data.search.views import VIEWS

FORMAT = "fairstack-index/2"
INDEX, SEGMENTS, KEYWORDS = "index.json", "segments", "keywords"
MAX_RELEASES = 64
"""Bits of a mask."""


@dataclass(frozen=True, slots=True)
class State:
    """releases: bit r of masks is the r-th; segments: (number, SHA-256 of its manifest), ascending; following: the next free number."""

    releases: tuple[Release, ...] = ()
    segments: tuple[tuple[int, str], ...] = ()
    following: int = 1


def parameters() -> dict[str, Any]:
    """Return what must be equal when an index is made and when it is asked."""
    views = {view.name: {"k": view.k, "stride": view.stride} for view in VIEWS}
    return {"format": FORMAT, "lexer": LEXER_VERSION, "views": views}


def write(folder: Path, state: State) -> None:
    """Replace index.json."""
    value = parameters() | {
        "releases": [
            {"name": one.name, "version": one.version, "identity": one.identity, "key": one.key}
            for one in state.releases
        ],
        "segments": [{"number": number, "sha256": sha256} for number, sha256 in state.segments],
        "following": state.following,
    }
    storage.write_json(folder / INDEX, value | {"check": _check(value)})


def read(folder: Path) -> State:
    """Read index.json. InputError when there is none, it is damaged, or another version made the index."""
    path = folder / INDEX
    if not path.exists():
        raise InputError(
            f"{folder} is no search index: it has no {INDEX}; make one with: fairstack search build RELEASE"
        )
    try:
        value = storage.read_json(path)
    except InputError as error:
        raise InputError(f"{error}; if it is damaged, delete it and build the index anew (removals stay)") from None
    if not isinstance(value, dict):
        raise InputError(
            f"{path} is damaged: it holds no object; delete index.json and build the index anew (removals stay)"
        )
    if value.get("format") != FORMAT:
        raise InputError(f"{path} is of format {value.get('format')!r}, this version reads {FORMAT!r}")
    check = value.pop("check", None)
    if check != _check(value):
        raise InputError(
            f"{path} is damaged: its bytes are not those that were written; delete index.json and build the index anew (removals stay)"
        )
    for name, wanted in parameters().items():
        if value.get(name) != wanted:
            raise InputError(
                f"{path}: the index was made with {name} {value.get(name)!r}, this version asks with {wanted!r}"
                "; delete index.json and build the index anew (removals stay)"
            )
    releases = tuple(
        Release(one["name"], one["version"], one["identity"], one.get("key", "")) for one in value["releases"]
    )
    segments = tuple((one["number"], one["sha256"]) for one in value["segments"])
    return State(releases, segments, value["following"])


def _check(value: Mapping[str, Any]) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def signature(path: Path) -> tuple[int, int, int]:
    """Return what changes when index.json, whose path is given, is replaced."""
    try:
        found = path.stat()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    return found.st_ino, found.st_mtime_ns, found.st_size


def clean(folder: Path, state: State) -> None:
    """Delete what killed writers left behind, and segments that were merged away."""
    listed = {str(number) for number, _ in state.segments}
    for path in (folder / SEGMENTS).glob("*"):
        if path.name not in listed:
            shutil.rmtree(path, ignore_errors=True)
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def with_segments(state: State, releases: Sequence[Release], made: Sequence[tuple[int, str]], keep: bool) -> State:
    """Return the state after segments were made. keep: beside those that are there, else in their place."""
    segments = (*(state.segments if keep else ()), *made)
    following = max([state.following, *(number + 1 for number, _ in made)])
    return State(tuple(releases), segments, following)
