"""Texts without any special token, for tokenizers and trainers that put in their own.

A file's document is its text, byte for byte. In a repository's document files stand one after the other, each ended by a line end;
the column `files` says where each begins and how long it is. Notebooks are scripts and commits the documents that the release holds.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow.compute as pc

from stack_data.commits import Commit
from stack_data.formats.documents import Documents, Files, join, where
from stack_data.notebook_blocks import Block

RULE_VERSION = 1
TOKENS: tuple[str, ...] = ()
ROWS: tuple[str, ...] = ("files", "repositories")


def render(files: Files) -> Documents:
    """Return the documents."""
    unended = pc.invert(pc.ends_with(files.texts, "\n")).to_numpy(zero_copy_only=False)
    return join(files, [], where(unended & ~(files.is_first() & files.is_last()), "\n"))


def notebook(blocks: Sequence[Block]) -> str | None:
    """Return None: blocks need tokens between them."""
    return None


def script(text: str) -> str | None:
    """Return None: a notebook's script is a file like any other here."""
    return None


def commit(changed: Commit, key: int) -> str | None:
    """Return None; the commit's document stays as the release has it."""
    return None
