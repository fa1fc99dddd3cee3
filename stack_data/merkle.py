"""Two Merkle trees of a release: its contents and its repositories, each sorted, so that absence can be proven too.

Hashes are those of RFC 9162, section 2.1, with SHA-256. In the folder `merkle` of a release stand the leaves
(`merkle_leaves` has their formats) and, as *.nodes, the 32-byte roots of the complete subtrees of 2^k leaves, left to
right: all of k = 8, then of k = 9, and so on. A proof reads and hashes a few hundred leaves and some twenty nodes,
whatever the size. Building holds the leaves in memory while they are sorted (contents: 20 bytes each, twice), then reads
them back in chunks and keeps 32 bytes for every 256. hashlib does the hashing, on one thread: a compiled kernel was 1.1
to 2 times as fast and took three seconds to compile, in which two million leaves are hashed. Not covered: proofs that
one tree grew out of another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stack_data import storage
from stack_data.id_columns import id_bytes
from stack_data.merkle_leaves import (
    ID_BYTES,
    ContentLeaves,
    Leaves,
    NameLeaves,
    Reader,
    damaged,
    leaf_hash,
    tombstone_names,
    write_ids,
    write_names,
)

__all__ = [
    "Head", "Tree", "build_contents", "build_names", "leaf_hash", "node_hash", "open_contents", "open_names",
    "tombstone_names", "verify_inclusion",
]  # fmt: skip

BLOCK_LEVEL = 8
BLOCK = 1 << BLOCK_LEVEL
"""Leaves of the smallest subtree whose root is stored."""
_CHUNK = 256 * BLOCK
_HASH = 32
_MOST_ROOTS = 1 << 14
_MOST_BLOCKS = 1 << 7
"""Roots of subtrees and blocks of leaf hashes that an open tree remembers: the proofs of neighbours share nearly all."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a tree is known by. size: number of leaves; root: 64 hex digits."""

    size: int
    root: str


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node (RFC 9162, 2.1.1)."""
    return sha256(b"\1" + left + right).digest()


def verify_inclusion(root: bytes, size: int, index: int, leaf: bytes, path: Sequence[bytes]) -> bool:
    """Tell whether a path leads from the hash `leaf` at `index` to the root of `size` leaves (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    first, last, reached = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if first & 1 or first == last:
            reached = node_hash(sibling, reached)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            reached = node_hash(reached, sibling)
        first, last = first >> 1, last >> 1
    return last == 0 and reached == root


def _level_above(hashes: bytes) -> bytes:
    """Return the nodes over pairs of hashes; a lone last hash has none yet."""
    pairs = range(0, len(hashes) - 2 * _HASH + 1, 2 * _HASH)
    return b"".join([sha256(b"\1" + hashes[at : at + 2 * _HASH]).digest() for at in pairs])


def _root_over(hashes: bytes) -> bytes:
    """Return the root over leaf hashes; a lone last hash rises unchanged, which is the split of the RFC."""
    while len(hashes) > _HASH:
        hashes = _level_above(hashes) + (hashes[-_HASH:] if len(hashes) // _HASH % 2 else b"")
    return hashes or sha256(b"").digest()


def _split(count: int) -> int:
    """Return the largest power of two below a count of two or more."""
    return 1 << (count - 1).bit_length() - 1


class Tree:
    """A sorted tree on disk: its leaves and the roots of its complete subtrees. Use as a context manager."""

    def __init__(self, leaves: Leaves, nodes: Path) -> None:
        self.leaves = leaves
        self._roots: dict[tuple[int, int], bytes] = {}
        self._blocks: dict[int, bytes] = {}
        self._nodes = Reader(nodes)
        if self._nodes.num_bytes != _HASH * _nodes_below(leaves.size, leaves.size.bit_length()):
            raise damaged(nodes)

    def __enter__(self) -> Tree:
        return self

    def __exit__(self, *_: object) -> None:
        self.leaves.close()
        self._nodes.close()

    def head(self) -> Head:
        """Return size and root, the root computed from the files."""
        return Head(self.leaves.size, self._subtree(0, self.leaves.size).hex())

    def inclusion(self, index: int) -> list[bytes]:
        """Return the inclusion path of a leaf, from the leaf to the root (RFC 9162, 2.1.3.1)."""
        if not 0 <= index < self.leaves.size:
            raise IndexError(index)
        path, start, end = [], 0, self.leaves.size
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                path.append(self._subtree(middle, end))
                end = middle
            else:
                path.append(self._subtree(start, middle))
                start = middle
        return path[::-1]

    def _subtree(self, start: int, end: int) -> bytes:
        """Return the root over start..end, a subtree of the RFC: its start is a multiple of a power of two >= its size."""
        if (start, end) not in self._roots:
            if len(self._roots) >= _MOST_ROOTS:
                self._roots.clear()
            self._roots[start, end] = self._root(start, end)
        return self._roots[start, end]

    def _root(self, start: int, end: int) -> bytes:
        count = end - start
        if count < BLOCK:
            block, hashes = self._block_of(start)
            return _root_over(hashes[_HASH * (start - block) : _HASH * (end - block)])
        if count & (count - 1) == 0:
            level = count.bit_length() - 1
            return self._nodes.at(_HASH * (_nodes_below(self.leaves.size, level) + (start >> level)), _HASH)
        middle = start + _split(count)
        return node_hash(self._subtree(start, middle), self._subtree(middle, end))

    def _block_of(self, index: int) -> tuple[int, bytes]:
        """Return where the block of a leaf starts, and the hashes of its leaves; all small subtrees of a path share them."""
        block = index // BLOCK * BLOCK
        if block not in self._blocks:
            if len(self._blocks) >= _MOST_BLOCKS:
                self._blocks.clear()
            self._blocks[block] = self.leaves.hashes(block, min(block + BLOCK, self.leaves.size))
        return block, self._blocks[block]

    def problems(self) -> Iterator[str]:
        """Read everything; yield what is wrong: leaves out of order (no absence is proven then), nodes of other leaves."""
        last = b""
        for start in range(0, self.leaves.size, _CHUNK):
            texts = [last, *filter(None, self.leaves.texts(start, min(start + _CHUNK, self.leaves.size)))]
            if any(first >= second for first, second in pairwise(texts)):
                yield f"{self.leaves.path}: the leaves are not in ascending order"
                break
            last = texts[-1]
        if self._nodes.at(0, self._nodes.num_bytes) != b"".join(_levels(self.leaves)):
            yield f"{self._nodes.path}: the nodes are not those of the leaves"


def _nodes_below(size: int, level: int) -> int:
    """Return how many nodes are stored for levels below `level` of a tree of `size` leaves."""
    return sum(size >> below for below in range(BLOCK_LEVEL, level))


def _levels(leaves: Leaves) -> Iterator[bytes]:
    """Yield the nodes of each stored level, joined."""
    whole, blocks = leaves.size // BLOCK * BLOCK, []
    for start in range(0, whole, _CHUNK):
        hashes = leaves.hashes(start, min(start + _CHUNK, whole))
        for _ in range(BLOCK_LEVEL):
            hashes = _level_above(hashes)
        blocks.append(hashes)
    level = b"".join(blocks)
    while level:
        yield level
        level = _level_above(level)


def open_contents(folder: Path) -> Tree:
    """Open the tree of contents in a folder `merkle`; InputError when it is missing or damaged."""
    return Tree(ContentLeaves(folder), folder / "contents.nodes")


def open_names(folder: Path) -> Tree:
    """Open the tree of repositories in a folder `merkle`; InputError when it is missing or damaged."""
    return Tree(NameLeaves(folder), folder / "names.nodes")


def build_contents(folder: Path, ids: npt.NDArray[np.bytes_] | pa.Array | pa.ChunkedArray) -> Head:
    """Write the tree over the distinct ids: bytes20[N] or Arrow hex strings, in any order. StorageError on a full disk."""
    write_ids(folder, ids if isinstance(ids, np.ndarray) else _raw_ids(ids))
    return _write_nodes(ContentLeaves(folder), folder / "contents.nodes")


def _raw_ids(ids: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.bytes_]:
    found = np.empty(len(ids), f"S{ID_BYTES}")
    for start in range(0, len(ids), _CHUNK):  # decoding takes several times the room of the hex digits
        found[start : start + _CHUNK] = id_bytes(ids.slice(start, _CHUNK))
    return found


def build_names(folder: Path, names: Sequence[str] | pa.Array | pa.ChunkedArray) -> Head:
    """Write the tree over the distinct folded names `host/owner/repo`, in any order.

    Raises ValueError for an empty name, StorageError when the disk is full.
    """
    write_names(folder, names)
    return _write_nodes(NameLeaves(folder), folder / "names.nodes")


def _write_nodes(leaves: Leaves, path: Path) -> Head:
    with storage.replacing(path) as temporary, temporary.open("wb") as file:
        file.writelines(_levels(leaves))
    with Tree(leaves, path) as tree:
        return tree.head()
