"""The first pass of an export: rows of a release, and what kind of document each becomes.

Files stay as they are; notebooks and commits that have a form of their own in a format are rendered here, one by one, for they are few.
Rows in which a special token of the format occurs, in the text, the path or the repository's name, are left out and counted: a
tokenizer would take the token for control, and another spelling of it would be no longer what the author wrote.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data import commits, notebook_blocks, notebooks
from stack_data.contents import chunk_of
from stack_data.errors import InputError
from stack_data.export.options import FORMATS, Format, Options
from stack_data.formats.documents import unsafe
from stack_data.id_columns import content_hash

RULE_VERSION = 1
READ = [
    "content_id", "content", "path", "repo_name", "host", "language", "detected_licenses", "conversion", "star_events_count",
]  # fmt: skip
"""The columns of a release that an export is made of; the last one is missing in releases of earlier versions."""

PREPARED = pa.schema(
    [
        pa.field("text", pa.large_string()),
        pa.field("content_id", pa.string()),
        pa.field("path", pa.string()),
        pa.field("repo_name", pa.string()),
        pa.field("host", pa.string()),
        pa.field("language", pa.string()),
        pa.field("detected_licenses", pa.list_(pa.string())),
        pa.field("star_events_count", pa.int64()),
        # file, notebook or commit.
        pa.field("kind", pa.string()),
        # The text is a document of its own, with its tokens.
        pa.field("whole", pa.bool_()),
        # What order and draws follow from: a hash of the seed and the content, or of its repository.
        pa.field("key", pa.uint64()),
    ]
)

NOTEBOOKS = (notebooks.CONVERSION, notebook_blocks.CONVERSION)
TOKEN, LINE_BREAK, NO_FORM, UNREADABLE = "special_token", "line_break_in_path", "no_form", "unreadable"
LEFT_OUT = {
    TOKEN: "a special token of the format occurs in it",
    LINE_BREAK: "its path or its repository's name has a line break",
    NO_FORM: "the format has no tokens for it (commits)",
    UNREADABLE: "it is a notebook or a commit that can no longer be read as one",
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows that become documents (PREPARED), and how many were left out, by reason."""

    rows: pa.Table
    left_out: Counter[str]


def prepare(table: pa.Table, options: Options) -> Prepared:
    """Prepare rows of a release's data/ with the columns READ."""
    form, ids = FORMATS[options.format], chunk_of(table["content_id"])
    columns = {name: chunk_of(table[name]) for name in READ if name in table.column_names}
    columns.setdefault("star_events_count", pa.nulls(len(ids), pa.int64()))
    own = content_hash(ids, options.seed)
    conversions = np.asarray(columns.pop("conversion").fill_null("").to_numpy(zero_copy_only=False), object)
    texts = columns.pop("content").cast(pa.large_string())
    rendered = _Rendered(texts, conversions, own, form, options)
    names = [np.asarray(pc.match_substring_regex(columns[one], "[\r\n]")) for one in ("path", "repo_name")]
    bad = [unsafe(columns[one], form.TOKENS) for one in ("path", "repo_name")]
    plain = ~np.isin(np.arange(len(ids)), list(rendered.texts))
    holds = (unsafe(texts, form.TOKENS) & plain) | bad[0] | bad[1]
    left_out = np.full(len(ids), "", object)
    left_out[list(rendered.left_out)] = list(rendered.left_out.values())
    left_out[(left_out == "") & (holds | _at(rendered.unsafe, len(ids)))] = TOKEN
    left_out[(left_out == "") & (names[0] | names[1]) & bool(form.TOKENS)] = LINE_BREAK
    whole = _at(rendered.whole, len(ids))
    columns["text"] = _replaced(texts, rendered.texts)
    columns["kind"] = _kinds(conversions)
    columns["whole"] = pa.array(whole)
    if options.rows == "repositories":
        own = np.where(whole, own, _repository_keys(columns, options.seed))
    columns["key"] = pa.array(own)
    rows = pa.table({name: columns[name] for name in PREPARED.names}).cast(PREPARED)
    kept = left_out == ""
    return Prepared(rows if kept.all() else rows.filter(pa.array(kept)), Counter(left_out[~kept].tolist()))


class _Rendered:
    """The notebooks and commits among rows.

    texts     what they become, by row; whole: rows of those that are documents of their own
    unsafe    rows that hold a special token; left_out: reasons, by row
    """

    def __init__(
        self, texts: pa.LargeStringArray, conversions: npt.NDArray[np.object_], keys: npt.NDArray[np.uint64], form: Format,
        options: Options,
    ) -> None:  # fmt: skip
        self.texts: dict[int, str] = {}
        self.whole: set[int] = set()
        self.unsafe: set[int] = set()
        self.left_out: dict[int, str] = {}
        self._form, self._options = form, options
        self._tokens = re.compile("|".join(map(re.escape, form.TOKENS)) or r"(?!)")
        for row in np.flatnonzero(conversions != "").tolist():
            try:
                if conversions[row] == commits.CONVERSION:
                    self._commit(row, texts[row].as_py(), int(keys[row]))
                elif conversions[row] in NOTEBOOKS:
                    self._notebook(row, texts[row].as_py(), conversions[row])
            except InputError:
                self.left_out[row] = UNREADABLE

    def _commit(self, row: int, text: str, key: int) -> None:
        if not self._form.TOKENS:
            self._take(row, text, (), whole=True)
            return
        changed = commits.parts_of(text)
        rendered = self._form.commit(changed, key)
        if rendered is None:
            self.left_out[row] = NO_FORM
        else:
            self._take(row, rendered, (changed.before, changed.message, changed.after), whole=True)

    def _notebook(self, row: int, text: str, conversion: str) -> None:
        if conversion == notebook_blocks.CONVERSION:
            if self._options.notebooks == "structured":
                blocks = notebook_blocks.blocks_of(text)
                rendered = self._form.notebook(blocks)
                if rendered is not None:
                    self._take(row, rendered, [block.text for block in blocks], whole=True)
                    return
            text = notebook_blocks.script_of(text)
        rendered = self._form.script(text)
        self._take(row, text if rendered is None else rendered, (text,), whole=rendered is not None)

    def _take(self, row: int, text: str, parts: Iterable[str], whole: bool) -> None:
        self.texts[row] = text
        if whole:
            self.whole.add(row)
        if any(self._tokens.search(part) for part in parts):
            self.unsafe.add(row)


def _kinds(conversions: npt.NDArray[np.object_]) -> pa.Array:
    names = {commits.CONVERSION: "commit"} | dict.fromkeys(NOTEBOOKS, "notebook")
    return pa.array([names.get(one, "file") for one in conversions.tolist()], pa.string())


def _at(rows: Iterable[int], count: int) -> npt.NDArray[np.bool_]:
    found = np.zeros(count, bool)
    found[sorted(rows)] = True
    return found


def _replaced(texts: pa.LargeStringArray, others: dict[int, str]) -> pa.LargeStringArray:
    """Return texts with some of them replaced."""
    if not others:
        return texts
    mask = _at(others, len(texts))
    return pc.replace_with_mask(
        texts, pa.array(mask), pa.array([others[row] for row in sorted(others)], pa.large_string())
    )


def _repository_keys(columns: dict[str, pa.Array], seed: int) -> npt.NDArray[np.uint64]:
    """Return hash(seed, repository) of each row: uint64[N]."""
    named = pc.binary_join_element_wise(columns["host"], columns["repo_name"], "/").dictionary_encode()
    hashes = [_hash(f"{seed}\0{name}") for name in named.dictionary.to_pylist()]
    return (
        np.array(hashes or [0], np.uint64)[named.indices.to_numpy(zero_copy_only=False)]
        if len(named)
        else np.empty(0, np.uint64)
    )


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()[:8], "big")
