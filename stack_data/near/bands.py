"""From signatures to verified edges: banded look-up, then exact comparison inside each bucket.

Two texts meet in a bucket when all `rows` values of one of the `bands` of their signatures are equal. Inside a bucket,
members in order of preference are compared with the first; those that fail form a new bucket, for at most ROUNDS
rounds; what then remains is counted, never compared pair by pair. An edge is a comparison whose exact Jaccard
similarity reached the threshold, so every edge is true and no bucket costs the square of its size.

A pair whose signatures agree so little that the threshold lies more than `DEVIATIONS` standard deviations above the
estimate is taken as failed without comparison: one true pair in 300,000 is missed by it, most false ones are saved.
Bands are read one at a time from a column of keys, which is an array or, beyond a limit of memory, a mapped file.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

RULE_VERSION = 1
ROUNDS = 16
DEVIATIONS = 4.5
AHEAD_TEXTS = 500_000
"""From so many texts on, bands are sorted ahead on threads."""

_Buckets = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
Shared = Callable[[npt.NDArray[np.int64], npt.NDArray[np.int64]], npt.NDArray[np.int32]]
"""Returns how many shingles the sets of pairs (first[K], second[K]) share; equal first ones stand together."""


@dataclass(frozen=True, slots=True)
class Banding:
    """How signatures are looked up. A pair of similarity J meets with probability 1 - (1 - J ** rows) ** bands."""

    bands: int = 42
    rows: int = 6
    threshold: float = 0.7

    def probability(self, similarity: float) -> float:
        """Return how likely a pair of this similarity meets in a bucket."""
        return float(1 - (1 - similarity**self.rows) ** self.bands)


@dataclass(frozen=True, slots=True)
class Texts:
    """N texts, numbered in order of preference, the best first: a total order that their contents and places fix.

    signatures  uint32[M, P], may be a mapped file; rows: int64[N], the row of each text in it
    counts      distinct shingles of each text: int64[N]
    """

    signatures: npt.NDArray[np.uint32]
    rows: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Edges:
    """Compared pairs, sorted: first[K] < second[K] are texts by number; their sets share shared[K] of union[K] shingles.

    is_near: which of them reached the threshold; remainder: how often a member was left in a bucket after the last round.
    """

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    shared: npt.NDArray[np.int64]
    union: npt.NDArray[np.int64]
    is_near: npt.NDArray[np.bool_]
    remainder: int

    def near(self) -> Edges:
        """Return the verified edges alone."""
        return self._where(self.is_near)

    def apart(self) -> Edges:
        """Return the pairs that did not reach the threshold."""
        return self._where(~self.is_near)

    def _where(self, chosen: npt.NDArray[np.bool_]) -> Edges:
        return Edges(
            self.first[chosen], self.second[chosen], self.shared[chosen], self.union[chosen], self.is_near[chosen],
            self.remainder,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Comparisons:
    """What is known of pairs from an earlier build: texts by number, and how many shingles they share."""

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    shared: npt.NDArray[np.int64]


def band_keys(texts: Texts, banding: Banding, out: npt.NDArray[np.uint64] | None = None) -> npt.NDArray[np.uint64]:
    """Return the key of each text in each band: uint64[bands, N]. `out` may be a mapped file."""
    if banding.bands * banding.rows > texts.signatures.shape[1]:
        raise ValueError(
            f"{banding.bands} bands of {banding.rows} need more than {texts.signatures.shape[1]} permutations"
        )
    if out is None:
        out = np.empty((banding.bands, len(texts)), np.uint64)
    _band_keys(texts.signatures, texts.rows, banding.rows, out)
    return out


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _band_keys(signatures, places, rows, out):  # type: ignore[no-untyped-def]
    for text in range(len(places)):
        signature = signatures[places[text]]
        for band in range(len(out)):
            key = np.uint64(band + 1)
            for row in range(rows):
                key = (key ^ np.uint64(signature[band * rows + row])) * np.uint64(0x9E3779B97F4A7C15)
                key ^= key >> np.uint64(31)
            out[band, text] = key


def find_edges(
    keys: npt.NDArray[np.uint64], texts: Texts, banding: Banding, shared: Shared, earlier: Comparisons | None = None,
    workers: int = 1, banded: Callable[[], None] = lambda: None,
) -> Edges:  # fmt: skip
    """Return the compared pairs among texts. `keys`: uint64[bands, N] of `band_keys`.

    banded: called after each band; earlier: comparisons that need not be made again; what is returned is the same with or without them.
    """
    known = _Known(texts, banding, shared, earlier)
    remainder = 0
    # A short sort is done before another thread has taken it up: on 27,000 texts threads cost a quarter of the time.
    ahead = workers if len(texts) >= AHEAD_TEXTS else 0
    for members, buckets in _ahead(lambda band: _bucketed(keys[band]), banding.bands, ahead):
        for _ in range(ROUNDS):
            if not len(members):
                break
            members, buckets = known.round(members, buckets)
        remainder += len(members)
        banded()
    return known.edges(remainder)


def _bucketed(keys: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    members, buckets = _shared_buckets(keys, np.argsort(keys, kind="stable"))
    return members, buckets


def _ahead(make: Callable[[int], _Buckets], count: int, workers: int) -> Iterator[_Buckets]:
    """Yield make(0), make(1) ... in order, the next few made on threads meanwhile; with no workers one after the other."""
    if not workers:
        yield from map(make, range(count))
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="bands") as pool:
        pending = deque(pool.submit(make, number) for number in range(min(workers, count)))
        for number in range(count):
            if number + workers < count:
                pending.append(pool.submit(make, number + workers))
            yield pending.popleft().result()


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _shared_buckets(keys, order):  # type: ignore[no-untyped-def]
    """Return the members of buckets with at least two, in order of their number, and the bucket of each."""
    members = np.empty(len(order), np.int64)
    buckets = np.empty(len(order), np.int64)
    count, bucket, start = 0, 0, 0
    while start < len(order):
        end = start + 1
        while end < len(order) and keys[order[end]] == keys[order[start]]:
            end += 1
        if end - start > 1:
            members[count : count + end - start] = order[start:end]
            buckets[count : count + end - start] = bucket
            count += end - start
            bucket += 1
        start = end
    return members[:count].copy(), buckets[:count].copy()


class _Known:
    """The comparisons made so far, sorted by pair, so that a pair that meets in many bands is compared once."""

    def __init__(self, texts: Texts, banding: Banding, shared: Shared, earlier: Comparisons | None) -> None:
        self.texts, self.banding, self.shared = texts, banding, shared
        size = texts.signatures.shape[1]
        spread = (banding.threshold * (1 - banding.threshold) / size) ** 0.5
        self.least_equal = int(np.floor(size * (banding.threshold - DEVIATIONS * spread)))
        self.pairs = np.empty(0, np.uint64)
        self.values = np.empty(0, np.int64)
        if earlier is not None:
            pairs = _joined(np.minimum(earlier.first, earlier.second), np.maximum(earlier.first, earlier.second))
            order = np.argsort(pairs)
            self.pairs, self.values = pairs[order], earlier.shared[order]
        # Earlier comparisons count only when this build comes to them as well.
        self.asked = np.zeros(len(self.pairs), bool)

    def round(
        self, members: npt.NDArray[np.int64], buckets: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Compare each member with the first of its bucket; return those that failed, where at least two did."""
        opens = np.concatenate([[True], buckets[1:] != buckets[:-1]])
        first, second = members[opens][np.cumsum(opens) - 1][~opens], members[~opens]
        failed = ~self._near(first, second)
        rest, of = second[failed], buckets[~opens][failed]
        again = np.bincount(of, minlength=1)[of] > 1 if len(of) else np.zeros(0, bool)
        return rest[again], of[again]

    def _near(self, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        near = np.zeros(len(first), bool)
        rows = self.texts.rows
        likely = np.flatnonzero(_agree(self.texts.signatures, rows[first], rows[second], self.least_equal))
        wanted = _joined(first[likely], second[likely])
        self._compare(np.sort(wanted[~self._has(wanted)]))
        places = np.searchsorted(self.pairs, wanted)
        self.asked[places] = True
        near[likely] = self._reaches(self.values[places], first[likely], second[likely])
        return near

    def _has(self, pairs: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        places = np.minimum(np.searchsorted(self.pairs, pairs), max(len(self.pairs) - 1, 0))
        return self.pairs[places] == pairs if len(self.pairs) else np.zeros(len(pairs), bool)

    def _compare(self, fresh: npt.NDArray[np.uint64]) -> None:
        if len(fresh):
            found = self.shared(*_split(fresh))
            places = np.searchsorted(self.pairs, fresh)
            self.pairs = np.insert(self.pairs, places, fresh)
            self.values = np.insert(self.values, places, found)
            self.asked = np.insert(self.asked, places, True)

    def _reaches(
        self, shared: npt.NDArray[np.int64], first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        union = self.texts.counts[first] + self.texts.counts[second] - shared
        return np.asarray(shared >= self.banding.threshold * union)

    def edges(self, remainder: int) -> Edges:
        """Return the comparisons that were asked for."""
        first, second = _split(self.pairs[self.asked])
        shared = self.values[self.asked]
        union = self.texts.counts[first] + self.texts.counts[second] - shared
        return Edges(first, second, shared, union, self._reaches(shared, first, second), remainder)


def _joined(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    return np.asarray(first.astype(np.uint64) << np.uint64(32) | second.astype(np.uint64))


def _split(pairs: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    return (pairs >> np.uint64(32)).astype(np.int64), (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _agree(signatures, first, second, least):  # type: ignore[no-untyped-def]
    """Tell for each pair whether at least so many values of their signatures are equal."""
    out = np.zeros(len(first), np.bool_)
    size = signatures.shape[1]
    for pair in range(len(first)):
        one, other = signatures[first[pair]], signatures[second[pair]]
        equal = 0
        for number in range(size):
            equal += one[number] == other[number]
        out[pair] = equal >= least
    return out
