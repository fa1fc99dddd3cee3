"""What a repository's history tells: root commits, the first commit's time, and the authors of each file.

E-mail addresses are hashed under the deployment's key as they are read and kept nowhere else. A share is of the
commits (without merges) that touched the file; exact renames are followed.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

from stack_data.sources.git_process import run
from stack_data.sources.source import Author


def key_id(key: str) -> str:
    """Return the name of a key: equal names mean that hashes can be compared."""
    return hmac.new(key.encode(), b"fairstack author key", hashlib.sha256).hexdigest()[:16]


def email_hash(key: str, email: str) -> str:
    """Return the keyed hash of an e-mail address."""
    return hmac.new(key.encode(), email.strip().lower().encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def roots(git_dir: Path, commit: str, secrets: Mapping[str, str]) -> tuple[tuple[str, ...], str]:
    """Return the root commits and the earliest commit time among them, as UTC."""
    output = run(["log", "--max-parents=0", "--format=%H %ct", commit, "--"], git_dir, secrets).decode()
    found = sorted(line.split() for line in output.splitlines())
    if not found:
        return (), ""
    first = min(int(time) for _, time in found)
    moment = datetime.datetime.fromtimestamp(first, datetime.UTC)
    return tuple(name for name, _ in found), moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def authors_by_path(git_dir: Path, commit: str, key: str, secrets: Mapping[str, str]) -> dict[str, tuple[Author, ...]]:
    """Return the authors of each path of `commit`, largest share first."""
    words = [
        "log",
        "-z",
        "--no-merges",
        "--format=tformat:%x01%ae",
        "--name-status",
        "-M100%",
        "--no-ext-diff",
        "--no-textconv",
    ]
    output = run([*words, "--no-color", commit, "--"], git_dir, secrets)
    commits: dict[str, Counter[str]] = defaultdict(Counter)
    names: dict[str, str] = {}
    hashes: dict[str, str] = {}
    author = ""
    tokens = iter(output.split(b"\0"))
    for token in tokens:
        token = token.lstrip(b"\n")
        if token.startswith(b"\x01"):
            email = token[1:].split(b"\n")[0].decode("utf-8", "replace")
            author = hashes.setdefault(email, email_hash(key, email))
        elif token[:1] in b"AMDT" and len(token) == 1:
            path = next(tokens).decode("utf-8", "surrogateescape")
            commits[names.get(path, path)][author] += 1
        elif token[:1] in (b"R", b"C"):
            old = next(tokens).decode("utf-8", "surrogateescape")
            new = next(tokens).decode("utf-8", "surrogateescape")
            commits[names.get(new, new)][author] += 1
            if token[:1] == b"R":
                # History is read backwards: what happens to the old name below belongs to today's.
                names[old] = names.get(new, new)
    return {path: _shares(counts) for path, counts in commits.items()}


def _shares(counts: Counter[str]) -> tuple[Author, ...]:
    total = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Author(name, round(count / total, 4)) for name, count in ordered)
