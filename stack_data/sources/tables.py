"""Tables that users give: CSV, JSON lines or Parquet, read row by row as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from stack_data.errors import SourceError

_READERS = {".csv": pyarrow.csv.read_csv, ".jsonl": pyarrow.json.read_json, ".parquet": pyarrow.parquet.read_table}


def read_table(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table; SourceError names the file when it is of another kind or damaged."""
    reader = _READERS.get(path.suffix)
    if reader is None:
        raise SourceError(f"{path}: a table is .csv, .jsonl or .parquet")
    try:
        table = reader(path)
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"{path}: {str(error).splitlines()[0][:200]}") from error
    for batch in table.to_batches():
        yield from batch.to_pylist()
