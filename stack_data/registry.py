"""Where suppression lists come from: files and URLs of registries; which of them a build has accepted.

`fetch` reads one list and checks its signature. `accept` compares it with what the build has used before and keeps a copy of it under
`suppressions/<issuer>.jsonl`: a list with a lower epoch, or another one with the same epoch, is refused, and a list that was once in force
stays in force in every later release, also when it is not named again. A list that cannot be had stops the run: nothing is released
with an opt-out ignored.

Not covered: an issuer that leaves out an entry under a higher epoch; its public log shows that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from stack_data import storage
from stack_data.errors import InputError
from stack_data.optout.lists import SuppressionList, read

MAX_BYTES = 2 * 1024**3
_TIMEOUT = httpx.Timeout(30.0)


def fetch(location: str, keys: Mapping[str, Iterable[str]], folder: Path) -> tuple[SuppressionList, bytes]:
    """Return the list at a path (relative to `folder`) or URL, checked, and its bytes. InputError says what is wrong with it."""
    found = raw(location, folder)
    return read(found, location, keys), found


def raw(location: str, folder: Path) -> bytes:
    """Return the bytes at a path (relative to `folder`) or https URL; InputError when they cannot be had."""
    return _download(location) if "://" in location else _read(folder / Path(location).expanduser())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def _download(url: str) -> bytes:
    parts = urlsplit(url)
    is_local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_local):
        raise InputError(f"{url}: only https:// and paths are read")
    received = bytearray()
    try:
        with httpx.stream("GET", url, timeout=_TIMEOUT, follow_redirects=False) as answer:
            if answer.status_code != 200:
                raise InputError(f"{url}: the server answered {answer.status_code}")
            for block in answer.iter_bytes():
                received += block
                if len(received) > MAX_BYTES:
                    raise InputError(f"{url}: is larger than {MAX_BYTES:,} bytes")
    except httpx.HTTPError as error:
        raise InputError(f"{url} cannot be fetched: {error or type(error).__name__}") from error
    return bytes(received)


def accept(
    stored: Path, locations: Sequence[str], keys: Mapping[str, Iterable[str]], folder: Path
) -> list[SuppressionList]:
    """Return every list in force, by issuer: those a build has used before and those at `locations`, which it keeps from now on.

    stored: the build's folder of accepted lists; of several lists of one issuer the newest counts. Raises InputError, before
    anything is kept, when one list is not acceptable.
    """
    known = {one.issuer: (one, text) for one, text in _stored(stored)}
    fresh: dict[str, tuple[SuppressionList, bytes, str]] = {}
    for location in locations:
        found, text = fetch(location, keys, folder)
        newest, other, _ = fresh.get(found.issuer, (found, text, ""))
        if found.epoch == newest.epoch and text != other:
            raise InputError(f"{location}: epoch {found.epoch} of issuer {found.issuer!r} is another list elsewhere")
        if found.issuer not in fresh or found.epoch > newest.epoch:
            fresh[found.issuer] = (found, text, location)
    for issuer, (newest, text, location) in fresh.items():
        if issuer in known:
            _refuse_older(location, newest, text, *known[issuer])
    for issuer, (_, text, _) in fresh.items():
        if issuer not in known or known[issuer][1] != text:
            with storage.replacing(stored / f"{issuer}.jsonl") as temporary:
                temporary.write_bytes(text)
    in_force = {issuer: one for issuer, (one, _) in known.items()} | {
        issuer: one for issuer, (one, _, _) in fresh.items()
    }
    return [in_force[issuer] for issuer in sorted(in_force)]


def _stored(folder: Path) -> Iterable[tuple[SuppressionList, bytes]]:
    for path in sorted(folder.glob("*.jsonl")):
        text = _read(path)
        # Its signature was checked when it was accepted; keys may have been retired since.
        yield read(text, str(path), {}, is_trusted=True), text


def _refuse_older(location: str, found: SuppressionList, text: bytes, old: SuppressionList, old_raw: bytes) -> None:
    if found.epoch < old.epoch:
        raise InputError(
            f"{location}: line 1: epoch {found.epoch} of issuer {found.issuer!r} is older than epoch {old.epoch}, which this build has "
            "used; fetch the newest list"
        )
    if found.epoch == old.epoch and text != old_raw:
        raise InputError(
            f"{location}: line 1: epoch {found.epoch} of issuer {found.issuer!r} was another list (SHA-256 "
            f"{hashlib.sha256(old_raw).hexdigest()[:16]}...) when this build used it; a changed list needs a higher epoch"
        )


def epochs(lists: Iterable[SuppressionList]) -> dict[str, int]:
    """Return {issuer: epoch}, as manifests state it."""
    return {one.issuer: one.epoch for one in lists}
