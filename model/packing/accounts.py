"""What was drawn: an exact account of items, tokens and targets by group, kept as rows are used.

The counts are those of the rows that are added, so they hold for what was trained on, drops and all, not for what was planned. They
are plain numbers: the account of a run that goes on begins with `of` what its checkpoint saved.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from model.packing.corpus import Corpus
from model.packing.rows import Rows
from stack_data.errors import InputError

_COUNTS = ("items", "documents", "text_tokens", "targets")


class Drawn:
    """Counts by group.

    items: chunks of documents; documents: first chunks; text_tokens: tokens of documents' own texts; targets: positions with a loss,
    special tokens and metadata among them.
    """

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._counts = np.zeros((len(corpus.groups), len(_COUNTS)), np.int64)

    @classmethod
    def of(cls, corpus: Corpus, saved: Mapping[str, Mapping[str, int]]) -> Drawn:
        """Go on with an account that `counts` gave. InputError when it names a group that the shards lack."""
        found, numbers = cls(corpus), {group.name: number for number, group in enumerate(corpus.groups)}
        for name, counts in saved.items():
            if name not in numbers:
                raise InputError(
                    f"the account of what was drawn names {name!r}, which the shards lack; go on with the shards it began with"
                )
            found._counts[numbers[name]] = [counts[count] for count in _COUNTS]
        return found

    def add(self, rows: Rows) -> None:
        """Count the items of some rows."""
        groups = self._corpus.group_of[rows.documents]
        columns = (np.ones(len(groups)), rows.chunks == 0, rows.text_tokens, rows.lengths - 1)
        for column, values in enumerate(columns):
            self._counts[:, column] += np.bincount(groups, values, len(self._corpus.groups)).astype(np.int64)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the counts by name of group, for checkpoints and logs; groups of which nothing was drawn are left out."""
        return {
            group.name: dict(zip(_COUNTS, row, strict=True))
            for group, row in zip(self._corpus.groups, self._counts.tolist(), strict=True)
            if row[0]
        }

    def shares(self) -> dict[str, float]:
        """Return the share of all text tokens drawn, by name of group: what the mixture came to."""
        total = max(1, int(self._counts[:, 2].sum()))
        return {name: counts["text_tokens"] / total for name, counts in self.counts().items()}

    def epochs(self) -> dict[str, float]:
        """Return how many times the tokens of each group were drawn on average."""
        sizes = {
            group.name: size for group, size in zip(self._corpus.groups, self._corpus.sizes().tolist(), strict=True)
        }
        return {name: counts["text_tokens"] / sizes[name] for name, counts in self.counts().items()}

    def report(self) -> dict[str, Any]:
        """Return counts, shares and epochs together."""
        return {"counts": self.counts(), "shares": self.shares(), "epochs": self.epochs()}
