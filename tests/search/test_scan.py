"""Scans of checkouts: whole files first, then spans; folders and clone URLs; what is one's own is no finding."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from stack_data.errors import InputError, SourceError
from stack_data.search import scan as scanning
from stack_data.search.checkout import File, files_of, is_address, limits_of
from stack_data.search.clone_urls import asked_of
from stack_data.search.files_lookup import find
from stack_data.search.index import Index, open_index
from stack_data.search.query import match
from stack_data.search.removals import remove
from stack_data.search.scan import Found, Scan, scan
from stack_data.search.scan_report import scan_json, scan_text
from tests.leaving import code, commit
from tests.search.published import HTTP, copied, published

_NEW_NAMES = {
    "parseHTTPRequest": "readRows", "rawBytes": "blob", "max_size": "limit", "header_lines": "rows", "RetryPolicy": "Waiter",
    "next_delay": "pause", "attempt": "turn", "base_seconds": "unit",
}  # fmt: skip
RENAMED = re.sub("|".join(_NEW_NAMES), lambda found: _NEW_NAMES[found[0]], HTTP)
FILES = {
    "same.py": code("util"), "deep/edited.py": "import os\n\n" + code("util") + "\n\nprint(os.name)\n", "renamed.py": RENAMED,
    "own.py": "def nobody_wrote_this_before(x):\n    return [x]\n", "crlf.py": HTTP.replace("\n", "\r\n"),
}  # fmt: skip


@pytest.fixture(scope="module")
def index() -> Index:
    return published()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return folder


def scanned(index: Index, target: str | Path, own: Sequence[str] = (), exclude: tuple[str, ...] = ()) -> Scan:
    with files_of(str(target), limits_of(1 << 30, 1 << 20), exclude) as files:
        return scan(index, str(target), files, match, lambda ids: find(index, ids), own=[asked_of(one) for one in own])


def by_path(done: Scan) -> dict[str, Found]:
    return {one.path: one for one in done.files}


def test_whole_files_and_spans_are_found(index: Index, checkout: Path) -> None:
    found = by_path(scanned(index, checkout))
    assert {path: one.status for path, one in found.items()} == {
        "same.py": "identical", "deep/edited.py": "matches", "renamed.py": "matches", "own.py": "nothing", "crlf.py": "matches",
    }  # fmt: skip
    same = found["same.py"].identical
    assert same is not None and same.license == "MIT" and len(same.places) == 2
    edited = found["deep/edited.py"].matches[0]
    assert (edited.kind, edited.query_lines[0], edited.source_lines[0]) == ("exact", 3, 1)
    assert found["renamed.py"].matches[0].kind == "renamed"
    assert found["crlf.py"].matches[0].kind in ("exact", "reformatted")
    assert list(found) == sorted(found, key=os.fsencode)


def test_files_that_are_no_text_are_skipped_with_the_reason(index: Index, tmp_path: Path) -> None:
    (tmp_path / "binary.bin").write_bytes(b"\0\1\2")
    (tmp_path / "large.py").write_bytes(b"x = 1\n" * 300_000)
    (tmp_path / "link.py").symlink_to("/etc/passwd")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("secret = 1\n")
    found = by_path(scanned(index, tmp_path))
    assert {path: (one.status, one.reason) for path, one in found.items() if one.status == "skipped"} == {
        "binary.bin": ("skipped", "binary"), "large.py": ("skipped", "too_large"), "link.py": ("skipped", "symlink"),
    }  # fmt: skip
    assert ".git/config" not in found


def test_what_is_ones_own_is_no_finding_and_is_counted(index: Index, checkout: Path) -> None:
    found = by_path(scanned(index, checkout, own=["github.com/jane/lib"]))
    same = found["same.py"].identical
    assert same is not None and [one.repo_name for one in same.places] == ["john/tool"]
    assert found["crlf.py"].status == "nothing" and found["crlf.py"].own > 0
    both = by_path(scanned(index, checkout, own=["jane", "https://github.com/john/tool.git"]))
    assert {one.status for one in both.values()} == {"nothing"}
    assert both["same.py"].own == 1


def test_paths_can_be_left_out(index: Index, checkout: Path) -> None:
    assert "deep/edited.py" not in by_path(scanned(index, checkout, exclude=("deep/",)))
    assert set(by_path(scanned(index, checkout, exclude=("*.py",)))) == set()


def test_a_clone_url_is_read_without_a_work_tree(index: Index, checkout: Path, tmp_path: Path) -> None:
    origin = commit(tmp_path / "origin", {name: text for name, text in FILES.items() if name != "crlf.py"})
    hook = origin / ".git" / "hooks" / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    cloned = by_path(scanned(index, f"file://{origin}"))
    folder = by_path(scanned(index, origin))
    assert {path: one.status for path, one in cloned.items()} == {path: one.status for path, one in folder.items()}
    assert not (tmp_path / "ran").exists()


def test_what_cannot_be_scanned_is_one_clear_error(index: Index, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder"):
        scanned(index, tmp_path / "nowhere")
    with pytest.raises(SourceError):
        scanned(index, f"file://{tmp_path}/nowhere.git")
    with pytest.raises(SourceError):
        scanned(index, "ext::sh -c touch% /tmp/ran://x")


def test_addresses_and_folders_are_told_apart() -> None:
    assert is_address("https://github.com/o/r") and is_address("git@github.com:o/r.git")
    assert not is_address("folder") and not is_address("./a/b") and not is_address("C/x")


def test_what_was_removed_is_no_finding(tmp_path: Path, checkout: Path) -> None:
    folder = copied(tmp_path)
    index = open_index(folder)
    assert scanned(index, checkout).count("identical") == 1
    remove(folder, owners=["github.com/jane", "github.com/john", "github.com/jane-old"])
    done = scanned(index, checkout)
    assert done.count("nothing") == len(FILES)


def test_long_texts_are_searched_in_pieces_with_their_own_lines(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    before = "".join(f"line_{number} = {number}\r\n" for number in range(200))
    text = before + code("util")
    whole = scan(index, "x", [_file(text)], match, lambda ids: find(index, ids)).files[0].matches[0]
    monkeypatch.setattr(scanning, "MOST_TEXT", len(before) + 20)
    pieces = scan(index, "x", [_file(text)], match, lambda ids: find(index, ids)).files[0].matches[0]
    assert whole.query_lines[1] == pieces.query_lines[1] == 200 + code("util").count("\n")
    assert text[slice(*pieces.query_span)] in text[slice(*whole.query_span)]


def _file(text: str) -> File:
    return File("long.py", len(text), text.encode(), text, None)


def test_the_same_report_comes_from_any_number_of_workers(index: Index, checkout: Path) -> None:
    with files_of(str(checkout), limits_of(1 << 30, 1 << 20)) as files:
        every = list(files)
    done = [scan(index, "x", every, match, lambda ids: find(index, ids), workers=workers) for workers in (1, 4)]
    assert done[0] == done[1]


def test_the_report_is_json_and_a_table_that_names_what_was_searched(index: Index, checkout: Path) -> None:
    done = scanned(index, checkout)
    value = json.loads(json.dumps(scan_json(done)))
    assert value["summary"]["files"] == len(FILES)
    assert value["summary"]["licenses"] == {"MIT": 4}
    assert value["searched"][0]["release"] == "corpus 1.0.0"
    assert value["guaranteed_from_tokens"]["reformatted"] == 32
    (edited,) = (one for one in value["files"] if one["path"] == "deep/edited.py")
    assert {"kind", "query_lines", "source_lines", "license", "repo_name", "provenances"} <= edited["matches"][0].keys()
    text = scan_text(done)
    assert text.splitlines()[-1].endswith("searched: corpus 1.0.0")
    assert "same.py" in text and "own.py" not in text
