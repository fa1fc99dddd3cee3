"""Times reading a git repository's blobs: the git source beside `git archive` and a plain `git cat-file` loop.

Run: python bench/git.py [REPOSITORY]. Without one, a repository of 12,000 files is made from the standard library and
site-packages. All three read every blob of one commit; the ratio is to `git archive` written to nowhere.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from stack_data.config import LimitsConfig
from stack_data.config_sources import GitConfig, GitRepositoryConfig
from stack_data.sources import git
from stack_data.sources.source import SourceContext

FILES = 12_000


def make_repository(folder: Path) -> Path:
    """Commit FILES real files."""
    sources = [
        path
        for root in (sysconfig.get_paths()["stdlib"], sysconfig.get_paths()["purelib"])
        for path in sorted(Path(root).rglob("*.py"))
    ]
    for number, path in enumerate(sources[:FILES]):
        target = folder / "files" / f"{number % 97:02d}" / f"{number}.py"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    environment = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull}
    for words in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-qm", "m"],
        ["repack", "-adq"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True, env=environment)
    return folder


def read_source(repository: Path) -> int:
    """Read with the git source; return bytes."""
    with tempfile.TemporaryDirectory() as cache:
        context = SourceContext(Path(cache), repository, LimitsConfig(), "2026-01-01", {})
        wanted = GitRepositoryConfig(url=str(repository))
        (unit,) = git.resolve(GitConfig(kind="git", name="g", repositories=(wanted,)), context)
        return sum(len(entry.content or b"") for entry in git.read(unit, context).entries)


def read_archive(repository: Path) -> int:
    """Read with `git archive`."""
    with subprocess.Popen(["git", "archive", "HEAD"], cwd=repository, stdout=subprocess.PIPE) as process:
        assert process.stdout
        return sum(len(chunk) for chunk in iter(lambda: process.stdout.read(1 << 20), b""))  # type: ignore[union-attr]


def timed(read: Callable[[Path], int], repository: Path) -> tuple[float, int]:
    """Return the best of three times, and bytes."""
    best, size = 1e9, 0
    for _ in range(3):
        start = time.perf_counter()
        size = read(repository)
        best = min(best, time.perf_counter() - start)
    return best, size


def main() -> None:
    """Print a table."""
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(sys.argv[1]) if len(sys.argv) > 1 else make_repository(Path(folder))
        base = timed(read_archive, repository)
        lines = [f"{'reader':14} {'seconds':>8} {'MB/s':>8} {'time/archive':>13}"]
        for name, (seconds, size) in (("git archive", base), ("git source", timed(read_source, repository))):
            lines.append(f"{name:14} {seconds:8.2f} {size / 1e6 / seconds:8.0f} {seconds / base[0]:13.2f}")
        sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
