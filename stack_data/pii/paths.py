"""`data pii`: what the builder would replace in single files. No build is needed; folders are walked.

Files are read as the builder reads them: decoded, and notebooks converted. Of notebooks the structured form is read, so that
outputs are looked through too; the script, which a build takes by default, holds less. Offsets and lines are of that text.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from stack_data.config import PiiConfig
from stack_data.errors import InputError
from stack_data.inspect import MAX_BYTES
from stack_data.pii.source import Span
from stack_data.reasons import Reason
from stack_data.sources.folders import list_tree
from stack_data.stages.pii import spans_of
from stack_data.text import decode, reading_of

_BATCH_FILES, _BATCH_CHARS = 64, 32 << 20


class _Read(NamedTuple):
    """A file: its text, or why it has none; conversion says what made the text of it."""

    path: str
    text: str | None
    conversion: str = ""
    unread: Reason | None = None


def findings_of_paths(paths: Sequence[str], config: PiiConfig) -> Iterator[dict[str, Any]]:
    """Yield {"path", "findings": [{"kind", "start", "end", "line"}]} for each file.

    start, end: byte offsets into the file's text in UTF-8; line: from 1. A notebook has "conversion" too. Of a file that has no
    text (binary, too large, a device, ...) "findings" is null and "unread" says why. InputError when a path cannot be read.
    """
    batch: list[_Read] = []
    size = 0
    for read in _files(paths):
        batch.append(read)
        size += len(read.text or "")
        if len(batch) == _BATCH_FILES or size > _BATCH_CHARS:
            yield from _answers(batch, config)
            batch, size = [], 0
    yield from _answers(batch, config)


def _answers(batch: Sequence[_Read], config: PiiConfig) -> Iterator[dict[str, Any]]:
    if not batch:
        return
    found = spans_of(pa.array([read.text for read in batch], pa.large_string()), config)
    for row, read in enumerate(batch):
        if read.text is None:
            # An empty file was read, and holds nothing.
            empty = read.unread == Reason.EMPTY
            unread = {"findings": None, "unread": read.unread.value if read.unread else ""}
            yield {"path": read.path, **({"findings": []} if empty else unread)}
            continue
        answer = {"path": read.path, "findings": list(_findings(read.text, found.get(row, ())))}
        yield {**answer, "conversion": read.conversion} if read.conversion else answer


def _findings(text: str, spans: Sequence[Span]) -> Iterator[dict[str, Any]]:
    """Yield spans, ascending, with their lines; a line ends as in an editor: with LF, CRLF or CR."""
    content = text.encode() if spans else b""
    at, line = 0, 1
    for span in spans:
        line += _line_ends(content, at, span.start)
        at = span.start
        yield {**span._asdict(), "line": line}


def _line_ends(content: bytes, start: int, end: int) -> int:
    ends = content.count(b"\n", start, end) + content.count(b"\r", start, end) - content.count(b"\r\n", start, end)
    # CRLF that the stretch cuts in two is counted with its second half.
    return ends - (content[start - 1 : start + 1] == b"\r\n")


def _files(paths: Sequence[str]) -> Iterator[_Read]:
    for given in paths:
        path = Path(given)
        if not path.is_dir():
            yield _read(given, path)
            continue
        for listed in list_tree(given, lambda name: name.endswith(".git/")):
            shown = f"{given.rstrip('/')}/{listed.path}"
            if listed.reason is not None:
                yield _Read(shown, None, unread=listed.reason)
                continue
            try:
                yield _read(shown, path / listed.path)
            except InputError:
                yield _Read(shown, None, unread=Reason.UNREADABLE)


def _read(shown: str, path: Path) -> _Read:
    try:
        status = path.stat()
        # A pipe would wait for its writer, a device might never end: neither is opened.
        if not stat.S_ISREG(status.st_mode):
            return _Read(shown, None, unread=Reason.SPECIAL_FILE)
        if status.st_size > MAX_BYTES:
            return _Read(shown, None, unread=Reason.TOO_LARGE)
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{shown}: {error.strerror}") from error
    reading = reading_of(content, "structured")
    if isinstance(reading, Reason):
        return _Read(shown, None, unread=reading)
    return _Read(shown, decode(content, reading.encoding, reading.conversion), reading.conversion)
