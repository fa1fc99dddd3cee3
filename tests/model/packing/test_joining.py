"""Files of a repository that stand together: whole, in the layout of the tokenizer's model, and unmoved by what leaves beside them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.fim.config import FimConfig, MetadataConfig
from model.fim.inverse import Unfolded, unfold, unfold_files
from model.fim.transform import prompt
from model.packing.accounts import Drawn
from model.packing.config import MixtureConfig, RepositoriesConfig
from model.packing.corpus import Corpus
from model.packing.packer import Packer, PackerConfig
from model.packing.rows import Rows
from model.tokenizer.code_tokenizer import CodeTokenizer
from stack_data.errors import ConfigError, InputError
from tests.model.fim.tokenizers_used import NO_NAMES, STARCODER2, tokenizer
from tests.model.packing.documents_made import Document, Memory, documents

ONCE = MixtureConfig(max_epochs=1)
HOMES = ("jane/tool", "jane/lib", "ann/app", "")
FORMS = {"starcoder": None, "starcoder2": STARCODER2}
CONFIGS = st.builds(
    PackerConfig,
    positions=st.sampled_from([100, 400, 2000]),
    seed=st.integers(0, 3),
    fim=st.builds(
        FimConfig, rate=st.sampled_from([0.0, 0.5, 1.0]), spm_rate=st.just(0.5), slack_tokens=st.integers(0, 5)
    ),
    metadata=st.builds(
        MetadataConfig,
        repository_rate=st.sampled_from([0.0, 0.5, 1.0]),
        path_rate=st.sampled_from([0.0, 1.0]),
        max_tokens=st.integers(4, 24),
    ),
    mixture=st.just(ONCE),
    repositories=st.builds(RepositoriesConfig, rate=st.sampled_from([0.5, 1.0])),
    window_rows=st.sampled_from([2, 16, 1000]),
)
SMALL = PackerConfig(400, window_rows=8, repositories=RepositoriesConfig(rate=0.8))


def used(form: str) -> CodeTokenizer:
    return tokenizer() if FORMS[form] is None else tokenizer(1500, FORMS[form])


def many(count: int = 60, seed: int = 0) -> list[Document]:
    """Documents of four repositories in turn, one of which has no name."""
    return [
        replace(one, home=HOMES[at % 4], repo_name=HOMES[at % 4])
        for at, one in enumerate(documents(count, seed, 8))
    ]  # fmt: skip


def packer(given: list[Document], config: PackerConfig, form: str = "starcoder", threads: int = 1) -> Packer:
    source = Memory(given, used(form))
    return Packer(Corpus.of((source,)), source.used, config, threads)


@dataclass(frozen=True)
class Bundle:
    """What stands in one segment of a row."""

    row: int
    start: int
    tokens: tuple[int, ...]
    documents: tuple[int, ...]
    chunk: int


def bundles(rows: Rows) -> list[Bundle]:
    """Take rows apart into what attends to itself alone; checks that it is contiguous, counted from 0, and learnt whole."""
    found = []
    for row in range(len(rows)):
        for segment in range(int(rows.segments[row].max()) + 1):
            places = np.flatnonzero(rows.segments[row] == segment)
            if not len(places):
                continue
            begin, end = int(places[0]), int(places[-1]) + 1
            assert np.array_equal(places, np.arange(begin, end))
            assert np.array_equal(rows.positions[row, begin:end], np.arange(end - begin))
            assert np.array_equal(rows.targets[row, begin : end - 1], rows.tokens[row, begin + 1 : end])
            items = [
                at for at in range(rows.item_bounds[row], rows.item_bounds[row + 1]) if begin <= rows.starts[at] < end
            ]
            assert [int(rows.starts[at]) for at in items[1:]] == [
                int(rows.starts[at] + rows.lengths[at] - 1) for at in items[:-1]
            ]
            assert rows.starts[items[-1]] + rows.lengths[items[-1]] - 1 == end
            tokens = [*rows.tokens[row, begin:end].tolist(), int(rows.targets[row, end - 1])]
            found.append(
                Bundle(row, begin, tuple(tokens), tuple(rows.documents[items].tolist()), int(rows.chunks[items[0]]))
            )
    assert sum(len(one.documents) for one in found) == len(rows.documents)
    return found


def files(one: Bundle, tokens_of: CodeTokenizer) -> list[Unfolded]:
    return unfold_files(one.tokens, tokens_of) if len(one.documents) > 1 else [unfold(one.tokens, tokens_of)]


@given(CONFIGS, st.integers(0, 3), st.sampled_from(sorted(FORMS)))
@settings(max_examples=60)
def test_every_document_is_drawn_once_and_whole_beside_files_of_its_repository(
    config: PackerConfig, seed: int, form: str
) -> None:
    held, tokens_of = many(40, seed), used(form)
    made = packer(held, config, form)
    rows = made.rows(0, made.num_rows() or 0)
    texts: dict[int, bytes] = {}
    joined = 0
    for one in sorted(bundles(rows), key=lambda one: one.chunk):
        found = files(one, tokens_of)
        assert len({held[at].home for at in one.documents}) == 1
        if len(one.documents) > 1:
            joined += len(one.documents)
            assert held[one.documents[0]].home != ""
            assert found[0].is_ended
        for at, file in zip(one.documents, found, strict=True):
            assert (at in texts) == (one.chunk > 0)
            texts[at] = texts.get(at, b"") + file.text
            assert file.repo_name in ("", held[at].repo_name)
            assert file.path in ("", held[at].path, held[at].path.rpartition("/")[2])
    assert texts == {at: one.text for at, one in enumerate(held)}
    assert config.positions < 2000 or joined > 10
    assert rows.text_tokens.sum() == sum(int(size) for size in made.corpus.num_tokens)


def test_both_layouts_are_those_of_the_models() -> None:
    texts = [b"a = 1\n", b"b = 2\n"]
    held = [Document(text, path=f"src/{number}.py") for number, text in enumerate(texts)]
    config = PackerConfig(
        200, fim=FimConfig(rate=0), metadata=MetadataConfig(repository_rate=1.0), repositories=RepositoriesConfig(rate=1), mixture=ONCE
    )  # fmt: skip
    for form, name, separator in (
        ("starcoder", b"<reponame>", b"<filename>"),
        ("starcoder2", b"<repo_name>", b"<file_sep>"),
    ):
        tokens_of = used(form)
        marks = {
            number: text.encode()
            for text, number in tokens_of.names.items()
            if number in (tokens_of.special.repository, tokens_of.special.file, tokens_of.special.end_of_text)
        }

        def shown(
            config: PackerConfig,
            form: str = form,
            tokens_of: CodeTokenizer = tokens_of,
            marks: dict[int, bytes] = marks,
        ) -> bytes:
            [bundle] = bundles(packer(held, config, form).rows(0, 1))
            return b"".join(marks.get(token) or tokens_of.decode(np.array([token])) for token in bundle.tokens)

        first, second = [
            b"%ssrc/%d.py\n%s" % (separator, at, texts[at]) for at in (0, 1)
        ]  # in the order that the draws give
        assert shown(config) in {
            name + b"jane/tool" + one + other + b"<|endoftext|>" for one, other in ((first, second), (second, first))
        }
        plain = shown(replace(config, metadata=MetadataConfig(repository_rate=0, path_rate=0)))
        if form == "starcoder":
            assert plain in (first + second + b"<|endoftext|>", second + first + b"<|endoftext|>")
        else:
            assert plain in {
                b"<file_sep>" + one + b"<file_sep>" + other + b"<|endoftext|>"
                for one, other in (texts, reversed(texts))
            }


@given(st.sets(st.integers(0, 59), min_size=1, max_size=40), CONFIGS, st.sampled_from(sorted(FORMS)))
@settings(max_examples=40)
def test_a_dropped_file_is_closed_up_in_its_unit_and_moves_no_other(
    gone: set[int], config: PackerConfig, form: str
) -> None:
    given = many()
    left = [replace(one, is_dropped=True, repo_name="", path="") if at in gone else one for at, one in enumerate(given)]
    before, after = packer(given, config, form), packer(left, config, form)
    count = before.num_rows() or 0
    assert after.num_rows() == count
    old, new = bundles(before.rows(0, count)), bundles(after.rows(0, count))
    kept = [one for one in old if set(one.documents) - gone]
    assert [(one.row, one.start) for one in kept] == [(one.row, one.start) for one in new]
    for one, other in zip(kept, new, strict=True):
        assert tuple(at for at in one.documents if at not in gone) == other.documents
        if not set(one.documents) & gone:
            assert one.tokens == other.tokens
        elif len(one.documents) > 1:
            # The repository's name may stand before another file now, and leave less room for its path.
            stays = [
                (file.text, file.is_cut)
                for at, file in zip(one.documents, files(one, used(form)), strict=True)
                if at not in gone
            ]
            assert [(file.text, file.is_cut) for file in unfold_files(other.tokens, used(form))] == stays


def test_the_name_of_a_repository_stands_before_files_that_all_have_it_alone() -> None:
    config = replace(
        SMALL,
        mixture=ONCE,
        repositories=RepositoriesConfig(rate=1.0),
        metadata=MetadataConfig(repository_rate=1.0, path_rate=1.0),
    )
    given = many(20)
    left = [replace(one, repo_name="joe/fork", path="b.py") if at == 4 else one for at, one in enumerate(given)]
    for form in FORMS:
        first, second = (bundles(packer(held, config, form).rows(0, 4)) for held in (given, left))
        assert [one.documents for one in first] == [one.documents for one in second]
        mixed = [one for one in second if 4 in one.documents and len(one.documents) > 1]
        assert mixed
        for one in second:
            if len(one.documents) > 1:
                names = {file.repo_name for file in unfold_files(one.tokens, used(form))}
                assert names == ({""} if one in mixed else {given[one.documents[0]].home})


def test_rows_are_equal_for_any_threads_and_any_grouping_of_calls() -> None:
    given = many()
    whole = packer(given, SMALL).rows(0, 24)
    made = packer(given, SMALL, threads=3)
    with ThreadPoolExecutor(3) as pool:
        pieces = list(pool.map(lambda at: made.rows(at, 4), range(20, -1, -4)))[::-1]
    for name in ("tokens", "targets", "positions", "segments"):
        assert np.array_equal(np.concatenate([getattr(one, name) for one in pieces]), getattr(whole, name))


def test_epochs_join_other_files() -> None:
    made = packer(many(), replace(SMALL, mixture=MixtureConfig(max_epochs=3)))
    rows = made.rows(0, made.num_rows() or 0)
    neighbours: dict[int, set[tuple[int, ...]]] = {}
    for one in bundles(rows):
        for at in one.documents:
            neighbours.setdefault(at, set()).add(one.documents)
    assert max(len(found) for found in neighbours.values()) == 3


def test_the_share_of_joined_files_is_met() -> None:
    given = [replace(one, home="jane/tool") for one in documents(600, 3, 6)]
    made = packer(given, PackerConfig(4000, mixture=ONCE, repositories=RepositoriesConfig(rate=0.3), window_rows=1000))
    found = bundles(made.rows(0, made.num_rows() or 0))
    joined = sum(len(one.documents) for one in found if len(one.documents) > 1)
    assert joined / len(given) == pytest.approx(0.3, abs=0.06)
    drawn = Drawn(made.corpus)
    drawn.add(made.rows(0, made.num_rows() or 0))
    assert drawn.counts()["demo 1.0.0:Python:file"]["documents"] == len(given)


def test_files_of_another_language_and_commits_stand_apart() -> None:
    given = [*documents(20, 1), *documents(20, 2, language="C"), *documents(20, 4, kind="commit")]
    made = packer(given, replace(SMALL, mixture=ONCE, repositories=RepositoriesConfig(rate=1.0)))
    found = [one.documents for one in bundles(made.rows(0, made.num_rows() or 0)) if len(one.documents) > 1]
    assert {at // 20 for one in found for at in one} == {0, 1}
    assert all(len({at // 20 for at in one}) == 1 for one in found)


def test_without_a_rate_nothing_is_joined() -> None:
    plain = packer(many(), replace(SMALL, repositories=RepositoriesConfig()))
    assert all(len(one.documents) == 1 for one in bundles(plain.rows(0, 20)))
    assert plain.identity != packer(many(), SMALL).identity


def test_folders_of_shards_do_not_share_repositories() -> None:
    sources = tuple(Memory(documents(20, seed), releases=("demo 1.0.0",)) for seed in (1, 2))
    made = Packer(Corpus.of(sources), sources[0].used, replace(SMALL, mixture=ONCE))
    found = [one.documents for one in bundles(made.rows(0, made.num_rows() or 0)) if len(one.documents) > 1]
    assert found and all(len({at // 20 for at in one}) == 1 for one in found)


def test_a_tokenizer_that_cannot_part_files_is_refused() -> None:
    source = Memory(many(), tokenizer(1500, NO_NAMES))
    with pytest.raises(
        ConfigError, match=r"no token that parts the files of a repository .*leave repositories\.rate at 0"
    ):
        Packer(Corpus.of((source,)), source.used, SMALL)
    with pytest.raises(InputError, match="no token that parts files"):
        prompt(source.used, b"a", b"b", files=[("a.py", b"x")])


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize("repo_name", ["", "jane/tool"])
@pytest.mark.parametrize("order", ["psm", "spm"])
def test_a_prompt_with_files_is_what_was_trained_on(form: str, repo_name: str, order: str) -> None:
    config = PackerConfig(
        400, fim=FimConfig(rate=1.0, spm_rate=float(order == "spm")), mixture=ONCE,
        metadata=MetadataConfig(repository_rate=float(repo_name != ""), path_rate=1.0), repositories=RepositoriesConfig(rate=1),
    )  # fmt: skip
    tokens_of = used(form)
    held = [Document(b"width = %d\nheight = width * 2\n" % at, path=f"src/{at}.py") for at in range(3)]
    [bundle] = bundles(packer(held, replace(config, fim=FimConfig(rate=0.0)), form).rows(0, 1))
    found = unfold_files(bundle.tokens, tokens_of)
    assert len(found) == 3
    last = held[bundle.documents[-1]]
    asked = prompt(
        tokens_of, last.text, b"", "psm", repo_name, last.path,
        files=[(held[at].path, held[at].text) for at in bundle.documents[:-1]],
    ).tolist()  # fmt: skip
    # All but the last file, token for token; then the last one's, cut.
    begin = [at for at, token in enumerate(bundle.tokens) if token == tokens_of.special.file][-1]
    assert tuple(asked[: begin + 1]) == bundle.tokens[: begin + 1]
    cut = prompt(
        tokens_of, b"wi", b"th", order, repo_name, last.path, files=[(held[0].path, held[0].text)]
    ).tolist()  # fmt: skip
    again = unfold_files([*cut, *tokens_of.encode_one(b"d").tolist(), tokens_of.special.end_of_text], tokens_of)
    with_paths = form == "starcoder" or repo_name != ""
    assert [one.text for one in again] == [held[0].text, b"width"]
    assert [one.path for one in again] == ([held[0].path, last.path] if with_paths else ["", ""])
    assert {one.repo_name for one in again} == {repo_name}


@pytest.mark.parametrize("case", ["no file", "text first", "another head"])
def test_tokens_that_are_no_files_are_refused(case: str) -> None:
    tokens_of = tokenizer()
    special, text = tokens_of.special, tokens_of.encode_one(b"a = 1\n").tolist()
    wrong = {
        "no file": text,
        "text first": [*text, special.file, *text],
        "another head": [special.fim_prefix, special.file, *text],
    }[case]
    with pytest.raises(InputError, match="no files that stand together"):
        unfold_files(wrong, tokens_of)
