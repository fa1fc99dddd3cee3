"""Files of suppression lists: nothing is overwritten or lost, and a list that is not sound is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stack_data import signing
from stack_data.errors import ConfigError, InputError
from stack_data.optout.lists import read
from stack_data.sources.git_history import email_hash, key_id
from stack_data.suppressions import Imported, check_list, import_requests, read_candidate, sign_list
from tests.corpus import fairstack
from tests.leaving import entry, listed

DAY = "2026-11-21"
SECRET, PUBLIC = signing.new_key()


def imported(folder: Path, text: str, *, issuer: str = "local", created: str = DAY, **values: Any) -> Imported:
    (folder / "asked").write_text(text)
    return import_requests([folder / "asked"], folder / "list", issuer, created, **values)


def signed(folder: Path, text: str = "octocat\nocto-org/hello\nhubot\n") -> Path:
    imported(folder, text, issuer="registry", secret=SECRET)
    return folder / "list"


def test_the_next_list_goes_on_from_one_that_our_own_or_a_named_key_signed(tmp_path: Path) -> None:
    path = signed(tmp_path)
    new, _ = signing.new_key()
    with pytest.raises(InputError, match="is not trusted for this issuer"):
        imported(tmp_path, "b\n", issuer="registry", secret=new, previous=path)
    done = imported(tmp_path, "octocat\nmona\n", issuer="registry", secret=new, previous=path, keys=[PUBLIC])
    assert (done.merged.made.epoch, done.merged.new, done.merged.known) == (2, 1, 1)
    assert read(path.read_bytes(), "list", {"registry": [signing.public_key(new)]}) == done.merged.made
    path.write_text(path.read_text().replace("hubot", "other"))
    with pytest.raises(InputError, match="the signature is not that of key"):
        imported(tmp_path, "mona\n", issuer="registry", secret=new, previous=path)


def test_a_list_is_never_written_over_but_by_the_next_one(tmp_path: Path) -> None:
    path = signed(tmp_path)
    before = path.read_bytes()
    with pytest.raises(InputError, match="exists; to go on from it, name it with --previous"):
        imported(tmp_path, "mona\n", issuer="registry", secret=SECRET)
    for aside in (path, tmp_path / "asked"):
        with pytest.raises(InputError, match="exists or is the list itself"):
            imported(tmp_path, "mona\n", issuer="registry", secret=SECRET, previous=path, set_aside=aside)
    for values, wrong in (
        ({"issuer": "other", "secret": SECRET, "keys": [PUBLIC]}, "is not trusted|of issuer"), ({"issuer": "registry"}, "must be signed"),
        ({"issuer": "registry", "secret": SECRET, "created": "2026-01-01"}, "is before 2026-11-21"),
        ({"issuer": "registry", "secret": SECRET, "created": "9999"}, "must be a date"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=wrong):
            imported(tmp_path, "mona\n", previous=path, **values)
    assert path.read_bytes() == before


def test_nothing_is_written_while_something_is_not_understood(tmp_path: Path) -> None:
    done = imported(tmp_path, "octocat\nall of them\n")
    assert done.output is None and [one.line for one in done.set_aside] == [2]
    assert [path.name for path in tmp_path.iterdir()] == ["asked"]
    assert imported(tmp_path, "octocat\n", set_aside=tmp_path / "aside").output == tmp_path / "list"
    assert not (tmp_path / "aside").exists()


@pytest.mark.parametrize("host", ["no host", "pypi", "github.com/x", ""])
def test_a_host_that_is_none_is_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigError, match="--host"):
        imported(tmp_path, "octocat\n", host=host)


def test_an_issuer_whose_name_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no name of lower-case letters"):
        imported(tmp_path, "octocat\n", issuer="My Registry", secret=SECRET)
    assert not (tmp_path / "list").exists()


def test_a_signature_is_good_unchecked_or_none(tmp_path: Path) -> None:
    path = signed(tmp_path)
    assert check_list(path).signature == "unchecked"
    assert check_list(path, [signing.new_key()[1], PUBLIC]).signature == "good"
    local = Path(listed(tmp_path / "local", entry(name="a"), entry("content", host="", content_id="0" * 40)))
    state = check_list(local)
    assert (state.signature, state.kinds) == ("none", {"owner": 1, "content": 1})
    with pytest.raises(InputError, match="no signature"):
        check_list(local, [PUBLIC])


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("hubot", "hubbe", "line 5: the signature is not that of key"),
        ('"owner"', '"owners"', "line 2: kind is 'owners'"),
        ('"num_entries": 3', '"num_entries": 4', "num_entries is 4, the file has 3"),
        ("octocat", "octo\u200bcat", "U\\+200B, which nobody sees"),
    ],
)
def test_a_list_that_is_not_sound_is_refused_by_line(tmp_path: Path, old: str, new: str, wrong: str) -> None:
    path = signed(tmp_path)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError, match=wrong):
        check_list(path, [PUBLIC])


def test_a_list_of_an_issuer_without_its_signature_is_refused(tmp_path: Path) -> None:
    path = signed(tmp_path)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(InputError, match="no signature"):
        check_list(path)
    # To look at what it would do, nobody needs to have signed it.
    assert len(read_candidate(path).entries) == 3


def test_a_list_edited_by_hand_is_counted_signed_and_follows_the_last_epoch(tmp_path: Path) -> None:
    secret, public = signing.new_key()
    edited = tmp_path / "edited"
    line = '{"kind": "owner", "host": "h.org", "name": "a", "spread": "exact", "granted": "moderator", "effect": "remove", "since": "2026-01-01"}'
    edited.write_text(
        '{"format": "fairstack-suppressions/1", "issuer": "us", "epoch": 3, "key_id": "", "num_entries": 9}\n'
        + line
        + "\n"
    )
    for epoch in (3, 4):
        made = sign_list(edited, tmp_path / "list", "2026-11-21", secret)
        assert (made.epoch, len(made.entries)) == (epoch, 1)
        assert check_list(tmp_path / "list", [public]).signature == "good"
    edited.write_text(edited.read_text() + "{}\n")
    with pytest.raises(InputError, match="edited: line 3: kind is None"):
        sign_list(edited, tmp_path / "list", "2026-11-21", secret)
    assert check_list(tmp_path / "list", [public]).epoch == 4


def test_the_command_hashes_an_address_as_the_builder_does() -> None:
    done = fairstack("data", "suppressions", "email", " Gina@Example.org", "--json", FAIRSTACK_AUTHOR_KEY="k")
    assert json.loads(done.stdout) == {"email_hash": email_hash("k", "gina@example.org"), "author_key_id": key_id("k")}
    assert fairstack("data", "suppressions", "email", "x@y", FAIRSTACK_AUTHOR_KEY="").returncode == 2
