"""Names and more by a token-classification checkpoint that the user has, such as StarPII, run through transformers.

Reads a local folder only. Labels are StarPII's: NAME, EMAIL, KEY, PASSWORD, IP_ADDRESS and USERNAME, with or without a B-, I-, E- or S-
before them; AMBIGUOUS and others are ignored. Long texts are read in windows that overlap; of each window the middle is taken.
What it finds goes through the checks of the other detectors, and StarCoder's rules hold: no name of one word, no secret of 3
characters, no key of 8. It costs seconds per megabyte even on a GPU, so it is off unless asked for.
"""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stack_data.errors import ConfigError
from stack_data.pii import addresses, emails, findings, secrets
from stack_data.pii.source import Source, Span
from stack_data.pii.verbatim import is_verbatim

_KINDS = {
    "NAME": "name", "EMAIL": "email", "KEY": "key", "PASSWORD": "password", "IP_ADDRESS": "ip_address", "USERNAME": "username",
}  # fmt: skip
_MOST_TOKENS, _OVERLAP, _BATCH = 512, 128, 16


class _Window(NamedTuple):
    """Tokens [first, last) of a text; of them [begin, end) are taken."""

    first: int
    last: int
    begin: int
    end: int


def digest(folder: Path) -> str:
    """Return the SHA-256 over names and bytes of a checkpoint's files: what its findings depend on."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            total.update(
                path.relative_to(folder).as_posix().encode() + b"\0" + hashlib.file_digest(file, "sha256").digest()
            )
    return total.hexdigest()


@functools.lru_cache(1)
def load(folder: Path) -> Recogniser:
    """Return the recogniser in a folder; ConfigError where there is none."""
    if not (folder / "config.json").is_file():
        raise ConfigError(f"pii.ner {str(folder)!r} is no folder of a checkpoint: it has no config.json")
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModelForTokenClassification.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"pii.ner {str(folder)!r} holds no checkpoint for token classification: {reason}") from error
    return Recogniser(folder, tokenizer, model)


class Recogniser:
    """A checkpoint. Threads take turns: torch uses several itself, and tokenizers refuse to be shared."""

    def __init__(self, folder: Path, tokenizer: Any, model: Any) -> None:
        self._turn = threading.Lock()
        labels = [_label(model.config.id2label[number]) for number in range(model.config.num_labels)]
        if not any(kind for _, kind in labels):
            raise ConfigError(
                f"pii.ner {str(folder)!r} has none of the labels {', '.join(_KINDS)}: {sorted(model.config.label2id)}"
            )
        if not tokenizer.is_fast:
            raise ConfigError(
                f"pii.ner {str(folder)!r} has a tokenizer that does not say where its tokens stand (no tokenizer.json)"
            )
        self._labels, self._tokenizer, self._model = labels, tokenizer, model.eval()
        self._lead, self._trail = _around(tokenizer)
        most = getattr(model.config, "max_position_embeddings", None) or _MOST_TOKENS
        # Some models count positions from beyond the padding, so two fewer fit.
        self._most = max(8, min(_MOST_TOKENS, most - 2) - len(self._lead) - len(self._trail))

    def find(
        self, texts: pa.LargeStringArray, score: float, kinds: Collection[str] = findings.KINDS
    ) -> dict[int, list[Span]]:
        """Return the spans of each of N texts that has any, of `kinds` and of names. score: least probability of a token."""
        wanted = {"name", "username", *kinds}
        found: dict[int, list[Span]] = {}
        for row in np.flatnonzero(np.asarray(texts.is_valid())).tolist():
            text = texts[row].as_py()
            with self._turn:
                spans = [span for span in self._of_text(text, score) if span.kind in wanted]
            if spans:
                found[row] = findings.settle(spans)
        return found

    def _of_text(self, text: str, score: float) -> Iterator[Span]:
        encoded = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        tokens, places = encoded["input_ids"], encoded["offset_mapping"]
        if not tokens:
            return
        labels, scores = self._predict(tokens)
        source = Source(text.encode())
        for kind, start, end in _entities([self._labels[label] for label in labels.tolist()], scores >= score, places):
            while start < end and text[start].isspace():
                start += 1
            while end > start and text[end - 1].isspace():
                end -= 1
            first = len(text[:start].encode())
            span = _checked(source, Span(kind, first, first + len(text[start:end].encode())))
            if span:
                yield span

    def _predict(self, tokens: list[int]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Return label and probability of each token."""
        import torch

        labels, scores = np.zeros(len(tokens), np.int64), np.zeros(len(tokens), np.float32)
        windows = list(_windows(len(tokens), self._most))
        for at in range(0, len(windows), _BATCH):
            batch = windows[at : at + _BATCH]
            ids, mask = self._padded([tokens[one.first : one.last] for one in batch])
            with torch.inference_mode():
                logits = self._model(input_ids=torch.tensor(ids), attention_mask=torch.tensor(mask)).logits
            best = logits.float().softmax(-1).max(-1)
            for number, one in enumerate(batch):
                lead = len(self._lead)
                taken = slice(lead + one.begin - one.first, lead + one.end - one.first)
                labels[one.begin : one.end] = best.indices[number, taken].numpy()
                scores[one.begin : one.end] = best.values[number, taken].numpy()
        return labels, scores

    def _padded(self, windows: list[list[int]]) -> tuple[list[list[int]], list[list[int]]]:
        """Return ids_BT and mask_BT of windows with their special tokens."""
        whole = [[*self._lead, *one, *self._trail] for one in windows]
        longest = max(map(len, whole))
        fill = self._tokenizer.pad_token_id or 0
        ids = [one + [fill] * (longest - len(one)) for one in whole]
        return ids, [[1] * len(one) + [0] * (longest - len(one)) for one in whole]


def _around(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the special tokens that stand before and after a text."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    lead = next((at for at in range(len(whole)) if whole[at : at + len(bare)] == bare), 0)
    return whole[:lead], whole[lead + len(bare) :]


def _label(name: str) -> tuple[str, str]:
    """Return (position, kind) of a label: position is B, I, E, S or "" and kind "" for what is ignored."""
    position, dash, rest = name.partition("-")
    if dash and position in ("B", "I", "E", "S"):
        return position, _KINDS.get(rest.upper(), "")
    return "", _KINDS.get(name.upper(), "")


def _windows(count: int, most: int) -> Iterator[_Window]:
    overlap = min(_OVERLAP, most // 2)
    first = begin = 0
    while True:
        last = min(count, first + most)
        end = count if last == count else last - overlap // 2
        yield _Window(first, last, begin, end)
        if last == count:
            return
        first, begin = last - overlap, end


def _entities(
    labels: list[tuple[str, str]], sure: npt.NDArray[np.bool_], places: list[tuple[int, int]]
) -> Iterator[tuple[str, int, int]]:
    """Yield (kind, start, end) in characters of runs of tokens of one kind; B and S begin a new one."""
    kind, start, end = "", 0, 0
    for (position, name), is_sure, (first, last) in zip(labels, sure.tolist(), places, strict=True):
        if first == last:
            continue
        name = name if is_sure else ""
        if name and name == kind and position not in ("B", "S"):
            end = last
            continue
        if kind:
            yield kind, start, end
        kind, start, end = name, first, last
    if kind:
        yield kind, start, end


def _checked(source: Source, span: Span) -> Span | None:
    """Return a span as the checks of its kind leave it."""
    value = source.text[span.start : span.end]
    if span.kind in ("key", "password"):
        least = 9 if span.kind == "key" else 4
        if (
            len(value) < least
            or secrets.is_placeholder(value)
            or (span.kind == "key" and not secrets.is_random(value, least))
        ):
            return None
        return span
    if is_verbatim(source, span.start):
        return None
    if span.kind == "email":
        return emails.span(source, span.start, span.end) if value.count(b"@") == 1 else None
    if span.kind == "ip_address":
        return _address(source, span)
    if b"\n" in value or b"\r" in value or (span.kind == "name" and b" " not in value) or len(value) < 4:
        return None
    return None if value.startswith((b"PERSON_", b"USER_")) else span


def _address(source: Source, span: Span) -> Span | None:
    try:
        check = addresses.ipv6_span if b":" in source.text[span.start : span.end] else addresses.ipv4_span
        return check(source, span.start, span.end)
    except ValueError:
        return None
