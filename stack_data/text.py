"""From bytes to text: which encoding a content is in, and its decoding for the stages.

`encoding_of` looks at one content when it is fetched; its answer is stored beside the bytes, so that every
later reading is the same. UTF-8 contents, nearly all of real code, are read without copying. What it gives up:
legacy encodings are guessed from the first 64 KiB that hold non-ASCII bytes; a guess that cannot decode the
whole content strictly is not taken.
"""

from __future__ import annotations

import codecs
import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stack_data.reasons import Reason

RULE_VERSION = 1

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


def decode(content: bytes, encoding: str) -> str:
    """Return the text of a content whose stored encoding is `encoding`."""
    return content.decode(encoding)


def texts_of(contents: pa.Array | pa.ChunkedArray, encodings: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    """Return the texts of a column of contents. Purged (null) contents have null texts.

    contents: large_binary[N]; encodings: dictionary<string>[N]; the result shares memory where it can.
    """
    contents, encodings = _combined(contents), _combined(encodings)
    plain = pc.equal(encodings.cast(pa.string()), "utf-8")
    if pc.all(plain).as_py() in (True, None):
        return contents.view(pa.large_string())
    rows = np.flatnonzero(~plain.to_numpy(zero_copy_only=False))
    names = encodings.take(pa.array(rows)).to_pylist()
    originals = contents.take(pa.array(rows)).to_pylist()
    decoded = [
        None if original is None else original.decode(name) for original, name in zip(originals, names, strict=True)
    ]
    kept = pc.if_else(plain, contents, pa.scalar(None, pa.large_binary())).view(pa.large_string())
    return pc.replace_with_mask(kept, pc.invert(plain), pa.array(decoded, pa.large_string()))


def _combined(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):
        return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    return column
