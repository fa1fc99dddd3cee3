"""Redirects and new names of repositories, and what of an answer is believed."""

from __future__ import annotations

import http.server
from pathlib import Path

import pytest

from tests.git_server import GitServer, ask, make, redirect, server
from tests.sources.test_git import run

__all__ = ["server"]  # fixtures


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
