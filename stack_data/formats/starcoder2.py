"""StarCoder2's format: the files of a repository in one document, half of the documents with names.

`<repo_name>NAME<file_sep>PATH`, a line end, the code, the next `<file_sep>`, at last `<|endoftext|>`; with probability 0.5 neither the
name nor any path is there. Notebooks are documents of their own: `<jupyter_start>` and blocks, or `<jupyter_script>` and the script.
Its tokens have none for commits, so these have no place here. Source: StarCoder2 (arXiv 2402.19173), section 5. Departure: the paper
puts the files of a repository in random order; the order here is the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow.compute as pc

from stack_data.commits import Commit
from stack_data.formats.documents import Documents, Files, draws, join, where
from stack_data.formats.notebooks import structured
from stack_data.notebook_blocks import Block

RULE_VERSION = 1
END = "<|endoftext|>"
TOKENS: tuple[str, ...] = (
    END, "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<repo_name>", "<file_sep>", "<issue_start>",
    "<issue_comment>", "<issue_closed>", "<jupyter_start>", "<jupyter_text>", "<jupyter_code>", "<jupyter_output>",
    "<jupyter_script>", "<empty_output>", "<code_to_intermediate>", "<intermediate_to_code>", "<pr>", "<pr_status>",
    "<pr_is_merged>", "<pr_base>", "<pr_file>", "<pr_base_code>", "<pr_diff>", "<pr_diff_hunk>", "<pr_comment>",
    "<pr_event_id>", "<pr_review>", "<pr_review_state>", "<pr_review_comment>", "<pr_in_reply_to_review_id>",
    "<pr_in_reply_to_comment_id>", "<pr_diff_hunk_comment_line>",
)  # fmt: skip
METADATA = 0.5
"""Probability that a document names its repository and paths."""
ROWS: tuple[str, ...] = ("repositories", "files")


def render(files: Files) -> Documents:
    """Return the documents. The draw is that of a document's first file."""
    of_document = draws(files.keys[files.starts[:-1]], 0) < METADATA
    named = np.repeat(of_document, np.diff(files.starts)) & ~files.whole
    before = [
        where(named & files.is_first(), pc.binary_join_element_wise("<repo_name>", files.repo_names, "")),
        where(~files.whole, "<file_sep>"),
        where(named, pc.binary_join_element_wise(files.paths, "\n", "")),
    ]
    return join(files, before, where(files.is_last(), END))


def notebook(blocks: Sequence[Block]) -> str | None:
    """Return a notebook as a document without its end; None when it has no blocks."""
    return structured(blocks)


def script(text: str) -> str | None:
    """Return a notebook's script as a document without its end."""
    return f"<jupyter_script>{text}"


def commit(changed: Commit, key: int) -> str | None:
    """Return None: there are no tokens for commits."""
    return None
