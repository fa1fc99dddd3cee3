"""Exports of a small real release: what `datasets` loads, what is the same again, what is refused."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stack_data import storage
from stack_data.errors import ConfigError, InputError, StaleBuildError
from stack_data.export import export as exporting
from stack_data.export.export import export, problems
from stack_data.export.options import Options
from stack_data.manifest import Manifest, Output, Plan
from stack_data.release.shards import repository_draw, repository_key
from stack_data.release.tables import DATA
from tests.corpus import MIT, make, write_config


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of two repositories with files that import each other, one of which is for validation."""
    root = tmp_path_factory.mktemp("corpus")
    config = write_config(root, folders=("permissive", "other", "large"))
    folder = root / "large"
    for number in range(12):
        path = folder / f"m{number:02d}.py"
        path.parent.mkdir(exist_ok=True)
        following = f"import m{number + 1:02d}\n" if number < 11 else ""
        words = "".join(f"def step_{number}_{word}(given_{word}):\n    return given_{word}\n" for word in "abcd")
        path.write_text(following + words)
    (folder / "LICENSE").write_text(MIT)
    (folder / "usage.py").write_text('"""Usage: tool <filename>, ended by <|endoftext|>."""\nprint(1, 2, 3)\n')
    # A seed that draws the smallest repository for validation.
    draws = {name: repository_key("directory", "-", name) for name in ("permissive", "other", "large")}
    seed = next(
        seed for seed in range(1000)
        if {name for name, key in draws.items() if repository_draw(key, seed) < 0.3} == {"other"}
    )  # fmt: skip
    return Path(make(config, release__validation_fraction=0.01, release__seed=seed).release)


def rows(folder: Path, split: str = "train") -> list[dict[str, Any]]:
    return [row for path in sorted(folder.glob(f"{split}-*.parquet")) for row in pq.read_table(path).to_pylist()]


def released(release: Path) -> dict[str, dict[str, Any]]:
    return {
        row["content_id"]: row
        for path in (release / "data").rglob("*.parquet")
        for row in pq.read_table(path).to_pylist()
    }


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def test_every_file_is_a_document_in_its_split_and_its_text_is_where_the_row_says(
    release: Path, tmp_path: Path
) -> None:
    done = export(release, tmp_path / "out", Options(format="starcoder"))
    assert list((release / "data").rglob("validation-*"))
    of, made = released(release), {split: rows(tmp_path / "out", split) for split in ("train", "validation")}
    safe = {identity for identity, row in of.items() if "<filename>" not in row["content"]}
    assert len(safe) == len(of) - 1 and done.counts["left_out"] == {"special_token": 1}
    assert sorted(row["content_ids"][0] for split in made.values() for row in split) == sorted(safe)
    for row in [one for split in made.values() for one in split]:
        source = of[row["content_ids"][0]]
        raw = row["text"].encode()
        assert raw[row["start"] :][: row["length_bytes"]].decode() == source["content"]
        assert row["text"].endswith("<|endoftext|>") and row["text"].count("<|endoftext|>") == 1
        assert row["kind"] == ("notebook" if source["conversion"] else "file")
        assert {name: row[name] for name in ("repo_name", "host", "path", "detected_licenses")} == {
            name: source[name] for name in ("repo_name", "host", "path", "detected_licenses")
        }
    for split in ("train", "validation"):
        names = [path.name for path in (release / "data").rglob(f"{split}-*.parquet")]
        inside = {
            row["content_id"]
            for path in (release / "data").rglob(f"{split}-*")
            for row in pq.read_table(path).to_pylist()
        }
        assert {row["content_ids"][0] for row in made[split]} <= inside and bool(made[split]) == bool(inside) == bool(
            names
        )


def test_a_repository_is_one_document_with_its_files_in_order(release: Path, tmp_path: Path) -> None:
    export(release, tmp_path / "path", Options(format="starcoder2"))
    export(release, tmp_path / "imports", Options(format="starcoder2", order="dependency"))
    of = released(release)
    large = {}
    for order in ("path", "imports"):
        made = rows(tmp_path / order) + rows(tmp_path / order, "validation")
        assert sorted(one for row in made for one in row["content_ids"]) == sorted(
            one for one, row in of.items() if "<|endoftext|>" not in row["content"]
        )
        for row in made:
            raw = row["text"].encode()
            shown = [raw[one["start"] :][: one["length_bytes"]].decode() for one in row["files"]]
            if row["kind"] == "repository":
                assert shown == [of[one["content_id"]]["content"] for one in row["files"]]
            else:
                assert [one + "<|endoftext|>" for one in shown] == [row["text"]]
            assert row["num_files"] == len(row["files"]) and row["length_bytes"] == sum(
                one["length_bytes"] for one in row["files"]
            )
            assert sum(one["num_files"] for one in row["languages"]) == row["num_files"]
            assert row["detected_licenses"] == sorted(
                {one for file in row["content_ids"] for one in of[file]["detected_licenses"]}
            )
            assert (row["kind"] == "notebook") == row["text"].startswith("<jupyter_script>")
            name = re.match("<repo_name>(.*?)<file_sep>", row["text"])
            assert not name or name[1] == row["repo_name"].removeprefix("-/")
        large[order] = next(row for row in made if row["num_files"] > 10)
    names = [f"m{number:02d}.py" for number in range(12)]
    assert [one["path"] for one in large["path"]["files"]] == names
    assert [one["path"] for one in large["imports"]["files"]] == names[::-1]


def test_a_large_repository_has_several_rows_and_no_file_is_cut(release: Path, tmp_path: Path) -> None:
    export(release, tmp_path / "out", Options(format="plain", rows="repositories", max_bytes=500))
    made = rows(tmp_path / "out") + rows(tmp_path / "out", "validation")
    large = [row for row in made if row["num_parts"] > 3]
    assert [row["part"] for row in large] == list(range(large[0]["num_parts"])) and len(
        {row["repo_name"] for row in large}
    ) == 1
    assert all(row["length_bytes"] <= 500 or row["num_files"] == 1 for row in made)
    assert [one["path"] for row in large for one in row["files"]][:2] == ["m00.py", "m01.py"]


@pytest.mark.parametrize(
    "options",
    [
        Options(format="starcoder"),
        Options(format="starcoder2", order="dependency", max_bytes=400),
        Options(format="plain"),
    ],
    ids=lambda options: options.format,
)
def test_any_number_of_workers_gives_the_same_bytes(release: Path, tmp_path: Path, options: Options) -> None:
    small = Options(**{**options.to_json(), "shard_bytes": 700})
    export(release, tmp_path / "one", small, workers=1)
    export(release, tmp_path / "four", small, workers=4)
    assert len(bytes_of(tmp_path / "one")) > 4 and bytes_of(tmp_path / "one") == bytes_of(tmp_path / "four")
    assert problems(tmp_path / "one") == []


def test_another_seed_draws_otherwise(release: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        export(release, tmp_path / str(seed), Options(format="starcoder", seed=seed))
    assert [row["text"] for row in rows(tmp_path / "0")] != [row["text"] for row in rows(tmp_path / "1")]


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [Options(format="starcoder"), Options(format="starcoder2")], ids=lambda options: options.rows
)
def test_datasets_loads_it(release: Path, tmp_path: Path, options: Options) -> None:
    import datasets

    export(release, tmp_path / "out", options)
    wanted = {
        split: len(rows(tmp_path / "out", split))
        for split in ("train", "validation")
        if list((tmp_path / "out").glob(f"{split}-*"))
    }
    datasets.disable_progress_bars()
    by_card = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    by_folder = datasets.load_dataset("parquet", data_dir=str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    for loaded in (by_card, by_folder):
        assert {split: data.num_rows for split, data in loaded.items()} == wanted
    streamed = datasets.load_dataset(str(tmp_path / "out"), split="train", streaming=True)
    assert next(iter(streamed))["text"] == rows(tmp_path / "out")[0]["text"]


def test_the_same_again_is_skipped_and_anything_else_is_refused_until_it_is_asked_for(
    release: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert export(release, out, Options(format="starcoder")).made
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert not export(release, out, Options(format="starcoder")).made
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before
    with pytest.raises(StaleBuildError, match=r"config\.seed: 0 -> 3.*--anew"):
        export(release, out, Options(format="starcoder", seed=3))
    assert export(release, out, Options(format="starcoder2"), anew=True).made
    assert problems(out) == [] and "<file_sep>" in rows(out)[0]["text"] + rows(out)[1]["text"]


def test_a_release_that_files_were_taken_out_of_makes_its_exports_stale(release: Path, tmp_path: Path) -> None:
    copy = tmp_path / "release"
    shutil.copytree(release, copy)
    export(copy, tmp_path / "out", Options(format="plain"))
    assert problems(tmp_path / "out") == []
    shard = next(path for path in sorted((copy / "data").rglob("*.parquet")) if storage.num_rows(path) > 1)
    name, old = shard.relative_to(copy).as_posix(), storage.sha256_file(shard)
    gone = storage.read_parquet(shard)["content_id"][0].as_py()
    storage.write_parquet(shard, storage.read_parquet(shard).slice(1))
    with pytest.raises(InputError, match="its bytes are not those of the manifest"):
        export(copy, tmp_path / "other", Options(format="plain"))
    changed = {"old_sha256": old, "new_sha256": storage.sha256_file(shard)}
    record = {"format": "fairstack-purge/1", "files": {name: changed}, "content_ids": [gone], "facts": {}}
    storage.write_json(copy / "purges" / "1.json", record)
    assert re.search("release has changed since .* --anew", " ".join(problems(tmp_path / "out")))
    with pytest.raises(StaleBuildError, match="files were taken out of the release since.*--anew"):
        export(copy, tmp_path / "out", Options(format="plain"))
    export(copy, tmp_path / "out", Options(format="plain"), anew=True)
    made = rows(tmp_path / "out") + rows(tmp_path / "out", "validation")
    assert gone not in {one for row in made for one in row["content_ids"]} and problems(tmp_path / "out") == []
    storage.write_text(copy / "purges" / "pending", "")
    with pytest.raises(InputError, match="was stopped"):
        export(copy, tmp_path / "out", Options(format="plain"))


def test_a_release_that_changes_under_way_is_no_export(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "release"
    shutil.copytree(release, copy)
    real, record = exporting.outputs.write_output, copy / "purges" / "1.json"

    def write(*words: Any) -> None:
        storage.write_json(record, {"format": "fairstack-purge/1", "files": {}, "content_ids": [], "facts": {}})
        real(*words)

    monkeypatch.setattr(exporting.outputs, "write_output", write)
    with pytest.raises(StaleBuildError, match="changed while it was exported"):
        export(copy, tmp_path / "out", Options(format="plain"))
    assert not (tmp_path / "out" / "manifest.json").exists()


_KILLED = """
import os, signal, sys
from pathlib import Path
from stack_data.export import export as exporting
from stack_data.export.options import Options
real, left = exporting.outputs.write_output, [int(sys.argv[3])]
def write(*words):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    real(*words)
exporting.outputs.write_output = write
exporting.export(Path(sys.argv[1]), Path(sys.argv[2]), Options(format="starcoder2", order="dependency", max_bytes=400, shard_bytes=700), workers=1)
"""


@pytest.mark.parametrize("finished", [0, 2])
def test_an_export_that_was_killed_goes_on_and_ends_with_the_same_bytes(
    release: Path, tmp_path: Path, finished: int
) -> None:
    options = Options(format="starcoder2", order="dependency", max_bytes=400, shard_bytes=700)
    export(release, tmp_path / "whole", options)
    words = [sys.executable, "-c", _KILLED, str(release), str(tmp_path / "killed"), str(finished)]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "killed").glob("*.parquet")}
    assert len(kept) == finished and not (tmp_path / "killed" / "manifest.json").exists()
    export(release, tmp_path / "killed", options)
    assert bytes_of(tmp_path / "killed") == bytes_of(tmp_path / "whole")
    assert {name: (tmp_path / "killed" / name).stat().st_mtime_ns for name in kept} == kept
    assert {path.name for path in (tmp_path / "killed").iterdir() if path.name.startswith(".")} == {".lock", ".release"}


def test_what_was_begun_otherwise_is_begun_again(release: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-c", _KILLED, str(release), str(tmp_path / "out"), "1"]
    subprocess.run(words, check=False)
    export(release, tmp_path / "out", Options(format="plain"))
    assert problems(tmp_path / "out") == []


def test_a_folder_of_other_things_is_left_alone(release: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"notes\.txt; name another folder"):
        export(release, tmp_path, Options(format="plain"))
    with pytest.raises(InputError, match="is no export but a release"):
        export(release, release, Options(format="plain"))
    with pytest.raises(InputError, match="lies inside the release"):
        export(release, release / "export", Options(format="plain"))
    with pytest.raises(InputError, match="is no release"):
        export(tmp_path / "none", tmp_path / "out", Options(format="plain"))


def test_verification_tells_damage(release: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(release, out, Options(format="plain"))
    first = next(iter(sorted(out.glob("*.parquet"))))
    first.write_bytes(first.read_bytes()[:-1])
    (out / "extra").write_text("x")
    assert [one.rpartition(": ")[2] for one in problems(out)] == ["is not as the manifest says", "not in the manifest"]
    shutil.rmtree(out)
    export(release, out, Options(format="plain"))
    moved = tmp_path / "elsewhere" / "deep"
    shutil.copytree(out, moved)
    assert problems(moved) == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"format": "gpt"}, "one of starcoder, starcoder2, plain"),
        ({"format": "starcoder", "rows": "repositories"}, "no rows of repositories"),
        ({"format": "starcoder", "order": "path"}, "--rows repositories"),
        ({"format": "plain", "notebooks": "structured"}, "--notebooks script"),
        ({"format": "plain", "max_bytes": 0}, "--max-bytes must be 1"),
        ({"format": "plain", "seed": -1}, "--seed 0 or more"),
    ],
)
def test_options_that_do_not_go_together_are_refused(tmp_path: Path, options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        export(tmp_path, tmp_path / "out", Options(**options))


def test_a_release_of_an_earlier_version_has_no_stars(tmp_path: Path) -> None:
    out, schema = tmp_path / "release", pa.schema([one for one in DATA if one.name != "star_events_count"])
    row = dict.fromkeys(schema.names) | {
        "content_id": "a" * 40, "content": "x = 1\n", "path": "a.py", "repo_name": "jane/tool", "host": "github.com", "language": "Python",
        "length_bytes": 6, "detected_licenses": ["MIT"], "conversion": "",
    }  # fmt: skip
    name = "data/python/train-00000-of-00001.parquet"
    storage.write_parquet(out / name, pa.Table.from_pylist([row], schema))
    plan = Plan(kind="release", inputs={}, config={"version": "1.0.0"})
    Manifest(plan.to_json(), {name: Output.of(out / name, "text")}, {}).write(out / "manifest.json")
    export(out, tmp_path / "out", Options(format="starcoder"))
    assert "gh_stars" not in rows(tmp_path / "out")[0]["text"]
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["counts"]["bytes"] == {"train": 6}


def test_times_do_not_reach_the_outputs(release: Path, tmp_path: Path) -> None:
    export(release, tmp_path / "a", Options(format="starcoder2"))
    time.sleep(1.1)
    os.utime(release / "manifest.json")
    export(release, tmp_path / "b", Options(format="starcoder2"))
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")
