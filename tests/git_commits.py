"""Repositories with histories, and how their commits are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from stack_data.config import LimitsConfig
from stack_data.config_sources import GitConfig, GitRepositoryConfig
from stack_data.reasons import Reason
from stack_data.sources import git
from stack_data.sources.source import Entry, Sample, SourceContext
from tests.corpus import MIT
from tests.leaving import git as run_git
from tests.leaving import stage

LICENSE: dict[str, bytes | str | None] = {"LICENSE": MIT}
SPDX_MIT, SPDX_GPL = "# SPDX-License-Identifier: MIT\n", "# SPDX-License-Identifier: GPL-3.0-only\n"


def code(word: str, count: int = 5) -> str:
    """Return lines that all differ with the word."""
    return "".join(f"{word} = {number}\n" for number in range(count))


def commit(folder: Path, message: str, files: dict[str, bytes | str | None], **environment: str) -> str:
    """Commit files (None: deleted) under a message; return the commit's id."""
    stage(folder, files)
    run_git(
        folder,
        "commit",
        "--quiet",
        "--allow-empty",
        "--allow-empty-message",
        "--cleanup=verbatim",
        "--message",
        message,
        **environment,
    )
    return run_git(folder, "rev-parse", "HEAD")


def context(
    tmp_path: Path, secrets: dict[str, str] | None = None, sample: Sample | None = None, **limits: float
) -> SourceContext:
    cache = tmp_path / "cache"
    cache.mkdir(exist_ok=True)
    return SourceContext(cache, tmp_path, LimitsConfig(**limits), "2026-01-01", secrets or {}, sample)  # type: ignore[arg-type]


def read(
    tmp_path: Path, url: str = "repo", commits: int = 10, per_file: int = 1, here: SourceContext | None = None
) -> list[Entry]:
    """Return the entries of the commits of a repository."""
    here = here or context(tmp_path)
    config = GitConfig(
        kind="git", name="g", commits=commits, commits_per_file=per_file, repositories=(GitRepositoryConfig(url=url),)
    )
    (unit,) = git.resolve(config, here)
    assert "failed" not in unit.locked, unit.locked
    num_files = len(run_git(tmp_path / "repo", "ls-tree", "-r", "HEAD").splitlines())
    return list(git.read(unit, here).entries)[num_files:]


def reasons(entries: list[Entry]) -> list[Reason | None]:
    return [entry.reason for entry in entries]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    commit(folder, "Begin", LICENSE | {"a.py": code("a"), "lib/b.py": code("b")})
    return folder
