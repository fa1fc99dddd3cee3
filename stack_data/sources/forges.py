"""Names of repositories out of URLs: host, owner and repository, however the URL is spelled."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

_SCP = re.compile(r"^(?:[\w.+-]+@)?(?P<host>[\w.-]+\.[a-z]{2,}|localhost):(?!//)(?P<path>[^\s]+)$", re.IGNORECASE)
# Hosts whose first path parts are an owner and a repository; other addresses in package metadata are home pages.
_FORGES = {"github.com", "gitlab.com", "codeberg.org", "bitbucket.org", "git.sr.ht", "gitee.com", "salsa.debian.org"}


class RepositoryName(NamedTuple):
    """Where a repository lives. `owner` may hold slashes (GitLab subgroups)."""

    host: str
    owner: str
    repo: str


def parse_remote(url: str) -> RepositoryName | None:
    """Return the name in a git remote URL (https, ssh, scp-like, git), or None for paths and other things."""
    scp = _SCP.match(url)
    if scp and "://" not in url:
        return _named(scp["host"], scp["path"])
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http", "ssh", "git", "git+ssh", "git+https") or not parts.hostname:
        return None
    return _named(parts.hostname, parts.path)


def _named(host: str, path: str) -> RepositoryName | None:
    steps = [step for step in unquote(path).removesuffix("/").removesuffix(".git").split("/") if step and step != "~"]
    if not steps:
        return None
    owner = "/".join(steps[:-1]) or "-"
    return RepositoryName(host.lower().removeprefix("www."), owner.removeprefix("~"), steps[-1])


def alias_of(url: str) -> str | None:
    """Return host/owner/repo when a project URL names a repository on a known forge."""
    name = parse_remote(url.strip())
    if name is None or name.host not in _FORGES:
        return None
    steps = [*name.owner.split("/"), name.repo]
    # .../owner/repo/issues, /-/tree/main and the like are pages of the repository.
    if len(steps) < 2 or steps[0] == "-":
        return None
    return f"{name.host}/{steps[0]}/{steps[1].removesuffix('.git')}"
