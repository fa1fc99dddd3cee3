"""Other names of repositories that a build knows: what look-ups follow from a former name or a project's address to what an index has.

Reads repositories/ of a build, of one audience; writes nothing. Two kinds are told apart:

same host   a former name, or another one for a gist's owner, as the host states it: asking for one name finds what lies under any of them
claimed     a package's own word for its project's address: it leads from the address to the package where nothing of that name is shown,
            never back, since anybody can write such a line

Who left is not told by another name: a name that was removed from the index, or that a reader's suppression lists hide, leads nowhere, and
what it leads to is only told where it is shown. Not covered: names that no source of the build stated.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stack_data import lock as locks
from stack_data import storage
from stack_data.layout import Build
from stack_data.optout import Places, resolve
from stack_data.optout.lists import SuppressionList
from stack_data.search.clone_urls import Asked
from stack_data.search.documents import repository_key
from stack_data.search.names import SAME_OWNERS, beginnings
from stack_data.search.removals import OWNER, REPOSITORY, read_log

_COLUMNS = ["host", "owner", "repo", "aliases"]


@dataclass(frozen=True, slots=True, order=True)
class Alias:
    """A name (key: folded; name: as the build has it) that leads to the repository with the key `target`; claimed: see the module."""

    key: str
    target: str
    name: str
    is_claimed: bool


@dataclass(frozen=True, slots=True)
class Aliases:
    """Other names, ascending. index: the folder whose removals hold for them; lists: what a reader hides."""

    every: tuple[Alias, ...]
    index: Path
    lists: tuple[SuppressionList, ...] = ()

    def of(self, asked: Asked) -> list[Alias]:
        """Return the other names that are asked for, without those that are removed or hidden."""
        hosts = sorted({one.key.partition("/")[0] for one in self.every}) if not asked.host else []
        found: dict[Alias, None] = {}
        for start in beginnings(asked, hosts):
            at = bisect_left(self.every, start, key=lambda one: one.key)
            while at < len(self.every) and _is_of(self.every[at].key, start):
                found[self.every[at]] = None
                at += 1
        return self._allowed(list(found)) if found else []

    def gone(self, names: Sequence[str]) -> list[bool]:
        """Return which names of repositories (host/owner/repo) were removed from the index, or are hidden."""
        removed = _removed(self.index, [repository_key(*_split(one)) for one in names])
        return [any(out) for out in zip(removed, self._hidden(names), strict=True)]

    def _allowed(self, found: list[Alias]) -> list[Alias]:
        return [one for one, is_gone in zip(found, self.gone([one.name for one in found]), strict=True) if not is_gone]

    def _hidden(self, found: Sequence[str]) -> list[bool]:
        """Return which names the lists would hide, were there a repository of that name."""
        if not self.lists:
            return [False] * len(found)
        names = [_split(one) for one in found]
        table = pa.table({name: [one[at] for one in names] for at, name in enumerate(("host", "owner", "repo"))})
        count = len(found)
        places = Places(pa.nulls(count, pa.string()), np.arange(count), pa.array([""] * count))
        (rows,) = resolve([places], table, self.lists, effects=("mask", "remove")).rows
        return [bool(one) for one in rows]


def _removed(index: Path, keys: Sequence[str]) -> list[bool]:
    """Return which names the log of removals holds, themselves or their owners."""
    log = set(read_log(index))
    return [
        (REPOSITORY, _hashed(key)) in log or any((OWNER, _hashed(one)) in log for one in _owners(key)) for key in keys
    ]


def _owners(key: str) -> list[str]:
    steps = key.split("/")
    above = ["/".join(steps[:count]) for count in range(2, len(steps))]
    return above + [f"{_home(key)}/{one.partition('/')[2]}" for one in above]


def _hashed(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def _is_of(key: str, start: str) -> bool:
    return key == start or (start.endswith("/") and key.startswith(start))


def aliases_of(
    build: Path, index: Path, lists: Sequence[SuppressionList] = (), audience: str = "public"
) -> Aliases:  # fmt: skip
    """Return the other names that a build knows of repositories that an audience may see. InputError when it is no build."""
    opened, found = Build.open(build), set[Alias]()
    for group in locks.read(opened).groups:
        table = storage.read_parquet(opened.repositories(group.name), [*_COLUMNS, "audience"])
        is_told = pc.and_(pc.greater(pc.list_value_length(table["aliases"]), 0), pc.equal(table["audience"], audience))
        for row in table.filter(pc.fill_null(is_told, False)).to_pylist():
            found.update(_of_repository(row["host"], row["owner"], row["repo"], row["aliases"]))
    # E-mail entries name no repository.
    known = [replace(one, entries=tuple(entry for entry in one.entries if entry.kind != "email")) for one in lists]
    return Aliases(tuple(sorted(found)), index, tuple(known))


def _of_repository(host: str, owner: str, repo: str, aliases: Sequence[str]) -> set[Alias]:
    own = f"{host}/{owner}/{repo}"
    known = {name: repository_key(*_split(name)) for name in (own, *aliases) if name.count("/") >= 2}
    same = [name for name in known if _home(known[name]) == _home(known[own])]
    claimed = {Alias(known[name], known[own], name, True) for name in known if name not in same}
    return claimed | {
        Alias(known[name], known[other], name, False) for name in same for other in same if known[name] != known[other]
    }


def _home(key: str) -> str:
    host = key.partition("/")[0]
    return next((home for home, hosts in SAME_OWNERS.items() if host in hosts), host)


def _split(name: str) -> tuple[str, str, str]:
    host, _, rest = name.partition("/")
    owner, _, repo = rest.rpartition("/")
    return host, owner, repo


def build_around(index: Path) -> Path | None:
    """Return the build whose folder index/ an index is, None where it lies elsewhere."""
    around = index.resolve().parent
    return around if index.resolve().name == "index" and (around / "sources.lock.json").exists() else None
