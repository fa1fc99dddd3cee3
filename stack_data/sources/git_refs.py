"""Where a local repository keeps its objects, and what its revisions name, read without running git in it."""

from __future__ import annotations

import re
from pathlib import Path

from stack_data.errors import SourceError

_ID = re.compile(r"[0-9a-f]{40}")


def find_git_dir(path: Path) -> Path | None:
    """Return the git folder of a bare repository, a work tree or a linked work tree, or None."""
    if (path / "HEAD").is_file() and (path / "objects").is_dir():
        return path
    inner = path / ".git"
    if inner.is_dir():
        return inner if (inner / "HEAD").is_file() else None
    if inner.is_file():
        target = inner.read_text(encoding="utf-8", errors="surrogateescape").removeprefix("gitdir:").strip()
        folder = (path / target).resolve()
        return folder if (folder / "HEAD").is_file() else None
    return None


def common_dir(git_dir: Path) -> Path:
    """Return the folder that holds objects and shared refs (another one for linked work trees)."""
    pointer = git_dir / "commondir"
    if pointer.is_file():
        return (git_dir / pointer.read_text(encoding="utf-8", errors="surrogateescape").strip()).resolve()
    return git_dir


def resolve_revision(git_dir: Path, revision: str) -> str:
    """Return the object id that a branch, tag, ref or full id names; SourceError when there is none."""
    if _ID.fullmatch(revision):
        return revision
    common = common_dir(git_dir)
    packed = _packed_refs(common)
    names = (
        revision,
        f"refs/{revision}",
        f"refs/tags/{revision}",
        f"refs/heads/{revision}",
        f"refs/remotes/{revision}",
    )
    for name in names:
        if ".." not in name:
            found = _follow(git_dir, common, packed, name)
            if found:
                return _checked(found, git_dir)
    if (common / "reftable").is_dir():
        raise SourceError(f"{git_dir}: keeps refs as a reftable, which is not read; name a full commit id as revision")
    raise SourceError(f"{git_dir}: has no revision {revision!r}" + ("" if packed else " (is it empty?)"))


def _checked(found: str, git_dir: Path) -> str:
    if len(found) == 64:
        raise SourceError(f"{git_dir}: is a SHA-256 repository; content ids here are SHA-1, so it cannot be read")
    if not _ID.fullmatch(found):
        raise SourceError(f"{git_dir}: damaged ref {found[:60]!r}")
    return found


def _follow(git_dir: Path, common: Path, packed: dict[str, str], name: str) -> str | None:
    for _ in range(10):
        value = next((text for folder in (git_dir, common) if (text := _loose(folder / name))), None)
        value = value or packed.get(name)
        if value is None or not value.startswith("ref:"):
            return value
        name = value.removeprefix("ref:").strip()
        if ".." in name:
            return None
    return None


def _loose(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() if path.is_file() else None
    except OSError:
        return None


def _packed_refs(common: Path) -> dict[str, str]:
    path = common / "packed-refs"
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    pairs = (line.split(" ", 1) for line in lines if line and line[0] not in "#^" and " " in line)
    return {name: value for value, name in pairs}


def remote_url(git_dir: Path) -> str | None:
    """Return the URL of `origin`, read as text: nothing is included or expanded."""
    path = common_dir(git_dir) / "config"
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    section = re.search(r'(?ms)^\s*\[remote "origin"\]\s*$(.*?)(?=^\s*\[|\Z)', text)
    found = re.search(r"(?m)^\s*url\s*=\s*(\S+)\s*$", section[1]) if section else None
    return found[1].strip('"') if found else None
