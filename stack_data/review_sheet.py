"""The sheet people review a sample of a release on: a CSV file out, checked verdicts in.

Written as UTF-8 with a byte order mark, by which spreadsheets know it; read with or without one, and with commas, semicolons
or tabs, because spreadsheets save what their language uses. A cell that a spreadsheet would run as a formula (it begins
with = + - @ or a control character) gets an apostrophe in front. Holds no text of any file. Of a sheet that comes back
only content_id and the columns in FILLED are read. Not covered: spreadsheets' own formats.
"""

from __future__ import annotations

import csv
import datetime
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from stack_data.errors import InputError
from stack_data.licenses import expressions

SHOWN = ("content_id", "host", "repository", "path", "revision", "url", "language", "license_found", "evidence")
FILLED = ("verdict", "license", "reviewer", "date", "note")
VERDICTS = ("permissive", "not_permissive", "unsure")

_FORMULA = re.compile(r"^[=+\-@\t\r\n]")
_BLOBS = {
    "github.com": "https://github.com/{repo}/blob/{revision}/{path}",
    "gitlab.com": "https://gitlab.com/{repo}/-/blob/{revision}/{path}",
    "codeberg.org": "https://codeberg.org/{repo}/src/commit/{revision}/{path}",
    "bitbucket.org": "https://bitbucket.org/{repo}/src/{revision}/{path}",
    "pypi": "https://pypi.org/project/{name}/{revision}/",
    "npm": "https://www.npmjs.com/package/{package}/v/{revision}",
}
"""Addresses at which a place of a host can be looked at; a package's page stands for its files."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a reviewer said of one file. `number`: line of the sheet."""

    number: int
    content_id: str
    verdict: Literal["permissive", "not_permissive", "unsure"]
    license: str | None
    reviewer: str
    date: str


def url_of(host: str, repo_name: str, revision: str, path: str) -> str:
    """Return the address at which a place can be looked at, "" where none is known. repo_name: owner/repo."""
    pattern = _BLOBS.get(host)
    if pattern is None or not revision:
        return ""
    owner, _, name = repo_name.rpartition("/")
    package = f"@{owner}/{name}" if owner not in ("-", "") else name
    values = {"repo": repo_name, "revision": revision, "path": path, "name": name, "package": package}
    return pattern.format(**{key: quote(value, safe="/@") for key, value in values.items()})


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as CSV that spreadsheets may open: a byte order mark in front, no cell that is run."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column, "")) for column in columns] for row in rows)
    return "\ufeff" + written.getvalue()


def _cell(value: Any) -> str:
    # A name may hold bytes that are no UTF-8.
    text = str(value).encode("utf-8", "backslashreplace").decode("utf-8")
    return f"'{text}" if isinstance(value, str) and _FORMULA.match(text) else text


def read_lines(name: str, content: bytes, sampled: Iterable[str]) -> list[Line]:
    """Return the filled lines of a sheet; lines without verdict, licence, reviewer and date are open and left out.

    sampled: the content ids that were drawn. InputError names the first bad line and the value seen there.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: {error}; save it as CSV in UTF-8") from None
    header = text.split("\n", 1)[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count), restval="")
    missing = [column for column in ("content_id", *FILLED) if column not in (reader.fieldnames or ())]
    if missing:
        raise InputError(f"{name}: no column {missing[0]!r}; it is no review sheet, or its first line was changed")
    known, seen, found = set(sampled), dict[str, int](), []
    try:
        for row in reader:
            identity = row["content_id"].strip()
            if not any(value.strip() for value in row.values() if isinstance(value, str)):
                continue
            if identity not in known:
                raise ValueError(f"content_id {identity!r} is not of this sample")
            if identity in seen:
                raise ValueError(f"content_id {identity!r} stood on line {seen[identity]} already")
            seen[identity] = reader.line_num
            if any(row[column].strip() for column in FILLED[:-1]):
                found.append(_line(reader.line_num, identity, {column: row[column].strip() for column in FILLED}))
    except (ValueError, csv.Error) as error:
        raise InputError(f"{name}: line {reader.line_num}: {error}") from None
    return found


def _line(number: int, identity: str, cells: Mapping[str, str]) -> Line:
    verdict = cells["verdict"].casefold().replace(" ", "_").replace("-", "_")
    if verdict not in VERDICTS:
        raise ValueError(f"verdict {cells['verdict']!r} is none of {', '.join(VERDICTS)}")
    if not cells["reviewer"]:
        raise ValueError("has a verdict and no reviewer")
    try:
        day = datetime.date.fromisoformat(cells["date"]) if len(cells["date"]) == 10 else None
    except ValueError:
        day = None
    if day is None:
        raise ValueError(f"date {cells['date']!r} is no date; write it as 2026-11-20")
    license = expressions.parse(cells["license"]) if cells["license"] else None
    if cells["license"] and license is None:
        raise ValueError(f"license {cells['license']!r} is no SPDX expression")
    named = next(one for one in VERDICTS if one == verdict)
    return Line(number, identity, named, license, cells["reviewer"], day.isoformat())  # type: ignore[arg-type]
