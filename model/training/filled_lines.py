"""Lines of validation documents that are left out and filled in, counted where the answer is the line.

The answer is greedy and ends at the first line break or end-of-text token. A line is asked for in both orders, prefix first and suffix
first: small networks learn the second long before the first, where they must look for what they go on from. The prefix ends where a word
begins, with the space before it (which byte-level tokens hold at a word's start): so what is measured is the network, and not what a
prompt that ends within a token does to it, which is for generation to mend.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from model.fim.transform import Order
from model.tokenizer.code_tokenizer import CodeTokenizer
from model.training.engine import Engine
from model.training.parallel import dealt, joined

MIN_LINE, MAX_LINE = 4, 120
"""Bytes of a line that may be left out, without white space at its ends."""
MAX_PROMPT = 2048
"""Positions of a prompt at most."""
MARKERS = 4
"""Positions that a prompt's special tokens take, with one to spare."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A line that is left out. prefix, suffix: token ids; middle: its bytes, without white space at its ends."""

    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    middle: bytes

    def prompt(self, tokenizer: CodeTokenizer, order: Order) -> tuple[int, ...]:
        """Return what the answer comes after."""
        special = tokenizer.special
        if order == "psm":
            return special.fim_prefix, *self.prefix, special.fim_suffix, *self.suffix, special.fim_middle
        return special.fim_prefix, special.fim_suffix, *self.suffix, special.fim_middle, *self.prefix


def left_out(texts: Iterable[Any], tokenizer: CodeTokenizer, count: int, room: int) -> list[LeftOut]:
    """Leave a line out of each of the first `count` texts (token ids) that have one, drawn by the text's bytes alone.

    Prefix and suffix share `room` tokens, of which MAX_PROMPT are used; what is too long is cut at its far end.
    """
    space = max(0, min(room, MAX_PROMPT) - MARKERS)
    found = (item for text in texts if (item := _left_out(text, tokenizer, space)))
    return [item for item, _ in zip(found, range(count), strict=False)]


def _left_out(text: Any, tokenizer: CodeTokenizer, room: int) -> LeftOut | None:
    raw = tokenizer.decode(text)
    lines = raw.splitlines(keepends=True)
    chosen = [at for at, line in enumerate(lines) if MIN_LINE <= len(line.strip()) <= MAX_LINE]
    if not chosen:
        return None
    at = chosen[int.from_bytes(hashlib.sha256(raw).digest()[:8], "big") % len(chosen)]
    middle = lines[at].strip()
    start = sum(map(len, lines[:at])) + lines[at].index(middle)
    begin = start - (raw[start - 1 : start] == b" ")
    prefix, suffix = (tokenizer.encode_one(part).tolist() for part in (raw[:begin], raw[start + len(middle) :]))
    prefix = prefix[max(0, len(prefix) - max(room // 2, room - len(suffix))) :]
    return LeftOut(tuple(prefix), tuple(suffix[: room - len(prefix)]), middle)


def filled(
    engine: Engine, items: list[LeftOut], tokenizer: CodeTokenizer, order: Order, max_tokens: int, rows: int
) -> int:
    """Return how many lines are filled in exactly, but for white space at their ends; `rows` at a time, dealt to all ranks."""
    engine.decoder.eval()
    exact = 0
    for batch, is_ours in dealt([items[at : at + rows] for at in range(0, len(items), rows)], engine.ranks):
        answers = _answers(engine, [item.prompt(tokenizer, order) for item in batch], tokenizer, max_tokens)
        exact += sum(answer == item.middle for answer, item in zip(answers, batch, strict=True)) if is_ours else 0
    return int(joined(engine.ranks, [float(exact)])[0])


def _answers(engine: Engine, prompts: list[tuple[int, ...]], tokenizer: CodeTokenizer, max_tokens: int) -> list[bytes]:
    """Return the first line of each prompt's greedy answer, without white space at its ends."""
    given, has_ended = [bytearray() for _ in prompts], np.zeros(len(prompts), bool)
    for tokens in _greedy(engine, prompts, max_tokens):
        for row in np.flatnonzero(~has_ended).tolist():
            token = int(tokens[row])
            given[row] += b"\n" if token == tokenizer.special.end_of_text else tokenizer.decode([token])
            has_ended[row] = b"\n" in given[row] or b"\r" in given[row]
        # All ranks go on as long as one has a line to go on with: under FSDP each pass takes them all.
        if not joined(engine.ranks, [float((~has_ended).sum())])[0]:
            break
    return [bytes(one.splitlines()[0].strip()) if one else b"" for one in given]


@torch.no_grad()
def _greedy(engine: Engine, prompts: list[tuple[int, ...]], max_tokens: int) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the likeliest next token of each prompt, max_tokens times: int64[B]."""
    device, longest = engine.ranks.device, max(map(len, prompts))
    tokens, positions = np.zeros((len(prompts), longest), np.int64), np.zeros((len(prompts), longest), np.int64)
    segments = np.full((len(prompts), longest), -1)
    for row, prompt in enumerate(prompts):
        tokens[row, -len(prompt) :], positions[row, -len(prompt) :] = prompt, np.arange(len(prompt))
        segments[row, -len(prompt) :] = 0
    cache = engine.decoder.make_cache(len(prompts), longest + max_tokens)
    asked, places, own = (torch.as_tensor(part).to(device) for part in (tokens, positions, segments))
    for _ in range(max_tokens):
        chosen = engine.likeliest(asked, places, own, cache)
        yield chosen.cpu().numpy()
        asked, places, own = chosen[:, None], places[:, -1:] + 1, own[:, -1:]
