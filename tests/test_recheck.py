"""`data recheck`: what remotes say, from a real git server, a registry and a server of files on the loopback.

Every answer that may mean "gone" is checked beside one that only looks so: a recheck that mistakes a tired host for owners who left
would empty a corpus, and one that does the reverse would keep what was withdrawn.
"""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import http.server
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stack_data import recheck as rechecking
from stack_data import storage
from stack_data.config import BuildConfig, LimitsConfig
from stack_data.errors import InputError
from stack_data.layout import Build
from stack_data.lock import resolve
from stack_data.recheck import Checked, Recheck, read, recheck, summary
from stack_data.sources import git_capped, http_answers, kinds, remote_git, remotes
from stack_data.sources.remote_state import without_secrets
from stack_data.sources.remotes import Asking, RemoteState, check_unit, host_of
from stack_data.sources.source import SourceContext, Unit
from tests.sources.test_git import commit, run
from tests.sources.test_git_ssh import NEEDED, SSHD, agent, port

__all__ = ["agent", "port"]  # fixtures

Rule = Callable[[http.server.BaseHTTPRequestHandler], None]


def answer(status: int, body: bytes = b"", **headers: str) -> Rule:
    """Return a rule that answers every request the same."""

    def rule(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    return rule


def redirect(target: str, status: int = 301) -> Rule:
    """Return a rule that sends every request on, with what stood behind the repository's address."""

    def rule(handler: http.server.BaseHTTPRequestHandler) -> None:
        rest = handler.path.partition("/info/refs")
        where = target + (rest[1] + rest[2] if target.endswith(".git") else "")
        answer(status, Location=where)(handler)

    return rule


class GitServer:
    """Serves the bare repositories below `root` with git's own http-backend, and `rules` before them, by start of path."""

    def __init__(self, root: Path) -> None:
        self.root, self.rules, self.requests = root, {}, []
        self.rules: dict[str, Rule]
        self.requests: list[str]
        self.protocol = True
        self.num_bytes = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_all(self) -> None:
                outer.requests.append(f"{self.command} {self.path}")
                rule = next((rule for start, rule in outer.rules.items() if self.path.startswith(start)), None)
                (rule or outer.backend)(self)

            do_GET = do_POST = do_HEAD = handle_all

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever)
        self.thread.start()

    def backend(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        path, _, query = handler.path.partition("?")
        environment = {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(self.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
            "QUERY_STRING": query, "REQUEST_METHOD": handler.command, "CONTENT_TYPE": handler.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": "", "REMOTE_ADDR": "127.0.0.1", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_PROTOCOL": handler.headers.get("Git-Protocol", "") if self.protocol else "",
        }  # fmt: skip
        body = self.body(handler)
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        handler.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)
        self.num_bytes += len(content)

    @staticmethod
    def body(handler: http.server.BaseHTTPRequestHandler) -> bytes:
        content = b""
        if handler.headers.get("Transfer-Encoding") == "chunked":
            while size := int(handler.rfile.readline(), 16):
                content += handler.rfile.read(size)
                handler.rfile.readline()
            handler.rfile.readline()
        else:
            content = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        return gzip.decompress(content) if handler.headers.get("Content-Encoding") == "gzip" else content

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    served = GitServer(tmp_path / "served")
    yield served
    served.close()


def make(root: Path, name: str, files: dict[str, str | None] | None = None, *, filters: bool = True) -> Path:
    """Make a repository with these files and its bare copy `root/name.git`; return the work tree."""
    work = root.parent / "work" / name
    work.mkdir(parents=True)
    run(work, "init", "-q", "-b", "main")
    commit(work, {"a.py": f"{name}\n", **(files or {})})
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    run(work, "clone", "-q", "--bare", ".", f"{root}/{name}.git")
    run(work, "remote", "add", "origin", f"{root}/{name}.git")
    if filters:
        run(root / f"{name}.git", "config", "uploadpack.allowFilter", "true")
    return work


def push(work: Path, files: dict[str, str | None], branch: str = "main") -> str:
    found = commit(work, files)
    run(work, "push", "-q", "origin", f"HEAD:{branch}")
    return found


def asking(tmp_path: Path, seconds: float = 20, **secrets: str) -> Asking:
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    return Asking(scratch, LimitsConfig(max_unit_seconds=seconds, retry_seconds=0), secrets)


def git_unit(url: str, revision: str = "HEAD", **locked: Any) -> Unit:
    return Unit(f"{url}@{revision}", {"url": url, "commit": "0" * 40, **locked})


def is_signal(path: str) -> bool:
    return path in (".github/ai-opt-out", ".ai-preferences") or path.rpartition("/")[2] == ".gitattributes"


def ask(
    tmp_path: Path,
    url: str,
    revision: str = "HEAD",
    seconds: float = 20,
    secrets: dict[str, str] | None = None,
    **locked: Any,
) -> RemoteState:
    here = asking(tmp_path, seconds, **(secrets or {}))
    state = check_unit("git", git_unit(url, revision, **locked), is_signal, here)
    assert list(here.scratch.iterdir()) == []
    return state


# What a repository says


def test_a_repository_that_is_there_tells_its_head_and_its_signal_files_and_no_other(
    tmp_path: Path, server: GitServer
) -> None:
    work = make(server.root, "o/r", {"big.py": "x" * 300_000})
    first = ask(tmp_path, f"{server.url}/o/r.git")
    assert (first.state, first.head, dict(first.signals), first.signals_read) == (
        "ok",
        run(work, "rev-parse", "HEAD"),
        {},
        True,
    )
    head = push(work, {".github/ai-opt-out": "opt-out: true\n", "src/deep/.gitattributes": "* ai-training=false\n"})
    now = ask(tmp_path, f"{server.url}/o/r.git")
    assert now == RemoteState("ok", head=head, signals_read=True, signals={
        ".github/ai-opt-out": "opt-out: true\n", "src/deep/.gitattributes": "* ai-training=false\n",
    })  # fmt: skip
    push(work, {".github/ai-opt-out": None})
    assert set(ask(tmp_path, f"{server.url}/o/r.git").signals) == {"src/deep/.gitattributes"}


@pytest.mark.parametrize("protocol", [True, False], ids=["protocol 2", "protocol 0"])
@pytest.mark.parametrize("filters", [True, False], ids=["filters", "no filters"])
def test_servers_of_every_age_are_read(tmp_path: Path, server: GitServer, filters: bool, protocol: bool) -> None:
    server.protocol = protocol
    work = make(server.root, "o/r", {".ai-preferences": "train-ai=n\n"}, filters=filters)
    state = ask(tmp_path, f"{server.url}/o/r.git")
    assert (state.state, dict(state.signals), state.head) == (
        "ok",
        {".ai-preferences": "train-ai=n\n"},
        run(work, "rev-parse", "HEAD"),
    )


def test_contents_are_not_fetched_where_the_server_can_leave_them_out(tmp_path: Path, server: GitServer) -> None:
    noise = base64.b64encode(hashlib.shake_256(b"noise").digest(3_000_000)).decode()
    make(server.root, "o/r", {"noise.txt": noise, ".ai-preferences": "train-ai=n\n"})
    assert set(ask(tmp_path, f"{server.url}/o/r.git").signals) == {".ai-preferences"}
    assert server.num_bytes < 5_000
    assert len(server.requests) == 6


def test_beyond_the_cap_on_bytes_a_remote_is_there_and_its_files_are_unread(
    tmp_path: Path, server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = base64.b64encode(hashlib.shake_256(b"noise").digest(3_000_000)).decode()
    work = make(server.root, "o/r", {"noise.txt": noise, ".ai-preferences": "train-ai=n\n"}, filters=False)
    monkeypatch.setattr(git_capped, "MAX_BYTES", 1_000_000)
    state = ask(tmp_path, f"{server.url}/o/r.git")
    assert (state.state, state.signals_read, state.head) == ("ok", False, run(work, "rev-parse", "HEAD"))
    assert "its files could not be read: git fetch was given more than 1,000,000 bytes" in state.detail


def test_a_dumb_server_is_read(tmp_path: Path, server: GitServer) -> None:
    work = make(server.root, "r", {".ai-preferences": "train-ai=n\n"})
    run(server.root / "r.git", "update-server-info")
    handler = functools.partial(Quiet, directory=str(server.root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as dumb:
        thread = threading.Thread(target=dumb.serve_forever)
        thread.start()
        state = ask(tmp_path, f"http://127.0.0.1:{dumb.server_port}/r.git")
        missing = ask(tmp_path, f"http://127.0.0.1:{dumb.server_port}/other.git")
        dumb.shutdown()
        thread.join()
    assert (state.state, dict(state.signals)) == ("ok", {".ai-preferences": "train-ai=n\n"})
    assert state.head == run(work, "rev-parse", "HEAD")
    assert (missing.state, missing.definite) == ("gone", True)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Plain files."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_a_branch_has_its_own_head_and_signals_of_the_default_branch_count_too(
    tmp_path: Path, server: GitServer
) -> None:
    work = make(server.root, "o/r")
    dev = push(work, {".gitattributes": "of dev\n", "d/.gitattributes": "of dev\n"}, "dev")
    main = push(work, {".gitattributes": "of main\n", "d/.gitattributes": None})
    run(work, "tag", "-a", "-m", "one", "v1", dev)
    run(work, "push", "-q", "origin", "v1")
    url = f"{server.url}/o/r.git"
    assert ask(tmp_path, url).head == ask(tmp_path, url, "0" * 40).head == main
    for revision in ("dev", "v1", "refs/heads/dev"):
        state = ask(tmp_path, url, revision)
        assert state.head == dev
        assert dict(state.signals) == {".gitattributes": "of main\n", "d/.gitattributes": "of dev\n"}
    lost = ask(tmp_path, url, "lost")
    assert (lost.state, lost.head, lost.detail) == ("ok", "", "has no lost any more")
    assert dict(lost.signals) == {".gitattributes": "of main\n"}


def test_an_empty_repository_is_there(tmp_path: Path, server: GitServer) -> None:
    subprocess.run(["git", "init", "-q", "--bare", str(server.root / "o/r.git")], check=True)
    state = ask(tmp_path, f"{server.url}/o/r.git")
    assert (state.state, state.head, state.detail) == ("ok", "", "has no commit at its HEAD")


# There or not: each answer of a host


@pytest.mark.parametrize("status", [404, 410, 451])
def test_an_answer_that_can_mean_nothing_else_is_definitely_gone(
    tmp_path: Path, server: GitServer, status: int
) -> None:
    server.rules["/o/r.git"] = answer(status)
    state = ask(tmp_path, f"{server.url}/o/r.git")
    assert (state.state, state.definite, state.detail) == ("gone", True, f"gone: HTTP {status}")


def test_what_a_host_has_disabled_is_gone(tmp_path: Path, server: GitServer) -> None:
    server.rules["/o/r.git"] = answer(403, b"Access to this repository has been disabled by the staff.")
    assert ask(tmp_path, f"{server.url}/o/r.git").definite


def test_asking_for_credentials_means_made_private(tmp_path: Path, server: GitServer) -> None:
    server.rules["/o/r.git"] = answer(401, WWW_Authenticate='Basic realm="x"')
    url = f"{server.url}/o/r.git"
    state = ask(tmp_path, url)
    assert (state.state, state.definite) == ("gone", False)
    # With credentials of ours it means that they are worth nothing, and without any that we should have some.
    secrets = {"FAIRSTACK_GIT_TOKEN_127_0_0_1": "hush-hush"}
    refused = ask(tmp_path, url, secrets=secrets)
    assert (refused.state, refused.host_failed) == ("unreachable", False)
    assert ask(tmp_path, url.replace("//", "//me:hush-hush@")).state == "unreachable"
    assert ask(tmp_path, url, audience="internal").state == "unreachable"
    server.rules["/o/r.git"] = answer(404)
    assert ask(tmp_path, url, audience="internal").state == "unreachable"
    assert ask(tmp_path, url, audience="internal", secrets=secrets).state == "gone"


def test_configured_credentials_open_a_repository(tmp_path: Path, server: GitServer) -> None:
    make(server.root, "o/r")

    def closed(handler: http.server.BaseHTTPRequestHandler) -> None:
        _, _, basic = handler.headers.get("Authorization", "").partition(" ")
        is_known = base64.b64decode(basic).endswith(b":hush-hush")
        (server.backend if is_known else answer(401, WWW_Authenticate='Basic realm="x"'))(handler)

    server.rules["/o/r.git"] = closed
    url = f"{server.url}/o/r.git"
    assert ask(tmp_path, url).state == "gone"
    assert ask(tmp_path, url, secrets={"FAIRSTACK_GIT_TOKEN_127_0_0_1": "hush-hush"}).state == "ok"
    assert ask(tmp_path, url.replace("//", "//me:hush-hush@")).state == "ok"


@pytest.mark.parametrize(
    ("rule", "host_failed"),
    [(answer(429), True), (answer(500), True), (answer(503), True), (answer(403, Retry_After="60"), True),
     (answer(403, X_RateLimit_Remaining="0"), True), (answer(403, b"API rate limit exceeded"), True), (answer(403, b"no"), False),
     (answer(418), False), (answer(200, b"<html>for sale", Content_Type="text/html"), False), (answer(302), False)],
    ids=["429", "500", "503", "403 later", "403 limit", "403 limit told", "403", "418", "parked domain", "302 to nowhere"],
)  # fmt: skip
def test_what_does_not_tell_is_unreachable(tmp_path: Path, server: GitServer, rule: Rule, host_failed: bool) -> None:
    server.rules["/o/r.git"] = rule
    state = ask(tmp_path, f"{server.url}/o/r.git")
    assert (state.state, state.host_failed) == ("unreachable", host_failed)


def test_a_closed_port_an_unknown_host_and_no_answer_are_unreachable(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = free.getsockname()[1]
    with socket.create_server(("127.0.0.1", 0)) as hole:  # takes connections and never answers
        silent = hole.getsockname()[1]
        start = time.monotonic()
        for url in (
            f"http://127.0.0.1:{silent}/o/r",
            f"git://127.0.0.1:{silent}/o/r",
            f"https://127.0.0.1:{silent}/o/r",
        ):
            state = ask(tmp_path, url, seconds=0.5)
            assert (state.state, state.host_failed) == ("unreachable", True), url
        assert time.monotonic() - start < 10
    for url in (
        f"http://127.0.0.1:{closed}/o/r",
        f"git://127.0.0.1:{closed}/o/r",
        "http://nowhere.invalid/o/r",
        "git://nowhere.invalid/o/r",
    ):
        state = ask(tmp_path, url)
        assert (state.state, state.host_failed) == ("unreachable", True), url


def test_a_server_that_sends_a_byte_now_and_then_holds_nobody(tmp_path: Path, server: GitServer) -> None:
    def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        for _ in range(200):
            try:
                handler.wfile.write(b"H")
            except OSError:
                return
            time.sleep(0.05)

    server.rules["/o/r.git"] = drip
    start = time.monotonic()
    assert ask(tmp_path, f"{server.url}/o/r.git", seconds=0.5).state == "unreachable"
    assert time.monotonic() - start < 5


def test_a_repository_that_answers_and_cannot_be_fetched_is_not_gone(tmp_path: Path, server: GitServer) -> None:
    work = make(server.root, "o/r")
    fails = {"POST": answer(404), "GET": server.backend}
    server.rules["/o/r.git"] = lambda handler: fails[handler.command](handler)
    assert ask(tmp_path, f"{server.url}/o/r.git").state == "unreachable"
    # Fetching takes too long, listing does not: it is there, and that its files were not read is said.
    fetched = git_capped.Repository._fetch

    def slow(self: git_capped.Repository, *words: Any) -> str:
        raise git_capped.OverCap("git fetch took longer than it may")

    server.rules.clear()
    git_capped.Repository._fetch = slow  # type: ignore[method-assign]
    try:
        state = ask(tmp_path, f"{server.url}/o/r.git")
    finally:
        git_capped.Repository._fetch = fetched  # type: ignore[method-assign]
    assert (state.state, state.signals_read, state.head) == ("ok", False, run(work, "rev-parse", "HEAD"))


# Where to


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_on_the_same_host_is_a_new_name(tmp_path: Path, server: GitServer, status: int) -> None:
    make(server.root, "new/name", {".ai-preferences": "train-ai=n\n"})
    server.rules["/old/name.git"] = redirect("/new/name.git", status)
    state = ask(tmp_path, f"{server.url}/old/name.git")
    assert (state.state, state.renamed_to, state.detail) == (
        "ok",
        "127.0.0.1/new/name",
        "renamed to 127.0.0.1/new/name",
    )
    assert set(state.signals) == {".ai-preferences"}


def test_another_spelling_of_the_same_name_is_no_new_name(tmp_path: Path, server: GitServer) -> None:
    make(server.root, "o/r")
    server.rules["/O/R/info"] = redirect("/o/r.git")
    state = ask(tmp_path, f"{server.url}/O/R")
    assert (state.state, state.renamed_to) == ("ok", "")


def test_a_redirect_to_another_host_is_told_and_not_followed(tmp_path: Path, server: GitServer) -> None:
    make(server.root, "o/r")
    other = f"http://localhost:{server.http.server_port}/o/r.git"
    server.rules["/o/moved.git"] = redirect(other.replace("//", "//user:hush-hush@"))
    state = ask(tmp_path, f"{server.url}/o/moved.git")
    assert (state.state, state.renamed_to, state.host_failed) == ("unreachable", "", False)
    assert f"localhost:{server.http.server_port}/o/r.git" in state.detail
    assert "hush" not in state.detail
    assert server.requests == ["GET /o/moved.git/info/refs?service=git-upload-pack"]


def test_git_itself_follows_no_redirect(tmp_path: Path, server: GitServer) -> None:
    """The first answer is a repository's; what git asks next leads elsewhere."""
    make(server.root, "o/r")
    asked: list[str] = []

    def later(handler: http.server.BaseHTTPRequestHandler) -> None:
        asked.append(handler.command)
        (server.backend if len(asked) == 1 else redirect(f"http://localhost:{server.http.server_port}/o/r.git"))(
            handler
        )

    server.rules["/o/x.git"] = later
    run(server.root, "clone", "-q", "--bare", "o/r.git", "o/x.git")
    assert ask(tmp_path, f"{server.url}/o/x.git").state == "unreachable"
    assert not any("/o/r.git" in one for one in server.requests)


@pytest.mark.parametrize(
    "target", ["/login?next=%2Fo%2Fr", "/users/sign_in", "https://sso.example.invalid/saml/start", "/session/new"]
)
def test_a_redirect_to_a_page_to_sign_in_means_made_private(tmp_path: Path, server: GitServer, target: str) -> None:
    server.rules["/o/r.git"] = redirect(target, 302)
    state = ask(tmp_path, f"{server.url}/o/r.git")
    assert (state.state, state.definite) == ("gone", False)


def test_a_redirect_to_some_page_tells_nothing_and_one_in_a_circle_means_made_private(
    tmp_path: Path, server: GitServer
) -> None:
    server.rules["/o/r.git"] = redirect("/", 302)
    assert ask(tmp_path, f"{server.url}/o/r.git").state == "unreachable"
    server.rules["/o/r.git"] = redirect("/o/s.git", 302)
    server.rules["/o/s.git"] = redirect("/o/r.git", 302)
    state = ask(tmp_path, f"{server.url}/o/r.git")
    assert (state.state, state.definite) == ("gone", False)


def test_a_repository_named_login_is_a_repository(tmp_path: Path, server: GitServer) -> None:
    make(server.root, "auth/login")
    server.rules["/old/login.git"] = redirect("/auth/login.git")
    assert ask(tmp_path, f"{server.url}/old/login.git").renamed_to == "127.0.0.1/auth/login"


def test_nothing_in_a_repository_can_rename_it(tmp_path: Path, server: GitServer) -> None:
    make(server.root, "o/r", {".gitmodules": '[submodule "x"]\n\tpath = x\n\turl = https://example.org/v/victim\n',
                              "package.json": '{"repository": "https://example.org/v/victim"}', "CNAME": "example.org\n"})  # fmt: skip
    assert ask(tmp_path, f"{server.url}/o/r.git").renamed_to == ""


def test_a_name_that_can_be_none_is_not_taken(tmp_path: Path, server: GitServer) -> None:
    make(server.root, "o/r")
    make(server.root, "new/na\x1bme")
    server.rules["/o/r.git"] = redirect("/new/na%1bme.git")
    state = ask(tmp_path, f"{server.url}/o/r.git")
    assert state.renamed_to == ""
    assert "\x1b" not in state.detail


# What is hostile


@pytest.mark.parametrize(
    "url",
    ["ext::sh -c touch% owned", "file:///etc", "http::http://127.0.0.1/x", "-oProxyCommand=touch", "ftp://example.org/x",
     "ssh://-oProxyCommand=touch/x", "https:///x", "http://a\nb/c", "http://[::1/x",
     "http://a\\@127.0.0.1/x", "http://a@b@127.0.0.1/x", "a.bc::x", "git@host.example::x", ""],
)  # fmt: skip
def test_addresses_of_other_kinds_are_not_asked(tmp_path: Path, url: str) -> None:
    state = ask(tmp_path, url)
    # What git itself refuses may be asked; nothing else may.
    assert state.state == ("unreachable" if url.startswith("ssh://") else "not_asked")
    assert not (tmp_path / "owned").exists()


def test_links_and_huge_files_are_no_texts_and_paths_keep_their_bytes(tmp_path: Path, server: GitServer) -> None:
    work = make(server.root, "o/r")
    (work / ".ai-preferences").symlink_to("/etc/passwd")
    odd = os.fsdecode(b"d\xff")
    state_files: dict[str, str | None] = {".gitattributes": "x" * 2_000_000, f"{odd}/.gitattributes": "\0\u00e9\n"}
    push(work, state_files)
    state = ask(tmp_path, f"{server.url}/o/r.git")
    assert set(state.signals) == set(state_files)
    assert len(state.signals[".gitattributes"]) == 500 * 1024
    assert state.signals[f"{odd}/.gitattributes"] == "\0\u00e9\n"


def test_of_too_many_files_the_nearest_the_root_are_read(
    tmp_path: Path, server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_git, "MAX_SIGNAL_FILES", 2)
    make(
        server.root,
        "o/r",
        {f"{name}/x/.gitattributes": name for name in "abc"} | {"z/.gitattributes": "", ".gitattributes": ""},
    )
    state = ask(tmp_path, f"{server.url}/o/r.git")
    assert set(state.signals) == {".gitattributes", "z/.gitattributes"}
    assert "5 wanted files, the 2 nearest its root were read" in state.detail


def test_a_tree_that_unfolds_without_end_still_tells_what_stands_at_its_root(
    tmp_path: Path, server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = make(server.root, "o/r", {".ai-preferences": "train-ai=n\n", ".github/ai-opt-out": "opt-out: true\n"})
    tree = run(work, "rev-parse", "HEAD^{tree}")
    for _ in range(9):  # ten of ten of ten ...
        lines = "".join(f"040000 tree {tree}\td{number}\n" for number in range(10))
        tree = subprocess.run(
            ["git", "mktree"], cwd=work, input=lines, capture_output=True, text=True, check=True
        ).stdout.strip()
    root = run(work, "ls-tree", "HEAD") + f"\n040000 tree {tree}\tdeep\n"
    tree = subprocess.run(
        ["git", "mktree"], cwd=work, input=root, capture_output=True, text=True, check=True
    ).stdout.strip()
    bomb = run(work, "commit-tree", tree, "-m", "bomb")
    run(work, "push", "-q", "-f", "origin", f"{bomb}:refs/heads/main")
    monkeypatch.setattr(git_capped, "MAX_BYTES", 5_000_000)
    state = ask(tmp_path, f"{server.url}/o/r.git")
    assert set(state.signals) == {".ai-preferences", ".github/ai-opt-out"}
    assert "only its first folders were looked at" in state.detail


def test_credentials_are_in_no_detail(tmp_path: Path, server: GitServer) -> None:
    make(server.root, "o/r")
    told = b"ERR hush-hush at http://me:hush-hush@127.0.0.1/ \x1b[31m"
    packet = b"%04x" % (len(told) + 4) + told

    def spiteful(handler: http.server.BaseHTTPRequestHandler) -> None:
        if handler.command == "GET":
            server.backend(handler)
        else:
            answer(200, packet, Content_Type="application/x-git-upload-pack-result")(handler)

    server.rules["/o/r.git"] = spiteful
    state = ask(tmp_path, f"{server.url}/o/r.git".replace("//", "//me:hush-hush@"))
    assert state.state == "unreachable"
    assert "hush" not in state.detail and "\x1b" not in state.detail
    assert without_secrets("at https://me:hush-hush@example.org/x") == "at https://example.org/x"


def test_http_redirects_are_followed_on_one_host_and_never_down_from_https() -> None:
    url = http_answers.httpx.URL
    assert http_answers.same_host(url("http://h.example/a"), url("https://h.example/b"))
    for one, other in (("https://h.example/", "http://h.example/"), ("http://h.example/", "http://h.example:81/"),
                       ("http://h.example/", "http://www.h.example/"), ("http://h.example:81/", "https://h.example/")):  # fmt: skip
        assert not http_answers.same_host(url(one), url(other))


# Other ways to reach a repository


def test_a_git_daemon_is_asked(tmp_path: Path) -> None:
    work = make(tmp_path / "served", "r", {".ai-preferences": "train-ai=n\n"})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    words = [
        "git",
        "daemon",
        "--export-all",
        f"--base-path={tmp_path}/served",
        "--listen=127.0.0.1",
        f"--port={number}",
        "--reuseaddr",
    ]
    daemon = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", number)) == 0:
                    break
            time.sleep(0.02)
        state = ask(tmp_path, f"git://127.0.0.1:{number}/r.git")
        missing = ask(tmp_path, f"git://127.0.0.1:{number}/other.git")
    finally:
        daemon.terminate()
        daemon.wait()
    assert (state.state, state.head) == ("ok", run(work, "rev-parse", "HEAD"))
    assert set(state.signals) == {".ai-preferences"}
    assert (missing.state, missing.definite) == ("gone", False)


@pytest.mark.skipif(SSHD is None or bool(NEEDED), reason="needs an OpenSSH server and client")
def test_ssh_is_asked_and_a_refused_key_is_no_lost_repository(tmp_path: Path, port: int, agent: str) -> None:
    work = make(tmp_path / "served", "r", {".ai-preferences": "train-ai=n\n"})
    url = f"ssh://127.0.0.1:{port}{tmp_path}/served"
    keys = {"SSH_AUTH_SOCK": agent}
    state = ask(tmp_path, f"{url}/r.git", secrets=keys)
    assert (state.state, state.head, set(state.signals)) == ("ok", run(work, "rev-parse", "HEAD"), {".ai-preferences"})
    missing = ask(tmp_path, f"{url}/other.git", secrets=keys)
    assert (missing.state, missing.definite) == ("gone", True)
    assert ask(tmp_path, f"{url}/r.git").state == "unreachable"


def test_a_mirror_is_asked_for_at_its_origin_and_a_lost_disk_is_no_opt_out(tmp_path: Path, server: GitServer) -> None:
    here = asking(tmp_path)

    def state(**locked: Any) -> str:
        return check_unit("git", Unit("m@HEAD", {"commit": "0" * 40, **locked}), is_signal, here).state

    server.rules["/o/r.git"] = answer(404)
    assert state(path=str(tmp_path), public_url=f"{server.url}/o/r.git") == "gone"
    assert state(path=str(tmp_path), public_url="") == "not_asked"
    assert state(path=str(tmp_path), public_url="/srv/git/other") == "not_asked"
    assert state(path=str(tmp_path / "lost"), public_url="") == "unreachable"


@pytest.mark.parametrize("kind", ["directory", "environment", "huggingface", "software_heritage"])
def test_kinds_without_a_remote_say_why_they_are_not_asked(tmp_path: Path, kind: str) -> None:
    state = check_unit(kind, Unit("x", {"path": "x"}), is_signal, asking(tmp_path))
    assert state.state == "not_asked" and state.detail
    assert host_of(kind, Unit("x", {"path": "x"}), asking(tmp_path)) == ""


def test_units_without_a_lock_are_not_asked(tmp_path: Path) -> None:
    for locked in ({"failed": "no route"}, {"gone": "2026-01-01"}):
        assert (
            check_unit("git", Unit("https://example.invalid/x@HEAD", locked), is_signal, asking(tmp_path)).state
            == "not_asked"
        )


# Packages and archives


def package(tmp_path: Path, server: GitServer, told: Any, host: str = "pypi", **locked: Any) -> RemoteState:
    server.rules["/pypi/thing/json" if host == "pypi" else "/thing"] = (
        told if callable(told) else answer(200, json.dumps(told).encode(), Content_Type="application/json")
    )
    here = asking(tmp_path)
    here = Asking(here.scratch, here.limits, pypi_url=server.url, npm_url=server.url)
    unit = Unit(
        "p", {"host": host, "owner": "-", "repo": "thing", "version": "1.0", "url": "x", "sha256": "ab", **locked}
    )
    return check_unit("packages", unit, is_signal, here)


def test_a_version_on_pypi_is_there_yanked_or_taken_away(tmp_path: Path, server: GitServer) -> None:
    file = {"digests": {"sha256": "ab"}, "yanked": False}
    latest = {"info": {"version": "1.0"}, "urls": [file], "releases": {}}
    older = {"info": {"version": "2.0"}, "urls": [], "releases": {"1.0": [file]}}
    for told in (latest, older):
        assert package(tmp_path, server, told) == RemoteState("ok")
    yanked = package(tmp_path, server, latest | {"urls": [file | {"yanked": True}]})
    assert (yanked.state, yanked.withdrawn, yanked.detail) == ("ok", True, "version 1.0 was yanked")
    for told in (
        older | {"releases": {}},
        latest | {"urls": [{"digests": {"sha256": "other"}}]},
        latest | {"urls": []},
    ):
        state = package(tmp_path, server, told)
        assert (state.state, state.definite) == ("gone", True)
    assert package(tmp_path, server, answer(404)).definite
    for told in (
        answer(503),
        answer(403),
        answer(200, b"<html>"),
        answer(200, b"[]"),
        {},
        {"info": {"version": "2.0"}},
        redirect("/login"),
    ):
        assert package(tmp_path, server, told).state == "unreachable"


def test_a_version_on_npm_is_there_deprecated_or_unpublished(tmp_path: Path, server: GitServer) -> None:
    assert package(tmp_path, server, {"versions": {"1.0": {}}}, "npm") == RemoteState("ok")
    deprecated = package(tmp_path, server, {"versions": {"1.0": {"deprecated": "use other"}}}, "npm")
    assert (deprecated.state, deprecated.withdrawn) == ("ok", True)
    assert not package(tmp_path, server, {"versions": {"1.0": {"deprecated": ""}}}, "npm").withdrawn
    for told in ({"versions": {"2.0": {}}}, {"time": {"unpublished": {}}}, answer(404)):
        state = package(tmp_path, server, told, "npm")
        assert (state.state, state.definite) == ("gone", True)
    for told in ({}, {"error": "busy"}, answer(500)):
        assert package(tmp_path, server, told, "npm").state == "unreachable"
    server.requests.clear()
    package(tmp_path, server, {}, "npm", owner="scope")
    assert server.requests == ["GET /@scope%2Fthing"]


def test_an_answer_larger_than_any_registrys_is_not_read(
    tmp_path: Path, server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remotes, "MAX_JSON_BYTES", 10)
    assert "larger than 10 bytes" in package(tmp_path, server, {"versions": {"1.0": {}}}, "npm").detail


def archive(tmp_path: Path, server: GitServer, rule: Rule) -> RemoteState:
    server.rules["/a.zip"] = rule
    return check_unit("archive", Unit("a", {"url": f"{server.url}/a.zip", "sha256": "x"}), is_signal, asking(tmp_path))


def test_an_archive_is_there_or_gone(tmp_path: Path, server: GitServer) -> None:
    assert archive(tmp_path, server, answer(200, b"PK")) == RemoteState("ok")
    for status in (404, 410, 451):
        assert archive(tmp_path, server, answer(status)).definite
    for status in (401, 403, 429, 500):
        assert archive(tmp_path, server, answer(status)).state == "unreachable"
    # A server that refuses HEAD is asked for one byte.
    for refusal, then, expected in ((405, 206, "ok"), (405, 404, "gone"), (403, 200, "ok"), (501, 410, "gone")):
        fails = {"HEAD": answer(refusal), "GET": answer(then, b"P")}
        assert archive(tmp_path, server, lambda handler, by=fails: by[handler.command](handler)).state == expected  # type: ignore[misc]
    assert archive(tmp_path, server, redirect("http://files.example.invalid/a.zip")).state == "ok"
    assert archive(tmp_path, server, redirect("/login")).state == "unreachable"
    for locked in ({"path": "/x.zip"}, {"url": "http://[::1/x.zip"}, {"url": "file:///x.zip"}):
        unit = Unit("a", locked)
        assert check_unit("archive", unit, is_signal, asking(tmp_path)).state == "not_asked"
        assert host_of("archive", unit, asking(tmp_path)) == ""


# A whole build


@pytest.fixture
def names() -> list[str]:
    return [f"o/r{number}" for number in range(6)]


def locked_build(tmp_path: Path, urls: list[str], **limits: Any) -> Path:
    """Lock a build of these repositories, as its first run would."""
    config = BuildConfig.model_validate({
        "name": "b", "source": [{"name": "repos", "kind": "git", "repositories": [{"url": url} for url in urls]}],
        "limits": {"retry_seconds": 0, "max_unit_seconds": 20, **limits},
    })  # fmt: skip
    build = Build(tmp_path / "build")
    build.folder.mkdir(exist_ok=True)
    context = SourceContext(build.cache, tmp_path, config.limits, "2026-01-01")
    lock = resolve(build, config, lambda source: kinds.resolve(source, context), "2026-01-01", tmp_path)
    assert not lock.failures
    storage.write_json(build.config, config.resolved())
    return build.folder


def served_build(tmp_path: Path, server: GitServer, names: list[str]) -> Path:
    for name in names:
        make(server.root, name)
    return locked_build(tmp_path, [f"{server.url}/{name}.git" for name in names])


def states(found: Recheck) -> dict[str, str]:
    return {key.rpartition("/")[2].partition(".")[0]: checked.state.state for _, key, checked in found.every()}


def test_a_recheck_is_written_and_read_back(tmp_path: Path, server: GitServer, names: list[str]) -> None:
    build = served_build(tmp_path, server, names)
    assert read(build) is None
    work = server.root.parent / "work" / names[1]
    (work / os.fsdecode(b"\xff")).mkdir()
    push(work, {".ai-preferences": "train-ai=n\n", os.fsdecode(b"\xff/.gitattributes"): "*\n"})
    server.rules["/o/r0.git"] = answer(404)
    found = recheck(build, is_signal, today="2026-02-01", secrets={})
    assert read(build) == found
    assert states(found) == {"r0": "gone", **{f"r{number}": "ok" for number in range(1, 6)}}
    checked = found.units["repos"][f"{server.url}/o/r1.git@HEAD"]
    assert checked.changed and checked.checked == "2026-02-01" and len(checked.state.signals) == 2
    assert summary(found).splitlines() == [
        "recheck of 2026-02-01: 6 units: 5 ok, 1 gone, 1 with signal files, 1 changed since they were locked, 0 not asked",
        f"  gone: {server.url}/o/r0.git@HEAD: gone: HTTP 404",
        f"  with signal files: {server.url}/o/r1.git@HEAD: .ai-preferences, ?/.gitattributes",
    ]
    assert not (build / "cache" / "recheck").exists()


def test_gone_means_gone_twice(tmp_path: Path, server: GitServer, names: list[str]) -> None:
    build = served_build(tmp_path, server, names[:2])
    asked: list[int] = []

    def once(handler: http.server.BaseHTTPRequestHandler) -> None:
        asked.append(1)
        (answer(404) if len(asked) == 1 else server.backend)(handler)

    server.rules["/o/r0.git"] = once
    found = recheck(build, is_signal, today="2026-02-01", secrets={})
    assert states(found) == {"r0": "ok", "r1": "ok"}
    assert len(asked) > 1


def test_what_cannot_be_asked_keeps_what_was_known_of_it_and_when(
    tmp_path: Path, server: GitServer, names: list[str]
) -> None:
    build = served_build(tmp_path, server, names[:3])
    push(server.root.parent / "work" / names[0], {".ai-preferences": "train-ai=n\n"})
    server.rules["/o/r1.git"] = answer(410)
    server.rules["/o/r2.git"] = answer(500)
    first = recheck(build, is_signal, today="2026-02-01", secrets={})
    assert states(first) == {"r0": "ok", "r1": "gone", "r2": "unreachable"}
    server.rules["/o/"] = server.rules["/o/r1.git"] = answer(500)
    second = recheck(build, is_signal, today="2026-03-01", secrets={})
    assert states(second) == states(first)
    for number in (0, 1):
        before, after = (one.units["repos"][f"{server.url}/o/r{number}.git@HEAD"] for one in (first, second))
        assert (after.state, after.checked, after.failed) == (before.state, "2026-02-01", "HTTP 500")
    assert second.units["repos"][f"{server.url}/o/r2.git@HEAD"].checked == ""
    assert "HTTP 500 (last answered on 2026-02-01: gone)" in summary(second)
    assert "HTTP 500 (never answered)" in summary(second)
    server.rules.clear()
    assert states(recheck(build, is_signal, today="2026-04-01", secrets={})) == {"r0": "ok", "r1": "ok", "r2": "ok"}


@pytest.mark.parametrize("rule", [answer(404), answer(401), redirect("/login")], ids=["404", "401", "login"])
def test_a_host_on_which_most_is_gone_at_once_empties_nothing(
    tmp_path: Path, server: GitServer, names: list[str], rule: Rule
) -> None:
    build = served_build(tmp_path, server, names)
    first = recheck(build, is_signal, today="2026-02-01", secrets={})
    for number in range(4):
        server.rules[f"/o/r{number}.git"] = rule
    second = recheck(build, is_signal, today="2026-03-01", secrets={})
    assert states(second) == states(first) == {f"r{number}": "ok" for number in range(6)}
    told = second.units["repos"][f"{server.url}/o/r0.git@HEAD"].failed
    assert "so are 4 of 6 at 127.0.0.1" in told and "--accept-gone" in told
    third = recheck(build, is_signal, today="2026-04-01", secrets={}, accept_gone=True)
    assert sorted(states(third).values()) == ["gone"] * 4 + ["ok"] * 2
    # What went with a person's word is no part of what goes later.
    server.rules["/o/r4.git"] = answer(404)
    assert sorted(states(recheck(build, is_signal, today="2026-05-01", secrets={})).values()) == ["gone"] * 5 + ["ok"]


def test_half_of_a_host_may_go(tmp_path: Path, server: GitServer, names: list[str]) -> None:
    build = served_build(tmp_path, server, names)
    for number in range(3):
        server.rules[f"/o/r{number}.git"] = answer(401)
    found = recheck(build, is_signal, today="2026-02-01", secrets={})
    assert sorted(states(found).values()) == ["gone"] * 3 + ["ok"] * 3


def test_the_only_unit_of_a_host_goes_by_a_definite_answer_alone(
    tmp_path: Path, server: GitServer, names: list[str]
) -> None:
    build = served_build(tmp_path, server, names[:1])
    server.rules["/o/r0.git"] = answer(401)
    found = recheck(build, is_signal, today="2026-02-01", secrets={})
    assert states(found) == {"r0": "unreachable"}
    assert "answered for nothing else" in summary(found)
    assert states(recheck(build, is_signal, today="2026-02-01", secrets={}, accept_gone=True)) == {"r0": "gone"}
    (build / rechecking.FILE_NAME).unlink()
    server.rules["/o/r0.git"] = answer(404)
    assert states(recheck(build, is_signal, today="2026-02-01", secrets={})) == {"r0": "gone"}


def test_a_host_that_fails_in_a_row_is_left_alone(tmp_path: Path, server: GitServer) -> None:
    names = [f"o/r{number}" for number in range(20)]
    build = served_build(tmp_path, server, names)
    server.requests.clear()
    server.rules["/"] = answer(429)
    found = recheck(build, is_signal, today="2026-02-01", secrets={})
    assert set(states(found).values()) == {"unreachable"}
    assert len(server.requests) <= rechecking.HOST_PATIENCE + rechecking.PER_HOST
    assert "failed 5 times in a row" in summary(found)


def test_a_host_is_asked_by_two_at_a_time(tmp_path: Path, server: GitServer) -> None:
    build = served_build(tmp_path, server, [f"o/r{number}" for number in range(6)])
    running, most = [], [0]

    def counted(handler: http.server.BaseHTTPRequestHandler) -> None:
        running.append(1)
        most[0] = max(most[0], len(running))
        time.sleep(0.02)
        try:
            server.backend(handler)
        finally:
            running.pop()

    server.rules["/"] = counted
    recheck(build, is_signal, today="2026-02-01", secrets={}, workers=8)
    assert most[0] == rechecking.PER_HOST


def test_a_new_name_is_kept_when_the_old_one_is_taken_by_another_or_goes(
    tmp_path: Path, server: GitServer, names: list[str]
) -> None:
    build = served_build(tmp_path, server, names[:2])
    make(server.root, "new/r0")
    server.rules["/o/r0.git"] = redirect("/new/r0.git")
    key = f"{server.url}/o/r0.git@HEAD"
    assert (
        recheck(build, is_signal, today="2026-02-01", secrets={}).units["repos"][key].state.renamed_to
        == "127.0.0.1/new/r0"
    )
    server.rules.clear()
    taken = recheck(build, is_signal, today="2026-03-01", secrets={}).units["repos"][key].state
    assert taken.renamed_to == "127.0.0.1/new/r0"
    assert "someone may have the old name" in taken.detail
    server.rules["/o/r0.git"] = answer(404)
    lost = recheck(build, is_signal, today="2026-04-01", secrets={}).units["repos"][key].state
    assert (lost.state, lost.renamed_to) == ("gone", "127.0.0.1/new/r0")


def test_signals_that_could_not_be_read_again_are_kept() -> None:
    before = Checked(RemoteState("ok", signals={".ai-preferences": "train-ai=n"}, signals_read=True), "2026-02-01")
    now = rechecking._with_earlier(RemoteState("ok", "its files could not be read: x"), before, "2026-03-01")
    assert dict(now.state.signals) == {".ai-preferences": "train-ai=n"}
    assert now.state.detail == "its files could not be read: x; those of 2026-02-01 are kept"


def test_a_mixed_build_is_asked_by_kind(tmp_path: Path, server: GitServer) -> None:
    make(server.root, "o/r")
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.zip").write_bytes(b"PK\5\6" + b"\0" * 18)
    file = {
        "packagetype": "sdist",
        "filename": "t.tar.gz",
        "url": "t.tar.gz",
        "digests": {"sha256": "ab"},
        "yanked": True,
    }
    told = {"info": {"version": "1.0"}, "urls": [file], "releases": {"1.0": [file]}}
    server.rules["/pypi/thing/json"] = answer(200, json.dumps(told).encode())
    config = BuildConfig.model_validate({"name": "b", "source": [
        {"name": "folder", "kind": "directory", "path": "folder"},
        {"name": "zips", "kind": "archive", "archives": ["a.zip"]},
        {"name": "packages", "kind": "packages", "pypi": ["thing"], "pypi_url": server.url},
        {"name": "repos", "kind": "git", "audience": "internal", "repositories": [{"url": f"{server.url}/o/r.git"}]},
    ]})  # fmt: skip
    build = Build(tmp_path / "build")
    build.folder.mkdir()
    context = SourceContext(build.cache, tmp_path, config.limits, "2026-01-01")
    resolve(build, config, lambda source: kinds.resolve(source, context), "2026-01-01", tmp_path)
    storage.write_json(build.config, config.resolved())
    server.rules["/o/r.git"] = answer(404)
    found = recheck(build.folder, is_signal, today="2026-02-01", secrets={})
    # The last is not public, and nothing was sent that would open it.
    assert [one.state.state for _, _, one in found.every()] == ["not_asked", "not_asked", "ok", "unreachable"]
    assert "1 withdrawn" in summary(found)


def test_files_of_other_formats_and_folders_that_are_no_builds_are_refused(tmp_path: Path, server: GitServer) -> None:
    with pytest.raises(InputError, match="is no build"):
        recheck(tmp_path, is_signal, today="2026-02-01")
    build = served_build(tmp_path, server, ["o/r"])
    for text, told in (('{"format": "fairstack-recheck/2"}', "fairstack-recheck/2"), ("[]", "None"), ("{", "cannot be read"),
                       ('{"format": "fairstack-recheck/1", "date": "x"}', "is damaged")):  # fmt: skip
        (build / rechecking.FILE_NAME).write_text(text)
        with pytest.raises(InputError, match=told):
            read(build)
    (build / "config.json").unlink()
    with pytest.raises(InputError, match="never built to the end"):
        recheck(build, is_signal, today="2026-02-01")


def test_a_recheck_that_is_stopped_leaves_the_earlier_file(
    tmp_path: Path, server: GitServer, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    build = served_build(tmp_path, server, names)
    recheck(build, is_signal, today="2026-02-01", secrets={})
    before = (build / rechecking.FILE_NAME).read_bytes()
    monkeypatch.setattr(rechecking, "check_unit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        recheck(build, is_signal, today="2026-03-01", secrets={})
    assert (build / rechecking.FILE_NAME).read_bytes() == before
    assert not (build / "cache" / "recheck").exists()
