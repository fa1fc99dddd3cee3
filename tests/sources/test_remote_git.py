"""What a remote repository says of itself: its head, its signal files, and whether it is gone, from a real git server."""

from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from stack_data.sources import git_capped
from stack_data.sources.remotes import RemoteState
from tests.git_server import GitServer, Rule, answer, ask, make, push, server
from tests.sources.test_git import run

__all__ = ["server"]  # fixtures


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
