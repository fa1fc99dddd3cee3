"""Files on disk: written whole or not at all, read with one clear error when they are damaged.

Every write goes to a temporary file beside its target, is flushed to the disk and renamed, and the folder is
flushed too, so a file that has its name is complete whatever happened in between. Equal tables give equal
bytes: a Parquet row group is written from one combined chunk of exactly `row_group_rows` rows, because pyarrow
cuts pages differently for other chunkings. Not covered: object stores (one PUT each, a later addition).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from stack_data.errors import InputError, StorageError

# Another writer may give other bytes for the same rows: outputs of one writer are never continued by another.
WRITER = f"pyarrow {pa.__version__} zstd"

ROW_GROUP_ROWS = 1000
LOCK_NAME = ".lock"
"""A file in a build's folder that is held while something writes there; it stays, empty."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextlib.contextmanager
def replacing(path: Path, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path; when the block ends without error it becomes `path`, atomically.

    durable: flush it to the disk too; False for the many small files that a manifest's checksums guard.
    Raises StorageError when the disk refuses.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if durable:
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
        temporary.rename(path)
        if durable:
            sync_folder(path.parent)
    except OSError as error:
        raise refused(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder alone while the block runs; InputError when another process holds it. A killed holder lets go.

    A block that fails before anything else is in the folder leaves it, and those above it, as they were: not there, if so.
    """
    import fcntl

    new = [one for one in (folder, *folder.parents) if not one.exists()]
    make_folder(folder)
    path = folder / LOCK_NAME
    was_there = path.exists()
    try:
        handle = path.open("ab")
    except OSError as error:
        raise refused(path, error) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _held(folder) from None
        if not _is_same(path, handle):  # its holder failed and tidied up meanwhile
            raise _held(folder)
        try:
            yield
        except BaseException:
            if not was_there:
                _let_go(path, new)
            raise


def _held(folder: Path) -> InputError:
    return InputError(f"{folder} is held by another process, which writes it; wait for it, or write to another folder")


def _is_same(path: Path, handle: IO[bytes]) -> bool:
    """Tell whether an open file still has its name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle.fileno()))
    except OSError:
        return False


def _let_go(lock: Path, new: Sequence[Path]) -> None:
    """Delete a lock, and the folders that were made for it, the innermost first; none that something else is in."""
    with contextlib.suppress(OSError):
        if not new or os.listdir(lock.parent) == [lock.name]:
            lock.unlink()
        for one in new:
            one.rmdir()


def refused(path: Path, error: OSError) -> StorageError:
    """Return the StorageError for an OSError met while writing `path`."""
    # pyarrow and numpy raise OSError without errno for a full disk; its text is all there is.
    if error.errno in _FULL or re.search(r"No space left|requested and \d+ written", str(error)):
        return StorageError(f"the disk is full at {path}; what was finished before is kept: free space and run again")
    return StorageError(f"cannot write {path}: {error.strerror or error}")


def make_folder(folder: Path) -> None:
    """Create a folder and those above it; StorageError when the disk refuses."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refused(folder, error) from error


def link(source: Path, target: Path) -> None:
    """Give a file a second name; a copy where the file system has no hard links. StorageError when the disk refuses."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)
    except OSError as error:
        raise refused(target, error) from error


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a rename survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_temporaries(folder: Path) -> None:
    """Delete the files that a killed writer left behind below `folder`.

    Folders of that name are of a search index in a build: its own writers clear them away, and one may be at work.
    """
    for stray in folder.rglob(".*.tmp"):
        if stray.is_symlink() or not stray.is_dir():
            stray.unlink(missing_ok=True)


def write_text(path: Path, text: str, durable: bool = True) -> None:
    """Write a UTF-8 text file atomically; `durable` as for `replacing`."""
    with replacing(path, durable) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogatepass", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys and a final newline, atomically."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file; InputError when it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error


class ParquetPart:
    """Writes one Parquet file in row groups of exactly `row_group_rows` rows, from tables of any chunking.

    Use inside `replacing`. Rows beyond full row groups are held back until more arrive or `close`.
    """

    def __init__(
        self, path: Path, schema: pa.Schema, metadata: Mapping[str, str] | None = None,
        row_group_rows: int = ROW_GROUP_ROWS, compression_level: int = 1,
    ) -> None:  # fmt: skip
        self.schema = schema.with_metadata(dict(metadata) if metadata else None)
        self._rows = row_group_rows
        self._pending: list[pa.Table] = []
        self._num_pending = 0
        self._writer = pq.ParquetWriter(
            path, self.schema, compression="zstd", compression_level=compression_level,
            write_statistics=False, use_dictionary=_dictionary_columns(schema), store_schema=True,
        )  # fmt: skip

    def write(self, table: pa.Table) -> None:
        """Add rows; the columns are those of the schema, in its order."""
        self._pending.append(table.select(self.schema.names).cast(self.schema))
        self._num_pending += table.num_rows
        if self._num_pending >= self._rows:
            self._flush(self._num_pending - self._num_pending % self._rows)

    def _flush(self, num_rows: int) -> None:
        rows = pa.concat_tables(self._pending)
        for start in range(0, num_rows, self._rows):
            group = _own_dictionaries(rows.slice(start, min(self._rows, num_rows - start)).combine_chunks())
            self._writer.write_table(group, row_group_size=self._rows)
        rest = rows.slice(num_rows)
        self._pending, self._num_pending = ([rest] if rest.num_rows else []), rest.num_rows

    def close(self) -> None:
        """Write what is held back and the footer."""
        if self._num_pending:
            self._flush(self._num_pending)
        self._writer.close()

    def abandon(self) -> None:
        """Close after an error; the file is worthless and its temporary name goes with `replacing`."""
        with contextlib.suppress(OSError, pa.ArrowException):
            self._writer.close()


def _own_dictionaries(group: pa.Table) -> pa.Table:
    """Return equal rows whose dictionaries hold their own values only, in order of appearance.

    A dictionary is written as it is, so one that came from a larger table would give other bytes.
    """
    for index, field in enumerate(group.schema):
        if pa.types.is_dictionary(field.type):
            column = group.column(index).cast(field.type.value_type).combine_chunks().dictionary_encode()
            group = group.set_column(index, field, column.cast(field.type))
    return group


def _dictionary_columns(schema: pa.Schema) -> list[str]:
    # Contents and ids are all distinct: trying a dictionary on them costs time and gains nothing.
    distinct = {"content", "content_id", "sha256", "text_sha256"}
    return [
        field.name
        for field in schema
        if field.name not in distinct and (pa.types.is_string(field.type) or pa.types.is_dictionary(field.type))
    ]


@contextlib.contextmanager
def writing_parquet(
    path: Path, schema: pa.Schema, metadata: Mapping[str, str] | None = None,
    row_group_rows: int = ROW_GROUP_ROWS, compression_level: int = 1,
) -> Iterator[ParquetPart]:  # fmt: skip
    """Yield a ParquetPart whose file appears at `path`, whole, when the block ends without error."""
    with replacing(path) as temporary:
        part = ParquetPart(temporary, schema, metadata, row_group_rows, compression_level)
        try:
            yield part
        except BaseException:
            part.abandon()
            raise
        part.close()


def write_parquet(
    path: Path,
    table: pa.Table,
    metadata: Mapping[str, str] | None = None,
    row_group_rows: int = ROW_GROUP_ROWS,
) -> None:
    """Write a table atomically; equal tables give equal bytes."""
    with writing_parquet(path, table.schema, metadata, row_group_rows) as part:
        part.write(table)


def read_parquet(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet file; InputError names the file when it is missing or damaged."""
    try:
        with pq.ParquetFile(path) as file:
            return file.read(columns=columns, use_threads=False)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} is damaged or no Parquet file: {first_line(error)}") from error


def read_schema(path: Path) -> pa.Schema:
    """Return the schema of a Parquet file; InputError when it is missing or damaged."""
    try:
        return pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} is damaged or no Parquet file: {first_line(error)}") from error


def read_row_groups(path: Path, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """Yield the row groups of a Parquet file one by one; InputError when it is missing or damaged."""
    try:
        with pq.ParquetFile(path) as file:
            for index in range(file.num_row_groups):
                yield file.read_row_group(index, columns=columns, use_threads=False)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} is damaged or no Parquet file: {first_line(error)}") from error


def read_row_group(path: Path, index: int, columns: list[str] | None = None) -> pa.Table:
    """Return one row group of a Parquet file; InputError when it is missing or damaged."""
    try:
        with pq.ParquetFile(path) as file:
            return file.read_row_group(index, columns=columns, use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} is damaged or no Parquet file: {first_line(error)}") from error


def num_rows(path: Path) -> int:
    """Return the number of rows of a Parquet file; InputError when it is missing or damaged."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} is damaged or no Parquet file: {first_line(error)}") from error


def read_metadata(path: Path) -> dict[str, str] | None:
    """Return the key-value metadata of a Parquet file, or None when there is no whole file."""
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowException):
        return None
    return {key.decode(): value.decode() for key, value in metadata.items() if key != b"ARROW:schema"}


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, shortened for people."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as hex; InputError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
