from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.shards.sources import read_sources
from model.tokenizer.code_tokenizer import CodeTokenizer
from model.tokenizer.sample import draw
from model.tokenizer.special import SPECIAL_TOKENS
from model.tokenizer.train import train_tokenizer
from stack_data import manifest
from stack_data.errors import ConfigError, InputError, StaleBuildError
from stack_data.progress import Silent
from tests.search.releases import At, Content, program, release


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = [Content(program(seed, 16), language="Python" if seed % 2 else "Ruby") for seed in range(200)]
    return release(tmp_path_factory.mktemp("corpus"), made, shards=3, rows=7)


@pytest.fixture(scope="module")
def trained(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer([corpus], 2048, 1, 200_000, folder)
    return folder


def test_transformers_loads_it_and_gives_the_same_tokens(trained: Path) -> None:
    from transformers import AutoTokenizer

    theirs, ours = AutoTokenizer.from_pretrained(trained), CodeTokenizer.load(trained)
    text = "def f(x):\n\treturn x + 1234  # don\u2019t \u00e9 \u4f60\r\n"
    assert theirs(text)["input_ids"] == ours.encode_one(text).tolist()
    assert theirs.decode(theirs(text)["input_ids"]) == text
    assert theirs.convert_tokens_to_ids(list(SPECIAL_TOKENS)) == list(range(19))
    assert theirs("<fim_prefix>a")["input_ids"][0] == ours.special.fim_prefix
    assert len(theirs) == ours.vocab_size


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_come_back(trained: Path, raw: bytes) -> None:
    made = CodeTokenizer.load(trained)
    assert made.decode(made.encode_one(raw)) == raw


def test_digits_are_single_tokens(trained: Path) -> None:
    made = CodeTokenizer.load(trained)
    assert len(made.encode_one("7919" * 5)) == 20


class Recorded(Silent):
    """Adds up what is told of each step, beside what was announced: items and bytes."""

    def __init__(self) -> None:
        self.announced: dict[str, tuple[int | None, int | None]] = {}
        self.done: dict[str, tuple[int, int]] = {}
        self.calls: dict[str, int] = {}
        self.open: list[str] = []

    def begin(self, step: str, num_items: int | None, num_bytes: int | None) -> None:
        assert not self.open, "a step begins within another"
        self.open.append(step)
        self.announced[step], self.done[step], self.calls[step] = (num_items, num_bytes), (0, 0), 0

    def advance(self, num_items: int, num_bytes: int) -> None:
        (step,) = self.open
        self.done[step] = self.done[step][0] + num_items, self.done[step][1] + num_bytes
        self.calls[step] += 1

    def end(self) -> None:
        self.open.pop()


def test_every_step_tells_how_far_it_is(corpus: Path, tmp_path: Path) -> None:
    told = Recorded()
    made = train_tokenizer([corpus], 2048, 1, 200_000, tmp_path / "tokenizer", progress=told)
    assert made.report is not None
    learned, held_out = made.report.sample, made.report.held_out
    both = learned.documents + held_out.documents, learned.bytes + held_out.bytes
    files = [path for kind in ("data", "provenance") for path in (corpus / kind).rglob("train-*.parquet")]
    assert told.announced == {
        "check": (3, sum(path.stat().st_size for path in files)),
        "sample": (both[0], None),
        "learn": (learned.documents, learned.bytes),
        "measure": both,
    }
    assert told.done == {step: (items, size or 0) for step, (items, size) in told.announced.items()}
    assert told.calls["learn"] == learned.documents  # as the library takes them, not all at the end
    assert not told.open


def test_the_report_says_what_the_tokenizer_is_like(trained: Path) -> None:
    said = json.loads((trained / "report.json").read_text())
    assert set(said["languages"]) == {"Python", "Ruby"}
    assert said["held_out"]["documents"] == sum(one["documents"] for one in said["languages"].values()) > 0
    python = said["languages"]["Python"]
    assert (
        python["bytes_per_token"] == pytest.approx(python["bytes"] / python["tokens"], abs=1e-4)
        and python["bytes_per_token"] > 1.5
    )
    made = CodeTokenizer.load(trained)
    assert said["vocab_size"] == made.vocab_size <= said["asked"] == 2048
    assert said["last"][0][0] == made.vocab_size - 1
    lengths = [len(text) for _, text in said["longest"]]
    assert lengths == sorted(lengths, reverse=True) and lengths[0] == made.lengths.max()
    text = (trained / "report.txt").read_text()
    assert "Learned last:" in text and "Ruby" in text and "never used" in text


def test_tokens_that_are_said_to_be_unused_are(corpus: Path, trained: Path) -> None:
    made, said = CodeTokenizer.load(trained), json.loads((trained / "report.json").read_text())
    sample, held_out = draw(read_sources([corpus]), 1, 200_000, 50_000)
    used = {token for one in (sample, held_out) for _, text in one.texts() for token in made.encode_one(text).tolist()}
    learned = {token for token in range(made.vocab_size) if made.lengths[token] > 1}
    assert set(said["unused"]) == learned - used


def test_the_same_sample_gives_the_same_bytes_on_any_number_of_threads(
    corpus: Path, trained: Path, tmp_path: Path
) -> None:
    command = (
        "from pathlib import Path; from model.tokenizer.train import train_tokenizer; "
        f"train_tokenizer([Path({str(corpus)!r})], 2048, 1, 200_000, Path({str(tmp_path)!r}))"
    )
    environment = os.environ | {"RAYON_NUM_THREADS": "5", "TOKENIZERS_PARALLELISM": "true"}
    subprocess.run([sys.executable, "-c", command], check=True, env=environment, cwd=Path(__file__).parents[3])
    for path in sorted(trained.glob("*.*")):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_another_seed_draws_another_sample(corpus: Path) -> None:
    sources = read_sources([corpus])
    first, again, other = (draw(sources, seed, 20_000, 5_000)[0].texts() for seed in (1, 1, 2))
    assert first == again != other


def test_what_is_measured_on_is_not_learned_from(corpus: Path) -> None:
    sample, held_out = draw(read_sources([corpus]), 1, 10**9, 10**9)
    learned, measured = {text for _, text in sample.texts()}, {text for _, text in held_out.texts()}
    assert not learned & measured
    assert len(learned) + len(measured) == 200


def test_a_sample_is_about_as_large_as_asked_for(corpus: Path) -> None:
    sample, _ = draw(read_sources([corpus]), 1, 30_000, 1)
    sizes = [len(text.encode()) for _, text in sample.texts()]
    assert sum(sizes) - sizes[-1] < 30_000 <= sum(sizes)


def test_the_manifest_names_what_it_was_learned_from(corpus: Path, trained: Path) -> None:
    plan = manifest.read(trained / "manifest.json").plan
    assert plan["config"]["releases"][0]["version"] == "1.0.0"
    assert plan["config"]["seed"] == 1


def test_a_second_run_has_nothing_to_do_and_other_settings_are_refused(corpus: Path, trained: Path) -> None:
    before = (trained / "tokenizer.json").stat().st_mtime_ns
    assert train_tokenizer([corpus], 2048, 1, 200_000, trained).report is None
    assert (trained / "tokenizer.json").stat().st_mtime_ns == before
    with pytest.raises(StaleBuildError, match="seed: 1 -> 2"):
        train_tokenizer([corpus], 2048, 2, 200_000, trained)


def test_a_run_that_was_killed_is_done_again(corpus: Path, trained: Path, tmp_path: Path) -> None:
    for name in ("report.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((trained / name).read_bytes())
    train_tokenizer([corpus], 2048, 1, 200_000, tmp_path)
    assert (tmp_path / "manifest.json").read_bytes() == (trained / "manifest.json").read_bytes()


def test_a_folder_of_another_tokenizer_is_left_alone(corpus: Path, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes((trained / "tokenizer.json").read_bytes())
    with pytest.raises(InputError, match="was not made here"):
        train_tokenizer([corpus], 2048, 1, 200_000, tmp_path)


def test_a_folder_of_something_else_is_left_alone(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("mine")
    with pytest.raises(InputError, match="holds notes.md; name a new or empty folder"):
        train_tokenizer([corpus], 2048, 1, 200_000, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.md"]


@pytest.mark.parametrize("size", [2047, 65537])
def test_a_vocabulary_out_of_bounds_is_refused(corpus: Path, tmp_path: Path, size: int) -> None:
    with pytest.raises(ConfigError, match=f"vocabulary is {size}; it must be 2048 to 65536"):
        train_tokenizer([corpus], size, 1, 1000, tmp_path)


def test_a_content_of_two_releases_is_drawn_once(tmp_path: Path) -> None:
    shared = [Content(program(seed, 5), (At("jane"),)) for seed in range(6)]
    both = [release(tmp_path, shared, "1.0.0"), release(tmp_path, [*shared, Content(program(9, 5))], "2.0.0")]
    sample, held_out = draw(read_sources(both), 0, 10**9, 10**9)
    assert len(sample.texts()) + len(held_out.texts()) == 7
