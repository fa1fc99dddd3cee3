"""StarCoder's format: each file is a document, sometimes with its repository, path and stars before it.

`<reponame>NAME<filename>PATH<gh_stars>BUCKET`, a line end, the code, `<|endoftext|>`: each of the three with probability 0.2, in this
order; without any of them there is no line either. Notebooks are `<jupyter_start>` and blocks, commits `<commit_before>`, message and
code after; neither has metadata. Source: StarCoder (arXiv 2305.06161), section 5.1, and bigcode-dataset's add_content_with_meta.py,
which, unlike this, writes 0 for stars that nobody knows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stack_data.commits import Commit
from stack_data.formats.commits import shown
from stack_data.formats.documents import Documents, Files, draws, join, where
from stack_data.formats.notebooks import structured
from stack_data.notebook_blocks import Block

RULE_VERSION = 1
END = "<|endoftext|>"
TOKENS: tuple[str, ...] = (
    END, "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<filename>", "<gh_stars>", "<issue_start>",
    "<issue_comment>", "<issue_closed>", "<jupyter_start>", "<jupyter_text>", "<jupyter_code>", "<jupyter_output>",
    "<empty_output>", "<commit_before>", "<commit_msg>", "<commit_after>", "<reponame>",
)  # fmt: skip
METADATA = 0.2
"""Probability of each of repository, path and stars."""
ROWS: tuple[str, ...] = ("files",)


def render(files: Files) -> Documents:
    """Return the documents; each has one file."""
    shown_of = [(draws(files.keys, number) < METADATA) & ~files.whole for number in range(3)]
    shown_of[2] &= np.asarray(files.stars.is_valid())
    tagged = shown_of[0] | shown_of[1] | shown_of[2]
    before = [
        where(shown_of[0], pc.binary_join_element_wise("<reponame>", files.repo_names, "")),
        where(shown_of[1], pc.binary_join_element_wise("<filename>", files.paths, "")),
        where(shown_of[2], pc.binary_join_element_wise("<gh_stars>", stars_buckets(files.stars), "")),
        where(tagged, "\n"),
    ]
    return join(files, before, where(files.is_last(), END))


def stars_buckets(stars: pa.Array) -> pa.Array:
    """Return the bucket of each number of stars, empty where it is unknown: string[N]."""
    known = np.asarray(stars.fill_null(0))
    names = pa.array(["0", "1-10", "10-100", "100-1000", "1000+"])
    bucket = names.take(pa.array(np.searchsorted([0, 10, 100, 1000], np.maximum(known, 0), side="left")))
    return pc.if_else(stars.is_valid(), bucket, "")


def notebook(blocks: Sequence[Block]) -> str | None:
    """Return a notebook as a document without its end; None when it has no blocks."""
    return structured(blocks)


def script(text: str) -> str | None:
    """Return None: a notebook's script is a file like any other here."""
    return None


def commit(changed: Commit, key: int) -> str | None:
    """Return a commit as a document without its end. key: a hash of the seed and the commit."""
    before, after = shown(changed.before, changed.after, key)
    return f"<commit_before>{before}<commit_msg>{changed.message}<commit_after>{after}"
