"""A proof convinces one who has only the manifest, SHA-256 and the RFC; a changed one, or one of another release, does not."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stack_data.errors import InputError
from stack_data.identity import fold_name
from stack_data.manifest import Manifest
from stack_data.merkle import build_contents, build_names, tombstone_names
from stack_data.prove import prove, read_question

# --- The independent verifier: written from RFC 9162, section 2.1, and the format's page; nothing of ours is used. ---


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def root_of(leaf: bytes, index: int, size: int, path: list[str]) -> str:
    assert 0 <= index < size
    node, last, steps = sha(b"\0" + leaf), size - 1, [bytes.fromhex(step) for step in path]
    while last:  # up level by level; the last node of a level has no sibling on its right and may rise alone
        if index % 2:
            node = sha(b"\1" + steps.pop(0) + node)
        elif index < last:
            node = sha(b"\1" + node + steps.pop(0))
        index, last = index // 2, last // 2
    assert not steps
    return node.hex()


def check(proof: dict[str, Any], manifest: bytes) -> None:
    stated, tree, size, root = json.loads(manifest), proof["tree"], proof["size"], proof["root"]
    assert proof["format"] == "fairstack-proof/1" and sha(manifest).hex() == proof["release"]["identity"]
    assert stated["plan"]["kind"] == "release/" + proof["release"]["version"]
    assert stated["counts"]["merkle"][tree] == {"size": size, "root": root}
    raw = bytes.fromhex if tree == "contents" else str.encode
    query, leaves = raw(proof["query"]), {one["index"]: raw(one["leaf"]) for one in proof["leaves"]}
    assert all(root_of(leaves[one["index"]], one["index"], size, one["path"]) == root for one in proof["leaves"])
    owner = tree == "names" and proof["query"].endswith("/")  # then it is about all names that begin with the query
    found = [at for at, leaf in sorted(leaves.items()) if leaf == query or owner and leaf.startswith(query)]
    assert proof["claim"] == ("present" if found else "absent")
    if not found:  # names and ids are sorted: nothing stands between two adjacent ones
        below = max((at for at, leaf in leaves.items() if leaf < query), default=-1)
        assert min((at for at, leaf in leaves.items() if leaf > query), default=size) == below + 1
    elif proof.get("count") is not None:
        assert proof["count"] == found[-1] - found[0] + 1 and {found[0] - 1, found[-1] + 1} <= {*leaves, -1, size}


# --- End of the verifier. ---

Releasing = Callable[..., Path]


@pytest.fixture
def releasing(tmp_path: Path) -> Releasing:
    """Make a folder that has of a release what proofs read."""

    def make(ids: list[str] | None = None, names: list[str] | None = None, version: str = "1.0.0") -> Path:
        return release_in(tmp_path / version, ids or [], names or [], version)

    return make


def release_in(folder: Path, ids: list[str], names: list[str], version: str = "1.0.0") -> Path:
    raw = np.frombuffer(b"".join(map(bytes.fromhex, ids)), "S20")
    heads = {"contents": build_contents(folder / "merkle", raw), "names": build_names(folder / "merkle", names)}
    merkle = {name: {"size": head.size, "root": head.root} for name, head in heads.items()}
    Manifest({"kind": f"release/{version}"}, {}, {"merkle": merkle}).write(folder / "manifest.json")
    return folder


def accepted(proof: dict[str, Any], release: Path) -> bool:
    try:
        check(proof, (release / "manifest.json").read_bytes())
    except (AssertionError, ValueError, LookupError):
        return False
    return True


def proven(release: Path, query: str) -> dict[str, Any]:
    """Return the proof after a way through JSON text and the independent verifier."""
    proof = json.loads(json.dumps(prove(release, query)))
    check(proof, (release / "manifest.json").read_bytes())
    return proof  # type: ignore[no-any-return]


def indices(proof: dict[str, Any]) -> list[int]:
    return [leaf["index"] for leaf in proof["leaves"]]


def id_of(number: int) -> str:
    return hashlib.sha1(b"%d" % number).hexdigest()


NAMES = ["github.com/a/x", "github.com/a-b/x", "github.com/a/y", "github.com/ab/x", "github.com/日本/語", "npm/-/left"]


def test_a_content_that_is_there_is_shown_with_its_path(releasing: Releasing) -> None:
    release = releasing([id_of(number) for number in range(1000)])
    proof = proven(release, id_of(7))
    manifest = (release / "manifest.json").read_bytes()
    assert proof == {
        "format": "fairstack-proof/1", "tree": "contents", "claim": "present", "query": id_of(7), "size": 1000,
        "root": json.loads(manifest)["counts"]["merkle"]["contents"]["root"], "leaves": proof["leaves"],
        "release": {"version": "1.0.0", "identity": hashlib.sha256(manifest).hexdigest()},
    }  # fmt: skip
    assert [leaf["leaf"] for leaf in proof["leaves"]] == [id_of(7)]
    assert prove(release, f" swh:1:cnt:{id_of(7)}\n") == proof == prove(release, id_of(7).upper())


def test_a_content_that_is_not_there_is_shown_by_its_neighbours(releasing: Releasing) -> None:
    ids = [f"{number:02x}" * 20 for number in (10, 20, 47, 200)]  # 47 is '/', with which an owner's query would end
    release = releasing(ids)
    for missing, around in ((1, [0]), (11, [0, 1]), (46, [1, 2]), (48, [2, 3]), (255, [3])):
        proof = proven(release, f"{missing:02x}" * 20)
        assert (proof["claim"], indices(proof)) == ("absent", around)
    assert proven(release, ids[2])["claim"] == "present"


def test_in_an_empty_tree_everything_is_absent(releasing: Releasing) -> None:
    release = releasing()
    for query in (id_of(1), "github.com/a", "github.com/a/x"):
        proof = proven(release, query)
        assert (proof["claim"], proof["size"], proof["leaves"]) == ("absent", 0, [])


def test_a_tree_of_one_leaf_proves_it_and_everything_around_it(releasing: Releasing) -> None:
    release = releasing(["80" * 20], ["github.com/m/m"])
    for query, claim in (
        ("80" * 20, "present"), ("00" * 20, "absent"), ("ff" * 20, "absent"), ("github.com/m/m", "present"),
        ("github.com/m/a", "absent"), ("github.com/m/z", "absent"), ("github.com/a", "absent"), ("github.com/z", "absent"),
        ("github.com/m", "present"),
    ):  # fmt: skip
        proof = proven(release, query)
        assert (proof["claim"], indices(proof)) == (claim, [0])
        assert proof["leaves"][0]["path"] == []


def test_a_repository_is_found_however_its_name_is_spelled(releasing: Releasing) -> None:
    release = releasing([], NAMES)
    for spelled in ("github.com/A/X", "https://GitHub.com/a/x/", "github.com/ａ/x"):
        proof = proven(release, spelled)
        assert (proof["claim"], proof["query"]) == ("present", "github.com/a/x")
        assert [leaf["leaf"] for leaf in proof["leaves"]] == ["github.com/a/x"]
    assert proven(release, "github.com/日本/語")["claim"] == "present"
    assert proven(release, "github.com/日本/話")["claim"] == "absent"
    assert "count" not in proven(release, "github.com/a/z")


def test_an_owner_is_shown_with_all_repositories_and_their_number(releasing: Releasing) -> None:
    release = releasing([], NAMES)
    proof = proven(release, "github.com/A")
    assert (proof["claim"], proof["query"], proof["count"]) == ("present", "github.com/a/", 2)
    shown = [leaf["leaf"] for leaf in proof["leaves"]]
    # '-' sorts before '/' and 'b' after it: what only begins alike is around the owner's, not among them.
    assert shown == ["github.com/a-b/x", "github.com/a/x", "github.com/a/y", "github.com/ab/x"]
    assert proven(release, "github.com/a-b")["count"] == proven(release, "npm/-")["count"] == 1


def test_an_owner_of_whom_there_is_nothing_is_shown_by_two_leaves(releasing: Releasing) -> None:
    release = releasing([], NAMES)
    for owner, shown in (
        ("github.com/a-", ["github.com/a-b/x"]), ("github.com/a-z", ["github.com/a-b/x", "github.com/a/x"]),
        ("github.com/aa", ["github.com/a/y", "github.com/ab/x"]),
        ("codeberg.org/a", ["github.com/a-b/x"]), ("zzz/z", ["npm/-/left"]), ("github.com/x", ["github.com/ab/x", "github.com/日本/語"]),
    ):  # fmt: skip
        proof = proven(release, owner)
        assert (proof["claim"], proof["query"]) == ("absent", owner + "/")
        assert [leaf["leaf"] for leaf in proof["leaves"]] == shown


def test_of_an_owner_of_many_some_are_listed_and_the_number_is_proven(releasing: Releasing) -> None:
    names = [f"h/many/{number:04d}" for number in range(1234)]
    for before, after in ((["h/a/a"], ["h/z/z"]), ([], [])):
        proof = proven(releasing([], [*before, *names, *after]), "h/many")
        assert proof["count"] == 1234
        assert len(proof["leaves"]) == 101 + len(before + after)
        proof["leaves"] = [leaf for leaf in proof["leaves"] if leaf["leaf"] != "h/many/1233"]
        assert not accepted(proof, releasing([], [*before, *names, *after]))


def test_a_group_within_a_group_is_not_called_absent_for_being_no_repository(releasing: Releasing) -> None:
    release = releasing([], ["gitlab.com/group/sub/repo", "gitlab.com/group/sub-way/repo"])
    proof = proven(release, "gitlab.com/group/sub")
    assert (proof["claim"], proof["query"], proof["count"]) == ("present", "gitlab.com/group/sub/", 1)
    assert proven(release, "gitlab.com/group")["count"] == 2
    proof = proven(release, "gitlab.com/group/su/*")
    assert (proof["claim"], proof["query"]) == ("absent", "gitlab.com/group/su/")


@pytest.mark.parametrize(
    "query", ["", "octocat", "github.com//x", "/a/b", "*", "github.com/", "/*", "github.com/\udcff/x"]
)
def test_what_is_neither_an_id_nor_a_name_is_refused(releasing: Releasing, query: str) -> None:
    with pytest.raises(InputError, match="is no content id .* such as github.com/octocat"):
        prove(releasing(), query)


@pytest.mark.parametrize("query", ["abc", "0" * 39, "0" * 64])
def test_a_part_of_an_id_is_refused(releasing: Releasing, query: str) -> None:
    with pytest.raises(InputError, match=f"has {len(query)} hex digits and a content id has 40: give the whole id"):
        prove(releasing(), query)


def test_next_to_a_name_that_left_nothing_is_claimed(releasing: Releasing) -> None:
    release = releasing([], ["h/a/x", "h/b/x", "h/c/x", "h/d/x", "h/d/y", "h/e/x"])
    tombstone_names(release / "merkle", ["h/b/x"])
    told = set()
    for query in ("h/b/x", "h/b/w", "h/b/y", "h/b", "h/aa/x", "h/aa", "h/bb"):
        with pytest.raises(InputError, match="neither presence nor absence of .* ask a later release") as refused:
            prove(release, query)
        told.add(str(refused.value).replace(repr(read_question(query).text), ""))
    assert len(told) == 1, "the answer for the name that left is that for any other there"
    assert indices(proven(release, "h/c/y")) == [2, 3]
    assert [proven(release, query)["claim"] for query in ("h/a/x", "h/c/x", "h/a/a", "h/f")] == ["present"] * 2 + [
        "absent"
    ] * 2


def test_the_number_of_an_owners_repositories_is_left_open_when_a_leaf_next_to_them_left(releasing: Releasing) -> None:
    release = releasing([], ["h/a/x", "h/d/x", "h/d/y", "h/d/z", "h/e/x"])
    assert proven(release, "h/d")["count"] == 3
    tombstone_names(release / "merkle", ["h/d/y"])
    proof = proven(release, "h/d")
    assert (proof["count"], indices(proof)) == (3, [0, 1, 3, 4])
    tombstone_names(release / "merkle", ["h/d/z"])
    proof = proven(release, "h/d")
    assert (proof["count"], [leaf["leaf"] for leaf in proof["leaves"]]) == (None, ["h/d/x"])


def test_at_the_ends_a_name_that_left_is_not_taken_for_the_end(releasing: Releasing) -> None:
    release = releasing([], ["h/a/x", "h/b/x", "h/c/x"])
    tombstone_names(release / "merkle", ["h/a/x", "h/c/x"])
    for query in ("h/0", "h/0/x", "h/a", "h/c/x", "h/z"):
        with pytest.raises(InputError, match="neither presence nor absence"):
            prove(release, query)
    assert proven(release, "h/b")["count"] is None
    tombstone_names(release / "merkle", ["h/b/x"])
    with pytest.raises(InputError, match="neither presence nor absence"):
        prove(release, "h/b")


def test_a_release_whose_files_are_not_those_of_its_manifest_proves_nothing(releasing: Releasing) -> None:
    release = releasing([id_of(number) for number in range(600)], NAMES)
    for name, query in (("contents.leaves", id_of(1)), ("contents.nodes", id_of(1)), ("names.leaves", "github.com/a")):
        path = release / "merkle" / name
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(InputError, match="this copy of the release is damaged"):
            prove(release, query)
        path.write_bytes(whole)
    whole = (release / "merkle" / "contents.leaves").read_bytes()
    (release / "merkle" / "contents.leaves").write_bytes(whole[:-20])
    with pytest.raises(InputError, match="599 leaves .* damaged"):
        prove(release, id_of(1))


def test_a_damaged_leaf_below_a_stored_node_gives_no_proof(releasing: Releasing) -> None:
    release = releasing([id_of(number) for number in range(600)])
    path = release / "merkle" / "contents.leaves"
    whole = bytearray(path.read_bytes())
    whole[19] ^= 1
    path.write_bytes(whole)
    with pytest.raises(InputError, match="contents.leaves is damaged"):
        prove(release, bytes(whole[:20]).hex())


def test_folders_that_prove_nothing_say_why(tmp_path: Path, releasing: Releasing) -> None:
    with pytest.raises(InputError, match="manifest.json does not exist"):
        prove(tmp_path / "nowhere", id_of(1))
    release = releasing()
    Manifest({"kind": "release/1.0.0"}, {}, {}).write(release / "manifest.json")
    with pytest.raises(InputError, match="made without Merkle trees"):
        prove(release, id_of(1))
    Manifest({"kind": "decisions/license"}, {}, {}).write(release / "manifest.json")
    with pytest.raises(InputError, match="is no release but decisions/license"):
        prove(release, id_of(1))


def test_a_proof_is_not_accepted_for_another_release(releasing: Releasing) -> None:
    one, two = releasing([id_of(1)]), releasing([id_of(1), id_of(2)], version="2.0.0")
    assert not accepted(prove(one, id_of(1)), two)
    assert not accepted(prove(two, id_of(2)) | {"release": prove(one, id_of(1))["release"]}, one)


PARTS = st.sampled_from(["a", "b", "a-b", "ab", "é", "名", "😀", "z0", ".", "a.b"])
TEXTS = st.builds(lambda *parts: "/".join(parts), st.sampled_from(["h", "h-h", "i"]), PARTS, PARTS)


@given(st.sets(TEXTS, max_size=30), st.sets(st.integers(0, 400), max_size=300), st.lists(TEXTS, min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_every_proof_is_true_and_accepted(
    tmp_path_factory: pytest.TempPathFactory, names: set[str], numbers: set[int], asked: list[str]
) -> None:
    release = release_in(tmp_path_factory.mktemp("release"), [id_of(number) for number in numbers], sorted(names))
    folded = {fold_name(name) for name in names}
    assert folded == names
    for number in (0, 1, 200, 401):
        assert (proven(release, id_of(number))["claim"] == "present") == (number in numbers)
    for name in asked:
        assert (proven(release, name)["claim"] == "present") == (name in names)
        owner = name.rpartition("/")[0]
        proof = proven(release, owner)
        count = sum(known.startswith(owner + "/") for known in names)
        assert proof["claim"] == ("present" if count else "absent") and proof.get("count", 0) == count


def _mutations(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the places of all numbers and strings in a JSON value."""
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        return [found for key, one in inner for found in _mutations(one, (*place, key))]
    return [place]


@given(
    st.sampled_from(["0" * 40, id_of(3), "github.com/a", "github.com/zz", "github.com/a/x", "github.com/a/z"]),
    st.data(),
)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_proof_with_anything_changed_is_rejected(tmp_path: Path, query: str, data: st.DataObject) -> None:
    release = tmp_path / "release"
    if not release.exists():
        release_in(release, [id_of(number) for number in range(333)], NAMES)
    proof = proven(release, query)
    changed = copy.deepcopy(proof)
    place = data.draw(st.sampled_from(_mutations(proof)))
    holder = changed
    for step in place[:-1]:
        holder = holder[step]
    old = holder[place[-1]]
    if isinstance(old, int):
        holder[place[-1]] = old ^ 1 << data.draw(st.integers(0, 12))
    else:
        at, bit = data.draw(st.integers(0, len(old) - 1)), data.draw(st.integers(0, 6))
        holder[place[-1]] = old[:at] + chr(ord(old[at]) ^ 1 << bit) + old[at + 1 :]
        # Hex digits in upper case are the same bytes; what shows one absent shows others absent that would stand there.
        hex_digits = place[-1] not in ("claim", "tree", "format") and (proof["tree"] == "contents" or "path" in place)
        if (
            hex_digits
            and holder[place[-1]].lower() == old.lower()
            or place == ("query",)
            and proof["claim"] == "absent"
        ):
            return
    assert not accepted(changed, release), (place, old, holder[place[-1]])


@pytest.mark.parametrize(
    "query", ["0" * 40, id_of(3), "github.com/a", "github.com/zz", "github.com/a/x", "github.com/a/z"]
)
def test_a_proof_of_which_a_leaf_is_missing_or_whose_claim_is_turned_is_rejected(
    releasing: Releasing, query: str
) -> None:
    release = releasing([id_of(number) for number in range(333)], NAMES)
    proof = proven(release, query)
    turned = {"present": "absent", "absent": "present"}[proof["claim"]]
    assert not accepted(proof | {"claim": turned}, release)
    for at in range(len(proof["leaves"])):
        rest = proof["leaves"][:at] + proof["leaves"][at + 1 :]
        assert not accepted(proof | {"leaves": rest}, release)
