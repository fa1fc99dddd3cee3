"""The `git` source: repositories at a revision, read from the object store in bulk. Nothing is checked out or run.

A local repository (bare, work tree, mirror) is read where it lies; a remote one is cloned bare into the cache first.
Entries come in tree order from one `ls-tree` and one `cat-file --batch` process. Symbolic links and submodules are
recorded, a damaged or missing object is a reason for that entry alone. Shallow clones and builds without
FAIRSTACK_AUTHOR_KEY have unknown authors. Behind the files come commits, where they are asked for (git_commits.py).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from pydantic import ValidationError

from stack_data.config_errors import describe
from stack_data.config_sources import GitConfig, GitRepositoryConfig
from stack_data.errors import SourceError
from stack_data.reasons import Reason
from stack_data.sources import git_commits, git_history
from stack_data.sources.forges import RepositoryName, parse_remote
from stack_data.sources.git_objects import contents_of
from stack_data.sources.git_process import check_word, private_repository, run
from stack_data.sources.git_refs import common_dir, find_git_dir, remote_url, resolve_revision
from stack_data.sources.source import Author, Entry, Repository, SourceContext, Unit, UnitReading, distinct_names
from stack_data.sources.tables import read_table

_SYMLINK, _SUBMODULE = "120000", "160000"


def resolve(config: GitConfig, context: SourceContext) -> list[Unit]:
    """Return one unit per repository, pinned to a commit; one that cannot be resolved now is a failed unit."""
    wanted = list(config.repositories) + _mirrors(config, context) + _from_table(config, context)
    if not wanted:
        empty = [f"{config.mirrors} holds no repository (links are not followed)"] if config.mirrors else []
        raise SourceError("; ".join([*empty, *([f"{config.table} has no row"] if config.table else [])]))
    distinct = list({f"{one.url}@{one.revision}": one for one in wanted}.items())
    units = [_unit(key, one, config, context) for key, one in distinct]
    return _named_apart(units)


def _named_apart(units: list[Unit]) -> list[Unit]:
    """Repositories known by their folder's name alone are told apart by the folders above where several share it."""
    local = [unit for unit in units if unit.locked.get("host") == "local" and unit.locked.get("path")]
    paths = list(dict.fromkeys(str(unit.locked["path"]).removesuffix(".git").rstrip("/") for unit in local))
    names = dict(zip(paths, distinct_names(paths, lambda path: PurePosixPath(path).name), strict=True))
    return [
        Unit(unit.key, {**unit.locked, "repo": names[str(unit.locked["path"]).removesuffix(".git").rstrip("/")]})
        if unit in local and unit.locked["repo"] == PurePosixPath(str(unit.locked["path"])).name.removesuffix(".git")
        else unit
        for unit in units
    ]


def _unit(key: str, wanted: GitRepositoryConfig, config: GitConfig, context: SourceContext) -> Unit:
    try:
        return Unit(key, _lock(wanted, config, context))
    except SourceError as error:
        return Unit(key, {"failed": str(error)})


def _lock(wanted: GitRepositoryConfig, config: GitConfig, context: SourceContext) -> dict[str, Any]:
    check_word(wanted.url, "url")
    check_word(wanted.revision, "revision")
    facts = wanted.model_dump(mode="json", exclude={"url", "revision", "host", "owner", "repo"})
    path = _local_path(wanted.url, context)
    if path is not None:
        git_dir = find_git_dir(path)
        if git_dir is None:
            raise SourceError(f"{path} is no git repository")
        commit, url = resolve_revision(git_dir, wanted.revision), remote_url(git_dir)
        name = (parse_remote(url) if url else None) or RepositoryName("local", "-", path.name.removesuffix(".git"))
        origin: dict[str, Any] = {"path": str(path)}
    else:
        commit, url = _remote_commit(wanted, context), wanted.url
        name = parse_remote(wanted.url) or RepositoryName("remote", "-", wanted.url)
        origin = {"url": wanted.url}
    return origin | facts | {
        "commit": commit, "authors": config.authors, "public_url": _without_secrets(url or ""),
        "host": wanted.host or name.host, "owner": wanted.owner or name.owner, "repo": wanted.repo or name.repo,
        # Only where they are asked for: units locked before there were commits stay as they are.
        **({"commits": config.commits, "commits_per_file": config.commits_per_file} if config.commits else {}),
    }  # fmt: skip


def _local_path(url: str, context: SourceContext) -> Path | None:
    if url.startswith("file://"):
        return Path(url.removeprefix("file://"))
    if "://" in url or re.match(r"[\w.+-]+@[\w.-]+:", url):
        return None
    if "::" in url:
        raise SourceError(f"{url!r}: remote helpers are not allowed")
    return context.config_folder / Path(url).expanduser()


def _without_secrets(url: str) -> str:
    return re.sub(r"(?<=://)[^/@]*@", "", url)


def _remote_commit(wanted: GitRepositoryConfig, context: SourceContext) -> str:
    if re.fullmatch(r"[0-9a-f]{40}", wanted.revision):
        return wanted.revision
    words = ["ls-remote", "--", wanted.url, wanted.revision, f"refs/tags/{wanted.revision}^{{}}"]
    lines = run(words, None, context.secrets, url=wanted.url, timeout=120).decode("utf-8", "replace").splitlines()
    refs: dict[str, str] = {name: oid for oid, _, name in (line.partition("\t") for line in lines) if name}
    for name in (wanted.revision, *(f"refs/{kind}/{wanted.revision}" for kind in ("tags", "heads"))):
        found = refs.get(f"{name}^{{}}") or refs.get(name)
        if found:
            return found
    raise SourceError(f"{_without_secrets(wanted.url)} has no revision {wanted.revision!r}")


def _mirrors(config: GitConfig, context: SourceContext) -> list[GitRepositoryConfig]:
    if config.mirrors is None:
        return []
    root = context.config_folder / Path(config.mirrors).expanduser()
    if not root.is_dir():
        raise SourceError(f"no folder of mirrors at {root}")
    found: list[Path] = []
    pending = [root]
    while pending:
        folder = pending.pop()
        if find_git_dir(folder):
            found.append(folder)
        else:
            pending += [one for one in folder.iterdir() if one.is_dir() and not one.is_symlink()]
    return [GitRepositoryConfig(url=str(path)) for path in sorted(found)]


def _from_table(config: GitConfig, context: SourceContext) -> list[GitRepositoryConfig]:
    if config.table is None:
        return []
    path = context.config_folder / Path(config.table).expanduser()
    rows = []
    for number, row in enumerate(read_table(path), 1):
        row = {key: value for key, value in row.items() if value not in (None, "")}
        try:
            rows.append(GitRepositoryConfig.model_validate(row))
        except ValidationError as error:
            raise SourceError(f"{path}: row {number}: {describe(error, GitRepositoryConfig)}") from error
    return rows


def _short(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:16]


class _Blob(NamedTuple):
    path: str
    mode: str
    oid: str
    num_bytes: int


def read(unit: Unit, context: SourceContext) -> UnitReading:
    """Read a repository; SourceError when it or its commit cannot be read."""
    locked = unit.locked
    git_dir = find_git_dir(Path(locked["path"])) if "path" in locked else _clone(unit, context)
    if git_dir is None:
        raise SourceError(f"{locked.get('path')} is no git repository")
    objects = common_dir(git_dir) / "objects"
    private = private_repository(context.cache / f"git-{_short(unit.key)}", objects, context.secrets)
    commit = (
        run(["rev-parse", "--verify", "--end-of-options", f"{locked['commit']}^{{commit}}"], private, context.secrets)
        .decode()
        .strip()
    )
    blobs = _list(private, commit, context)
    key = context.secrets.get("FAIRSTACK_AUTHOR_KEY", "")
    shallow = (objects.parent / "shallow").is_file()
    authors: dict[str, tuple[Author, ...]] | None = None
    if key and locked["authors"] and not shallow:
        authors = git_history.authors_by_path(private, commit, key, context.secrets)
    root_commits, first_time = git_history.roots(private, commit, context.secrets) if not shallow else ((), "")
    known = authors is not None
    repository = Repository(
        host=locked["host"], owner=locked["owner"], repo=locked["repo"], url=locked["public_url"],
        owner_id=locked["owner_id"], repo_id=locked["repo_id"], root_commits=root_commits,
        first_commit_time=first_time, host_time=locked["host_time"], is_fork=locked["is_fork"],
        fork_of=locked["fork_of"], stars=locked["stars"], aliases=tuple(locked["aliases"]),
        # Locks of before there were topics have none.
        topics=tuple(locked.get("topics", ())),
        declared_license=locked["license"], declared_by="repository table" if locked["license"] else "",
        audience=locked["audience"] or "public", authors_known=known, key_id=git_history.key_id(key) if known else "",
    )  # fmt: skip
    files = _entries(private, commit, blobs, authors or {}, context)
    return UnitReading([repository], _with_commits(files, unit, private, commit, key if known else "", context))


def _with_commits(
    files: Iterator[Entry], unit: Unit, git_dir: Path, commit: str, key: str, context: SourceContext
) -> Iterator[Entry]:
    """Yield the files, then the commits that the unit asks for; what was read of the files counts for both."""
    most, per_file = (int(unit.locked.get(name, 0)) for name in ("commits", "commits_per_file"))
    if not most:
        yield from files
        return
    blobs: dict[str, str] = {}
    num_files = num_bytes = readable = 0
    for entry in files:
        yield entry
        if entry.content_id and entry.reason is not Reason.SYMLINK:
            blobs[entry.path] = entry.content_id
        if entry.reason is None:
            num_files, num_bytes = num_files + 1, num_bytes + max(entry.num_bytes, 0)
        if entry.reason in (None, Reason.NOT_SAMPLED):
            readable += max(entry.num_bytes, 0)
    takes = context.sample.chooser([readable]) if context.sample else lambda _: True
    state = git_commits.Locked(git_dir, commit, blobs, key, takes, num_files, num_bytes)
    yield from git_commits.entries(state, most, per_file, context)


def _clone(unit: Unit, context: SourceContext) -> Path:
    target = context.cache / f"clone-{_short(unit.key)}.git"
    if not (target / "HEAD").exists():
        url = unit.locked["url"]
        words = [
            "clone",
            "--quiet",
            "--bare",
            "--template=",
            "--no-recurse-submodules",
            "-c",
            "core.hooksPath=/dev/null",
            "--",
            url,
            str(target),
        ]
        run(words, None, context.secrets, url=url, timeout=context.limits.max_unit_seconds)
    return target


def _list(git_dir: Path, commit: str, context: SourceContext) -> list[_Blob]:
    output = run(["ls-tree", "-r", "-z", "-l", "--full-tree", commit], git_dir, context.secrets)
    blobs = []
    for line in output.split(b"\0")[:-1]:
        facts, _, path = line.partition(b"\t")
        # The size is "-" for submodules and "BAD" for objects that are missing or damaged.
        mode, _, oid, size = facts.decode().split()
        blobs.append(_Blob(path.decode("utf-8", "surrogateescape"), mode, oid, int(size) if size.isdigit() else -1))
    return blobs


def _entries(
    git_dir: Path, commit: str, blobs: Sequence[_Blob], authors: dict[str, tuple[Author, ...]], context: SourceContext
) -> Iterator[Entry]:
    planned = [(blob, reason) for blob, reason in zip(blobs, _reasons(blobs, context), strict=True)]
    first: set[str] = set()
    wanted: list[str] = []
    for blob, reason in planned:
        # Each blob is read once; its further places name it by id.
        if reason is None and blob.oid not in first:
            first.add(blob.oid)
            wanted.append(blob.oid)
    contents = contents_of(git_dir, wanted, context.secrets)
    broken: dict[str, Reason] = {}
    for blob, reason in planned:
        content: bytes | None = None
        if reason is None and blob.oid in first:
            first.discard(blob.oid)
            found = next(contents)
            if isinstance(found, Reason):
                broken[blob.oid] = found
            else:
                content = found
        reason = reason or broken.get(blob.oid)
        known = blob.oid if blob.mode != _SUBMODULE else None
        yield Entry(blob.path, content, blob.num_bytes, reason, "", 0, commit, authors.get(blob.path, ()), None, known)


def _reasons(blobs: Sequence[_Blob], context: SourceContext) -> Iterator[Reason | None]:
    num_files = num_bytes = 0
    limits = context.limits
    takes = context.sample.chooser(_readable_sizes(blobs, context)) if context.sample else lambda _: True
    for blob in blobs:
        if blob.mode == _SYMLINK:
            yield Reason.SYMLINK
        elif blob.mode == _SUBMODULE:
            yield Reason.SUBMODULE
        elif blob.num_bytes > limits.max_file_bytes:
            yield Reason.TOO_LARGE
        elif not takes(blob.path):
            yield Reason.NOT_SAMPLED
        elif num_files >= limits.max_files or num_bytes >= limits.max_unit_bytes:
            yield Reason.OVER_CAP
        else:
            num_files += 1
            num_bytes += max(blob.num_bytes, 0)
            yield None


def _readable_sizes(blobs: Sequence[_Blob], context: SourceContext) -> Iterator[int]:
    links = (_SYMLINK, _SUBMODULE)
    return (
        one.num_bytes for one in blobs if one.mode not in links and 0 <= one.num_bytes <= context.limits.max_file_bytes
    )
