"""Names by a checkpoint: a small one, trained here on made-up sentences until it knows who wrote something."""

from __future__ import annotations

import random
import warnings
from pathlib import Path
from typing import Any

import pytest

from stack_data.config import PiiConfig
from stack_data.errors import ConfigError
from stack_data.pii import ner
from stack_data.pii.redaction import redact
from stack_data.stages.pii import decide
from tests.pii.planted import column

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what torch and transformers say while they load is theirs
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

FIRST = ["sunniva", "okke", "thandiwe", "bartosz", "ilse", "noor"]
LAST = ["haver", "oduya", "quandt", "szymb", "vasterg", "petrov"]
WORDS = [
    "x",
    "=",
    "1",
    "print",
    "return",
    "the",
    "code",
    "is",
    "fast",
    "and",
    "small",
    "def",
    "for",
    "in",
    "while",
    "here",
    "it",
    "runs",
]
LABELS = ["O", "B-NAME", "I-NAME", "B-USERNAME", "AMBIGUOUS"]


def sentence(chosen: random.Random) -> list[tuple[str, str]]:
    """Return (word, label): filler, and a name or the handle of an account."""
    filler = [(word, "O") for word in chosen.choices(WORDS, k=chosen.randint(3, 9))]
    names = [("by", "O"), (chosen.choice(FIRST), "B-NAME"), (chosen.choice(LAST), "I-NAME")]
    handle = [("ask", "O"), (chosen.choice(FIRST) + "99", "B-USERNAME"), ("maybe", "AMBIGUOUS")]
    return filler + chosen.choice([names, handle, []]) + filler[:3]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("ner")
    torch.manual_seed(0)
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "by",
        "ask",
        "maybe",
        *FIRST,
        *(f"{one}99" for one in FIRST),
        *LAST,
        *WORDS,
    ]
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys(words))}
    fast = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    fast.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=fast, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    )
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=42, id2label=dict(enumerate(LABELS)), label2id={name: at for at, name in enumerate(LABELS)},
    )  # fmt: skip
    model = BertForTokenClassification(config)
    train(model, vocabulary)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def train(model: Any, vocabulary: dict[str, int]) -> None:
    chosen, optimizer = random.Random(1), torch.optim.AdamW(model.parameters(), 3e-3)
    model.train()
    for _ in range(150):
        rows = [[("[CLS]", "O"), *sentence(chosen), ("[SEP]", "O")] for _ in range(16)]
        longest = max(map(len, rows))
        ids = torch.zeros(16, longest, dtype=torch.long)
        labels = torch.full((16, longest), -100)
        for at, row in enumerate(rows):
            ids[at, : len(row)] = torch.tensor([vocabulary[word] for word, _ in row])
            labels[at, : len(row)] = torch.tensor([LABELS.index(label) for _, label in row])
        loss = model(input_ids=ids, attention_mask=(ids > 0).long(), labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def test_names_are_found_and_replaced(checkpoint: Path) -> None:
    texts = column(["x = 1 and the code is fast by sunniva quandt here", "print x", "it runs ask noor99 maybe"])
    config = PiiConfig(ner=str(checkpoint), ner_score=0.5)
    decided = decide(ner_ids(3), texts, config)
    assert decided["detail"].to_pylist() == ["1 name", None, "1 username"]
    spans = decided["spans"].combine_chunks()
    assert redact(texts, spans).to_pylist()[0] == "x = 1 and the code is fast by PERSON_1 here"
    assert redact(texts, spans, "starcoder").to_pylist()[2] == "it runs ask <USERNAME> maybe"


def ner_ids(count: int) -> Any:
    return column([str(row) for row in range(count)]).cast("string")


def test_long_texts_are_read_in_windows_and_offsets_are_bytes(checkpoint: Path) -> None:
    filler = "ü print return the code is fast " * 40
    text = filler + "by okke haver " + filler + "by noor petrov here"
    found = ner.load(checkpoint).find(column([text]), 0.5)[0]
    assert [text.encode()[span.start : span.end].decode() for span in found] == ["okke haver", "noor petrov"]


def test_what_is_not_sure_enough_is_left(checkpoint: Path) -> None:
    assert ner.load(checkpoint).find(column(["the code by okke haver here"]), 1.0) == {}


def test_patterns_and_names_are_joined(checkpoint: Path) -> None:
    texts = column(["print x by okke haver here it runs okke@tapir.io"])
    assert decide(ner_ids(1), texts, PiiConfig(ner=str(checkpoint), ner_score=0.5))["detail"].to_pylist() == [
        "1 email, 1 name"
    ]


def test_names_in_copyright_lines_stay(checkpoint: Path) -> None:
    assert ner.load(checkpoint).find(column(["Copyright 2020 the code is fast by okke haver here"]), 0.5) == {}


def test_the_digest_changes_with_the_files(checkpoint: Path, tmp_path: Path) -> None:
    before = ner.digest(checkpoint)
    assert before == ner.digest(checkpoint)
    (tmp_path / "config.json").write_text("{}")
    assert ner.digest(tmp_path) != before


def test_no_checkpoint_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no config.json"):
        ner.load(tmp_path / "none")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ConfigError, match="holds no checkpoint"):
        ner.load(tmp_path)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("B-NAME", ("B", "name")),
        ("EMAIL", ("", "email")),
        ("E-IP_ADDRESS", ("E", "ip_address")),
        ("AMBIGUOUS", ("", "")),
        ("O", ("", "")),
    ],
)
def test_labels(label: str, expected: tuple[str, str]) -> None:
    assert ner._label(label) == expected


@pytest.mark.parametrize(("count", "most"), [(1, 8), (8, 8), (9, 8), (100, 8), (1000, 510)])
def test_windows_take_each_token_once(count: int, most: int) -> None:
    windows = list(ner._windows(count, most))
    taken = [token for one in windows for token in range(one.begin, one.end)]
    assert taken == list(range(count))
    assert all(one.first <= one.begin < one.end <= one.last <= one.first + most for one in windows)
