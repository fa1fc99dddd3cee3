"""Indexes texts with infini-gram, byte by byte, and prints which spans it finds, for bench/search_mutations.py.

Usage: python infini_gram_found.py GIVEN.json FOLDER   needs infini-gram, numpy, tqdm and transformers (Linux)
GIVEN.json: {"texts": [..], "asked": [[tokens, change, snippet], ..]}. A span is found when its bytes occur in the corpus.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean, median

from infini_gram.engine import InfiniGramEngine

given, folder = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]) / "infini-gram"
for name in ("texts", "index"):
    (folder / name).mkdir(parents=True)
with (folder / "texts" / "corpus.jsonl").open("w") as file:
    file.writelines(json.dumps({"text": text}) + "\n" for text in given["texts"])
begin = time.perf_counter()
words = [
    sys.executable, "-m", "infini_gram.indexing", "--data_dir", str(folder / "texts"), "--save_dir", str(folder / "index"),
    "--token_dtype", "u8", "--cpus", "2", "--mem", "4", "--ulimit", str(resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
]  # fmt: skip
subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
size, seconds = sum(len(text.encode()) for text in given["texts"]), time.perf_counter() - begin
table = (folder / "index" / "table.0").stat().st_size
sys.stdout.write(
    f"infini-gram, bytes: indexed at {size / seconds / 1e6:.1f} MB/s, {table / size:.2f} bytes a byte beside the text\n"
)
engine = InfiniGramEngine(
    index_dir=str(folder / "index"), eos_token_id=254, vocab_size=255, version=4, token_dtype="u8"
)
rows: dict[tuple[int, str], list[tuple[bool, float]]] = {}
for tokens, change, snippet in given["asked"]:
    begin = time.perf_counter()
    found = engine.find(input_ids=list(snippet.encode()))
    rows.setdefault((tokens, change), []).append((found["cnt"] > 0, 1000 * (time.perf_counter() - begin)))
for (tokens, change), row in rows.items():
    shares = mean(found for found, _ in row), median(taken for _, taken in row)
    sys.stdout.write(f"{tokens:>6} {change:<22}{shares[0]:>11.3f}{shares[1]:>8.2f} ms\n")
