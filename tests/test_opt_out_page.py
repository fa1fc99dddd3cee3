"""docs/opt-out.md: its list is a list, its tables name every field and reason, and its verifier checks real proofs."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stack_data.optout import Entry
from stack_data.optout.lists import KINDS, SPREADS, read
from stack_data.optout.spread import Why
from stack_data.prove import prove
from tests.corpus import make, write_config

PAGE = (Path(__file__).parent.parent / "docs" / "opt-out.md").read_text(encoding="utf-8")
CONTENT = "ce013625030ba8dba906f756967f9e9ca394464a"


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)
    return str(found)


def test_the_list_of_the_page_is_a_list_with_every_kind_spread_and_field() -> None:
    made = read(block("json").encode(), "page", {})
    assert {one.kind for one in made.entries} == set(KINDS) and {one.spread for one in made.entries} == set(SPREADS)
    set_somewhere = {name for one in made.entries for name in one.to_json()}
    assert set_somewhere == {field.name for field in dataclasses.fields(Entry)}
    header = json.loads(block("json").splitlines()[0])
    assert all(f"`{name}`" in PAGE for name in (*set_somewhere, *(header.keys() - {"format"})))


def test_every_reason_to_go_or_stay_is_explained() -> None:
    assert all(f"| `{why.name.lower()}` |" in PAGE for why in Why)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make(write_config(tmp_path_factory.mktemp("corpus"))).release
    assert made is not None
    return made


def verified(folder: Path, release: Path, proof: object) -> subprocess.CompletedProcess[str]:
    """Run the page's verifier as a reader would: Python alone, in a folder with the proof and the manifest."""
    folder.mkdir(exist_ok=True)
    (folder / "proof.json").write_text(json.dumps(proof))
    shutil.copy(release / "manifest.json", folder)
    (folder / "verifier.py").write_text(block("python"))
    return subprocess.run(
        [sys.executable, "-I", "-S", "verifier.py"], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("query", "claim"),
    [
        (CONTENT, "absent"), ("0" * 40, "absent"), ("f" * 40, "absent"), ("directory/-", "present"), ("directory/-/permissive", "present"),
        ("directory/-/zoe", "absent"), ("github.com/octocat", "absent"), ("a.org/a/a", "absent"), ("", "present"),
    ],
)  # fmt: skip
def test_the_verifier_of_the_page_believes_real_proofs(tmp_path: Path, release: Path, query: str, claim: str) -> None:
    proof = prove(release, query or content_of(release))
    assert proof["claim"] == claim
    done = verified(tmp_path / "check", release, proof)
    assert (done.returncode, done.stdout) == (0, "the proof holds\n"), done.stderr


def content_of(release: Path) -> str:
    return str(pq.read_table(next((release / "data").rglob("*.parquet")))["content_id"][0].as_py())


def test_the_verifier_of_the_page_believes_no_changed_proof(tmp_path: Path, release: Path) -> None:
    proof = prove(release, "directory/-/permissive")
    leaf = proof["leaves"][0]
    for number, changed in enumerate(
        [
            proof | {"claim": "absent"}, proof | {"query": "directory/-/zoe"}, proof | {"size": proof["size"] + 1},
            proof | {"leaves": [leaf | {"leaf": "directory/-/zoe"}]}, proof | {"leaves": [leaf | {"index": leaf["index"] + 1}]},
            proof | {"release": proof["release"] | {"identity": "0" * 64}}, proof | {"root": "0" * 64},
        ]
    ):  # fmt: skip
        assert verified(tmp_path / str(number), release, changed).returncode == 1
