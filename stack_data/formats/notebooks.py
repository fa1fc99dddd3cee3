"""Notebooks as blocks between special tokens, as StarCoder and StarCoder2 have them.

`<jupyter_start>`, then each block behind its token: `<jupyter_text>`, `<jupyter_code>`, `<jupyter_output>`. Every code block is followed
by an output; where the notebook has none it is `<empty_output>`. All blocks are kept: StarCoder's own preparation began at the first
text and left code out that no text came before (stack_data.notebook_blocks.triplets gives just these).
"""

from __future__ import annotations

from collections.abc import Sequence

from stack_data.notebook_blocks import Block


def structured(blocks: Sequence[Block]) -> str | None:
    """Return a notebook's blocks with their tokens; None when there are none."""
    if not blocks:
        return None
    parts = ["<jupyter_start>"]
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        parts += [f"<jupyter_{block.kind}>", block.text]
        if block.kind == "code" and (following is None or following.kind != "output"):
            parts.append("<jupyter_output><empty_output>")
    return "".join(parts)
