"""Commits of a git repository as contents: changes of one file, newest first, each a document of before, message and after.

Reads the history from one `git log` process and objects through git_objects.py; yields entries behind those of the files. Taken is
a commit that changes one file's text and nothing else, under the licence that holds now: see git_licenses.py, and the headers of
the file before, after and at the locked revision say the same. The file must still be in the repository, because what an
owner removed is not dug out of the history; and of each file only some commits are taken, the newest that pass. Which changes
are worth training on is decided in filters/commits.py.

Every change of one file that is left out is an entry with its reason and no content. No entries: merges, commits of several
files, new, deleted, renamed files, links, submodules, changes of mode alone, and files that are themselves evidence of a licence
or a signal, which would be read as such. A history that breaks off (shallow, damaged) ends there.
"""

from __future__ import annotations

import contextlib
import logging
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from stack_data import commits
from stack_data.commits import Commit
from stack_data.errors import SourceError
from stack_data.filters.commits import co_authors, fault_of_change, fault_of_message, message_of
from stack_data.identity import content_id
from stack_data.licenses.files import kind_of
from stack_data.notebooks import may_be_notebook
from stack_data.reasons import Reason
from stack_data.signals import is_signal_file
from stack_data.sources.git_history import email_hash
from stack_data.sources.git_licenses import LicenseTrees, headers_agree
from stack_data.sources.git_objects import Objects
from stack_data.sources.git_process import environment
from stack_data.sources.source import Author, Entry, SourceContext
from stack_data.text import encoding_of

_FIELDS = ("%H", "%T", "%P", "%ae", "%B")
_MAX_TOKEN_BYTES = 1024**2
"""Of a message or path; more is cut, and is too long in any case."""
_MAX_SIDE_BYTES = 400_000
"""A side of more bytes has more than 100,000 characters."""
_COMMITS_BETWEEN_CLOCKS = 1000
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Locked:
    """A repository at its locked revision.

    blobs                 ids of its files by path, links and submodules left out
    key                   hashes authors' addresses; empty: authors are unknown
    takes                 which paths are in the sample of a dry run
    num_files, num_bytes  what was read of it before
    """

    git_dir: Path
    commit: str
    blobs: Mapping[str, str]
    key: str
    takes: Callable[[str], bool]
    num_files: int
    num_bytes: int


class Change(NamedTuple):
    """A commit that changes one file."""

    commit: str
    tree: str
    parent: str
    email: str
    message: bytes
    path: str
    before: str
    after: str


class _Refused(Exception):
    """A change is left out."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


def entries(locked: Locked, most: int, per_file: int, context: SourceContext) -> Iterator[Entry]:
    """Yield up to `most` commits as contents, `per_file` of each file, and those that were left out before the last of them."""
    with (
        Objects(locked.git_dir, context.secrets) as objects,
        contextlib.closing(changes(locked.git_dir, locked.commit, context)) as found,
    ):
        taking = _Taking(locked, per_file, objects, context)
        for change in found:
            entry = taking.entry(change)
            yield entry
            if taking.taken.total() >= most or entry.reason is Reason.OVER_CAP:
                return


class _Taking:
    """Decides about changes, newest first, and counts those it has taken by their files."""

    def __init__(self, locked: Locked, per_file: int, objects: Objects, context: SourceContext) -> None:
        self.locked, self.per_file, self.objects, self.limits = locked, per_file, objects, context.limits
        self.trees = LicenseTrees(objects)
        self.num_entries, self.num_bytes = locked.num_files, locked.num_bytes
        self.taken = Counter[str]()
        self.tree = self._tree_of(locked.commit)

    def entry(self, change: Change) -> Entry:
        """Return what becomes of a change."""
        try:
            made = self._document(change)
        except _Refused as refused:
            self.num_entries += 1
            return Entry(change.path, None, -1, refused.reason, refused.detail, 0, change.commit)
        self.num_entries += 1
        self.num_bytes += len(made)
        self.taken[change.path] += 1
        return Entry(change.path, made, len(made), None, "", 0, change.commit, self._authors(change))

    def _authors(self, change: Change) -> tuple[Author, ...]:
        """Whoever wrote a commit, alone or with others, is an author of all of it."""
        if not self.locked.key:
            return ()
        emails = [change.email, *co_authors(change.message.decode("utf-8", "replace"))]
        hashes = dict.fromkeys(email_hash(self.locked.key, email) for email in emails if email)
        return tuple(Author(one, 1.0) for one in hashes)

    def _document(self, change: Change) -> bytes:
        """Return the document of a change; what costs least is looked at first."""
        self._check_place(change)
        message = _message(change)
        if not all(
            self.trees.agree(change.path, self._tree_of(one), self.tree) for one in (change.commit, change.parent)
        ):
            raise _Refused(Reason.COMMIT_OTHER_LICENSE, "licence files or declared licence")
        before, after = self._side(change.before), self._side(change.after)
        made = commits.document(before, message, after)
        if len(made) > self.limits.max_file_bytes:
            raise _Refused(Reason.TOO_LARGE)
        fault = fault_of_change(change.path, Commit(before, message, after), content_id(made))
        if fault:
            raise _Refused(*fault)
        now = self._text(self.locked.blobs[change.path], self.limits.max_file_bytes)
        if not headers_agree([before, after, now]):
            raise _Refused(Reason.COMMIT_OTHER_LICENSE, "header")
        return made

    def _check_place(self, change: Change) -> None:
        if self.num_entries >= self.limits.max_files or self.num_bytes >= self.limits.max_unit_bytes:
            raise _Refused(Reason.OVER_CAP)
        if change.path not in self.locked.blobs:
            raise _Refused(Reason.COMMIT_FILE_GONE)
        if self.taken[change.path] >= self.per_file:
            raise _Refused(Reason.COMMIT_SAME_FILE)
        if not self.locked.takes(change.path):
            raise _Refused(Reason.NOT_SAMPLED)

    def _tree_of(self, commit: str) -> str:
        found = self.objects.find(f"{commit}^{{tree}}")
        # An id that no object has agrees with nothing.
        return "" if isinstance(found, Reason) else found[0]

    def _side(self, oid: str) -> str:
        try:
            return self._text(oid, min(_MAX_SIDE_BYTES, self.limits.max_file_bytes))
        except _Refused as refused:
            if refused.reason is Reason.TOO_LARGE and self.limits.max_file_bytes > _MAX_SIDE_BYTES:
                raise _Refused(Reason.COMMIT_TOO_LONG) from None
            raise

    def _text(self, oid: str, max_bytes: int) -> str:
        """Return a file's text: only UTF-8 that is no notebook, so that documents hold it exactly."""
        found = self.objects.read(oid, "blob", max_bytes)
        if isinstance(found, Reason):
            raise _Refused(found)
        if encoding_of(found) != "utf-8" or may_be_notebook(found):
            raise _Refused(Reason.COMMIT_NO_TEXT)
        return found.decode()


def _message(change: Change) -> str:
    try:
        message = message_of(change.message.decode())
    except UnicodeDecodeError:
        raise _Refused(Reason.COMMIT_NO_MESSAGE, "not UTF-8") from None
    reason = fault_of_message(message)
    if reason:
        raise _Refused(reason)
    return message


def changes(git_dir: Path, commit: str, context: SourceContext) -> Generator[Change, None, None]:
    """Yield the commits before and at `commit` that change the bytes of one file, newest first.

    Raises SourceError when that takes longer than limits.max_unit_seconds.
    """
    ends = time.monotonic() + context.limits.max_unit_seconds
    # A commit graph is a cache that whoever made the repository could have written.
    words = ["-c", "core.commitGraph=false", "log", "-z", "--no-merges", "--raw", "--no-renames", "--no-abbrev", "--no-color",
             "--encoding=UTF-8", f"--format=tformat:%x01{'%x00'.join(_FIELDS)}", commit, "--"]  # fmt: skip
    process = subprocess.Popen(
        ["git", *words], env=environment(git_dir, context.secrets), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout
    try:
        for number, (fields, files) in enumerate(_commits(_tokens(process.stdout))):
            if number % _COMMITS_BETWEEN_CLOCKS == 0 and time.monotonic() > ends:
                raise SourceError(f"took longer than limits.max_unit_seconds ({context.limits.max_unit_seconds:g})")
            change = _change(fields, files)
            if change is not None:
                yield change
        if process.wait():
            log.warning("%s: its history cannot be read to the end; older commits are left out", commit)
    finally:
        process.stdout.close()
        process.kill()
        process.wait()


def _tokens(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield what stands between NUL bytes; what is longer than _MAX_TOKEN_BYTES comes without its middle."""
    rest = b""
    while chunk := stream.read(1 << 16):
        *whole, rest = (rest + chunk).split(b"\0")
        yield from whole
        rest = rest[:_MAX_TOKEN_BYTES]


_Files = list[tuple[bytes, bytes]]


def _commits(tokens: Iterator[bytes]) -> Iterator[tuple[list[bytes], _Files]]:
    """Yield the fields of each commit and the first two of its changed files, as (raw line, path)."""
    fields: list[bytes] = []
    files: _Files = []
    for token in tokens:
        word = token.lstrip(b"\n")
        if word.startswith(b"\x01"):
            if fields:
                yield fields, files
            fields, files = [word[1:], *(next(tokens, b"") for _ in _FIELDS[1:])], []
        elif word.startswith(b":"):
            path = next(tokens, b"")
            if len(files) < 2:
                files.append((word, path))
    if fields:
        yield fields, files


def _change(fields: list[bytes], files: _Files) -> Change | None:
    """Return a commit as a change of one file, None where it is another kind of commit."""
    if len(files) != 1:
        return None
    raw, path = files[0][0].split(), files[0][1].decode("utf-8", "surrogateescape")
    if len(raw) != 5 or raw[4] != b"M" or raw[2] == raw[3]:
        return None
    is_regular = raw[0].startswith(b":100") and raw[1].startswith(b"100")
    if not is_regular or kind_of(path) is not None or is_signal_file(path):
        return None
    commit, tree, parents, email = (field.decode("utf-8", "replace") for field in fields[:4])
    return Change(commit, tree, parents, email, fields[4], path, raw[2].decode(), raw[3].decode())
