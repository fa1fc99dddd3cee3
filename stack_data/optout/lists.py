"""Suppression lists: who has opted out, as an issuer publishes it. Format `fairstack-suppressions/1`, JSON lines.

First line: the header. Then one entry a line. Last line: the signature (stack_data/signing.py) over all bytes before it; only the
issuer `local` may go without. A list is always the full set of its issuer, and its epoch never goes down. Every line is checked
strictly, since an entry that is not understood would be an opt-out ignored: unknown keys, values and characters are refused by line.

Beyond the shared format: `author_key_id` in the header names the key of the e-mail hashes, and `granted: "moderator"` in an entry says
that a person has granted its spread (stack_data/optout/spread.py decides where nobody has).
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stack_data import signing
from stack_data.errors import InputError
from stack_data.identity import fold_name

FORMAT = "fairstack-suppressions/1"
LOCAL = "local"
"""The issuer whose lists need no signature: the builder's own."""

KINDS = ("owner", "repository", "path", "package", "content", "email")
SPREADS = ("none", "exact", "near")
EFFECTS = ("mask", "remove")
_ISSUER = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_HEX_40, _HEX_64 = re.compile(r"[0-9a-f]{40}"), re.compile(r"[0-9a-f]{64}")
_HEADER = {"format", "issuer", "epoch", "key_id", "num_entries", "created", "author_key_id"}
MAX_NAME = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One opt-out.

    host, name   where it applies; name is an owner, `owner/repo` (repository, path), or a package as `-/name` or `scope/name`
    numeric_id   the host's number of that owner or repository; survives renames
    glob         gitignore-style pattern inside the repository (path entries)
    effect       mask: hidden when answers are given; remove: also leaves releases and is purged
    since, until  ISO dates; from `until` on it is no longer in force
    granted      "moderator" when a person has granted the spread
    """

    kind: str
    host: str = ""
    name: str = ""
    numeric_id: int | None = None
    glob: str = ""
    content_id: str = ""
    email_hash: str = ""
    spread: str = "none"
    effect: str = "remove"
    since: str = ""
    until: str = ""
    granted: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the entry as a line has it: fields that are not set are left out."""
        always = ("kind", "spread", "effect", "since")
        return {
            name: value for name, value in dataclasses.asdict(self).items() if name in always or value not in ("", None)
        }


_FIELDS = {field.name for field in dataclasses.fields(Entry)}


@dataclass(frozen=True, kw_only=True, slots=True)
class SuppressionList:
    """The opt-outs of one issuer. `created`: ISO date; it is the day that `until` is compared with."""

    issuer: str
    epoch: int
    created: str
    entries: tuple[Entry, ...]
    author_key_id: str = ""

    def in_force(self, effects: Sequence[str] = ("remove",)) -> list[Entry]:
        """Return the entries with one of these effects that have not ended."""
        return [one for one in self.entries if one.effect in effects and (not one.until or one.until > self.created)]


def write(made: SuppressionList, secret: str = "") -> str:
    """Return the text of a list, signed when there is a secret key; InputError for an unsigned one of another issuer."""
    if not secret and made.issuer != LOCAL:
        raise InputError(f"a list of issuer {made.issuer!r} must be signed: set {signing.SECRET}")
    header = {
        "format": FORMAT, "issuer": made.issuer, "epoch": made.epoch,
        "key_id": signing.key_id(signing.public_key(secret)) if secret else "",
        "num_entries": len(made.entries), "created": made.created,
    }  # fmt: skip
    if made.author_key_id:
        header["author_key_id"] = made.author_key_id
    lines = [header, *(one.to_json() for one in made.entries)]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    read(text.encode(), "the list", {}, is_trusted=True)
    return signing.signed(text, secret) if secret else text


def read(raw: bytes, origin: str, keys: Mapping[str, Iterable[str]], is_trusted: bool = False) -> SuppressionList:
    """Parse and check a list. keys: trusted public keys by issuer; is_trusted: its signature was checked before.

    Raises InputError that names the line: bad JSON, key, value, number of entries, key or signature.
    """
    lines = raw.split(b"\n")
    if lines.pop() != b"":
        raise InputError(f"{origin}: line {len(lines) + 1}: has no end; the file was cut off")
    if not lines:
        raise InputError(f"{origin}: is empty; it must begin with a header of format {FORMAT!r}")
    header = _header(signing.json_line(lines[0], origin, 1), origin)
    signature = _signature(lines, origin)
    if signature is not None and not is_trusted:
        body = raw[: raw.rindex(b"\n", 0, len(raw) - 1) + 1]
        if header["issuer"] != LOCAL or keys.get(LOCAL):
            signing.check(body, signature, str(header.get("key_id")), keys.get(header["issuer"], ()), origin)
    elif signature is None and not is_trusted and (header["issuer"] != LOCAL or keys.get(LOCAL)):
        raise InputError(f"{origin}: line {len(lines)}: no signature; only lists of issuer {LOCAL!r} may go without")
    rows = lines[1:] if signature is None else lines[1:-1]
    if len(rows) != header["num_entries"]:
        raise InputError(f"{origin}: line 1: num_entries is {header['num_entries']}, the file has {len(rows)}")
    entries = tuple(
        parse_entry(signing.json_line(line, origin, at), f"{origin}: line {at}") for at, line in enumerate(rows, 2)
    )
    if any(one.kind == "email" for one in entries) and not header.get("author_key_id"):
        raise InputError(f"{origin}: line 1: author_key_id is missing; e-mail entries need the name of their key")
    return SuppressionList(
        issuer=header["issuer"], epoch=header["epoch"], created=header["created"], entries=entries,
        author_key_id=header.get("author_key_id", ""),
    )  # fmt: skip


def _signature(lines: Sequence[bytes], origin: str) -> str | None:
    """Return the signature that the last line holds; None when it is an entry or the header."""
    last = signing.json_line(lines[-1], origin, len(lines))
    if len(lines) > 1 and set(last) == {"signature"} and isinstance(last["signature"], str):
        return last["signature"]
    return None


def _header(header: dict[str, Any], origin: str) -> dict[str, Any]:
    where = f"{origin}: line 1"
    if header.get("format") != FORMAT:
        raise InputError(f"{where}: format is {header.get('format')!r}, this version reads {FORMAT!r}")
    for name in sorted(header.keys() - _HEADER):
        raise InputError(f"{where}: unknown key {name!r} in the header")
    if not _ISSUER.fullmatch(str(header.get("issuer"))):
        raise InputError(f"{where}: issuer {header.get('issuer')!r} is no name of lower-case letters, digits, . _ -")
    for name in ("epoch", "num_entries"):
        value = header.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise InputError(f"{where}: {name} is {value!r}, it must be a whole number")
    _check_date("created", header.get("created"), where)
    return header


def parse_entry(value: Mapping[str, Any], where: str) -> Entry:
    """Check one entry; InputError begins with `where`."""
    for name in sorted(value.keys() - _FIELDS):
        raise InputError(f"{where}: unknown key {name!r}")
    for name, allowed in (("kind", KINDS), ("spread", SPREADS), ("effect", EFFECTS)):
        if value.get(name) not in allowed:
            raise InputError(f"{where}: {name} is {value.get(name)!r}; it is one of: {', '.join(allowed)}")
    if value.get("granted", "") not in ("", "moderator"):
        raise InputError(f"{where}: granted is {value['granted']!r}; it is absent or 'moderator'")
    numeric = value.get("numeric_id")
    if numeric is not None and (not isinstance(numeric, int) or isinstance(numeric, bool) or numeric < 1):
        raise InputError(f"{where}: numeric_id is {numeric!r}, it must be a positive whole number")
    _check_date("since", value.get("since"), where)
    if value.get("until"):
        _check_date("until", value["until"], where)
    for name in ("host", "name", "glob"):
        check_name(value.get(name, ""), f"{where}: {name}")
    _check_target(value, where)
    return Entry(**value)


def _check_target(value: Mapping[str, Any], where: str) -> None:
    """Refuse an entry whose kind lacks what it must name."""
    kind, name = value["kind"], value.get("name", "")
    if kind == "content":
        if not _HEX_40.fullmatch(str(value.get("content_id", ""))):
            raise InputError(f"{where}: content_id is {value.get('content_id')!r}, it must be 40 hex digits")
        return
    if kind == "email":
        if not _HEX_64.fullmatch(str(value.get("email_hash", ""))):
            raise InputError(f"{where}: email_hash is {value.get('email_hash')!r}, it must be 64 hex digits")
        return
    if not value.get("host") or not name:
        raise InputError(f"{where}: an entry of kind {kind!r} needs host and name")
    if "://" in name or re.search(r"\s", name) or (name.startswith("@") and kind != "package"):
        raise InputError(f"{where}: name {name!r} is no name as its host writes it: no address, no @, no white space")
    if value["host"] == "github.com" and (
        not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) or (kind == "owner" and "/" in name)
    ):
        raise InputError(f"{where}: name {name!r} is no name of github.com: an owner, or owner/repository")
    if not re.fullmatch(r"[\w.-]+", value["host"]):
        raise InputError(f"{where}: host {value['host']!r} is no host name")
    if kind in ("repository", "path") and not re.fullmatch(r"[^/].*/[^/]+", name):
        raise InputError(f"{where}: name {name!r} must be owner/repository")
    if kind == "owner" and (name.startswith("/") or name.endswith("/") or name == "-"):
        raise InputError(f"{where}: name {name!r} must be an owner, without slashes at its ends")
    if (kind == "path") != bool(value.get("glob")):
        raise InputError(f"{where}: glob belongs to entries of kind 'path', and they need it")


def check_name(name: Any, where: str) -> None:
    """Refuse names that are no text, too long, or hold characters nobody sees (control, bidirectional, tag characters)."""
    if not isinstance(name, str) or len(name) > MAX_NAME:
        raise InputError(f"{where} {str(name)[:60]!r} is no name of at most {MAX_NAME} characters")
    for character in name:
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
            raise InputError(f"{where} {name[:60]!r} holds the character U+{ord(character):04X}, which nobody sees")
    if name != name.strip():
        raise InputError(f"{where} {name[:60]!r} begins or ends with white space")


def _check_date(name: str, value: Any, where: str) -> None:
    try:
        if len(datetime.date.fromisoformat(value).isoformat()) == len(value):
            return
    except (TypeError, ValueError):
        pass
    raise InputError(f"{where}: {name} is {value!r}, it must be a date such as 2026-11-21")


def key_of(entry: Entry) -> tuple[Any, ...]:
    """Return what makes two entries the same opt-out: kind and target, compared as names are."""
    return (
        entry.kind, fold_name(entry.host), fold_name(entry.name), entry.numeric_id, entry.glob, entry.content_id, entry.email_hash
    )  # fmt: skip
