"""Rows: every document once an epoch, whole; the same for any way of asking; nothing moves when one is dropped."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.fim.config import FimConfig, MetadataConfig
from model.fim.inverse import unfold
from model.packing.accounts import Drawn
from model.packing.config import MixtureConfig
from model.packing.corpus import Corpus
from model.packing.packer import Cursor, Packer, PackerConfig, describe
from model.packing.rows import Rows
from stack_data.errors import ConfigError, InputError
from tests.model.fim.tokenizers_used import NO_NAMES, STARCODER2, tokenizer
from tests.model.packing.documents_made import Document, Memory, documents, packer, without

ONCE = MixtureConfig(max_epochs=1)
SMALL = PackerConfig(128, window_rows=8)
MANY = documents(60)
CONFIGS = st.builds(
    PackerConfig,
    positions=st.sampled_from([64, 128, 300]),
    seed=st.integers(-5, 5),
    fim=st.builds(
        FimConfig,
        rate=st.sampled_from([0.0, 0.5, 1.0]),
        syntax_rate=st.sampled_from([0.0, 0.0, 0.7]),
        slack_tokens=st.integers(0, 5),
    ),
    metadata=st.builds(
        MetadataConfig,
        repository_rate=st.sampled_from([0.0, 0.5]),
        path_rate=st.sampled_from([0.0, 1.0]),
        max_tokens=st.integers(4, 24),
    ),
    mixture=st.just(ONCE),
    window_rows=st.sampled_from([3, 16, 1000]),
)


def same(left: Rows, right: Rows) -> bool:
    return all(np.array_equal(getattr(left, one.name), getattr(right, one.name)) for one in fields(Rows))


def part(rows: Rows, first: int, last: int) -> dict[str, Any]:
    return {name: getattr(rows, name)[first:last] for name in ("tokens", "targets", "positions", "segments")}


@given(CONFIGS, st.integers(0, 3), st.sampled_from(["starcoder", "starcoder2", "no names"]))
@settings(max_examples=40)
def test_an_epoch_holds_every_document_once_and_whole(config: PackerConfig, seed: int, form: str) -> None:
    used = {"starcoder": tokenizer(), "starcoder2": tokenizer(1500, STARCODER2), "no names": tokenizer(1500, NO_NAMES)}[
        form
    ]
    held = documents(25, seed, 20)
    source = Memory(held, used)
    made = Packer(Corpus.of((source,)), used, config)
    rows = made.rows(0, made.num_rows() or 0)
    found: dict[int, dict[int, bytes]] = {}
    for number, (document, chunk) in enumerate(zip(rows.documents.tolist(), rows.chunks.tolist(), strict=True)):
        item = unfold(rows.item(number), used)
        assert chunk not in found.setdefault(document, {})
        found[document][chunk] = item.text
        assert item.repo_name in ("", held[document].repo_name)
        assert item.path in ("", held[document].path, held[document].path.rpartition("/")[2])
    for document, one in enumerate(held):
        assert b"".join(found[document][chunk] for chunk in range(len(found[document]))) == one.text
        last = [
            at
            for at in range(len(rows.documents))
            if rows.documents[at] == document and rows.chunks[at] == len(found[document]) - 1
        ]
        assert rows.item(last[0])[-1] == used.special.end_of_text
    assert rows.text_tokens.sum() == source.num_tokens.sum()  # type: ignore[attr-defined]


@given(CONFIGS)
@settings(max_examples=25)
def test_rows_say_what_belongs_together_and_lose_nothing_to_padding(config: PackerConfig) -> None:
    made = packer(MANY, config)
    rows = made.rows(0, made.num_rows() or 0)
    held = np.zeros_like(rows.tokens, bool)
    for row in range(len(rows)):
        items = range(rows.item_bounds[row], rows.item_bounds[row + 1])
        for number in items:
            begin, end = rows.starts[number], rows.starts[number] + rows.lengths[number] - 1
            assert not held[row, begin:end].any()
            held[row, begin:end] = True
            assert rows.positions[row, begin:end].tolist() == list(range(end - begin))
            assert set(rows.segments[row, begin:end].tolist()) == {number - items[0]}
            assert rows.targets[row, begin : end - 1].tolist() == rows.tokens[row, begin + 1 : end].tolist()
    assert np.array_equal(held, rows.segments >= 0)
    assert np.array_equal(held, rows.targets != -100)
    assert (rows.tokens[~held] == made.tokenizer.special.fim_pad).all()


@given(st.integers(1, 5), st.integers(1, 9), st.integers(0, 40), st.integers(1, 30))
@settings(max_examples=25)
def test_rows_are_equal_for_any_threads_and_any_grouping_of_calls(
    threads: int, size: int, first: int, count: int
) -> None:
    whole = packer(MANY, SMALL).rows(0, first + count)
    made = packer(MANY, SMALL, threads)
    starts = list(range(first, first + count, size))
    with ThreadPoolExecutor(threads) as pool:
        pieces = list(pool.map(lambda at: made.rows(at, min(size, first + count - at)), reversed(starts)))[::-1]
    for start, piece in zip(starts, pieces, strict=True):
        expected = part(whole, start, start + len(piece))
        assert all(np.array_equal(getattr(piece, name), grid) for name, grid in expected.items())


@pytest.mark.parametrize("ranks", [1, 2, 3, 6])
def test_ranks_share_the_rows_of_a_step_in_order(ranks: int) -> None:
    whole = packer(MANY, SMALL).rows(0, 12)
    for step in range(2):
        pieces = [packer(MANY, SMALL).batch(step, 6, rank, ranks) for rank in range(ranks)]
        tokens = np.concatenate([piece.tokens for piece in pieces])
        assert np.array_equal(tokens, whole.tokens[6 * step : 6 * step + 6])
        documents_drawn = np.concatenate([piece.documents for piece in pieces]).tolist()
        assert (
            documents_drawn == whole.documents[whole.item_bounds[6 * step] : whole.item_bounds[6 * step + 6]].tolist()
        )


def test_rows_that_ranks_cannot_share_are_refused() -> None:
    with pytest.raises(ConfigError, match="6 rows of a step cannot be shared by 4 ranks"):
        packer(MANY, SMALL).batch(0, 6, 0, 4)


@given(st.integers(0, 60), st.integers(1, 20))
@settings(max_examples=20)
def test_a_cursor_goes_on_as_if_nothing_had_stopped(first: int, count: int) -> None:
    through = packer(MANY, SMALL)
    _, cursor = through.take(Cursor(), first) if first else (None, Cursor())
    resumed, after = packer(MANY, SMALL).take(cursor, count)
    assert same(resumed, packer(MANY, SMALL).rows(first, count))
    assert packer(MANY, SMALL).row_number(after) == first + count
    assert packer(MANY, SMALL).cursor(first) == cursor


@given(st.integers(0, 60), st.integers(1, 20))
@settings(max_examples=20)
def test_who_goes_on_plans_no_window_that_is_over(first: int, count: int) -> None:
    before, after = packer(MANY, SMALL), packer(MANY, SMALL)
    window, first_row = before.window_of(max(0, first - 1))
    after.begin_at(window, first_row)
    planned: list[int] = []
    plan = after._schedule.plan
    after._schedule.plan = lambda number: planned.append(number) or plan(number)  # type: ignore[method-assign,func-returns-value]
    assert same(after.rows(first, count), before.rows(first, count))
    assert min(planned) >= window
    assert after.cursor(first + count) == before.cursor(first + count)
    assert after.row_number(after.cursor(first)) == first
    if first_row:
        with pytest.raises(ValueError, match="before row"):
            after.cursor(first_row - 1)


@given(st.sets(st.integers(0, 59), min_size=1, max_size=30), CONFIGS)
@settings(max_examples=25)
def test_a_dropped_document_becomes_padding_and_changes_nothing_else(gone: set[int], config: PackerConfig) -> None:
    before = packer(MANY, config)
    after = packer(without(MANY, gone), config)
    count = before.num_rows() or 0
    assert after.num_rows() == count
    first, second = before.rows(0, count), after.rows(0, count)
    assert not set(second.documents.tolist()) & gone
    is_gone = np.zeros_like(first.tokens, bool)
    for number in np.flatnonzero(np.isin(first.documents, list(gone))).tolist():
        row = int(np.searchsorted(first.item_bounds, number, side="right")) - 1
        is_gone[row, first.starts[number] : first.starts[number] + first.lengths[number] - 1] = True
    blank = {"tokens": before.tokenizer.special.fim_pad, "targets": -100, "positions": 0, "segments": -1}
    for name, value in blank.items():
        assert np.array_equal(getattr(second, name), np.where(is_gone, value, getattr(first, name)))


def test_a_place_that_left_changes_only_the_positions_of_its_document() -> None:
    config = replace(SMALL, metadata=MetadataConfig(repository_rate=1.0, path_rate=1.0))
    left = [replace(one, repo_name="", path="") if at == 7 else one for at, one in enumerate(MANY)]
    first, second = packer(MANY, config).rows(0, 60), packer(left, config).rows(0, 60)
    assert np.array_equal(first.documents, second.documents)
    assert np.array_equal(first.starts, second.starts)
    for number, document in enumerate(first.documents.tolist()):
        changed = first.item(number).tolist() != second.item(number).tolist()
        assert changed == (document == 7 and first.chunks[number] == 0)


def test_a_drop_while_rows_are_made_is_seen_at_once() -> None:
    source = Memory(MANY)
    made = Packer(Corpus.of((source,)), source.used, SMALL)
    before = made.rows(0, 20)
    source.is_dropped[int(before.documents[0])] = True  # type: ignore[attr-defined]
    assert before.documents[0] not in made.rows(0, 20).documents


def test_epochs_differ_in_order_and_in_cuts() -> None:
    made = packer(MANY[:20], replace(SMALL, mixture=MixtureConfig(max_epochs=3)))
    rows = made.rows(0, made.num_rows() or 0)
    orders = [rows.documents[rows.epochs == epoch].tolist() for epoch in range(3)]
    assert orders[0] != orders[1] != orders[2]
    assert {frozenset(order) for order in orders} == {frozenset(range(20))}
    items = {
        (int(rows.documents[at]), int(rows.epochs[at])): rows.item(at).tolist() for at in range(len(rows.documents))
    }
    assert any(items[document, 0] != items[document, 1] for document in range(20))


def test_another_seed_gives_another_order() -> None:
    orders = [packer(MANY, replace(SMALL, seed=seed)).rows(0, 10).documents.tolist() for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


def test_the_order_does_not_depend_on_how_documents_are_numbered() -> None:
    turned = packer(MANY[::-1], SMALL).rows(0, 30)
    plain = packer(MANY, SMALL).rows(0, 30)
    assert (len(MANY) - 1 - turned.documents).tolist() == plain.documents.tolist()
    assert np.array_equal(turned.tokens, plain.tokens)


def test_rows_beyond_the_end_are_refused() -> None:
    made = packer(MANY, replace(SMALL, mixture=ONCE))
    count = made.num_rows() or 0
    with pytest.raises(InputError, match=f"spent after {count} rows, and row {count} is asked for: raise the caps"):
        made.rows(count, 1)
    with pytest.raises(InputError, match="the mixture is spent"):
        made.rows(count - 1, 2)
    assert packer(MANY, SMALL).num_rows() is None


def test_what_was_drawn_is_counted_exactly_and_follows_the_mixture() -> None:
    held = [*documents(80, 1), *documents(80, 2, language="C"), *documents(40, 3, language="C", kind="commit")]
    mixture = MixtureConfig(fixed=True, languages={"C": 0.7}, kinds={"commit": 0.3})
    made = packer(held, replace(SMALL, mixture=mixture, window_rows=64))
    drawn, rows = Drawn(made.corpus), made.rows(0, 1500)
    for row in range(0, 1500, 100):
        drawn.add(made.rows(row, 100))
    texts = {name: counts["text_tokens"] for name, counts in drawn.counts().items()}
    assert sum(texts.values()) == rows.text_tokens.sum()
    assert sum(counts["targets"] for counts in drawn.counts().values()) == (rows.targets != -100).sum()
    assert sum(counts["items"] for counts in drawn.counts().values()) == len(rows.documents)
    shares = drawn.shares()
    assert shares["demo 1.0.0:C:commit"] == pytest.approx(0.3, abs=0.02)
    assert shares["demo 1.0.0:Python:file"] == pytest.approx(0.3, abs=0.02)
    again = Drawn.of(made.corpus, drawn.counts())
    again.add(rows)
    assert again.counts()["demo 1.0.0:C:file"]["items"] == 2 * drawn.counts()["demo 1.0.0:C:file"]["items"]
    with pytest.raises(InputError, match="names 'x', which the shards lack"):
        Drawn.of(made.corpus, {"x": {}})


def test_a_group_is_drawn_no_more_often_than_its_cap() -> None:
    held = [*documents(30, 1), *documents(10, 2, language="C")]
    made = packer(held, replace(SMALL, mixture=MixtureConfig(languages={"C": 9.0}, epochs={"C": 2.0, "Python": 3.0})))
    rows = made.rows(0, made.num_rows() or 0)
    counts = {
        (document, epoch) for document, epoch, chunk in zip(rows.documents.tolist(), rows.epochs.tolist(), rows.chunks.tolist(), strict=True)
        if chunk == 0
    }  # fmt: skip
    assert counts == {(at, epoch) for at in range(30) for epoch in range(3)} | {
        (30 + at, epoch) for at in range(10) for epoch in range(2)
    }
    assert Drawn(made.corpus).shares() == {}


def test_an_older_release_is_replayed_at_its_share() -> None:
    old, new = (Memory(documents(40, seed), releases=(name,)) for seed, name in ((1, "demo 1.0.0"), (2, "demo 2.0.0")))
    made = Packer(
        Corpus.of((new, old)),
        new.used,
        replace(SMALL, mixture=MixtureConfig(replay=("demo 1.0.0",), replay_share=0.2), window_rows=64),
    )
    drawn = Drawn(made.corpus)
    drawn.add(made.rows(0, 1000))
    assert drawn.shares()["demo 1.0.0:Python:file"] == pytest.approx(0.2, abs=0.02)


def test_what_one_folder_holds_out_is_drawn_from_no_other() -> None:
    texts = documents(30, 1)
    held = Memory([replace(one, split="validation") if at < 10 else one for at, one in enumerate(texts)], identity="a")
    other = Memory([*texts[:5], *documents(20, 2)], identity="b", releases=("demo 2.0.0",))
    for corpus in (Corpus.of((other, held)), Corpus.of((other,), beside=(held,))):
        assert corpus.num_held_out == 5
        made = Packer(corpus, held.used, replace(SMALL, mixture=ONCE))
        rows = made.rows(0, made.num_rows() or 0)
        assert not set(rows.documents.tolist()) & set(range(5))
        assert set(range(5, 25)) <= set(rows.documents.tolist())
    alone = Memory(texts[:5], identity="c")
    assert [one.release for one in Corpus.of((other, alone), beside=(held,)).groups] == ["demo 2.0.0"]
    with pytest.raises(InputError, match="all documents of the split 'train' are held out by another folder"):
        Corpus.of((alone,), beside=(held,))
    assert Corpus.of((other, held), "validation").num_held_out == Corpus.of((other,)).num_held_out == 0


def test_only_documents_of_the_split_are_drawn() -> None:
    source = Memory([*documents(10, 1), *documents(10, 2, split="validation")])
    made = Packer(Corpus.of((source,), "validation"), source.used, replace(SMALL, mixture=ONCE))
    assert set(made.rows(0, made.num_rows() or 0).documents.tolist()) == set(range(10, 20))
    with pytest.raises(InputError, match="no document of the split 'test'"):
        Corpus.of((source,), "test")


def test_rates_of_cutting_and_names_are_met() -> None:
    held = documents(700, 9, 6)
    made = packer(held, replace(SMALL, positions=512, mixture=ONCE, fim=FimConfig(rate=0.4, spm_rate=0.25)))
    rows = made.rows(0, made.num_rows() or 0)
    items = [rows.item(number).tolist() for number in range(len(rows.documents))]
    parts = [unfold(item, made.tokenizer) for item in items]
    cut = [item for item, one in zip(items, parts, strict=True) if one.is_cut]
    special = made.tokenizer.special
    spm = [item for item in cut if item[item.index(special.fim_prefix) + 1] == special.fim_suffix]
    assert np.mean([one.is_cut for one in parts]) == pytest.approx(0.4, abs=0.05)
    # A few are suffix first because their prefix is empty.
    assert len(spm) / len(cut) == pytest.approx(0.26, abs=0.07)
    assert np.mean([one.repo_name != "" for one in parts]) == pytest.approx(0.2, abs=0.05)
    assert np.mean([one.path != "" for one in parts]) == pytest.approx(0.2, abs=0.05)


def test_syntax_cuts_reach_the_rows() -> None:
    text = b"import os\n\n\ndef f(x):\n    return os.path.join(x, 'a')\n"
    config = replace(
        SMALL,
        fim=FimConfig(rate=1.0, spm_rate=0.0, syntax_rate=1.0),
        metadata=MetadataConfig(repository_rate=0, path_rate=0),
    )
    rows = packer([Document(text)], config).rows(0, 20)
    middle = tokenizer().special.fim_middle
    found = {
        tokenizer().decode(item[item.index(middle) + 1 :])
        for item in (rows.item(at).tolist() for at in range(len(rows.documents)))
    }
    assert {b"return os.path.join(x, 'a')", b"os.path.join"} & found
    assert b"" not in found


def test_rows_without_room_for_text_and_windows_without_rows_are_refused() -> None:
    with pytest.raises(ConfigError, match="rows of 48 positions leave no room for text beside 32 tokens of metadata"):
        packer(MANY, PackerConfig(48))
    with pytest.raises(ConfigError, match="at least one row"):
        packer(MANY, PackerConfig(128, window_rows=0))


def test_the_identity_covers_what_decides_rows_and_no_drop() -> None:
    plain = packer(MANY, SMALL)
    assert plain.identity == packer(without(MANY, {1}), SMALL, threads=3).identity
    others = [
        replace(SMALL, seed=1),
        replace(SMALL, fim=FimConfig(rate=0.4)),
        replace(SMALL, window_rows=9),
        replace(SMALL, positions=129),
    ]
    assert len({packer(MANY, other).identity for other in others} | {plain.identity}) == 5


def test_groups_are_described_with_their_shares() -> None:
    source = Memory([*documents(3, 1), *documents(3, 2, language="C")])
    found = describe(Packer(Corpus.of((source,)), source.used, SMALL))
    assert [one["language"] for one in found] == ["C", "Python"]
    assert sum(one["share"] for one in found) == pytest.approx(1)
    assert sum(one["tokens"] for one in found) == source.num_tokens.sum()  # type: ignore[attr-defined]
