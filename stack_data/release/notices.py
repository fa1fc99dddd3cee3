"""Licence terms travel with the code: licence texts and copyright lines of everything released.

notices/texts.parquet has each distinct licence text once; NOTICE/<hash of the repository's name>.txt is one file per repository to
ship along: its licence texts verbatim, then the copyright lines of its released files. Both are made from the shards of a release
alone, so that a holder can make them anew when rows leave. Names come from displayed places only.
"""

from __future__ import annotations

import functools
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stack_data import storage
from stack_data.identity import fold_name
from stack_data.layout import Build
from stack_data.licenses import expressions
from stack_data.licenses.templates import plain
from stack_data.pii.placeholders import Style
from stack_data.pii.redaction import redact_secrets
from stack_data.release.tables import NOTICE_TEXTS
from stack_data.tables import load_table


@dataclass(frozen=True, slots=True)
class NoticeText:
    """A licence file that covers released code."""

    sha256: str
    text: str
    expression: str | None
    copyrights: tuple[str, ...]


def texts_by_verdict(
    build: Build, groups: Iterable[str], placeholders: Style | None
) -> dict[tuple[str, int], list[NoticeText]]:
    """Return the licence files behind each (group, verdict) of the licence stage.

    placeholders: what stands for keys and passwords in them; None: they stay.
    """
    found: dict[tuple[str, int], list[NoticeText]] = {}
    for group in groups:
        table = storage.read_parquet(build.decisions("license", f"{group}.notices"))
        shown = _shown(table, placeholders)
        hashes: dict[str, str] = {}
        for row in table.to_pylist():
            if row["text"] is None:
                continue  # purged
            text = shown[row["text"]]
            digest = hashes.setdefault(text, hashlib.sha256(text.encode()).hexdigest())
            notice = NoticeText(digest, text, row["expression"], tuple(shown[one] for one in row["copyrights"]))
            found.setdefault((group, row["verdict"]), []).append(notice)
    return found


def _shown(table: pa.Table, placeholders: Style | None) -> dict[str, str]:
    """Return what is shown of each distinct text and copyright line: licences ask for names and addresses, never for keys."""
    columns = (table["text"].cast(pa.large_string()), pc.list_flatten(table["copyrights"]))
    distinct = [text for column in columns for text in column.unique().to_pylist() if text is not None]
    return dict(zip(distinct, redact_secrets(distinct, placeholders) if placeholders else distinct, strict=True))


def texts_table(texts: Iterable[NoticeText]) -> pa.Table:
    """Return each distinct text once, sorted by hash."""
    rows = {
        one.sha256: {
            "text_sha256": one.sha256, "text": one.text, "expression": one.expression, "copyrights": list(one.copyrights)
        }
        for one in texts
    }  # fmt: skip
    return pa.Table.from_pylist([rows[key] for key in sorted(rows)], schema=NOTICE_TEXTS)


def notice_path(host: str, owner: str, repo: str) -> Path:
    """Return the path of a repository's notice in a release.

    It holds no name: manifests list it and never change, also when the repository leaves.
    """
    name = "/".join(map(fold_name, (host, owner, repo)))
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return Path("NOTICE") / digest[:2] / f"{digest}.txt"


@dataclass(slots=True)
class Shipped:
    """What the notice of one repository must hold."""

    texts: set[str] = field(default_factory=set)
    copyrights: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)


def shipped(release: Path, shards: Iterable[str]) -> dict[tuple[str, str], Shipped]:
    """Return what the displayed files of a release ask for, by (host, owner/repo)."""
    found: dict[tuple[str, str], Shipped] = defaultdict(Shipped)
    for name in shards:
        data = storage.read_parquet(release / "data" / name, ["host", "repo_name", "detected_licenses"])
        notice = storage.read_parquet(release / "notices" / name, ["copyrights", "texts"])
        columns = [data["host"], data["repo_name"], data["detected_licenses"], notice["copyrights"], notice["texts"]]
        for host, repository, ids, copyrights, texts in zip(*(one.to_pylist() for one in columns), strict=True):
            one = found[host, repository]
            one.ids.update(ids)
            one.copyrights.update(copyrights)
            one.texts.update(texts)
    return found


def notice_files(release: Path, shards: Iterable[str]) -> Iterator[tuple[Path, str]]:
    """Yield path (below the release) and text of every repository's notice."""
    listed = storage.read_parquet(release / "notices" / "texts.parquet").to_pylist()
    texts = {row["text_sha256"]: row for row in listed}
    for (host, repository), one in sorted(shipped(release, shards).items()):
        owner, _, repo = repository.rpartition("/")
        own = [texts[digest] for digest in sorted(one.texts)]
        text = notice_file(f"{host}/{repository}", own, one.copyrights, standard_texts(one.ids, own))
        yield notice_path(host, owner, repo), text


def standard_texts(ids: Iterable[str], texts: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return (id, the SPDX list's text) of those licences whose text is in none of a repository's licence files."""
    present = {one for text in texts if text["expression"] for one in expressions.ids(text["expression"])}
    missing = sorted({one.split(" WITH ")[0] for one in ids} - {one.split(" WITH ")[0] for one in present})
    listed = _listed_texts() if missing else {}
    return [(one, listed[one]) for one in missing if one in listed]


@functools.cache
def _listed_texts() -> dict[str, str]:
    return {entry["id"]: plain(entry["template"]) for entry in load_table("spdx_licenses")["licenses"]}


def notice_file(
    name: str, texts: Iterable[Mapping[str, Any]], copyrights: Iterable[str],
    standard: Iterable[tuple[str, str]] = (),
) -> str:  # fmt: skip
    """Return the notice to ship for the repository of that name.

    texts: rows of notices/texts.parquet; standard: texts of licences that it states without their text.
    """
    parts = [f"Notices for the files of {name} in this release.\n"]
    for text in texts:
        title = text["expression"] or "Licence text"
        parts.append(f"{'=' * 80}\n{title}\n{'=' * 80}\n\n{text['text'].rstrip()}\n")
    for licence, listed in standard:
        title = f"{licence}, as the SPDX list has it; the repository states this licence without its text"
        parts.append(f"{'=' * 80}\n{title}\n{'=' * 80}\n\n{listed.strip()}\n")
    lines = sorted(set(copyrights))
    if lines:
        parts.append(f"{'=' * 80}\nCopyright lines of the files\n{'=' * 80}\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)
