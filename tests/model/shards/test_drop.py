from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.shards.build import build_shards
from model.shards.drop import drop
from model.shards.shards import Shards, open_shards
from model.shards.tables import PLACES, PLACES_FILE, read_table
from model.shards.verify import verify_shards
from stack_data import signing, storage
from stack_data.errors import ConfigError, InputError, StorageError
from stack_data.identity import place_id
from stack_data.manifest import Manifest, read
from stack_data.optout.lists import Entry, SuppressionList, write
from tests.model.shards.shards_made import ANN, JANE, JOE, made, tokenizer_folder
from tests.model.shards.test_build import ROOT, files
from tests.search.releases import At, Content, program, release

ALONE, SHARED, OTHER = (
    Content(program(1, 4), (JANE,)),
    Content(program(2, 4), (JANE, JOE)),
    Content(program(3, 4), (ANN,)),
)
NEARLY = Content(program(4, 4), (JOE, At("jane", repo="copy", near=program(4, 4) + "# changed\n")))
GIVEN = [ALONE, SHARED, OTHER, NEARLY]


def listed(folder: Path, entries: Sequence[Entry], epoch: int = 1, issuer: str = "local", secret: str = "") -> str:
    """Write a suppression list; return its path."""
    path = folder / f"{issuer}-{epoch}.jsonl"
    path.write_text(
        write(SuppressionList(issuer=issuer, epoch=epoch, created="2026-11-21", entries=tuple(entries)), secret)
    )
    return str(path)


def owner(name: str, **more: Any) -> Entry:
    return Entry(kind="owner", host="github.com", name=name, since="2026-01-01", **more)


def removals(folder: Path, identity: str, entries: Sequence[dict[str, str]], epoch: int = 1, secret: str = "") -> str:
    """Write a removal list; return its path."""
    header = {
        "format": "fairstack-removals/1", "name": "corpus", "release": "1.0.0", "identity": identity, "epoch": epoch,
        "key_id": signing.key_id(signing.public_key(secret)) if secret else "", "num_entries": len(entries), "created": "2026-11-21",
        "lists": {"forge": 10 + epoch},
    }  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in (header, *entries))
    path = folder / f"removals-{epoch}.jsonl"
    path.write_text(signing.signed(text, secret) if secret else text)
    return str(path)


def row(shards: Shards, one: Content) -> int:
    return [identity.tobytes().hex() for identity in shards.content_ids].index(one.id)


def raw_tokens(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("tokens-*.bin")))


def test_what_an_owner_has_alone_is_overwritten_and_nothing_else_is(tmp_path: Path) -> None:
    folder = made(tmp_path, GIVEN)
    before = open_shards(folder)
    tokens = {one.id: before.tokens(row(before, one)).copy() for one in GIVEN}
    counts, numbers = before.num_tokens.copy(), before.content_ids.copy()
    done = drop(folder, lists=[listed(tmp_path, [owner("jane")])])
    after = open_shards(folder)
    assert (done.num_documents, done.num_tokens) == (1, len(tokens[ALONE.id]))
    assert after.is_dropped.tolist() == [at == row(after, ALONE) for at in range(4)]
    assert not after.tokens(row(after, ALONE)).any()
    assert tokens[ALONE.id].tobytes() not in raw_tokens(folder)
    for one in (SHARED, OTHER, NEARLY):
        assert after.tokens(row(after, one)).tolist() == tokens[one.id].tolist()
    assert after.num_tokens.tolist() == counts.tolist()
    assert after.content_ids.tolist() == numbers.tolist()
    assert after.identity == before.identity
    assert verify_shards(folder).problems == []


def test_who_has_the_shards_open_sees_it_at_once(tmp_path: Path) -> None:
    folder = made(tmp_path, GIVEN)
    reader = open_shards(folder)
    number = row(reader, ALONE)
    assert reader.tokens(number).any()
    drop(folder, lists=[listed(tmp_path, [owner("jane")])])
    assert reader.is_dropped[number]
    assert not reader.tokens(number).any()


def test_of_a_document_that_stays_the_next_place_is_displayed_and_the_other_forgotten(tmp_path: Path) -> None:
    folder = made(tmp_path, GIVEN)
    drop(folder, lists=[listed(tmp_path, [owner("jane")])])
    shards = open_shards(folder)
    shown = shards.columns.slice(row(shards, SHARED), 1).to_pylist()[0]
    assert (shown["host"], shown["repo_name"], shown["path"]) == ("github.com", "joe/lib", "lib/b.py")
    gone = shards.columns.slice(row(shards, ALONE), 1).to_pylist()[0]
    assert (gone["host"], gone["repo_name"], gone["path"]) == ("", "", "")
    for name, content in files(folder).items():
        assert b"jane" not in content, name


def test_near_duplicates_of_what_goes_are_forgotten_with_it(tmp_path: Path) -> None:
    folder = made(tmp_path, GIVEN)
    drop(folder, lists=[listed(tmp_path, [owner("joe")])])
    shards = open_shards(folder)
    assert shards.is_dropped[row(shards, NEARLY)]
    assert row(shards, NEARLY) not in read_table(folder / PLACES_FILE, PLACES)["document"].to_pylist()


def test_an_entry_that_only_masks_drops_nothing(tmp_path: Path) -> None:
    folder = made(tmp_path, GIVEN)
    assert drop(folder, lists=[listed(tmp_path, [owner("jane", effect="mask")])]).num_documents == 0


@pytest.mark.parametrize(
    ("entry", "gone"),
    [
        (Entry(kind="repository", host="github.com", name="ann/tool", since="2026-01-01"), {OTHER.id}),
        (Entry(kind="content", content_id=SHARED.id, since="2026-01-01"), {SHARED.id}),
        (Entry(kind="path", host="github.com", name="jane/lib", glob="src/*.py", since="2026-01-01"), {ALONE.id}),
        (owner("jane", spread="exact", granted="moderator"), {ALONE.id, SHARED.id}),
        (owner("jane", spread="near", granted="moderator"), {ALONE.id, SHARED.id, NEARLY.id}),
    ],
)
def test_every_kind_of_entry_reaches_what_it_names(tmp_path: Path, entry: Entry, gone: set[str]) -> None:
    folder = made(tmp_path, GIVEN)
    done = drop(folder, lists=[listed(tmp_path, [entry])])
    assert done.record is not None
    assert set(done.record.contents) == gone
    assert verify_shards(folder).problems == []


def test_numeric_ids_decide_where_both_sides_know_them(tmp_path: Path) -> None:
    given = [Content(program(1), (At("renamed", owner_id=7),)), Content(program(2), (At("jane", owner_id=8),))]
    folder = made(tmp_path, given)
    done = drop(folder, lists=[listed(tmp_path, [owner("jane", numeric_id=7)])])
    assert done.record is not None and done.record.contents == (given[0].id,)


def test_a_second_drop_of_the_same_list_changes_nothing(tmp_path: Path) -> None:
    folder = made(tmp_path, GIVEN)
    location = listed(tmp_path, [owner("jane")])
    drop(folder, lists=[location])
    before = files(folder)
    assert drop(folder, lists=[location]).record is None
    assert files(folder) == before


def test_records_say_what_was_done_and_name_nobody(tmp_path: Path) -> None:
    folder = made(tmp_path, GIVEN)
    drop(folder, lists=[listed(tmp_path, [owner("jane")], 3)])
    drop(folder, lists=[listed(tmp_path, [owner("jane"), owner("ann")], 5)])
    shards = open_shards(folder)
    first, second = shards.drops
    assert [one.number for one in shards.drops] == [1, 2]
    assert (first.contents, second.contents) == ((ALONE.id,), (OTHER.id,))
    assert first.lists["local"]["epoch"] == 3
    assert shards.epochs == {"local": 5}
    assert set(first.files) >= {"dropped.u8", "documents.arrow", "places.arrow"}
    assert second.files["dropped.u8"][0] == first.files["dropped.u8"][1]
    assert first.num_places == 3  # jane's two, and the near duplicate
    for path in (folder / "drops").iterdir():
        assert not any(name in path.read_text() for name in ("jane", "ann", "lib", "tool"))


def test_a_list_that_names_nothing_here_still_raises_the_epoch(tmp_path: Path) -> None:
    folder = made(tmp_path, GIVEN)
    before = raw_tokens(folder)
    assert drop(folder, lists=[listed(tmp_path, [owner("nobody")], 4)]).num_documents == 0
    assert open_shards(folder).epochs == {"local": 4}
    assert raw_tokens(folder) == before
    assert drop(folder, lists=[str(tmp_path / "local-4.jsonl")]).record is None


def test_an_older_list_is_refused(tmp_path: Path) -> None:
    folder = made(tmp_path, GIVEN)
    drop(folder, lists=[listed(tmp_path, [owner("jane")], 4)])
    with pytest.raises(InputError, match="epoch 3 of issuer 'local' is older than epoch 4"):
        drop(folder, lists=[listed(tmp_path, [owner("jane")], 3)])


def test_another_list_of_the_same_epoch_is_refused(tmp_path: Path) -> None:
    folder = made(tmp_path, GIVEN)
    drop(folder, lists=[listed(tmp_path, [owner("jane")], 4)])
    with pytest.raises(InputError, match="was another list"):
        drop(folder, lists=[listed(tmp_path, [owner("ann")], 4)])


def test_a_list_of_an_issuer_must_be_signed_by_a_trusted_key(tmp_path: Path) -> None:
    folder = made(tmp_path, GIVEN)
    (secret, _), (other, _) = signing.new_key(), signing.new_key()
    location = listed(tmp_path, [owner("jane")], issuer="forge", secret=secret)
    for keys in ({}, {"forge": [signing.public_key(other)]}):
        with pytest.raises(InputError):
            drop(folder, lists=[location], keys=keys)
    assert not open_shards(folder).is_dropped.any()
    assert drop(folder, lists=[location], keys={"forge": [signing.public_key(secret)]}).num_documents == 1


def test_a_removal_list_needs_nothing_else(tmp_path: Path) -> None:
    folder = made(tmp_path, GIVEN)
    identity = open_shards(folder).manifest.plan["config"]["releases"][0]["identity"]
    named = [{"content_id": OTHER.id}, {"place_id": place_id(SHARED.id, "github.com", "jane", "lib", "src/a.py")}]
    shutil.rmtree(tmp_path / "release")
    done = drop(folder, removal_lists=[removals(tmp_path, identity, named)])
    shards = open_shards(folder)
    assert done.record is not None and done.record.contents == (OTHER.id,)
    assert shards.columns["repo_name"][row(shards, SHARED)].as_py() == "joe/lib"
    assert shards.epochs == {"forge": 11}
    assert verify_shards(folder).problems == []


def test_a_removal_list_of_a_near_duplicate_takes_its_place_and_not_the_document(tmp_path: Path) -> None:
    folder = made(tmp_path, GIVEN)
    shards = open_shards(folder)
    rows = read_table(folder / PLACES_FILE, PLACES).to_pylist()
    near = next(one for one in rows if one["relation"] == "near")["content_id"].hex()
    identity = shards.manifest.plan["config"]["releases"][0]["identity"]
    assert drop(folder, removal_lists=[removals(tmp_path, identity, [{"content_id": near}])]).num_documents == 0
    assert "near" not in read_table(folder / PLACES_FILE, PLACES)["relation"].to_pylist()


def test_a_removal_list_of_another_release_or_an_older_one_is_refused(tmp_path: Path) -> None:
    folder = made(tmp_path, GIVEN)
    identity = open_shards(folder).manifest.plan["config"]["releases"][0]["identity"]
    with pytest.raises(InputError, match=r"identity 0000000000000000\.\.\., and .* holds other ones: corpus 1\.0\.0"):
        drop(folder, removal_lists=[removals(tmp_path, "0" * 64, [])])
    drop(folder, removal_lists=[removals(tmp_path, identity, [], 2)])
    with pytest.raises(InputError, match="epoch 1 is older than epoch 2"):
        drop(folder, removal_lists=[removals(tmp_path, identity, [], 1)])


def test_a_removal_list_must_be_signed_where_the_release_states_a_key(tmp_path: Path) -> None:
    one = release(tmp_path, GIVEN)
    (secret, _), (other, _) = signing.new_key(), signing.new_key()
    stated = read(one / "manifest.json")
    plan = dict(stated.plan) | {"config": dict(stated.plan["config"]) | {"key": signing.public_key(secret)}}
    Manifest(plan, stated.outputs, stated.counts).write(one / "manifest.json")
    folder = tmp_path / "shards"
    build_shards([one], tokenizer_folder(), folder)
    identity = open_shards(folder).manifest.plan["config"]["releases"][0]["identity"]
    for wrong in ("", other):
        with pytest.raises(InputError, match="no signature|is not trusted"):
            drop(folder, removal_lists=[removals(tmp_path, identity, [{"content_id": OTHER.id}], secret=wrong)])
    assert (
        drop(
            folder, removal_lists=[removals(tmp_path, identity, [{"content_id": OTHER.id}], secret=secret)]
        ).num_documents
        == 1
    )


def test_a_drop_without_a_list_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name what to follow"):
        drop(made(tmp_path, GIVEN))


def test_shards_that_were_dropped_from_are_not_made_again(tmp_path: Path) -> None:
    folder = made(tmp_path, GIVEN)
    drop(folder, lists=[listed(tmp_path, [owner("jane")])])
    assert not build_shards([tmp_path / "release/1.0.0"], tokenizer_folder(), folder).is_new
    assert open_shards(folder).is_dropped.sum() == 1


def test_drops_of_a_release_follow_only_that_release(tmp_path: Path) -> None:
    ones = [release(tmp_path, [ALONE], "1.0.0"), release(tmp_path, [OTHER], "2.0.0")]
    build_shards(ones, tokenizer_folder(), tmp_path / "shards")
    identity = storage.sha256_file(ones[0] / "manifest.json")
    drop(tmp_path / "shards", removal_lists=[removals(tmp_path, identity, [{"content_id": ALONE.id}])])
    # The other release follows no list of that issuer, so the shards as a whole do not.
    assert open_shards(tmp_path / "shards").epochs == {}


def test_a_disk_that_refuses_leaves_a_drop_that_can_be_carried_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = made(tmp_path, GIVEN)
    location = listed(tmp_path, [owner("jane")])
    (folder / "tokens-00000.bin").chmod(0o600)
    real = storage.sync_folder

    def full(path: Path) -> None:
        if path == folder:
            raise OSError(28, "No space left on device")
        real(path)

    monkeypatch.setattr(storage, "sync_folder", full)
    with pytest.raises(StorageError, match="the disk is full"):
        drop(folder, lists=[location])
    monkeypatch.undo()
    with pytest.raises(InputError, match="a drop was stopped in it"):
        open_shards(folder)
    assert drop(folder).num_documents == 1
    assert verify_shards(folder).problems == []


FORKER = """
import json, os, shutil, signal, sys
from pathlib import Path
from model.shards.drop import drop
start, folder, location = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
changes = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "shutil.rmtree", "mmap.__new__"}
count = at = 0
def hook(event, given):
    global count
    if event == "open" and isinstance(given[2], int) and given[2] & os.O_ACCMODE != os.O_RDONLY or event in changes:
        count += 1
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)
shutil.copytree(start, folder / "whole")
drop(folder / "whole", lists=[location])
status = 1
while status:
    number = at + 1
    shutil.copytree(start, folder / str(number))
    child = os.fork()
    if child == 0:
        at = number
        sys.addaudithook(hook)
        drop(folder / str(number), lists=[location])
        os._exit(0)
    status, at = os.waitpid(child, 0)[1], number
print(at)
"""


def test_a_drop_that_is_killed_anywhere_ends_the_same(tmp_path: Path) -> None:
    start, tried = made(tmp_path, GIVEN), tmp_path / "tried"
    location = listed(tmp_path, [owner("jane")])
    untouched = files(start)
    run = subprocess.run(
        [sys.executable, "-c", FORKER, str(start), str(tried), location],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    kills = int(run.stdout)
    wanted = files(tried / "whole")
    assert kills > 15
    seen = set()
    for number in range(1, kills):
        folder = tried / str(number)
        try:
            shards = open_shards(folder)
            # Nothing was decided yet, or all is done: the shards are one or the other, whole.
            is_done = bool(shards.is_dropped.any())
            assert raw_tokens(folder) == raw_tokens(tried / "whole" if is_done else start)
            seen.add("done" if is_done else "before")
        except InputError as error:
            assert "a drop was stopped in it" in str(error)
            seen.add("pending")
        drop(folder, lists=[location])
        left = {name: content for name, content in files(folder).items() if not name.endswith(".tmp")}
        assert left == wanted, number
        assert np.array_equal(open_shards(folder).is_dropped, open_shards(tried / "whole").is_dropped)
    assert seen == {"before", "pending", "done"}
    assert files(start) == untouched


def test_repositories_keep_their_numbers_when_places_leave(tmp_path: Path) -> None:
    folder = made(tmp_path, GIVEN)
    before = open_shards(folder).columns
    drop(folder, lists=[listed(tmp_path, [owner("jane")])])
    after = open_shards(folder).columns
    assert after["repo_name"].to_pylist() != before["repo_name"].to_pylist()
    assert after["repository"].to_pylist() == before["repository"].to_pylist()
