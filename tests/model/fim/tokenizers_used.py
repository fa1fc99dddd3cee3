"""Tokenizers for tests of cutting: one byte a token, small ones that were trained, and one with StarCoder2's names."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.tokenizer.code_tokenizer import CodeTokenizer
from model.tokenizer.special import SPECIAL_TOKENS
from tests.model.tokenizer.tokenizers_made import library_tokenizer

STARCODER2 = tuple({"<filename>": "<file_sep>", "<reponame>": "<repo_name>"}.get(name, name) for name in SPECIAL_TOKENS)
NO_NAMES = SPECIAL_TOKENS[:5]


@cache
def tokenizer(vocab_size: int = 1500, special: tuple[str, ...] = SPECIAL_TOKENS) -> CodeTokenizer:
    """Train once a run. vocab_size of 275 is the bytes and the special tokens alone."""
    with tempfile.TemporaryDirectory() as folder:
        library_tokenizer(vocab_size, special).save(f"{folder}/tokenizer.json")
        return CodeTokenizer.load(Path(folder))


def encoded(text: bytes, with_: CodeTokenizer) -> npt.NDArray[np.int64]:
    """Return the tokens of a text."""
    return with_.encode_one(text).astype(np.int64)
