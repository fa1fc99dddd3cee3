"""Identities: how contents, places and names are named and compared.

Everything here is a pure function of its arguments. `content_id` is the git blob SHA-1 of the original
bytes, so that it equals Software Heritage's `sha1_git` and The Stack's `hexsha`.
"""

from __future__ import annotations

import hashlib
import unicodedata


def content_id(content: bytes) -> str:
    """Return the git blob id of `content` as 40 lower-case hex digits."""
    digest = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
    digest.update(content)
    return digest.hexdigest()


def swhid(content_id: str) -> str:
    """Return the Software Heritage identifier of a content."""
    return f"swh:1:cnt:{content_id}"


def fold_name(name: str) -> str:
    """Return the form in which host, owner and repository names are compared: NFKC, then case-folded."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def place_id(content_id: str, host: str, owner: str, repo: str, path: str) -> str:
    """Return the SHA-256 that names one place of a content without spelling it out (formats.md, section 4)."""
    fields = "\0".join((content_id, fold_name(host), fold_name(owner), fold_name(repo), path))
    return hashlib.sha256(fields.encode("utf-8", "surrogateescape")).hexdigest()
