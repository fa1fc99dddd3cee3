"""Runs text-dedup's MinHash over a Parquet file and prints the ids it keeps, for bench/near.py.

Usage: python text_dedup_kept.py CORPUS.parquet OUTPUT.txt WORKERS   needs text-dedup (PyPI 0.4)
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from datasets import load_from_disk

corpus, output, workers = sys.argv[1:4]
with tempfile.TemporaryDirectory() as folder:
    words = [
        sys.executable, "-m", "text_dedup.minhash", "--path", "parquet", "--data_files", corpus, "--split", "train",
        "--cache_dir", f"{folder}/cache", "--output", f"{folder}/kept", "--column", "content", "--ngram", "5",
        "--num_perm", "256", "--b", "32", "--r", "8", "--threshold", "0.7", "--min_length", "5", "--num_proc", workers,
    ]  # fmt: skip
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    Path(output).write_text("\n".join(load_from_disk(f"{folder}/kept")["id"]))
