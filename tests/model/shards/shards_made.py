"""Small folders of token shards for tests, of exactly the contents a test names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from model.shards.build import build_shards
from tests.model.tokenizer.tokenizers_made import library_tokenizer
from tests.search.releases import At, Content, program, release

JANE, JOE, ANN = At("jane", path="src/a.py"), At("joe", path="lib/b.py"), At("ann", repo="tool", path="c.py")


@cache
def tokenizer_folder() -> Path:
    """Train once a run."""
    folder = Path(mkdtemp(prefix="fairstack-tokenizer-"))
    library_tokenizer(vocab_size=600).save(str(folder / "tokenizer.json"))
    return folder


def contents(count: int = 9) -> list[Content]:
    """Programs of jane, joe and ann in turn; every third stands in a second place too."""
    homes = (JANE, JOE, ANN)
    return [
        Content(program(seed, 3), (homes[seed % 3], *((homes[(seed + 1) % 3],) if seed % 3 == 0 else ())))
        for seed in range(count)
    ]


def made(folder: Path, given: Sequence[Content] | None = None, *, shards: int = 2, workers: int = 1) -> Path:
    """Build shards of one release; return their folder."""
    one = release(folder / "release", given if given is not None else contents(), shards=shards)
    build_shards([one], tokenizer_folder(), folder / "shards", workers=workers)
    return folder / "shards"
