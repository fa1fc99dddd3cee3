"""Archives of every kind, hostile ones among them."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack_data.config import LimitsConfig
from stack_data.errors import SourceError
from stack_data.reasons import Reason
from stack_data.sources.archive import entries_of_archive
from stack_data.sources.source import distinct_names
from tests.sources.reading import contents, read

MODES = {"tar": "w", "tar.gz": "w:gz", "tar.bz2": "w:bz2", "tar.xz": "w:xz"}


def make_tar(path: Path, members: list[tuple[str, bytes]], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def make_zip(path: Path, members: list[tuple[str, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("kind", [*MODES, "zip", "whl"])
def test_every_kind_is_read(tmp_path: Path, kind: str) -> None:
    members = [("a.py", b"a\n"), ("b/c.py", b"c\n")]
    name = f"thing-1.0.{kind}"
    if kind in MODES:
        make_tar(tmp_path / name, members, MODES[kind])
    else:
        make_zip(tmp_path / name, members)
    repositories, entries = read(tmp_path, "archive", archives=[name])
    assert contents(entries) == {"a.py": b"a\n", "b/c.py": b"c\n"}
    assert repositories[0].repo == "thing-1.0"


def test_a_single_top_folder_is_the_root(tmp_path: Path) -> None:
    make_tar(tmp_path / "x.tar.gz", [("x-1/a.py", b"a\n"), ("x-1/b/c.py", b"c\n")])
    assert set(contents(read(tmp_path, "archive", archives=["x.tar.gz"])[1])) == {"a.py", "b/c.py"}


@pytest.mark.parametrize("name", ["../evil.py", "/etc/evil.py", "a/../../evil.py", "C:\\evil.py", "..\\evil.py"])
def test_paths_that_leave_the_tree_are_refused(tmp_path: Path, name: str) -> None:
    make_tar(tmp_path / "x.tar.gz", [(name, b"evil\n"), ("good.py", b"good\n")])
    found = contents(read(tmp_path, "archive", archives=["x.tar.gz"])[1])
    assert found == {name: "path_traversal", "good.py": b"good\n"}
    make_zip(tmp_path / "x.zip", [(name, b"evil\n"), ("good.py", b"good\n")])
    assert "path_traversal" in contents(read(tmp_path, "archive", archives=["x.zip"])[1]).values()


def test_links_and_devices_are_recorded(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for name, kind in (
            ("soft", tarfile.SYMTYPE),
            ("hard", tarfile.LNKTYPE),
            ("pipe", tarfile.FIFOTYPE),
            ("dev", tarfile.CHRTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    found = contents(read(tmp_path, "archive", archives=["x.tar"])[1])
    assert found == {"soft": "symlink", "hard": "symlink", "pipe": "special_file", "dev": "special_file"}


def test_a_link_in_a_zip_is_recorded(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    assert contents(read(tmp_path, "archive", archives=["x.zip"])[1]) == {"link": "symlink"}


def test_a_bomb_is_refused_by_its_ratio(tmp_path: Path) -> None:
    zeros = b"\0" * 9_000_000
    make_zip(tmp_path / "x.zip", [("bomb.py", zeros), ("good.py", b"good\n")])
    found = contents(read(tmp_path, "archive", archives=["x.zip"])[1])
    assert found == {"bomb.py": "archive_bomb", "good.py": b"good\n"}
    make_tar(tmp_path / "x.tar.xz", [("bomb.py", zeros)], "w:xz")
    assert contents(read(tmp_path, "archive", archives=["x.tar.xz"])[1]) == {"bomb.py": "archive_bomb"}


def test_a_size_that_lies_does_not_help(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x.zip", [("big.py", b"x" * 100_000)])
    raw = bytearray(path.read_bytes())
    # The uncompressed size stands in the local header and in the central directory.
    for at in (22, raw.index(b"PK\x01\x02") + 24):
        struct.pack_into("<I", raw, at, 10)
    path.write_bytes(raw)
    try:
        found = contents(read(tmp_path, "archive", {"max_file_bytes": 1000}, archives=["x.zip"])[1])
    except SourceError:
        return
    assert len(found["big.py"] or b"") <= 1000


def test_an_encrypted_member_is_recorded(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x.zip", [("secret.py", b"secret\n")])
    raw = bytearray(path.read_bytes())
    raw[6] |= 1
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    assert contents(read(tmp_path, "archive", archives=["x.zip"])[1]) == {"secret.py": "encrypted"}


def test_of_two_members_with_one_path_the_first_counts(tmp_path: Path) -> None:
    make_tar(tmp_path / "x.tar.gz", [("a.py", b"first\n"), ("./a.py", b"second\n")])
    entries = read(tmp_path, "archive", archives=["x.tar.gz"])[1]
    assert [(entry.content, entry.reason) for entry in entries] == [(b"first\n", None), (None, Reason.REPEATED_PATH)]


def test_archives_of_one_name_are_told_apart(tmp_path: Path) -> None:
    assert distinct_names(["a/lib.zip", "b/lib.zip", "evil.tar.gz", "evil.zip", "x.zip"], lambda path: path.split("/")[-1].split(".")[0]) == [
        "a.lib.zip", "b.lib.zip", "evil.tar.gz", "evil.zip", "x"
    ]  # fmt: skip


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
def test_an_archive_that_may_not_be_read_costs_itself_alone(tmp_path: Path) -> None:
    make_tar(tmp_path / "x.tar.gz", [("a.py", b"a\n")])
    (tmp_path / "x.tar.gz").chmod(0)
    with pytest.raises(SourceError, match="Permission denied"):
        read(tmp_path, "archive", archives=["x.tar.gz"])


def test_caps_become_reasons(tmp_path: Path) -> None:
    make_tar(tmp_path / "x.tar.gz", [("a.py", b"a\n"), ("b.py", b"b\n"), ("big.py", b"x" * 100)])
    found = contents(read(tmp_path, "archive", {"max_files": 1, "max_file_bytes": 50}, archives=["x.tar.gz"])[1])
    assert found == {"a.py": b"a\n", "b.py": "over_cap", "big.py": "over_cap"}


def test_a_missing_archive_a_wrong_checksum_and_no_archive_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no archive"):
        read(tmp_path, "archive", archives=["none.zip"])
    make_tar(tmp_path / "x.tar.gz", [("a.py", b"a\n")])
    with pytest.raises(SourceError, match="expected 00"):
        read(tmp_path, "archive", archives=["x.tar.gz"], sha256={"x.tar.gz": "00"})
    (tmp_path / "text.zip").write_text("not an archive at all, just words\n" * 40)
    with pytest.raises(SourceError, match=r"text\.zip"):
        read(tmp_path, "archive", archives=["text.zip"])


@given(cut=st.floats(0.05, 0.95), kind=st.sampled_from(["tar.gz", "tar.xz", "tar.bz2", "zip"]))
def test_a_truncated_archive_is_an_error_never_a_shorter_list(
    tmp_path_factory: pytest.TempPathFactory, cut: float, kind: str
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    members = [(f"f{number}.py", bytes(range(256)) * number) for number in range(1, 20)]
    path = folder / f"x.{kind}"
    make_zip(path, members) if kind == "zip" else make_tar(path, members, MODES[kind])
    raw = path.read_bytes()
    path.write_bytes(raw[: max(1, int(len(raw) * cut))])
    with pytest.raises(SourceError, match=r"x\."):
        list(entries_of_archive(path, LimitsConfig()))  # type: ignore[call-arg]
