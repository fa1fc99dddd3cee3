"""What personal data and secrets are replaced with.

neutral    words of the shape of what they replace, none of which anybody has: code that held a secret in a string still parses, and
           a second redaction finds nothing. Different values of a text get different words.
starcoder  the marks of StarCoder's data, <EMAIL>, <KEY>, ..., and its private addresses for IP addresses (arXiv 2305.06161).
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Literal

Style = Literal["neutral", "starcoder"]

_STARCODER_IPV4 = ("172.16.31.10", "172.16.58.3", "172.16.17.32", "192.168.127.12", "192.168.3.11")
_STARCODER_IPV6 = (
    "fd00:c2b6:b24b:be67:2827:688d:e6a1:6a3b", "fd00:a516:7c1b:17cd:6d81:2137:bd2a:2c5b", "fc00:e968:6179::de52:7100",
    "fc00:db20:35b:7399::5", "fdf8:f53e:61e4::18",
)  # fmt: skip
_DOCUMENTATION = ("192.0.2.", "198.51.100.", "203.0.113.")
_LINES = re.compile(rb"[\r\n]|\\[nr]")
_PIECE = re.compile(rb"\\[nrt]|[A-Za-z0-9][A-Za-z0-9+/=]*")
"""In the body of a private key: an escaped line end, which stays, or a run of base64."""


class Placeholders:
    """The placeholders of one text: the same value has the same one."""

    __slots__ = ("_given", "_numbers", "_style")

    def __init__(self, style: Style) -> None:
        self._style = style
        self._given: dict[tuple[str, bytes], bytes] = {}
        self._numbers: dict[str, int] = defaultdict(int)

    def of(self, kind: str, value: bytes) -> bytes:
        """Return what replaces a value of a kind. Of a value of several lines each line is replaced."""
        if kind == "key" and _LINES.search(value):
            word = self._word(kind, value)
            return _PIECE.sub(lambda piece: piece[0] if piece[0].startswith(b"\\") else word, value)
        return self._word(kind, value)

    def _word(self, kind: str, value: bytes) -> bytes:
        shape = "ipv6" if kind == "ip_address" and b":" in value else kind
        known = self._given.get((shape, value))
        if known is None:
            self._numbers[shape] += 1
            known = (_starcoder if self._style == "starcoder" else _neutral)(shape, self._numbers[shape]).encode()
            self._given[shape, value] = known
        return known


def _neutral(shape: str, number: int) -> str:
    if shape == "email":
        return f"user{number}@example.com"
    if shape == "ipv6":
        return f"2001:db8::{number:x}"
    if shape == "ip_address":
        return _documentation(number)
    if shape == "phone":
        return f"+1-{200 + number // 100 % 800}-555-01{number % 100:02d}"  # the exchange reserved for fiction
    return {"name": "PERSON", "username": "USER"}.get(shape, f"REDACTED_{shape.upper()}") + f"_{number}"


def _documentation(number: int) -> str:
    """Return the address of that number, from 1, in the ranges for documentation, then in the one for benchmarks."""
    block, last = divmod(number - 1, 254)
    if block < len(_DOCUMENTATION):
        return f"{_DOCUMENTATION[block]}{last + 1}"
    block -= len(_DOCUMENTATION)
    return f"198.{18 + block // 256 % 2}.{block % 256}.{last + 1}"


def _starcoder(shape: str, number: int) -> str:
    if shape in ("ip_address", "ipv6"):
        chosen = _STARCODER_IPV6 if shape == "ipv6" else _STARCODER_IPV4
        return chosen[(number - 1) % len(chosen)]
    return f"<{shape.upper()}>"
