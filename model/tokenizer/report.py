"""What a tokenizer is like: how many bytes a token stands for in each language, its longest and last tokens, and those that nothing uses.

Counts are over documents that the tokenizer was not learned from (fertility), and over those and its sample (use).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from model.tokenizer.code_tokenizer import CodeTokenizer, Ints
from stack_data.progress import Progress

SHOWN = 20
_BATCH = 4 << 20


@dataclass(frozen=True, slots=True)
class Fertility:
    """Documents, bytes and tokens of one language, or of all."""

    documents: int
    bytes: int
    tokens: int

    @property
    def bytes_per_token(self) -> float:
        """How many bytes a token stands for; 0 when there are none."""
        return self.bytes / self.tokens if self.tokens else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {**asdict(self), "bytes_per_token": round(self.bytes_per_token, 4)}


@dataclass(frozen=True, slots=True)
class Report:
    """asked: tokens that were asked for. longest, last: (id, bytes as text); unused: ids of learned tokens that occur nowhere."""

    identity: str
    asked: int
    vocab_size: int
    sample: Fertility
    held_out: Fertility
    languages: Mapping[str, Fertility]
    longest: tuple[tuple[int, str], ...]
    last: tuple[tuple[int, str], ...]
    unused: tuple[int, ...]
    unused_shown: tuple[tuple[int, str], ...]

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "identity": self.identity, "asked": self.asked, "vocab_size": self.vocab_size, "sample": self.sample.to_json(),
            "held_out": self.held_out.to_json(), "languages": {name: one.to_json() for name, one in self.languages.items()},
            "longest": [list(one) for one in self.longest], "last": [list(one) for one in self.last], "unused": list(self.unused),
        }  # fmt: skip

    def text(self) -> str:
        """Return the report for people."""
        lines = [
            f"{self.vocab_size:,} tokens ({self.asked:,} asked for), learned from {self.sample.documents:,} documents, "
            f"{self.sample.bytes / 1e6:,.1f} MB",
            f"Bytes per token on {self.held_out.documents:,} other documents: {self.held_out.bytes_per_token:.3f}",
            "",
            f"{'language':<24}{'documents':>10}{'bytes':>14}{'bytes per token':>18}",
        ]
        lines += [
            f"{name or '(none)':<24}{one.documents:>10,}{one.bytes:>14,}{one.bytes_per_token:>18.3f}"
            for name, one in sorted(self.languages.items(), key=lambda item: (-item[1].bytes, item[0]))
        ]
        lines += ["", "Longest tokens:", *_listed(self.longest), "", "Learned last:", *_listed(self.last)]
        lines += ["", f"Learned and never used: {len(self.unused):,}", *_listed(self.unused_shown)]
        return "\n".join(lines) + "\n"


def _listed(tokens: Sequence[tuple[int, str]]) -> list[str]:
    return [f"  {number:>6}  {text!r}" for number, text in tokens]


def report_of(
    tokenizer: CodeTokenizer, asked: int, sample: Sequence[tuple[str, str]], held_out: Sequence[tuple[str, str]], progress: Progress
) -> Report:  # fmt: skip
    """Encode (language, text) pairs and say what came of it."""
    used = np.zeros(tokenizer.vocab_size, np.int64)
    progress.begin("measure", len(sample) + len(held_out), sum(len(text.encode()) for _, text in (*sample, *held_out)))
    learned = _total(_measured(tokenizer, sample, used, progress))
    languages = _measured(tokenizer, held_out, used, progress)
    progress.end()
    learnable = np.flatnonzero(tokenizer.lengths > 1)
    unused = learnable[used[learnable] == 0]
    longest = learnable[np.lexsort((learnable, -tokenizer.lengths[learnable]))][:SHOWN]
    return Report(
        tokenizer.identity, asked, tokenizer.vocab_size, learned, _total(languages), languages, _shown(tokenizer, longest),
        _shown(tokenizer, learnable[-SHOWN:][::-1]), tuple(unused.tolist()), _shown(tokenizer, unused[:SHOWN]),
    )  # fmt: skip


def _shown(tokenizer: CodeTokenizer, ids: Ints) -> tuple[tuple[int, str], ...]:
    return tuple((one, tokenizer.decode([one]).decode("utf-8", "backslashreplace")) for one in ids.tolist())


def _total(languages: Mapping[str, Fertility]) -> Fertility:
    every = languages.values()
    return Fertility(
        sum(one.documents for one in every), sum(one.bytes for one in every), sum(one.tokens for one in every)
    )


def _measured(
    tokenizer: CodeTokenizer, texts: Sequence[tuple[str, str]], used: npt.NDArray[np.int64], progress: Progress
) -> dict[str, Fertility]:  # fmt: skip
    """Return what each language comes to, and add how often each token occurs to `used`."""
    documents, sizes, tokens = Counter[str](), Counter[str](), Counter[str]()
    for batch in _batches(texts):
        raw = [text.encode() for _, text in batch]
        bounds = np.cumsum([0, *map(len, raw)], dtype=np.int64)
        found, ends = tokenizer.encode(np.frombuffer(b"".join(raw), np.uint8), bounds)
        used += np.bincount(found, minlength=len(used))
        for (language, _), size, count in zip(batch, np.diff(bounds).tolist(), np.diff(ends).tolist(), strict=True):
            documents[language] += 1
            sizes[language] += size
            tokens[language] += count
        progress.advance(len(batch), int(bounds[-1]))
    return {one: Fertility(documents[one], sizes[one], tokens[one]) for one in sorted(documents)}


def _batches(texts: Sequence[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    held = _BATCH
    for one in texts:
        if held >= _BATCH:
            found.append([])
            held = 0
        found[-1].append(one)
        held += len(one[1])
    return found
