"""Lines that are left out and filled in: what is asked for, that answers do not depend on who else is asked, and what counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from model.decoder.config import DecoderConfig
from model.decoder.decoder import Decoder
from model.tokenizer.code_tokenizer import CodeTokenizer
from model.training import filled_lines
from model.training.config_file import load
from model.training.engine import Engine
from model.training.filled_lines import LeftOut, filled, left_out
from model.training.parallel import Ranks
from tests.model.shards.shards_made import tokenizer_folder
from tests.model.training.runs import config_file

SOURCE = b'import os\n\n\ndef area(width, height):\n    """Say how large it is."""\n    return width * height\n'


@pytest.fixture(scope="module")
def tokenizer() -> CodeTokenizer:
    return CodeTokenizer.load(tokenizer_folder())


@pytest.fixture()
def engine(tmp_path: Path, tokenizer: CodeTokenizer) -> Engine:
    config_file(tmp_path)
    torch.manual_seed(3)
    network = DecoderConfig(vocab_size=600, context=96, hidden=32, layers=2, heads=2, init_std=0.2)
    return Engine(Decoder(network), load(tmp_path / "small.toml", []), Ranks(0, 1, "cpu"))


def items(tokenizer: CodeTokenizer, room: int = 90) -> list[LeftOut]:
    texts = [SOURCE * 3, SOURCE.replace(b"area", b"surface"), SOURCE.replace(b"\n", b"\r\n"), b"x\n", SOURCE[12:]]
    return left_out([tokenizer.encode_one(text) for text in texts], tokenizer, 10, room)


def test_a_line_is_left_out_whole_and_the_prefix_ends_where_its_first_word_begins(tokenizer: CodeTokenizer) -> None:
    found = items(tokenizer, 500)
    assert len(found) == 4  # "x" is too short to ask for
    for item, text in zip(found, (SOURCE * 3, SOURCE.replace(b"area", b"surface")), strict=False):
        prefix, suffix = tokenizer.decode(item.prefix), tokenizer.decode(item.suffix)
        between = text[len(prefix) : len(text) - len(suffix)]
        assert prefix + between + suffix == text
        assert between.strip() == item.middle and b"\n" not in between
        assert not prefix.endswith(b" ") or prefix.endswith(b"   ")  # of an indentation, all but the word's own space


def test_prompts_hold_both_orders_and_fit_the_room(tokenizer: CodeTokenizer) -> None:
    special = tokenizer.special
    for item in items(tokenizer, 60):
        psm, spm = item.prompt(tokenizer, "psm"), item.prompt(tokenizer, "spm")
        assert psm == (special.fim_prefix, *item.prefix, special.fim_suffix, *item.suffix, special.fim_middle)
        assert spm == (special.fim_prefix, special.fim_suffix, *item.suffix, special.fim_middle, *item.prefix)
        assert len(psm) == len(spm) <= 60


@pytest.mark.parametrize("room", [-3, 0, 3, 4, 5, 6, 11])
def test_a_room_of_any_size_is_kept(tokenizer: CodeTokenizer, room: int) -> None:
    for item in items(tokenizer, room):
        assert len(item.prefix) + len(item.suffix) <= max(0, room - filled_lines.MARKERS)


def test_an_answer_does_not_depend_on_the_prompts_beside_it(engine: Engine, tokenizer: CodeTokenizer) -> None:
    prompts = [item.prompt(tokenizer, "psm")[-40 + 7 * at :] for at, item in enumerate(items(tokenizer))]
    together = filled_lines._answers(engine, prompts, tokenizer, 12)
    assert together == [filled_lines._answers(engine, [one], tokenizer, 12)[0] for one in prompts]
    tokens = list(filled_lines._greedy(engine, prompts[:1], 6))
    with torch.no_grad():
        whole = torch.tensor([[*prompts[0], *(int(one[0]) for one in tokens[:-1])]])
        scores = engine.decoder.logits(engine.decoder(whole))[0, len(prompts[0]) - 1 :]
    assert scores.argmax(-1).tolist() == np.concatenate(tokens).tolist()


def test_exactly_the_lines_that_the_network_gives_count(engine: Engine, tokenizer: CodeTokenizer) -> None:
    asked = items(tokenizer)
    engine.decoder.eval()
    said = filled_lines._answers(engine, [one.prompt(tokenizer, "spm") for one in asked], tokenizer, 8)
    known = [LeftOut(one.prefix, one.suffix, middle) for one, middle in zip(asked, said, strict=True)]
    wrong = LeftOut(known[0].prefix, known[0].suffix, known[0].middle + b"?")
    assert filled(engine, known, tokenizer, "spm", 8, rows=3) == len(known)
    assert filled(engine, [wrong, *known[1:]], tokenizer, "spm", 8, rows=1) == len(known) - 1
    assert filled(engine, [], tokenizer, "spm", 8, rows=2) == 0
