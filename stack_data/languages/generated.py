"""Which files a program wrote: by name, by the mark of a tool, or because no person writes such lines.

Columns in, columns out. Rules are grouped by extension and joined into one anchored RE2 pattern each, so a text is read
for as many lines as its rules cover; only scripts and style sheets are read whole, for their average line length.

`mentions_generated` is something else: StarCoder2's five phrases in the first five lines, in any language. It is a
filter over words, with false alarms of its own, and is kept apart from `is_generated`.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stack_data.languages.columns import (
    Mask,
    Numbers,
    as_mask,
    either,
    heads,
    matches,
    path_column,
    rows_where,
    tails,
    text_column,
)
from stack_data.languages.generated_rules import HEAD_RULES
from stack_data.languages.paths import is_generated_name

HEAD_BYTES = 16 * 1024
TAIL_BYTES = 1024

#: A script or style sheet whose lines are longer than this on average was minified; Linguist's limit.
MINIFIED_LINE_CHARS = 110

_MAY_BE_MINIFIED = (".js", ".mjs", ".cjs", ".css")
_SOURCE_MAP = r"(?m)(?:^/[*/][#@] source(?:Mapping)?URL|sourceURL=)[^\n]*(?:\n[^\n]*){0,3}\z"
_DOC_FILE = r"\A[^\n]*\n[^\n]*<doc>[^\n]*\n[^\n]*<assembly>"
_COFFEE_NAMES = re.compile(rb"_fn|_i|_len|_ref|_results")
_COFFEE_CALLS = re.compile(rb"__bind|__extends|__hasProp|__indexOf|__slice")
_PHRASES = (
    r"(?i)\A(?:[^\n]*\n){0,4}[^\n]*"
    r"(?:auto-?generated|automatically generated|generated automatically|this file is generated)"
)


@cache
def _head_patterns() -> dict[str, str]:
    """Return one pattern per extension that any of its rules matches."""
    found: dict[str, list[str]] = {}
    for rule in HEAD_RULES:
        for extension in rule.extensions.split():
            found.setdefault(extension, []).append(rule.pattern)
    return {extension: either(patterns) for extension, patterns in found.items()}


def line_lengths(texts: pa.Array) -> Numbers:
    """Return the average number of characters per line, rounded down; bytes inside a code point do not count."""
    num_breaks = pc.count_substring(texts, "\n").to_numpy(zero_copy_only=False).astype(np.int64)
    num_chars = pc.binary_length(texts).to_numpy(zero_copy_only=False).astype(np.int64) - num_breaks
    suspects = rows_where(num_chars > MINIFIED_LINE_CHARS * (num_breaks + 1))
    for row in suspects.tolist():
        content = np.frombuffer(texts[row].as_buffer(), dtype=np.uint8)
        num_chars[row] -= int(np.count_nonzero((content & 0xC0) == 0x80))
    average: Numbers = num_chars // (num_breaks + 1)
    return average


def _compiled_coffee(texts: pa.Array) -> Mask:
    """Return which scripts have the closure and the helper names of the CoffeeScript compiler."""
    closed = as_mask(pc.starts_with(texts, "(function() {\n")) & matches(
        tails(texts, TAIL_BYTES), r"\}\)\.call\(this\);\n\z"
    )
    for row in rows_where(closed).tolist():
        lines = [text for text in texts[row].as_py().split(b"\n") if b"var " in text]
        score = sum(len(_COFFEE_NAMES.findall(text)) + 3 * len(_COFFEE_CALLS.findall(text)) for text in lines)
        closed[row] = score >= 3
    return closed


def _script_or_style(texts: pa.Array) -> Mask:
    """Return which scripts and style sheets were minified, bundled or compiled."""
    mask = line_lengths(texts) > MINIFIED_LINE_CHARS
    mentions = rows_where(as_mask(pc.match_substring(texts, "URL")) & ~mask)
    mask[mentions] = matches(texts.take(pa.array(mentions)), _SOURCE_MAP)
    return mask | _compiled_coffee(texts)


def _by_tail(extension: str, texts: pa.Array) -> Mask:
    """Return which texts have a mark of their tool at the end."""
    tail = tails(texts, TAIL_BYTES)
    if extension == ".xml":
        return matches(heads(texts, TAIL_BYTES), _DOC_FILE) & matches(tail, r"</doc>\s*\z")
    return matches(tail, r"recorded_with: VCR[^\n]*\n?\z")


def is_generated(paths: pa.Array, texts: pa.Array) -> pa.BooleanArray:
    """Return which files a program wrote, from their paths and texts."""
    paths, texts = path_column(paths), text_column(texts)
    mask = as_mask(is_generated_name(paths)).copy()
    # Not ascii_lower: on the cast of a slice (first offset not 0), it returns zero bytes in PyArrow 26.
    extensions = pc.struct_field(pc.extract_regex(pc.utf8_lower(paths), r"(?P<e>\.[^./]*)$"), "e")
    encoded = extensions.fill_null("").dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    for code, extension in enumerate(encoded.dictionary.to_pylist()):
        if extension in _head_patterns() or extension in (".xml", ".yml", ".yaml", ".css"):
            rows = rows_where((codes == code) & ~mask)
            mask[rows] = _marked(extension, texts.take(pa.array(rows)))
    return pa.array(mask)


def _marked(extension: str, texts: pa.Array) -> Mask:
    """Return which texts of one extension bear the mark of a tool."""
    mask = np.zeros(len(texts), dtype=bool)
    if extension in _head_patterns():
        mask |= matches(heads(texts, HEAD_BYTES), _head_patterns()[extension])
    if extension in _MAY_BE_MINIFIED:
        mask |= _script_or_style(texts)
    if extension in (".xml", ".yml", ".yaml"):
        mask |= _by_tail(extension, texts)
    return mask


def mentions_generated(texts: pa.Array) -> pa.BooleanArray:
    """Return which texts hold one of StarCoder2's five phrases in their first five lines, in any case."""
    return pc.match_substring_regex(text_column(texts), _PHRASES)
