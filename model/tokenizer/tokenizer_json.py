"""tokenizer.json as the `tokenizers` library writes it: read, checked for what the kernels can do, and named by its content.

Supported are byte-level BPE models whose text is split by Digits(individual_digits) and ByteLevel(use_regex), without a normaliser: the
tokenizers of SantaCoder, StarCoder, StarCoder2 and of this project. Any other is refused, since it would give other tokens than its
model was trained with. What the library does with added tokens inside texts is left out on purpose: a text never makes one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack_data import storage
from stack_data.errors import InputError

NAME = "tokenizer.json"
SUPPORTED = (
    "byte-level BPE with Digits(individual_digits) and ByteLevel(use_regex, no prefix space), as StarCoder has it"
)
_AFFIXES = ("dropout", "continuing_subword_prefix", "end_of_word_suffix")
_FLAGS = ("byte_fallback", "ignore_merges")


@dataclass(frozen=True, slots=True)
class TokenizerJson:
    """A tokenizer file. vocabulary: token as the file writes it -> id; merges: pairs of such tokens by rank; added: content -> id."""

    vocabulary: Mapping[str, int]
    merges: tuple[tuple[str, str], ...]
    added: Mapping[str, int]
    identity: str


def read(folder: Path) -> TokenizerJson:
    """Read the tokenizer in a folder; InputError when there is none, it is damaged, or the kernels cannot do what it says."""
    path = folder / NAME
    value = storage.read_json(path)
    try:
        _check(value, path)
        merges = tuple(_pair(one) for one in value["model"]["merges"])
        added = {one["content"]: int(one["id"]) for one in value["added_tokens"]}
        vocabulary = {str(token): int(number) for token, number in value["model"]["vocab"].items()}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{path} is damaged: {error!r}") from error
    return TokenizerJson(vocabulary, merges, added, _identity(value, merges))


def _pair(merge: Any) -> tuple[str, str]:
    # Until 2024 the library wrote "a b"; a byte that is a space is written as another character in both.
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right


def _identity(value: Mapping[str, Any], merges: tuple[tuple[str, str], ...]) -> str:
    """Return the SHA-256 of what decides the tokens, however the file was written."""
    model = {**value["model"], "merges": merges}
    said = {key: one for key, one in value.items() if key not in ("truncation", "padding", "version")}
    text = json.dumps({**said, "model": model}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _check(value: Mapping[str, Any], path: Path) -> None:
    model = value["model"]
    if model.get("type") != "BPE":
        raise _unsupported(path, f"its model is {model.get('type')!r}")
    for name in _AFFIXES:
        if model.get(name):
            raise _unsupported(path, f"its model has {name} {model[name]!r}")
    for name in _FLAGS:
        if model.get(name):
            raise _unsupported(path, f"its model has {name}")
    if value.get("normalizer") is not None:
        raise _unsupported(path, f"it has a normaliser ({_kind(value['normalizer'])})")
    if not _splits_like_starcoder(value.get("pre_tokenizer")):
        raise _unsupported(path, f"its pre-tokenizer is {_described(value.get('pre_tokenizer'))}")


def _splits_like_starcoder(value: Any) -> bool:
    steps = value.get("pretokenizers", []) if isinstance(value, Mapping) and _kind(value) == "Sequence" else []
    if [_kind(one) for one in steps] != ["Digits", "ByteLevel"]:
        return False
    digits, words = steps
    return (
        bool(digits.get("individual_digits"))
        and not words.get("add_prefix_space")
        and bool(words.get("use_regex", True))
    )


def _kind(value: Any) -> str:
    return str(value.get("type")) if isinstance(value, Mapping) else "none"


def _described(value: Any) -> str:
    if isinstance(value, Mapping) and _kind(value) == "Sequence":
        return f"Sequence of {', '.join(_described(one) for one in value.get('pretokenizers', []))}"
    options = (
        [f"{name}={one}" for name, one in value.items() if isinstance(one, bool)] if isinstance(value, Mapping) else []
    )
    return f"{_kind(value)}({', '.join(options)})"


def _unsupported(path: Path, why: str) -> InputError:
    return InputError(f"{path} is not supported: {why}; supported is {SUPPORTED}")
