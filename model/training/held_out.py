"""Held-out documents as rows: every token but a document's first is a target once, and how many bytes those targets are.

A document is its tokens and an end-of-text token, in pieces of at most `positions` inputs; a later piece begins with `context` inputs
of the one before that are no targets again (0: each piece begins anew, as in training). Documents are taken in the order of their content
ids, which is no order at all, until `max_tokens` are reached; so evaluations of any size begin with the same documents. Bytes are those of
the targets, so that bits per byte compare across tokenizers; the first token of a document and its bytes are left out, for every contender.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.packing.corpus import Corpus
from model.training.engine import NO_LOSS

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows to evaluate, int64[B, T] each; segments: -1 on padding."""

    tokens: Ints
    positions: Ints
    segments: Ints
    targets: Ints


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Validation documents. texts: tokens of each with an end-of-text token after them."""

    texts: tuple[Ints, ...]
    num_targets: int
    num_bytes: int

    def stream(self) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Return all documents as one stream that begins with an end-of-text token, and which tokens of it are targets: int64[N], bool[N]."""
        end = self.texts[0][-1:] if self.texts else np.empty(0, np.int64)
        counted = [np.arange(len(one)) > 0 for one in self.texts]
        return np.concatenate([end, *self.texts]), np.concatenate([np.zeros(len(end), bool), *counted])

    def batches(self, positions: int, rows: int, context: int = 0) -> Iterator[Batch]:
        """Yield the documents as rows of `positions`, `rows` at a time, several pieces to a row."""
        filled = list(_rows(self.texts, positions, context))
        for first in range(0, len(filled), rows):
            made = filled[first : first + rows]
            yield Batch(*(np.stack([row[part] for row in made]) for part in range(4)))


def held_out(corpus: Corpus, lengths: npt.NDArray[np.int32], end_of_text: int, max_tokens: int) -> HeldOut:
    """Take documents out of the validation corpus. lengths int32[V]: bytes of each token."""
    rows = np.flatnonzero((corpus.group_of >= 0) & (corpus.num_tokens > 0))
    rows = rows[~corpus.is_dropped(rows)]
    ids = np.ascontiguousarray(corpus.content_ids[rows]).view("S20").reshape(-1)
    texts, left, num_bytes = [], max_tokens, 0
    for document in rows[np.argsort(ids, kind="stable")].tolist():
        if left <= 0:
            break
        one = np.array([document])
        raw = corpus.texts(one, np.zeros(1, np.int64), corpus.num_tokens[one].astype(np.int32))[0]
        tokens = np.append(raw.astype(np.int64), end_of_text)[: left + 1]
        texts.append(tokens)
        num_bytes += int(lengths[tokens[1:]].sum())
        left -= len(tokens) - 1
    return HeldOut(tuple(texts), sum(len(one) - 1 for one in texts), num_bytes)


def _pieces(text: Ints, positions: int, context: int) -> Iterator[tuple[Ints, Ints]]:
    """Yield inputs and targets of a text, pieces of at most `positions`."""
    inputs, targets = text[:-1], text[1:].copy()
    done = 0
    while done < len(inputs):
        begin = max(0, done - context) if done else 0
        end = min(len(inputs), begin + positions)
        piece = targets[begin:end].copy()
        piece[: done - begin] = NO_LOSS
        yield inputs[begin:end], piece
        done = end


def _rows(texts: tuple[Ints, ...], positions: int, context: int) -> Iterator[tuple[Ints, Ints, Ints, Ints]]:
    """Fill rows with pieces, longest first: each into the first open row that has room, of at most 64 open ones."""
    pieces = [piece for text in texts for piece in _pieces(text, positions, context)]
    pieces.sort(key=lambda piece: -len(piece[0]))
    open_rows: list[list[tuple[Ints, Ints]]] = []
    room: list[int] = []
    for piece in pieces:
        at = next((at for at, free in enumerate(room) if free >= len(piece[0])), -1)
        if at < 0:
            if len(open_rows) == 64:
                fullest = room.index(min(room))
                yield _row(open_rows.pop(fullest), positions)
                room.pop(fullest)
            open_rows.append([])
            room.append(positions)
            at = len(room) - 1
        open_rows[at].append(piece)
        room[at] -= len(piece[0])
    for row in open_rows:
        yield _row(row, positions)


def _row(pieces: list[tuple[Ints, Ints]], positions: int) -> tuple[Ints, Ints, Ints, Ints]:
    tokens, places = np.zeros(positions, np.int64), np.zeros(positions, np.int64)
    segments, targets = np.full(positions, -1), np.full(positions, NO_LOSS)
    at = 0
    for number, (inputs, wanted) in enumerate(pieces):
        end = at + len(inputs)
        tokens[at:end], targets[at:end], segments[at:end] = inputs, wanted, number
        places[at:end] = np.arange(len(inputs))
        at = end
    return tokens, places, segments, targets
