"""`verify_shards`: every file of a folder of token shards against its manifest and its drops, and every document against itself.

What is recomputed: the SHA-256 of each listed file, that documents fill the files of tokens without a gap, that every token is one, that
each document decodes to as many bytes as it is said to have, that dropped documents are zeros and nothing else is named dropped than the
records say. With the releases at hand, each document that is not dropped must decode to the text_sha256 that they state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from model.shards import drop_records
from model.shards.shards import Shards, open_shards
from model.shards.tables import DROPS, MANIFEST
from model.tokenizer.code_tokenizer import CodeTokenizer
from stack_data import storage
from stack_data.errors import InputError
from stack_data.id_columns import id_bytes
from stack_data.search.released import check_shard, release_of


@dataclass(slots=True)
class Verification:
    """The outcome: one line per problem. num_texts: documents that were compared with a release."""

    num_files: int = 0
    num_documents: int = 0
    num_texts: int = 0
    problems: list[str] = field(default_factory=list)


def verify_shards(folder: Path, releases: Sequence[Path] = ()) -> Verification:
    """Check a folder of shards, and its documents against releases it was made of. InputError when it is none or cannot be opened."""
    shards = open_shards(folder)
    result = Verification(num_documents=shards.num_documents)
    _check_files(shards, result)
    _check_drops(shards, result)
    tokenizer = CodeTokenizer.load(shards.tokenizer)
    if tokenizer.identity != shards.manifest.plan["config"]["tokenizer"]:
        result.problems.append(f"{shards.tokenizer}: is not the tokenizer that the shards were made with")
        return result
    _check_layout(shards, result)
    hashes = {} if not releases else _text_hashes(shards, releases)
    for document in range(shards.num_documents):
        _check_document(shards, document, tokenizer, hashes, result)
    if releases and result.num_texts < int((~shards.is_dropped).sum()) and len(releases) == len(shards.releases):
        missing = int((~shards.is_dropped).sum()) - result.num_texts
        result.problems.append(
            f"{folder}: {missing} documents are no longer in the releases; let the shards follow: fairstack model drop {folder}"
        )
    return result


def _check_files(shards: Shards, result: Verification) -> None:
    wanted = drop_records.current(shards.manifest, shards.drops)
    for name, digest in sorted(wanted.items()):
        path = shards.folder / name
        result.num_files += 1
        if not path.exists():
            result.problems.append(f"{path}: missing")
        elif storage.sha256_file(path) != digest:
            result.problems.append(f"{path}: its bytes are not those of the manifest")
    present = {path.relative_to(shards.folder).as_posix() for path in shards.folder.rglob("*") if path.is_file()}
    known = {*wanted, MANIFEST, storage.LOCK_NAME, *(f"{DROPS}/{one.number}.json" for one in shards.drops)}
    result.problems += [f"{shards.folder / name}: not in the manifest" for name in sorted(present - known)]


def _check_drops(shards: Shards, result: Verification) -> None:
    said = np.zeros(shards.num_documents, bool)
    for record in shards.drops:
        said[list(record.documents)] = True
    for document in np.flatnonzero(said != shards.is_dropped).tolist():
        state = "dropped, and no record says so" if shards.is_dropped[document] else "not dropped, and a record says so"
        result.problems.append(f"{shards.folder}: document {document} is {state}")


def _check_layout(shards: Shards, result: Verification) -> None:
    """Documents lie in their files one after the other, and fill them."""
    file, offset = (shards.columns[name].to_numpy().astype(np.int64) for name in ("file", "offset"))
    width = np.dtype(shards.manifest.plan["config"]["dtype"]).itemsize
    for name in sorted(one for one in shards.manifest.outputs if one.startswith("tokens-")):
        rows = np.flatnonzero(file == int(name[7:-4]))
        ends = np.cumsum(shards.num_tokens[rows])
        size = shards.manifest.outputs[name].num_bytes // width
        if (offset[rows] != ends - shards.num_tokens[rows]).any() or (ends[-1] if len(ends) else 0) != size:
            result.problems.append(f"{shards.folder / name}: its documents do not fill it one after the other")


def _text_hashes(shards: Shards, releases: Sequence[Path]) -> dict[bytes, str]:
    """Return the text_sha256 of contents by their raw ids; InputError for a release that the shards were not made of."""
    found: dict[bytes, str] = {}
    known = {one["identity"] for one in shards.manifest.plan["config"]["releases"]}
    for folder in releases:
        release, files = release_of(folder)
        if release.identity not in known:
            raise InputError(
                f"{folder} is {release.label} with identity {release.identity[:16]}..., which {shards.folder} was not made of"
            )
        for shard in files:
            if shard.data_sha256:
                check_shard(shard)
                rows = storage.read_parquet(folder / "data" / shard.name, ["content_id", "text_sha256"])
                ids = (one.ljust(20, b"\0") for one in id_bytes(rows["content_id"]).tolist())
                # The first release that holds a content is the one it was taken from.
                for one, text in zip(ids, rows["text_sha256"].to_pylist(), strict=True):
                    found.setdefault(one, text)
    return found


def _check_document(
    shards: Shards, document: int, tokenizer: CodeTokenizer, hashes: Mapping[bytes, str], result: Verification
) -> None:  # fmt: skip
    tokens = shards.tokens(document)
    if shards.is_dropped[document]:
        if tokens.any():
            result.problems.append(f"{shards.folder}: document {document} was dropped, and its tokens are still there")
        return
    try:
        text = tokenizer.decode(tokens)
    except InputError as error:
        result.problems.append(f"{shards.folder}: document {document}: {error}")
        return
    identity = shards.content_ids[document].tobytes()
    if len(text) != shards.columns["num_bytes"][document].as_py():
        result.problems.append(
            f"{shards.folder}: document {document} ({identity.hex()}) has another length than the table says"
        )
    wanted = hashes.get(identity)
    if wanted is not None:
        result.num_texts += 1
        if hashlib.sha256(text).hexdigest() != wanted:
            result.problems.append(
                f"{shards.folder}: document {document} ({identity.hex()}) is not the text of the release"
            )
