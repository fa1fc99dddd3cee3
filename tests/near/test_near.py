"""Shingles, signatures, buckets and clusters against plain Python that does the same the slow way."""

from __future__ import annotations

import itertools
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack_data.near import bands, jaccard
from stack_data.near.bands import Banding, Comparisons, Edges, Texts, band_keys, find_edges
from stack_data.near.clusters import components, walk
from stack_data.near.shingles import SHINGLE_TOKENS, Signed, permutations, sign


def shingle_set(text: str) -> set[tuple[str, ...]]:
    tokens = re.findall(r"[A-Za-z0-9_]+", text)
    return {tuple(tokens[at : at + SHINGLE_TOKENS]) for at in range(len(tokens) - SHINGLE_TOKENS + 1)}


def similarity(one: set[tuple[str, ...]], other: set[tuple[str, ...]]) -> float:
    return len(one & other) / len(one | other) if one | other else 0.0


def sets_of(signed: Signed) -> list[set[int]]:
    ends = np.cumsum(signed.counts)
    return [set(signed.hashes[end - count : end].tolist()) for end, count in zip(ends, signed.counts, strict=True)]


WORDS = st.lists(st.sampled_from(["a", "b", "c", "dd", "e_1", "for", "x9"]), max_size=40)


@given(st.lists(WORDS, max_size=6), st.sampled_from([" ", "\n", "+", " é ", "(", "日"]))
def test_shingles_are_those_of_the_slow_way(texts: list[list[str]], between: str) -> None:
    written = [between.join(words) for words in texts]
    signed = sign(pa.array(written, pa.large_string()), permutations(8))
    expected = [shingle_set(text) for text in written]
    assert signed.counts.tolist() == [len(one) for one in expected]
    for (one, other), (hashed, other_hashed) in zip(
        itertools.combinations(expected, 2), itertools.combinations(sets_of(signed), 2), strict=True
    ):
        assert len(one & other) == len(hashed & other_hashed)


def test_no_file_costs_another_its_signature_however_batches_are_cut() -> None:
    chosen = random.Random(3)
    texts: list[str | None] = [" ".join(chosen.choices("abcdefgh", k=chosen.randint(0, 3000))) for _ in range(40)]
    texts[7] = None
    whole = sign(pa.array(texts, pa.large_string()), permutations())
    for array in (pa.array(texts, pa.string()), pa.array(["x y z 1 2 3", *texts], pa.string()).slice(1)):
        parts = [sign(array.slice(start, 7), permutations()) for start in range(0, 40, 7)]
        assert (np.concatenate([part.signatures for part in parts]) == whole.signatures).all()
        assert (np.concatenate([part.counts for part in parts]) == whole.counts).all()
    assert whole.counts[7] == 0
    assert (whole.signatures[7] == 0xFFFFFFFF).all()
    assert sign(pa.array([], pa.string()), permutations()).signatures.shape == (0, 256)


def test_permutations_are_fixed_and_a_prefix_of_more() -> None:
    """Signatures are stored: other constants would silently compare unequal things."""
    few, many = permutations(4), permutations(256)
    assert (many.multipliers[:4] == few.multipliers).all()
    assert (many.multipliers % 2 == 1).all()
    signature = sign(pa.array(["the quick brown fox jumps over the lazy dog"]), few).signatures[0].tolist()
    assert signature == VECTOR


VECTOR = [505550672, 152672677, 677412492, 375224864]


def test_equal_values_estimate_the_similarity() -> None:
    """Mean and spread of the estimate over many pairs are those of 256 independent draws."""
    chosen = np.random.default_rng(5)
    errors = []
    for overlap in (0.5, 0.7, 0.9):
        for _ in range(120):
            shared = int(400 * overlap)
            base = [f"t{value}" for value in chosen.integers(0, 10**9, 404)]
            other = base[: shared + 4] + [f"u{value}" for value in chosen.integers(0, 10**9, 400 - shared)]
            signed = sign(pa.array([" ".join(base), " ".join(other)]), permutations())
            true = similarity(shingle_set(" ".join(base)), shingle_set(" ".join(other)))
            estimate = float((signed.signatures[0] == signed.signatures[1]).mean())
            errors.append((estimate - true) / (true * (1 - true) / 256) ** 0.5)
    assert abs(np.mean(errors)) < 0.25
    assert 0.8 < np.std(errors) < 1.2


def corpus(seed: int, families: int = 12, members: int = 6, words: int = 120) -> list[str]:
    """Return families of texts, each member some words away from its family's first."""
    chosen = random.Random(seed)
    texts = []
    for _ in range(families):
        base = [f"w{chosen.randint(0, 10**6)}" for _ in range(words)]
        for _ in range(members):
            changed = [
                f"c{chosen.randint(0, 10**6)}" if chosen.random() < 0.03 * chosen.random() else word for word in base
            ]
            texts.append(" ".join(changed))
    chosen.shuffle(texts)
    return texts


def edges_of(
    texts: list[str], banding: Banding, parts: int = 1, earlier: Comparisons | None = None, workers: int = 1,
    asked: list[int] | None = None,
) -> Edges:  # fmt: skip
    cuts = np.linspace(0, len(texts), parts + 1).astype(int)
    signed = [sign(pa.array(texts[a:b], pa.string()), permutations()) for a, b in itertools.pairwise(cuts)]
    counts = np.concatenate([one.counts for one in signed]).astype(np.int64)
    hashes = np.concatenate([one.hashes for one in signed])
    offsets = np.concatenate([[0], np.cumsum(counts)])
    known = Texts(np.concatenate([one.signatures for one in signed]), np.arange(len(texts)), counts)

    def shared(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        if asked is not None:
            asked.append(len(first))
        return jaccard.shared(hashes, offsets[:-1], offsets[1:], first, second)

    return find_edges(band_keys(known, banding), known, banding, shared, earlier, workers)


def same(one: Edges, other: Edges) -> bool:
    columns = ("first", "second", "shared", "union", "is_near")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in columns)


@pytest.mark.parametrize("seed", range(4))
def test_edges_are_true_and_clusters_hold_nearly_every_true_pair(seed: int) -> None:
    texts = corpus(seed)
    sets = [shingle_set(text) for text in texts]
    compared = edges_of(texts, Banding())
    assert len(compared.apart().first) + len(compared.near().first) == len(compared.first)
    found = compared.near()
    for first, second, shared, union in zip(found.first, found.second, found.shared, found.union, strict=True):
        assert shared == len(sets[first] & sets[second])
        assert union == len(sets[first] | sets[second])
        assert shared / union >= 0.7
    true = [
        pair for pair in itertools.combinations(range(len(texts)), 2) if similarity(sets[pair[0]], sets[pair[1]]) >= 0.7
    ]
    cluster = components(len(texts), found.first, found.second)
    assert len(true) > 30
    assert np.mean([cluster[one] == cluster[other] for one, other in true]) >= 0.98


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), parts=st.integers(1, 9), workers=st.integers(1, 4))
def test_the_cut_into_parts_and_the_number_of_workers_change_nothing(seed: int, parts: int, workers: int) -> None:
    texts = corpus(seed, families=4)
    plain = edges_of(texts, Banding())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bands, "AHEAD_TEXTS", 0)
        assert same(plain, edges_of(texts, Banding(), parts, workers=workers))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0, 1))
def test_earlier_comparisons_change_nothing_and_are_not_made_again(seed: int, share: float) -> None:
    texts = corpus(seed, families=4)
    whole = edges_of(texts, Banding())
    chosen = np.random.default_rng(seed).random(len(whole.first)) < share
    # As an earlier build has them: in another order, and of pairs that nobody asks for now.
    earlier = Comparisons(
        np.append(whole.second[chosen], len(texts) - 1),
        np.append(whole.first[chosen], 0),
        np.append(whole.shared[chosen], 1),
    )
    is_there = bool(np.any((whole.first == 0) & (whole.second == len(texts) - 1)))
    if is_there:
        earlier = Comparisons(earlier.first[:-1], earlier.second[:-1], earlier.shared[:-1])
    asked: list[int] = []
    assert same(whole, edges_of(texts, Banding(), earlier=earlier, asked=asked))
    assert sum(asked) == len(whole.first) - chosen.sum()


def test_a_bucket_of_many_strangers_is_left_after_bounded_rounds() -> None:
    """Members that share a band and nothing else: never every pair of them is compared."""
    count = 500
    signatures = np.random.default_rng(0).integers(0, 2**32, (count, 256), dtype=np.uint64).astype(np.uint32)
    signatures[:, :6] = 7
    compared: list[int] = []

    def shared(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        compared.append(len(first))
        return np.zeros(len(first), np.int32)

    known = Texts(signatures, np.arange(count), np.full(count, 100))
    found = find_edges(band_keys(known, Banding()), known, Banding(), shared)
    assert len(found.first) == 0
    assert found.remainder == count - 16
    assert sum(compared) == 0  # the estimates alone rule all of them out


def test_banding_tells_how_likely_a_pair_meets() -> None:
    assert Banding().probability(0.7) == pytest.approx(0.995, abs=0.001)
    assert Banding(32, 8).probability(0.7) == pytest.approx(0.85, abs=0.01)
    with pytest.raises(ValueError, match="permutations"):
        band_keys(Texts(np.zeros((1, 128), np.uint32), np.arange(1), np.ones(1, np.int64)), Banding())


GRAPH = st.integers(1, 12).flatmap(
    lambda count: st.tuples(
        st.just(count),
        st.lists(
            st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda pair: pair[0] < pair[1]),
            max_size=30,
        ),
        st.permutations(range(count)),
        st.lists(st.booleans(), min_size=count, max_size=count),
    )
)


@given(GRAPH)
def test_the_walk_keeps_the_best_and_drops_only_beside_an_edge(
    graph: tuple[int, list[tuple[int, int]], list[int], list[bool]],
) -> None:
    count, pairs, order, alive = graph
    first = np.array([one for one, _ in pairs], np.int64)
    second = np.array([other for _, other in pairs], np.int64)
    beside = walk(np.array(order), np.array(alive), first, second).tolist()
    kept: list[int] = []
    for text in order:
        joined = [one for one in kept if (min(one, text), max(one, text)) in pairs]
        if alive[text] and not joined:
            kept.append(text)
        assert beside[text] == (joined[0] if alive[text] and joined else -1)
    cluster = components(count, first, second)
    for one, other in pairs:
        assert cluster[one] == cluster[other]
    assert all(cluster[cluster[text]] == cluster[text] <= text for text in range(count))


def test_a_full_disk_under_the_spill_is_one_line(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys\nfrom pathlib import Path\nimport numpy as np\n"
        "from stack_data.errors import StorageError\nfrom stack_data.near.spill import ShingleSpill\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "spill = ShingleSpill(Path(sys.argv[1]) / 'spill')\n"
        "try:\n    spill.append(np.zeros(1000, np.uint64), 'part')\nexcept StorageError as error:\n    print(error)\n"
        "try:\n    spill.room('bands', (10, 1000))\nexcept OSError as error:\n    print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert "the disk is full" in first
    assert second == "refused"
