"""Signatures as datasketch's LeanMinHash and back, so that its indexes can be used with ours.

Our permutations are of datasketch's scheme affine32 (a * x + b modulo 2^32), over our own hash of shingles. The seed of a
sketch is ours plus SEED_BASE: datasketch refuses to compare sketches of different seeds, so one that it made from other
hashes is never mistaken for one of ours.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from datasketch import LeanMinHash, MinHashLSH

from stack_data.errors import InputError
from stack_data.near.bands import Banding
from stack_data.near.shingles import Permutations

SCHEME = "affine32"
SEED_BASE = 0x4653_0000


def to_lean(signature: npt.NDArray[np.uint32], using: Permutations) -> LeanMinHash:
    """Return a signature, uint32[P], as a sketch."""
    return LeanMinHash(
        seed=SEED_BASE + using.seed, hashvalues=np.ascontiguousarray(signature, np.uint32), scheme=SCHEME
    )


def from_lean(sketch: LeanMinHash, using: Permutations) -> npt.NDArray[np.uint32]:
    """Return the signature of a sketch, uint32[P]; InputError when it was made with other permutations."""
    seen = (sketch.scheme, sketch.seed, len(sketch.hashvalues))
    wanted = (SCHEME, SEED_BASE + using.seed, len(using))
    if seen != wanted:
        raise InputError(
            f"a sketch with (scheme, seed, permutations) {seen} is none of these signatures, which have {wanted}"
        )
    return np.asarray(sketch.hashvalues, np.uint32)


def make_index(
    keys: Iterable[str], signatures: npt.NDArray[np.uint32], using: Permutations, banding: Banding
) -> MinHashLSH:
    """Return an index that answers which keys share a band with a sketch. signatures: uint32[N, P]."""
    index = MinHashLSH(num_perm=len(using), params=(banding.bands, banding.rows))
    with index.insertion_session() as session:
        for key, signature in zip(keys, signatures, strict=True):
            session.insert(key, to_lean(signature, using), check_duplication=False)
    return index
