"""Owners and repositories as people write them in requests and lists: addresses, @names, owner/repo, bare names.

What is taken names one thing and nothing else. Everything that might mean something else is refused with the reason, because one
error ignores a person's wish and the other removes what nobody asked for: sentences, `all` and its like, patterns, commit ids,
addresses inside a repository, characters that nobody sees. Text is compared and kept in NFKC.

Not covered: whether the owner or repository exists, and whether who wrote it may speak for it.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass

from stack_data.identity import fold_name
from stack_data.sources.forges import alias_of, parse_remote
from stack_data.tables import load_table

MOST_SHOWN = 80


class NotUnderstood(ValueError):
    """A text that names nothing for certain. shown: the piece, safe to print; why: what is wrong with it."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__(f"{shown(text)!r}: {why}")
        self.shown, self.why = shown(text), why


@dataclass(frozen=True, slots=True)
class Name:
    """An owner, or with `repo` a repository; says_all: written as `owner/*`."""

    host: str
    owner: str
    repo: str = ""
    says_all: bool = False


def shown(text: str) -> str:
    """Return text as printable ASCII of at most MOST_SHOWN characters: whatever it holds, a terminal only shows it."""
    # Cut first: the text may be huge.
    safe = text[: MOST_SHOWN + 1].encode("unicode_escape").decode("ascii")
    return safe if len(safe) <= MOST_SHOWN and len(text) <= MOST_SHOWN else f"{safe[: MOST_SHOWN - 3]}..."


_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
_BULLET = re.compile(r"^(?:[-*+\u2022]|\d{1,3}[.)])\s+")
_WRAPPED = re.compile(r"""^(?:`([^`]*)`|'([^']*)'|"([^"]*)"|<([^<>]*)>)$""")
_ADDRESS = re.compile(r"^(?:[a-z+]+://|[\w.+-]+@[\w.-]+:)", re.IGNORECASE)


def names_in(text: str, host: str) -> list[Name]:
    """Return the names in a text: separated by commas, semicolons or lines, and those that cannot be words by spaces.

    host: where names without an address live. Raises NotUnderstood when any piece of it is no name: what stands beside it may
    be an exception from it.
    """
    for character in text:
        if character not in "\t\r\n" and unicodedata.category(character) in _UNSEEN:
            raise NotUnderstood(text, f"holds the character U+{ord(character):04X}, which nobody sees")
    pieces = [_BULLET.sub("", piece.strip()) for piece in re.split(r"[,;\r\n]+", unicodedata.normalize("NFKC", text))]
    return [name for piece in pieces if piece for name in _names_of(piece, host)]


def _names_of(piece: str, host: str) -> list[Name]:
    words = piece.split()
    if len(words) == 1:
        return [name_of(words[0], host)]
    if not all("/" in word or word.startswith("@") or _ADDRESS.match(word) for word in words):
        raise NotUnderstood(piece, "several words; names stand on lines of their own or between commas")
    return [name_of(word, host) for word in words]


@functools.cache
def _words(kind: str) -> frozenset[str]:
    return frozenset(load_table("request_words")[kind])


def name_of(word: str, host: str) -> Name:
    """Return what one word names; NotUnderstood when it is no name of an owner or repository."""
    bare = _bare(word)
    if bare.casefold().removesuffix("/*") in _words("nothing") or not re.search(r"\w", bare):
        raise NotUnderstood(word, "names nothing; an account of this name is written as its address")
    if re.fullmatch(r"[0-9a-fA-F]{40}", bare):
        raise NotUnderstood(word, "40 hex digits are a commit or a content, not an owner or a repository")
    if _is_address(bare, host):
        return _addressed(word, bare, host)
    if re.fullmatch(r"[^@/]+@[^@/]+", bare):
        raise NotUnderstood(word, "an e-mail address belongs in an entry of kind `email`, as its keyed hash")
    owner, _, repo = bare.removeprefix("@").rpartition("/")
    if repo == "*" or not owner:
        return _checked(word, Name(host, owner or repo, says_all=repo == "*"))
    return _checked(word, Name(host, owner, repo))


def _bare(word: str) -> str:
    """Return a word without quotes around it and without slashes and dots at its end."""
    wrapped = _WRAPPED.match(word)
    inner = "".join(filter(None, wrapped.groups())) if wrapped else word
    return inner.rstrip("./")


def _is_address(word: str, host: str) -> bool:
    first = fold_name(word.split("/", 1)[0]).removeprefix("www.")
    return bool(_ADDRESS.match(word)) or "/" in word and (first == fold_name(host) or _is_forge(first))


def _is_forge(host: str) -> bool:
    return host == "gist.github.com" or alias_of(f"https://{host}/owner/repo") is not None


def _addressed(word: str, address: str, host: str) -> Name:
    """Return what an address names; its host is a known forge or `host`."""
    if "://" not in address and not _ADDRESS.match(address):
        address = f"https://{address}"
    try:
        found = parse_remote(re.split("[?#]", address, maxsplit=1)[0])
    except ValueError:
        found = None
    if found is None or (found.owner == "-" and not found.repo):
        raise NotUnderstood(word, "is no address of an owner or repository")
    if found.host != host and not _is_forge(found.host):
        raise NotUnderstood(word, f"{shown(found.host)} is no known forge; name it with --host or in a column `host`")
    steps = [*([] if found.owner == "-" else found.owner.split("/")), found.repo.rstrip(".").removesuffix(".git")]
    if found.host in _GITHUB:
        if steps[0].casefold() in ("orgs", "users") and len(steps) > 1:
            steps = [steps[1]]
        elif len(steps) > 2:
            raise NotUnderstood(word, "is the address of something inside a repository")
    elif "-" in steps:
        raise NotUnderstood(word, "is the address of something inside a repository")
    if len(steps) == 1 or steps[-1] == "*":
        return _checked(word, Name(found.host, "/".join(steps[:-1]) or steps[0], says_all=steps[-1] == "*"))
    return _checked(word, Name(found.host, "/".join(steps[:-1]), steps[-1]))


_GITHUB = ("github.com", "gist.github.com")
_GITHUB_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,38}")
_GITHUB_REPO = re.compile(r"[A-Za-z0-9._-]{1,100}")
DELETED = "ghost"
"""The account that GitHub shows in the place of every deleted one."""


def _checked(word: str, name: Name) -> Name:
    """Return a name that its host can have; NotUnderstood otherwise."""
    host, repo = fold_name(name.host), name.repo.removesuffix(".git")
    if host in _GITHUB:
        if not _GITHUB_OWNER.fullmatch(name.owner) or name.repo and not _GITHUB_REPO.fullmatch(repo):
            raise NotUnderstood(word, f"no owner or repository of {host} can have this name")
        if name.owner.casefold() in _words("pages"):
            raise NotUnderstood(word, f"{host}/{name.owner.casefold()} is a page, not an account")
        if name.owner.casefold() == DELETED:
            raise NotUnderstood(word, f"{DELETED} stands for deleted accounts, whoever they were")
    elif (
        not re.fullmatch(r"\w[\w.+-]*(?:/\w[\w.+-]*)*", name.owner) or name.repo and not re.fullmatch(r"[\w.+-]+", repo)
    ):
        raise NotUnderstood(word, "is no name of an owner or repository")
    if name.repo and not repo.strip("."):
        raise NotUnderstood(word, "is no name of a repository")
    return Name(host, name.owner, repo, name.says_all)


def host_of(text: str) -> str:
    """Return a host in the form in which it is kept; NotUnderstood when it is none."""
    host = fold_name(text.strip()).removeprefix("www.")
    if host in ("pypi", "npm"):
        raise NotUnderstood(text, "packages are entries of kind `package`, which are not imported")
    if not re.fullmatch(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+|localhost", host):
        raise NotUnderstood(text, "is no host name, such as github.com")
    return host
