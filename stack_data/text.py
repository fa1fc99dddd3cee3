"""From bytes to text: which encoding a content is in, whether it is converted, and its text for the stages.

`reading_of` looks at one content when it is fetched; its answer is stored beside the bytes, so that every
later reading is the same. UTF-8 contents, nearly all of real code, are read without copying. Two kinds of content are converted:
notebooks, to a script (notebooks.py) or to blocks (notebook_blocks.py), and commit documents (commits.py), whose text is
their bytes and whose name says that it has three parts. What it gives up:
legacy encodings are guessed from the first 64 KiB that hold non-ASCII bytes; a guess that cannot decode the
whole content strictly is not taken.
"""

from __future__ import annotations

import codecs
import re
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data import commits, notebook_blocks, notebooks
from stack_data.reasons import Reason

RULE_VERSION = 3
TEXT_COLUMNS = ["content", "encoding", "conversion"]
"""The columns of files/ that a text is made of."""
SAME_BYTES = ("", commits.CONVERSION)
"""Conversions whose texts, where they are UTF-8, have the very bytes of their contents: ids can be recomputed from texts."""

Notebooks = Literal["script", "structured"]
_WRITERS = {notebooks.CONVERSION: notebooks.to_script, notebook_blocks.CONVERSION: notebook_blocks.to_blocks_text}
_CONVERSION_OF: dict[Notebooks, str] = {"script": notebooks.CONVERSION, "structured": notebook_blocks.CONVERSION}

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# PEP 263, Emacs and Vim: all declare an encoding within the first lines.
_DECLARED = re.compile(rb"(?:coding|fileencoding|fenc|encoding)\s*[:=]\s*[\"']?([-\w.]{3,20})")
_LFS = b"version https://git-lfs.github.com/spec/"
# Codecs that a person's editor may have written code in; charset detection proposes many more, wrongly.
_LEGACY = (
    "cp1252", "latin_1", "iso8859_2", "iso8859_15", "cp1250", "cp1251", "koi8_r", "shift_jis", "cp932", "euc_jp",
    "gb18030", "big5", "euc_kr", "cp949", "iso8859_7", "cp1253", "iso8859_9", "cp1254", "cp437", "cp850", "mac_roman",
)  # fmt: skip
_SAMPLE_BYTES = 64 * 1024
# Text has tabs, line ends, form feeds and escapes; other control characters in number mean it is none.
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x9f]")
_MAX_CONTROL_SHARE = 0.02


def encoding_of(content: bytes) -> str | Reason:
    """Return the codec that decodes `content` strictly, or the Reason why it is no text."""
    for bom, codec in _BOMS:
        if content.startswith(bom):
            return codec if _decodes(content, codec) else Reason.UNDECODABLE
    if b"\0" in content:
        return Reason.BINARY
    if not content.strip():
        return Reason.EMPTY
    if len(content) < 1024 and content.startswith(_LFS):
        return Reason.LFS_POINTER
    try:
        content.decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError as error:
        return _legacy_encoding(content, error.start)


def _legacy_encoding(content: bytes, first_bad: int) -> str | Reason:
    declared = _DECLARED.search(content[:512])
    if declared:
        try:
            codec = codecs.lookup(declared[1].decode("ascii")).name
        except LookupError:
            codec = ""
        if codec and codec != "utf-8" and _decodes(content, codec):
            return codec
    # Imported here: only the rare non-UTF-8 content pays for it.
    from charset_normalizer import from_bytes

    start = max(0, first_bad - _SAMPLE_BYTES // 4)
    best = from_bytes(content[start : start + _SAMPLE_BYTES], cp_isolation=list(_LEGACY)).best()
    if best is None:
        return Reason.UNDECODABLE
    codec = codecs.lookup(best.encoding).name
    return codec if _decodes(content, codec) else Reason.UNDECODABLE


def _decodes(content: bytes, codec: str) -> bool:
    try:
        text = content.decode(codec)
    except (UnicodeError, LookupError, ValueError):
        return False
    return len(_CONTROL.findall(text)) <= _MAX_CONTROL_SHARE * len(text)


class Reading(NamedTuple):
    """How a content becomes text. conversion: empty for plain decoding; text_bytes: of the text in UTF-8."""

    encoding: str
    conversion: str
    text_bytes: int


def reading_of(content: bytes, notebooks_as: Notebooks = "script") -> Reading | Reason:
    """Return how `content` becomes text, notebooks in the form that is asked for, or the Reason why it is none."""
    encoding = encoding_of(content)
    if isinstance(encoding, Reason):
        return encoding
    if encoding == "utf-8" and commits.is_document(content):
        return Reading(encoding, commits.CONVERSION, len(content))
    if notebooks.may_be_notebook(content):
        conversion = _CONVERSION_OF[notebooks_as]
        converted = _WRITERS[conversion](content.decode(encoding))
        if converted is not None:
            return Reading(encoding, conversion, len(converted.encode()))
    size = len(content) if encoding == "utf-8" else len(content.decode(encoding).encode("utf-8", "surrogatepass"))
    return Reading(encoding, "", size)


def decode(content: bytes, encoding: str, conversion: str) -> str:
    """Return the text of a content, read as is stored beside it."""
    text = content.decode(encoding)
    if conversion in SAME_BYTES:
        return text
    converted = _WRITERS[conversion](text)
    assert converted is not None, "a stored conversion was possible when it was stored"
    return converted


def text_of(content: bytes) -> str | Reason:
    """Return the text of a content, or the Reason why it has none."""
    reading = reading_of(content)
    return reading if isinstance(reading, Reason) else decode(content, reading.encoding, reading.conversion)


def texts_of(rows: pa.Table) -> pa.LargeStringArray:
    """Return the texts of N rows with TEXT_COLUMNS. Purged (null) contents have null texts.

    The result shares memory with the contents where all are plain UTF-8.
    """
    contents, encodings, conversions = (_combined(rows[name]) for name in TEXT_COLUMNS)
    plain = is_plain(encodings, conversions)
    others = np.flatnonzero(~plain)
    if not len(others):
        return contents.view(pa.large_string())
    chosen = pa.array(others)
    columns = (column.take(chosen).to_pylist() for column in (contents, encodings, conversions))
    decoded = [None if row[0] is None else decode(*row) for row in zip(*columns, strict=True)]
    kept = pc.if_else(pa.array(plain), contents, pa.scalar(None, pa.large_binary())).view(pa.large_string())
    return pc.replace_with_mask(kept, pa.array(~plain), pa.array(decoded, pa.large_string()))


def is_plain(encodings: pa.Array | pa.ChunkedArray, conversions: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Return which texts have the very bytes of their contents."""
    unchanged = pc.is_in(conversions.cast(pa.string()), pa.array(SAME_BYTES))
    same = pc.and_(pc.equal(encodings.cast(pa.string()), "utf-8"), unchanged)
    return np.asarray(same.to_numpy() if isinstance(same, pa.ChunkedArray) else same.to_numpy(zero_copy_only=False))


def _combined(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):
        return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    return column
