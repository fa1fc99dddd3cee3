"""Documents in memory that the packer reads as it reads a folder of shards, with every property a test may want to set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from model.packing.corpus import Corpus
from model.packing.packer import Packer, PackerConfig
from model.tokenizer.code_tokenizer import CodeTokenizer
from stack_data.identity import content_id
from tests.model.fim.tokenizers_used import tokenizer

LINES = (
    b"def area(width, height):\n", b"    return width * height\r\n", b"\tx = 12345\n", b"# caf\xc3\xa9 \xf0\x9f\x98\x80\n", b"\n\n\n",
    b"class Shape(object):\n", b"    '''It's a shape'''\n", b"\xff\xfe raw \x80\n", b"<fim_middle> <|endoftext|>\n",
)  # fmt: skip


@dataclass(frozen=True)
class Document:
    """One document."""

    text: bytes
    language: str = "Python"
    kind: str = "file"
    release: int = 0
    split: str = "train"
    repo_name: str = "jane/tool"
    path: str = "src/a.py"
    home: str = "jane/tool"  # the repository that was displayed when the shards were made
    is_dropped: bool = False


@dataclass(frozen=True)
class Memory:
    """Documents as a TokenSource. Of dropped ones nothing is left but zeros."""

    documents: Sequence[Document]
    used: CodeTokenizer = field(default_factory=tokenizer)
    releases: tuple[str, ...] = ("demo 1.0.0",)
    identity: str = "memory"

    def __post_init__(self) -> None:
        texts = [self.used.encode_one(one.text) for one in self.documents]
        kept = [
            np.zeros_like(text) if one.is_dropped else text for text, one in zip(texts, self.documents, strict=True)
        ]
        ids = [list(bytes.fromhex(content_id(one.text))) for one in self.documents]
        columns = {
            name: [getattr(one, name) for one in self.documents]
            for name in ("language", "kind", "split", "repo_name", "path")
        }
        coded = {name: pa.array(columns[name]).dictionary_encode() for name in ("language", "kind", "split")}
        numbers = {name: number for number, name in enumerate(sorted({one.home for one in self.documents} - {""}), 1)}
        homes = pa.array([numbers.get(one.home, 0) for one in self.documents], pa.uint32())
        releases = pa.array([one.release for one in self.documents], pa.uint16())
        table = pa.table({**columns, **coded, "release": releases, "repository": homes})
        for name, value in (
            ("_texts", kept), ("num_tokens", np.array([len(text) for text in texts], np.int64)),
            ("content_ids", np.array(ids, np.uint8)), ("columns", table),
            ("is_dropped", np.array([one.is_dropped for one in self.documents])), ("num_documents", len(texts)),
        ):  # fmt: skip
            object.__setattr__(self, name, value)

    def tokens(self, document: int) -> npt.NDArray[Any]:
        return self._texts[document]  # type: ignore[attr-defined,no-any-return]


def program(number: int, num_lines: int) -> bytes:
    """Return a text that no other number has."""
    rng = np.random.default_rng(number)
    return b"# %d\n" % number + b"".join(LINES[at] for at in rng.integers(0, len(LINES), num_lines))


def documents(count: int, seed: int = 0, lines: int = 30, **given: Any) -> list[Document]:
    """Return documents of about that many lines, most shorter and some much longer."""
    rng = np.random.default_rng(seed)
    sizes = np.minimum(rng.exponential(lines, count).astype(int) + 1, lines * 8)
    return [
        Document(program(seed * 100_000 + at, int(size)), path=f"src/f{at}.py", **given)
        for at, size in enumerate(sizes)
    ]


def packer(given: Sequence[Document], config: PackerConfig, threads: int = 1) -> Packer:
    """Return a packer over documents."""
    source = Memory(given)
    return Packer(Corpus.of((source,)), source.used, config, threads)


def without(given: Sequence[Document], gone: set[int]) -> list[Document]:
    """Return the documents, some of them dropped."""
    return [replace(one, is_dropped=True, repo_name="", path="") if at in gone else one for at, one in enumerate(given)]
