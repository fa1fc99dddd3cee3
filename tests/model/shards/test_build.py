from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from model.shards.build import build_shards
from model.shards.shards import open_shards
from model.shards.tables import PLACES, PLACES_FILE, read_table
from model.shards.verify import verify_shards
from model.tokenizer.code_tokenizer import CodeTokenizer
from stack_data import storage
from stack_data.errors import ConfigError, InputError, StaleBuildError
from tests.model.shards.shards_made import ANN, JANE, contents, made, tokenizer_folder
from tests.search.releases import At, Content, program, release

ROOT = Path(__file__).parents[3]


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def test_every_document_decodes_to_the_text_of_the_release(tmp_path: Path) -> None:
    given = [*contents(), Content("x = '\u4f60\u597d \U0001f600'\r\n\tpass\n"), Content("")]
    shards = open_shards(made(tmp_path, given))
    tokenizer = CodeTokenizer.load(shards.tokenizer)
    ids = [one.tobytes().hex() for one in shards.content_ids]
    assert sorted(ids) == sorted(one.id for one in given)
    by_id = {one.id: one for one in given}
    for document, identity in enumerate(ids):
        assert tokenizer.decode(shards.tokens(document)) == by_id[identity].shown.encode()
        assert shards.columns["num_bytes"][document].as_py() == len(by_id[identity].shown.encode())


def test_documents_say_what_the_release_says_of_them(tmp_path: Path) -> None:
    given = [Content("a = 1\n", (JANE, ANN)), Content("b = 2\n", (ANN,), language=None)]
    shards = open_shards(made(tmp_path, given, shards=1))
    rows = {one["content_id"].hex(): one for one in shards.columns.to_pylist()}
    first, second = rows[given[0].id], rows[given[1].id]
    assert (first["host"], first["repo_name"], first["path"]) == ("github.com", "jane/lib", "src/a.py")
    assert (first["language"], first["kind"], first["split"], first["release"]) == ("Python", "file", "train", 0)
    assert (second["language"], second["repo_name"]) == ("", "ann/tool")


def test_repositories_are_numbered_over_all_files(tmp_path: Path) -> None:
    columns = open_shards(made(tmp_path, shards=3)).columns
    names, numbers = columns["repo_name"].to_pylist(), columns["repository"].to_pylist()
    assert len(set(names)) == len(set(zip(names, numbers, strict=True))) == 3
    assert list(dict.fromkeys(numbers)) == [1, 2, 3]


def test_a_folder_with_a_manifest_of_something_else_is_left_alone(tmp_path: Path) -> None:
    folder = made(tmp_path)
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"kind": "shards"', '"kind": "tokenizer"'))
    with pytest.raises(InputError, match="holds no token shards but tokenizer; name a new or empty folder"):
        build_shards([tmp_path / "release/1.0.0"], tokenizer_folder(), folder)


def test_shards_of_another_format_are_told_so(tmp_path: Path) -> None:
    folder = made(tmp_path)
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"shards": 2', '"shards": 1'))
    with pytest.raises(InputError, match="holds token shards of format 1, and this version reads 2; make them again"):
        open_shards(folder)


def test_counts_are_by_language_kind_release_and_split(tmp_path: Path) -> None:
    shards = open_shards(made(tmp_path))
    counts = shards.manifest.counts
    assert counts["documents"] == 9
    assert counts["tokens"] == int(shards.num_tokens.sum())
    for key in ("languages", "kinds", "releases", "splits"):
        assert sum(one["tokens"] for one in counts[key].values()) == counts["tokens"]
    assert list(counts["releases"]) == ["corpus 1.0.0"]


def test_any_number_of_workers_gives_the_same_bytes(tmp_path: Path) -> None:
    given = contents(40)
    one = release(tmp_path / "release", given, shards=3, rows=2)
    for workers in (1, 2, 7):
        build_shards([one], tokenizer_folder(), tmp_path / str(workers), workers=workers)
    assert files(tmp_path / "1") == files(tmp_path / "2") == files(tmp_path / "7")


def test_an_equal_run_has_nothing_to_do(tmp_path: Path) -> None:
    folder = made(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert not build_shards([tmp_path / "release/1.0.0"], tokenizer_folder(), folder).is_new
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_other_inputs_are_refused(tmp_path: Path) -> None:
    folder = made(tmp_path)
    other = release(tmp_path / "other", contents(5), "2.0.0")
    with pytest.raises(StaleBuildError, match="was made differently"):
        build_shards([other], tokenizer_folder(), folder)
    with pytest.raises(StaleBuildError, match="splits"):
        build_shards([tmp_path / "release/1.0.0"], tokenizer_folder(), folder, splits=["train"])


def test_other_inputs_are_refused_also_where_a_run_was_only_begun(tmp_path: Path) -> None:
    one = release(tmp_path / "release", contents(), shards=2)
    (one / "data/python/train-00001-of-00002.parquet").write_bytes(b"broken")
    with pytest.raises(InputError, match="damaged"):
        build_shards([one], tokenizer_folder(), tmp_path / "shards")
    other = release(tmp_path / "other", contents(5), "2.0.0")
    with pytest.raises(StaleBuildError, match="was made differently"):
        build_shards([other], tokenizer_folder(), tmp_path / "shards")


def test_a_run_goes_on_at_the_first_file_that_is_not_done(tmp_path: Path) -> None:
    one = release(tmp_path / "release", contents(), shards=3)
    build_shards([one], tokenizer_folder(), tmp_path / "whole")
    last = one / "data/python/train-00002-of-00003.parquet"
    kept = last.read_bytes()
    last.write_bytes(kept[:8] + bytes([kept[8] ^ 1]) + kept[9:])
    with pytest.raises(InputError, match="its bytes are not those of the manifest"):
        build_shards([one], tokenizer_folder(), tmp_path / "shards")
    last.write_bytes(kept)
    first = (tmp_path / "shards/tokens-00000.bin").stat().st_mtime_ns
    build_shards([one], tokenizer_folder(), tmp_path / "shards")
    assert (tmp_path / "shards/tokens-00000.bin").stat().st_mtime_ns == first
    assert files(tmp_path / "shards") == files(tmp_path / "whole")


def test_a_run_that_was_killed_ends_with_the_same_bytes(tmp_path: Path) -> None:
    one = release(tmp_path / "release", [Content(program(seed, 60)) for seed in range(120)], shards=12, rows=2)
    whole, folder = tmp_path / "whole", tmp_path / "shards"
    build_shards([one], tokenizer_folder(), whole)
    command = (
        "from pathlib import Path; from model.shards.build import build_shards; "
        f"build_shards([Path({str(one)!r})], Path({str(tokenizer_folder())!r}), Path({str(folder)!r}), workers=2)"
    )
    for wanted in (1, 4, 9):
        running = subprocess.Popen([sys.executable, "-c", command], cwd=ROOT, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while running.poll() is None and len(list(folder.glob("tokens-*.bin"))) < wanted and time.monotonic() < until:
            time.sleep(0.001)
        running.send_signal(signal.SIGKILL)
        running.wait()
    build_shards([one], tokenizer_folder(), folder, workers=3)
    assert files(folder) == files(whole)


def test_a_release_whose_bytes_are_not_its_manifests_is_refused(tmp_path: Path) -> None:
    one = release(tmp_path, contents(), shards=2)
    path = one / "provenance/python/train-00000-of-00002.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(InputError, match="its bytes are not those of the manifest"):
        build_shards([one], tokenizer_folder(), tmp_path / "shards")
    assert not (tmp_path / "shards/manifest.json").exists()


@pytest.mark.parametrize("missing", ["manifest.json", "data/python/train-00000-of-00001.parquet"])
def test_a_release_that_is_not_whole_is_refused(tmp_path: Path, missing: str) -> None:
    one = release(tmp_path, contents())
    (one / missing).unlink()
    with pytest.raises(InputError):
        build_shards([one], tokenizer_folder(), tmp_path / "shards")


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    one = release(tmp_path, contents())
    (tmp_path / "home").mkdir()
    (tmp_path / "home/notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds no token shards, but notes\.txt"):
        build_shards([one], tokenizer_folder(), tmp_path / "home")


def test_an_unknown_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="split is 'test'"):
        build_shards([release(tmp_path, contents())], tokenizer_folder(), tmp_path / "shards", splits=["test"])


def test_both_splits_are_made_and_one_can_be_left_out(tmp_path: Path) -> None:
    one = two_splits(tmp_path)
    build_shards([one], tokenizer_folder(), tmp_path / "both")
    assert set(open_shards(tmp_path / "both").columns["split"].to_pylist()) == {"train", "validation"}
    build_shards([one], tokenizer_folder(), tmp_path / "one", splits=["validation"])
    assert set(open_shards(tmp_path / "one").columns["split"].to_pylist()) == {"validation"}


def two_splits(folder: Path) -> Path:
    """Make a release whose second file is of the validation split."""
    one = release(folder, contents(), shards=2)
    for kind in ("data", "provenance"):
        old = one / kind / "python/train-00001-of-00002.parquet"
        old.rename(old.with_name("validation-00000-of-00001.parquet"))
    text = (one / "manifest.json").read_text().replace("train-00001-of-00002", "validation-00000-of-00001")
    (one / "manifest.json").write_text(text)
    return one


def test_of_several_releases_each_content_is_taken_from_the_first_that_holds_it(tmp_path: Path) -> None:
    old = release(tmp_path, contents(6), "1.0.0")
    new = release(tmp_path, [*contents(9), Content("new = 1\n")], "2.0.0", shards=2)
    build_shards([old, new], tokenizer_folder(), tmp_path / "shards")
    shards = open_shards(tmp_path / "shards")
    assert shards.num_documents == 10 == len({one.tobytes() for one in shards.content_ids})
    assert np.bincount(shards.columns["release"].to_numpy()).tolist() == [6, 4]
    assert shards.releases == ("corpus 1.0.0", "corpus 2.0.0")
    assert verify_shards(tmp_path / "shards", [old, new]).problems == []


def test_a_release_is_named_once(tmp_path: Path) -> None:
    one = release(tmp_path, contents())
    with pytest.raises(InputError, match="name each release once"):
        build_shards([one, one], tokenizer_folder(), tmp_path / "shards")


def test_the_epochs_of_the_releases_are_stated(tmp_path: Path) -> None:
    folders = []
    for version, lists in (("1.0.0", {"forge": 7, "local": 1}), ("2.0.0", {"forge": 4})):
        one = release(tmp_path, [Content(program(int(version[0])))], version)
        value = storage.read_json(one / "manifest.json")
        value["plan"]["lists"] = lists
        storage.write_json(one / "manifest.json", value)
        folders.append(one)
    build_shards(folders, tokenizer_folder(), tmp_path / "shards")
    shards = open_shards(tmp_path / "shards")
    # What one release does not follow, the shards do not.
    assert shards.epochs == {"forge": 4} == shards.manifest.plan["lists"]
    said = shards.manifest.plan["config"]["releases"][0]
    assert said["identity"] == hashlib.sha256((folders[0] / "manifest.json").read_bytes()).hexdigest()


def test_a_full_disk_is_said_and_what_was_done_is_kept(tmp_path: Path) -> None:
    one = release(tmp_path / "release", [Content(program(seed, 80)) for seed in range(12)], shards=3)
    build_shards([one], tokenizer_folder(), tmp_path / "whole")
    command = (
        "import resource; from pathlib import Path; from model.shards.build import build_shards; "
        "from stack_data.errors import StorageError\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))\n"
        f"try: build_shards([Path({str(one)!r})], Path({str(tokenizer_folder())!r}), Path({str(tmp_path / 'shards')!r}))\n"
        "except StorageError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, cwd=ROOT)
    assert "the disk is full" in run.stdout, run
    build_shards([one], tokenizer_folder(), tmp_path / "shards")
    assert files(tmp_path / "shards") == files(tmp_path / "whole")


def test_places_of_a_document_are_kept_for_opt_outs_to_come(tmp_path: Path) -> None:
    given = [Content("a = 1\n", (JANE, ANN, At("zoe", near="a = 2\n")))]
    folder = made(tmp_path, given, shards=1)
    rows = read_table(folder / PLACES_FILE, PLACES).to_pylist()
    assert [(one["relation"], one["owner"], one["document"]) for one in rows] == [
        ("self", "jane", 0),
        ("exact", "ann", 0),
        ("near", "zoe", 0),
    ]


@pytest.mark.parametrize("change", ["missing", "cut"])
def test_damaged_shards_are_not_left_as_they_are(tmp_path: Path, change: str) -> None:
    folder = made(tmp_path)
    path = folder / "tokens-00000.bin"
    raw = path.read_bytes()
    path.unlink()
    if change == "cut":
        path.write_bytes(raw[:-2])
    with pytest.raises(InputError, match="make the shards again"):
        build_shards([tmp_path / "release/1.0.0"], tokenizer_folder(), folder)
