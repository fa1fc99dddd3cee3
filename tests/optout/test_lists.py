"""Suppression lists: what is read, and every way in which a list is refused, by line."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack_data import registry, signing
from stack_data.errors import ConfigError, InputError
from stack_data.optout.lists import Entry, SuppressionList, read, write

SECRET, PUBLIC = signing.new_key()
KEYS = {"registry": [PUBLIC]}
OWNER = Entry(kind="owner", host="github.com", name="alice", numeric_id=7, since="2026-01-01")


def made(*entries: Entry, issuer: str = "registry", epoch: int = 3) -> SuppressionList:
    return SuppressionList(issuer=issuer, epoch=epoch, created="2026-11-21", entries=entries or (OWNER,))


def local(*lines: Any, **header: Any) -> bytes:
    first = {"format": "fairstack-suppressions/1", "issuer": "local", "epoch": 1, "key_id": "", "created": "2026-01-01"}
    return "".join(json.dumps(one) + "\n" for one in [first | {"num_entries": len(lines)} | header, *lines]).encode()


def entry(**values: Any) -> dict[str, Any]:
    return {
        "kind": "owner",
        "host": "h.org",
        "name": "a",
        "spread": "none",
        "effect": "remove",
        "since": "2026-01-01",
    } | values


def test_a_signed_list_is_read_as_it_was_written() -> None:
    entries = (
        OWNER,
        Entry(kind="path", host="github.com", name="a/b", glob="src/*.py", spread="exact", effect="mask", since="2026-01-01", until="2026-02-01"),
        Entry(kind="content", content_id="0" * 40, since="2026-01-01", spread="near", granted="moderator"),
    )  # fmt: skip
    assert read(write(made(*entries), SECRET).encode(), "list", KEYS) == made(*entries)


def test_a_local_list_needs_no_signature_and_any_other_does() -> None:
    assert read(write(made(issuer="local")).encode(), "list", {}).issuer == "local"
    with pytest.raises(InputError, match="must be signed"):
        write(made())
    unsigned = write(made(), SECRET).rsplit("\n", 2)[0] + "\n"
    with pytest.raises(InputError, match=r"list: line 2: no signature"):
        read(unsigned.encode(), "list", KEYS)


def test_an_unknown_key_is_refused_and_so_is_the_key_of_another_issuer() -> None:
    raw = write(made(), SECRET).encode()
    with pytest.raises(InputError, match=r"list: line 1: key_id '[0-9a-f]{16}' is not trusted"):
        read(raw, "list", {"other": [PUBLIC]})
    with pytest.raises(InputError, match="not trusted"):
        read(raw, "list", {"registry": [signing.new_key()[1]]})


@given(st.data())
def test_no_changed_byte_passes(data: st.DataObject) -> None:
    raw = bytearray(write(made(), SECRET).encode())
    # The spelling of JSON's last line is free; what it says is not.
    at = data.draw(st.integers(0, raw.rindex(b'{"signature"') - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(InputError, match=r"list: "):
        read(bytes(raw), "list", KEYS)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "is empty"),
        (local(entry())[:-1], "line 2: has no end"),
        (local(entry()).replace(b'"kind"', b"kind"), "line 2: is no JSON: '"),
        (local([1]), "line 2: is no JSON object"),
        (local(entry(), format="fairstack-suppressions/2"), "line 1: format is 'fairstack-suppressions/2'"),
        (local(entry(), epoch=-1), "line 1: epoch is -1"),
        (local(entry(), surprise=1), "line 1: unknown key 'surprise'"),
        (local(entry(), num_entries=2), "line 1: num_entries is 2, the file has 1"),
        (local(entry(), entry(kind="ownr")), "line 3: kind is 'ownr'; it is one of: owner"),
        (local(entry(spread="all")), "line 2: spread is 'all'"),
        (local(entry(effect="")), "line 2: effect is ''"),
        (local(entry(nane="x")), "line 2: unknown key 'nane'"),
        (local(entry(since="yesterday")), "line 2: since is 'yesterday'"),
        (local(entry(until="2026-13-01")), "line 2: until is '2026-13-01'"),
        (local(entry(numeric_id="7")), "line 2: numeric_id is '7'"),
        (local(entry(name="al\U000e0061ice")), "line 2: name .* holds the character U\\+E0061"),
        (local(entry(name="a\u202eb")), "U\\+202E"),
        (local(entry(name=" a")), "begins or ends with white space"),
        (local(entry(name="")), "needs host and name"),
        (local(entry(name="-")), "must be an owner"),
        (local(entry(name="https://h.org/a")), "is no name as its host writes it"),
        (local(entry(name="@a")), "is no name as its host writes it"),
        (local(entry(name="a b")), "is no name as its host writes it"),
        (local(entry(host="github.com", name="a/b")), "is no name of github.com"),
        (local(entry(host="h org")), "is no host name"),
        (local(entry(kind="repository")), "must be owner/repository"),
        (local(entry(kind="path", name="a/b")), "glob belongs to entries of kind 'path'"),
        (local(entry(kind="content", content_id="12")), "content_id is '12'"),
        (local(entry(kind="email", email_hash="x")), "email_hash is 'x'"),
        (local(entry(kind="email", email_hash="0" * 64)), "line 1: author_key_id is missing"),
        (local(entry(granted="me")), "granted is 'me'"),
    ],
)
def test_a_bad_line_is_named(raw: bytes, told: str) -> None:
    with pytest.raises(InputError, match=told):
        read(raw, "list", {})


def test_a_secret_that_is_no_key_is_one_error() -> None:
    with pytest.raises(ConfigError, match="FAIRSTACK_SIGNING_KEY is no key"):
        signing.secret_in({"FAIRSTACK_SIGNING_KEY": "short"})


def stored(tmp_path: Path, *lists: SuppressionList) -> list[str]:
    names = []
    for number, one in enumerate(lists):
        (tmp_path / f"{number}.jsonl").write_text(write(one, SECRET if one.issuer != "local" else ""))
        names.append(f"{number}.jsonl")
    return names


def accept(tmp_path: Path, *names: str) -> list[SuppressionList]:
    return registry.accept(tmp_path / "accepted", names, KEYS, tmp_path)


def test_a_list_once_accepted_stays_in_force(tmp_path: Path) -> None:
    first, second = stored(tmp_path, made(), made(issuer="local", epoch=9))
    assert registry.epochs(accept(tmp_path, first)) == {"registry": 3}
    assert registry.epochs(accept(tmp_path, second)) == {"local": 9, "registry": 3}
    assert registry.epochs(accept(tmp_path)) == {"local": 9, "registry": 3}


def test_a_lower_epoch_and_another_list_of_the_same_epoch_are_refused(tmp_path: Path) -> None:
    names = stored(
        tmp_path,
        made(),
        made(epoch=2),
        made(Entry(kind="owner", host="h", name="b", since="2026-01-01")),
        made(epoch=4),
    )
    accept(tmp_path, names[0])
    with pytest.raises(InputError, match=r"1.jsonl: line 1: epoch 2 of issuer 'registry' is older than epoch 3"):
        accept(tmp_path, names[1])
    with pytest.raises(InputError, match=r"2.jsonl: line 1: epoch 3 of issuer 'registry' was another list"):
        accept(tmp_path, names[2])
    assert registry.epochs(accept(tmp_path)) == {"registry": 3}
    assert registry.epochs(accept(tmp_path, names[3])) == {"registry": 4}


def test_one_bad_list_keeps_all_of_them_out(tmp_path: Path) -> None:
    good, _ = stored(tmp_path, made(), made(issuer="local"))
    (tmp_path / "1.jsonl").write_bytes(b"{}\n")
    with pytest.raises(InputError, match="1.jsonl: line 1"):
        accept(tmp_path, good, "1.jsonl")
    assert accept(tmp_path) == []


def test_of_two_lists_of_one_issuer_the_newer_counts(tmp_path: Path) -> None:
    other = Entry(kind="owner", host="h.org", name="b", since="2026-01-01")
    names = stored(tmp_path, made(), made(epoch=4), made(other, epoch=4))
    assert registry.epochs(accept(tmp_path, names[0], names[1], names[0])) == {"registry": 4}
    with pytest.raises(InputError, match="epoch 4 of issuer 'registry' is another list elsewhere"):
        accept(tmp_path, names[1], names[2])


def test_a_list_comes_by_url_or_the_run_stops(tmp_path: Path) -> None:
    raw = write(made(), SECRET).encode()

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/list" else 404)
            self.end_headers()
            self.wfile.write(raw if self.path == "/list" else b"")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        assert registry.epochs(accept(tmp_path, f"{url}/list")) == {"registry": 3}
        with pytest.raises(InputError, match="the server answered 404"):
            accept(tmp_path, f"{url}/other")
    finally:
        server.shutdown()
        server.server_close()
    with pytest.raises(InputError, match="cannot be fetched"):
        accept(tmp_path, f"{url}/list")
    with pytest.raises(InputError, match="only https"):
        accept(tmp_path, "ftp://example.org/list")
    with pytest.raises(InputError, match="cannot be read: No such file"):
        accept(tmp_path, "absent.jsonl")
