"""Runs datatrove's MinHash pipeline over a Parquet file and prints the ids it keeps, for bench/near.py.

Usage: python datatrove_kept.py CORPUS.parquet OUTPUT.txt WORKERS   needs datatrove[io,processing] (PyPI 0.10)
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.writers import JsonlWriter


def main() -> None:
    """Run the four steps, each on all workers where it can."""
    corpus, output, workers = sys.argv[1], sys.argv[2], int(sys.argv[3])
    config = MinhashConfig(n_grams=5, num_buckets=32, hashes_per_bucket=8)
    with tempfile.TemporaryDirectory() as folder:
        # One task reads one file: as many files as workers.
        table = pq.read_table(corpus)
        (Path(folder) / "in").mkdir()
        for task in range(workers):
            first, last = (table.num_rows * at // workers for at in (task, task + 1))
            pq.write_table(table.slice(first, last - first), f"{folder}/in/{task}.parquet")
        reader = ParquetReader(f"{folder}/in", text_key="content", id_key="id")
        steps = [
            ([reader, MinhashDedupSignature(f"{folder}/signatures", config=config)], workers),
            ([MinhashDedupBuckets(f"{folder}/signatures", f"{folder}/buckets", config=config)], 32),
            ([MinhashDedupCluster(f"{folder}/buckets", f"{folder}/remove", config=config)], 1),
            ([reader, MinhashDedupFilter(f"{folder}/remove"), JsonlWriter(f"{folder}/kept")], workers),
        ]
        for number, (pipeline, tasks) in enumerate(steps):
            LocalPipelineExecutor(pipeline, tasks=tasks, workers=workers, logging_dir=f"{folder}/log{number}").run()
        lines = [
            line
            for path in Path(folder, "kept").glob("*.gz")
            for line in gzip.decompress(path.read_bytes()).splitlines()
        ]
        Path(output).write_text("\n".join(json.loads(line)["id"] for line in lines))


if __name__ == "__main__":
    main()
