"""Which addresses are asked, by which protocols, and how much of an answer is read."""

from __future__ import annotations

import http.server
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from stack_data.sources import git_capped, http_answers, remote_git
from stack_data.sources.remote_state import without_secrets
from stack_data.sources.remotes import check_unit, host_of
from stack_data.sources.source import Unit
from tests.git_server import GitServer, answer, ask, asking, is_signal, make, push, server
from tests.sources.test_git import run
from tests.sources.test_git_ssh import NEEDED, SSHD, agent, port

__all__ = ["agent", "port", "server"]  # fixtures


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
