"""Spans are replaced in a column of texts. Everything else keeps its bytes, line breaks theirs.

The column's data is put together anew in one join of the stretches between spans, so the cost is a copy; a column without
spans is returned as it is. Nothing is decoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stack_data.pii import findings
from stack_data.pii.placeholders import Placeholders, Style


def redact(texts: pa.LargeStringArray, spans: pa.ListArray, placeholders: Style = "neutral") -> pa.LargeStringArray:
    """Return N texts with their spans replaced.

    spans: list<struct<kind, start, end>>[N], byte offsets into each text, ascending and apart; null and empty: nothing to do.
    """
    counts = np.asarray(spans.value_lengths().fill_null(0))
    if not counts.any():
        return texts
    flat = spans.flatten()
    kinds = flat.field("kind").to_pylist()
    starts, ends = (np.asarray(flat.field(name)).astype(np.int64) for name in ("start", "end"))
    rows = np.repeat(np.arange(len(texts)), counts)
    offsets = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]
    data = memoryview(texts.buffers()[2])
    starts, ends = starts + offsets[rows], ends + offsets[rows]
    words = _words(data, rows.tolist(), kinds, starts.tolist(), ends.tolist(), placeholders)
    grown = np.zeros(len(texts) + 1, np.int64)
    np.add.at(grown, rows + 1, np.array([len(word) for word in words]) - (ends - starts))
    return _put_together(texts, data, starts.tolist(), ends.tolist(), words, offsets - offsets[0] + np.cumsum(grown))


def _words(
    data: memoryview,
    rows: Sequence[int],
    kinds: Sequence[str],
    starts: Sequence[int],
    ends: Sequence[int],
    style: Style,
) -> list[bytes]:
    """Return what replaces each span."""
    words, last = [], -1
    given = Placeholders(style)
    for row, kind, start, end in zip(rows, kinds, starts, ends, strict=True):
        if row != last:
            given, last = Placeholders(style), row
        words.append(given.of(kind, bytes(data[start:end])))
    return words


def _put_together(
    texts: pa.LargeStringArray, data: memoryview, starts: Sequence[int], ends: Sequence[int], words: Sequence[bytes],
    offsets: npt.NDArray[np.int64],
) -> pa.LargeStringArray:  # fmt: skip
    bounds = np.frombuffer(texts.buffers()[1], np.int64)[[texts.offset, texts.offset + len(texts)]].tolist()
    pieces: list[bytes | memoryview] = []
    at = bounds[0]
    for start, end, word in zip(starts, ends, words, strict=True):
        pieces += [data[at:start], word]
        at = end
    pieces.append(data[at : bounds[1]])
    valid = texts.is_valid().buffers()[1] if texts.null_count else None
    joined = pa.py_buffer(b"".join(pieces))
    return pa.LargeStringArray.from_buffers(len(texts), pa.py_buffer(offsets), joined, valid)


def redact_secrets(texts: Iterable[str], placeholders: Style = "neutral") -> list[str]:
    """Return texts in which keys and passwords alone are replaced: for licence texts and notices, whose addresses stay."""
    column = pa.array(list(texts), pa.large_string())
    if not len(column):
        return []
    found = findings.find(column, tuple(findings.SECRETS))
    redacted: list[str] = redact(column, findings.column(found, len(column)), placeholders).to_pylist()
    return redacted
