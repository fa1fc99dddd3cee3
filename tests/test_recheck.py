"""`data recheck`: what remotes say, from a real git server, a registry and a server of files on the loopback.

Every answer that may mean "gone" is checked beside one that only looks so: a recheck that mistakes a tired host for owners who left
would empty a corpus, and one that does the reverse would keep what was withdrawn.
"""

from __future__ import annotations

import http.server
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from stack_data import recheck as rechecking
from stack_data import storage
from stack_data.config import BuildConfig
from stack_data.errors import InputError
from stack_data.layout import Build
from stack_data.lock import resolve
from stack_data.recheck import Checked, Recheck, read, recheck, summary
from stack_data.sources import kinds
from stack_data.sources.remotes import RemoteState
from stack_data.sources.source import SourceContext
from tests.git_server import GitServer, Rule, answer, is_signal, make, push, redirect, server

__all__ = ["server"]  # fixtures


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
