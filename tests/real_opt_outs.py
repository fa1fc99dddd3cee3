"""People, places and lists for opt-outs in builds of real repositories: what git itself made, and what a release then names."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from stack_data import lock
from stack_data import recheck as rechecking
from stack_data.build import release_of
from stack_data.layout import Build
from stack_data.optout import Entry
from stack_data.recheck import Checked, Recheck
from stack_data.sources.remote_state import RemoteState
from stack_data.verify import verify
from tests.leaving import code, commit, license_of, listed, made, rows
from tests.sources.test_archive import make_tar
from tests.sources.test_remote import Server

Place = tuple[str, str, str, str, str]
OTHERS = {"bystander/own.py": code("bystander")}


def person(tmp_path: Path, name: str, files: dict[str, str | None], **environment: str) -> Path:
    """Make the repository of a person under a licence of their own."""
    return commit(tmp_path / "git" / name, {"LICENSE": license_of(f"{name.title()} Unique"), **files}, **environment)


def places(release: Path) -> set[Place]:
    """Return every place that a release names: (host, owner, repo, path, content id)."""
    found = rows(release, "provenance")
    return {(row["host"], row["owner"], row["repo"], row["path"], row["content_id"]) for row in found}


def of(found: set[Place], *owners: str) -> set[Place]:
    return {one for one in found if one[1] in owners}


def leave(folder: Path, version: str, *entries: Entry, epoch: int = 1, **values: Any) -> Path:
    """Release a build with a list of these entries; return the release, which is sound."""
    path = listed(folder.parent.parent / f"list-{epoch}", *entries, epoch=epoch, **values)
    release_of(folder, [f"release.version={version}"], suppressions=[path])
    assert verify(folder).problems == []
    return folder / "releases" / version


def first(path: Path) -> Path:
    """Build; return the first release."""
    release = made(path).release
    assert release is not None
    return release


def written(folder: Path, name: str, state: RemoteState) -> None:
    """Write a recheck in which the host of one repository says this and all others are as they were."""
    keys = [unit.key for group in lock.read(Build.open(folder)).groups for unit in group.units]
    said = {key: Checked(state if name in key else RemoteState("ok"), "2026-11-21") for key in keys}
    rechecking._write(folder, Recheck("2026-11-21", {"repos": said}))
    assert [one.state for one in said.values()].count(state) == 1


def package(server: Server, tmp_path: Path, files: dict[str, str], home_page: str, uploaded: str) -> str:
    """Serve the package `thing` from a registry; return its source of a configuration."""
    members = [(f"thing-1.0/{name}", text.encode()) for name, text in files.items()]
    archive = make_tar(tmp_path / "thing-1.0.tar.gz", members).read_bytes()
    file = {
        "packagetype": "sdist", "filename": "thing-1.0.tar.gz", "url": "../../files/thing-1.0.tar.gz",
        "digests": {"sha256": hashlib.sha256(archive).hexdigest()}, "upload_time_iso_8601": uploaded,
    }  # fmt: skip
    info = {"version": "1.0", "home_page": None, "project_urls": {"Source": home_page}}
    server.answers["/pypi/thing/json"] = json.dumps({"info": info, "urls": [file]}).encode()
    server.answers["/files/thing-1.0.tar.gz"] = archive
    return f'\n[[source]]\nname = "registry"\nkind = "packages"\npypi = ["thing"]\npypi_url = "{server.url}"\n'
