"""IP addresses: those at which somebody can be reached, and not versions, numbers of sections or well-known resolvers."""

from __future__ import annotations

import bisect
import functools
import ipaddress
import itertools
import re

from stack_data.pii.source import Source, Span
from stack_data.tables import load_table

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_VERSION_BEFORE = re.compile(
    rb"(?i)(?:vers(?:ion|ioned)?\w*|\bver|\brelease[sd]?|\brev(?:ision)?|\bbuild|\bassembly\w*|\bfirmware|\bupgrade\w*|\bupdated? to|"
    rb"\bsection|\bsec\.|\bchapter|\bclause|\bfigure|\btable|\bappendix|\bRFC ?\d+|\bOID|\xc2\xa7|\bpatch)[^0-9\n]{0,14}$"
)
_OPERATOR_BEFORE = re.compile(rb"(?:[=<>!~^]=|[~^]|[a-z]@|[\w.)-]/|\w[-_]|\bv\.? ?)$", re.IGNORECASE)
_PLACE = re.compile(
    rb"(?i)\bip\b|ips?\b|ip_|addr|host|server|dns|gateway|\bgw\b|ping|peer|node|remote|client|subnet|cidr|proxy|listen|bind|route|"
    rb"endpoint|://|@|\binet\b|nameserver|network|whois|ssh |(?-i:\bA )|iptables|from |permit|deny"
)
_NEAR = 24
"""A word that says what an address is of ends at most so many bytes before it."""
_LETTER = re.compile(rb"[A-Za-z\xc2]|://|@")
_OBJECT_BEFORE = re.compile(rb"(?i)object_?identifier|\boids?\b|_oid\b")
_ARCS = re.compile(rb"(?:0\.[0-9]|1\.[0-3]|2\.[0-9]|2\.16|2\.23)\.")
"""How object identifiers begin."""
_HEADING = re.compile(rb"^[\s#*/;%=.-]*$")
_TITLE = re.compile(rb"^\.?[ \t]+[A-Z(]")
_SMALL = 32


@functools.cache
def _nobodys() -> tuple[frozenset[_Address], tuple[_Network, ...]]:
    """Return the addresses and the networks that everybody names and nobody is known by."""
    table = load_table("pii_names")
    known = f"{table['dns']['resolvers']} {table['addresses']['examples']}".split()
    return frozenset(map(ipaddress.ip_address, known)), tuple(
        map(ipaddress.ip_network, table["addresses"]["special"].split())
    )


def ipv4_span(source: Source, start: int, end: int) -> Span | None:
    """Return the address text[start:end], if it is one and not private, reserved, well known or a version."""
    octets = bytes(map(int, source.text[start:end].split(b".")))
    if not _is_public_v4(int.from_bytes(octets, "big")):
        return None
    before, after = source.before(start, 60), source.after(end, 24)
    # Most of what stands in lists of addresses has no word before it.
    words = before if _LETTER.search(before) else b""
    if words and _VERSION_BEFORE.search(words[-40:]) or after[:1] in (b"-", b"+") and after[1:2].isalnum():
        return None
    is_place = words != b"" and (before.rstrip(b"[").endswith(b"://") or _names_place(words))
    if _OPERATOR_BEFORE.search(before[-6:]) and not before.endswith(b"//") and not (is_place and before[-1:] in b"@="):
        return None
    if (
        words
        and _OBJECT_BEFORE.search(words)
        or _ARCS.match(source.text, start)
        and sorted(octets)[2] < 60
        and not is_place
    ):
        return None
    if _HEADING.match(before) and _TITLE.match(after) and max(octets) < 100:
        return None
    if after[:1] == b"." and max(octets) < _SMALL and not is_place:
        return None
    if (max(octets) < _SMALL or sum(one < 20 for one in octets) >= 3) and not is_place and not _is_endpoint(after):
        return None
    if octets[3] == 0 and octets[2] == 0 and not is_place and not after.startswith(b"/"):
        return None  # 12.0.0.0 and the like
    return Span("ip_address", start, end)


def _names_place(before: bytes) -> bool:
    near = before[-_NEAR - 12 :]
    return any(match.end() >= len(near) - _NEAR for match in _PLACE.finditer(near))


def _is_endpoint(after: bytes) -> bool:
    return re.match(rb"(?::\d{2,5}|/\d{1,2})\b", after) is not None


def ipv6_span(source: Source, start: int, end: int) -> Span | None:
    """Return the address text[start:end], if it is one and not private, reserved or well known."""
    written = source.text[start:end]
    try:
        address = ipaddress.IPv6Address(written.decode())
    except ValueError:
        return None
    groups = [group for group in written.split(b":") if group]
    if len(groups) < 3 or not _is_public(address):
        return None
    return Span("ip_address", start, end)


@functools.cache
def _taken() -> tuple[list[int], list[int]]:
    """Return the first and the last addresses, as numbers and ascending, of IPv4's ranges in which nobody is reached."""
    known, networks = _nobodys()
    ranges = [(int(one), int(one)) for one in known if one.version == 4]
    ranges += [(int(net[0]), int(net[-1])) for net in networks if net.version == 4]
    firsts, lasts = zip(*sorted(ranges), strict=True)
    # A range within another one must not end the search too early.
    return list(firsts), list(itertools.accumulate(lasts, max))


def _is_public_v4(number: int) -> bool:
    firsts, lasts = _taken()
    place = bisect.bisect_right(firsts, number) - 1
    return place < 0 or number > lasts[place]


def _is_public(address: ipaddress.IPv6Address) -> bool:
    known, networks = _nobodys()
    if not address.is_global or address.is_multicast or address.is_reserved or address in known:
        return False
    return not any(address in network for network in networks if network.version == 6)
