"""A build of internal and public code: each audience gets its own release, and nothing internal is in a public one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from stack_data.build import release_of
from stack_data.purge import purge
from stack_data.verify import verify
from tests.leaving import code, commit, config, entry, found, license_of, listed, made, names, repository, rows, tree

SHARED = code("shared")
NEAR = code("nearly", 60)
INTERNAL = ("hiddencorp", "skunkworks", "internalperson", "secretfile", "secret_code", "stealthsource")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """One audience has what the other has too, once byte for byte, once nearly, each preferred by its stars where it is internal."""
    inner = commit(
        tmp_path / "git/inner",
        {"LICENSE": license_of("Internalperson"), "secretfile.py": code("secret_code"), "secretfile_shared.py": SHARED,
         "secretfile_nearly.py": NEAR.replace("59", "58"), "secretfile.unknownending": "nothing known\n"},
    )  # fmt: skip
    outer = commit(
        tmp_path / "git/outer",
        {"LICENSE": license_of("Publicperson"), "shared.py": SHARED, "nearly.py": NEAR, "own.py": code("own")},
    )
    path = config(tmp_path, [repository(outer, "public")])
    inner_source = repository(inner, "hiddencorp", "skunkworks", stars=1000, audience="staff")
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in inner_source.items())
    path.write_text(
        f'{path.read_text()}\n[[source]]\nname = "stealthsource"\nkind = "git"\n[[source.repositories]]\n{lines}'
    )
    return path


def test_a_public_release_has_no_internal_name_in_any_byte(corpus: Path, tmp_path: Path) -> None:
    folder = made(corpus).folder
    public = folder / "releases/1.0.0"
    assert found(public, *INTERNAL) == []
    assert names(public) == {"public/lib/shared.py", "public/lib/nearly.py", "public/lib/own.py"}
    assert {row["num_provenances"] for row in rows(public)} == {1}
    assert {row["owner"] for row in rows(public, "provenance")} == {"public"}
    card = (public / "README.md").read_text()
    # What is left out is counted over what this audience sees: its own four files.
    assert re.search(r"entries read +4 ", card)
    assert verify(folder).problems == []


def test_each_audience_gets_what_it_sees(corpus: Path, tmp_path: Path) -> None:
    folder = made(corpus).folder
    release_of(folder, ["release.version=1.1.0", 'release.audience="staff"'])
    staff = folder / "releases/1.1.0"
    assert {row["repo_name"] for row in rows(staff)} == {"hiddencorp/skunkworks"}
    assert names(staff) == {f"hiddencorp/skunkworks/secretfile{name}.py" for name in ("", "_shared", "_nearly")}
    assert found(staff, "publicperson") == []


def test_an_opt_out_of_one_audience_changes_no_byte_of_the_other(corpus: Path, tmp_path: Path) -> None:
    folder = made(corpus).folder
    before = {
        name: content
        for name, content in tree(folder / "releases/1.0.0").items()
        if name.startswith(("data", "notices", "NOTICE"))
    }
    release_of(folder, ["release.version=1.0.1"], suppressions=[listed(tmp_path / "list", entry(name="hiddencorp"))])
    purge(folder)
    for version in ("1.0.0", "1.0.1"):
        now = tree(folder / "releases" / version)
        assert {
            name: content for name, content in now.items() if name.startswith(("data", "notices", "NOTICE"))
        } == before
        assert found(folder / "releases" / version, *INTERNAL) == []
    assert verify(folder).problems == []
