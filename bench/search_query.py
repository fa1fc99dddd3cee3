"""Times snippet queries against an index of real code: warm, with a dropped page cache, known and unknown language.

Run: python bench/search_query.py [RELEASE...|FOLDER...] [--megabytes N] [--index FOLDER] [--queries N]
default: the largest release below build/, or, where there is none, the standard library and the site-packages of this interpreter, taken
as they are. --index: asks an index that is there instead. The release is the measure; folders hold near duplicates that a release has not.
A query is 200 code tokens in a row out of a random text of the index, verbatim or with other names and another layout. Timed is
`match` alone, from the string to the answer, verification and provenance included, within the limits for people who type; one line
within those for people who ask. A page of the index is checked against its sum when a process reads it first: the first line counts
that, the others are of a process that has read what they read before; no answer is kept. For the cold column the index is closed, its
files are dropped from the page cache and it is opened anew before each query; opening is not counted.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import os
import random
import re
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.support.releases import releases
from stack_data import storage
from stack_data.identity import content_id
from stack_data.languages.names import by_extension
from stack_data.search import index_state
from stack_data.search.answer import Answer
from stack_data.search.build import build
from stack_data.search.documents import places_table, raw_column, relation_column
from stack_data.search.families import family_of
from stack_data.search.index import Index, open_index
from stack_data.search.lexer import CODE, NAME, NUMBER, STRING, lex
from stack_data.search.limits import QUICK, THOROUGH
from stack_data.search.protocol import Release
from stack_data.search.query import match
from stack_data.search.segment_writer import Contents, write_segment

SEGMENT_BYTES = 512 << 20
MAX_BYTES = 1 << 20
TOKENS = 200


@dataclass(frozen=True)
class File:
    """A text of the corpus. repo: the folder directly below the one that was named."""

    content_id: str
    text: bytes
    language: str
    repo: str
    path: str


def read_folders(folders: Sequence[Path], most_bytes: int) -> list[File]:
    """Return the distinct source texts below folders, by content id, up to a size of all."""
    found: dict[str, File] = {}
    size = 0
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if "site-packages" in path.relative_to(folder).parts:
                continue
            languages = by_extension().get(path.suffix.lower())
            if not languages or path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_BYTES:
                continue
            text = path.read_bytes()
            identity = content_id(text)
            if size >= most_bytes or identity in found or b"\0" in text or not text.strip() or not _is_utf8(text):
                continue
            inside = path.relative_to(folder)
            language = "Python" if path.suffix == ".py" else languages[0]
            found[identity] = File(identity, text, language, f"{folder.name}/{inside.parts[0]}", inside.as_posix())
            size += len(text)
    return sorted(found.values(), key=lambda one: one.content_id)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def write_index(files: Sequence[File], folder: Path) -> None:
    """Write an index of texts, without a release around them."""
    made, held, size = [], [], 0
    with storage.locked(folder), ThreadPoolExecutor(os.cpu_count()) as pool:
        for file in [*files, None]:
            if held and (file is None or size + len(file.text) > SEGMENT_BYTES):
                number = len(made) + 1
                sha256 = write_segment(
                    folder / index_state.SEGMENTS, number, _contents(held), pool, os.cpu_count() or 1
                )
                made.append((number, sha256))
                held, size = [], 0
            if file is not None:
                held.append(file)
                size += len(file.text)
        release = Release("bench", "1.0.0", hashlib.sha256(str(len(files)).encode()).hexdigest())
        index_state.write(folder, index_state.with_segments(index_state.State(), [release], made, keep=True))


def _contents(files: Sequence[File]) -> Contents:
    sizes = np.array([len(one.text) for one in files])
    count = len(files)
    ids = raw_column(np.array([bytes.fromhex(one.content_id) for one in files], "S20"), 20)
    hashes = raw_column(np.array([hashlib.sha256(one.text).digest() for one in files], "S32"), 32)
    ones, languages, empty = (
        np.ones(count, np.uint64),
        pa.array([one.language for one in files]),
        pa.array([""] * count),
    )
    names = [one.repo.split("/") for one in files]
    places = places_table(
        {
            "document": np.arange(count, dtype=np.uint32), "releases": ones, "content_id": ids,
            "relation": relation_column(np.zeros(count, np.int8)), "host": pa.array(["local"] * count),
            "owner": pa.array([one[0] for one in names]), "repo": pa.array([one[1] for one in names]),
            "owner_id": pa.nulls(count, pa.int64()), "repo_id": pa.nulls(count, pa.int64()), "revision": empty,
            "path": pa.array([one.path for one in files]), "language": languages, "license": empty,
        }
    )  # fmt: skip
    columns = {
        "content_id": ids, "sha256": hashes, "text_sha256": hashes, "language": languages, "license": empty,
        "num_bytes": pa.array(sizes.astype(np.int32)), "releases": ones,
    }  # fmt: skip

    def read(begin: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        texts = b"".join(one.text for one in files[begin:end])
        return np.frombuffer(texts, np.uint8), np.cumsum([0, *sizes[begin:end].tolist()])

    return Contents(columns, places, sizes, read, np.empty(0, np.int64))


def read_index(folder: Path) -> list[File]:
    """Return the texts of an index."""
    index = open_index(folder)
    files = []
    for segment in index.segments:
        rows = np.flatnonzero(segment.num_bytes > 0)
        data, bounds = segment.texts.read(rows)
        languages = segment.documents["language"].take(pa.array(rows)).to_pylist()
        for row, language, begin, end in zip(
            rows.tolist(), languages, bounds[:-1].tolist(), bounds[1:].tolist(), strict=True
        ):
            identity = segment.content_ids[row].ljust(20, b"\0").hex()
            files.append(File(identity, data[begin:end].tobytes(), language, "", ""))
    return files


def snippets(files: Sequence[File], tokens: int, count: int, seed: int = 1) -> Iterator[tuple[File, str]]:
    """Yield pieces of exactly so many code tokens out of random texts, a text as likely as it is long."""
    draw = random.Random(seed)
    weights = [len(one.text) for one in files]
    while count:
        file = draw.choices(files, weights)[0]
        found = lex(pa.array([file.text], pa.large_binary()), family_of(file.language))
        if len(found) < tokens:
            continue
        begin = draw.randrange(len(found) - tokens + 1)
        yield file, file.text[found.starts[begin] : found.ends[begin + tokens - 1]].decode()
        count -= 1


def rename(snippet: str, language: str) -> str:
    """Return a snippet with other names, numbers and strings, and twice the spaces."""
    raw = snippet.encode()
    found = lex(pa.array([raw], pa.large_binary()), family_of(language), CODE)
    parts, at = [], 0
    for kind, start, end in zip(found.kinds.tolist(), found.starts.tolist(), found.ends.tolist(), strict=True):
        parts.append(raw[at:start].replace(b" ", b"  "))
        word = raw[start:end]
        if kind == NAME:
            word = b"xq" + word
        elif kind == NUMBER:
            word = b"9" + str(len(word)).encode()
        elif kind == STRING and re.fullmatch(rb"[\"'][^\"'\\\n]*[\"']", word):
            word = word[:1] + b"z" + word[1:]
        parts.append(word)
        at = end
    return b"".join([*parts, raw[at:]]).decode()


def times(ask: Callable[[str, str], object], queries: Sequence[tuple[str, str]]) -> np.ndarray:
    """Return the milliseconds of each query."""
    taken = []
    for snippet, language in queries:
        begin = time.perf_counter()
        ask(snippet, language)
        taken.append(1000 * (time.perf_counter() - begin))
    return np.array(taken)


def cold(folder: Path, queries: Sequence[tuple[str, str]]) -> np.ndarray:
    """Return the milliseconds of each query with a dropped page cache."""
    taken = []
    for query in queries:
        drop(folder)
        index = open_index(folder)
        taken.append(times(lambda snippet, language, index=index: match(index, snippet, language, QUICK), [query])[0])
        del index
        gc.collect()
    return np.array(taken)


def drop(folder: Path) -> None:
    """Drop the files of a folder from the page cache; none of them is mapped."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fdatasync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def told(name: str, taken: np.ndarray) -> None:
    p50, p90, p99 = np.percentile(taken, [50, 90, 99])
    sys.stdout.write(f"{name:<44}{len(taken):>6}{p50:>9.2f}{p90:>9.2f}{p99:>9.2f}{taken.max():>9.2f}\n")


def anonymous_megabytes() -> float:
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+)", status)[1]) / 1e3  # type: ignore[index]


def report(files: Sequence[File], folder: Path, count: int) -> None:
    """Print the table of latencies."""
    index: Index | None = open_index(folder)
    verbatim = [(snippet, file.language) for file, snippet in snippets(files, TOKENS, count)]
    renamed = [(rename(snippet, language), language) for snippet, language in verbatim]
    longer = [(snippet, file.language) for file, snippet in snippets(files, 1000, count // 4)]

    def ask(snippet: str, language: str) -> Answer:
        return match(index, snippet, language, QUICK)  # type: ignore[arg-type]

    def blind(snippet: str, _language: str) -> Answer:
        return match(index, snippet, None, QUICK)  # type: ignore[arg-type]

    def thorough(snippet: str, language: str) -> Answer:
        return match(index, snippet, language, THOROUGH)  # type: ignore[arg-type]

    times(ask, verbatim[:20] + renamed[:20])
    times(blind, verbatim[:20])
    sys.stdout.write(f"{'milliseconds a query':<44}{'n':>6}{'p50':>9}{'p90':>9}{'p99':>9}{'max':>9}\n")
    gc.collect()
    gc.freeze()  # the texts that queries are drawn from are this program's, no reader's
    told(f"{TOKENS} tokens, verbatim, pages not seen before", times(ask, verbatim))
    told(f"{TOKENS} tokens, verbatim, language known", times(ask, verbatim))
    told(f"{TOKENS} tokens, verbatim, language unknown", times(blind, verbatim))
    told(f"{TOKENS} tokens, renamed and laid out anew", times(ask, renamed))
    told("1000 tokens, verbatim, language known", times(ask, longer))
    told(f"{TOKENS} tokens, verbatim, thorough", times(thorough, verbatim))
    for name, function in (("quick", ask), ("thorough", thorough)):
        capped = sum(function(*query).capped for query in verbatim)
        sys.stdout.write(f"capped of {len(verbatim)}, {name}: {capped}\n")
    index = None
    gc.collect()
    told(f"{TOKENS} tokens, verbatim, page cache dropped", cold(folder, verbatim[: max(20, count // 10)]))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description="Measure snippet queries.")
    paths = sysconfig.get_paths()
    parser.add_argument("folders", nargs="*", type=Path, help="releases, or folders of code")
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--index", type=Path, help="keep the index here, and take the one that is there")
    parser.add_argument("--queries", type=int, default=1000)
    options = parser.parse_args()
    chosen = options.folders or releases()[:1] or [Path(paths["stdlib"]), Path(paths["purelib"])]
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.index or Path(scratch) / "index"
        begin = time.perf_counter()
        if not (folder / index_state.INDEX).exists():
            if (chosen[0] / "manifest.json").exists():
                build(chosen, folder)
            else:
                write_index(read_folders(chosen, options.megabytes * 1_000_000), folder)
        files = read_index(folder)
        megabytes = sum(len(one.text) for one in files) / 1e6
        sys.stdout.write(f"{len(files):,} files, {megabytes:,.0f} MB; index in {time.perf_counter() - begin:.0f} s\n")
        report(files, folder, options.queries)
        sys.stdout.write(f"anonymous resident memory, corpus included {anonymous_megabytes():,.0f} MB\n")


if __name__ == "__main__":
    main()
