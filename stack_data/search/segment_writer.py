"""Writing a segment: documents and places in order, their texts lexed, sampled and compressed lot by lot on threads.

`write_segment` makes segments/<number>/ under a temporary name, and renames it when everything is on the disk: a segment that has its
name is whole. Lots are cut by bytes and finished in order, so the same documents give the same bytes for any number of workers.
Memory: the texts of a few lots, the samples (10 bytes each, about a sixth of a byte per byte of text) and the places.
"""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stack_data import manifest, storage
from stack_data.manifest import Output
from stack_data.search import documents as tables
from stack_data.search import samples
from stack_data.search.families import family_of
from stack_data.search.grams import Grams, samples_of
from stack_data.search.kernels import LEXER_VERSION
from stack_data.search.lexer import lex_bytes, lexemes
from stack_data.search.mark_store import MARKS, Marks, write_marks
from stack_data.search.outlines import outline
from stack_data.search.pages import Bytes, map_file, page_sums
from stack_data.search.segment import MANIFEST, SUMMED, SUMS, SUPERSEDED, TOMBSTONES
from stack_data.search.text_store import BLOCKS, Packed, TextWriter, pack
from stack_data.search.views import VIEWS

LOT_BYTES = 1 << 20
"""Small enough that the allocator keeps the columns of tokens for the next lot."""
Ints = npt.NDArray[np.int64]
Reader = Callable[[int, int], tuple[Bytes, Ints]]
"""Returns the texts of the documents from one row to another, one after the other, and their bounds."""
One = TypeVar("One")
Other = TypeVar("Other")


@dataclass(frozen=True, slots=True)
class Contents:
    """What a segment is made of: D documents by content_id, their places by (document, rank).

    documents: columns of documents.DOCUMENTS but for place_begin and the counts of tokens, which are found here; places: a table of
    documents.PLACES; sizes int64[D]: bytes of each text, 0 where num_bytes is -1; read: gives the texts; superseded int64[W]: documents
    of earlier segments (number << 32 | row), ascending, whose text is replaced by one here.
    """

    documents: dict[str, Any]
    places: pa.Table
    sizes: Ints
    read: Reader
    superseded: Ints


@dataclass(frozen=True, slots=True)
class _Lot:
    packed: Packed | None
    samples: tuple[Grams, ...]
    marks: tuple[Ints, Marks]
    num_lexemes: Ints
    num_code: Ints


def in_order(
    pool: ThreadPoolExecutor, function: Callable[[One], Other], items: Iterable[One], ahead: int
) -> Iterator[Other]:
    """Yield the results of a function, in order, from at most `ahead` calls that run or wait to be taken."""
    pending: deque[Future[Other]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()


def write_segment(segments: Path, number: int, contents: Contents, pool: ThreadPoolExecutor, workers: int) -> str:
    """Write a segment and return the SHA-256 of its manifest. StorageError when the disk refuses."""
    target, folder = segments / str(number), segments / f".{number}.tmp"
    storage.make_folder(segments)
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        _write(folder, contents, pool, workers)
        storage.sync_folder(folder)
        shutil.rmtree(target, ignore_errors=True)
        folder.rename(target)
        storage.sync_folder(segments)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise storage.refused(target, error) from error
    return storage.sha256_file(target / MANIFEST)


def _write(folder: Path, contents: Contents, pool: ThreadPoolExecutor, workers: int) -> None:
    families = _families(contents.documents["language"])
    lots = _lots(contents.sizes)
    texts, made = TextWriter(folder), []

    def work(lot: tuple[int, int]) -> _Lot:
        return _lot(*contents.read(*lot), families[lot[0] : lot[1]])

    for one in in_order(pool, work, lots, 3 * workers):
        assert one.packed is not None
        texts.add(one.packed)
        made.append(replace(one, packed=None))
    num_blocks = texts.close(contents.sizes)
    write_marks(folder / MARKS, [one.marks for one in made])
    num_samples = _write_samples(folder, [one.samples for one in made], pool)
    counts = {
        "num_lexemes": np.concatenate([one.num_lexemes for one in made]),
        "num_code_tokens": np.concatenate([one.num_code for one in made]),
    }
    del made
    _write_tables(folder, contents, counts)
    _finish(folder, contents, num_blocks, num_samples, pool)


def _families(languages: pa.Array) -> npt.NDArray[np.uint8]:
    """Return the family of each document: uint8[D]."""
    encoded = languages if pa.types.is_dictionary(languages.type) else languages.dictionary_encode()
    known = np.array([family_of(one) for one in encoded.dictionary.to_pylist()] + [family_of(None)], np.uint8)
    return np.asarray(known[encoded.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)], np.uint8)


def _lots(sizes: Ints) -> list[tuple[int, int]]:
    """Cut documents into lots of about LOT_BYTES of text, whatever the number of workers."""
    ends = np.cumsum(sizes)
    cuts = np.searchsorted(ends, np.arange(LOT_BYTES, int(ends[-1]) + 1, LOT_BYTES)) + 1
    edges = np.unique(np.concatenate([[0], cuts, [len(sizes)]])).tolist()
    return list(zip(edges[:-1], edges[1:], strict=True))


def _lot(data: Bytes, bounds: Ints, families: npt.NDArray[np.uint8]) -> _Lot:
    """Lex, sample and compress texts."""
    begins, ends = bounds[:-1], bounds[1:]
    texts = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(begins), [None, pa.py_buffer(bounds), pa.py_buffer(data)]
    )
    words = lexemes(texts)
    found = [samples_of(words, VIEWS[0])]
    tokens = lex_bytes(data, begins, ends, families)
    found += [samples_of(tokens, view) for view in VIEWS[1:]]
    marks = outline(tokens, words, data, begins, ends, families)
    return _Lot(pack(data, bounds), tuple(found), marks, np.diff(words.bounds), np.diff(tokens.bounds))


def _write_samples(folder: Path, lots: Sequence[tuple[Grams, ...]], pool: ThreadPoolExecutor) -> dict[str, int]:
    """Sort and write the tables of the views."""

    def work(place: int) -> int:
        parts = [lot[place] for lot in lots]
        counts = np.concatenate([np.diff(one.bounds) for one in parts])
        return samples.write_table(folder / samples.file_name(VIEWS[place]), parts, counts)

    return dict(zip((view.name for view in VIEWS), pool.map(work, range(len(VIEWS))), strict=True))


def _write_tables(folder: Path, contents: Contents, counts: dict[str, Ints]) -> None:
    owners = contents.places["document"].to_numpy()
    begins = np.searchsorted(owners, np.arange(len(contents.sizes)))
    made = tables.documents_table(contents.documents | {"place_begin": begins.astype(np.uint32)} | counts)
    tables.write_batch(folder / tables.DOCUMENTS_FILE, made)
    tables.write_batch(folder / tables.PLACES_FILE, contents.places)
    repositories, rows = tables.repositories_of(contents.places)
    tables.write_batch(folder / tables.REPOSITORIES_FILE, repositories)
    (folder / tables.REPOSITORY_PLACES_FILE).write_bytes(rows.tobytes())
    (folder / tables.HASHES_FILE).write_bytes(tables.hash_order(made, contents.places).tobytes())
    (folder / SUPERSEDED).write_bytes(contents.superseded.astype(np.int64).tobytes())
    (folder / TOMBSTONES).write_bytes(bytes(contents.places.num_rows))


def _finish(
    folder: Path, contents: Contents, num_blocks: int, num_samples: dict[str, int], pool: ThreadPoolExecutor
) -> None:
    """Write sums and the manifest, and flush everything to the disk."""
    sums = list(pool.map(lambda name: page_sums(map_file(folder / name)), SUMMED))
    (folder / SUMS).write_bytes(np.concatenate(sums).tobytes())
    names = sorted([*SUMMED, BLOCKS, SUMS])
    hashed = list(pool.map(lambda name: Output.of(folder / name, _holds(name)), names))
    plan = {
        "kind": "segment", "lexer": LEXER_VERSION,
        "views": {view.name: {"k": view.k, "stride": view.stride} for view in VIEWS},
    }  # fmt: skip
    counts = {
        "documents": len(contents.sizes), "places": contents.places.num_rows, "bytes": int(contents.sizes.sum()),
        "blocks": num_blocks, "samples": num_samples,
    }  # fmt: skip
    for name in [*names, TOMBSTONES]:
        _sync(folder / name)
    manifest.Manifest(plan, dict(zip(names, hashed, strict=True)), counts).write(folder / MANIFEST)


def _holds(name: str) -> str:
    return "text" if name == BLOCKS else "signatures" if name.endswith(".samples") else "none"


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
