"""The git source over ssh: a real server on the loopback, a real client, a real agent."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack_data.config import LimitsConfig
from stack_data.config_sources import GitConfig, GitRepositoryConfig
from stack_data.sources import git
from stack_data.sources.source import SourceContext
from tests.sources.test_git import commit, run

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
NEEDED = [name for name in ("ssh", "ssh-agent", "ssh-add", "ssh-keygen", "ssh-keyscan") if not shutil.which(name)]
pytestmark = pytest.mark.skipif(
    SSHD is None or bool(NEEDED), reason=f"needs an OpenSSH server and {NEEDED or 'client'}"
)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _keygen(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Serve this user's ssh on the loopback; the client trusts the server's key through a wrapper in PATH."""
    _keygen(tmp_path / "host")
    _keygen(tmp_path / "mine")
    number = _free_port()
    config = tmp_path / "sshd_config"
    config.write_text(
        f"Port {number}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/host\nAuthorizedKeysFile {tmp_path}/mine.pub\n"
        f"StrictModes no\nUsePAM no\nPasswordAuthentication no\nPidFile {tmp_path}/pid\n"
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(parents=True, exist_ok=True)  # where a server started by root separates privileges
    wrapper = tmp_path / "bin" / "ssh"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F none -oUserKnownHostsFile={tmp_path}/known "$@"\n')
    wrapper.chmod(0o755)
    assert SSHD is not None
    server = subprocess.Popen([SSHD, "-D", "-f", str(config), "-E", str(tmp_path / "log")])
    try:
        for _ in range(100):
            keys = subprocess.run(
                ["ssh-keyscan", "-p", str(number), "127.0.0.1"], capture_output=True, text=True, check=False
            ).stdout
            if keys:
                break
            assert server.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.05)
        (tmp_path / "known").write_text(keys)
        monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
        yield number
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[str]:
    """Run an agent that holds the key; yield its socket."""
    place = str(tmp_path / "agent")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", place], stdout=subprocess.DEVNULL)
    try:
        while not Path(place).exists():
            time.sleep(0.01)
        subprocess.run(
            ["ssh-add", "-q", str(tmp_path / "mine")], env={**os.environ, "SSH_AUTH_SOCK": place}, check=True
        )
        yield place
    finally:
        process.terminate()
        process.wait()


def test_the_agent_opens_a_repository_and_without_it_the_refusal_is_told(
    tmp_path: Path, port: int, agent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "repo"
    repository.mkdir()
    run(repository, "init", "-q", "-b", "main")
    commit(repository, {"a.py": "a\n"})
    monkeypatch.chdir(tmp_path)
    # Builds lie in a relative folder by default, and so does their cache.
    context = SourceContext(Path("cache"), tmp_path, LimitsConfig(), "2026-01-01", {"SSH_AUTH_SOCK": agent})
    Path("cache").mkdir()
    url = f"ssh://127.0.0.1:{port}{repository}"
    config = GitConfig(name="g", kind="git", repositories=(GitRepositoryConfig(url=url),))
    (unit,) = git.resolve(config, context)
    reading = git.read(unit, context)
    assert [entry.content for entry in reading.entries] == [b"a\n"]
    assert (reading.repositories[0].host, reading.repositories[0].repo) == ("127.0.0.1", "repo")
    closed = SourceContext(Path("cache"), tmp_path, LimitsConfig(), "2026-01-01", {})
    (refused,) = git.resolve(config, closed)
    assert re.search(r"Permission denied.*Could not read from remote repository\.$", str(refused.locked["failed"]))
