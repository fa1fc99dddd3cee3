"""Times fill in the middle with packing into rows, beside the plain way, and prints how full rows are.

Run: python bench/fim_packing.py [FOLDER...] [--shards DIR] [--threads N] [--vocabulary N]   default: the site-packages of this interpreter.
Texts of the folders are tokenized with a tokenizer trained on a sample of them; --shards takes a folder of token shards instead.
Ours: Packer.take with StarCoder's rates (half of the documents cut, names before a fifth each), 2048 positions, about a million of them
a call, on threads; the median of seven passes over all documents, in tokens with a loss a second.
The plain way, on the same documents in the same order: decode those to be cut with `tokenizers`, cut the string at two characters, encode three
strings (encode_batch, on as many threads), join all with the end of text and slice into rows. It keeps attention across documents, knows
no metadata and loses what its seams cut.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model.fim.config import FimConfig
from model.packing.config import MixtureConfig, RepositoriesConfig
from model.packing.corpus import Corpus, TokenSource
from model.packing.packer import Cursor, Packer, PackerConfig
from model.tokenizer.code_tokenizer import CodeTokenizer
from model.tokenizer.special import SPECIAL_TOKENS
from stack_data.identity import content_id

MAX_BYTES, SAMPLE_BYTES = 1 << 20, 12_000_000
PEER_TOKENS = 4_000_000
ONCE = MixtureConfig(max_epochs=1)


@dataclass(frozen=True)
class Memory:
    """Documents in memory, as the packer reads shards."""

    num_tokens: npt.NDArray[np.int64]
    is_dropped: npt.NDArray[np.bool_]
    content_ids: npt.NDArray[np.uint8]
    columns: pa.Table
    all_tokens: npt.NDArray[Any]
    bounds: npt.NDArray[np.int64]
    releases: tuple[str, ...] = ("bench 1.0.0",)
    identity: str = "bench"

    @property
    def num_documents(self) -> int:
        """How many there are."""
        return len(self.num_tokens)

    def tokens(self, document: int) -> npt.NDArray[Any]:
        """Return the tokens of a document."""
        return self.all_tokens[self.bounds[document] : self.bounds[document + 1]]


def read_texts(folders: list[Path]) -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of every distinct text below folders."""
    seen: set[bytes] = set()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if (
                path.is_symlink()
                or not path.is_file()
                or not 0 < path.stat().st_size <= MAX_BYTES
                or path.suffix not in SUFFIXES
            ):
                continue
            text = path.read_bytes()
            if b"\0" not in text and text not in seen:
                seen.add(text)
                yield str(path.relative_to(folder)), text


SUFFIXES = {
    ".py": "Python",
    ".pyi": "Python",
    ".h": "C++",
    ".hpp": "C++",
    ".cuh": "C++",
    ".c": "C",
    ".js": "JavaScript",
    ".md": "Markdown",
    ".pyx": "Cython",
}


def trained(texts: list[bytes], vocabulary: int, folder: Path) -> None:
    """Train a tokenizer on a seeded sample of texts."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    order, size, sample = random.Random(0).sample(texts, len(texts)), 0, []
    for text in order:
        size += len(text)
        sample.append(text.decode(errors="replace"))
        if size > SAMPLE_BYTES:
            break
    made = Tokenizer(models.BPE())
    splits = [
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
    ]
    made.pre_tokenizer, made.decoder = pre_tokenizers.Sequence(splits), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=list(SPECIAL_TOKENS), initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(sample, trainer)
    made.save(str(folder / "tokenizer.json"))


def in_memory(pairs: list[tuple[str, bytes]], tokenizer: CodeTokenizer) -> Memory:
    """Tokenize texts."""
    texts = [text for _, text in pairs]
    tokens, bounds = tokenizer.encode(np.frombuffer(b"".join(texts), np.uint8), np.cumsum([0, *map(len, texts)]))
    ids = np.frombuffer(b"".join(bytes.fromhex(content_id(text)) for text in texts), np.uint8).reshape(-1, 20)
    columns = {
        "language": pa.array([SUFFIXES[Path(path).suffix] for path, _ in pairs]).dictionary_encode(),
        "kind": pa.array(["file"] * len(pairs)).dictionary_encode(),
        "split": pa.array(["train"] * len(pairs)).dictionary_encode(),
        "release": pa.array([0] * len(pairs), pa.uint16()),
        "repo_name": [path.split("/")[0] + "/" + path.split("/")[0] for path, _ in pairs],
        "path": [path for path, _ in pairs],
    }
    columns["repository"] = (pa.array(columns["repo_name"]).dictionary_encode().indices.to_numpy() + 1).astype(
        np.uint32
    )
    return Memory(np.diff(bounds), np.zeros(len(texts), bool), ids, pa.table(columns), tokens, bounds)


@dataclass
class Pass:
    """One pass over all documents."""

    seconds: float
    tokens: int
    positions: int
    text: int


def one_pass(source: TokenSource, tokenizer: CodeTokenizer, config: PackerConfig, threads: int, most: int = 0) -> Pass:
    """Make every row of an epoch, plans included. most: rows at most, 0 for all."""
    made = Packer(Corpus.of((source,)), tokenizer, config, threads)
    count, cursor, size = most or made.num_rows() or 0, Cursor(), max(1, (1 << 20) // config.positions)
    made = Packer(made.corpus, tokenizer, config, threads)
    tokens, text, begin = 0, 0, time.perf_counter()
    for first in range(0, count, size):
        rows, cursor = made.take(cursor, min(size, count - first))
        tokens += int(rows.lengths.sum()) - len(rows.lengths)
        text += int(rows.text_tokens.sum())
    return Pass(time.perf_counter() - begin, tokens, count * config.positions, text)


def plain_way(source: TokenSource, folder: Path, tokenizer: CodeTokenizer, positions: int) -> Pass:
    """Decode, cut, encode three strings, join, slice."""
    from tokenizers import Tokenizer

    library, special, rng = Tokenizer.from_file(str(folder / "tokenizer.json")), tokenizer.special, random.Random(0)
    order = np.random.default_rng(0).permutation(source.num_documents)
    order = order[: int(np.searchsorted(np.cumsum(source.num_tokens[order]), PEER_TOKENS)) + 1].tolist()
    begin, pieces, size = time.perf_counter(), [], 0
    for at in range(0, len(order), 256):
        documents = order[at : at + 256]
        cut = [one for one in documents if rng.random() < 0.5]
        strings = []
        for text in library.decode_batch([source.tokens(one).tolist() for one in cut], skip_special_tokens=False):
            first, second = sorted((rng.randint(0, len(text)), rng.randint(0, len(text))))
            strings.extend((text[:first], text[first:second], text[second:]))
        encoded = [one.ids for one in library.encode_batch(strings)]
        made = {}
        for number, one in enumerate(cut):
            prefix, middle, suffix = encoded[3 * number : 3 * number + 3]
            if rng.random() < 0.5:
                made[one] = [special.fim_prefix, special.fim_suffix, *suffix, special.fim_middle, *prefix, *middle]
            else:
                made[one] = [special.fim_prefix, *prefix, special.fim_suffix, *suffix, special.fim_middle, *middle]
        for one in documents:
            pieces.append(np.array(made[one]) if one in made else source.tokens(one).astype(np.int64))
            pieces.append(np.array([special.end_of_text]))
            size += len(pieces[-2]) + 1
    joined = np.concatenate(pieces)
    rows = joined[: len(joined) // positions * positions].reshape(-1, positions)
    return Pass(time.perf_counter() - begin, size, rows.size, size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--shards", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--vocabulary", type=int, default=16384)
    arguments = parser.parse_args()
    os.environ["RAYON_NUM_THREADS"] = str(arguments.threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    with tempfile.TemporaryDirectory() as made:
        if arguments.shards:
            from model.shards.shards import open_shards

            source: TokenSource = open_shards(arguments.shards)
            folder = open_shards(arguments.shards).tokenizer
        else:
            pairs = list(read_texts(arguments.folders or [Path(sysconfig.get_paths()["purelib"])]))
            folder = Path(made)
            trained([text for _, text in pairs], arguments.vocabulary, folder)
            source = in_memory(pairs, CodeTokenizer.load(folder))
        tokenizer = CodeTokenizer.load(folder)
        report(source, tokenizer, folder, arguments.threads)


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def report(source: TokenSource, tokenizer: CodeTokenizer, folder: Path, threads: int) -> None:
    """Measure and print."""
    total = int(source.num_tokens.sum())
    say(f"{source.num_documents:,} documents, {total:,} tokens, vocabulary {tokenizer.vocab_size:,}; {threads} threads")
    usual = PackerConfig(2048, mixture=ONCE)
    one_pass(source, tokenizer, usual, threads, most=64)  # compiles
    runs = sorted((one_pass(source, tokenizer, usual, threads) for _ in range(7)), key=lambda run: run.seconds)
    ours = runs[len(runs) // 2]
    rate = ours.tokens / ours.seconds
    spread = [run.tokens / run.seconds / 1e6 for run in (runs[-1], runs[0])]
    say(f"ours:      {rate / 1e6:8.2f} million tokens/s (slowest {spread[0]:.2f}, fastest {spread[1]:.2f}); target 3")
    peer = plain_way(source, folder, tokenizer, 2048)
    peer_rate = peer.tokens / peer.seconds
    say(f"plain way: {peer_rate / 1e6:8.2f} million tokens/s; ours / plain: {rate / peer_rate:.1f}")
    alone = statistics.median(
        one.tokens / one.seconds for one in (one_pass(source, tokenizer, usual, 1) for _ in range(3))
    )
    say(f"ours on one thread: {alone / 1e6:.2f} million tokens/s")
    whole = PackerConfig(2048, fim=FimConfig(syntax_rate=1.0), mixture=ONCE)
    syntax = one_pass(source, tokenizer, whole, threads, most=1000)
    say(f"every cut along the syntax tree: {syntax.tokens / syntax.seconds / 1e6:.2f} million tokens/s")
    together = RepositoriesConfig(rate=0.5)
    joined = one_pass(source, tokenizer, PackerConfig(2048, mixture=ONCE, repositories=together), threads)
    say(
        f"half of the files beside others of their repository: {joined.tokens / joined.seconds / 1e6:.2f} million tokens/s"
    )
    for positions, which in product((512, 2048, 8192), (RepositoriesConfig(), together)):
        full = one_pass(source, tokenizer, PackerConfig(positions, mixture=ONCE, repositories=which), threads)
        say(
            f"rows of {positions:5,}, {which.rate:.0%} of files joined: {full.tokens / full.positions:7.2%} of positions are not padding, "
            f"{full.text / full.positions:7.2%} hold tokens of a text"
        )


if __name__ == "__main__":
    main()
