"""A small real release and an index of it: owners with copies of each other's files. What tests of look-ups share.

jane/lib (number 7)   http_client.py, util.py, big.py, and a file under the GPL that a build drops
jane-old/kept         number 7 too: the same account under its former name
john/tool             util.py word for word, and big.py with one line changed
group/sub/proj        on gitlab.com, a file with words of several kinds
"""

from __future__ import annotations

import functools
import shutil
import tempfile
from pathlib import Path

from stack_data.search.build import build
from stack_data.search.index import Index, open_index
from stack_data.search.keyword_index import update
from tests.leaving import code, commit, config, license_of, made, repository

HTTP = '''"""Talks to servers."""


def parseHTTPRequest(rawBytes, max_size):
    header_lines = rawBytes.split(b"\\r\\n")
    if len(header_lines) > max_size:
        raise ValueError("request too large")
    return [one.decode("latin-1").partition(":") for one in header_lines]


class RetryPolicy:
    """Waits longer after each failure."""

    def next_delay(self, attempt, base_seconds=0.5):
        return min(60.0, base_seconds * 2 ** attempt)
'''
PROJ = "# Gr\u00f6\u00dfe \u4f60\u597d\nmax_connection_count = 7\n\n\ndef openSocket(hostName):\n    return hostName, max_connection_count\n"
BIG = code("big", 40)


@functools.cache
def _made() -> Path:
    root = Path(tempfile.mkdtemp(prefix="fairstack-published-"))
    mit = license_of("Jane Doe")
    lib = commit(
        root / "lib",
        {
            "LICENSE": mit, "src/http_client.py": HTTP, "util.py": code("util"), "big.py": BIG,
            "gpl.py": "# SPDX-License-Identifier: GPL-3.0-only\n" + code("gpl"),
        },
    )  # fmt: skip
    kept = commit(root / "kept", {"LICENSE": mit, "kept.py": code("kept")})
    tool = commit(
        root / "tool",
        {
            "LICENSE": license_of("John Roe"), "vendored_util/util.py": code("util"), "main.py": code("main"),
            "big_copy.py": BIG.replace("7919", "7918", 1).replace("big_3(", "big_3x("),
        },
        GIT_AUTHOR_DATE="2021-01-01T00:00:00Z",
    )  # fmt: skip
    proj = commit(root / "proj", {"LICENSE": license_of("Ann Poe"), "net/socket_pool.py": PROJ})
    repositories = [
        repository(lib, "Jane", "Lib", owner_id=7, repo_id=70, stars=50, aliases=["github.com/jane-before/lib"]),
        repository(kept, "jane-old", "kept", owner_id=7, repo_id=71),
        repository(tool, "john", "tool", owner_id=8, repo_id=80),
        {"url": str(proj), "host": "gitlab.com", "owner": "group/sub", "repo": "proj"},
    ]
    made(config(root, repositories))
    build([release_folder(root)], root / "index")
    update(root / "index")
    return root


def release_folder(root: Path) -> Path:
    return root / "build" / "corpus" / "releases" / "1.0.0"


def build_folder() -> Path:
    """Return the build; it is not changed."""
    return _made() / "build" / "corpus"


def published() -> Index:
    """Return the index, opened; it is not changed."""
    return open_index(_made() / "index")


def copied(folder: Path) -> Path:
    """Return a copy of the index that may be changed."""
    return Path(shutil.copytree(_made() / "index", folder / "index"))
