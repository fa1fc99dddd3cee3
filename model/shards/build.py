"""Making token shards out of releases: `build_shards`.

Reads release folders and a tokenizer; writes a folder of shards (model/shards/tables.py), its manifest last. Files of a release are done one
after the other, their row groups on threads; a run that is killed goes on at the first file that is not done, and ends with the same
bytes, for any number of workers. Equal inputs: nothing to do. Other inputs: refused, since runs may be in the middle of what is there.

A content that an earlier one of the named releases holds is taken from there alone, so nothing is trained on twice unasked.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from model.shards.part import Held, Maker, documents_path, ids_of, places_path
from model.shards.shards import open_shards
from model.shards.sources import SPLITS, Part, Source, parts_of, plan_of, read_sources
from model.shards.tables import (
    DOCUMENTS,
    DOCUMENTS_FILE,
    DROPPED_FILE,
    MANIFEST,
    PARTS,
    PLACES,
    PLACES_FILE,
    TOKENIZER,
    read_table,
    tokens_file,
    write_table,
)
from model.tokenizer.code_tokenizer import CodeTokenizer
from stack_data import manifest, storage
from stack_data.errors import InputError, StaleBuildError
from stack_data.manifest import Manifest, Output, Plan
from stack_data.progress import Progress, Silent
from stack_data.search.released import Shard, check_shard

_PLAN = "plan.json"
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


@dataclass(frozen=True, slots=True)
class Built:
    """What the shards hold. is_new: False when they were there already."""

    folder: Path
    num_documents: int
    num_tokens: int
    num_bytes: int
    is_new: bool


def build_shards(
    releases: Sequence[Path], tokenizer: Path, out: Path, *, splits: Sequence[str] = SPLITS, workers: int | None = None,
    progress: Progress | None = None,
) -> Built:  # fmt: skip
    """Tokenize releases into a folder.

    Raises InputError when a release or the tokenizer is none or damaged, StaleBuildError when the folder was made, or begun, from
    something else, StorageError when the disk refuses.
    """
    sources = read_sources(releases)
    parts = parts_of(sources, splits)
    read = CodeTokenizer.load(tokenizer)
    plan = plan_of(sources, parts, read, splits)
    with storage.locked(out):
        known = manifest.read_if_present(out / MANIFEST)
        if known is not None:
            if known.plan.get("kind") != plan.kind:
                raise InputError(
                    f"{out} holds no token shards but {known.plan.get('kind')}; name a new or empty folder"
                )
            _refuse_other(out, known.plan, plan)
            open_shards(out)  # what is missing or cut off is no folder to be left as it is
            shutil.rmtree(out / PARTS, ignore_errors=True)
            return _built(out, known, False)
        _begin(out, plan)
        storage.remove_temporaries(out)
        _make_parts(out, sources, parts, read, plan.digest(), workers or os.cpu_count() or 1, progress or Silent())
        made = _finish(out, sources, parts, read, plan)
        shutil.rmtree(out / PARTS, ignore_errors=True)
        return _built(out, made, True)


def _built(out: Path, made: Manifest, is_new: bool) -> Built:
    return Built(out, made.counts["documents"], made.counts["tokens"], made.counts["bytes"], is_new)


def _refuse_other(out: Path, old: Any, new: Plan) -> None:
    """Raise StaleBuildError unless a plan is the one that the folder was made by."""
    found = manifest.differences(old, json.loads(json.dumps(new.to_json())))
    if found:
        raise StaleBuildError(
            f"{out} was made differently ({manifest.told(found)}); name a new folder, since runs may be in the middle of this one, or let it follow "
            "opt-outs: fairstack model drop"
        )


def _begin(out: Path, plan: Plan) -> None:
    """State what is being made, or check that it is the same as what was begun."""
    path = out / PARTS / _PLAN
    if path.exists():
        _refuse_other(out, storage.read_json(path), plan)
        return
    strangers = sorted(name for name in os.listdir(out) if name != storage.LOCK_NAME and not name.endswith(".tmp"))
    if strangers and strangers != [PARTS]:
        raise InputError(f"{out} holds no token shards, but {strangers[0]}; name a new or empty folder")
    storage.write_json(path, plan.to_json())


def _make_parts(
    out: Path, sources: Sequence[Source], parts: Sequence[Part], tokenizer: CodeTokenizer, digest: str, workers: int, progress: Progress
) -> None:  # fmt: skip
    open_parts = [part for part in parts if not _is_done(out, part, digest)]
    progress.begin(
        "tokenize", sum(storage.num_rows(part.shard.folder / "data" / part.shard.name) for part in open_parts), None
    )
    with ThreadPoolExecutor(workers) as pool:
        maker = Maker(out, tokenizer, digest, _held(sources, parts), pool, 2 * workers, progress)
        for part in open_parts:
            maker.make(part)
    progress.end()


def _is_done(out: Path, part: Part, digest: str) -> bool:
    """Tell whether a part was finished by a run before, by the same plan."""
    path = documents_path(out, part.number)
    if not path.exists() or not places_path(out, part.number).exists() or not (out / tokens_file(part.number)).exists():
        return False
    return _said(path)["plan"] == digest


def _said(path: Path) -> dict[str, str]:
    with pa.memory_map(str(path)) as file:
        metadata = pa.ipc.open_file(file).schema.metadata or {}
    return {key.decode(): value.decode() for key, value in metadata.items()}


def _held(sources: Sequence[Source], parts: Sequence[Part]) -> tuple[Held, ...]:
    """Return for each release the ids, ascending, of what earlier ones hold: of the chosen splits, and of every other."""
    found: list[Held] = [np.empty(0, "S20")]
    for source in sources[:-1]:
        ids = [_checked_ids(shard) for shard in source.shards if shard.data_sha256]
        found.append(np.unique(np.concatenate([found[-1], *ids])))
    return tuple(found)


def _checked_ids(shard: Shard) -> Held:
    check_shard(shard)
    return ids_of(shard)


def _finish(
    out: Path, sources: Sequence[Source], parts: Sequence[Part], tokenizer: CodeTokenizer, plan: Plan
) -> Manifest:
    """Join what the parts say, copy the tokenizer, and write the manifest."""
    tables = [read_table(documents_path(out, part.number), DOCUMENTS) for part in parts]
    firsts = np.cumsum([0, *(one.num_rows for one in tables)])
    documents = _numbered(pa.concat_tables(tables, promote_options="default").cast(DOCUMENTS))
    write_table(out / DOCUMENTS_FILE, documents, DOCUMENTS)
    places = [
        _moved(read_table(places_path(out, part.number), PLACES), int(first))
        for part, first in zip(parts, firsts[:-1], strict=True)
    ]
    write_table(out / PLACES_FILE, pa.concat_tables(places).cast(PLACES), PLACES)
    with storage.replacing(out / DROPPED_FILE) as temporary:
        temporary.write_bytes(bytes(documents.num_rows))
    for name in _TOKENIZER_FILES:
        if (tokenizer.folder / name).exists():
            with storage.replacing(out / TOKENIZER / name) as temporary:
                temporary.write_bytes((tokenizer.folder / name).read_bytes())
    made = Manifest(plan.to_json(), _outputs(out, parts), counts_of(documents, [one.release.label for one in sources]))
    made.write(out / MANIFEST)
    return made


def _numbered(documents: pa.Table) -> pa.Table:
    """Return the documents with their repositories numbered from 1, in order of appearance; 0 where none is displayed."""
    names = pc.binary_join_element_wise(documents["host"], documents["repo_name"], pa.scalar("\n", pa.large_string()))
    named = pc.if_else(pc.equal(documents["repo_name"], ""), None, names).combine_chunks()
    numbers = pc.add(named.dictionary_encode().indices, 1).fill_null(0).cast(pa.uint32())
    return documents.set_column(DOCUMENTS.get_field_index("repository"), DOCUMENTS.field("repository"), numbers)


def _moved(places: pa.Table, first: int) -> pa.Table:
    column = pc.add(places["document"].cast(pa.int64()), first).cast(pa.uint32())
    return places.set_column(0, PLACES.field("document"), column)


def _outputs(out: Path, parts: Sequence[Part]) -> dict[str, Output]:
    found = {}
    for part in parts:
        name = tokens_file(part.number)
        found[name] = Output(_said(documents_path(out, part.number))["sha256"], (out / name).stat().st_size, "text")
    for name in (DOCUMENTS_FILE, PLACES_FILE, DROPPED_FILE):
        found[name] = Output.of(out / name, "none")
    for path in sorted((out / TOKENIZER).iterdir()):
        found[f"{TOKENIZER}/{path.name}"] = Output.of(path, "none")
    return found


def counts_of(documents: pa.Table, labels: Sequence[str]) -> dict[str, Any]:
    """Return how many documents, tokens and bytes there are, in all and by language, kind, release and split."""
    names = documents["release"].to_pylist() if len(labels) > 1 else [0] * documents.num_rows
    rows = documents.append_column("releases", pa.array([labels[one] for one in names], pa.string()))
    found: dict[str, Any] = _sums(rows)
    for column, key in (("language", "languages"), ("kind", "kinds"), ("releases", "releases"), ("split", "splits")):
        values = rows[column].cast(pa.string())
        found[key] = {one: _sums(rows.filter(pc.equal(values, one))) for one in sorted(values.unique().to_pylist())}
    return found


def _sums(rows: pa.Table) -> dict[str, int]:
    tokens, size = (pc.sum(rows[name].cast(pa.int64())).as_py() or 0 for name in ("num_tokens", "num_bytes"))
    return {"documents": rows.num_rows, "tokens": int(tokens), "bytes": int(size)}
