"""What others have, as entries of suppression lists: BigCode's opt-out records, and lists of owners and repositories.

Reads bytes, writes nothing. Three forms, told apart by their beginning:

    records  JSON, one record a line or all in an array: {"issue", "author", "optout_repos": [...], "optout_owners": [...]}
    table    CSV whose first line names columns out of host, owner, repo, numeric_id (comma, semicolon or tab)
    lines    an owner or owner/repo a line; `#` begins a comment

The single element `all` in optout_repos means the author's whole account; nothing else means everything. A record, row or line is
taken whole or not at all, because what stands beside something not understood may be an exception from it; what is not taken is
returned with its line and the reason, never dropped. `merged` joins entries with an issuer's list before: nothing of it is lost.

Not covered: requests as people write them in prose, and whether who asks may: an import believes whoever made the file.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from stack_data.errors import InputError
from stack_data.identity import fold_name
from stack_data.optout.lists import FORMAT, SPREADS, Entry, SuppressionList, key_of
from stack_data.optout.written_names import DELETED, Name, NotUnderstood, host_of, name_of, names_in, shown


@dataclass(frozen=True, slots=True)
class SetAside:
    """What was not understood. line: where it begins; text: the piece, safe to print; why; whole: the line or record, unchanged."""

    file: str
    line: int
    text: str
    why: str
    whole: str


@dataclass(frozen=True, slots=True)
class Requested:
    """What a file asks for. entries: each owner or repository once; set_aside: what is not among them."""

    entries: tuple[Entry, ...]
    set_aside: tuple[SetAside, ...]


def read_requests(raw: bytes, file: str, *, host: str = "github.com", since: str, spread: str = "none") -> Requested:
    """Return the entries that a file asks for. host: where names without one live; since: ISO date of the entries.

    Raises InputError for a file that holds nothing or is a suppression list already, and a CSV with unknown columns.
    """
    if spread not in SPREADS:
        raise InputError(f"spread {spread!r} is none of {', '.join(SPREADS)}")
    text = raw.decode("utf-8-sig", "backslashreplace")
    if not text.strip():
        raise InputError(f"{file}: holds nothing")
    known: dict[tuple[Any, ...], Entry] = {}
    aside: list[SetAside] = []
    for line, whole, read in _items(text, file, host):
        try:
            for name, numeric_id in read():
                entry = _entry(name, numeric_id, since, spread)
                known.setdefault(key_of(entry), entry)
        except NotUnderstood as error:
            aside.append(SetAside(file, line, error.shown, error.why, whole))
    if not known and not aside:
        raise InputError(f"{file}: names nobody")
    return Requested(tuple(known.values()), tuple(aside))


def _entry(name: Name, numeric_id: int | None, since: str, spread: str) -> Entry:
    kind, full = ("repository", f"{name.owner}/{name.repo}") if name.repo else ("owner", name.owner)
    return Entry(kind=kind, host=name.host, name=full, numeric_id=numeric_id, spread=spread, since=since)


_Names = Iterable[tuple[Name, int | None]]
_Item = tuple[int, str, Callable[[], _Names]]
"""Line, text, and what reads it into names with their numbers, or raises NotUnderstood."""


def _items(text: str, file: str, host: str) -> Iterator[_Item]:
    if text.lstrip()[0] in "[{":
        return _records(text, file, host)
    columns = _columns(text, file)
    return _rows(text, columns, host) if columns else _lines(text, host)


# Records


def _records(text: str, file: str, host: str) -> Iterator[_Item]:
    for line, whole, value in _json_values(text):
        if isinstance(value, dict) and value.get("format") == FORMAT:
            raise InputError(
                f"{file}: line {line}: is a suppression list already; name it with --suppressions or --previous"
            )
        yield line, whole, partial(_record, value, whole, host)


_GAP = re.compile(r"[\s,]*")


class _Damaged:
    """Stands for text that is no JSON value."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; ValueError when it has a key twice, of which JSON keeps the last alone."""
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def _end_of(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _json_values(text: str) -> Iterator[tuple[int, str, Any]]:
    """Yield (line, text, value) of the values in JSON lines or in an array; after damage it goes on at the next line."""
    decoder, at, line, seen = json.JSONDecoder(object_pairs_hook=_once), 0, 1, 0
    is_array = text.lstrip().startswith("[")
    opened = not is_array
    while True:
        at = _end_of(_GAP, text, at)
        line, seen = line + text.count("\n", seen, at), at
        if at == len(text):
            break
        if is_array and text[at] in "[]" and opened == (text[at] == "]"):
            opened, at = not opened, at + 1
            continue
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            value, end = _Damaged(), text.find("\n", at)
            end = len(text) if end < 0 else end
        yield line, text[at:end].rstrip(), value
        at = end
    if is_array and opened:
        yield line, "", _Damaged()


_KEYS = {"issue", "author", "optout_repos", "optout_owners"}


def _record(value: Any, whole: str, host: str) -> _Names:
    """Yield the names of one record."""
    if isinstance(value, _Damaged):
        raise NotUnderstood(whole, "is no JSON" if whole else "the file ends before its array does; it was cut off")
    if not isinstance(value, dict):
        raise NotUnderstood(whole, "is no record: {issue, author, optout_repos, optout_owners}")
    for key in sorted(value.keys() - _KEYS):
        raise NotUnderstood(key, "is no key of a record; what it says would be lost")
    repos, owners = (_texts(value.get(key), key) for key in ("optout_repos", "optout_owners"))
    found = [name for text in owners for name in names_in(text, host)]
    if [text.strip().casefold() for text in repos] == ["all"]:
        found.append(_author(value.get("author"), host))
    else:
        found += _repositories(repos, {(one.host, fold_name(one.owner)) for one in found if not one.repo}, host)
    if not found:
        raise NotUnderstood(whole, "names nothing")
    return [(name, None) for name in found]


def _texts(value: Any, key: str) -> list[str]:
    texts = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
        raise NotUnderstood(json.dumps(value), f"{key} is no list of texts")
    return texts


def _author(author: Any, host: str) -> Name:
    """Return the account of the one who asked for all of it."""
    if not isinstance(author, str) or not author.strip() or author.strip().casefold() == DELETED:
        raise NotUnderstood("all", f"asks for all of an author who is {shown(str(author))}")
    name = name_of(author.strip(), host)
    if name.repo:
        raise NotUnderstood(author, "is no account")
    return name


def _repositories(texts: Sequence[str], owners: set[tuple[str, str]], host: str) -> list[Name]:
    """Return the names in a field for repositories. owners: accounts that the record names where accounts belong."""
    found = []
    for text in texts:
        for name in names_in(text, host):
            # Who filled this field asked for something less than everything.
            if not name.repo and not name.says_all and (name.host, fold_name(name.owner)) not in owners:
                why = "an account where repositories belong; for all of it write owner/*, for one repository owner/repo"
                raise NotUnderstood(text, why)
            found.append(name)
    return found


# Tables

_COLUMNS = ("host", "owner", "repo", "numeric_id")


def _columns(text: str, file: str) -> tuple[str, list[str]] | None:
    """Return (delimiter, columns) when the first line is a header, None when the text is no table."""
    first = next((line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")), "")
    delimiter = max(",;\t", key=first.count)
    columns = [one.strip().strip('"').casefold() for one in first.split(delimiter)]
    if "owner" not in columns or len(columns) < 2:
        return None
    for column in columns:
        if column not in _COLUMNS or columns.count(column) > 1:
            raise InputError(
                f"{file}: column {shown(column)!r} is unknown or there twice; columns are {', '.join(_COLUMNS)}"
            )
    return delimiter, columns


def _rows(text: str, header: tuple[str, list[str]], host: str) -> Iterator[_Item]:
    delimiter, columns = header
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    is_first, before = True, 0
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            line, why = reader.line_num, str(error)
            yield line, why, partial(_refused, why, "is no CSV from here on")
            return
        line, before = before + 1, reader.line_num
        if cells is None:
            return
        if not any(cell.strip() for cell in cells) or cells[0].lstrip().startswith("#"):
            continue
        if not is_first:
            whole = delimiter.join(cells)
            yield line, whole, partial(_row, cells, columns, whole, host)
        is_first = False


def _refused(text: str, why: str) -> _Names:
    raise NotUnderstood(text, why)


def _row(cells: Sequence[str], columns: Sequence[str], whole: str, host: str) -> _Names:
    if len(cells) != len(columns):
        raise NotUnderstood(whole, f"has {len(cells)} cells and the header {len(columns)}")
    values = {column: cell.strip() for column, cell in zip(columns, cells, strict=True)}
    where = host_of(values["host"]) if values.get("host") else host
    number = values.get("numeric_id", "")
    if number and not re.fullmatch(r"[1-9][0-9]{0,17}", number):
        raise NotUnderstood(number, "is no number of an owner or repository")
    # A column says what a word is: `group/sub` in it is an owner.
    text = f"{values['owner'].rstrip('/')}/{values.get('repo') or '*'}"
    names = names_in(text, where) if values["owner"] else []
    if len(names) != 1:
        raise NotUnderstood(whole, "does not name one owner, or one owner and repository")
    return [(names[0], int(number) if number else None)]


# Lines


def _lines(text: str, host: str) -> Iterator[_Item]:
    for number, line in enumerate(text.split("\n"), 1):
        content = re.sub(r"(^|\s)#.*", "", line).strip()
        if content:
            yield number, line.strip(), partial(_line, content, host)


def _line(content: str, host: str) -> _Names:
    return [(name, None) for name in names_in(content, host)]


# Joining


@dataclass(frozen=True, slots=True)
class Merged:
    """A list and what became of the entries asked for: new in it, known before, or renewed (ended, or asked less, before)."""

    made: SuppressionList
    new: int
    known: int
    renewed: int


def merged(previous: SuppressionList | None, entries: Iterable[Entry], issuer: str, created: str) -> Merged:
    """Return the full set of an issuer: all entries before and those asked for, under the next epoch.

    A known entry keeps its `since`; what is asked for again is in force again, with the wider of both spreads.
    Raises InputError for a list of another issuer or of a later day.
    """
    if previous and previous.issuer != issuer:
        raise InputError(f"the previous list is of issuer {previous.issuer!r}, not {issuer!r}")
    if previous and created < previous.created:
        raise InputError(f"--created {created} is before {previous.created}, the day of the previous list")
    before = previous.entries if previous else ()
    places: dict[tuple[Any, ...], int] = {key_of(entry): at for at, entry in enumerate(before)}
    joined, counts = list(before), {"new": 0, "known": 0, "renewed": 0}
    for entry in entries:
        at = places.setdefault(key_of(entry), len(joined))
        if at == len(joined):
            joined.append(entry)
            counts["new"] += 1
            continue
        wider = _wider(joined[at], entry)
        counts["known" if wider == joined[at] else "renewed"] += 1
        joined[at] = wider
    made = SuppressionList(
        issuer=issuer, epoch=previous.epoch + 1 if previous else 1, created=created, entries=tuple(joined),
        author_key_id=previous.author_key_id if previous else "",
    )  # fmt: skip
    return Merged(made, **counts)


def _wider(old: Entry, new: Entry) -> Entry:
    spread = max(old.spread, new.spread, key=SPREADS.index)
    # A moderator granted what was asked then, and no more.
    granted = old.granted if spread == old.spread else ""
    effect = "remove" if "remove" in (old.effect, new.effect) else old.effect
    return replace(old, spread=spread, granted=granted, effect=effect, until="")
