"""The trees are those of RFC 9162, whatever their size; files hold what proofs need; a name that leaves leaves its hash."""

from __future__ import annotations

import hashlib
import random
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack_data.errors import InputError, StorageError
from stack_data.merkle import (
    Head,
    Tree,
    build_contents,
    build_names,
    leaf_hash,
    open_contents,
    open_names,
    tombstone_names,
    verify_inclusion,
)
from stack_data.merkle_leaves import ContentLeaves, NameLeaves

NAMES = ["h/a/x", "h/a/y", "h/a-b/x", "h/a", "h/ab/x", "h/é/x", "h/名/前", "h/😀/x", "h/\uffff/x", "g/z/z"]


def root_of(leaves: list[bytes]) -> bytes:
    """The definition, RFC 9162, 2.1.1, word for word."""
    if len(leaves) < 2:
        return hashlib.sha256(b"\0" + leaves[0] if leaves else b"").digest()
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return hashlib.sha256(b"\1" + root_of(leaves[:k]) + root_of(leaves[k:])).digest()


def path_of(index: int, leaves: list[bytes]) -> list[bytes]:
    """The definition, RFC 9162, 2.1.3.1."""
    if len(leaves) < 2:
        return []
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if index < k:
        return [*path_of(index, leaves[:k]), root_of(leaves[k:])]
    return [*path_of(index - k, leaves[k:]), root_of(leaves[:k])]


def ids_of(count: int, seed: int = 0) -> np.ndarray:
    return np.frombuffer(np.random.default_rng(seed).bytes(20 * count), "S20")


def sorted_ids(ids: np.ndarray) -> list[bytes]:
    raw = ids.tobytes()
    return sorted({raw[at : at + 20] for at in range(0, len(raw), 20)})


VECTORS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]


@dataclass
class Listed:
    """Leaves that are neither ids nor names: those of the published vectors."""

    path: Path
    leaves: list[bytes]

    @property
    def size(self) -> int:
        return len(self.leaves)

    def texts(self, start: int, end: int) -> list[bytes | None]:
        return list(self.leaves[start:end])

    def hashes(self, start: int, end: int) -> bytes:
        return b"".join(map(leaf_hash, self.leaves[start:end]))

    def neighbours(self, key: bytes) -> tuple[int, int]:
        below = bisect_left(self.leaves, key) - 1
        return below, bisect_right(self.leaves, key)

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("count", "root"),
    [
        (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
        (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
    ],
)
def test_the_published_vectors_are_met(tmp_path: Path, count: int, root: str) -> None:
    leaves = [bytes.fromhex(leaf) for leaf in VECTORS[:count]]
    assert root_of(leaves).hex() == root, "the definition that the other tests compare with"
    (tmp_path / "nodes").touch()
    with Tree(Listed(tmp_path, leaves), tmp_path / "nodes") as tree:
        assert tree.head() == Head(count, root)
        for index, leaf in enumerate(leaves):
            assert tree.inclusion(index) == path_of(index, leaves)
            assert verify_inclusion(bytes.fromhex(root), count, index, leaf_hash(leaf), tree.inclusion(index))


@pytest.mark.parametrize("count", range(301))
def test_every_leaf_of_every_small_tree_is_proven_and_verified(tmp_path: Path, count: int) -> None:
    ids = ids_of(count, count)
    head = build_contents(tmp_path, ids)
    leaves = sorted_ids(ids)
    root = root_of(leaves)
    assert head == Head(count, root.hex())
    with open_contents(tmp_path) as tree:
        for index, leaf in enumerate(leaves):
            path = tree.inclusion(index)
            assert verify_inclusion(root, count, index, leaf_hash(leaf), path)
            assert index % 37 or path == path_of(index, leaves)


@pytest.mark.parametrize("count", [511, 512, 513, 767, 1024, 1025, 2816, 4096, 5000])
def test_larger_trees_take_their_nodes_from_the_file(tmp_path: Path, count: int) -> None:
    ids = ids_of(count)
    head = build_contents(tmp_path, ids)
    leaves = sorted_ids(ids)
    assert head == Head(count, root_of(leaves).hex())
    levels = [size for size in (256, 512, 1024, 2048, 4096) if size <= count]
    wanted = [root_of(leaves[at : at + size]) for size in levels for at in range(0, count - size + 1, size)]
    assert (tmp_path / "contents.nodes").read_bytes() == b"".join(wanted)
    with open_contents(tmp_path) as tree:
        for index in {0, 1, 255, 256, 511 % count, count // 2, count - 2, count - 1}:
            assert tree.inclusion(index) == path_of(index, leaves)


def test_a_proof_reads_the_nodes_and_not_the_leaves_below_them(tmp_path: Path) -> None:
    head = build_contents(tmp_path, ids_of(1024))
    stored = bytearray((tmp_path / "contents.leaves").read_bytes())
    stored[600 * 20 + 19] ^= 1  # in the third block
    (tmp_path / "contents.leaves").write_bytes(stored)
    with open_contents(tmp_path) as tree:
        leaf = leaf_hash(bytes(stored[:20]))
        assert verify_inclusion(bytes.fromhex(head.root), 1024, 0, leaf, tree.inclusion(0))
        assert [problem.split(": ")[1] for problem in tree.problems()] == ["the nodes are not those of the leaves"]
    nodes = bytearray((tmp_path / "contents.nodes").read_bytes())
    nodes[32] ^= 1  # the second block
    (tmp_path / "contents.nodes").write_bytes(nodes)
    with open_contents(tmp_path) as tree:
        assert not verify_inclusion(bytes.fromhex(head.root), 1024, 0, leaf, tree.inclusion(0))


@given(st.integers(1, 600), st.data())
@settings(max_examples=300, deadline=None)
def test_a_proof_with_a_flipped_bit_is_rejected(count: int, data: st.DataObject) -> None:
    leaves = [bytes([at % 251, at // 251]) for at in range(count)]
    index = data.draw(st.integers(0, count - 1))
    root, path, leaf = root_of(leaves), path_of(index, leaves), leaf_hash(leaves[index])
    assert verify_inclusion(root, count, index, leaf, path)
    parts = [root, leaf, *path]
    at, bit = data.draw(st.integers(0, len(parts) - 1)), data.draw(st.integers(0, 255))
    parts[at] = (int.from_bytes(parts[at]) ^ 1 << bit).to_bytes(32)
    assert not verify_inclusion(parts[0], count, index, parts[1], parts[2:])
    other = index ^ 1 << data.draw(st.integers(0, 40))
    assert not verify_inclusion(root, count, other, leaf, path)
    assert not verify_inclusion(root, count, -1 - index, leaf, path)
    assert not verify_inclusion(root, count, index, leaf, [*path, root])
    assert not path or not verify_inclusion(root, count, index, leaf, path[:-1])
    # A path fits several sizes when it branches alike in them: size and root are one statement, which a manifest makes.
    assert not verify_inclusion(root, index, index, leaf, path)


def test_ids_are_sorted_as_bytes_and_taken_once_also_when_they_hold_zeros(tmp_path: Path) -> None:
    ids = [bytes(20), bytes(19) + b"\1", b"\xff" + bytes(19), b"\x7f" * 20, b"\x80" + bytes(19), b"a" + bytes(19)]
    random.Random(1).shuffle(ids)
    head = build_contents(tmp_path, np.frombuffer(b"".join(ids + ids[:3]), "S20"))
    assert (tmp_path / "contents.leaves").read_bytes() == b"".join(sorted(ids))
    assert head == Head(6, root_of(sorted(ids)).hex())


def test_ids_may_come_as_arrow_columns_of_hex_digits(tmp_path: Path) -> None:
    texts = [leaf.hex() for leaf in sorted_ids(ids_of(70_000))]
    wanted = build_contents(tmp_path / "a", ids_of(70_000))
    random.Random(0).shuffle(texts)
    assert build_contents(tmp_path / "b", pa.array(texts)) == wanted
    column = pa.chunked_array([texts[:3], [], texts[3:50_000], texts[50_000:]]).slice(0)
    assert build_contents(tmp_path / "c", column) == wanted
    for name in ("contents.leaves", "contents.nodes"):
        assert len({(tmp_path / folder / name).read_bytes() for folder in "abc"}) == 1
    with pytest.raises(TypeError, match="20 bytes"):
        build_contents(tmp_path / "d", np.array([text.encode() for text in texts[:2]]))


def test_names_are_sorted_as_bytes_and_taken_once(tmp_path: Path) -> None:
    leaves = sorted(name.encode() for name in NAMES)
    head = build_names(tmp_path / "a", [*NAMES, *NAMES[:2]])
    assert head == Head(len(NAMES), root_of(leaves).hex())
    assert build_names(tmp_path / "b", pa.chunked_array([NAMES[::-1], NAMES[:4]])) == head
    assert build_names(tmp_path / "c", pa.array(["?", *NAMES]).slice(1)) == head
    assert build_names(tmp_path / "d", pa.chunked_array([NAMES]).dictionary_encode()) == head
    assert len({(tmp_path / folder / "names.leaves").read_bytes() for folder in "abcd"}) == 1
    with open_names(tmp_path / "a") as tree:
        assert tree.leaves.texts(0, len(leaves)) == leaves
        assert list(tree.problems()) == []
    with pytest.raises(ValueError, match="without a name"):
        build_names(tmp_path / "e", ["h/o/r", ""])


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=4), unique=True, max_size=40), st.data())
@settings(deadline=None)
def test_neighbours_are_the_leaves_around_a_key_that_did_not_leave(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("names")
    build_names(folder, names)
    gone = data.draw(st.sets(st.sampled_from(names))) if names else set()
    assert tombstone_names(folder, gone) == len(gone)
    leaves = sorted(name.encode() for name in names)
    kept = [at for at, leaf in enumerate(leaves) if leaf.decode() not in gone]
    found = NameLeaves(folder)
    for key in [b"", b"\xff", *leaves, *(leaf + b"/" for leaf in leaves), *(leaf[:-1] for leaf in leaves)]:
        below = max((at for at in kept if leaves[at] < key), default=-1)
        above = min((at for at in kept if leaves[at] >= key), default=len(leaves))
        assert found.neighbours(key) == (below, above)
    found.close()


def test_names_that_leave_keep_root_nodes_positions_and_all_proofs(tmp_path: Path) -> None:
    names = [f"h/o{number % 7}/{'r' * (number % 50)}{number}" for number in range(1500)]
    head = build_names(tmp_path, names)
    leaves = sorted(name.encode() for name in names)
    gone = [leaf.decode() for leaf in [leaves[0], leaves[1], *leaves[200:777:5], leaves[-1]]]
    nodes = (tmp_path / "names.nodes").read_bytes()
    with open_names(tmp_path) as tree:
        paths = [tree.inclusion(index) for index in range(0, 1500, 13)]
    assert tombstone_names(tmp_path, [*gone, "h/never/here", ""]) == len(gone)
    assert (tmp_path / "names.nodes").read_bytes() == nodes
    with open_names(tmp_path) as tree:
        assert tree.head() == head
        assert list(tree.problems()) == []
        assert [tree.inclusion(index) for index in range(0, 1500, 13)] == paths
        texts = tree.leaves.texts(0, 1500)
        assert texts == [None if leaf.decode() in gone else leaf for leaf in leaves]
        assert isinstance(tree.leaves, NameLeaves)
        assert tree.leaves.left(0, 1500) == {at: leaf_hash(leaf) for at, leaf in enumerate(leaves) if texts[at] is None}
        text = b"".join(filter(None, texts))
        stored = (tmp_path / "names.leaves").read_bytes()
        assert stored[tree.leaves.text_at :][: len(text)] == text
        assert len(stored) == tree.leaves.text_at + len(text) + 40 * len(gone)


def test_names_leave_with_the_same_bytes_in_any_order_and_number_of_steps(tmp_path: Path) -> None:
    for folder in "abc":
        build_names(tmp_path / folder, NAMES)
    assert tombstone_names(tmp_path / "a", NAMES[:5]) == 5
    assert [tombstone_names(tmp_path / "b", [name]) for name in reversed(NAMES[:5])] == [1] * 5
    assert tombstone_names(tmp_path / "b", NAMES[:5]) == 0
    assert (tmp_path / "a" / "names.leaves").read_bytes() == (tmp_path / "b" / "names.leaves").read_bytes()
    assert tombstone_names(tmp_path / "c", NAMES) == len(NAMES)
    with open_names(tmp_path / "c") as tree:
        assert tree.leaves.texts(0, len(NAMES)) == [None] * len(NAMES)
        assert tree.leaves.neighbours(b"h/a/x") == (-1, len(NAMES))


def test_what_a_name_that_left_leaves_behind_does_not_tell_its_length(tmp_path: Path) -> None:
    sizes = set()
    for name in ("h/m", "h/m" * 100):
        build_names(tmp_path, ["h/a/x", name, "h/z/z"])
        tombstone_names(tmp_path, [name])
        stored = (tmp_path / "names.leaves").read_bytes()
        sizes.add(len(stored))
        assert stored.count(leaf_hash(name.encode())) == 1
        stored = stored.replace(leaf_hash(name.encode()), b"")
        sizes.add(hashlib.sha256(stored).hexdigest())
    assert len(sizes) == 2, "one size, and one file but for the hash"


@pytest.mark.parametrize(
    "build", [lambda folder: build_contents(folder, ids_of(0)), lambda folder: build_names(folder, [])]
)
def test_an_empty_tree_has_the_root_of_nothing(tmp_path: Path, build) -> None:  # type: ignore[no-untyped-def]
    assert build(tmp_path) == Head(0, hashlib.sha256(b"").hexdigest())


def test_leaves_out_of_order_are_a_problem(tmp_path: Path) -> None:
    build_contents(tmp_path, ids_of(300))
    stored = (tmp_path / "contents.leaves").read_bytes()
    (tmp_path / "contents.leaves").write_bytes(stored[:5900] + stored[5980:] + stored[5900:5980])
    with open_contents(tmp_path) as tree:
        assert [problem.split(": ")[1] for problem in tree.problems()] == ["the leaves are not in ascending order"]


def test_missing_cut_and_newer_files_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        open_names(tmp_path)
    build_contents(tmp_path, ids_of(600))
    build_names(tmp_path, NAMES)
    for name, opened in (
        ("contents.leaves", open_contents),
        ("contents.nodes", open_contents),
        ("names.leaves", open_names),
    ):
        whole = (tmp_path / name).read_bytes()
        for size in (len(whole) - 1, 30):
            (tmp_path / name).write_bytes(whole[:size])
            with pytest.raises(InputError, match="is damaged"):
                opened(tmp_path)
        (tmp_path / name).write_bytes(whole)
    whole = (tmp_path / "names.leaves").read_bytes()
    (tmp_path / "names.leaves").write_bytes(whole.replace(b"names/1", b"names/2"))
    with pytest.raises(InputError, match="'fairstack-names/2', this version reads 'fairstack-names/1'"):
        open_names(tmp_path)


def test_a_leaf_without_text_and_without_hash_is_damage(tmp_path: Path) -> None:
    build_names(tmp_path, NAMES)
    tombstone_names(tmp_path, NAMES[:1])
    stored = bytearray((tmp_path / "names.leaves").read_bytes())
    stored[-40] ^= 1  # the index of the hash
    (tmp_path / "names.leaves").write_bytes(stored)
    with open_names(tmp_path) as tree, pytest.raises(InputError, match="is damaged"):
        tree.head()


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "merkle").write_text("a file where the folder should be")
    with pytest.raises(StorageError):
        build_names(tmp_path / "merkle", NAMES)


def test_an_index_outside_the_tree_has_no_path(tmp_path: Path) -> None:
    build_contents(tmp_path, ids_of(3))
    with open_contents(tmp_path) as tree:
        for index in (-1, 3):
            with pytest.raises(IndexError):
                tree.inclusion(index)
    assert ContentLeaves(tmp_path).neighbours(b"\xff" * 20) == (2, 3)
