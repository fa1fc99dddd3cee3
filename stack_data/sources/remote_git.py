"""Asking a git remote: is it there, has it moved, what is its head, and which of the wanted files does it have now.

An http(s) remote is first asked for its refs by plain HTTP, because git's own words do not tell a missing repository from a
tired host, nor where a redirect led. Then one commit is fetched into a temporary bare repository, without contents where the
server can do that, and the wanted files after it in one more request. This says the same as `git ls-remote` and does not list every
ref; `ls-remote` is asked when fetching fails. A server that filters nothing sends all contents of the commit, a dumb one the
whole history: time and bytes are capped, and beyond a cap the remote is there and its files are unread.

Nothing that the other side sends is run, checked out or shown. Redirects to other hosts are not followed, neither here nor by git;
a remote that redirects elsewhere is unreachable, its new address is in the detail and has to be taken up by a person. Hosts on
private networks are asked like others: builds of internal code name them.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from stack_data.errors import SourceError, TemporarySourceError
from stack_data.sources import git_capped
from stack_data.sources.forges import RepositoryName, parse_remote
from stack_data.sources.git_capped import Repository
from stack_data.sources.git_process import environment
from stack_data.sources.http_answers import ASK_SECONDS, Answer, ask, same_host
from stack_data.sources.remote_state import Asking, RemoteState, gone, host_in, shown, unreachable
from stack_data.sources.source import Unit

FETCH_SECONDS = 120.0
MAX_TEXT_BYTES = 500 * 1024
"""Of one file; robots.txt has the same limit in RFC 9309."""
MAX_SIGNAL_FILES = 200
_REFS = "/info/refs"
_GONE_STATUS = {404, 410, 451}
_BUSY_STATUS = {407, 408, 425, 429}
_LOGIN = re.compile(r"(?i)(?:^|/)(?:log[-_]?in|sign[-_]?in|sessions?/new|oauth2?|authorize|auth|sso|saml)(?:[/.]|$)")
_RATE_LIMIT = re.compile(rb"(?i)rate.?limit|too many requests|abuse detection")
_DISABLED = re.compile(rb"(?i)access to this repository has been disabled|repository access blocked|DMCA")
_NOT_FOUND = re.compile(
    r"(?i)repository not found|project you were looking for could not be found|no such repository|repository does not exist"
    r"|does not appear to be a git repository"
)
_CLOSED = re.compile(r"(?i)repository not exported")
_HOST_FAILED = re.compile(
    r"(?i)(?:could not resolve|unable to look up)|timed out|connection (?:reset|refused)|no route to host|returned error: (?:429|5\d\d)|early EOF"
)


def address_of(unit: Unit) -> str:
    """Return the URL a repository can be asked at, "" when it has none that git may be sent to."""
    url = str(unit.locked.get("url") or unit.locked.get("public_url") or "")
    if url.startswith("-") or any(not one.isprintable() or one.isspace() for one in url):
        return ""
    if "://" in url:
        return url if re.match(r"(?i)(?:https?|ssh|git)://", url) and host_in(url) else ""
    # git takes x::y for a remote helper.
    return url if "::" not in url and parse_remote(url) else ""


def check(unit: Unit, wants: Callable[[str], bool], asking: Asking) -> RemoteState:
    """Ask a remote; `address_of` names it. Never raises for what the other side does."""
    url = address_of(unit)
    renamed = detail = ""
    if _is_http(url):
        answered = _ask_for_refs(url, asking, is_public=unit.locked.get("audience") in (None, "public"))
        if isinstance(answered, RemoteState):
            return answered
        renamed, detail = _renamed(url, answered)
        url = answered
    with tempfile.TemporaryDirectory(dir=asking.scratch, prefix="ask-") as folder:
        seconds = min(FETCH_SECONDS, asking.limits.max_unit_seconds)
        repository = git_capped.create(Path(folder), url, asking.secrets, seconds)
        state = None if _is_http(url) else _list(repository)
        state = state or _fetched(repository, _revision(unit), wants)
    return replace(state, renamed_to=renamed, detail=_joined(detail, state.detail))


def _is_http(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))


def _joined(*remarks: str) -> str:
    return "; ".join(remark for remark in remarks if remark)


def _list(repository: Repository) -> RemoteState | None:
    """Return the state of a remote that is not there, where git alone can ask (ssh, git); None when it is."""
    try:
        repository.list_refs(["HEAD"])
    except git_capped.Failed as error:
        if _NOT_FOUND.search(error.words):
            return gone("gone: the host says that there is no such repository", definite=True)
        if _CLOSED.search(error.words):
            return gone("made private or gone: the host does not offer it", definite=False)
        return unreachable(str(error), host_failed=bool(_HOST_FAILED.search(error.words)))
    except SourceError as error:
        return unreachable(str(error), host_failed=True)
    return None


def _ask_for_refs(url: str, asking: Asking, *, is_public: bool) -> RemoteState | str:
    """Return the state of a remote that is not there, else the address that answered for it."""
    name, _, value = environment(None, asking.secrets, url).get("GIT_CONFIG_VALUE_0", "").partition(": ")
    # With protocol 2 the answer is a few lines, whatever the number of refs.
    headers = {"Git-Protocol": "version=2", "Accept-Encoding": "identity"} | ({name: value} if value else {})
    seconds = min(ASK_SECONDS, asking.limits.max_unit_seconds)
    address = url.rstrip("/") + _REFS + "?service=git-upload-pack"
    try:
        answer = ask(
            address, headers=headers, seconds=seconds, follow=lambda to: to.path.endswith(_REFS), proxies=False
        )
    except TemporarySourceError as error:
        return unreachable(str(error), host_failed=True)
    has_credentials = bool(value) or bool(urlsplit(url).username)
    state = _judge(answer, has_credentials, is_public)
    return state or str(answer.url.copy_with(query=None)).removesuffix(_REFS)


def _judge(answer: Answer, has_credentials: bool, is_public: bool) -> RemoteState | None:
    """Return what an answer other than a repository's means; None when a repository answered."""
    status = answer.status
    if answer.looped:
        return gone("made private: redirects in a circle", definite=False)
    if answer.location:
        return _judge_redirect(answer)
    if status in _GONE_STATUS or (status == 403 and _DISABLED.search(answer.body)):
        if is_public or has_credentials:
            return gone(f"gone: HTTP {status}", definite=True)
        return unreachable(f"HTTP {status}, and no credentials are set for a repository that is not public")
    if status == 401:
        return _judge_refusal(has_credentials, is_public)
    limited = "retry-after" in answer.headers or answer.headers.get("x-ratelimit-remaining") == "0"
    if status in _BUSY_STATUS or status >= 500 or (status == 403 and (limited or _RATE_LIMIT.search(answer.body))):
        return unreachable(f"HTTP {status}", host_failed=True)
    if status != 200:
        return unreachable(f"HTTP {status}, which does not say whether it is there")
    if "html" in answer.headers.get("content-type", ""):
        return unreachable("a web page answers, no repository")
    return None


def _judge_refusal(has_credentials: bool, is_public: bool) -> RemoteState:
    if has_credentials:
        return unreachable("HTTP 401: the host refuses the credentials that are set for it")
    if not is_public:
        return unreachable("HTTP 401, and no credentials are set for a repository that is not public")
    return gone("made private or gone: HTTP 401, asks for credentials", definite=False)


def _judge_redirect(answer: Answer) -> RemoteState:
    target = httpx.URL(answer.location)
    if is_login(answer.location):
        return gone("made private: redirects to a page to sign in", definite=False)
    if not same_host(answer.url, target):
        return unreachable(f"redirects to another address, which was not asked: {target.copy_with(query=None)}")
    return unreachable("redirects to a page that is no repository")


def is_login(location: str) -> bool:
    """Return whether a redirect leads to a page to sign in."""
    path = httpx.URL(location).path
    return not path.endswith(_REFS) and bool(_LOGIN.search(path))


def _renamed(asked: str, answered: str) -> tuple[str, str]:
    """Return the new name of a repository as the host's redirect has it, with a line that says so; empty when it has its own."""
    old, new = parse_remote(asked), parse_remote(answered)
    if old is None or new is None or _folded(old) == _folded(new):
        return "", ""
    name = "/".join(new)
    if len(name) > 255 or not name.isprintable() or ".." in name.split("/"):
        return "", "redirects to a name that cannot be one"
    return name, f"renamed to {name}"


def _folded(name: RepositoryName) -> tuple[str, ...]:
    return tuple(unicodedata.normalize("NFKC", part).casefold() for part in name)


def _revision(unit: Unit) -> str:
    """Return the branch or tag that was locked; "" for HEAD, for a commit, and for what is no name of a ref."""
    url = unit.locked.get("url")
    own = f"{url}@"
    name = unit.key.removeprefix(own) if url and unit.key.startswith(own) else unit.key.rpartition("@")[2]
    if "url" not in unit.locked or name == "HEAD" or re.fullmatch(r"[0-9a-f]{40}", name):
        return ""
    return name if re.fullmatch(r"[^\s:*^~?\[\\+\x00-\x1f-][^\s:*^~?\[\\\x00-\x1f]*", name) else ""


def _fetched(repository: Repository, revision: str, wants: Callable[[str], bool]) -> RemoteState:
    wanted = {"head": "HEAD"} | ({"revision": revision} if revision else {})
    refspecs = {name: f"+{ref}:refs/recheck/{name}" for name, ref in wanted.items()}
    try:
        tips, has_contents = _tips(repository, refspecs)
    except SourceError as error:
        return _unfetched(repository, revision, error)
    if not tips:
        return RemoteState("ok", "has no commit at its HEAD", signals_read=True)
    missing = f"has no {shown(revision)} any more" if revision and "revision" not in tips else ""
    head = "" if missing else tips.get("revision", tips["head"])
    found = [refspecs[name] for name in tips]
    try:
        signals, told = _signals(repository, list(dict.fromkeys(tips.values())), wants, None if has_contents else found)
    except SourceError as error:
        return RemoteState("ok", _joined(missing, f"its files could not be read: {shown(str(error))}"), head=head)
    return RemoteState("ok", _joined(missing, told), head=head, signals=signals, signals_read=True)


def _tips(repository: Repository, refspecs: Mapping[str, str]) -> tuple[dict[str, str], bool]:
    """Fetch refs; return the commits of those that are there, and whether contents came along."""
    try:
        has_contents = repository.fetch(list(refspecs.values()))
    except git_capped.MissingRef:
        # One missing ref fails all; asked one by one, the others come.
        each = [_is_fetched_whole(repository, one) for one in refspecs.values() if len(refspecs) > 1]
        has_contents = any(each)
    tips: dict[str, str] = {}
    for name in refspecs:
        words = ["rev-parse", "--verify", "--quiet", f"refs/recheck/{name}^{{commit}}"]
        with contextlib.suppress(git_capped.Failed):
            tips[name] = repository.local(words).decode().strip()
    return tips, has_contents


def _is_fetched_whole(repository: Repository, refspec: str) -> bool:
    try:
        return repository.fetch([refspec])
    except git_capped.MissingRef:
        return False


def _unfetched(repository: Repository, revision: str, why: SourceError) -> RemoteState:
    """Return what can be said of a remote that is there and from which nothing could be fetched."""
    names = [*(f"refs/{kind}/{revision}" for kind in ("tags", "heads") if revision), "HEAD"]
    try:
        listed = repository.list_refs(names)
    except SourceError:
        # It answered when it was asked whether it is there: nothing here can mean that it is gone.
        failed = isinstance(why, git_capped.Failed) and bool(_HOST_FAILED.search(why.words))
        return unreachable(str(why), host_failed=failed)
    refs = {name: oid for oid, _, name in (line.partition("\t") for line in listed.splitlines())}
    head = next((refs[name] for name in names if name in refs), "")
    is_id = re.fullmatch(r"[0-9a-f]{40}", head)
    return RemoteState("ok", f"its files could not be read: {shown(str(why))}", head=head if is_id else "")


def _signals(
    repository: Repository, commits: list[str], wants: Callable[[str], bool], missing: list[str] | None
) -> tuple[dict[str, str], str]:
    """Return path -> text of the wanted files of all commits, the first commit's where several have a path, and a remark.

    missing: refspecs of the commits, where contents have to be fetched.
    """
    blobs: dict[str, str] = {}
    told = ""
    for commit in commits:
        listing, is_whole = repository.listing(commit)
        told = told or ("" if is_whole else "only its first folders were looked at, the whole is too large")
        blobs = dict(_wanted(listing, wants)) | blobs
    # Nearest the root first, where a statement for the whole repository stands.
    paths = sorted(blobs, key=lambda path: (path.count("/"), path))[:MAX_SIGNAL_FILES]
    if len(paths) < len(blobs):
        told = f"{len(blobs):,} wanted files, the {MAX_SIGNAL_FILES} nearest its root were read"
    if paths and missing is not None:
        repository.fetch_objects([blobs[path] for path in paths], missing)
    return {path: repository.text(blobs[path], MAX_TEXT_BYTES) for path in paths}, told


def _wanted(listing: bytes, wants: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    for line in listing.split(b"\0"):
        facts, _, raw = line.partition(b"\t")
        path = raw.decode("utf-8", "surrogateescape")
        # Files only: a link's content is a path, a submodule has none.
        if facts.startswith(b"100") and wants(path):
            yield path, facts.split()[2].decode()
