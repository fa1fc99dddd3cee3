"""Licence terms travel with the code: licence texts and copyright lines of everything released.

Writes notices/texts.parquet (each distinct licence text once) and NOTICE/<host>/<owner>/<repo>.txt, one file per
repository to ship along: its licence texts verbatim, then the copyright lines of its released files. Names come from
displayed places only.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from stack_data import storage
from stack_data.layout import Build
from stack_data.release.tables import NOTICE_TEXTS


@dataclass(frozen=True, slots=True)
class NoticeText:
    """A licence file that covers released code."""

    sha256: str
    text: str
    path: str
    expression: str | None
    copyrights: tuple[str, ...]


def texts_by_verdict(build: Build, groups: Iterable[str]) -> dict[tuple[str, int], list[NoticeText]]:
    """Return the licence files behind each (group, verdict) of the licence stage."""
    found: dict[tuple[str, int], list[NoticeText]] = {}
    for group in groups:
        table = storage.read_parquet(build.decisions("license", f"{group}.notices"))
        hashes: dict[str, str] = {}
        for row in table.to_pylist():
            text = row["text"]
            digest = hashes.setdefault(text, hashlib.sha256(text.encode()).hexdigest())
            notice = NoticeText(digest, text, row["path"], row["expression"], tuple(row["copyrights"]))
            found.setdefault((group, row["verdict"]), []).append(notice)
    return found


def texts_table(texts: Iterable[NoticeText]) -> pa.Table:
    """Return each distinct text once, sorted by hash."""
    rows = {
        one.sha256: {
            "text_sha256": one.sha256, "text": one.text, "expression": one.expression, "copyrights": list(one.copyrights)
        }
        for one in texts
    }  # fmt: skip
    return pa.Table.from_pylist([rows[key] for key in sorted(rows)], schema=NOTICE_TEXTS)


def safe_name(name: str) -> str:
    """Return a name as one path component: readable, never `.`, `..`, empty, or with a separator."""
    clean = re.sub(r"[^\w.@+-]+", "_", name)[:100].strip(".") or "_"
    return clean if clean == name else f"{clean}~{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:8]}"


def notice_path(repository: Mapping[str, Any]) -> Path:
    """Return the path of a repository's notice below NOTICE/."""
    return Path(*(safe_name(repository[key]) for key in ("host", "owner", "repo"))) / "NOTICE.txt"


def notice_file(repository: Mapping[str, Any], texts: Iterable[NoticeText], copyrights: Iterable[str]) -> str:
    """Return the notice to ship for one repository."""
    name = "/".join(repository[key] for key in ("host", "owner", "repo"))
    parts = [f"Notices for the files of {name} in this release.\n"]
    for text in texts:
        parts.append(f"{'=' * 80}\n{text.path}\n{'=' * 80}\n\n{text.text.rstrip()}\n")
    lines = sorted(set(copyrights))
    if lines:
        parts.append(f"{'=' * 80}\nCopyright lines of the files\n{'=' * 80}\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)
