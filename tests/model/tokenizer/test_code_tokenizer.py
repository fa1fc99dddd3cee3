from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.tokenizer.code_tokenizer import CodeTokenizer
from model.tokenizer.special import ABSENT, SPECIAL_TOKENS
from stack_data.errors import InputError
from tests.model.tokenizer.tokenizers_made import library_tokenizer, pair

STARCODER2 = (
    "<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<repo_name>", "<file_sep>", "<issue_start>",
)  # fmt: skip


def saved(folder: Path, change: Any = None, special: tuple[str, ...] = SPECIAL_TOKENS) -> Path:
    """Save a small tokenizer, changed in the way a test wants."""
    value = json.loads(library_tokenizer(400, special).to_str())
    if change is not None:
        change(value)
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(value), encoding="utf-8")
    return folder


def test_special_tokens_have_starcoders_ids(tmp_path: Path) -> None:
    special = CodeTokenizer.load(saved(tmp_path)).special
    assert (special.end_of_text, special.fim_prefix, special.fim_middle, special.fim_suffix, special.fim_pad) == (
        0,
        1,
        2,
        3,
        4,
    )
    assert (special.file, special.repository, special.separates_files) == (5, 18, False)


def test_special_tokens_of_starcoder2_are_found_by_name(tmp_path: Path) -> None:
    special = CodeTokenizer.load(saved(tmp_path, special=STARCODER2)).special
    assert (special.repository, special.file, special.separates_files) == (5, 6, True)


def test_a_tokenizer_without_names_for_files_is_read(tmp_path: Path) -> None:
    special = CodeTokenizer.load(saved(tmp_path, special=STARCODER2[:5])).special
    assert (special.repository, special.file) == (ABSENT, ABSENT)


def test_a_tokenizer_that_cannot_fill_in_the_middle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no special token <fim_middle>.*fairstack model tokenizer"):
        CodeTokenizer.load(saved(tmp_path, special=("<|endoftext|>", "<fim_prefix>")))


def no_digits(value: dict[str, Any]) -> None:
    value["pre_tokenizer"] = value["pre_tokenizer"]["pretokenizers"][1]


def grouped_digits(value: dict[str, Any]) -> None:
    value["pre_tokenizer"]["pretokenizers"][0]["individual_digits"] = False


def prefix_space(value: dict[str, Any]) -> None:
    value["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = True


def normalizer(value: dict[str, Any]) -> None:
    value["normalizer"] = {"type": "NFC"}


def unigram(value: dict[str, Any]) -> None:
    value["model"]["type"] = "Unigram"


def dropout(value: dict[str, Any]) -> None:
    value["model"]["dropout"] = 0.1


def whole_words(value: dict[str, Any]) -> None:
    value["model"]["ignore_merges"] = True


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (no_digits, r"pre-tokenizer is ByteLevel\("), (grouped_digits, r"Digits\(individual_digits=False\)"),
        (prefix_space, "add_prefix_space=True"), (normalizer, r"normaliser \(NFC\)"), (unigram, "'Unigram'"), (dropout, "dropout 0.1"),
        (whole_words, "ignore_merges"),
    ],
)  # fmt: skip
def test_what_the_kernels_cannot_do_is_refused_by_name(tmp_path: Path, change: Any, said: str) -> None:
    with pytest.raises(InputError, match=f"{said}.*supported is byte-level BPE"):
        CodeTokenizer.load(saved(tmp_path, change))


def no_byte(value: dict[str, Any]) -> None:
    value["model"]["merges"] = []
    value["model"]["vocab"].pop("\u0120")


def unknown_merge(value: dict[str, Any]) -> None:
    value["model"]["merges"].append(["\u0120", "nowhere"])


def odd_token(value: dict[str, Any]) -> None:
    value["model"]["vocab"]["\u4f60"] = 9999


def no_model(value: dict[str, Any]) -> None:
    value.pop("model")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (no_byte, "no token for byte 0x20"),
        (unknown_merge, "'nowhere'"),
        (odd_token, "not byte-level"),
        (no_model, "is damaged"),
    ],
)
def test_a_damaged_tokenizer_is_refused(tmp_path: Path, change: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        CodeTokenizer.load(saved(tmp_path, change))


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no tokenizer\.json"):
        CodeTokenizer.load(tmp_path)


def test_the_identity_is_that_of_the_tokens_and_not_of_the_way_they_are_written(tmp_path: Path) -> None:
    def as_words(value: dict[str, Any]) -> None:
        value["model"]["merges"] = [" ".join(one) for one in value["model"]["merges"]]
        value["truncation"] = {"max_length": 5}

    def fewer(value: dict[str, Any]) -> None:
        value["model"]["merges"].pop()

    plain, old, other = (
        CodeTokenizer.load(saved(tmp_path / str(at), one)) for at, one in enumerate((None, as_words, fewer))
    )
    assert plain.identity == old.identity != other.identity
    assert plain.encode_one("return self.x").tolist() == old.encode_one("return self.x").tolist()


def test_every_token_has_its_bytes() -> None:
    ours, library = pair()
    data, bounds = ours.token_bytes
    assert ours.vocab_size == library.get_vocab_size() == len(bounds) - 1
    for token in range(len(SPECIAL_TOKENS), ours.vocab_size, 7):
        assert data[bounds[token] : bounds[token + 1]].tobytes() == ours.decode([token])
        assert ours.lengths[token] == bounds[token + 1] - bounds[token] > 0
    assert not ours.lengths[: len(SPECIAL_TOKENS)].any()


def test_special_tokens_decode_to_nothing() -> None:
    ours, _ = pair()
    assert ours.decode([1, *ours.encode_one("a b").tolist(), 0]) == b"a b"


@pytest.mark.parametrize("wrong", [-1, 1 << 20])
def test_what_is_no_token_is_not_decoded(wrong: int) -> None:
    with pytest.raises(InputError, match=f"{wrong} is no token: ids are 0 to"):
        pair()[0].decode([5, wrong])


def test_ids_beyond_16_bits_are_written_with_32(tmp_path: Path) -> None:
    def far(value: dict[str, Any]) -> None:
        value["added_tokens"].append({**value["added_tokens"][0], "content": "<far>", "id": 70000})

    made = CodeTokenizer.load(saved(tmp_path, far))
    assert made.dtype == np.uint32
    assert made.vocab_size == 70001
    assert made.decode(made.encode_one("x = 1")) == b"x = 1"
