"""The files of a checkout that is scanned: a folder as it lies on the disk, or a repository by its clone URL.

A folder is listed without following links; `.git` and the like are left out, everything else is looked at, ignored files too. A URL is
cloned bare into a temporary folder and read from the object store: nothing is checked out and nothing of it runs. Files that
are no text, links, and what is beyond the caps come with a reason instead of a text.

Not covered: submodules (a repository each), archives (unpack them first), a repository's history (its default branch is read).
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from stack_data.config import LimitsConfig
from stack_data.config_sources import GitConfig, GitRepositoryConfig
from stack_data.errors import InputError, SourceError
from stack_data.reasons import Reason
from stack_data.sources import git
from stack_data.sources.folders import entries_of, list_tree, matcher, read_files
from stack_data.sources.source import Entry, SourceContext
from stack_data.text import text_of

NEVER = (".git/", ".hg/", ".svn/")
"""Folders of version control, which hold no files of the checkout."""
MAX_SECONDS = 600.0


class File(NamedTuple):
    """A file. path: `/` between parts; content: original bytes and text: what is searched, both None where `reason` says why."""

    path: str
    num_bytes: int
    content: bytes | None
    text: str | None
    reason: Reason | None


def limits_of(max_bytes: int, max_file_bytes: int) -> LimitsConfig:
    """Return the caps of a scan."""
    return LimitsConfig(max_file_bytes=max_file_bytes, max_unit_bytes=max_bytes, max_unit_seconds=MAX_SECONDS)


def is_address(target: str) -> bool:
    """Return whether a target is a clone URL rather than a folder."""
    return "://" in target or re.match(r"[\w.+-]+@[\w.-]+:", target) is not None


@contextlib.contextmanager
def files_of(target: str, limits: LimitsConfig, exclude: tuple[str, ...] = ()) -> Iterator[Iterator[File]]:
    """Yield the files of a folder or a clone URL, in the order of their paths; exclude: gitignore-style patterns.

    Raises InputError when there is no such folder, SourceError when a repository cannot be cloned.
    """
    with tempfile.TemporaryDirectory(prefix="fairstack-scan-") as scratch:
        secrets = {
            name: value for name, value in os.environ.items() if name.startswith(("FAIRSTACK_GIT_", "SSH_AUTH_SOCK"))
        }
        context = SourceContext(Path(scratch), Path.cwd(), limits, "", secrets)
        entries = _cloned(target, context) if is_address(target) else _listed(target, context, exclude)
        excluded = matcher(exclude)
        yield (_file(one) for one in entries if not excluded(one.path))


def _listed(target: str, context: SourceContext, exclude: tuple[str, ...]) -> Iterator[Entry]:
    root = Path(target).expanduser()
    if not root.is_dir():
        raise InputError(f"{target} is no folder; give a checkout, or a clone URL such as https://host/owner/repo")
    try:
        listing = list_tree(str(root), matcher((*NEVER, *exclude)))
    except SourceError as error:
        raise InputError(str(error)) from error
    return entries_of(read_files(str(root), listing, context))


def _cloned(target: str, context: SourceContext) -> Iterator[Entry]:
    config = GitConfig(name="scan", kind="git", repositories=(GitRepositoryConfig(url=target),), authors=False)
    unit = git.resolve(config, context)[0]
    if "failed" in unit.locked:
        raise SourceError(f"{unit.locked['failed']}")
    return git.read(unit, context).entries


def _file(entry: Entry) -> File:
    path = entry.path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if entry.reason or entry.content is None:
        return File(path, entry.num_bytes, None, None, entry.reason or Reason.UNREADABLE)
    text = text_of(entry.content)
    if isinstance(text, Reason):
        return File(path, entry.num_bytes, entry.content, None, text)
    return File(path, entry.num_bytes, entry.content, text, None)
