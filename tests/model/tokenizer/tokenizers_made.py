"""Small tokenizers for tests, trained by the library on this project's own source: in a second, once a run."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from model.tokenizer.code_tokenizer import CodeTokenizer
from model.tokenizer.special import SPECIAL_TOKENS

SOURCE = Path(__file__).parents[3] / "stack_data"
EXOTIC = (
    "don't we'll I've you're x='s' \t\tif (a != b) { return ½ * ² + ٣; }\r\n# caf\u00e9 \u4f60\u597d \U0001f600 \u00a0\u2003 end\n"
    * 50
)


def library_tokenizer(vocab_size: int = 1500, special: tuple[str, ...] = SPECIAL_TOKENS) -> Tokenizer:
    """Train with the library alone."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    made.decoder = decoders.ByteLevel()
    texts = [path.read_text(encoding="utf-8") for path in sorted(SOURCE.glob("*.py"))[:12]]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=list(special), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )  # fmt: skip
    made.train_from_iterator([*texts, EXOTIC], trainer)
    made.encode_special_tokens = True
    return made


@cache
def pair() -> tuple[CodeTokenizer, Tokenizer]:
    """Return one tokenizer twice: ours and the library's."""
    made = library_tokenizer()
    with tempfile.TemporaryDirectory() as folder:
        made.save(f"{folder}/tokenizer.json")
        return CodeTokenizer.load(Path(folder)), made
