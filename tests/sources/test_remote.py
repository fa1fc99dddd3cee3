"""Packages, data sets and Software Heritage contents, from a server on loopback and from local folders."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stack_data.errors import SourceError, TemporarySourceError
from stack_data.identity import content_id
from stack_data.sources import kinds
from stack_data.sources.software_heritage import store_content
from tests.sources.reading import contents, context, read, units
from tests.sources.test_archive import make_tar


class Server:
    """Serves fixed answers by path; `failures` of a path are answered 503 first."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.failures: dict[str, int] = {}
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if outer.failures.get(self.path, 0) > 0:
                    outer.failures[self.path] -= 1
                    self.send_error(503)
                elif self.path in outer.answers:
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(outer.answers[self.path])))
                    self.end_headers()
                    self.wfile.write(outer.answers[self.path])
                else:
                    self.send_error(404)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever)
        self.thread.start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    served = Server()
    yield served
    served.close()


def sdist(tmp_path: Path) -> bytes:
    return make_tar(
        tmp_path / "thing.tar.gz", [("thing-1.0/thing.py", b"x = 1\n"), ("thing-1.0/PKG-INFO", b"Name: thing\n")]
    ).read_bytes()


def serve_pypi(server: Server, archive: bytes, **changes: Any) -> None:
    file = {
        "packagetype": "sdist", "filename": "thing-1.0.tar.gz", "url": "../../files/thing-1.0.tar.gz",
        "digests": {"sha256": hashlib.sha256(archive).hexdigest()}, "upload_time_iso_8601": "2020-01-02T03:04:05.678901Z",
    } | changes  # fmt: skip
    answer = {
        "info": {"version": "1.0", "home_page": "https://github.com/o/thing", "project_urls": None},
        "urls": [file],
    }
    server.answers["/pypi/thing/json"] = json.dumps(answer).encode()
    server.answers["/files/thing-1.0.tar.gz"] = archive


def test_a_source_distribution_with_a_relative_address(tmp_path: Path, server: Server) -> None:
    serve_pypi(server, sdist(tmp_path))
    repositories, entries = read(tmp_path, "packages", pypi=["Thing"], pypi_url=server.url)
    assert contents(entries) == {"thing.py": b"x = 1\n", "PKG-INFO": b"Name: thing\n"}
    assert {entry.revision for entry in entries} == {"1.0"}
    assert repositories[0].host_time == "2020-01-02T03:04:05Z"
    assert repositories[0].aliases == ("github.com/o/thing",)


def test_a_wrong_checksum_is_refused(tmp_path: Path, server: Server) -> None:
    serve_pypi(server, sdist(tmp_path), digests={"sha256": "0" * 64})
    with pytest.raises(SourceError, match="SHA-256"):
        read(tmp_path, "packages", pypi=["thing"], pypi_url=server.url)


def test_a_package_that_is_not_there_fails_alone(tmp_path: Path, server: Server) -> None:
    serve_pypi(server, sdist(tmp_path))
    found = units(tmp_path, "packages", pypi=["nothing", "thing"], pypi_url=server.url)
    assert "404" in found[0].locked["failed"]
    assert found[1].locked["version"] == "1.0"


def test_a_package_without_a_source_distribution_is_named(tmp_path: Path, server: Server) -> None:
    serve_pypi(server, b"", packagetype="bdist_wheel")
    with pytest.raises(SourceError, match="no source distribution"):
        read(tmp_path, "packages", pypi=["thing"], pypi_url=server.url)


def test_a_busy_registry_is_worth_another_try(tmp_path: Path, server: Server) -> None:
    serve_pypi(server, sdist(tmp_path))
    (unit,) = units(tmp_path, "packages", pypi=["thing"], pypi_url=server.url)
    server.failures["/files/thing-1.0.tar.gz"] = 1
    with pytest.raises(TemporarySourceError, match="503"):
        kinds.read("packages", unit, context(tmp_path))
    assert len(list(kinds.read("packages", unit, context(tmp_path)).entries)) == 2


@pytest.mark.parametrize(("name", "owner"), [("thing", "-"), ("@scope/thing", "scope")])
def test_an_npm_tarball_is_verified_and_read(tmp_path: Path, server: Server, name: str, owner: str) -> None:
    archive = make_tar(
        tmp_path / "n.tgz", [("package/index.js", b"let x\n"), ("package/package.json", b"{}")]
    ).read_bytes()
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    version = {
        "dist": {"tarball": "/t/thing.tgz", "integrity": integrity},
        "repository": {"url": "git+https://github.com/o/thing.git"},
    }
    answer = {
        "dist-tags": {"latest": "1.0.0"},
        "versions": {"1.0.0": version},
        "time": {"1.0.0": "2020-01-02T03:04:05.678Z"},
    }
    server.answers[f"/{name.replace('/', '%2F')}"] = server.answers[f"/{name}"] = json.dumps(answer).encode()
    server.answers["/t/thing.tgz"] = archive
    repositories, entries = read(tmp_path, "packages", npm=[name], npm_url=server.url)
    assert contents(entries) == {"index.js": b"let x\n", "package.json": b"{}"}
    assert (repositories[0].owner, repositories[0].repo, repositories[0].aliases) == (
        owner,
        "thing",
        ("github.com/o/thing",),
    )
    server.answers["/t/thing.tgz"] = archive + b"x"
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    with pytest.raises(SourceError, match="sha512"):
        # Elsewhere, because what was verified once lies in the cache.
        read(fresh, "packages", npm=[name], npm_url=server.url)


def test_an_archive_at_a_url_is_pinned_by_its_bytes(tmp_path: Path, server: Server) -> None:
    server.answers["/thing-1.0.tar.gz"] = sdist(tmp_path)
    repositories, entries = read(tmp_path, "archive", archives=[f"{server.url}/thing-1.0.tar.gz"])
    assert contents(entries)["thing.py"] == b"x = 1\n"
    assert repositories[0].repo == "thing-1.0"


def write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


def test_the_stack_layout(tmp_path: Path) -> None:
    row = {"content": "x = 1\n", "hexsha": content_id(b"x = 1\n"), "max_stars_repo_path": "a/b.py", "max_stars_repo_name": "o/r",
           "max_stars_repo_head_hexsha": "c0ffee", "max_stars_repo_licenses": ["MIT", "Apache-2.0"], "max_stars_count": 3}  # fmt: skip
    write_table(
        tmp_path / "data" / "train.parquet",
        [row, row | {"max_stars_repo_name": "o/other", "max_stars_repo_licenses": []}],
    )
    repositories, entries = read(tmp_path, "huggingface", path="data", preset="the-stack")
    assert [(one.host, one.owner, one.repo, one.stars) for one in repositories] == [
        ("github.com", "o", "r", 3),
        ("github.com", "o", "other", 3),
    ]
    assert [(entry.path, entry.content, entry.license, entry.revision, entry.repository) for entry in entries] == [
        ("a/b.py", b"x = 1\n", "(MIT) AND (Apache-2.0)", "c0ffee", 0), ("a/b.py", b"x = 1\n", None, "c0ffee", 1),
    ]  # fmt: skip


def test_the_stack_v2_layout_fetches_contents_by_id(tmp_path: Path) -> None:
    name = store_content(tmp_path / "bucket", b"y = 2\n")
    rows = [{"blob_id": one, "path": "/p/a.py", "repo_name": "o/r", "revision_id": "c1", "detected_licenses": ["MIT"],
             "star_events_count": 1, "src_encoding": "UTF-8"} for one in (name, "0" * 40)]  # fmt: skip
    write_table(tmp_path / "data" / "train.parquet", rows)
    _, entries = read(tmp_path, "huggingface", path="data", preset="the-stack-v2", contents="bucket")
    assert [(entry.path, entry.content) for entry in entries] == [("p/a.py", b"y = 2\n"), ("p/a.py", None)]
    assert entries[1].reason is not None and entries[1].reason.value == "content_missing"


def test_the_stack_v3_layout_holds_a_repository_per_row(tmp_path: Path) -> None:
    files = [
        {"content_id": "x", "content": text, "file_path": path, "detected_licenses": ["MIT"]}
        for path, text in (("a.py", "a\n"), ("b.py", "b\n"))
    ]
    row = {"repo_path": "o/r", "commit_id": "c2", "github_metadata": {"stars": 9}, "files": files}
    write_table(tmp_path / "data" / "train.parquet", [row])
    repositories, entries = read(tmp_path, "huggingface", path="data", preset="stack-v3-train")
    assert [(one.owner, one.repo, one.stars) for one in repositories] == [("o", "r", 9)]
    assert [(entry.path, entry.content, entry.revision, entry.license) for entry in entries] == [
        ("a.py", b"a\n", "c2", "(MIT)"), ("b.py", b"b\n", "c2", "(MIT)"),
    ]  # fmt: skip


def test_own_columns_and_caps(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    lines = [
        json.dumps({"code": f"x = {number}\n", "file": {"name": f"{number}.py"}, "project": "p"}) for number in range(3)
    ]
    (tmp_path / "data" / "train.jsonl").write_text("\n".join(lines))
    columns = {"content": "code", "path": "file.name", "repository": "project"}
    _, entries = read(tmp_path, "huggingface", {"max_files": 2}, path="data", columns=columns)
    assert contents(entries) == {"0.py": b"x = 0\n", "1.py": b"x = 1\n", "(all further rows)": "over_cap"}


def test_a_data_set_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="preset or columns"):
        units(tmp_path, "huggingface", path="data")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.parquet").write_bytes(b"PAR1 no PAR1")
    with pytest.raises(SourceError, match="data"):
        read(tmp_path, "huggingface", path="data", preset="the-stack")


def test_software_heritage_contents_are_checked_against_their_ids(tmp_path: Path) -> None:
    good = store_content(tmp_path / "bucket", b"good\n")
    forged = content_id(b"wanted\n")
    (tmp_path / "bucket" / good).rename(tmp_path / "bucket" / "kept")
    (tmp_path / "bucket" / forged).write_bytes((tmp_path / "bucket" / "kept").read_bytes())
    (tmp_path / "bucket" / "kept").rename(tmp_path / "bucket" / good)
    broken = content_id(b"broken\n")
    (tmp_path / "bucket" / broken).write_bytes(b"no gzip")
    (tmp_path / "t.csv").write_text(
        "swhid,path,repo_name,revision_id,license\n"
        f"swh:1:cnt:{good},a.py,o/r,c1,MIT\nswh:1:cnt:{forged},b.py,o/r,c1,\nswh:1:cnt:{broken},c.py,o/r,c1,\n{'1' * 40},d.py,o/r,c1,\n"
    )
    repositories, entries = read(tmp_path, "software_heritage", table="t.csv", bucket="bucket")
    assert contents(entries) == {
        "a.py": b"good\n",
        "b.py": "unreadable",
        "c.py": "unreadable",
        "d.py": "content_missing",
    }
    assert entries[0].license == "MIT"
    assert len(repositories) == 1


@pytest.mark.parametrize("table", ["swhid,path\nnonsense,a.py\n", "\x00\x01"])
def test_a_table_that_is_none_is_named(tmp_path: Path, table: str) -> None:
    (tmp_path / "t.csv").write_text(table)
    with pytest.raises(SourceError):
        read(tmp_path, "software_heritage", table="t.csv", bucket="bucket")
