"""The keyword index of one segment: tantivy over words of texts, paths, repositories, languages and licences.

Reads and writes one folder, made beside under another name and renamed when it is whole; it never changes after that. Fields:

content     words of the text, with positions (phrases)          exact     compound identifiers as they are written
path        words of each path                                   repository  host/owner/repo and its shorter forms, folded
language    in small letters                               row       the document's row in its segment
license     each id of the expression, with its exception and without, in small letters

Texts are not stored again: lines are shown from the text store (highlights.py). What was removed is not taken out of these files;
whoever asks drops hits whose document is hidden, and a merge makes new files.

Choice: words are split and joined by our own kernel and tantivy only cuts at spaces, so that queries, phrases and lines shown agree
to the letter. Not covered: stemming, fuzzy words.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import tantivy

from stack_data import storage
from stack_data.errors import InputError
from stack_data.identity import fold_name
from stack_data.search.code_words import WORDS_VERSION, streams
from stack_data.search.keyword_query import EXACT, LANGUAGE, LICENSE, PATH, TEXT, Clause, repository_term

FORMAT = "fairstack-keywords/2"
MANIFEST = "keywords.json"
HEAP_BYTES = 96 << 20
_PATH_BOOST, _EXACT_BOOST = 1.5, 2.0


@dataclass(frozen=True, slots=True)
class Keyed:
    """D documents to index. rows: int64[D]; texts: large_binary or large_string[D]; of each: paths, folded repository keys
    (list<string>[D]), language and license expression (string[D])."""

    rows: npt.NDArray[np.int64]
    texts: pa.Array
    paths: pa.ListArray
    repositories: pa.ListArray
    languages: pa.Array
    licenses: pa.Array


def schema() -> tantivy.Schema:
    """Return the fields."""
    fields = tantivy.SchemaBuilder()
    fields.add_text_field("content", tokenizer_name="words", index_option="position")
    fields.add_text_field("path", tokenizer_name="words", index_option="position")
    fields.add_text_field("exact", tokenizer_name="words", index_option="freq")
    for name in ("repository", "language", "license"):
        fields.add_text_field(name, tokenizer_name="raw", index_option="basic")
    fields.add_unsigned_field("row", fast=True)
    return fields.build()


# Writing


def write(folder: Path, documents: Iterable[Keyed], threads: int = 1) -> int:
    """Make the keyword index of a segment at `folder`; return its bytes on disk.

    What is there is of a writer that was killed before the index named its segment, and makes room. Raises StorageError when the disk
    refuses; a killed writer leaves a folder whose name begins with `.`, or a whole one of a segment that is not listed.
    """
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        number = _fill(beside, documents, threads)
        files = {path.name: storage.sha256_file(path) for path in sorted(beside.iterdir()) if path.suffix != ".lock"}
        for name in files:
            _sync(beside / name)
        storage.write_json(
            beside / MANIFEST, {"format": FORMAT, "words": WORDS_VERSION, "documents": number, "files": files}
        )
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)
        storage.sync_folder(folder.parent)
    except OSError as error:
        raise storage.refused(folder, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return sum(path.stat().st_size for path in folder.iterdir())


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _fill(folder: Path, documents: Iterable[Keyed], threads: int) -> int:
    index = tantivy.Index(schema(), path=str(folder))
    # Words come in small letters with spaces between them: only a cut is left to do.
    index.register_tokenizer("words", tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build())
    writer = index.writer(HEAP_BYTES * threads, threads)
    number = 0
    for batch in documents:
        for document in _documents(batch):
            writer.add_document(document)
            number += 1
    writer.commit()
    writer.wait_merging_threads()
    return number


def _documents(batch: Keyed) -> Iterator[tantivy.Document]:
    from stack_data.licenses.expressions import base_id, ids  # who only asks needs no licences

    contents, identifiers = streams(batch.texts)
    joined, _ = streams(batch.paths.flatten())
    paths = pa.ListArray.from_arrays(
        pa.array(np.cumsum([0, *_lengths(batch.paths)]), pa.int32()), joined.cast(pa.string())
    )
    columns = (contents, identifiers, paths, batch.repositories, batch.languages, batch.licenses)
    for row, content, exact, path, keys, language, expression in zip(batch.rows.tolist(), *columns, strict=True):
        document = tantivy.Document()
        document.add_unsigned("row", row)
        document.add_text("content", content.as_py())
        document.add_text("exact", exact.as_py())
        for one in dict.fromkeys(path.as_py()):
            document.add_text("path", one)
        for one in sorted({form for key in keys.as_py() for form in forms_of(key)}):
            document.add_text("repository", one)
        document.add_text("language", (language.as_py() or "").lower())
        known = ids(expression.as_py() or "")
        for one in sorted({*known, *map(base_id, known)}):
            document.add_text("license", one.lower())
        yield document


def _lengths(lists: pa.ListArray) -> list[int]:
    return [int(one) for one in lists.value_lengths().fill_null(0).to_pylist()]


def forms_of(key: str) -> list[str]:
    """Return what a folded host/owner/repo is found by: with any host, any repository, and by the groups above its owner."""
    host, _, rest = key.partition("/")
    owner, _, repo = rest.rpartition("/")
    steps = owner.split("/")
    groups = ["/".join(steps[:length]) for length in range(1, len(steps) + 1)]
    return [f"{at}/{owner}/{repo}" for at in (host, "*")] + [
        f"{at}/{group}/*" for at in (host, "*") for group in groups
    ]


# Searching


@dataclass(frozen=True, slots=True)
class Hits:
    """K hits of a segment, the best first. rows: int64[K]; scores: float64[K]; total: how many there are in all."""

    rows: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    total: int


class Keywords:
    """The opened keyword index of a segment. Safe to be used by several threads."""

    def __init__(self, folder: Path) -> None:
        """Open it; InputError when it is missing, damaged, or made by another version.

        Every byte is compared with the manifest, which takes a second for a few gigabytes of text: tantivy itself may give a
        wrong answer or stop the process where a file is damaged.
        """
        made = storage.read_json(folder / MANIFEST)
        known = made if isinstance(made, dict) else {}
        if known.get("format") != FORMAT or known.get("words") != WORDS_VERSION:
            seen = f"{known.get('format')}, words {known.get('words')}"
            raise InputError(
                f"{folder} is a keyword index of another version ({seen}); make it anew: search keywords INDEX"
            )
        for problem in verify(folder):
            raise InputError(f"{problem}; make it anew: search keywords INDEX")
        try:
            self._index = tantivy.Index.open(str(folder))
            self._searcher = self._index.searcher()
        except (ValueError, OSError) as error:
            raise InputError(
                f"{folder} is damaged: {storage.first_line(error)}; make it anew: search keywords INDEX"
            ) from error
        self._schema = schema()

    def search(self, clauses: Sequence[Clause], limit: int, hosts: tuple[str, ...] = ()) -> Hits:
        """Return the best `limit` hits of all clauses. hosts: the index's, for names without an address."""
        return self._asked(_query(self._schema, clauses, hosts), limit)

    def _asked(self, query: tantivy.Query, limit: int) -> Hits:
        try:
            found = self._searcher.search(query, max(limit, 1))
            rows = self._searcher.fast_field_values("row", [address for _, address in found.hits])
        except (ValueError, OSError) as error:
            raise InputError(f"the keyword index is damaged: {storage.first_line(error)}") from error
        scores = np.array([score for score, _ in found.hits], np.float64)
        total: Any = found.count  # type: ignore[attr-defined]
        return Hits(np.array(rows, np.int64), scores, int(total))


def _query(fields: tantivy.Schema, clauses: Sequence[Clause], hosts: tuple[str, ...]) -> tantivy.Query:
    occurs = {False: tantivy.Occur.Must, True: tantivy.Occur.MustNot}
    return tantivy.Query.boolean_query([(occurs[one.excluded], _part(fields, one, hosts)) for one in clauses])


def _part(fields: tantivy.Schema, clause: Clause, hosts: tuple[str, ...]) -> tantivy.Query:
    query = tantivy.Query
    if clause.field == TEXT:
        return _anywhere(fields, clause)
    if clause.field == PATH:
        return _row_of_words(fields, "path", clause.words)
    if clause.field == EXACT:
        # A word that is no compound is not kept as it is written.
        is_whole = len(clause.words) == 1
        return query.term_query(
            fields, *(("content", clause.words[0]) if is_whole else ("exact", clause.value)), "freq"
        )
    if clause.field in (LANGUAGE, LICENSE):
        name = "language" if clause.field == LANGUAGE else "license"
        return query.const_score_query(query.term_query(fields, name, clause.value.lower(), "basic"), 0.0)
    term = fold_name(repository_term(clause.value, hosts))
    return query.const_score_query(query.term_query(fields, "repository", term, "basic"), 0.0)


def _anywhere(fields: tantivy.Schema, clause: Clause) -> tantivy.Query:
    query, should = tantivy.Query, tantivy.Occur.Should
    in_path = query.boost_query(_row_of_words(fields, "path", clause.words), _PATH_BOOST)
    either = query.boolean_query([(should, _row_of_words(fields, "content", clause.words)), (should, in_path)])
    if len(clause.words) == 1 or clause.excluded:
        return either
    as_written = query.boost_query(query.term_query(fields, "exact", clause.value, "freq"), _EXACT_BOOST)
    return query.boolean_query([(tantivy.Occur.Must, either), (should, as_written)])


def _row_of_words(fields: tantivy.Schema, name: str, words: Sequence[str]) -> tantivy.Query:
    if len(words) == 1:
        return tantivy.Query.term_query(fields, name, words[0], "position")
    return tantivy.Query.phrase_query(fields, name, list(words))


# Checking


def verify(folder: Path) -> Iterator[str]:
    """Yield what differs from the manifest of a keyword index."""
    for name, digest in storage.read_json(folder / MANIFEST)["files"].items():
        path = folder / name
        if not path.exists():
            yield f"{path}: missing"
        elif storage.sha256_file(path) != digest:
            yield f"{path}: differs from its checksum"


def is_whole(folder: Path) -> bool:
    """Say whether a folder holds a keyword index of this version of which no byte was changed."""
    try:
        made = storage.read_json(folder / MANIFEST)
        return (made["format"], made["words"]) == (FORMAT, WORDS_VERSION) and not any(verify(folder))
    except (InputError, OSError, KeyError, TypeError, AttributeError):
        return False
