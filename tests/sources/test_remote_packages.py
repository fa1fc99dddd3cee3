"""What registries and servers of archives say of a version that was locked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stack_data.sources import remotes
from stack_data.sources.remotes import Asking, RemoteState, check_unit, host_of
from stack_data.sources.source import Unit
from tests.git_server import GitServer, Rule, answer, asking, is_signal, redirect, server

__all__ = ["server"]  # fixtures


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
