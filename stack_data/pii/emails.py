"""E-mail addresses: whose domain exists, and which are of people."""

from __future__ import annotations

import functools
import re

from stack_data.pii.source import Source, Span
from stack_data.tables import load_table

_NEVER_TOP = frozenset((b"example", b"test", b"invalid", b"localhost", b"local", b"internal", b"arpa"))
_MESSAGE_ID = re.compile(rb"(?i)(?:message-id|references|in-reply-to|\bid)['\":\s,]{0,8}<$")
_ESCAPE = re.compile(rb"\\(?:u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|x[0-9A-Fa-f]{2}|[abfnrtv])")
_SHORT = re.compile(rb"[A-Za-z_]{1,2}@[A-Za-z_]{1,2}\.[A-Za-z]{2,3}")


@functools.cache
def _names(table: str, name: str) -> frozenset[bytes]:
    return frozenset(load_table("pii_names")[table][name].encode().split())


def span(source: Source, start: int, end: int) -> Span | None:
    """Return the address text[start:end], if it is somebody's."""
    text = source.text
    while text[start : start + 1] in (b"'", b"-", b"."):
        start += 1
    escape = _ESCAPE.match(text, start - 1, end) if start else None
    start = escape.end() if escape else start
    local, _, domain = text[start:end].partition(b"@")
    labels = domain.lower().split(b".")
    top = domain.rpartition(b".")[2]
    if (
        top.lower() not in _names("domains", "top")
        or not (top.islower() or top.isupper())
        or not all(labels)
        or len(domain) > 253
    ):
        return None
    if not local:
        return None
    if any(label.startswith(b"-") or label.endswith(b"-") for label in labels) or labels[-1] in _NEVER_TOP:
        return None
    if _is_nobody(local.lower(), labels) or _is_code(source, start, end):
        return None
    return Span("email", start, end)


def _is_nobody(local: bytes, labels: list[bytes]) -> bool:
    never = _names("domains", "never")
    if any(b".".join(labels[at:]) in never for at in range(len(labels) - 1)) or b"noreply" in labels:
        return True
    mailbox = local.partition(b"+")[0]
    if len(mailbox) > 2 and len(set(mailbox)) == 1:
        return True  # xxxx@: somebody has put x for each letter
    return mailbox in _names("mailboxes", "never") or any(
        word in local for word in (b"noreply", b"no-reply", b"no_reply", b"donotreply")
    )


def _is_code(source: Source, start: int, end: int) -> bool:
    """Tell whether this is a product of matrices, a remote of git, a message's id, or the end of a path or of a name of a package."""
    text = source.text
    if _MESSAGE_ID.search(source.before(start, 30)):
        return True
    after = text[end : end + 1]
    before = text[start - 1 : start] if start else b""
    if after in (b"(", b"[") or before in (b"/", b"@", b"$", b"}", b"]", b")"):
        return True
    if text[end : end + 2] in (b"::", b"}}") or (after == b"_" or before in (b"{", b"=") and after == b"}"):
        return True
    if _SHORT.fullmatch(text, start, end) and before not in (b"<", b'"', b"'", b":"):
        return True
    return text[end : end + 1] == b":" and text[end + 1 : end + 2].isalnum() and text[start : start + 4] == b"git@"
