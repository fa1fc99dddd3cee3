"""The guarantee over real code: 10,000 random spans of exactly the guaranteed length of each view are all found.

Spans are cut out of the standard library. Named exceptions, as documented: spans that hold a gram of one or two kinds of tokens, and
renamed ones that are not varied; they are counted and few. A span is found when a match in its own content covers all of its tokens.
"""

from __future__ import annotations

import random
import sysconfig
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stack_data.search.filters import of_many_kinds, varied_windows
from stack_data.search.lexer import NAME, NUMBER, STRING, Tokens
from stack_data.search.query import match
from stack_data.search.views import BLINDED, CODE, LEXEME, View
from tests.search.guaranteed import as_it_is, read
from tests.search.memory_index import MemoryIndex, Source

SPANS = 10_000
STDLIB = Path(sysconfig.get_paths()["stdlib"])


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    files = [path for path in sorted(STDLIB.rglob("*.py")) if not {"test", "tests", "site-packages"} & set(path.parts)]
    texts = (path.read_bytes() for path in random.Random(3).sample(files, 150))
    return [Source(text.decode()) for text in texts if _is_plain(text) and 2_000 < len(text) < 30_000]


def _is_plain(text: bytes) -> bool:
    try:
        return bool(text.decode())
    except UnicodeDecodeError:
        return False


@pytest.fixture(scope="module")
def index(sources: list[Source]) -> MemoryIndex:
    return MemoryIndex(sources)


def is_exception(tokens: Tokens, view: View) -> bool:
    view_hashes = view.hashes(tokens)
    is_poor = not of_many_kinds(view_hashes, tokens.bounds, view.k).all()
    return is_poor or (view is BLINDED and not varied_windows(view_hashes, tokens.bounds)[0])


def laid_out_anew(text: bytes, tokens: Tokens) -> bytes:
    """Put each token on its own or another line, with comments between them."""
    words = (text[start:end] for start, end in zip(tokens.starts.tolist(), tokens.ends.tolist(), strict=True))
    return b"".join(word + (b" # remark\n" if at % 7 == 0 else b"  ") for at, word in enumerate(words))


def renamed(text: bytes, tokens: Tokens) -> bytes:
    """Give names, numbers and strings others."""
    parts = []
    for kind, start, end in zip(tokens.kinds.tolist(), tokens.starts.tolist(), tokens.ends.tolist(), strict=True):
        word = text[start:end]
        parts.append(b"xq_" + word if kind == NAME else b"7" if kind == NUMBER else b"'z'" if kind == STRING else word)
    return b" ".join(parts)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("view", "change", "most_exceptions"),
    [(LEXEME, as_it_is, 0.06), (CODE, laid_out_anew, 0.01), (BLINDED, renamed, 0.30)],
    ids=["lexeme", "code", "blinded"],
)
def test_every_span_of_the_guaranteed_length_is_found(
    sources: list[Source], index: MemoryIndex, view: View, change: Callable[[bytes, Tokens], bytes], most_exceptions: float
) -> None:  # fmt: skip
    draw = random.Random(4)
    read_once = [(source, read(source.text.encode(), view, "Python")) for source in sources]
    read_once = [(source, tokens) for source, tokens in read_once if len(tokens) >= view.guaranteed]
    asked = exceptions = 0
    missed = []
    while asked < SPANS:
        source, tokens = draw.choice(read_once)
        first = draw.randrange(len(tokens) - view.guaranteed + 1)
        raw = source.text.encode()[tokens.starts[first] : tokens.ends[first + view.guaranteed - 1]]
        cut = read(raw, view, "Python")
        assert np.array_equal(cut.code, tokens.code[first : first + view.guaranteed])
        if is_exception(cut, view):
            exceptions += 1
            continue
        asked += 1
        snippet = change(raw, cut).decode()
        if not is_found(index, source, snippet, view):
            missed.append((source.content_id, first, snippet))
    assert missed == []
    assert exceptions / (asked + exceptions) <= most_exceptions


def is_found(index: MemoryIndex, source: Source, snippet: str, view: View) -> bool:
    tokens = read(snippet.encode(), view, "Python")
    points = [len(snippet.encode()[:at].decode()) for at in (int(tokens.starts[0]), int(tokens.ends[-1]))]
    return any(
        one.content_id == source.content_id and one.query_span[0] <= points[0] and one.query_span[1] >= points[1]
        for one in match(index, snippet, "Python").matches
    )
