"""What every source is: it resolves once to units, and reads each unit as repositories and entries.

A source module has two functions of these shapes and nothing else that the fetch step needs to know:

    resolve(config, context) -> list[Unit]       once; may ask the network; the units go to sources.lock.json
    read(unit, context) -> UnitReading           any number of times; reads exactly what the unit has pinned

A unit is what can fail and be filled later on its own: one repository, package, archive, folder or data set.
`read` yields entries in an order that depends on the unit alone (sorted paths, archive order, row order).
A broken entry is an Entry with a reason; a broken unit is a SourceError (TemporarySourceError when another
try may help). Nothing here decides about texts: decoding, binary and LFS checks belong to the fetch step.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from stack_data.config import LimitsConfig
from stack_data.reasons import Reason


class Author(NamedTuple):
    """An author of a file: keyed hash of the e-mail address, and their share of the file's commits, 0 to 1."""

    email_hash: str
    share: float


class Entry(NamedTuple):
    """One file of a unit.

    path         relative to the repository root, `/` between parts, undecodable bytes as surrogate escapes
    content      the original bytes, or None where `reason` says why they were not read
    num_bytes    size as the source states it, also when the content was not read; -1 when unknown
    reason       why the entry cannot be used, or None
    detail       a few words to the reason; never text of the file
    repository   index into UnitReading.repositories
    revision     commit, version or snapshot this place is of
    authors      empty where unknown
    license      SPDX expression the source states for this very place (data sets do), or None
    content_id   as the source states it, when the content was not read but its id is known (git), else None
    """

    path: str
    content: bytes | None
    num_bytes: int
    reason: Reason | None = None
    detail: str = ""
    repository: int = 0
    revision: str = ""
    authors: tuple[Author, ...] = ()
    license: str | None = None
    content_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Repository:
    """What is known of a repository or package. Times are UTC, ISO 8601; empty or None means unknown.

    host_time        creation or upload time as the host or registry states it: not writable by who pushes
    aliases          other names of it as host/owner/repo: old names, a gist's owner, a package's project URL
    topics           as the host states them
    declared_license SPDX expression that the registry or the configuration states for the whole of it
    authors_known    whether entries carry authors
    key_id           names the key of the author hashes; empty without authors
    """

    host: str
    owner: str
    repo: str
    url: str = ""
    owner_id: int | None = None
    repo_id: int | None = None
    root_commits: tuple[str, ...] = ()
    first_commit_time: str = ""
    host_time: str = ""
    is_fork: bool = False
    fork_of: str = ""
    stars: int | None = None
    aliases: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    declared_license: str | None = None
    declared_by: str = ""
    audience: str = "public"
    authors_known: bool = False
    key_id: str = ""


@dataclass(frozen=True, slots=True)
class Unit:
    """One repository, package, archive, folder or data set, pinned. `locked` holds plain JSON values only.

    first_seen  day of the lock that had it first, ISO 8601
    """

    key: str
    locked: Mapping[str, Any]
    first_seen: str = ""


@dataclass(frozen=True, slots=True)
class UnitReading:
    """A unit being read. `repositories` may grow while `entries` is consumed (data sets), never shrink."""

    repositories: list[Repository]
    entries: Iterator[Entry]


@dataclass(frozen=True, slots=True)
class Sample:
    """A share of a unit's entries, drawn by their paths, so that about `num_bytes` of them are read."""

    num_bytes: int
    always: Callable[[str], bool]
    """Entries that are read whatever is drawn: a file's licence is not judged without them."""
    all_bytes: int | None = None
    """Readable bytes of the whole unit, where they are listed in several steps."""

    def chooser(self, sizes: Iterable[int]) -> Callable[[str], bool]:
        """Return which paths are in the sample of a unit whose readable entries have these sizes."""
        share = min(1.0, self.num_bytes / max(sum(sizes) if self.all_bytes is None else self.all_bytes, 1))

        def takes(path: str) -> bool:
            digest = hashlib.sha256(path.encode("utf-8", "surrogateescape")).digest()
            return int.from_bytes(digest[:8]) < share * 2**64 or self.always(path)

        return takes


@dataclass(frozen=True, slots=True)
class SourceContext:
    """What sources need from the build.

    cache          folder for downloads and clones of this unit; emptied once the unit's parts are written
    config_folder  relative paths in the configuration are relative to it
    limits         size, count and time caps
    date           the lock's date, ISO 8601
    secrets        environment variables (author key, credentials); read here and nowhere else
    sample         for a dry run: sources that list their entries before they read them read a share of them only
    """

    cache: Path
    config_folder: Path
    limits: LimitsConfig
    date: str
    secrets: Mapping[str, str] = field(default_factory=dict)
    sample: Sample | None = None


def distinct_names(paths: Sequence[str], short: Callable[[str], str]) -> list[str]:
    """Return a name for each path: the short one, or where several share it, enough folders before the whole base name."""
    parts = [PurePosixPath(path.split("?")[0].replace("\\", "/")).parts for path in paths]
    names = [short(path) for path in paths]
    for depth in range(1, max(map(len, parts), default=0) + 1):
        clashing = {name for name, count in Counter(names).items() if count > 1}
        if not clashing:
            break
        names = [".".join(part[-depth:]) if name in clashing else name for name, part in zip(names, parts, strict=True)]
    return names
