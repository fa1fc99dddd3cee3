"""Tables of samples: what was put in is found, whatever the number of samples, and nothing outside the guarantee is promised."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from stack_data.errors import InputError
from stack_data.search.grams import Grams, context_bits, grams_of, samples_of
from stack_data.search.kgrams import kgrams
from stack_data.search.lexer import Tokens, lex
from stack_data.search.pages import Pages, map_file, page_sums
from stack_data.search.sample_kernels import ordinal_bits
from stack_data.search.samples import SampleTable, write_table
from stack_data.search.views import BLINDED, CODE, VIEWS, View

SMALL = View("small", 3, 4)


def tokens(*texts: list[int]) -> Tokens:
    """Return tokens whose hashes are these numbers."""
    code = np.array([one for text in texts for one in text], np.uint64)
    nothing = np.zeros(len(code), np.int32)
    return Tokens(np.cumsum([0, *map(len, texts)]), code, np.ones(len(code), np.uint8), nothing, nothing)


def table(path: Path, grams: Grams) -> SampleTable:
    counts = np.diff(grams.bounds)
    count = write_table(path, [grams], counts)
    raw = map_file(path)
    return SampleTable(grams.view, Pages.of(path, raw, page_sums(raw)), count, len(counts))


@pytest.mark.parametrize("view", VIEWS)
def test_a_run_that_is_guaranteed_has_a_sample_and_a_context_beside_it(view: View) -> None:
    """Whatever its offset in the source and in the query."""
    source = np.arange(1, 400, dtype=np.uint64).tolist()
    samples = samples_of(tokens(source), view)
    held = {
        (int(one), int(left), int(right))
        for one, left, right in zip(samples.hashes, samples.left, samples.right, strict=True)
    }
    for begin in range(0, 200):
        run = source[begin : begin + view.guaranteed]
        query = grams_of(tokens([9991] * 5 + run + [9992] * 7), view)
        assert any(
            one == other and ((left and left == before) or (right and right == after))
            for one, left, right in zip(query.hashes.tolist(), query.left.tolist(), query.right.tolist(), strict=True)
            for other, before, after in held
        )


def test_contexts_are_of_the_tokens_beside_and_none_where_there_are_too_few() -> None:
    one, other = (
        context_bits(np.array(text, np.uint64), np.array([0, 7]), SMALL, 1)
        for text in ([1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 8, 9])
    )
    assert SMALL.context == 2
    assert [bool(bits) for bits in one[0]] == [False, False, True, True, True]
    assert [bool(bits) for bits in one[1]] == [True, True, True, False, False]
    assert one[0].tolist() == other[0].tolist()
    assert (one[1] == other[1]).tolist() == [True, False, False, True, True]
    assert max(one[0].max(), one[1].max()) < 64
    long = samples_of(tokens(list(range(5000))), SMALL)
    assert {*long.left[1:].tolist()} == set(range(1, 64))


@settings(max_examples=60, deadline=None)
@given(
    some.lists(some.lists(some.integers(1, 4), max_size=40), min_size=1, max_size=8),
    some.lists(some.integers(1, 4), max_size=30),
)
def test_every_sample_with_a_gram_s_hash_and_context_is_found(
    tmp_path_factory: pytest.TempPathFactory, texts: list[list[int]], query: list[int]
) -> None:
    samples, grams = samples_of(tokens(*texts), SMALL), grams_of(tokens(query), SMALL)
    made = table(tmp_path_factory.mktemp("table") / "small.samples", samples)
    found = list(zip(*(column.tolist() for column in made.probe(grams)), strict=True))
    document = np.repeat(np.arange(len(texts)), np.diff(samples.bounds))
    wanted = [
        (gram, int(document[at]), int(at - samples.bounds[document[at]]) * SMALL.stride)
        for gram in range(len(grams))
        for at in range(len(samples))
        if grams.hashes[gram] == samples.hashes[at]
        and (
            (grams.left[gram] and grams.left[gram] == samples.left[at])
            or (grams.right[gram] and grams.right[gram] == samples.right[at])
        )
    ]
    assert found == sorted(found)
    assert found == wanted


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 9, 255, 256, 257, 4096, 70_000])
def test_ordinals_of_any_number_of_samples_come_back(tmp_path: Path, count: int) -> None:
    hashes = np.random.default_rng(count).integers(0, 2**64, count, np.uint64)
    context = np.ones(count, np.uint8)
    made = table(tmp_path / "a.samples", Grams(SMALL, hashes, context, context, np.array([0, count // 2, count])))
    query, row, position = made.probe(Grams(SMALL, hashes, context, context, np.array([0, count])))
    ordinal = position // SMALL.stride + np.where(row == 1, count // 2, 0)
    assert {*range(count)} <= {*ordinal[query == ordinal].tolist()}
    assert ordinal_bits(max(count, 1)) == max(1, (max(count, 1) - 1).bit_length())


def test_a_table_of_other_numbers_is_refused(tmp_path: Path) -> None:
    samples = samples_of(tokens(list(range(500))), SMALL)
    table(tmp_path / "a.samples", samples)
    raw = map_file(tmp_path / "a.samples")
    pages = Pages.of(tmp_path / "a.samples", raw, page_sums(raw))
    with pytest.raises(InputError, match="a.samples is damaged"):
        SampleTable(SMALL, pages, len(samples) + 40, 1)
    with pytest.raises(InputError, match="a.samples is damaged"):
        SampleTable(SMALL, pages, len(samples), 3)


def test_samples_of_texts_are_every_so_manyth_gram() -> None:
    made = lex(pa.array(["a = b + c * d - e / f " * 30, "", "x"]), 0)
    for view in VIEWS[1:]:
        every, sampled = grams_of(made, view), samples_of(made, view)
        for column in ("hashes", "left", "right"):
            assert getattr(sampled, column).tolist() == getattr(every, column)[:: view.stride].tolist()
        assert sampled.bounds.tolist()[1:] == [len(sampled)] * 3
    assert grams_of(made, CODE).hashes.tolist() == kgrams(CODE.hashes(made), made.bounds, CODE.k)[0].tolist()


def blinded_grams(text: str) -> Grams:
    return grams_of(lex(pa.array([text]), 0), BLINDED)


def test_blinded_grams_are_those_of_the_same_names_under_others() -> None:
    names = "a b c a d b e a f g h a c i j k l m n o p q a r s t u v w x y z a b c d a e f g h"
    renamed = " ".join(f"x{one}x" for one in names.split())
    one, other = blinded_grams(names), blinded_grams(renamed)
    for column in ("hashes", "left", "right"):
        assert getattr(one, column).tolist() == getattr(other, column).tolist()


def test_blinded_grams_tell_which_names_are_the_same() -> None:
    names = [f"n{at}" for at in range(60)]
    one = blinded_grams(" ".join(names))
    names[40] = names[35]
    other = blinded_grams(" ".join(names))
    changed = [at for at in range(len(one)) if one.hashes[at] != other.hashes[at]]
    assert changed == list(range(40 - BLINDED.k + 1, 35))
    sides = [at for at in range(len(one)) if (one.left[at], one.right[at]) != (other.left[at], other.right[at])]
    assert set(sides) <= set(range(40 - BLINDED.k - BLINDED.context + 1, 36 + BLINDED.context)) and len(sides) > 15
