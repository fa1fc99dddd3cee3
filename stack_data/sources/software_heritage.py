"""The `software_heritage` source: contents named by SWHID or sha1_git, from the bucket layout that The Stack v2 uses.

A table says which content lies where (path, repository, revision, licence, encoding); the bucket holds each content
gzip-compressed under its sha1_git. The bucket is `s3://...`, read without an account, or a local folder of the same
layout. Every content is checked against its id; one that is missing or differs is a reason for that entry alone.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from stack_data.config_sources import SoftwareHeritageConfig
from stack_data.errors import SourceError, TemporarySourceError
from stack_data.identity import content_id
from stack_data.reasons import Reason
from stack_data.sources.source import Entry, Repository, SourceContext, Unit, UnitReading
from stack_data.sources.tables import read_table

Fetch = Callable[[str], bytes | None]
"""Returns the stored bytes of a sha1_git, None when there are none."""


def resolve(config: SoftwareHeritageConfig, context: SourceContext) -> list[Unit]:
    """Return the table as one unit, pinned by its SHA-256."""
    path = context.config_folder / Path(config.table).expanduser()
    if not path.is_file():
        raise SourceError(f"no table at {path}")
    bucket = config.bucket
    if "://" not in bucket:
        bucket = str((context.config_folder / Path(bucket).expanduser()).resolve())
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return [Unit(config.name, {"table": str(path.resolve()), "sha256": digest, "bucket": bucket, "host": config.host})]


def read(unit: Unit, context: SourceContext) -> UnitReading:
    """Read the contents the table names; SourceError when the table changed or the bucket cannot be opened."""
    locked = unit.locked
    path = Path(locked["table"])
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != locked["sha256"]:
            raise SourceError(
                f"{path} changed since it was locked; to take up the change: fairstack data refresh BUILD"
            )
    rows = read_table(path)
    repositories: list[Repository] = []
    return UnitReading(repositories, _entries(rows, opener(locked["bucket"]), locked["host"], repositories, context))


def opener(bucket: str) -> Fetch:
    """Return a function that reads from a bucket or a folder."""
    if not bucket.startswith("s3://"):
        return lambda name: _read_file(Path(bucket) / name)
    import pyarrow.fs

    store = pyarrow.fs.S3FileSystem(anonymous=True, region="us-east-1")
    root = bucket.removeprefix("s3://").rstrip("/")

    def fetch(name: str) -> bytes | None:
        try:
            with store.open_input_stream(f"{root}/{name}", compression=None) as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise TemporarySourceError(f"{bucket}: {str(error).splitlines()[0][:200]}") from error

    return fetch


def _read_file(path: Path) -> bytes | None:
    for candidate in (path, path.with_name(path.name + ".gz")):
        if candidate.is_file():
            return candidate.read_bytes()
    return None


def _entries(
    rows: Iterator[dict[str, Any]], fetch: Fetch, host: str, repositories: list[Repository], context: SourceContext
) -> Iterator[Entry]:
    numbers: dict[str, int] = {}
    for count, row in enumerate(rows):
        name = str(row.get("swhid") or row.get("blob_id") or row.get("sha1_git") or "").rpartition(":")[2].lower()
        if len(name) != 40:
            raise SourceError(f"row {count + 1}: {name!r} is no SWHID and no sha1_git")
        content, reason = (
            (None, Reason.OVER_CAP) if count >= context.limits.max_files else content_of(name, fetch, context)
        )
        yield Entry(
            str(row.get("path") or name).lstrip("/"), content, len(content) if content is not None else -1, reason, "",
            repository_number(str(row.get("repo_name") or "unknown/unknown"), host, numbers, repositories),
            str(row.get("revision_id") or ""), (), license_of(row.get("license", row.get("detected_licenses"))), name,
        )  # fmt: skip


def content_of(name: str, fetch: Fetch, context: SourceContext) -> tuple[bytes | None, Reason | None]:
    """Return a content by its id, or the reason there is none."""
    stored = fetch(name)
    if stored is None:
        return None, Reason.CONTENT_MISSING
    try:
        # A gzip member says its size only at its end: expand no further than a file may be.
        inflater = zlib.decompressobj(wbits=31)
        content = inflater.decompress(stored, context.limits.max_file_bytes + 1)
    except zlib.error:
        return None, Reason.UNREADABLE
    if len(content) > context.limits.max_file_bytes:
        return None, Reason.TOO_LARGE
    return (content, None) if content_id(content) == name else (None, Reason.UNREADABLE)


def store_content(folder: Path, content: bytes) -> str:
    """Write a content in the bucket's layout and return its id."""
    name = content_id(content)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(gzip.compress(content, mtime=0))
    return name


def repository_number(
    name: str, host: str, numbers: dict[str, int], repositories: list[Repository], **facts: Any
) -> int:
    """Return the row of a repository, adding it when it is new."""
    if name not in numbers:
        owner, _, repo = name.strip("/").rpartition("/")
        numbers[name] = len(repositories)
        repositories.append(Repository(host=host, owner=owner or "-", repo=repo, **facts))
    return numbers[name]


def license_of(stated: object, all_of: bool = True) -> str | None:
    """Return what a row states as one expression: a list is joined; nothing stated is None."""
    if isinstance(stated, str):
        return stated or None
    if isinstance(stated, (list, tuple)):
        return (" AND " if all_of else " OR ").join(f"({one})" for one in stated if one) or None
    return None
