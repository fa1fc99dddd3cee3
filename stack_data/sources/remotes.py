"""Asking the remote of one unit whether it is still there, by kind of unit.

    git        the repository: there, closed, moved, its head, its signal files (remote_git.py)
    packages   the registry's JSON: package and version there, the file not taken away, not yanked or deprecated
    archive    a URL: HEAD, or the first byte where a server refuses HEAD

Everything else has nobody to ask: folders and environments are the user's own, data sets and Software Heritage have takedown
processes of their own, which their next version shows. What PyPI has put in quarantine is asked for like all else; its JSON API
does not tell quarantine from removal. For archives HTTP 401 and 403 say nothing: servers of files refuse robots so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from stack_data.errors import SourceError, TemporarySourceError
from stack_data.sources import packages, remote_git
from stack_data.sources.forges import parse_remote
from stack_data.sources.http_answers import ASK_SECONDS, Answer, ask
from stack_data.sources.remote_state import Asking, RemoteState, gone, host_in, not_asked, shown, unreachable
from stack_data.sources.source import Unit

__all__ = ["Asking", "RemoteState", "check_unit", "host_of"]

MAX_JSON_BYTES = 64 * 1024**2
_GONE_STATUS = {404, 410, 451}
_BUSY_STATUS = {407, 408, 425, 429}
_HEAD_REFUSED = {400, 403, 405, 501}
_UNASKED = {
    "directory": "a folder has no remote",
    "environment": "an installed environment has no remote",
    "huggingface": "data sets are not asked: their next revision shows what was taken out",
    "software_heritage": "the archive is not asked: it takes contents down itself",
}  # fmt: skip


def check_unit(kind: str, unit: Unit, wants: Callable[[str], bool], asking: Asking) -> RemoteState:
    """Ask the remote of a unit.

    kind: of its source. wants: whether a path of a repository is a file whose text is wanted. Never raises for what another
    machine does or what a lock says: what cannot be asked is unreachable, or not asked when there is nobody to ask.
    """
    reason = _unasked(kind, unit)
    if reason is not None:
        return reason
    try:
        return {"git": _git, "packages": _package, "archive": _archive}[kind](unit, wants, asking)
    except TemporarySourceError as error:
        return unreachable(str(error), host_failed=True)
    except (SourceError, OSError) as error:
        return unreachable(str(error))


def host_of(kind: str, unit: Unit, asking: Asking) -> str:
    """Return the host (with its port) that `check_unit` would ask; "" when it would ask nobody."""
    if _unasked(kind, unit) is not None:
        return ""
    url = (
        remote_git.address_of(unit)
        if kind == "git"
        else _package_url(unit, asking)
        if kind == "packages"
        else unit.locked["url"]
    )
    if "://" not in url:
        name = parse_remote(url)
        return name.host if name else ""
    return host_in(url)


def _unasked(kind: str, unit: Unit) -> RemoteState | None:
    """Return why there is nobody to ask about a unit; None when there is somebody."""
    locked = unit.locked
    if "failed" in locked:
        return not_asked("was not resolved yet")
    if "gone" in locked:
        return not_asked(f"left out since {locked['gone']}, when its source had it no more")
    if kind in _UNASKED:
        return not_asked(_UNASKED[kind])
    if kind == "git" and not remote_git.address_of(unit):
        return _unasked_repository(unit)
    if kind == "archive" and "url" not in locked:
        return not_asked("a local archive has no remote")
    if kind == "archive" and not (re.match(r"https?://", locked["url"]) and host_in(locked["url"])):
        return not_asked("its address is none that can be asked")
    return None


def _unasked_repository(unit: Unit) -> RemoteState:
    path = unit.locked.get("path")
    if path is None:
        return not_asked("its address is none that git may be sent to")
    if not Path(path).exists():
        # A disk that is not there says nothing about what its owner wants.
        return unreachable("its folder is not there now, and it has no remote to ask")
    return not_asked("a local repository without a remote")


def _git(unit: Unit, wants: Callable[[str], bool], asking: Asking) -> RemoteState:
    return remote_git.check(unit, wants, asking)


def _ask(url: str, asking: Asking, **more: Any) -> Answer:
    seconds = min(ASK_SECONDS, asking.limits.max_unit_seconds)
    return ask(url, seconds=seconds, follow=lambda to: not remote_git.is_login(str(to)), **more)


def _refused(answer: Answer, what: str) -> RemoteState | None:
    """Return the state of what did not answer with success; None when it did."""
    status = answer.status
    if status in _GONE_STATUS:
        return gone(f"{what} is gone: HTTP {status}", definite=True)
    if answer.location or answer.looped:
        return unreachable(
            f"redirects to another address, which was not asked: {httpx.URL(answer.location).host or '?'}"
        )
    limited = "retry-after" in answer.headers or answer.headers.get("x-ratelimit-remaining") == "0"
    if status in _BUSY_STATUS or status >= 500 or (status == 403 and limited):
        return unreachable(f"HTTP {status}", host_failed=True)
    return None if status < 400 else unreachable(f"HTTP {status}, which does not say whether it is there")


def _archive(unit: Unit, wants: Callable[[str], bool], asking: Asking) -> RemoteState:
    answer = _ask(unit.locked["url"], asking, method="HEAD")
    if answer.status in _HEAD_REFUSED:
        answer = _ask(unit.locked["url"], asking, headers={"Range": "bytes=0-0"}, max_bytes=1)
    if answer.location and not answer.looped and not remote_git.is_login(answer.location):
        # Servers of files hand over to others as a rule: that it still does so is what was asked.
        return RemoteState("ok", shown(f"offered at {httpx.URL(answer.location).host}, which was not asked"))
    return _refused(answer, "the archive") or RemoteState("ok")


def _package_url(unit: Unit, asking: Asking) -> str:
    """Return the address of a package in the registry it would be resolved at."""
    locked = unit.locked
    pypi, npm = asking.pypi_url, asking.npm_url
    if locked["host"] == "pypi":
        return f"{(pypi or packages.pip_registry() or packages.PYPI).rstrip('/')}/pypi/{locked['repo']}/json"
    name = locked["repo"] if locked["owner"] == "-" else f"@{locked['owner']}/{locked['repo']}"
    return f"{(npm or packages.npm_registry() or packages.NPM).rstrip('/')}/{quote(name, safe='@')}"


def _package(unit: Unit, wants: Callable[[str], bool], asking: Asking) -> RemoteState:
    # npm's short form leaves out readmes; a registry that does not know it sends the whole.
    headers = {"Accept": "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8"}
    answer = _ask(_package_url(unit, asking), asking, headers=headers, max_bytes=MAX_JSON_BYTES)
    refused = _refused(answer, "the package")
    if refused:
        return refused
    if answer.cut:
        return unreachable(f"the registry's answer is larger than {MAX_JSON_BYTES:,} bytes")
    try:
        told = json.loads(answer.body)
        return (_pypi if unit.locked["host"] == "pypi" else _npm)(unit.locked, told)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return unreachable("the registry's answer is none of a registry")


def _pypi(locked: Mapping[str, Any], told: Any) -> RemoteState:
    version = locked["version"]
    is_latest = told["info"]["version"] == version
    if not is_latest and "releases" not in told:
        return unreachable("the registry lists no versions")
    files = told["urls"] if is_latest else told["releases"].get(version)
    if not files:
        return gone(f"version {version} was taken away", definite=True)
    file = next((one for one in files if one["digests"]["sha256"] == locked["sha256"]), None)
    if file is None:
        return gone(f"the source distribution of version {version} was taken away", definite=True)
    return (
        RemoteState("ok", f"version {shown(version)} was yanked", withdrawn=True)
        if file.get("yanked")
        else RemoteState("ok")
    )


def _npm(locked: Mapping[str, Any], told: Any) -> RemoteState:
    version = locked["version"]
    if "versions" not in told and "unpublished" not in told["time"]:
        return unreachable("the registry lists no versions")
    found = told.get("versions", {}).get(version)
    if found is None:
        return gone(f"version {version} was unpublished", definite=True)
    # Deprecation is a text; an empty one takes it back.
    is_deprecated = bool(found.get("deprecated"))
    return RemoteState(
        "ok", f"version {shown(version)} is deprecated" if is_deprecated else "", withdrawn=is_deprecated
    )
