"""Reading folder trees: sorted listings, and files read one by one with every obstacle as a reason.

Shared by the sources whose files already lie on the disk. Names are handled as the system gives them (undecodable
bytes as surrogate escapes); links are never followed.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from stack_data.config import LimitsConfig
from stack_data.errors import SourceError
from stack_data.reasons import Reason
from stack_data.sources.source import Entry, SourceContext

_HEAD_BYTES = 64 * 1024
_BINARY_BYTES = 8 * 1024
# Text in UTF-16 and UTF-32 holds NUL bytes; its marks say so.
_BOMS = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")


class Listed(NamedTuple):
    """One name in a listing: path below the root, size in bytes, and the reason when it is no readable file."""

    path: str
    num_bytes: int
    reason: Reason | None = None
    detail: str = ""


def list_tree(root: str, is_excluded: Callable[[str], bool] = lambda path: False) -> list[Listed]:
    """Return every entry below `root`, sorted by the bytes of its path. Folders are not entries.

    is_excluded is asked with the path of each entry, folders with a trailing slash.
    Raises SourceError when the root itself cannot be listed.
    """
    found: list[Listed] = []
    pending = [""]
    while pending:
        prefix = pending.pop()
        try:
            entries = list(os.scandir(os.path.join(root, prefix) if prefix else root))  # noqa: PTH118
        except OSError as error:
            if not prefix:
                raise SourceError(f"{root}: {error.strerror}") from error
            found.append(Listed(prefix.rstrip("/"), -1, Reason.UNREADABLE, f"folder: {error.strerror}"))
            continue
        for entry in entries:
            path = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                if not is_excluded(path + "/"):
                    pending.append(path + "/")
            elif not is_excluded(path):
                found.append(_listed(path, entry))
    return sorted(found, key=lambda listed: os.fsencode(listed.path))


def _listed(path: str, entry: os.DirEntry[str]) -> Listed:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError as error:
        return Listed(path, -1, Reason.UNREADABLE, error.strerror or "")
    if stat.S_ISLNK(status.st_mode):
        return Listed(path, status.st_size, Reason.SYMLINK)
    if not stat.S_ISREG(status.st_mode):
        return Listed(path, -1, Reason.SPECIAL_FILE)
    return Listed(path, status.st_size)


def listing_digest(listing: Iterable[Listed]) -> str:
    """Return the SHA-256 over the paths and sizes of a listing: what the lock pins."""
    digest = hashlib.sha256()
    for listed in listing:
        digest.update(b"%d %s\0" % (listed.num_bytes, os.fsencode(listed.path)))
    return digest.hexdigest()


def locked_listing(root: str, listing: Sequence[Listed]) -> dict[str, Any]:
    """Return what the lock records of a listing."""
    return {
        "root": root, "listing_sha256": listing_digest(listing), "num_files": len(listing),
        "num_bytes": sum(max(listed.num_bytes, 0) for listed in listing),
    }  # fmt: skip


def check_listing(root: str, listing: Sequence[Listed], locked: dict[str, Any]) -> None:
    """Raise SourceError when a tree is not what the lock pinned."""
    if listing_digest(listing) != locked["listing_sha256"]:
        raise SourceError(
            f"{root} changed since it was locked ({locked['num_files']} files then, {len(listing)} now); "
            "to take up the change: fairstack data refresh BUILD"
        )


def read_files(root: str, listing: Sequence[Listed], context: SourceContext) -> Iterator[Listed | tuple[Listed, bytes]]:
    """Yield each listed entry with its bytes, or as a Listed whose reason says why there are none."""
    limits, num_files, num_bytes = context.limits, 0, 0
    takes = _in_sample(listing, context)
    for listed in listing:
        if listed.reason:
            yield listed
        elif num_files >= limits.max_files or num_bytes >= limits.max_unit_bytes:
            yield listed._replace(reason=Reason.OVER_CAP)
        elif listed.num_bytes > limits.max_file_bytes:
            yield listed._replace(reason=Reason.TOO_LARGE)
        elif not takes(listed.path):
            yield listed._replace(reason=Reason.NOT_SAMPLED)
        else:
            num_files += 1
            num_bytes += listed.num_bytes
            yield _read(root, listed, limits.max_file_bytes)


def _in_sample(listing: Sequence[Listed], context: SourceContext) -> Callable[[str], bool]:
    return context.sample.chooser(readable_sizes(listing, context.limits)) if context.sample else lambda _: True


def readable_sizes(listing: Iterable[Listed], limits: LimitsConfig) -> Iterator[int]:
    """Yield the sizes of the entries that can be read at all."""
    return (one.num_bytes for one in listing if not one.reason and one.num_bytes <= limits.max_file_bytes)


def _read(root: str, listed: Listed, max_bytes: int) -> Listed | tuple[Listed, bytes]:
    try:
        # O_NOFOLLOW: an entry that became a link since it was listed is not followed out of the tree.
        descriptor = os.open(f"{root}/{listed.path}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        return listed._replace(reason=Reason.UNREADABLE, detail=error.strerror or "")
    try:
        if listed.num_bytes > _HEAD_BYTES:
            head = os.pread(descriptor, _BINARY_BYTES, 0)
            if b"\0" in head and not head.startswith(_BOMS):
                # No need to read (and hash) the rest of a library or an image.
                return listed._replace(reason=Reason.BINARY)
        content = os.read(descriptor, listed.num_bytes + 1)
        # A read gives all there is of a file that did not grow; asking for more only allocates.
        while len(content) != listed.num_bytes and len(content) <= max_bytes and (more := os.read(descriptor, 1 << 20)):
            content += more
    except OSError as error:
        return listed._replace(reason=Reason.UNREADABLE, detail=error.strerror or "")
    finally:
        os.close(descriptor)
    if len(content) > max_bytes:
        return listed._replace(reason=Reason.TOO_LARGE)
    return listed._replace(num_bytes=len(content)), content


def entries_of(
    read: Iterable[Listed | tuple[Listed, bytes]], repository: int = 0, revision: str = "", prefix: str = ""
) -> Iterator[Entry]:
    """Turn what `read_files` yields into entries."""
    for item in read:
        listed, content = item if len(item) == 2 else (item, None)
        assert isinstance(listed, Listed)
        assert content is None or isinstance(content, bytes)
        yield Entry(prefix + listed.path, content, listed.num_bytes, listed.reason, listed.detail, repository, revision)


def matcher(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Return a test for gitignore-style patterns: `*`, `?`, `**`, a leading `/` for the root, a trailing one for folders."""
    if not patterns:
        return lambda path: False
    joined = re.compile("|".join(_regex(pattern) for pattern in patterns))
    return lambda path: joined.fullmatch(path) is not None


def _regex(pattern: str) -> str:
    anchored = "/" in pattern.rstrip("/")
    body = pattern.strip("/")
    translated = re.escape(body).replace(r"\*\*/", "(?:.*/)?").replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
    translated = translated.replace(r"\?", "[^/]")
    return ("" if anchored else "(?:.*/)?") + translated + ("/" if pattern.endswith("/") else "(?:/.*|/)?")
