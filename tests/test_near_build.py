"""Near duplicates in whole builds: what goes and beside what, and that nothing but contents and places decides it."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasketch import LeanMinHash, MinHash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stack_data import decide_near
from stack_data.build import BuildResult, refresh
from stack_data.errors import ConfigError, InputError
from stack_data.near.shingles import permutations, sign
from stack_data.near.sketches import from_lean, to_lean
from stack_data.release.shards import repository_draw
from stack_data.why import explain, why
from tests.corpus import MIT, fairstack, make


def program(seed: int, lines: int = 60) -> list[str]:
    chosen = random.Random(seed)
    return [
        f"value_{chosen.randint(0, 10**6)} = compute({chosen.randint(0, 10**6)}, other={at})" for at in range(lines)
    ]


def write_sources(root: Path) -> Path:
    """Write two projects that share a file with a few lines changed, and files that are like nothing else."""
    for number, folder in enumerate(("first", "second")):
        (root / folder / "src").mkdir(parents=True)
        (root / folder / "LICENSE").write_text(MIT.replace("Jane", folder.title()))
        for family in range(8):
            lines = program(family)
            for member in range(3):
                changed = [*lines]
                for at in range(member + number):
                    changed[7 * at] = f"changed_{folder}_{member}_{at} = nothing()"
                (root / folder / "src" / f"f{family}_{member}.py").write_text("\n".join(changed) + "\n")
        (root / folder / f"own_{folder}.py").write_text("\n".join(program(100 + number)) + "\n")
        (root / folder / f"short_{folder}.py").write_text(f"value = {number}\n")
    path = root / "near.toml"
    path.write_text(
        'name = "near"\ndate = 2026-01-01\n'
        + "".join(f'[[source]]\nname = "{one}"\nkind = "directory"\npath = "{one}"\n' for one in ("first", "second"))
        + '[release]\ntitle = "x"\nvalidation_fraction = 0\n'
    )
    return path


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sources(tmp_path_factory.mktemp("near"))


@pytest.fixture(scope="module")
def built(config: Path) -> BuildResult:
    return make(config)


def test_one_of_each_family_stays_and_the_others_say_beside_what(built: BuildResult) -> None:
    dropped = [row for row in built.fold.dropped.to_pylist() if row["reason"] == "near_duplicate"]
    # Five of the six files of each family.
    assert len(dropped) == 8 * 5
    (story,) = [one for one in why(built.folder, "src/f0_2.py") if "second" in one["places"][0]["repository"]]
    assert story["reason"] == "near_duplicate"
    assert story["near"]["similarity"] >= 0.7
    told = explain(story)
    assert "near duplicates, cluster" in told
    assert story["near"]["beside"] in told
    kept = {row["content_id"] for row in built.fold.kept.to_pylist()}
    assert story["near"]["beside"] in kept
    (best,) = why(built.folder, story["near"]["beside"])
    assert best["reason"] is None
    assert "the best of those" in explain(best)


def test_files_unlike_others_and_short_ones_stay(built: BuildResult) -> None:
    for name in ("own_first.py", "own_second.py", "short_first.py", "short_second.py"):
        (story,) = why(built.folder, name)
        assert story["reason"] is None
        assert story["near"] is None


def test_released_rows_name_their_cluster(built: BuildResult) -> None:
    assert built.release is not None
    rows = [row for path in built.release.glob("data/*/*.parquet") for row in pq.read_table(path).to_pylist()]
    clusters = [row["near_duplicate_cluster"] for row in rows if row["near_duplicate_cluster"] is not None]
    assert sorted(clusters) == list(range(8))


def test_provenance_lists_the_places_of_what_was_dropped_beside_a_file(built: BuildResult) -> None:
    assert built.release is not None
    rows = [
        row for path in sorted(built.release.glob("provenance/*/*.parquet")) for row in pq.read_table(path).to_pylist()
    ]
    beside = {row["content_id"]: built.fold.kept["content_id"][row["kept_row"]].as_py()
              for row in built.fold.near.to_pylist() if row["is_beside"]}  # fmt: skip
    near = {row["content_id"]: row for row in rows if row["relation"] == "near"}
    assert {content: row["released_content_id"] for content, row in near.items()} == beside
    assert all(row["path"].startswith("src/f") and row["detected_licenses"] == ["MIT"] for row in near.values())
    assert {row["repo"] for row in near.values()} == {"first", "second"}
    own = [row for row in rows if row["relation"] == "self"]
    assert [row["rank"] for row in own] == [0] * built.fold.kept.num_rows
    assert all(row["content_id"] == row["released_content_id"] for row in own)
    for released in {row["released_content_id"] for row in rows}:
        of = [row for row in rows if row["released_content_id"] == released]
        assert [row["rank"] for row in of] == list(range(len(of)))


def clusters_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / f"clusters/{name}.parquet").read_bytes() for name in ("edges", "members", "apart")}


@pytest.mark.parametrize(
    "values",
    [{"run__workers": 1}, {"run__workers": 3}, {"fetch__part_rows": 3}, {"near__memory_bytes": 1}],
    ids=["one worker", "three workers", "many parts", "bands in a file"],
)
def test_workers_parts_and_memory_change_no_byte(
    config: Path, built: BuildResult, values: dict[str, object], request: pytest.FixtureRequest
) -> None:
    assert clusters_of(make(config, request.node.callspec.id, **values).folder) == clusters_of(built.folder)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    backwards=st.booleans(), workers=st.integers(1, 4), part_rows=st.integers(2, 40), part_bytes=st.integers(1000, 10**6),
    memory=st.sampled_from([1, 2**30]),
)  # fmt: skip
def test_orders_part_sizes_and_workers_change_no_byte(
    built: BuildResult, config: Path, backwards: bool, workers: int, part_rows: int, part_bytes: int, memory: int
) -> None:
    tables = [f'[[source]]\nname = "{one}"\nkind = "directory"\npath = "{one}"\n' for one in ("first", "second")]
    other = config.parent / "drawn.toml"
    other.write_text(
        'name = "near"\ndate = 2026-01-01\n'
        + "".join(tables[::-1] if backwards else tables)
        + "[release]\nvalidation_fraction = 0\n"
    )
    shutil.rmtree(config.parent / "drawn", ignore_errors=True)
    result = make(
        other, "drawn", run__workers=workers, fetch__part_rows=part_rows, fetch__part_bytes=part_bytes, near__memory_bytes=memory
    )  # fmt: skip
    assert clusters_of(result.folder) == clusters_of(built.folder)


def test_a_refresh_compares_only_pairs_that_are_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = write_sources(tmp_path)
    folder = make(config).folder
    (tmp_path / "second/src/f9_0.py").write_text("\n".join(["late = 1", *program(3)[1:]]) + "\n")
    pairs: list[int] = []
    shared = decide_near.jaccard.shared

    def counted(*arguments: Any) -> Any:
        pairs.append(len(arguments[-1]))
        return shared(*arguments)

    monkeypatch.setattr(decide_near.jaccard, "shared", counted)
    refresh(folder)
    # The new file and the best of its family, or those that it took the place of.
    assert 0 < sum(pairs) <= 6
    anew = tmp_path / "anew" / "near"
    anew.mkdir(parents=True)
    shutil.copy(folder / "sources.lock.json", anew)
    pairs.clear()
    make(config, "anew")
    assert sum(pairs) > 40
    assert clusters_of(folder) == clusters_of(anew)


def test_signatures_that_are_there_are_used_again(config: Path, built: BuildResult) -> None:
    folder = config.parent / "again" / "near"
    shutil.copytree(built.folder, folder)
    shutil.rmtree(folder / "clusters")
    shutil.rmtree(folder / "releases")
    signed = {path.name: path.stat().st_mtime_ns for path in (folder / "decisions/signatures").glob("*.parquet")}
    result = make(config, "again")
    assert clusters_of(result.folder) == clusters_of(built.folder)
    assert signed == {
        path.name: path.stat().st_mtime_ns for path in (folder / "decisions/signatures").glob("*.parquet")
    }
    assert not list(folder.rglob(".spill"))


def test_near_duplicates_can_be_kept(config: Path) -> None:
    result = make(config, "kept", near__enabled="false")
    assert not [row for row in result.fold.dropped.to_pylist() if row["reason"] == "near_duplicate"]


def test_another_threshold_is_refused_with_the_way_out(config: Path, built: BuildResult) -> None:
    words = ["data", "build", config, "--set", f'run.builds="{config.parent}/build"', "--set", "near.threshold=0.9"]
    done = fairstack(*words)
    assert done.returncode == 1
    assert "--anew near" in done.stderr
    with pytest.raises(ConfigError, match="permutations"):
        make(config, "wrong", near__bands=64)


def test_verify_reads_clusters_and_signatures(built: BuildResult, tmp_path: Path) -> None:
    copy = tmp_path / "near"
    shutil.copytree(built.folder, copy)
    (copy / "clusters/edges.parquet").write_bytes(b"PAR1 damaged")
    done = fairstack("data", "verify", copy)
    assert done.returncode == 1
    assert "clusters/edges.parquet" in done.stdout


def test_a_release_says_what_a_file_is_near_to(built: BuildResult, tmp_path: Path) -> None:
    assert built.release is not None
    asked = tmp_path / "asked.py"
    asked.write_text("\n".join(["changed = 1", *program(3)[1:]]) + "\n")
    done = fairstack("data", "similar", built.release, asked, "--json")
    assert done.returncode == 0, done.stderr
    (found,) = map(json.loads, done.stdout.splitlines())
    assert found["path"].startswith("src/f3_")
    assert 0.7 <= found["similarity"] < 1
    assert found["detected_licenses"] == ["MIT"]
    asked.write_text("\n".join(program(999)))
    done = fairstack("data", "similar", built.release, asked)
    assert done.stdout.startswith("similar: 0 near duplicates")
    done = fairstack("data", "similar", tmp_path, asked)
    assert done.returncode == 1
    assert "is no release" in done.stderr


def test_signatures_are_datasketchs_sketches(built: BuildResult) -> None:
    using = permutations()
    signed = sign(pa.array(["\n".join(program(1)), "\n".join(["x = 1", *program(1)])]), using)
    sketches = [to_lean(signature, using) for signature in signed.signatures]
    assert sketches[0].jaccard(sketches[1]) == (signed.signatures[0] == signed.signatures[1]).mean()
    assert (from_lean(sketches[0], using) == signed.signatures[0]).all()
    buffer = bytearray(sketches[0].bytesize())
    sketches[0].serialize(buffer)
    assert (from_lean(LeanMinHash.deserialize(buffer), using) == signed.signatures[0]).all()
    foreign = MinHash(num_perm=256, seed=1)
    foreign.update(b"a")
    with pytest.raises(InputError, match="none of these signatures"):
        from_lean(LeanMinHash(foreign), using)


def test_what_is_nearly_in_training_is_never_validated_on(tmp_path: Path) -> None:
    """The best of a family lies in a repository drawn for validation, a lesser one in a repository that is not."""
    drawn = next(name for at in range(1000) if repository_draw(f"directory/-/{(name := f'a{at:03d}')}", 0) < 0.01)
    others = [name for at in range(60) if repository_draw(f"directory/-/{(name := f'b{at:03d}')}", 0) > 0.4][:12]
    tables = ""
    for number, name in enumerate([drawn, *others]):
        (tmp_path / name).mkdir()
        (tmp_path / name / "LICENSE").write_text(MIT.replace("Jane", f"Author {number}"))
        (tmp_path / name / f"own_{number}.py").write_text("\n".join(program(500 + number)) + "\n")
        (tmp_path / name / "shared.py").write_text("\n".join([f"only_{number} = {number}", *program(400)]) + "\n")
        tables += f'[[source]]\nname = "{name}"\nkind = "directory"\npath = "{name}"\n'
    config = tmp_path / "split.toml"
    config.write_text(f'name = "split"\ndate = 2026-01-01\n{tables}[release]\ntitle = "x"\nvalidation_bytes = 1000\n')
    result = make(config)
    assert result.release is not None
    paths = {
        split: [
            row["path"]
            for path in result.release.glob(f"data/python/{split}-*")
            for row in pq.read_table(path).to_pylist()
        ]
        for split in ("train", "validation")
    }
    assert paths["validation"] == ["own_0.py"]
    assert paths["train"].count("shared.py") == 1
    best = next(
        row
        for row in result.fold.kept.to_pylist()
        if row["near_duplicate_cluster"] is not None and row["language"] == "Python"
    )
    assert best["group"] == drawn
