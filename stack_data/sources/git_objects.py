"""Objects of a repository through `git cat-file`: many in bulk, or one at a time by name.

A damaged object ends git, or makes it send other bytes than it says; both ways notice, because every blob is hashed, and go on
behind it. What a repository names but does not have is a reason, not an error. One at a time, nothing larger than was asked
for is read: sizes are asked first.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from stack_data.errors import SourceError
from stack_data.identity import content_id
from stack_data.reasons import Reason
from stack_data.sources.git_process import environment


def contents_of(git_dir: Path, oids: Sequence[str], secrets: Mapping[str, str]) -> Iterator[bytes | Reason]:
    """Yield each blob's bytes, or why it has none. git stops at a damaged object; reading goes on behind it."""
    done = 0
    while done < len(oids):
        for content in _batch(git_dir, oids[done:], secrets):
            done += 1
            yield content
        if done < len(oids):
            done += 1
            yield Reason.UNREADABLE


def _batch(git_dir: Path, oids: Sequence[str], secrets: Mapping[str, str]) -> Iterator[bytes | Reason]:
    process = _start(git_dir, ["cat-file", "--batch", "--buffer"], secrets)
    assert process.stdin and process.stdout
    feeder = threading.Thread(target=_feed, args=(process.stdin, oids), daemon=True)
    feeder.start()
    try:
        for _ in oids:
            header = process.stdout.readline().split()
            if len(header) == 2:
                yield Reason.CONTENT_MISSING
                continue
            if len(header) != 3:
                return
            content = process.stdout.read(int(header[2]) + 1)[:-1]
            if content_id(content) != header[0].decode():
                return
            yield content
    finally:
        process.stdout.close()
        process.kill()
        process.wait()
        feeder.join()


def _feed(stdin: IO[bytes], oids: Sequence[str]) -> None:
    try:
        stdin.write("\n".join(oids).encode() + b"\n")
        stdin.close()
    except (BrokenPipeError, ValueError):
        # git died of a damaged object; the reader sees the end and goes on behind it.
        pass


def _start(git_dir: Path, words: Sequence[str], secrets: Mapping[str, str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            ["git", *words], env=environment(git_dir, secrets), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, bufsize=1 << 20,
        )  # fmt: skip
    except FileNotFoundError:
        raise SourceError("git is not installed") from None


class Objects:
    """Objects of a repository, one at a time, by id or as `<id>^{tree}`; its processes run as long as it is open."""

    def __init__(self, git_dir: Path, secrets: Mapping[str, str]) -> None:
        self._git_dir, self._secrets = git_dir, secrets
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._nothing = os.urandom(20).hex()

    def __enter__(self) -> Objects:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def find(self, name: str) -> tuple[str, str, int] | Reason:
        """Return id, kind and size of an object without reading it, or why there is none."""
        if not re.fullmatch(r"[0-9a-f]{40}(?:\^\{tree\})?", name):
            return Reason.CONTENT_MISSING
        return self._ask("--batch-check", name)

    def read(self, oid: str, kind: str, max_bytes: int) -> bytes | Reason:
        """Return an object's bytes, or why there is none of this kind: CONTENT_MISSING, UNREADABLE or TOO_LARGE."""
        found = self.find(oid)
        if isinstance(found, Reason):
            return found
        if found[1] != kind or found[2] > max_bytes:
            return Reason.TOO_LARGE if found[1] == kind else Reason.UNREADABLE
        content = self._received(oid, found, max_bytes)
        if content is None or (kind == "blob" and content_id(content) != oid):
            self._end()
            return Reason.UNREADABLE
        return content

    def _received(self, oid: str, found: tuple[str, str, int], max_bytes: int) -> bytes | None:
        """Return what git sends as an object, None where it is not as long as it was said to be."""
        process = self._process("--batch")
        assert process.stdin and process.stdout
        # git waits for the next question behind an object that is shorter than it says: what ends the answer is asked for too.
        end = f"\n{self._nothing} missing\n".encode()
        received = bytearray()
        try:
            process.stdin.write(f"{oid}\n{self._nothing}\n".encode())
            process.stdin.flush()
        except BrokenPipeError:
            return None
        while not received.endswith(end):
            chunk = process.stdout.read1(1 << 20)  # type: ignore[attr-defined]
            received += chunk
            if not chunk or len(received) > max_bytes + 1000:
                return None
        header, _, content = bytes(received[: -len(end)]).partition(b"\n")
        is_whole = header == " ".join(map(str, found)).encode() and len(content) == found[2]
        return content if is_whole else None

    def _ask(self, mode: str, name: str) -> tuple[str, str, int] | Reason:
        process = self._process(mode)
        assert process.stdin and process.stdout
        try:
            process.stdin.write(name.encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            self._end()
            return Reason.UNREADABLE
        header = process.stdout.readline().split()
        if len(header) == 2:
            return Reason.CONTENT_MISSING
        if len(header) != 3 or not header[2].isdigit():
            self._end()
            return Reason.UNREADABLE
        return header[0].decode(), header[1].decode(), int(header[2])

    def _process(self, mode: str) -> subprocess.Popen[bytes]:
        if mode not in self._running:
            self._running[mode] = _start(self._git_dir, ["cat-file", mode], self._secrets)
        return self._running[mode]

    def _end(self) -> None:
        for process in self._running.values():
            assert process.stdin and process.stdout
            process.kill()
            process.wait()
            process.stdout.close()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        self._running.clear()
