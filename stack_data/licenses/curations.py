"""Corrections by people: what a licence text, a file, a path or a repository stands under, or that it is out.

Reads the shipped `curations.toml` table and, when configured, a file of the same form:

    [[curation]]
    text_sha256 = "..."                      one target: SHA-256 of a folded licence text (see `fold`),
    # content_id = "..."                     or a content, wherever it lies,
    # repository = "host/owner/repo"         or a repository,
    # path = "src/**"                        and in it the paths of a gitignore-style pattern
    license = "Python-2.0"                   one effect: an SPDX expression,
    # deny = true                            or out, whatever was found,
    # contested = true                       or out because somebody proved that it is theirs (contents; `license` may say what
                                             they put it under)
    person = "..."  reason = "..."  date = 2026-11-20
    about = "..."                            optional: anything else worth keeping

There is no `allow`: a released row states its licence and ships its notices, so whoever allows says which licence it
is. A target stands once in a file; one's own file replaces the shipped entry of the same target. How curations and what
was found are joined: rulings.py (places) and tree.py (texts and repositories).
"""

from __future__ import annotations

import datetime
import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pathspec

from stack_data.errors import ConfigError
from stack_data.identity import fold_name
from stack_data.licenses import expressions
from stack_data.licenses.evidence import Evidence
from stack_data.tables import load_table

Target = Literal["text", "content", "repository", "path"]
Effect = Literal["license", "deny", "contested"]

_TARGETS = ("text_sha256", "content_id", "repository", "path")
_EFFECTS = ("license", "deny", "contested")
_STATED = ("person", "reason", "date")
_KEYS = (*_TARGETS, *_EFFECTS, *_STATED, "about")
_VERBS = {"license": "set", "deny": "denied", "contested": "contested, accepted"}


@dataclass(frozen=True, slots=True)
class Curation:
    """What a person decided.

    key      what it is about: text key, content id, or folded host/owner/repo
    license  SPDX expression in normal form; None where something is denied or contested without one
    glob     gitignore-style pattern inside the repository; "" for other targets
    """

    target: Target
    key: str
    effect: Effect
    license: str | None
    person: str
    reason: str
    date: str
    glob: str = ""
    about: str = ""

    def evidence(self, path: str = "", end: int = 0) -> Evidence:
        """Return the curation as evidence; `expression` is None where it denies. `path`, `end`: of a curated text."""
        detail = f"{_VERBS[self.effect]} by {self.person} on {self.date} for this {self.target}: {self.reason}"
        expression = self.license if self.effect == "license" else None
        return Evidence(path, 0, end, "curation", expression, 1.0, detail, (self.glob,) if self.glob else ())


@dataclass(frozen=True, slots=True)
class Curations:
    """Every curation in force, by what it is about; `paths` by repository, the later of two that match counts."""

    texts: Mapping[str, Curation] = field(default_factory=dict)
    contents: Mapping[str, Curation] = field(default_factory=dict)
    repositories: Mapping[str, Curation] = field(default_factory=dict)
    paths: Mapping[str, tuple[Curation, ...]] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return all of them as text, equal for equal curations."""
        values: dict[str, Any] = {
            "texts": [asdict(one) for _, one in sorted(self.texts.items())],
            "contents": [asdict(one) for _, one in sorted(self.contents.items())],
            "repositories": [asdict(one) for _, one in sorted(self.repositories.items())],
            "paths": [asdict(one) for _, found in sorted(self.paths.items()) for one in found],
        }
        return json.dumps(values, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def fold(text: str) -> str:
    """Return a text without case, digits and white space runs, so that a new year or release is the same text."""
    return re.sub(r"\s+", " ", re.sub(r"[\d.]+", "", text.casefold())).strip()


def text_key(text: str) -> str:
    """Return the SHA-256 under which a text is curated."""
    return hashlib.sha256(fold(text).encode("utf-8", "surrogatepass")).hexdigest()


def repository_key(host: str, owner: str, repo: str) -> str:
    """Return the form in which the names of repositories are compared."""
    return fold_name(f"{host}/{owner}/{repo}")


def load(extra: Path | None = None) -> Curations:
    """Return the shipped curations and those of one's own; ConfigError names the file and the entry that is wrong."""
    found = {_identity(one): one for one in _read(load_table("curations"), "the shipped curations")}
    if extra is not None:
        try:
            table = tomllib.loads(extra.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"license.curations: {extra}: {error}") from error
        found |= {_identity(one): one for one in _read(table, str(extra))}
    by_target: dict[Target, dict[str, Curation]] = {"text": {}, "content": {}, "repository": {}}
    paths: dict[str, tuple[Curation, ...]] = {}
    for one in found.values():
        if one.target == "path":
            paths[one.key] = (*paths.get(one.key, ()), one)
        else:
            by_target[one.target][one.key] = one
    return Curations(by_target["text"], by_target["content"], by_target["repository"], paths)


def _identity(curation: Curation) -> tuple[str, str, str]:
    return curation.target, curation.key, curation.glob


def _read(table: Mapping[str, Any], origin: str) -> Iterator[Curation]:
    """Yield the curations of a file, checked one by one."""
    for key in table:
        if key not in ("curation", "about"):
            raise ConfigError(f"{origin}: unknown key {key!r}{_hint(key, ('curation', 'about'))}")
    entries = table.get("curation", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigError(f"{origin}: 'curation' must be a list of tables: [[curation]] (seen: {entries!r:.60})")
    numbers: dict[tuple[str, str, str], int] = {}
    for number, entry in enumerate(entries, 1):
        try:
            one = _curation(entry)
        except ValueError as error:
            raise ConfigError(f"{origin}: curation {number}: {error}") from None
        first = numbers.setdefault(_identity(one), number)
        if first != number:
            raise ConfigError(f"{origin}: curation {number}: is about the same {one.target} as curation {first}")
        yield one


def _curation(entry: Mapping[str, Any]) -> Curation:
    """Return an entry as a Curation; ValueError says what is wrong with it."""
    _check_keys(entry)
    target, key, glob = _target(entry)
    effect: Effect = "contested" if "contested" in entry else "deny" if "deny" in entry else "license"
    if effect == "contested" and target != "content":
        raise ValueError("'contested' belongs to a content_id: a claim is about a file's bytes, wherever they lie")
    return Curation(
        target, key, effect, _license(entry) if "license" in entry else None, entry["person"], entry["reason"],
        entry["date"].isoformat(), glob, entry.get("about", ""),
    )  # fmt: skip


def _check_keys(entry: Mapping[str, Any]) -> None:
    for key in entry:
        if key == "allow":
            raise ValueError("unknown key 'allow'; to allow something, say what it stands under: license = \"...\"")
        if key not in _KEYS:
            raise ValueError(f"unknown key {key!r}{_hint(key, _KEYS)}")
    for key in _STATED:
        if key not in entry:
            raise ValueError(f"{key!r} is missing")
    for key in (*_TARGETS, "license", "person", "reason", "about"):
        if key in entry and (not isinstance(entry[key], str) or not entry[key].strip()):
            raise ValueError(f"{key!r} must be text (seen: {entry[key]!r:.60})")
    for key in ("deny", "contested"):
        if key in entry and entry[key] is not True:
            raise ValueError(f"{key!r} is true or not there (seen: {entry[key]!r:.60})")
    if type(entry["date"]) is not datetime.date:
        raise ValueError(f"'date' {entry['date']!r} is no date (write 2026-11-20)")
    effects = [key for key in _EFFECTS if key in entry]
    if not effects:
        raise ValueError("has no effect: say 'license', 'deny' or 'contested'")
    if len(effects) > 1 and effects != ["license", "contested"]:
        raise ValueError(f"has {len(effects)} effects, {' and '.join(map(repr, effects))}; write one")


def _target(entry: Mapping[str, Any]) -> tuple[Target, str, str]:
    """Return target, key and pattern of an entry."""
    given = [key for key in _TARGETS if key in entry]
    if given == ["text_sha256"]:
        return "text", _digest(entry, "text_sha256", 64), ""
    if given == ["content_id"]:
        return "content", _digest(entry, "content_id", 40), ""
    if given == ["path"]:
        raise ValueError("'repository' is missing: a path is one inside it")
    if given not in (["repository"], ["repository", "path"]):
        raise ValueError(f"needs one of {', '.join(_TARGETS[:3])} (seen: {', '.join(given) or 'none'})")
    name = entry["repository"].strip()
    if name.count("/") < 2 or not all(name.split("/")):
        raise ValueError(f"'repository' {name!r} is not of the form host/owner/repo (packages: pypi/-/name)")
    return ("path", fold_name(name), _glob(entry["path"])) if "path" in entry else ("repository", fold_name(name), "")


def _digest(entry: Mapping[str, Any], key: str, digits: int) -> str:
    value = str(entry[key]).strip().lower()
    if not re.fullmatch(rf"[0-9a-f]{{{digits}}}", value):
        raise ValueError(f"{key!r} must be {digits} hexadecimal digits (seen: {entry[key]!r:.90})")
    return value


def _glob(glob: str) -> str:
    try:
        pattern_of(glob)
    except ValueError:
        raise ValueError(f"'path' {glob!r} is no gitignore-style pattern that names files (one, not negated)") from None
    return glob


def pattern_of(glob: str) -> str:
    """Return a gitignore-style pattern as a regular expression of RE2; ValueError when it names no files."""
    patterns = list(pathspec.GitIgnoreSpec.from_lines([glob]).patterns)
    regex = getattr(patterns[0], "regex", None) if len(patterns) == 1 and patterns[0].include else None
    if regex is None:
        raise ValueError(f"{glob!r} names no files")
    return str(regex.pattern)


def _license(entry: Mapping[str, Any]) -> str:
    expression = expressions.parse(entry["license"])
    if expression is None:
        raise ValueError(f"'license' {entry['license']!r} is no SPDX expression")
    return expression


def _hint(key: str, keys: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(key, keys, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(keys)}"
