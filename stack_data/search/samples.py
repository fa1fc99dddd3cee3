"""The table of samples of one view in one segment: which documents hold a gram, and where.

One file, mapped read-only, of four arrays, each beginning at a multiple of 8 bytes:

offsets   uint32[2^bits + 1]: the samples of bucket b are offsets[b]:offsets[b + 1]; the bucket is a hash's top `bits` bits
firsts    uint32[D + 1]: the ordinals of the samples of document d are firsts[d]:firsts[d + 1], in order of position
ordinals  by bucket, ascending; each of as few bits as the largest needs, in uint64 words
entries   uint8[S, 3]: the next 12 bits of the hash, 6 bits of the left context, 6 of the right (grams.py), little-endian

A position is not stored: it is (ordinal - firsts[d]) * stride. About 6.5 bytes a sample. Choice: 12 bits, so that among the samples of
a bucket chance finds one in four hundred probes, and contexts drop 97 of 100 of those; all else is the askers' comparison of
texts. Not covered: more than 2^32 samples in a segment, which a segment of 200 GB of text would have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stack_data.errors import InputError
from stack_data.search.grams import Grams
from stack_data.search.pages import Bytes, Pages, Sums, touched_here_and_there
from stack_data.search.sample_kernels import (
    bucket_places,
    buckets,
    buckets_seen,
    entries_seen,
    ordinal_bits,
    probe_samples,
    sort_samples,
)
from stack_data.search.views import View

_PER_BUCKET, _LEAST_BITS, _MOST_BITS = 8, 8, 40
Buckets = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
Hits = tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.int32]]


class Arrays(NamedTuple):
    """The arrays of a table as the kernel reads them. places: where offsets, ordinals and entries begin in the file, and bits."""

    raw: Bytes
    sums: Sums
    seen: Bytes
    offsets: npt.NDArray[np.uint32]
    firsts: npt.NDArray[np.uint32]
    ordinals: npt.NDArray[np.uint64]
    entries: Bytes
    places: tuple[int, int, int, int]


def file_name(view: View) -> str:
    """Return the name of a view's table in a segment's folder."""
    return f"{view.name}.samples"


def bits_for(num_samples: int) -> int:
    """Return how many bits of a hash number the buckets, so that about eight samples share one."""
    return min(_MOST_BITS, max(_LEAST_BITS, round(math.log2(max(num_samples, 1) / _PER_BUCKET))))


def write_table(path: Path, parts: Sequence[Grams], counts: npt.NDArray[np.int64]) -> int:
    """Write the table of samples that were made lot by lot; return how many there are. counts: samples of each document, int64[D]."""
    hashes, left, right = (
        np.concatenate([getattr(one, name) for one in parts]) for name in ("hashes", "left", "right")
    )
    if len(hashes) >= 2**32:
        raise InputError(f"{len(hashes):,} samples are more than a segment can hold; use smaller segments")
    offsets, ordinals, entries = sort_samples(hashes, left, right, bits_for(len(hashes)))
    firsts = np.concatenate([[0], np.cumsum(counts)]).astype(np.uint32)
    with path.open("wb") as file:
        for array in (offsets, firsts, ordinals, entries):
            file.write(array.data)
            file.write(bytes(-array.nbytes % 8))
    return len(hashes)


def _layout(num_samples: int, num_documents: int) -> tuple[list[int], list[int]]:
    """Return where the four arrays of a table begin, and where they end, in bytes."""
    words = 8 * ((num_samples * ordinal_bits(num_samples) + 63) // 64 + 1)
    sizes = [4 * (2 ** bits_for(num_samples) + 1), 4 * (num_documents + 1), words, 3 * num_samples]
    begins = np.cumsum([0, *(size + -size % 8 for size in sizes)]).tolist()
    return begins, [begin + size for begin, size in zip(begins, sizes, strict=False)]


class SampleTable:
    """A table that was opened. Threads may probe it at the same time."""

    def __init__(self, view: View, pages: Pages, num_samples: int, num_documents: int) -> None:
        """Map the arrays; InputError when the file is not of these numbers or its `firsts` are damaged."""
        begins, ends = _layout(num_samples, num_documents)
        if begins[-1] != len(pages.raw):
            raise InputError(
                f"{pages.path} is damaged: {num_samples:,} samples do not fit its size; delete index.json and build the index anew (removals stay)"
            )
        pages.check(begins[1], ends[1])
        views = (
            pages.raw[begin:end].view(kind)
            for begin, end, kind in zip(begins, ends, (np.uint32, np.uint32, np.uint64, np.uint8), strict=False)
        )
        offsets, firsts, ordinals, entries = views
        if int(firsts[-1]) != num_samples or np.any(firsts[1:] < firsts[:-1]):
            raise pages.damaged()
        self.view, self.pages = view, pages
        touched_here_and_there(pages.raw)
        places = (begins[0], begins[2], begins[3], bits_for(num_samples))
        self.arrays = Arrays(pages.raw, pages.sums, pages.seen, offsets, firsts, ordinals, entries, places)

    def buckets(self, grams: Grams) -> Buckets:
        """Return where the samples that each of G grams may equal begin and end: int64[G] each; InputError when damaged."""
        first, _, _, bits = self.arrays.places
        if not buckets_seen(self.pages.seen, grams.hashes, bits, first):
            self.pages.read_ahead(*bucket_places(grams.hashes, bits, first))
        begins, ends, whole = buckets(self.arrays, grams.hashes, grams.left, grams.right)
        if not whole:
            raise self.pages.damaged()
        return begins, ends

    def probe(self, grams: Grams, found: Buckets | None = None) -> Hits:
        """Return (query, row of the document, position) of the samples that grams may equal, ordered so; InputError when damaged.

        found: of `buckets`; a gram whose bucket was made empty has no hits.
        """
        found = found or self.buckets(grams)
        entries = self.arrays.places[2]
        if not entries_seen(self.pages.seen, *found, entries):
            self.pages.read_ahead(*(entries + 3 * one for one in found))
        asked = grams.hashes, grams.left, grams.right
        query, row, position, whole = probe_samples(self.arrays, *asked, *found, self.view.stride)
        if not whole:
            raise self.pages.damaged()
        return query, row, position
