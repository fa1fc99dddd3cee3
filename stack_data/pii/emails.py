"""E-mail addresses: whose domain exists, and which are of people.

Letters of alphabets whose words stand apart (Latin, Greek, Cyrillic, Armenian) may be part of an address, and its domain is judged
in the form that the DNS has. Letters of others, such as Chinese, stand beside addresses without a space far more often, and end one. An
apostrophe is part of a name (o'neil@) unless it may be a quotation mark: what is replaced must not open a string.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from stack_data.pii.source import Source, Span
from stack_data.tables import load_table

_NEVER_TOP = frozenset((b"example", b"test", b"invalid", b"localhost", b"local", b"internal", b"arpa"))
_MESSAGE_ID = re.compile(rb"(?i)(?:message-id|references|in-reply-to|\bid)['\":\s,]{0,8}<$")
_MESSAGE = re.compile(
    rb"(?i)\d{8,}(?:\.|-\d).*|[0-9a-f]{8}\.\d{4,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?=\D*\d)[0-9a-f]{20,}|"
    rb"(?:al)?pine\.[a-z]{3}\.\d.*|CA[a-z0-9_=+-]{40,}|.+\.fsf(?:_-_)?|.*\.\d{10}\.git\..*|.*\.javamail\..*"
)
"""The names that mail programs give to messages."""
_LETTERS = "A-Za-zÀ-ÖØ-öø-ɏͰ-֏Ḁ-῿"
_LOCAL = re.compile(rf"[{_LETTERS}0-9._%+'-]+\Z")
_HOST = re.compile(rf"[{_LETTERS}0-9.-]+")
_ASCII_HOST = re.compile(rb"[A-Za-z0-9.-]+")
_MOST_DIGITS = 10
_DIGIT, _PIECES = re.compile(rb"\d"), re.compile(rb"\d[.-]\d")
_ESCAPE = re.compile(rb"\\(?:u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|x[0-9A-Fa-f]{2}|[abfnrtv])")
_SHORT = re.compile(rb"[A-Za-z_]{1,2}@[A-Za-z_]{1,2}\.[A-Za-z]{2,3}")


@functools.cache
def _names(table: str, name: str) -> frozenset[bytes]:
    return frozenset(load_table("pii_names")[table][name].encode().split())


def span(source: Source, start: int, end: int) -> Span | None:
    """Return the address within text[start:end], if there is one and it is somebody's."""
    text = source.text
    at = text.index(b"@", start)
    start = _without_quote(source, start + _foreign_before(text[start:at]), at, end)
    while text[start : start + 1] in (b"'", b"-", b"."):
        start += 1
    escape = _ESCAPE.match(text, start - 1, end) if start else None
    start = escape.end() if escape else start
    for domain in _domains(text[at + 1 : end]):
        labels = _labels(domain)
        if labels and start < at:
            found = Span("email", start, at + 1 + len(domain))
            return None if _is_nobody(text[start:at].lower(), labels) or _is_code(source, start, found.end) else found
    return None


def _foreign_before(local: bytes) -> int:
    """Return how many bytes of a local part are letters beside it."""
    if local.isascii():
        return 0
    match = _LOCAL.search(local.decode("utf-8", "replace"))
    return len(local) - len(match[0].encode()) if match else len(local)


def _domains(domain: bytes) -> Iterator[bytes]:
    """Yield what may be the domain: all of it, then what stands before letters of other alphabets."""
    if not domain.isascii():
        match = _HOST.match(domain.decode("utf-8", "replace"))
        yield match[0].encode().rstrip(b".-") if match else b""
        plain = _ASCII_HOST.match(domain)
        domain = plain[0] if plain else b""
    yield domain.rstrip(b".-")


def _labels(domain: bytes) -> list[bytes]:
    """Return the labels of a domain in lower case, as the DNS has them; none where it is no domain."""
    top = domain.rpartition(b".")[2].decode()
    if not (top.islower() or top.isupper()):
        return []
    if not domain.isascii():
        try:
            domain = domain.decode().encode("idna")
        except UnicodeError:
            return []
    labels = domain.lower().split(b".")
    if len(domain) > 253 or len(labels) < 2 or not all(labels) or labels[-1] in _NEVER_TOP:
        return []
    if any(label.startswith(b"-") or label.endswith(b"-") for label in labels):
        return []
    return labels if labels[-1] in _names("domains", "top") else []


def _without_quote(source: Source, start: int, at: int, end: int) -> int:
    """Return where an address begins: after an apostrophe that may open a string, or with one that cannot."""
    text = source.text
    quote = text.rfind(b"'", start, at)
    if quote < 0:
        return start
    inside = quote > start and text[quote - 1 : quote].isalpha() and text[quote + 1 : quote + 2].isalpha()
    first = start
    while text[first : first + 1] == b"'":
        first += 1
    enclosed = text[first - 1 : first] in (b'"', b"<") and text[end : end + 1] in (b'"', b">") and first > 0
    if inside and (enclosed or (first == start and b"'" not in source.after(end, 400))):
        return first
    return quote + 1


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
    after = text[end : end + 1]
    before = text[start - 1 : start] if start else b""
    if _is_message(source, start, end):
        return True
    if after in (b"(", b"[") or before in (b"/", b"@", b"$", b"}", b"]", b")"):
        return True
    if text[end : end + 2] in (b"::", b"}}") or (after == b"_" or before in (b"{", b"=") and after == b"}"):
        return True
    if _SHORT.fullmatch(text, start, end) and before not in (b"<", b'"', b"'", b":"):
        return True
    return text[end : end + 1] == b":" and text[end + 1 : end + 2].isalnum() and text[start : start + 4] == b"git@"


def _is_message(source: Source, start: int, end: int) -> bool:
    """Tell whether this is the id of a message, which looks like an address."""
    local = source.text[start : source.text.index(b"@", start)]
    if _MESSAGE.fullmatch(local):
        return True
    if source.text[start - 1 : start] != b"<" or not start:
        return False
    # People have numbers in their names, but not in pieces.
    drawn = len(_DIGIT.findall(local)) >= _MOST_DIGITS and _PIECES.search(local) and source.text[end : end + 1] == b">"
    return bool(drawn) or _MESSAGE_ID.search(source.before(start, 30)) is not None
