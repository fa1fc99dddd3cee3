"""Prints what files beside a file are worth to a network: bits per byte of held-out files alone, and after other files of their repository.

Run: python bench/repositories.py SHARDS CHECKPOINT.. [--documents N] [--positions T] [--threads N]
Checkpoints are of runs that differ in `repositories.rate`, such as
     fairstack model train RUN.toml --set name=alone
     fairstack model train RUN.toml --set name=together --set repositories.rate=0.5
Scored are the first T / 2 tokens, but the first one, of files of the validation split that have others of their repository and language
beside them. Before each stand its path, and in the second column as many whole other files as fit into T positions, in the layout of
training (model.fim.transform.prompt). Bytes are those of the scored tokens, the same ones in both columns.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.support.releases import ROOT
from model.decoder.checkpoint import load_checkpoint
from model.fim.transform import metadata
from model.packing.corpus import Corpus
from model.shards.shards import open_shards
from model.tokenizer.code_tokenizer import CodeTokenizer

Tokens = npt.NDArray[np.int64]
NO_LOSS = -100


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def text_of(corpus: Corpus, document: int) -> Tokens:
    """Return a document's tokens."""
    one = np.array([document])
    return corpus.texts(one, np.zeros(1, np.int64), corpus.num_tokens[one].astype(np.int32))[0].astype(np.int64)


def named(corpus: Corpus, tokenizer: CodeTokenizer, document: int) -> Tokens:
    """Return what stands before a file that has its path."""
    data, _ = corpus.names("path", np.array([document]))
    return metadata(tokenizer, "", bytes(data).decode(errors="replace"), 32, kept=(False, True))[0]


def cases(corpus: Corpus, tokenizer: CodeTokenizer, positions: int, count: int) -> list[tuple[Tokens, Tokens, Tokens]]:
    """Return (other files, name, text) of up to `count` files, drawn with a fixed seed."""
    homes: dict[tuple[int, int], list[int]] = defaultdict(list)
    for document in np.flatnonzero(
        (corpus.group_of >= 0) & (corpus.repository_of > 0) & (corpus.num_tokens > 64)
    ).tolist():
        homes[int(corpus.repository_of[document]), int(corpus.group_of[document])].append(document)
    rng, found = np.random.default_rng(0), []
    asked = [one for files in homes.values() if len(files) > 1 for one in files]
    for document in rng.permutation(asked).tolist():
        name, text = named(corpus, tokenizer, document), text_of(corpus, document)[: positions // 2]
        others, room = [], positions - len(name) - len(text)
        for other in rng.permutation(
            homes[int(corpus.repository_of[document]), int(corpus.group_of[document])]
        ).tolist():
            whole = np.concatenate((named(corpus, tokenizer, other), text_of(corpus, other)))
            if other != document and len(whole) <= room:
                others.append(whole)
                room -= len(whole)
        if others:
            found.append((np.concatenate(others), name, text))
        if len(found) == count:
            break
    return found


def bits(folder: Path, asked: list[tuple[Tokens, Tokens]]) -> float:
    """Return the bits of the texts, each after what stands before it, all tokens but the first of each."""
    decoder = load_checkpoint(folder)
    decoder.eval()
    total = 0.0
    with torch.no_grad():
        for before, text in asked:
            tokens = np.concatenate((before, text))
            targets = np.full(len(tokens) - 1, NO_LOSS)
            targets[len(before) :] = text[1:]
            hidden = decoder(torch.as_tensor(tokens[:-1])[None])
            total += float(decoder.loss(hidden, torch.as_tensor(targets)[None])[0])
    return total / math.log(2)


def main() -> None:
    """Measure each checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", nargs="?", type=Path, default=ROOT / "build/models/cpu-demo/shards")
    parser.add_argument("checkpoints", nargs="*", type=Path)
    parser.add_argument("--documents", type=int, default=400)
    parser.add_argument("--positions", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    if not arguments.shards.exists() or not arguments.checkpoints:
        say("skipped: it needs shards and checkpoints of two runs; see --help")
        return
    torch.set_num_threads(arguments.threads)
    shards = open_shards(arguments.shards)
    tokenizer = CodeTokenizer.load(shards.tokenizer)
    held = cases(Corpus.of((shards,), "validation"), tokenizer, arguments.positions, arguments.documents)
    size = sum(int(tokenizer.lengths[text[1:]].sum()) for _, _, text in held)
    say(
        f"{len(held)} files, {size:,} bytes scored, {np.mean([len(others) for others, _, _ in held]):.0f} tokens of other files before each"
    )
    for folder in arguments.checkpoints:
        alone = bits(folder, [(name, text) for _, name, text in held]) / size
        together = bits(folder, [(np.concatenate((others, name)), text) for others, name, text in held]) / size
        say(f"{folder}: alone {alone:.3f}, after other files {together:.3f} bits per byte")


if __name__ == "__main__":
    main()
