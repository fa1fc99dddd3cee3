"""The `archive` source: tar (gz, bz2, xz), zip and wheel, from a path or a URL, read in memory and never extracted.

Member by member in archive order. What a hostile archive may try becomes a reason: paths that leave the tree, links,
devices, encrypted members, members that expand beyond the ratio or the size caps (checked while expanding, whatever
the headers say). An archive that breaks off is a SourceError naming where. When every member lies in one top folder
`name-version/`, that folder is the root. Of two members with one path the first counts, as a reader sees first.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import posixpath
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from stack_data.config import LimitsConfig
from stack_data.config_sources import ArchiveConfig
from stack_data.errors import SourceError
from stack_data.reasons import Reason
from stack_data.sources.downloads import download
from stack_data.sources.source import Entry, Repository, SourceContext, Unit, UnitReading, distinct_names

SUFFIXES = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar", ".zip", ".whl", ".crate")
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    OSError,
    NotImplementedError,
)
_CHUNK = 1 << 20
MIN_RATIO_BYTES = 1 << 20
"""Below this many bytes out, a high ratio harms nobody (a file of zeros)."""


def resolve(config: ArchiveConfig, context: SourceContext) -> list[Unit]:
    """Return one unit per archive; a missing one is a failed unit."""
    repositories = distinct_names(config.archives, _repo_name)
    return [
        Unit(*one)
        for one in zip(config.archives, map(_attempt(config, context), config.archives, repositories), strict=True)
    ]


def _attempt(config: ArchiveConfig, context: SourceContext) -> Callable[[str, str], dict[str, object]]:
    def locked(name: str, repository: str) -> dict[str, object]:
        try:
            return _locked(config, name, repository, context)
        except OSError as error:
            return {"failed": f"{name}: {error.strerror or error}"}

    return locked


def _locked(config: ArchiveConfig, name: str, repository: str, context: SourceContext) -> dict[str, object]:
    expected = config.sha256.get(name)
    base: dict[str, object] = {"host": config.host, "owner": config.owner, "repo": repository}
    if re.match(r"https?://", name):
        # The first download pins a URL without a stated checksum.
        found = download(name, context.cache / "resolve", context, sha256=expected)
        return base | {"url": name, "sha256": _sha256(found)}
    path = context.config_folder / Path(name).expanduser()
    if not path.is_file():
        return base | {"failed": f"no archive at {path}"}
    found_hash = _sha256(path)
    if expected and found_hash != expected:
        return base | {"failed": f"{path}: SHA-256 is {found_hash}, expected {expected}"}
    return base | {"path": str(path.resolve()), "sha256": found_hash}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _repo_name(name: str) -> str:
    base = posixpath.basename(name.split("?")[0].replace("\\", "/"))
    return next((base[: -len(suffix)] for suffix in SUFFIXES if base.lower().endswith(suffix)), base) or "archive"


def read(unit: Unit, context: SourceContext) -> UnitReading:
    """Read an archive; SourceError when it is missing, changed, of no known kind or broken."""
    locked = unit.locked
    path = Path(locked["path"]) if "path" in locked else download(
        str(locked["url"]), context.cache, context, sha256=str(locked["sha256"])
    )  # fmt: skip
    if not path.is_file():
        raise SourceError(f"no archive at {path}")
    if "path" in locked and _sha256(path) != locked["sha256"]:
        raise SourceError(f"{path} changed since it was locked; to take up the change: fairstack data refresh BUILD")
    repository = Repository(host=locked["host"], owner=locked["owner"], repo=locked["repo"], url=locked.get("url", ""))
    return UnitReading([repository], entries_of_archive(path, context.limits))


def entries_of_archive(path: Path, limits: LimitsConfig, revision: str = "") -> Iterator[Entry]:
    """Yield the entries of an archive; SourceError when it is of no known kind or breaks off."""
    prefix = _top_folder(path)
    seen: set[str] = set()
    budget = _Budget(limits, path.stat().st_size)
    for member, file in _members(path):
        name, reason = _clean(member.name)
        if name == "" and reason is None:
            continue
        name = name.removeprefix(prefix) if reason is None else name
        reason = reason or member.reason
        reason = reason or (Reason.REPEATED_PATH if name in seen else None)
        seen.add(name)
        if reason or file is None:
            yield Entry(name, None, member.num_bytes, reason, member.detail, 0, revision)
            continue
        try:
            content, reason = budget.read(file, member)
        except _BROKEN as error:
            raise SourceError(f"{path.name} is damaged at member {name!r}: {error}") from error
        yield Entry(name, content, len(content) if content is not None else member.num_bytes, reason, "", 0, revision)


@dataclass(slots=True)
class _Member:
    name: str
    num_bytes: int
    reason: Reason | None = None
    detail: str = ""
    packed_bytes: int = 0


class _Budget:
    """What may still be expanded of one archive: the caps on files, bytes and ratio."""

    def __init__(self, limits: LimitsConfig, packed_bytes: int) -> None:
        self.limits, self.packed = limits, max(packed_bytes, 1)
        self.num_files = self.num_bytes = 0

    def read(self, file: IO[bytes], member: _Member) -> tuple[bytes | None, Reason | None]:
        """Expand one member as far as it is allowed."""
        limits = self.limits
        if self.num_files >= limits.max_files or self.num_bytes >= limits.max_unit_bytes:
            return None, Reason.OVER_CAP
        if member.num_bytes > limits.max_file_bytes:
            return None, Reason.TOO_LARGE
        content = b""
        packed = member.packed_bytes or self.packed
        while chunk := file.read(_CHUNK):
            content += chunk
            # Headers can lie about sizes; what comes out counts.
            if len(content) > limits.max_file_bytes:
                return None, Reason.TOO_LARGE
            if len(content) > MIN_RATIO_BYTES and len(content) > limits.max_compression_ratio * packed:
                return None, Reason.ARCHIVE_BOMB
        self.num_files += 1
        self.num_bytes += len(content)
        if self.num_bytes > MIN_RATIO_BYTES and self.num_bytes > limits.max_compression_ratio * self.packed:
            return None, Reason.ARCHIVE_BOMB
        return content, None


def _clean(name: str) -> tuple[str, Reason | None]:
    """Return a member's path below the root, or the reason it has none."""
    plain = name.replace("\\", "/")
    if plain.startswith("/") or re.match(r"[A-Za-z]:", plain) or "\0" in plain:
        return name, Reason.PATH_TRAVERSAL
    steps = [step for step in plain.split("/") if step not in ("", ".")]
    if ".." in steps:
        return name, Reason.PATH_TRAVERSAL
    return "/".join(steps), None


def _members(path: Path) -> Iterator[tuple[_Member, IO[bytes] | None]]:
    if zipfile.is_zipfile(path):
        yield from _zip_members(path)
    else:
        yield from _tar_members(path)


def _zip_members(path: Path) -> Iterator[tuple[_Member, IO[bytes] | None]]:
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if info.is_dir():
                    continue
                member = _Member(info.filename, info.file_size, packed_bytes=max(info.compress_size, 1))
                kind = (info.external_attr >> 16) & 0o170000
                if kind == 0o120000:
                    member.reason = Reason.SYMLINK
                elif kind not in (0, 0o100000):
                    member.reason = Reason.SPECIAL_FILE
                elif info.flag_bits & 1:
                    member.reason = Reason.ENCRYPTED
                if member.reason:
                    yield member, None
                    continue
                with archive.open(info) as file:
                    yield member, file
    except _BROKEN as error:
        raise SourceError(f"{path.name} is damaged: {error}") from error


def _tar_members(path: Path) -> Iterator[tuple[_Member, IO[bytes] | None]]:
    packed = path.stat().st_size
    try:
        with _unpacked(path) as stream, tarfile.open(fileobj=stream, mode="r|", errors="surrogateescape") as archive:
            for info in archive:
                if info.isdir():
                    continue
                member = _Member(info.name, info.size, packed_bytes=packed)
                if info.issym() or info.islnk():
                    member.reason = Reason.SYMLINK
                elif not info.isreg():
                    member.reason = Reason.SPECIAL_FILE
                yield member, None if member.reason else archive.extractfile(info)
            # tarfile takes a missing end for the end; a compressed stream that breaks off says so when drained.
            while stream.read(_CHUNK):
                pass
    except _BROKEN as error:
        raise SourceError(f"{path.name} is damaged or no archive of a known kind: {error}") from error


def _unpacked(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        magic = file.read(6)
    if magic.startswith(b"\x1f\x8b"):
        return gzip.open(path)  # type: ignore[return-value]
    if magic.startswith(b"BZh"):
        return bz2.open(path)  # type: ignore[return-value]
    if magic.startswith(b"\xfd7zXZ\0"):
        return lzma.open(path)  # type: ignore[return-value]
    return path.open("rb")


def _top_folder(path: Path) -> str:
    """Return the one folder in which everything lies, with a slash, or ""."""
    tops = set()
    names = _zip_names(path) if zipfile.is_zipfile(path) else _tar_names(path)
    for raw in names:
        name, reason = _clean(raw)
        if reason is None and name:
            top, slash, _ = name.partition("/")
            tops.add(top + slash)
        if len(tops) > 1:
            return ""
    top = tops.pop() if tops else ""
    return top if top.endswith("/") and path.suffix != ".whl" else ""


def _zip_names(path: Path) -> Iterator[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield from (info.filename for info in archive.infolist() if not info.is_dir())
    except _BROKEN as error:
        raise SourceError(f"{path.name} is damaged: {error}") from error


def _tar_names(path: Path) -> Iterator[str]:
    for member, _ in _tar_members(path):
        yield member.name
