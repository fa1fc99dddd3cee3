"""The git source on real repositories, hostile ones among them."""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import subprocess
import threading
from pathlib import Path

import pytest

from stack_data.config import LimitsConfig
from stack_data.config_sources import GitConfig, GitRepositoryConfig
from stack_data.errors import SourceError
from stack_data.identity import content_id
from stack_data.reasons import Reason
from stack_data.sources import git
from stack_data.sources.git_history import email_hash, key_id
from stack_data.sources.source import Entry, Repository, SourceContext, Unit

ENVIRONMENT = {
    "PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "A@Example.org", "GIT_AUTHOR_DATE": "2020-01-02T03:04:05Z",
    "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_COMMITTER_DATE": "2020-01-02T03:04:05Z",
}  # fmt: skip


def run(folder: Path, *words: str, **more: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=folder, env=ENVIRONMENT | more, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(folder: Path, files: dict[str, str | None], **more: str) -> str:
    for name, text in files.items():
        path = folder / name
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    run(folder, "add", "-A", **more)
    run(folder, "commit", "-qm", "m", **more)
    return run(folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    run(folder, "init", "-q", "-b", "main")
    return folder


def context(tmp_path: Path, **limits: int) -> SourceContext:
    cache = tmp_path / "cache"
    cache.mkdir(exist_ok=True)
    return SourceContext(cache, tmp_path, LimitsConfig(**limits), "2026-01-01", {"FAIRSTACK_AUTHOR_KEY": "key"})  # type: ignore[arg-type]


def config(url: str, revision: str = "HEAD", **facts: object) -> GitConfig:
    wanted = GitRepositoryConfig(url=url, revision=revision, **facts)  # type: ignore[arg-type]
    return GitConfig(kind="git", name="g", repositories=(wanted,))


def read(tmp_path: Path, url: str, revision: str = "HEAD", **limits: int) -> tuple[Repository, list[Entry], Unit]:
    here = context(tmp_path, **limits)
    (unit,) = git.resolve(config(url, revision), here)
    if "failed" in unit.locked:
        raise SourceError(str(unit.locked["failed"]))
    reading = git.read(unit, here)
    return reading.repositories[0], list(reading.entries), unit


def test_contents_come_with_their_blob_ids_in_tree_order(tmp_path: Path, repository: Path) -> None:
    head = commit(repository, {"b.py": "b\n", "a/c.py": "c\n", "a/copy.py": "b\n"})
    _, entries, unit = read(tmp_path, str(repository))
    assert [entry.path for entry in entries] == ["a/c.py", "a/copy.py", "b.py"]
    assert unit.locked["commit"] == head
    assert {entry.revision for entry in entries} == {head}
    assert [entry.content for entry in entries] == [b"c\n", b"b\n", None]
    assert entries[2].content_id == content_id(b"b\n")


def test_a_bare_clone_gives_the_same_entries(tmp_path: Path, repository: Path) -> None:
    commit(repository, {"a.py": "a\n"})
    run(tmp_path, "clone", "-q", "--bare", str(repository), "bare.git")
    assert read(tmp_path, "bare.git")[1] == read(tmp_path, str(repository))[1]


def test_a_branch_tag_and_packed_ref_can_be_named(tmp_path: Path, repository: Path) -> None:
    first = commit(repository, {"a.py": "1\n"})
    run(repository, "tag", "-am", "t", "v1")
    run(repository, "branch", "old")
    commit(repository, {"a.py": "2\n"})
    for revision in ("v1", "old", first, "refs/heads/old"):
        assert read(tmp_path, str(repository), revision)[1][0].content == b"1\n"
    run(repository, "pack-refs", "--all")
    run(repository, "gc", "-q")
    assert read(tmp_path, str(repository), "v1")[1][0].content == b"1\n"


def test_links_and_submodules_are_recorded(tmp_path: Path, repository: Path) -> None:
    (repository / "link").symlink_to("/etc/passwd")
    commit(repository, {"a.py": "a\n"})
    head = run(repository, "rev-parse", "HEAD")
    run(repository, "update-index", "--add", "--cacheinfo", f"160000,{head},sub")
    run(repository, "commit", "-qm", "sub")
    reasons = {entry.path: entry.reason for entry in read(tmp_path, str(repository))[1]}
    assert reasons == {"a.py": None, "link": Reason.SYMLINK, "sub": Reason.SUBMODULE}


def test_caps_become_reasons(tmp_path: Path, repository: Path) -> None:
    commit(repository, {"a.py": "a\n", "b.py": "b\n", "big.py": "x" * 100})
    reasons = [entry.reason for entry in read(tmp_path, str(repository), max_file_bytes=50, max_files=1)[1]]
    assert reasons == [None, Reason.OVER_CAP, Reason.TOO_LARGE]


def test_history_gives_roots_time_and_authors_across_renames(tmp_path: Path, repository: Path) -> None:
    root = commit(repository, {"old.py": "one\ntwo\nthree\n"})
    run(repository, "mv", "old.py", "new.py")
    run(repository, "commit", "-qm", "move", GIT_AUTHOR_EMAIL="b@example.org")
    commit(repository, {"new.py": "changed\n"}, GIT_AUTHOR_EMAIL="b@example.org")
    facts, entries, _ = read(tmp_path, str(repository))
    assert facts.root_commits == (root,)
    assert facts.first_commit_time == "2020-01-02T03:04:05Z"
    assert facts.key_id == key_id("key")
    shares = {author.email_hash: author.share for author in entries[0].authors}
    assert shares == {
        email_hash("key", "b@example.org"): pytest.approx(2 / 3, abs=1e-3),
        email_hash("key", "a@example.org"): pytest.approx(1 / 3, abs=1e-3),
    }


def test_names_come_from_the_remote(tmp_path: Path, repository: Path) -> None:
    commit(repository, {"a.py": "a\n"})
    assert (read(tmp_path, str(repository))[0].host, read(tmp_path, str(repository))[0].repo) == ("local", "repo")
    run(repository, "remote", "add", "origin", "git@github.com:Some-Owner/thing.git")
    facts = read(tmp_path, str(repository))[0]
    assert (facts.host, facts.owner, facts.repo) == ("github.com", "Some-Owner", "thing")


def test_a_file_url_is_read_in_place(tmp_path: Path, repository: Path) -> None:
    commit(repository, {"a.py": "a\n"})
    assert read(tmp_path, f"file://{repository}")[1][0].content == b"a\n"


def test_a_remote_repository_is_cloned_and_read(tmp_path: Path, repository: Path) -> None:
    """The dumb HTTP protocol needs nothing but served files."""
    head = commit(repository, {"a.py": "a\n"})
    run(tmp_path, "clone", "-q", "--bare", str(repository), "served.git")
    run(tmp_path / "served.git", "update-server-info")
    handler = functools.partial(_Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            facts, entries, unit = read(tmp_path, f"http://127.0.0.1:{server.server_port}/served.git", "main")
        finally:
            server.shutdown()
            thread.join()
    assert unit.locked["commit"] == head
    assert (facts.host, facts.repo) == ("127.0.0.1", "served")
    assert entries[0].content == b"a\n"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_a_damaged_object_costs_one_entry(tmp_path: Path, repository: Path) -> None:
    commit(repository, {"a.py": "a\n", "b.py": "b\n", "c.py": "c\n"})
    name = content_id(b"b\n")
    path = repository / ".git" / "objects" / name[:2] / name[2:]
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    entries = read(tmp_path, str(repository))[1]
    assert [(entry.content, entry.reason) for entry in entries] == [
        (b"a\n", None), (None, Reason.CONTENT_MISSING), (b"c\n", None)
    ]  # fmt: skip


def test_a_missing_object_costs_one_entry(tmp_path: Path, repository: Path) -> None:
    commit(repository, {"a.py": "a\n", "b.py": "b\n"})
    name = content_id(b"a\n")
    (repository / ".git" / "objects" / name[:2] / name[2:]).unlink()
    assert [entry.reason for entry in read(tmp_path, str(repository))[1]] == [Reason.CONTENT_MISSING, None]


@pytest.mark.parametrize("revision", ["nothing", "../../etc/passwd", "--output=x"])
def test_a_revision_that_is_not_there_is_named(tmp_path: Path, repository: Path, revision: str) -> None:
    commit(repository, {"a.py": "a\n"})
    with pytest.raises(SourceError, match="revision"):
        read(tmp_path, str(repository), revision)


def test_an_empty_repository_and_a_plain_folder_are_refused(tmp_path: Path, repository: Path) -> None:
    with pytest.raises(SourceError, match="empty"):
        read(tmp_path, str(repository))
    (tmp_path / "plain").mkdir()
    with pytest.raises(SourceError, match="no git repository"):
        read(tmp_path, "plain")


def test_a_sha256_repository_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "sha256"
    folder.mkdir()
    run(folder, "init", "-q", "--object-format=sha256")
    commit(folder, {"a.py": "a\n"})
    with pytest.raises(SourceError, match="SHA-256"):
        read(tmp_path, str(folder))


@pytest.mark.parametrize("url", ["ext::sh -c touch% canary", "--upload-pack=touch canary", "fd::17"])
def test_helper_urls_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(SourceError):
        read(tmp_path, url)


def test_nothing_in_a_hostile_repository_runs(tmp_path: Path, repository: Path) -> None:
    commit(repository, {"a.py": "before\n", ".gitattributes": "* filter=evil diff=evil\n"})
    commit(repository, {"a.py": "a\n"})
    canary = tmp_path / "canary"
    touch = f"touch {canary}"
    for key in (
        "core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "core.askPass", "credential.helper", "diff.external",
        "diff.evil.command", "diff.evil.textconv", "filter.evil.smudge", "filter.evil.clean", "uploadpack.packObjectsHook",
        "gpg.program", "sequence.editor", "alias.cat-file", "alias.log", "alias.ls-tree", "alias.rev-parse", "pager.log",
        "core.alternateRefsCommand", "remote.origin.uploadpack",
    ):  # fmt: skip
        run(repository, "config", key, f"!{touch}" if key.startswith(("alias.", "credential.")) else touch)
    run(repository, "config", "core.hooksPath", str(tmp_path / "hooks"))
    run(repository, "config", "remote.origin.promisor", "true")
    run(repository, "config", "remote.origin.url", f"ext::sh -c {touch}")
    run(repository, "config", "include.path", str(tmp_path / "more"))
    (tmp_path / "more").write_text(f"[core]\n\tfsmonitor = {touch}\n")
    (tmp_path / "hooks").mkdir()
    for hook in ("post-checkout", "pre-auto-gc", "reference-transaction", "post-index-change"):
        (tmp_path / "hooks" / hook).write_text(f"#!/bin/sh\n{touch}\n")
        (tmp_path / "hooks" / hook).chmod(0o755)
    # A missing blob is what makes a partial clone ask its promisor remote.
    name = content_id(b"a\n")
    (repository / ".git" / "objects" / name[:2] / name[2:]).unlink()
    reasons = [entry.reason for entry in read(tmp_path, str(repository))[1]]
    assert reasons == [None, Reason.CONTENT_MISSING]
    assert not canary.exists()
    (unit,) = git.resolve(config(str(repository)).model_copy(update={"commits": 9}), context(tmp_path))
    *_, change = git.read(unit, context(tmp_path)).entries
    assert (change.path, change.reason) == ("a.py", Reason.CONTENT_MISSING)
    assert not canary.exists()


def test_a_folder_of_mirrors_without_a_repository_is_told_as_that(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "mirrors").mkdir()
    (tmp_path / "mirrors" / "one").symlink_to(repository)
    config = GitConfig(kind="git", name="g", mirrors=str(tmp_path / "mirrors"))
    with pytest.raises(SourceError, match=r"mirrors holds no repository \(links are not followed\)$"):
        git.resolve(config, context(tmp_path))
    (tmp_path / "table.csv").write_text("url,stars\n")
    with pytest.raises(SourceError, match=r"^table.csv has no row$"):
        git.resolve(GitConfig(kind="git", name="g", table="table.csv"), context(tmp_path))


def test_a_folder_of_mirrors_and_a_table_give_a_unit_each(tmp_path: Path) -> None:
    for name in ("x", "y"):
        folder = tmp_path / "mirrors" / "deep" / name
        folder.mkdir(parents=True)
        run(folder, "init", "-q", "-b", "main")
        commit(folder, {"a.py": f"{name}\n"})
    here = context(tmp_path)
    mirrors = git.resolve(GitConfig(kind="git", name="g", mirrors="mirrors"), here)
    assert [Path(unit.locked["path"]).name for unit in mirrors] == ["x", "y"]
    (tmp_path / "table.csv").write_text("url,stars,license\nmirrors/deep/x,7,MIT\nmirrors/none,,\n")
    units = git.resolve(GitConfig(kind="git", name="g", table="table.csv"), here)
    assert (units[0].locked["stars"], units[0].locked["license"]) == (7, "MIT")
    assert "no git repository" in units[1].locked["failed"]


def test_a_wrong_row_of_a_table_is_told_with_its_column_and_value(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("url,stars,fork\na,7,\nb,many,x\n")
    with pytest.raises(SourceError) as refused:
        git.resolve(GitConfig(kind="git", name="g", table="table.csv"), context(tmp_path))
    told = "'stars' must be a whole number (seen: 'many'); unknown key 'fork'; did you mean 'is_fork'?"
    assert str(refused.value) == f"{tmp_path / 'table.csv'}: row 2: {told}"


def test_tokens_go_to_their_host_and_nowhere_else() -> None:
    from stack_data.sources.git_process import environment

    secrets = {"FAIRSTACK_GIT_TOKEN_GIT_EXAMPLE_ORG": "secret"}
    assert "secret" not in str(environment(None, secrets, "https://other.example.org/a/b"))
    sent = environment(None, secrets, "https://git.example.org/a/b")
    assert sent["GIT_CONFIG_KEY_0"] == "http.https://git.example.org/.extraHeader"
    assert hashlib.sha256(sent["GIT_CONFIG_VALUE_0"].encode()).hexdigest() != ""
