"""What a remote said when it was asked again: the answer itself, who asks, and words that are safe to show.

Three outcomes are kept apart, because they are treated differently: the remote is there (ok), its host says that it is not or
is closed to us (gone), or nobody could tell (unreachable, which never removes anything).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from stack_data.config import LimitsConfig

State = Literal["ok", "gone", "unreachable", "not_asked"]
_MAX_DETAIL = 240


@dataclass(frozen=True, slots=True)
class RemoteState:
    """What one remote said.

    state         ok: there and readable; gone: its host says that it is not there, or it is closed to those who could read
                  it; unreachable: nobody could tell; not_asked: there is nobody to ask
    detail        one printable line for people, without credentials
    renamed_to    host/owner/repo that the host redirects to; taken from the host's redirect and from nothing else, because
                  what lies in a repository is written by whoever can push
    head          commit that the locked revision names now, of HEAD where a commit was locked; empty when not known
    signals       path -> text of the wanted files, of HEAD and of the locked revision (HEAD's where both have the path);
                  undecodable bytes of a path are surrogate escapes
    signals_read  False: the files could not be read, so that no signals here means nothing
    withdrawn     yanked or deprecated by its publisher, and still there
    definite      gone by an answer that can only mean this (404, 410, 451, not found), not by a request for credentials
    host_failed   unreachable because the host itself failed (no answer, overload, rate limit), so others there would fail too
    """

    state: State
    detail: str = ""
    renamed_to: str = ""
    head: str = ""
    signals: Mapping[str, str] = field(default_factory=dict)
    signals_read: bool = False
    withdrawn: bool = False
    definite: bool = False
    host_failed: bool = False


@dataclass(frozen=True, slots=True)
class Asking:
    """What is needed to ask remotes.

    scratch        folder for temporary repositories; each is deleted when its remote has answered
    limits         max_unit_seconds caps the time of one remote
    secrets        environment variables with credentials
    pypi_url       registries, when the configuration names them
    """

    scratch: Path
    limits: LimitsConfig
    secrets: Mapping[str, str] = field(default_factory=dict)
    pypi_url: str | None = None
    npm_url: str | None = None


def gone(detail: str, *, definite: bool) -> RemoteState:
    """Return the state of a remote that is not there any more, or not for us."""
    return RemoteState("gone", shown(detail), definite=definite)


def unreachable(detail: str, *, host_failed: bool = False) -> RemoteState:
    """Return the state of a remote of which nothing could be learnt."""
    return RemoteState("unreachable", shown(detail), host_failed=host_failed)


def not_asked(detail: str) -> RemoteState:
    """Return the state of a unit that has no remote."""
    return RemoteState("not_asked", shown(detail))


def without_secrets(text: str) -> str:
    """Return a text without the user and password of any URL in it."""
    return re.sub(r"(?<=://)[^/@\s]*@", "", text)


def host_in(url: str) -> str:
    """Return the host of a URL with its port, "" when it has none or could be read in two ways."""
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return ""
    # Where the host begins must be the same for git, for the HTTP client and for who looks up credentials.
    if not has_host or "\\" in url or parts.netloc.count("@") > 1:
        return ""
    return parts.netloc.rpartition("@")[2].lower()


def shown(text: str) -> str:
    """Return a text for one line of a terminal: no credentials, no control characters, not long."""
    plain = "".join(one if one.isprintable() else " " for one in without_secrets(text))
    return " ".join(plain.split())[:_MAX_DETAIL]
