"""A real git server, which also answers as it is told, on the loopback; and how remotes are asked about it."""

from __future__ import annotations

import gzip
import http.server
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stack_data.config import LimitsConfig
from stack_data.sources.remotes import Asking, RemoteState, check_unit
from stack_data.sources.source import Unit
from tests.sources.test_git import commit, run

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
