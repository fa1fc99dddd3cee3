"""The prefilter: one pass over a column of texts that marks every place where personal data or a secret may stand.

A numba kernel over the UTF-8 bytes, without the GIL. It looks closer at few bytes only: `@`, `.` and `:` between digits, `-----BEGIN`,
the letters that names of secrets cannot do without (k of key and token, w of passwd and pwd, pw, cr of secret and credential, ss of
pass), and beginnings of words that a known token begins with. Most candidates are settled here; the rest, some tens
in a megabyte of code, is judged in Python by the modules beside this one.

One pass was chosen over RE2: `pyarrow.compute` says which texts hold a match and not where, so every text with an `@` or
`key =` in it would be searched again in Python (bench/pii.py measures both).
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stack_data.pii.named_anchors import named_value, word_of_secrets
from stack_data.pii.tokens import literals

EMAIL, IPV4, IPV6, TOKEN, NAMED, URL, ARMOUR, PHONE = range(8)
"""What a candidate may be. NAMED: a value assigned to a name of secrets; URL: a password in one; ARMOUR: -----BEGIN."""

_ALNUM, _LOCAL, _HOST, _HEX, _DIGIT, _TOKEN_BYTE, _USERINFO = (np.uint8(1 << bit) for bit in range(7))
_ANCHOR, _WORD, _SIGN = (np.uint8(1 << bit) for bit in range(3))
"""Why two bytes are looked at: they may be part of something; a literal may begin a word so; a literal that begins with a sign may."""
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGITS = b"0123456789"
_NOT_ASCII = bytes(range(128, 256))
_HEX_DIGITS = _DIGITS + b"abcdefABCDEF"
_AT, _DOT, _COLON, _DASH, _PLUS, _OPEN, _SLASH, _BACKSLASH = b"@.:-+(/\\"
_ANY = ~np.uint64(0)
_LEAST_USER = 20
"""A shorter name in a URL is no key."""
_BLOCK = 1 << 15


class Candidates(NamedTuple):
    """N candidates in order of their row; offsets are bytes of the row's text.

    first, last: for NAMED where the name begins and ends; for TOKEN `first` is the literal's number; else 0.
    """

    what: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]


def _byte_kinds() -> npt.NDArray[np.uint8]:
    kinds = np.zeros(256, np.uint8)
    for bit, members in (
        (_ALNUM, _LETTERS + _DIGITS),
        (_LOCAL, _LETTERS + _DIGITS + b"._%+-'" + _NOT_ASCII),
        (_HOST, _LETTERS + _DIGITS + b"-." + _NOT_ASCII),
        (_HEX, _HEX_DIGITS),
        (_DIGIT, _DIGITS),
        (_TOKEN_BYTE, _LETTERS + _DIGITS + b"_-./+=:~$"),
        (_USERINFO, bytes(byte for byte in range(33, 127) if byte not in b"\"'<>/@`\\ ")),
    ):
        kinds[list(members)] |= bit
    return kinds


_KINDS = _byte_kinds()


@functools.cache
def _pairs(phones: bool) -> npt.NDArray[np.uint8]:
    """Return why any two bytes are looked at closer, bits: uint8[131072], the second half for those inside a word."""
    pairs = np.zeros((256, 256), np.uint8)
    anchors = [
        (b"kK", b"eE"),
        (b"cC", b"rR"),
        (b"wW", b"dDoO"),
        (b"sS", b"sS"),
        (b"pP", b"wW"),
        (b"@", _LETTERS + _DIGITS + b"[" + _NOT_ASCII),
        (b".", _DIGITS),
        (b":", b":" + _HEX_DIGITS),
    ]
    for firsts, seconds in [*anchors, (b"-", b"-")] + ([(b"+(", _DIGITS), (b"-.", _DIGITS)] if phones else []):
        pairs[np.ix_(list(firsts), list(seconds))] |= _ANCHOR
    heads = literals().heads.reshape(256, 256) >= 0
    is_alnum = (_KINDS & _ALNUM) > 0
    pairs[~is_alnum[:, None] & heads] |= _SIGN
    within = pairs.reshape(-1).copy()
    pairs[is_alnum[:, None] & heads] |= _WORD
    return np.concatenate([pairs.reshape(-1), within])


@functools.cache
def _thirds(phones: bool) -> npt.NDArray[np.uint64]:
    """Return for any two bytes which third byte may follow for them to be looked at: uint64[65536], by its last six bits."""
    table = literals()
    thirds = np.where(_pairs(phones)[:65536] & _ANCHOR, _ANY, np.uint64(0))
    for first, last in zip(table.offsets[:-1], table.offsets[1:], strict=True):
        literal = table.bytes[first:last].tolist()
        for second in literal[1:2] or range(256):
            bit = np.uint64(1 << (literal[2] & 63)) if len(literal) > 2 else _ANY
            thirds[literal[0] << 8 | second] |= bit
    return thirds


def find(texts: pa.LargeStringArray, phones: bool = False) -> Candidates:
    """Return the candidates of N texts; null texts have none. phones: telephone numbers too."""
    offsets = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]
    data = texts.buffers()[2]
    content = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)
    valid = texts.is_valid().to_numpy(zero_copy_only=False)
    table = literals()
    found = _find(
        content,
        offsets,
        valid,
        _KINDS,
        _pairs(phones),
        _thirds(phones),
        phones,
        table.bytes,
        table.offsets,
        table.least,
        table.heads,
        table.order,
    )
    return Candidates(*found.T)


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _put(out, count, what, row, start, end, first, last):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Append a candidate; return the table, larger where it was full."""
    if count == len(out):
        grown = np.empty((2 * len(out), 6), np.int64)
        grown[: len(out)] = out
        out = grown
    out[count, 0], out[count, 1], out[count, 2] = what, row, start
    out[count, 3], out[count, 4], out[count, 5] = end, first, last
    return out


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _mark(content, begin, at, stop, end, pairs, thirds, kinds, places):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Write the places from `at` to `stop` worth a closer look; return how many. A tight loop: nothing is called."""
    count = 0
    before = np.int64(content[at - 1]) if at > begin else 0
    inside = np.int64(kinds[before] & _ALNUM) if at < begin + 2 or content[at - 2] != _BACKSLASH else 0
    for place in range(at, min(stop, end - 1)):
        byte = np.int64(content[place])
        pair = byte << 8 | content[place + 1]
        if pairs[inside << 16 | pair]:
            third = np.uint64(content[place + 2] if place + 2 < end else 0) & np.uint64(63)
            if thirds[pair] >> third & np.uint64(1):
                places[count] = place
                count += 1
        # Inside a word nothing begins, unless what stands before is an escape such as \n.
        inside = np.int64(kinds[byte] & _ALNUM) * (before != _BACKSLASH)
        before = byte
    return count


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _find(content, offsets, valid, kinds, pairs, thirds, phones, lit_bytes, lit_offsets, least, heads, order):  # type: ignore[no-untyped-def]  # pragma: no cover
    out = np.empty((256, 6), np.int64)
    places = np.empty(_BLOCK, np.int64)
    count = 0
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        if not valid[row]:
            continue
        named_until = begin
        for block in range(begin, end, _BLOCK):
            marked = _mark(content, begin, block, block + _BLOCK, end, pairs, thirds, kinds, places)
            for at in places[:marked]:
                byte, after = content[at], content[at + 1]
                pair = pairs[np.int64(byte) << 8 | after]
                if pair & _WORD or pair & _SIGN:
                    inside = (
                        at > begin
                        and kinds[content[at - 1]] & _ALNUM
                        and (at < begin + 2 or content[at - 2] != _BACKSLASH)
                    )
                    place = np.int64(heads[np.int64(byte) << 8 | after])
                    while place >= 0 and order[place] >= 0 and (pair & _SIGN or not inside):
                        number = order[place]
                        size = lit_offsets[number + 1] - lit_offsets[number]
                        if _is_at(content, at, end, lit_bytes, lit_offsets[number], size) and (
                            _run(content, at, min(end, at + least[number]), kinds, _TOKEN_BYTE) >= least[number]
                        ):
                            out = _put(out, count, TOKEN, row, at - begin, at + size - begin, number, 0)
                            count += 1
                        place += 1
                if not pair & _ANCHOR:
                    continue
                what, start, stop, first, last = -1, -1, -1, begin, begin
                if kinds[byte] & _ALNUM:
                    if at >= named_until and word_of_secrets(content, begin, at, end):
                        first, last, start, stop = named_value(content, begin, at, end)
                        named_until, what = last, NAMED
                elif byte == _AT:
                    what, start, stop = _around_at(content, begin, at, end, kinds)
                elif byte == _DOT:
                    what = IPV4
                    start, stop = _ipv4(content, begin, at, end, kinds)
                elif byte == _COLON:
                    what = IPV6
                    start, stop = _ipv6(content, begin, at, end, kinds)
                elif byte == _DASH and _is_armour(content, begin, at, end):
                    what, start, stop = ARMOUR, at, at + 11
                if what >= 0 and start >= 0:
                    out = _put(out, count, what, row, start - begin, stop - begin, first - begin, last - begin)
                    count += 1
                if phones and byte in (_PLUS, _OPEN, _DASH, _DOT):
                    start, stop = _phone(content, begin, at, end, kinds)
                    if start >= 0:
                        out = _put(out, count, PHONE, row, start - begin, stop - begin, 0, 0)
                        count += 1
    return out[:count]


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _is_at(content, at, end, lit_bytes, first, size):  # type: ignore[no-untyped-def]  # pragma: no cover
    if at + size > end:
        return False
    place = 0
    while place < size and content[at + place] == lit_bytes[first + place]:
        place += 1
    return place == size


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _run(content, at, end, kinds, kind):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return how many bytes of a kind stand at a position."""
    place = at
    while place < end and kinds[content[place]] & kind:
        place += 1
    return place - at


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _run_back(content, least, at, kinds, kind):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return how many bytes of a kind stand before a position, at or after `least`."""
    place = at
    while place > least and kinds[content[place - 1]] & kind:
        place -= 1
    return at - place


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _around_at(content, begin, at, end, kinds):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return what an @ stands in, and where that is: a URL's password (its user, where that is long), an address, or -1.

    An address may begin and end with bytes that are none of it: apostrophes, and letters of other alphabets (emails.py).
    """
    start = at - _run_back(content, max(begin, at - 256), at, kinds, _USERINFO)
    if (
        start - 3 >= begin
        and content[start - 1] == _SLASH
        and content[start - 2] == _SLASH
        and content[start - 3] == _COLON
    ):
        for place in range(start, at):
            if content[place] == _COLON:
                return (URL, place + 1, at) if place + 1 < at else (-1, 0, 0)
        return (URL, start, at) if at - start >= _LEAST_USER else (-1, 0, 0)
    if at == begin or at + 1 >= end or not kinds[content[at + 1]] & _HOST:
        return -1, 0, 0
    start = at - _run_back(content, max(begin, at - 65), at, kinds, _LOCAL)
    while start < at and not kinds[content[start]] & _ALNUM and content[start] != 95 and content[start] < 128:
        start += 1
    stop = at + 1 + _run(content, at + 1, min(end, at + 255), kinds, _HOST)
    while content[stop - 1] == _DOT or content[stop - 1] == _DASH:
        stop -= 1
    top = stop
    while top > at and (
        content[top - 1] >= 128 or (kinds[content[top - 1]] & _ALNUM and not kinds[content[top - 1]] & _DIGIT)
    ):
        top -= 1
    if start == at or stop - top < 2 or content[top - 1] != _DOT:
        return -1, 0, 0
    # a@b@c is nothing; without this, what stays after one of the two was replaced would be an address.
    if (start > begin and content[start - 1] == _AT) or (stop < end and content[stop] == _AT):
        return -1, 0, 0
    return EMAIL, start, stop


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _ipv4(content, begin, at, end, kinds):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return start and end of four numbers up to 255 around the first of their dots; (-1, -1) where there are none."""
    digits = _run_back(content, max(begin, at - 4), at, kinds, _DIGIT)
    start = at - digits
    if digits < 1 or digits > 3:
        return -1, -1
    if start > begin:
        before = content[start - 1]
        if kinds[before] & _ALNUM or before == _DOT or before == 95:
            return -1, -1
    place = start
    for number in range(4):
        digits = _run(content, place, min(end, place + 4), kinds, _DIGIT)
        if digits < 1 or digits > 3 or (digits > 1 and content[place] == 48):
            return -1, -1
        value = 0
        for one in range(place, place + digits):
            value = 10 * value + content[one] - 48
        if value > 255:
            return -1, -1
        place += digits
        if number < 3:
            if place >= end or content[place] != _DOT:
                return -1, -1
            place += 1
    if place < end and (kinds[content[place]] & _ALNUM or content[place] == 95):
        return -1, -1
    if place + 1 < end and content[place] == _DOT and kinds[content[place + 1]] & _ALNUM:
        return -1, -1
    return start, place


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _ipv6(content, begin, at, end, kinds):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return start and end of what may be an IPv6 address that anybody can be reached at: 2xxx: and 3xxx: alone."""
    if at - 4 < begin or (content[at - 4] != 50 and content[at - 4] != 51):
        return -1, -1
    if _run_back(content, max(begin, at - 5), at, kinds, _HEX) != 4:
        return -1, -1
    if at - 5 >= begin and (kinds[content[at - 5]] & _ALNUM or content[at - 5] == _COLON or content[at - 5] == 95):
        return -1, -1
    stop, colons = at, 0
    while stop < end and (kinds[content[stop]] & _HEX or content[stop] == _COLON) and stop < at + 46:
        colons += content[stop] == _COLON
        stop += 1
    if content[stop - 1] == _COLON and content[stop - 2] != _COLON:
        stop -= 1
        colons -= 1
    if colons < 2 or (stop < end and (kinds[content[stop]] & _ALNUM or content[stop] == 95)):
        return -1, -1
    return at - 4, stop


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _is_armour(content, begin, at, end):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Tell whether -----BEGIN and a space stand here."""
    if at + 12 > end or (at > begin and content[at - 1] == _DASH) or content[at + 5] != 66:
        return False
    for place in range(at, at + 5):
        if content[place] != _DASH:
            return False
    return (
        content[at + 6] == 69
        and content[at + 7] == 71
        and content[at + 8] == 73
        and content[at + 9] == 78
        and content[at + 10] == 32
    )


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _phone(content, begin, at, end, kinds):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return start and end of digits in groups that begin with + or (, or are 3-3-4; the exact check follows."""
    start = at
    if content[at] == _DASH or content[at] == _DOT:
        start = at - _run_back(content, max(begin, at - 4), at, kinds, _DIGIT)
        if at - start != 3:
            return -1, -1
    elif at + 1 >= end or not kinds[content[at + 1]] & _DIGIT:
        return -1, -1
    if start > begin and (kinds[content[start - 1]] & _ALNUM or content[start - 1] in (_DOT, _DASH, _PLUS, 95)):
        return -1, -1
    if content[at] == _OPEN and start >= begin + 2 and content[start - 1] == 32 and kinds[content[start - 2]] & _DIGIT:
        return -1, -1  # the middle of +1 (212) 555-0100
    stop, digits, last = start, 0, start
    while stop < end and stop < start + 24:
        byte = content[stop]
        if kinds[byte] & _DIGIT:
            digits += 1
            last = stop + 1
        elif byte not in (32, 41, _DASH, _DOT, _OPEN) and (byte != _PLUS or stop > start):
            break
        stop += 1
    if digits < 8 or digits > 15 or (last < end and kinds[content[last]] & _ALNUM):
        return -1, -1
    return start, last
