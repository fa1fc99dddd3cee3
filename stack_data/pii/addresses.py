"""IP addresses: those at which somebody can be reached, and not versions, numbers of sections or well-known resolvers."""

from __future__ import annotations

import functools
import ipaddress
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
_PLACE_BEFORE = re.compile(
    rb"(?i)(?:\bip\b|ips?\b|ip_|addr|host|server|dns|gateway|\bgw\b|ping|peer|node|remote|client|subnet|cidr|proxy|listen|bind|route|"
    rb"endpoint|://|@|\binet\b|nameserver|network|whois|ssh |(?-i:\bA )|iptables|from |permit|deny)[^\n]{0,24}$"
)
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
    address = ipaddress.ip_address(source.text[start:end].decode())
    if not _is_public(address):
        return None
    before, after = source.before(start, 60), source.after(end, 24)
    if _VERSION_BEFORE.search(before) or after[:1] in (b"-", b"+") and after[1:2].isalnum():
        return None
    is_place = (
        b"://" in before[-60:] and before.rstrip(b"[").endswith(b"//") or _PLACE_BEFORE.search(before) is not None
    )
    if _OPERATOR_BEFORE.search(before) and not before.endswith(b"//") and not (is_place and before[-1:] in b"@="):
        return None
    octets = address.packed
    if _OBJECT_BEFORE.search(before) or _ARCS.match(source.text, start) and sorted(octets)[2] < 60 and not is_place:
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


def _is_public(address: _Address) -> bool:
    known, networks = _nobodys()
    if not address.is_global or address.is_multicast or address.is_reserved or address in known:
        return False
    return not any(address in network for network in networks if network.version == address.version)
