"""Rows of real shards: every document of the split, and the same order after `drop`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.fim.config import MetadataConfig
from model.fim.inverse import unfold
from model.packing.config import MixtureConfig
from model.packing.corpus import Corpus
from model.packing.packer import Packer, PackerConfig
from model.shards.drop import drop
from model.shards.shards import open_shards
from model.tokenizer.code_tokenizer import CodeTokenizer
from stack_data.optout.lists import Entry, SuppressionList, write
from tests.model.shards.shards_made import made

CONFIG = PackerConfig(
    128, metadata=MetadataConfig(repository_rate=1.0, path_rate=1.0), mixture=MixtureConfig(max_epochs=2), window_rows=4
)


def opened(folder: Path, split: str) -> Packer:
    source = open_shards(folder)
    return Packer(Corpus.of((source,), split), CodeTokenizer.load(source.tokenizer), CONFIG)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("shards"))


def test_rows_of_both_splits_hold_every_document_with_its_names(shards: Path) -> None:
    source, seen = open_shards(shards), set()
    used = CodeTokenizer.load(source.tokenizer)
    for split in sorted(set(source.columns["split"].to_pylist())):
        packer = opened(shards, split)
        rows = packer.rows(0, packer.num_rows() or 0)
        for number, document in enumerate(rows.documents.tolist()):
            seen.add(document)
            item = unfold(rows.item(number), used)
            if rows.chunks[number] == 0:
                assert item.repo_name == source.columns["repo_name"][document].as_py()
                assert item.path == source.columns["path"][document].as_py()
            assert item.text in used.decode(source.tokens(document))
    assert seen == set(range(source.num_documents))


def test_a_drop_leaves_padding_and_the_order_of_the_rest(shards: Path, tmp_path: Path) -> None:
    before = opened(shards, "train")
    count = before.num_rows() or 0
    first, identity = before.rows(0, count), before.identity
    entry = Entry(kind="owner", host="github.com", name="ann", since="2026-01-01")
    path = tmp_path / "local-1.jsonl"
    path.write_text(write(SuppressionList(issuer="local", epoch=1, created="2026-11-21", entries=(entry,))))
    drop(shards, lists=[str(path)])
    after = opened(shards, "train")
    second = after.rows(0, count)
    assert after.identity == identity
    assert after.num_rows() == count
    gone = set(np.flatnonzero(open_shards(shards).is_dropped).tolist())
    assert gone & set(first.documents.tolist())
    assert [one for one in first.documents.tolist() if one not in gone] == second.documents.tolist()
    kept = ~np.isin(first.documents, list(gone))
    assert np.array_equal(first.starts[kept], second.starts)
    # Whoever had the shards open sees it too.
    assert not set(before.rows(0, count).documents.tolist()) & gone
