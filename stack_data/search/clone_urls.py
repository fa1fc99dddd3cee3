"""What somebody asks about: an owner, a repository or a package, out of a name, a clone URL or the address of a page or file.

A pure function of its text. Understood are

    owner, @owner, owner/repo, host/owner, host/owner/repo    without a host: on whatever host the index has one
    pypi/-/name, pypi/name, npm/scope/name, npm/name, @scope/name, purls (pkg:pypi/name@1.0, pkg:github/owner/repo#path)
    clone URLs: https, http, ssh, git, git+https, git@host:owner/repo.git, github:owner/repo; ports and credentials do not count
    pages and files of a repository (blob, raw, tree, src, blame, ...), raw.githubusercontent.com, api and codeload addresses,
    gists, pages of pypi.org and npmjs.com

Nothing of an address is asked over the network, and no credentials in it are shown. Case is kept; whoever compares folds it
(identity.fold_name). Not covered: a branch with a slash in its name, whose second half is taken for the beginning of the path;
addresses of single issues, commits and users' sites; other kinds of packages than PyPI's and npm's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from stack_data.errors import InputError
from stack_data.identity import fold_name
from stack_data.optout.written_names import shown
from stack_data.sources.forges import alias_of

MOST_CHARACTERS = 2000
PACKAGES = ("pypi", "npm")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked about. host: "" for any; repo: "" for all of the owner's; path: inside the repository, "" for all of it."""

    host: str
    owner: str
    repo: str = ""
    path: str = ""

    @property
    def name(self) -> str:
        """The name for people: host/owner/repo, or as much of it as there is."""
        return "/".join(one for one in (self.host, self.owner, self.repo) if one)


def asked_of(text: str, hosts: Collection[str] = ()) -> Asked:
    """Return what a text asks about. hosts: further names that stand for hosts, as those in the index do.

    Raises InputError when it names no owner, repository or package.
    """
    word = text.strip().strip("<>\"'`")
    if not word or len(word) > MOST_CHARACTERS or not word.isprintable() or re.search(r"\s", word):
        raise _unknown(text)
    found = _read(word, frozenset(map(fold_name, hosts)))
    parts = [part for part in (found.host, *found.owner.split("/"), found.repo) if part] if found else []
    # A name that holds a pattern or steps out of its folder is no name, whatever the host.
    if found is None or not found.owner or any(part in (".", "..") or re.search(r"[*?\\:]", part) for part in parts):
        raise _unknown(text)
    return found


def _unknown(text: str) -> InputError:
    safe = shown(re.sub(r"(?<=://)[^/@]*@", "", text.strip()))
    return InputError(
        f"{safe!r} names no owner, repository or package; write owner, host/owner/repo, a clone URL or pkg:pypi/name"
    )


def _read(word: str, hosts: frozenset[str]) -> Asked | None:
    if word.lower().startswith("pkg:"):
        return _purl(word[4:])
    if "://" in word:
        return _url(word)
    scp = re.fullmatch(r"(?:[\w.+-]+@)?([\w.-]+):(?!//)(?:\d+/(?=[^/]+/[^/]))?(.+)", word)
    if scp:
        short = _SHORT_HOSTS.get(scp[1].lower(), scp[1])
        return _located(short, _steps(scp[2])) if "." in short or short == "localhost" or "@" in word else None
    return _plain(_steps(word), hosts, word.startswith("@"))


_SHORT_HOSTS = {
    "github": "github.com",
    "gh": "github.com",
    "gitlab": "gitlab.com",
    "bitbucket": "bitbucket.org",
    "gist": "gist.github.com",
}


def _steps(path: str) -> list[str]:
    """Return the parts of a path, unquoted, without empty ones."""
    return [unquote(step) for step in re.split("[?#]", path, maxsplit=1)[0].split("/") if step]


# Names without a scheme


def _plain(steps: list[str], hosts: frozenset[str], is_at: bool) -> Asked | None:
    first = fold_name(steps[0]).removeprefix("www.") if steps else ""
    if first in PACKAGES:
        return _package(first, steps[1:])
    if len(steps) > 1 and (first in hosts or _is_host(first)):
        return _located(first, steps[1:])
    if is_at and len(steps) == 2:
        return _package("npm", steps)
    if not 1 <= len(steps) <= 2:
        return None
    owner = steps[0].removeprefix("@").removeprefix("~")
    return Asked("", owner, _bare(steps[1]) if len(steps) == 2 else "")


def _is_host(name: str) -> bool:
    """Return whether a first part is a host: a known one, or one whose last part is no ending of files (`three.js`)."""
    return alias_of(f"https://{name}/owner/repo") is not None or name in _PAGES or name.count(".") >= 2


def _bare(repo: str) -> str:
    return repo.rstrip(".").removesuffix(".git")


def _package(host: str, steps: Sequence[str]) -> Asked | None:
    """Return a package: [name], [scope, name], ["-", name], whatever else follows."""
    if not steps or steps[-1] in ("-", "@"):
        return None
    scope = steps[0].removeprefix("@")
    if host == "pypi":
        name = steps[1] if scope == "-" and len(steps) > 1 else steps[0]
        # The registry takes runs of these characters for one another.
        return Asked("pypi", "-", re.sub("[-_.]+", "-", name).lower())
    if len(steps) == 1:
        return Asked("npm", scope) if steps[0].startswith("@") else Asked("npm", "-", steps[0])
    return Asked("npm", scope, steps[1])


def _purl(purl: str) -> Asked | None:
    """Return what a purl names: type/namespace/name@version?qualifiers#path."""
    purl, _, path = purl.lstrip("/").partition("#")
    kind, *steps = [step for step in purl.partition("?")[0].split("/") if step]
    if not steps:
        return None
    # An @ that begins a scope is written %40.
    steps[-1] = steps[-1].partition("@")[0] if not steps[-1].startswith("@") else steps[-1]
    steps = [unquote(step) for step in steps]
    if kind.lower() in PACKAGES:
        return _package(kind.lower(), steps)
    host = _SHORT_HOSTS.get(kind.lower())
    if host is None or len(steps) < 2:
        return None
    return Asked(host, "/".join(steps[:-1]), _bare(steps[-1]), "/".join(_steps(path)))


# Addresses


def _url(url: str) -> Asked | None:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return None
    if parts.scheme.lower() not in ("https", "http", "ssh", "git", "git+ssh", "git+https", "git+http") or not host:
        return None
    return _located(host, _steps(parts.path))


def _located(host: str, steps: list[str]) -> Asked | None:
    """Return what stands at a path of a host."""
    host = fold_name(host).removeprefix("www.")
    if not steps:
        return None
    page = _PAGES.get(host)
    if page:
        host, steps = page, _inside(host, steps)
        if page in PACKAGES:
            return _package(page, steps)
    if not steps:
        return None
    if host in ("github.com", "gist.github.com") and steps[0].lower() in ("orgs", "users") and len(steps) > 1:
        steps = [steps[1]]
    return _repository(host, [steps[0].removeprefix("~"), *steps[1:]])


_PAGES = {
    "raw.githubusercontent.com": "github.com", "codeload.github.com": "github.com", "api.github.com": "github.com",
    "ssh.github.com": "github.com", "gist.githubusercontent.com": "gist.github.com", "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org", "pypi.org": "pypi", "pypi.python.org": "pypi", "npmjs.com": "npm", "npmjs.org": "npm",
    "registry.npmjs.org": "npm",
}  # fmt: skip
"""Hosts whose repositories or packages are those of another name."""


def _inside(host: str, steps: list[str]) -> list[str]:
    """Return the path of the host that a page's host stands for."""
    if host in ("pypi.org", "pypi.python.org", "npmjs.com", "npmjs.org") and steps[0] in (
        "project",
        "simple",
        "pypi",
        "package",
    ):
        return steps[1:]
    if host == "api.github.com" and steps[0] in ("repos", "users", "orgs"):
        return steps[1:3]
    if host == "raw.githubusercontent.com" and len(steps) > 3:
        rest = steps[2:]
        # refs/heads/main or main
        rest = rest[2:] if rest[:2] in (["refs", "heads"], ["refs", "tags"]) else rest
        return [*steps[:2], "raw", *rest]
    return steps[:2] if host == "codeload.github.com" else steps


_SHOWS = ("blob", "raw", "tree", "blame", "edit", "src", "media", "-raw", "browse")
"""Parts of addresses behind which a revision stands, and then a path."""
_KINDS_OF_REVISIONS = ("branch", "commit", "tag")


def _repository(host: str, steps: list[str]) -> Asked | None:
    if len(steps) == 1:
        return Asked(host, steps[0])
    end = _end_of_name(host, steps)
    rest = steps[end:]
    while rest and rest[0] == "-":
        rest = rest[1:]
    path = ""
    if rest and rest[0] in _SHOWS:
        behind = (
            rest[2:]
            if len(rest) > 2 and rest[1] in _KINDS_OF_REVISIONS and rest[0] in ("src", "raw", "media")
            else rest[1:]
        )
        path = "/".join(behind[1:])
    return Asked(host, "/".join(steps[: end - 1]), _bare(steps[end - 1]), path)


def _end_of_name(host: str, steps: list[str]) -> int:
    """Return how many parts of a path are the repository's name, at least two."""
    for number, step in enumerate(steps):
        if step.endswith(".git") and number:
            return number + 1
        if step == "-" and number > 1:
            return number
    if host not in _SUBGROUPS and alias_of(f"https://{host}/owner/repo") is not None or host == "gist.github.com":
        return 2
    shows = [number for number, step in enumerate(steps) if number > 1 and step in _SHOWS]
    return shows[0] if shows else len(steps)


_SUBGROUPS = ("gitlab.com", "salsa.debian.org")
"""Known hosts whose owners may have parts."""
