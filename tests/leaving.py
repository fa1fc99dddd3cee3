"""A corpus of real git repositories whose owners leave: what tests of opt-outs share."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet as pq

from stack_data import signing
from stack_data.build import BuildResult, build
from stack_data.config_file import load
from stack_data.optout import Entry, SuppressionList
from stack_data.optout.lists import write
from tests.corpus import MIT

DAY = "2026-01-01"


def git(folder: Path, *words: str, **environment: str) -> str:
    """Run git in a folder, with an author of its own and nobody's settings."""
    known = {
        "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org",
        "GIT_AUTHOR_DATE": "2020-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2020-01-01T00:00:00Z", "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
    }  # fmt: skip
    done = subprocess.run(
        ["git", *words], cwd=folder, capture_output=True, text=True, check=True, env=os.environ | known | environment
    )
    return done.stdout.strip()


def stage(folder: Path, files: Mapping[str, bytes | str | None]) -> None:
    """Put files (None: deleted) into a repository, which is made when there is none, and into its index."""
    if not (folder / ".git").exists():
        folder.mkdir(parents=True, exist_ok=True)
        git(folder, "init", "--quiet", "--initial-branch=main")
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    git(folder, "add", "--all")


def commit(folder: Path, files: Mapping[str, str | None], **environment: str) -> Path:
    """Commit files (None: deleted) in a repository, which is made when there is none."""
    stage(folder, files)
    git(folder, "commit", "--quiet", "--message", "files", **environment)
    return folder


def code(name: str, lines: int = 12) -> str:
    """Return Python that is like no other name's."""
    return "".join(
        f"def {name}_{line}({name}_value):\n    return {name}_value + {line * 7919}\n" for line in range(lines)
    )


def license_of(person: str) -> str:
    return MIT.replace("Jane Doe", person)


def config(folder: Path, repositories: list[dict[str, Any]], extra: str = "", name: str = "corpus") -> Path:
    """Write a configuration with one git source of these repositories (path, host, owner, repo, ...)."""
    rows = "".join(
        "[[source.repositories]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in one.items())
        for one in repositories
    )
    path = folder / f"{name}.toml"
    path.write_text(
        f'name = "{name}"\ndate = 2026-01-02\n[[source]]\nname = "repos"\nkind = "git"\n{rows}\n'
        "[fetch]\npart_rows = 5\nunits_per_group = 2\n[release]\nrow_group_rows = 3\nshard_bytes = 4000\n"
        f"validation_bytes = 0\nvalidation_fraction = 0.0\n{extra}"
    )
    return path


def repository(folder: Path, owner: str, repo: str = "lib", **facts: Any) -> dict[str, Any]:
    """Return the configuration of the repository in `folder` as one of github.com."""
    return {"url": str(folder), "host": "github.com", "owner": owner, "repo": repo, **facts}


def made(path: Path, builds: str = "build", **values: object) -> BuildResult:
    """Build in this process beside the configuration."""
    overrides = [f"{key.replace('__', '.')}={value}" for key, value in values.items()]
    return build(load(path, [f'run.builds="{path.parent}/{builds}"', *overrides]), path.parent)


def entry(kind: str = "owner", name: str = "", host: str = "github.com", **values: Any) -> Entry:
    return Entry(kind=kind, host=host, name=name, since=DAY, **values)


def listed(path: Path, *entries: Entry, epoch: int = 1, issuer: str = "local", **values: Any) -> str:
    """Write a list; return its path."""
    made = SuppressionList(issuer=issuer, epoch=epoch, created="2026-11-21", entries=entries, **values)
    path.write_text(write(made, values.get("secret", "")))
    return str(path)


def rows(release: Path, folder: str = "data") -> list[dict[str, Any]]:
    """Return all rows of a sharded folder of a release."""
    return [row for path in sorted((release / folder).rglob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def names(release: Path) -> set[str]:
    return {f"{row['repo_name']}/{row['path']}" for row in rows(release)}


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def every_text(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield every text below a folder with where it is: file and folder names, decoded columns, and the bytes of all other files."""
    for path in sorted(folder.rglob("*")):
        where = path.relative_to(folder).as_posix()
        yield where, where
        if path.suffix == ".parquet":
            yield where, pq.read_schema(path).to_string()
            yield where, str(pq.read_metadata(path).metadata)
            yield from ((where, text) for text in _texts(pq.read_table(path)))
        elif path.suffix == ".arrow":
            with pa.memory_map(str(path)) as source:
                yield from ((where, text) for text in _texts(pa.ipc.open_file(source).read_all()))
        elif path.is_file():
            yield where, path.read_bytes().decode("utf-8", "backslashreplace")


def _texts(table: pa.Table) -> Iterator[str]:
    for column in table.itercolumns():
        yield from _values(column.combine_chunks())


def _values(column: pa.Array) -> Iterator[str]:
    if pa.types.is_dictionary(column.type):
        yield from _values(column.dictionary)
    elif pa.types.is_list(column.type):
        yield from _values(pc.list_flatten(column))
    elif pa.types.is_struct(column.type):
        for number in range(column.type.num_fields):
            yield from _values(column.field(number))
    else:
        for value in column.to_pylist():
            yield value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def found(folder: Path, *words: str) -> list[tuple[str, str]]:
    """Return (file, word) wherever one of the words is found below a folder, whatever its case."""
    return sorted(
        {(where, word) for where, text in every_text(folder) for word in words if word.lower() in text.lower()}
    )


def key_pair() -> tuple[str, str]:
    return signing.new_key()


def killed_purge(folder: Path, seconds: float) -> None:
    """Purge a build in a process of its own and kill that after so many seconds, wherever it is."""
    words = [sys.executable, "-m", "fairstack", "data", "purge", str(folder)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
