"""git with another machine, within caps: a temporary bare repository that a remote's commit is fetched into.

Every command runs in a session of its own, so that git's helpers end with it; its output goes to files in the temporary folder, and
the size of that folder and the time are watched while it runs. Nothing in the repository was written by anyone but us and git: no
hooks, no attributes, nothing checked out. Only local commands read what was fetched, and they may use no transport at all.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stack_data.errors import SourceError, TemporarySourceError
from stack_data.sources.git_process import check_word, environment

MAX_BYTES = 256 * 1024**2
"""Of all that one remote makes us store."""
MAX_LISTING_BYTES = 64 * 1024**2
LIST_SECONDS = 30.0
_CONFIGURATION = (
    # No redirects: where a remote is was found out before. It also keeps dumb servers from naming alternates elsewhere.
    "http.followRedirects=false", "http.lowSpeedLimit=1", "http.lowSpeedTime=30", "protocol.version=2",
    "core.bigFileThreshold=1m", "fetch.unpackLimit=1", "gc.auto=0", "maintenance.auto=false",
)  # fmt: skip


class Failed(SourceError):
    """git failed. Its text is git's own; `words` are all that was said, the other side's words among them."""

    def __init__(self, text: str, words: str) -> None:
        super().__init__(text)
        self.words = words


class MissingRef(Failed):
    """The remote has no such ref."""


class OverCap(TemporarySourceError):
    """More time was needed or more bytes were sent than one remote gets."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A temporary repository for one remote, which is fetched from for `seconds`, until time.monotonic() is `ends`."""

    folder: Path
    url: str
    secrets: Mapping[str, str]
    seconds: float
    ends: float

    def fetch(self, refspecs: Sequence[str]) -> bool:
        """Fetch single commits, without contents where the server can do that; return whether contents came too.

        Raises MissingRef, Failed or OverCap.
        """
        try:
            told = self._fetch(["--depth=1", "--filter=blob:none"], refspecs)
            return "filtering not recognized" in told
        except Failed as error:
            if isinstance(error, MissingRef) or not re.search(
                "fatal: dumb http transport|fatal: .*shallow", error.words
            ):
                raise
        self._fetch([], refspecs)
        return True

    def fetch_objects(self, oids: Sequence[str], refspecs: Sequence[str]) -> None:
        """Fetch single objects; where the server gives none by id, the commits again with all contents."""
        try:
            # Without negotiation: what is missing is known, and git would look for it among what it has.
            self._fetch(["--filter=blob:none"], list(dict.fromkeys(oids)), "fetch.negotiationAlgorithm=noop")
        except Failed:
            self._fetch(["--refetch", "--no-filter", "--depth=1"], refspecs)

    def _fetch(self, words: Sequence[str], what: Sequence[str], *configuration: str) -> str:
        common = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"]
        command = [*common, *words, "--", check_word(self.url, "url"), *what]
        try:
            return self._run(command, self.ends, configuration=configuration)[1]
        except OverCap:
            # What had come would count against every further command.
            shutil.rmtree(self.folder / "objects")
            (self.folder / "objects").mkdir()
            raise

    def list_refs(self, names: Sequence[str]) -> str:
        """Return the lines of `git ls-remote` for these refs."""
        words = ["ls-remote", "--quiet", "--", check_word(self.url, "url"), *names]
        output, _ = self._run(words, time.monotonic() + min(LIST_SECONDS, self.seconds))
        return output.decode("utf-8", "replace")

    def local(self, words: Sequence[str], *, may_fail: bool = False) -> bytes:
        """Return the output of a command that needs nobody else; b"" when it fails and may."""
        try:
            return self._run(words, time.monotonic() + LIST_SECONDS, protocols="none")[0]
        except SourceError:
            if may_fail:
                return b""
            raise

    def listing(self, commit: str) -> tuple[bytes, bool]:
        """Return the files of a commit as `ls-tree -z` has them, and whether these are all (else: the first folders)."""
        try:
            return self.local(["ls-tree", "-r", "-z", "--full-tree", commit]), True
        except SourceError:
            # Too large, or made to look so: what stands for the whole repository is near its root.
            root = self.local(["ls-tree", "-z", "--full-tree", commit])
            inner = self.local(["ls-tree", "-z", "--full-tree", commit, ".github/", ".well-known/"])
            return root + inner, False

    def text(self, oid: str, max_bytes: int) -> str:
        """Return the first bytes of a file as text."""
        process = subprocess.Popen(
            ["git", "cat-file", "blob", oid], env=self._environment("none"), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert process.stdout
        try:
            content = process.stdout.read(max_bytes)
        finally:
            process.stdout.close()
            process.kill()
            code = process.wait()
        if not content and code > 0:
            raise SourceError("a file that was asked for did not come")
        return content.decode("utf-8", "replace")

    def _environment(self, protocols: str) -> dict[str, str]:
        # A hostile pack may claim objects of any size; git then refuses to allocate them.
        own = {
            "GIT_ALLOW_PROTOCOL": protocols,
            "GIT_ALLOC_LIMIT": "256m",
            "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=20",
        }
        return environment(self.folder, self.secrets, self.url) | own

    def _run(
        self,
        words: Sequence[str],
        ends: float,
        protocols: str = "git:http:https:ssh",
        configuration: Sequence[str] = (),
    ) -> tuple[bytes, str]:
        """Return output and words of git; Failed with its words, OverCap beyond a cap."""
        settings = [word for one in (*_CONFIGURATION, *configuration) for word in ("-c", one)]
        output, words_path = self.folder / "stdout", self.folder / "stderr"
        with output.open("wb") as stdout, words_path.open("wb") as stderr:
            try:
                process = subprocess.Popen(
                    ["git", *settings, *words], env=self._environment(protocols), stdin=subprocess.DEVNULL,
                    stdout=stdout, stderr=stderr, start_new_session=True,
                )  # fmt: skip
            except FileNotFoundError:
                raise SourceError("git is not installed") from None
            code = _watched(process, self.folder, ends, words[0])
        with words_path.open("rb") as file:
            told = file.read(1 << 16).decode("utf-8", "replace")
        if code:
            kind = MissingRef if re.search("(?m)^fatal: couldn't find remote ref", told) else Failed
            raise kind(f"git {words[0]}: {_own_words(told) or f'exit {code}'}", told)
        if output.stat().st_size > MAX_LISTING_BYTES:
            raise OverCap(f"git {words[0]} said more than {MAX_LISTING_BYTES:,} bytes")
        return output.read_bytes(), told


def create(folder: Path, url: str, secrets: Mapping[str, str], seconds: float) -> Repository:
    """Return an empty bare repository in `folder`, with so many seconds to fetch."""
    (folder / "objects").mkdir()
    (folder / "refs").mkdir()
    (folder / "HEAD").write_text("ref: refs/heads/none\n", encoding="ascii")
    (folder / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = true\n", encoding="ascii")
    return Repository(folder, url, secrets, seconds, time.monotonic() + seconds)


def _watched(process: subprocess.Popen[bytes], folder: Path, ends: float, verb: str) -> int:
    """Wait for a command and return its exit code; when it passes a cap, end it with all its helpers."""
    pause = 0.01
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(pause)
            if _size(folder) > MAX_BYTES:
                raise OverCap(f"git {verb} was given more than {MAX_BYTES:,} bytes")
            if process.returncode is not None:
                return process.returncode
            if time.monotonic() > ends:
                raise OverCap(f"git {verb} took longer than it may")
            pause = min(2 * pause, 0.25)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _size(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # git renames and deletes while we look
            size += path.lstat().st_size
    return size


def _own_words(told: str) -> str:
    """Return git's fatal line without what it repeats of the other side's words, which could be anything."""
    fatal = next((line for line in told.splitlines() if re.match(r"fatal:|error:", line)), "")
    return re.sub(r"remote(?: error)?:.*", "refused by the other side", fatal).strip()[:300]
