"""Removal lists applied to an index: signed, for a release that it holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stack_data import signing
from stack_data.errors import InputError
from stack_data.identity import place_id
from stack_data.manifest import Manifest, read
from stack_data.release import removal_list
from stack_data.search.build import build
from stack_data.search.index import open_index
from stack_data.search.listed_removals import remove_listed
from stack_data.search.removals import Removed
from tests.search.releases import At, Content, program, release
from tests.search.test_index import contents_found, places_of

ONE, TWO = Content(program(1)), Content(program(2), (At("jane"), At("joe")))


def listed(path: Path, identity: str, secret: str = "") -> str:
    """Write a list by which the first content leaves, and one place of the second."""
    entries = [{"content_id": ONE.id}, {"place_id": place_id(TWO.id, "github.com", "joe", "lib", "a.py")}]
    header = {
        "format": "fairstack-removals/1", "name": "corpus", "release": "1.0.0", "identity": identity, "epoch": 1,
        "key_id": signing.key_id(signing.public_key(secret)) if secret else "", "num_entries": 2, "created": "2026-11-21", "lists": {},
    }  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in (header, *entries))
    path.write_text(signing.signed(text, secret) if secret else text)
    return str(path)


def test_what_a_list_names_leaves(tmp_path: Path) -> None:
    build([release(tmp_path, [ONE, TWO])], tmp_path / "index")
    index = open_index(tmp_path / "index")
    assert remove_listed(tmp_path / "index", listed(tmp_path / "list", index.searched[0].identity)) == Removed(2, 1)
    assert contents_found(index, program(1)) == set()
    assert places_of(index, TWO) == [("self", "jane/lib")]


def test_a_list_of_another_release_is_refused(tmp_path: Path) -> None:
    build([release(tmp_path, [ONE, TWO])], tmp_path / "index")
    with pytest.raises(
        InputError, match=r"is for a release with identity 0000000000000000..., and .* holds other ones: corpus 1.0.0"
    ):
        remove_listed(tmp_path / "index", listed(tmp_path / "list", "0" * 64))


def test_a_list_must_be_signed_where_the_release_states_a_key(tmp_path: Path) -> None:
    made = release(tmp_path, [ONE, TWO])
    (secret, _), (other, _) = signing.new_key(), signing.new_key()
    stated = read(made / "manifest.json")
    plan = dict(stated.plan) | {"config": dict(stated.plan["config"]) | {"key": signing.public_key(secret)}}
    Manifest(plan, stated.outputs, stated.counts).write(made / "manifest.json")
    build([made], tmp_path / "index")
    identity = open_index(tmp_path / "index").searched[0].identity
    for bad in (listed(tmp_path / "unsigned", identity), listed(tmp_path / "other", identity, other)):
        with pytest.raises(InputError, match=r"no signature|key"):
            remove_listed(tmp_path / "index", bad)
    assert remove_listed(tmp_path / "index", listed(tmp_path / "good", identity, secret)) == Removed(2, 1)


@pytest.mark.parametrize("entry", [{"content_id": "ab"}, {"place_id": ONE.id}, {"place_id": "G" * 64}, {"place_id": 7}])
def test_an_entry_that_is_no_id_is_told_with_its_line(tmp_path: Path, entry: dict[str, object]) -> None:
    lines = Path(listed(tmp_path / "list", "0" * 64)).read_text().splitlines()
    raw = "\n".join([*lines[:2], json.dumps(entry), ""]).encode()
    with pytest.raises(InputError, match="a list: line 3: is no content_id and no place_id"):
        removal_list.read(raw, "a list", ())
