"""What bench/search_mutations.py sets beside our search: SQLite FTS5, a Bloom filter of n-grams, a scan for bytes, infini-gram."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from search_query import File

GRAM = 50
Rows = dict[tuple[int, str], tuple[float, float]]
"""The share that was found of spans of a length after a change, and the median milliseconds."""


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


def infini_gram(python: str, files: Sequence[File], asked: Sequence[tuple[int, str, str]], scratch: Path) -> Rows:
    """Run infini-gram under its own interpreter over the same files; asked: (tokens, change, snippet); prints what its index cost."""
    given = scratch / "given.json"
    given.write_text(json.dumps({"texts": [one.text.decode() for one in files], "asked": asked}))
    script = Path(__file__).with_name("infini_gram_found.py")
    said = subprocess.run([python, str(script), str(given), str(scratch)], check=False, capture_output=True, text=True)
    if said.returncode:
        sys.exit(f"infini-gram did not run under {python}: {said.stderr.strip().splitlines()[-1:] or said.returncode}")
    cost, *rows = said.stdout.splitlines()
    sys.stdout.write(cost + "\n")
    found = [re.fullmatch(r" *(\d+) (.+?) +([\d.]+) +([\d.]+) ms", row) for row in rows]
    return {(int(one[1]), one[2]): (float(one[3]), float(one[4])) for one in found if one}
