"""Commits as documents: the conversion `commit-1`, one file before a change, the message, and the file after it.

A document is UTF-8 and readable: three marker lines, each followed by its part and one line break. A line that looks like a
marker has one more backslash in front, so that any three texts come back exactly. Its content_id is the git blob id of its
bytes, which are its text, so it can be recomputed like that of any file.

What makes a content a commit document is its own shape, not where it lies: one content has one text wherever it is found.
Any change of the form needs a new name of the conversion. Which commits are taken is decided elsewhere
(stack_data/sources/git_commits.py).
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stack_data.errors import InputError
from stack_data.identity import content_id

CONVERSION = "commit-1"
_BEFORE, _MESSAGE, _AFTER = (f"==== commit-1 {part} ====" for part in ("before", "message", "after"))
_FIRST = f"{_BEFORE}\n"
_WORDS = "==== commit-1 "
_MARKER = re.compile(r"^==== commit-1 (?:before|message|after) ====$", re.MULTILINE)
_LIKE_A_MARKER = re.compile(r"^(\\*==== commit-1 (?:before|message|after) ====)$", re.MULTILINE)
_ESCAPED = re.compile(r"^\\(\\*==== commit-1 (?:before|message|after) ====)$", re.MULTILINE)

Span = tuple[int, int]


class Commit(NamedTuple):
    """A change of one file: its text before and after, and what its author says of it."""

    before: str
    message: str
    after: str


def document(before: str, message: str, after: str) -> bytes:
    """Return the document of a change. Texts are of any characters that UTF-8 has."""
    parts = ((_BEFORE, before), (_MESSAGE, message), (_AFTER, after))
    return "".join(f"{marker}\n{_escaped(text)}\n" for marker, text in parts).encode()


def _escaped(text: str) -> str:
    # Nearly no text has such a line, and looking for these words is faster than looking at every line.
    return _LIKE_A_MARKER.sub(r"\\\1", text) if _WORDS in text else text


def _plain(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if _WORDS in text else text


def spans_of(text: str) -> tuple[Span, Span, Span] | None:
    """Return where before, message and after lie in a document, as code points; None where it is none.

    Between these places the parts stand as they are, lines that look like markers with one backslash more.
    """
    if not text.startswith(_FIRST) or not text.endswith("\n"):
        return None
    # A part may be empty: the line break before a marker is then the one behind the marker before it.
    message = text.find(f"\n{_MESSAGE}\n", len(_FIRST))
    after = text.find(f"\n{_AFTER}\n", message + len(_MESSAGE) + 2) if message >= 0 else -1
    if after < 0:
        return None
    spans = (len(_FIRST), message), (message + len(_MESSAGE) + 2, after), (after + len(_AFTER) + 2, len(text) - 1)
    if spans[2][1] < spans[2][0]:
        return None
    if text.count(_WORDS) > 3 and any(_MARKER.search(text[start:end]) for start, end in spans):
        return None
    return spans


def parts_of(text: str) -> Commit:
    """Return the parts of a document, exactly as they were given; InputError where the text is none."""
    spans = spans_of(text)
    if spans is None:
        raise InputError(f"no commit document: begins {text[:40]!r}; expected the marker lines of {CONVERSION}")
    return Commit(*(_plain(text[start:end]) for start, end in spans))


def is_document(content: bytes) -> bool:
    """Return whether a content is a commit document."""
    if not content.startswith(_FIRST.encode()):
        return False
    try:
        return spans_of(content.decode()) is not None
    except UnicodeDecodeError:
        return False


def side_ids(text: str) -> tuple[str, str]:
    """Return the content ids of the file before and after the change."""
    commit = parts_of(text)
    return content_id(commit.before.encode()), content_id(commit.after.encode())


def afters(texts: pa.LargeStringArray, conversions: pa.Array) -> pa.LargeStringArray:
    """Return the texts that languages and filters are to judge: of commit documents the file after the change.

    texts: large_string[N], nulls stay; conversions: string[N]. Shares memory with `texts` where none is a document.
    """
    is_commit = np.asarray(pc.equal(conversions, CONVERSION).fill_null(False)) & np.asarray(texts.is_valid())
    rows = np.flatnonzero(is_commit)
    if not len(rows):
        return texts
    found = [parts_of(text).after for text in texts.take(pa.array(rows)).to_pylist()]
    return pc.replace_with_mask(texts, pa.array(is_commit), pa.array(found, pa.large_string()))
