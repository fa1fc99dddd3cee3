from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from model.shards.build import build_shards
from model.shards.shards import open_shards
from model.shards.verify import verify_shards
from stack_data import storage
from stack_data.errors import InputError
from tests.model.shards.shards_made import contents, made, tokenizer_folder
from tests.search.releases import Content, release


def flip(path: Path, at: int, value: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(value)


def test_whole_shards_have_no_problem(tmp_path: Path) -> None:
    folder = made(tmp_path)
    result = verify_shards(folder, [tmp_path / "release/1.0.0"])
    assert result.problems == []
    assert (result.num_documents, result.num_texts) == (9, 9)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("tokens-00000.bin", b"\x55\x00", "tokens-00000.bin: its bytes are not those"),
        ("tokens-00001.bin", b"\xff\xff", "65535 is no token"),
        ("dropped.u8", b"\x01", "document 0 is dropped, and no record says so"),
        ("tokenizer/tokenizer.json", b"{ ", "tokenizer.json: its bytes are not those"),
    ],
)
def test_damage_is_named(tmp_path: Path, name: str, value: bytes, said: str) -> None:
    folder = made(tmp_path)
    flip(folder / name, 0, value)
    assert any(said in one for one in verify_shards(folder).problems)


def test_another_text_than_the_release_has_is_found_where_hashes_are_made_to_fit(tmp_path: Path) -> None:
    folder = made(tmp_path)
    flip(folder / "tokens-00000.bin", 0, b"\x55\x00")
    text = (folder / "manifest.json").read_text()
    old = storage.read_json(folder / "manifest.json")["outputs"]["tokens-00000.bin"]["sha256"]
    (folder / "manifest.json").write_text(text.replace(old, storage.sha256_file(folder / "tokens-00000.bin")))
    problems = verify_shards(folder, [tmp_path / "release/1.0.0"]).problems
    assert any("is not the text of the release" in one for one in problems)


def test_a_file_too_many_or_too_few_is_named(tmp_path: Path) -> None:
    folder = made(tmp_path)
    (folder / "notes.txt").write_text("?")
    (folder / "places.arrow").unlink()
    problems = " ".join(verify_shards(folder).problems)
    assert "notes.txt: not in the manifest" in problems and "places.arrow: missing" in problems


def test_a_release_that_the_shards_were_not_made_of_is_refused(tmp_path: Path) -> None:
    folder = made(tmp_path)
    other = release(tmp_path / "other", [Content("x = 1\n")], "9.0.0")
    with pytest.raises(InputError, match=r"corpus 9\.0\.0 with identity .* was not made of"):
        verify_shards(folder, [other])


def test_a_file_that_was_cut_off_is_refused_when_shards_are_opened(tmp_path: Path) -> None:
    folder = made(tmp_path)
    path = folder / "tokens-00001.bin"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(InputError, match=r"tokens-00001\.bin is damaged: it has .* bytes, and the manifest says"):
        open_shards(folder)


def test_a_table_that_is_damaged_is_refused_when_shards_are_opened(tmp_path: Path) -> None:
    folder = made(tmp_path)
    (folder / "documents.arrow").write_bytes(b"ARROW1")
    with pytest.raises(InputError, match=r"documents\.arrow is damaged"):
        open_shards(folder)


def test_what_holds_no_shards_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no token shards.*fairstack model shards"):
        open_shards(tmp_path)
    with pytest.raises(InputError, match="its manifest is of kind 'release/1.0.0'"):
        open_shards(release(tmp_path, [Content("x = 1\n")]))


def test_tokens_are_views_and_documents_fill_their_files(tmp_path: Path) -> None:
    folder = made(tmp_path)
    shards = open_shards(folder)
    first = shards.tokens(0)
    assert first.dtype == np.uint16 and not first.flags.owndata and not first.flags.writeable
    joined = np.concatenate([shards.tokens(one) for one in range(shards.num_documents)])
    stored = np.concatenate([np.fromfile(path, "<u2") for path in sorted(folder.glob("tokens-*.bin"))])
    assert joined.tolist() == stored.tolist()


def test_threads_may_read_at_once(tmp_path: Path) -> None:
    shards = open_shards(made(tmp_path))
    sums: list[int] = []

    def read() -> None:
        sums.append(sum(int(shards.tokens(one).sum()) for one in range(shards.num_documents)))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(set(sums)) == 1


def test_documents_of_a_release_that_left_it_are_said(tmp_path: Path) -> None:
    given = contents()
    folder = made(tmp_path, given)
    one = tmp_path / "release/1.0.0"
    name = "data/python/train-00000-of-00002.parquet"
    table = storage.read_parquet(one / name)
    storage.write_parquet(one / name, table.slice(1), None, 3)
    record = {
        "format": "fairstack-purge/1", "content_ids": [table["content_id"][0].as_py()], "facts": {},
        "files": {name: {"old_sha256": storage.read_json(one / "manifest.json")["outputs"][name]["sha256"], "new_sha256": storage.sha256_file(one / name)}},
    }  # fmt: skip
    storage.write_json(one / "purges/1.json", record)
    assert any(
        "1 documents are no longer in the releases" in problem for problem in verify_shards(folder, [one]).problems
    )


def test_an_updated_release_is_tokenized_as_it_is_now(tmp_path: Path) -> None:
    one = release(tmp_path / "release", contents(), shards=1)
    whole = storage.read_json(one / "manifest.json")["outputs"]
    names = [f"{kind}/python/train-00000-of-00001.parquet" for kind in ("data", "provenance")]
    first = storage.read_parquet(one / names[0])["content_id"][0].as_py()
    files = {}
    for name, key in zip(names, ("content_id", "released_content_id"), strict=True):
        table = storage.read_parquet(one / name)
        kept = [row for row, value in enumerate(table[key].to_pylist()) if value != first]
        storage.write_parquet(one / name, table.take(kept), None, 3)
        files[name] = {"old_sha256": whole[name]["sha256"], "new_sha256": storage.sha256_file(one / name)}
    record = {"format": "fairstack-purge/1", "content_ids": [first], "facts": {"lists": {"forge": 4}}, "files": files}
    storage.write_json(one / "purges/1.json", record)
    build_shards([one], tokenizer_folder(), tmp_path / "shards")
    shards = open_shards(tmp_path / "shards")
    assert shards.num_documents == 8 and shards.epochs == {"forge": 4}
