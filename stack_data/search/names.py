"""Names that are asked about, compared with names in an index: NFKC and case-folded, whatever the host's rules.

Pure functions. Owners of gist.github.com are those of github.com; an owner has what its subgroups have.
"""

from __future__ import annotations

from collections.abc import Iterable

from stack_data.identity import fold_name
from stack_data.search.clone_urls import Asked
from stack_data.search.documents import repository_key

SAME_OWNERS = {"github.com": ("github.com", "gist.github.com")}
"""Hosts whose owners also own what lies on others."""


def beginnings(asked: Asked, hosts: Iterable[str]) -> list[str]:
    """Return what the keys of all that is asked about begin with: `host/owner/`, or a repository's whole key.

    hosts: those to look at when none is asked for.
    """
    here = [fold_name(asked.host)] if asked.host else [fold_name(one) for one in hosts]
    if asked.repo:
        return [repository_key(host, asked.owner, asked.repo) for host in here]
    wide = dict.fromkeys(other for host in here for other in SAME_OWNERS.get(host, (host,)))
    return [f"{host}/{fold_name(asked.owner)}/" for host in wide]


def is_of(asked: Asked, host: str, repo_name: str) -> bool:
    """Return whether a place, its repository given as owner/repo, belongs to what is asked about."""
    owner, _, repo = repo_name.rpartition("/")
    key = repository_key(host, owner, repo)
    return any(key == one or (one.endswith("/") and key.startswith(one)) for one in beginnings(asked, [host]))
