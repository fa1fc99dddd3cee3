"""Copies that were changed, found or not: our search beside peers over the same files, and what unrelated code matches.

Run: python bench/search_mutations.py [FOLDER...] [--megabytes N] [--spans N] [--peers PYTHON]
default: the standard library and the site-packages of this interpreter. The packages (folders directly below) are split by name: one
in four is held out, the rest is the corpus. Printed are

1. the share of spans of the corpus, of 32, 50, 100 and 150 code tokens that begin where a function does, that each contender finds
   in the file they came from after a change, and the median time of a query (the Bloom filter knows no files: any hit counts; ours may
   list 100 others instead);
2. how much of the held-out packages' code matches the corpus, and what is commonest there: an upper bound on false matches, since
   some of it is copied;
3. as truth, a naive scan of all code tokens on part of the spans: what it finds and we do not.

Peers: SQLite FTS5 with the trigram tokenizer, a Bloom filter of 50-character pieces every 50 characters (one false hit in a thousand),
a scan for the bytes. --peers: an interpreter that has infini-gram installed; it indexes bytes, and is asked for
those of the whole span.
"""

from __future__ import annotations

import argparse
import ast
import collections
import random
import re
import sqlite3
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numba import njit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from search_query import File, read_folders, rename, write_index

from stack_data.identity import content_id
from stack_data.search.candidates import MOST_CONTENTS
from stack_data.search.families import family_of
from stack_data.search.index import open_index
from stack_data.search.lexer import STRING, lex
from stack_data.search.query import match

SIZES = (32, 50, 100, 150)
HELD_OUT = 4
GRAM = 50
Find = Callable[[str, str, str], bool]
"""Tells whether a snippet of a language is found in the content of an id."""


@dataclass(frozen=True)
class Span:
    """So many code tokens of a file from the beginning of a function on."""

    file: File
    text: str


def spans_of(files: Sequence[File], size: int, count: int) -> list[Span]:
    """Return spans of Python files, each from the beginning of a random function on."""
    draw, found = random.Random(size), []
    python = [one for one in files if one.language == "Python" and len(one.text) > 2000]
    while len(found) < count:
        file = draw.choice(python)
        code = set(lex(pa.array([file.text], pa.large_binary()), family_of("Python")).starts.tolist())
        words = re.finditer(rb"^[ ]*(?=(?:def|class|async def) )", file.text, re.MULTILINE)
        begins = [one.start() for one in words if one.end() in code]
        if not begins:
            continue
        begin = draw.choice(begins)
        tokens = lex(pa.array([file.text[begin:]], pa.large_binary()), family_of("Python"))
        if len(tokens) < size:
            continue
        text = file.text[begin : begin + int(tokens.ends[size - 1])]
        if b"\r" not in text and not _cuts_string(text):
            found.append(Span(file, text.decode()))
    return found


def _cuts_string(text: bytes) -> bool:
    tokens = lex(pa.array([text], pa.large_binary()), family_of("Python"))
    return any(text[start:end] in (b'"', b"'") for start, end in zip(tokens.starts, tokens.ends, strict=True))


def spaced(text: str) -> str:
    """Put spaces around brackets, commas and single = signs."""
    sign = re.compile(r"[ \t]*([(),\[\]]|(?<![=!<>:+\-*/%&|^@])=(?!=))[ \t]*")
    return _outside_strings(text, lambda part: sign.sub(lambda found: f" {found[1]} ", part))


def reindented(text: str) -> str:
    """Indent lines by tabs, one level deeper; strings over lines stay as they are."""
    return _outside_strings(text, lambda part: re.sub(r"\n *", lambda run: "\n" + "\t" * (len(run[0]) // 2), part))


def commented(text: str) -> str:
    """Add a line with a comment after every second line that ends outside strings."""
    parts, lines = [], 0

    def add(part: str) -> str:
        nonlocal lines
        out = []
        for piece in re.split(r"(\n)", part):
            out.append(piece)
            if piece == "\n":
                lines += 1
                if lines % 2 == 0:
                    out.append("    # note to self\n")
        return "".join(out)

    parts.append(_outside_strings(text, add))
    return "".join(parts)


def requoted(text: str) -> str:
    """Swap ' and \" of strings that hold neither."""
    raw = text.encode()
    tokens = lex(pa.array([raw], pa.large_binary()), family_of("Python"))
    parts, at = [], 0
    for kind, start, end in zip(tokens.kinds.tolist(), tokens.starts.tolist(), tokens.ends.tolist(), strict=True):
        word = raw[start:end]
        if kind == STRING and re.fullmatch(rb"\w*(['\"])[^'\"\\\n]*\1", word):
            parts += [raw[at:start], word.translate(bytes.maketrans(b"'\"", b"\"'"))]
            at = end
    return b"".join([*parts, raw[at:]]).decode()


def _outside_strings(text: str, change: Callable[[str], str]) -> str:
    """Change the parts of code that lie between strings and comments."""
    raw = text.encode()
    tokens = lex(pa.array([raw], pa.large_binary()), family_of("Python"))
    fixed = [
        (start, end)
        for kind, start, end in zip(tokens.kinds.tolist(), tokens.starts.tolist(), tokens.ends.tolist(), strict=True)
        if kind == STRING
    ]
    fixed += [one.span() for one in re.finditer(rb"#[^\n]*", raw) if not any(s <= one.start() < e for s, e in fixed)]
    parts, at = [], 0
    for start, end in sorted(fixed):
        if start >= at:
            parts += [change(raw[at:start].decode()), raw[start:end].decode()]
            at = end
    return "".join([*parts, change(raw[at:].decode())])


CHANGES: dict[str, Callable[[str], str]] = {
    "verbatim": lambda text: text, "spaces": spaced, "re-indented": reindented, "comments added": commented,
    "quotes changed": requoted, "identifiers renamed": lambda text: rename(text, "Python"),
}  # fmt: skip


class Trigrams:
    """SQLite FTS5 with the trigram tokenizer: the whole snippet as a phrase."""

    def __init__(self, files: Sequence[File]) -> None:
        self.rows = sqlite3.connect(":memory:")
        self.rows.execute("CREATE VIRTUAL TABLE texts USING fts5(content_id UNINDEXED, text, tokenize='trigram')")
        self.rows.executemany("INSERT INTO texts VALUES (?, ?)", ((one.content_id, one.text.decode()) for one in files))

    def find(self, snippet: str, _language: str, identity: str) -> bool:
        phrase = '"' + snippet.replace('"', '""') + '"'
        found = self.rows.execute("SELECT content_id FROM texts WHERE text MATCH ?", (phrase,))
        return identity in {row[0] for row in found}


class Bloom:
    """Pieces of 50 characters every 50 characters of texts without layout; every piece of a snippet is asked for."""

    def __init__(self, files: Sequence[File]) -> None:
        texts = [self.plain(one.text.decode()) for one in files]
        count = sum(len(one) // GRAM for one in texts)
        self.bits = np.zeros(max(64, int(14.4 * count)), bool)  # one false hit in a thousand with 10 hashes
        for text in texts:
            for at in range(0, len(text) - GRAM + 1, GRAM):
                self.bits[self._places(text[at : at + GRAM])] = True

    @staticmethod
    def plain(text: str) -> str:
        return re.sub(r"[ \t]+", " ", re.sub(r"\s*\n\s*", "\n", text))

    def _places(self, piece: str) -> np.ndarray:
        one = hash(piece)
        return (one + np.arange(10) * (hash((piece, 1)) | 1)) % len(self.bits)

    def find(self, snippet: str, _language: str, _identity: str) -> bool:
        text = self.plain(snippet)
        return any(self.bits[self._places(text[at : at + GRAM])].all() for at in range(len(text) - GRAM + 1))


class Bytes:
    """A scan of all texts for the snippet's bytes."""

    def __init__(self, files: Sequence[File]) -> None:
        self.texts = {one.content_id: one.text for one in files}

    def find(self, snippet: str, _language: str, identity: str) -> bool:
        raw = snippet.encode()
        return identity in [one for one, text in self.texts.items() if raw in text]


@njit(cache=True, nogil=True)  # type: ignore[misc]
def longest_runs(query, tokens, bounds):  # type: ignore[no-untyped-def]
    """Return the longest run of tokens that each text has in common with a query, by going over every pair of tokens."""
    longest = np.zeros(len(bounds) - 1, np.int64)
    for row in range(len(longest)):
        before = np.zeros(len(query) + 1, np.int64)
        for at in range(bounds[row], bounds[row + 1]):
            for place in range(len(query) - 1, -1, -1):
                before[place + 1] = before[place] + 1 if query[place] == tokens[at] else 0
                longest[row] = max(longest[row], before[place + 1])
    return longest


class Scan:
    """The naive scan of all tokens: contents with 32 code tokens in a row in common, or 50 blinded ones."""

    def __init__(self, files: Sequence[File]) -> None:
        families = np.array([family_of(one.language) for one in files], np.uint8)
        self.ids = [one.content_id for one in files]
        self.tokens = lex(pa.array([one.text for one in files], pa.large_binary()), families)
        self.blinded = self.tokens.blinded()

    def contents(self, snippet: str, language: str, view: str) -> set[str]:
        query = lex(pa.array([snippet.encode()], pa.large_binary()), family_of(language))
        mine, theirs, least = (
            (query.code, self.tokens.code, 32) if view == "code" else (query.blinded(), self.blinded, 50)
        )
        found = longest_runs(mine, theirs, self.tokens.bounds) >= least
        return {self.ids[at] for at in np.flatnonzero(found)}


def table(spans: dict[int, list[Span]], contenders: dict[str, Find]) -> None:
    """Print the share of changed spans that each contender finds, and its median time."""
    sys.stdout.write(f"{'tokens':>6} {'change':<22}" + "".join(f"{name:>22}" for name in contenders) + "\n")
    for size, chosen in spans.items():
        for change, apply in CHANGES.items():
            row = ""
            for find in contenders.values():
                hits, taken = [], []
                for span in chosen:
                    snippet = apply(span.text)
                    begin = time.perf_counter()
                    hits.append(find(snippet, "Python", span.file.content_id))
                    taken.append(1000 * (time.perf_counter() - begin))
                row += f"{np.mean(hits):>11.3f}{np.median(taken):>8.2f} ms"
            sys.stdout.write(f"{size:>6} {change:<22}{row}\n")


def unrelated(files: Sequence[File], index: object) -> None:
    """Print how much of held-out files matches the corpus, and the commonest matches."""
    covered: collections.Counter[str] = collections.Counter()
    by_match: collections.Counter[tuple[str, str]] = collections.Counter()
    total = files_hit = 0
    for file in files:
        text = file.text.decode()
        tokens = lex(pa.array([file.text], pa.large_binary()), family_of(file.language))
        points = np.cumsum([0, *(len(text[a:b].encode()) for a, b in zip(range(len(text)), range(1, len(text) + 1), strict=True))])  # fmt: skip
        total += len(tokens)
        any_kind = np.zeros(len(tokens), bool)
        found = match(index, text, file.language).matches  # type: ignore[arg-type]
        for kind in ("exact", "reformatted", "renamed"):
            mask = np.zeros(len(tokens), bool)
            for one in (one for one in found if one.kind == kind):
                first, last = (int(points[at]) for at in one.query_span)
                inside = slice(
                    int(np.searchsorted(tokens.starts, first)), int(np.searchsorted(tokens.ends, last, side="right"))
                )
                mask[inside] = True
                by_match[f"{file.repo} {kind}", one.places[0].path] += inside.stop - inside.start
            covered[kind] += int((mask & ~any_kind).sum())
            any_kind |= mask
        files_hit += bool(any_kind.any())
    shares = ", ".join(f"{kind} {covered[kind] / total:.2%}" for kind in ("exact", "reformatted", "renamed"))
    sys.stdout.write(
        f"held out: {len(files):,} files, {total:,} code tokens; {sum(covered.values()) / total:.2%} match ({shares}; each counted by the "
        f"strictest), in {files_hit / len(files):.1%} of the files\ncommonest:\n"
    )
    for (here, there), count in by_match.most_common(12):
        sys.stdout.write(f"  {count:>8,} tokens  {here}  <-  {there}\n")


def truth(spans: Sequence[Span], files: Sequence[File], index: object) -> None:
    """Print what the naive scan finds and we do not, and the other way round."""
    scan, taken = Scan(files), []
    more, less, found = 0, 0, 0
    for span in spans:
        snippet = spaced(span.text)
        begin = time.perf_counter()
        expected = scan.contents(snippet, "Python", "code")
        taken.append(time.perf_counter() - begin)
        answer = match(index, snippet, "Python")  # type: ignore[arg-type]
        ours = {one.content_id for one in answer.matches if one.kind != "renamed"}
        if not answer.capped:
            more, less, found = more + len(ours - expected), less + len(expected - ours), found + len(expected)
    sys.stdout.write(
        f"naive scan of code tokens: {np.median(taken):.2f} s a query; of {found:,} contents we miss {less}; "
        f"{more} more match by their lexemes alone (docstrings)\n"
    )


def infini_gram(python: str, files: Sequence[File], spans: dict[int, list[Span]], scratch: Path) -> None:
    """Run infini-gram under its own interpreter over the same files and spans."""
    import json

    asked = [
        (size, change, apply(span.text))
        for size, chosen in spans.items()
        for change, apply in CHANGES.items()
        for span in chosen
    ]
    given = scratch / "given.json"
    given.write_text(json.dumps({"texts": [one.text.decode() for one in files], "asked": asked}))
    script = Path(__file__).parent / "peers" / "search" / "infini_gram_found.py"
    subprocess.run([python, str(script), str(given), str(scratch)], check=True)


def corpus_of(folders: Sequence[Path], most_bytes: int) -> tuple[list[File], list[File]]:
    """Return the corpus and what is held out: one package in four, by its name."""
    files = read_folders(folders, 1 << 40)
    sizes: collections.Counter[str] = collections.Counter()
    for one in files:
        sizes[one.repo] += len(one.text)
    names = sorted(sizes, key=lambda name: content_id(name.encode()))
    total = np.cumsum([sizes[name] for name in names])
    chosen = names[: int(np.searchsorted(total, most_bytes)) + 1]
    away = set(chosen[::HELD_OUT])
    kept = set(chosen) - away
    return [one for one in files if one.repo in kept], [one for one in files if one.repo in away and _parses(one)]


def _parses(file: File) -> bool:
    if file.language != "Python":
        return True
    try:
        return bool(ast.parse(file.text))
    except (SyntaxError, ValueError):
        return False


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description="Which changed copies are found.")
    paths = sysconfig.get_paths()
    parser.add_argument("folders", nargs="*", type=Path, default=[Path(paths["stdlib"]), Path(paths["purelib"])])
    parser.add_argument("--megabytes", type=int, default=40)
    parser.add_argument("--spans", type=int, default=100, help="of each length")
    parser.add_argument("--peers", help="an interpreter with infini-gram")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        files, held = corpus_of(options.folders, options.megabytes * 1_000_000)
        folder = Path(scratch) / "index"
        write_index(files, folder)
        index = open_index(folder)
        sys.stdout.write(f"corpus {len(files):,} files, {sum(len(one.text) for one in files) / 1e6:,.0f} MB\n")
        spans = {size: spans_of(files, size, options.spans) for size in SIZES}

        def ours(snippet: str, language: str, identity: str) -> bool:
            answer = match(index, snippet, language)
            found = {one.content_id for one in answer.matches}
            return identity in found or (answer.capped and len(found) >= MOST_CONTENTS)

        contenders: dict[str, Find] = {
            "ours": ours, "FTS5 trigram": Trigrams(files).find, "Bloom 50/50": Bloom(files).find, "scan of bytes": Bytes(files).find,
        }  # fmt: skip
        table(spans, contenders)
        unrelated(held, index)
        truth(spans[SIZES[1]][:20], files, index)
        if options.peers:
            infini_gram(options.peers, files, spans, Path(scratch))


if __name__ == "__main__":
    main()
