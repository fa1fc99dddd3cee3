"""An interpolated Kneser-Ney n-gram over tokens: the baseline that a trained model must beat on the same held-out tokens.

Modified discounts (Chen and Goodman): three per order, for counts of 1, 2 and more, from the counts of counts; one discount n1/(n1 + 2 n2)
where an order has too few n-grams for three. The highest order has counts of occurrences, lower ones the number of distinct tokens
before; the unigram is joined with the uniform distribution, so every token has a probability. The n-grams run over one stream
in which documents stand one after the other with an end-of-text token between, as the network reads them.

An n-gram is a number: its rank among the sorted pairs of (number of its first n-1 tokens, last token). Counting is four sorts of 64-bit
keys (about 40 bytes a token in memory); a look-up is a binary search. Sums over contexts are exact integers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_SHIFT = 32


@dataclass(frozen=True, slots=True)
class _Order:
    """n-grams of one length. keys uint64[G] sorted: context number << 32 | token; the rest is int64 or float64 by n-gram or context."""

    keys: npt.NDArray[np.uint64]
    counts: Ints
    discounts: Floats  # [4]: 0, D1, D2, D3+
    totals: Ints  # per context
    reserved: Floats  # per context: what the discounts took


class KneserNey:
    """A trained n-gram model over tokens below `vocab_size`."""

    def __init__(self, tokens: npt.NDArray[np.integer], vocab_size: int, order: int = 5) -> None:
        """Count a stream of tokens. tokens: integer [N]; order: longest n-gram, at least 2."""
        if order < 2 or vocab_size >= 1 << _SHIFT:
            raise ValueError("order is at least 2, and vocab_size below 2^32")
        self.order, self.vocab_size = order, vocab_size
        stream = np.asarray(tokens).astype(np.int64)
        found = _count(stream, vocab_size, order)
        self._orders = [_finish(keys, counts, contexts) for keys, counts, contexts in found[1:]]
        self._unigram = _unigram(found[0][1], vocab_size)

    def probabilities(self, tokens: npt.NDArray[np.integer]) -> Floats:
        """Return the probability of each token of a stream given those before it, float64[N]; the first has the unigram's."""
        stream = np.asarray(tokens).astype(np.int64)
        result = self._unigram[stream]
        # numbers[i]: of the (n-1)-gram that ends at i, or -1 where it was never seen.
        numbers = stream.copy()
        for order in (one for one in self._orders if len(one.keys)):
            context = np.concatenate([[-1], numbers[:-1]])
            known = np.flatnonzero(context >= 0)
            keys = context[known].astype(np.uint64) << np.uint64(_SHIFT) | stream[known].astype(np.uint64)
            at = np.minimum(np.searchsorted(order.keys, keys), len(order.keys) - 1)
            hit = order.keys[at] == keys
            # A context that only ended the stream has no continuation; it says nothing.
            asked = context[known]
            followed = order.totals[asked] > 0
            count = np.where(hit, order.counts[at], 0)
            total = np.where(followed, order.totals[asked], 1)
            share = (count - order.discounts[np.minimum(count, 3)]) / total + order.reserved[asked] / total * result[
                known
            ]
            result[known] = np.where(followed, share, result[known])
            numbers = np.full(len(stream), -1)
            numbers[known] = np.where(hit, at, -1)
        return result

    def bits(self, tokens: npt.NDArray[np.integer]) -> Floats:
        """Return the bits of each token of a stream, float64[N]."""
        return -np.log2(self.probabilities(tokens))


def _count(stream: Ints, vocab_size: int, order: int) -> list[tuple[npt.NDArray[np.uint64], Ints, int]]:
    """Return by length 1 to `order`: keys, counts (continuations below the highest), and the number of contexts."""
    numbers, found, size = stream, [(np.empty(0, np.uint64), np.zeros(vocab_size, np.int64), 1)], vocab_size
    for length in range(2, order + 1):
        # numbers[i]: of the (length-1)-gram that begins at i; the last has no token after it.
        after = stream[length - 1 :]
        pairs = numbers[: len(after)].astype(np.uint64) << np.uint64(_SHIFT) | after.astype(np.uint64)
        keys, first, inverse, counts = np.unique(pairs, return_index=True, return_inverse=True, return_counts=True)
        # Each distinct n-gram is one distinct token before its last n-1 tokens, which begin one further on.
        suffixes = numbers[first + 1]
        below = found[-1]
        found[-1] = (below[0], np.bincount(suffixes, minlength=len(below[1])), below[2])
        found.append((keys, counts.astype(np.int64), size))
        numbers, size = inverse.astype(np.int64), len(keys)
    return found


def _finish(keys: npt.NDArray[np.uint64], counts: Ints, contexts: int) -> _Order:
    discounts = discounts_of(counts)
    context = (keys >> np.uint64(_SHIFT)).astype(np.int64)
    totals = np.bincount(context, weights=counts, minlength=contexts).astype(np.int64)
    reserved: Floats = np.bincount(context, weights=discounts[np.minimum(counts, 3)], minlength=contexts).astype(
        np.float64
    )
    return _Order(keys, counts, discounts, totals, reserved)


def discounts_of(counts: Ints) -> Floats:
    """Return the discounts of counts 0, 1, 2 and more, float64[4]: modified Kneser-Ney's, or one for all where it has none."""
    n = np.bincount(np.minimum(counts, 5), minlength=5)[:5].astype(float)
    if n[1] == 0 or n[2] == 0:
        return np.array([0.0, 0.5, 0.5, 0.5])
    y = n[1] / (n[1] + 2 * n[2])
    if n[3] == 0 or n[4] == 0:
        return np.array([0.0, y, y, y])
    found = np.array([0.0, 1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]])
    # A discount may not take more than there is, nor give.
    return np.asarray(np.clip(found, 0.0, [0.0, 1.0, 2.0, 3.0]), np.float64)


def _unigram(counts: Ints, vocab_size: int) -> Floats:
    """Return the probabilities of single tokens: continuations, discounted, and the rest shared out evenly."""
    discounts = discounts_of(counts[counts > 0]) if counts.any() else np.zeros(4)
    taken = discounts[np.minimum(counts, 3)]
    total = max(int(counts.sum()), 1)
    rest = taken.sum() / total if counts.any() else 1.0
    return np.asarray((counts - taken) / total + rest / vocab_size, np.float64)
