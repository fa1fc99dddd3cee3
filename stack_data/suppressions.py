"""Files of suppression lists: written out of requests, checked, read to be looked at.

Plain functions of the verbs `data suppressions import`, `check` and `preview`. Reads requests and lists; writes a list, and beside it what
was not understood. Nothing here knows a build.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stack_data import registry, signing, storage
from stack_data.errors import ConfigError, InputError
from stack_data.optout import lists
from stack_data.optout.imports import Merged, SetAside, merged, read_requests
from stack_data.optout.lists import LOCAL, Entry, SuppressionList, key_of
from stack_data.optout.written_names import NotUnderstood, host_of


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import came to. output: the list that was written, None when nothing was because of `set_aside`."""

    output: Path | None
    merged: Merged
    set_aside: tuple[SetAside, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        made = self.merged.made
        return {
            "output": str(self.output) if self.output else None, "issuer": made.issuer, "epoch": made.epoch,
            "entries": len(made.entries), "new": self.merged.new, "known": self.merged.known, "renewed": self.merged.renewed,
            "not_understood": [{"file": one.file, "line": one.line, "text": one.text, "why": one.why} for one in self.set_aside],
        }  # fmt: skip


def import_requests(
    files: Sequence[Path], output: Path, issuer: str, created: str, *, previous: Path | None = None, host: str = "github.com",
    spread: str = "none", set_aside: Path | None = None, secret: str = "", keys: Iterable[str] = (),
) -> Imported:  # fmt: skip
    """Write the list of an issuer out of requests (optout/imports.py) and its list before.

    set_aside: a new file for what is not understood; without one, nothing is written as long as there is any. secret: signs the
    list, unless the issuer is `local`; keys: further public keys by which the previous list may be signed.
    Raises InputError for files that cannot be read or would be overwritten, ConfigError for a host or key that is none.
    """
    _refuse_overwriting(output, previous, set_aside)
    if issuer != LOCAL and not secret:
        raise InputError(
            f"a list of issuer {issuer!r} must be signed: set {signing.SECRET} (data suppressions new-key makes one)"
        )
    try:
        home = host_of(host)
    except NotUnderstood as error:
        raise ConfigError(f"--host {error}") from None
    entries: dict[tuple[Any, ...], Entry] = {}
    aside: list[SetAside] = []
    for file in files:
        found = read_requests(_bytes(file), str(file), host=home, since=created, spread=spread)
        for entry in found.entries:
            entries.setdefault(key_of(entry), entry)
        aside += found.set_aside
    before = _previous(previous, secret, keys) if previous else None
    joined = merged(before, entries.values(), issuer, created)
    text = lists.write(joined.made, "" if issuer == LOCAL else secret)
    if aside and not set_aside:
        return Imported(None, joined, tuple(aside))
    if aside and set_aside:
        storage.write_text(set_aside, _aside_text(aside))
    storage.write_text(output, text)
    return Imported(output, joined, tuple(aside))


def _refuse_overwriting(output: Path, previous: Path | None, set_aside: Path | None) -> None:
    if output.exists() and not (previous and previous.exists() and output.samefile(previous)):
        raise InputError(f"{output} exists; to go on from it, name it with --previous")
    if set_aside and (set_aside.exists() or set_aside.absolute() == output.absolute()):
        raise InputError(f"--set-aside {set_aside} exists or is the list itself; name a new file")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def _previous(path: Path, secret: str, keys: Iterable[str]) -> SuppressionList:
    """Return the issuer's list before: what we sign must go back to what we, or a named key, signed."""
    raw = _bytes(path)
    issuer = lists.read(raw, str(path), {}, is_trusted=True).issuer
    own = [signing.public_key(secret)] if secret else []
    return lists.read(raw, str(path), {issuer: (*own, *keys)} if issuer != LOCAL else {})


def _aside_text(aside: Iterable[SetAside]) -> str:
    """Return JSON lines in ASCII: whatever a request holds, an editor only shows it."""
    rows = ({"file": one.file, "line": one.line, "why": f"{one.text}: {one.why}", "text": one.whole} for one in aside)
    return "".join(json.dumps(row) + "\n" for row in rows)


@dataclass(frozen=True, slots=True)
class ListState:
    """What is known of a list. signature: good (by a named key), unchecked (no key was named) or none (issuer `local`)."""

    issuer: str
    epoch: int
    created: str
    key_id: str
    signature: str
    kinds: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return the state as plain JSON values."""
        return {
            "issuer": self.issuer, "epoch": self.epoch, "created": self.created, "key_id": self.key_id,
            "signature": self.signature, "entries": sum(self.kinds.values()), "kinds": dict(self.kinds),
        }  # fmt: skip


def check_list(path: Path, keys: Sequence[str] = ()) -> ListState:
    """Check every line of a list, and its signature when public keys are named. InputError says what is wrong."""
    raw = registry.raw(str(path), Path())
    found = lists.read(raw, str(path), {}, is_trusted=True)
    header, last = (json.loads(line) for line in (raw.split(b"\n", 1)[0], raw.rstrip(b"\n").rsplit(b"\n", 1)[-1]))
    is_signed = set(last) == {"signature"}
    if keys or not is_signed:
        lists.read(raw, str(path), {found.issuer: keys} if keys else {})
    state = "none" if not is_signed else "good" if keys else "unchecked"
    counts = Counter(entry.kind for entry in found.entries)
    kinds = {kind: counts[kind] for kind in lists.KINDS if counts[kind]}
    return ListState(found.issuer, found.epoch, found.created, str(header["key_id"]), state, kinds)


def sign_list(path: Path, output: Path, created: str, secret: str) -> SuppressionList:
    """Write a list that was edited by hand anew, as its next epoch: counted, dated and, but for `local`, signed. Returns it.

    The epoch is the one after that of `output`, where there is one, else the list's own. Raises InputError naming a bad line.
    """
    lines = registry.raw(str(path), Path()).splitlines(keepends=True)
    if lines and lines[-1].startswith(b'{"signature"'):
        lines.pop()
    try:
        header = json.loads(lines[0]) | {"num_entries": len(lines) - 1, "created": created}
    except (IndexError, TypeError, ValueError):
        raise InputError(f"{path}: line 1: is no header of a list") from None
    raw = json.dumps(header).encode() + b"\n" + b"".join(lines[1:])
    found = lists.read(raw, str(path), {}, is_trusted=True)
    if output.exists():
        before = read_candidate(output)
        if before.issuer != found.issuer:
            raise InputError(f"{output} is a list of issuer {before.issuer!r}, {path} of {found.issuer!r}")
        found = replace(found, epoch=before.epoch + 1)
    storage.write_text(output, lists.write(found, secret if found.issuer != LOCAL else ""))
    return found


def read_candidate(path: Path) -> SuppressionList:
    """Return a list that is only looked at: checked in every line, whoever signed it."""
    return lists.read(registry.raw(str(path), Path()), str(path), {}, is_trusted=True)
