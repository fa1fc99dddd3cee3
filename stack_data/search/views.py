"""The three readings of a text that the search compares: which tokens, how long a gram is, how far apart samples lie.

Of a source the grams at token positions 0, stride, 2 * stride, ... are kept as samples; of a query every gram is probed. A run of
`guaranteed` tokens that both have in common therefore holds a whole sampled gram. It holds stride - 1 tokens more, left and right of
the gram together, so at least `context` on one of the two sides: what lies there is compared too, before any text is read.

lexeme   all runs of letters and all signs, comments and strings included
code     the code view of the lexer: without comments, white space, `,` and `;`
blinded  the same with all names, all numbers and all strings alike

Choice: blinded with stride 35; 17 would guarantee 32 tokens at twice the size, and short blinded runs say little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stack_data.search.lexer import Tokens


@dataclass(frozen=True, slots=True)
class View:
    """A reading: grams of k tokens, sampled every `stride` tokens."""

    name: str
    k: int
    stride: int

    @property
    def guaranteed(self) -> int:
        """The shortest common run that always holds a sampled gram, in tokens."""
        return self.k + self.stride - 1

    @property
    def context(self) -> int:
        """How many tokens beside its gram such a run holds at least, on one of the two sides."""
        return self.stride // 2

    def hashes(self, tokens: Tokens) -> npt.NDArray[np.uint64]:
        """Return the hashes that are compared: uint64[T]. tokens: of `lexer.lexemes` for the lexeme view, else of `lexer.lex`."""
        return tokens.blinded() if self.name == "blinded" else tokens.code


LEXEME, CODE, BLINDED = View("lexeme", 24, 42), View("code", 12, 21), View("blinded", 16, 35)
VIEWS = (LEXEME, CODE, BLINDED)
