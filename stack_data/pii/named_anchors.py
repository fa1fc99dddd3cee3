"""Values that are assigned to names of secrets, as kernels for the prefilter: the name, then the value, in any notation.

`NAME = "v"`, `"name": "v"`, `name => 'v'`, `name := v`, `name: str = "v"`, `d["name"] = "v"`, `#define NAME "v"`, `set_name("v")`,
`define('NAME', 'v')`, `("--name", default="v")`, `<name>v</name>`, `key="name" value="v"`, `NAME=v`, `name: v`, `name: !!str v`, `...;Name=v;`,
`?name=v&`, `--name=v`, `${NAME:-v}`, `NAME || "v"`, `| name | v |`, `name = %q(v)`, and the value on the line after its name. Names are judged by whether a word of secrets occurs in them; what the words around it say is judged in Python (named.py).
A value is left out here when it cannot be one: no letter, neither digit nor sign, or white space in it and fewer than two digits.
"""

from __future__ import annotations

import numba
import numpy as np

_WORD, _QUOTE, _SPACE, _STOP, _LETTER, _OTHER = (np.uint8(1 << bit) for bit in range(6))
_MOST_NAME, _MOST_VALUE, _LEAST_VALUE, _MOST_GAP, _MOST_SPACES = 64, 512, 5, 160, 6


def _kinds() -> np.ndarray:  # type: ignore[type-arg]
    kinds = np.zeros(256, np.uint8)
    kinds[list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.")] |= _WORD
    kinds[list(b"\"'`")] |= _QUOTE
    kinds[list(b" \t")] |= _SPACE
    kinds[list(b" \t\r\n\f\v\"'`,;&<>()[]{}|\\")] |= _STOP
    kinds[list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")] |= _LETTER
    kinds[list(b"0123456789!@#*?~^")] |= _OTHER
    return kinds


_K = _kinds()


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _low(content, at, begin, end):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return a byte in lower case; 0 outside of the text."""
    return content[at] | 32 if begin <= at < end else np.uint8(0)


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def word_of_secrets(content, begin, at, end):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Tell whether a k, w, c, s or p stands in key, token, passw, pwd, secr, cred, pass or a pw that ends a word."""
    byte = content[at] | 32
    one, two = _low(content, at + 1, begin, end), _low(content, at + 2, begin, end)
    if byte == 107:  # k: key, token
        if one != 101:
            return False
        if two == 121:
            return True
        return two == 110 and _low(content, at - 1, begin, end) == 111 and _low(content, at - 2, begin, end) == 116
    if byte == 119:  # w: pwd, passw
        return (one == 100 and _low(content, at - 1, begin, end) == 112) or (
            _low(content, at - 1, begin, end) == 115
            and _low(content, at - 2, begin, end) == 115
            and _low(content, at - 3, begin, end) == 97
        )
    if byte == 99:  # c: secret, cred
        if one != 114 or two != 101:
            return False
        three = _low(content, at + 3, begin, end)
        return three == 100 or (
            three == 116 and _low(content, at - 1, begin, end) == 101 and _low(content, at - 2, begin, end) == 115
        )
    if byte == 112:  # p: pw
        return one == 119 and not (97 <= two <= 122)
    # s: the first s of pass
    return one == 115 and _low(content, at - 1, begin, end) == 97 and _low(content, at - 2, begin, end) == 112


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def named_value(content, begin, at, end):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return (start of the name, its end, start of the value, its end); the value is -1 where there is none."""
    first, last = at, at
    while first > begin and at - first < _MOST_NAME and _K[content[first - 1]] & _WORD:
        first -= 1
    while last < end and last - at < _MOST_NAME and _K[content[last]] & _WORD:
        last += 1
    start, stop = _value(content, begin, first, last, end)
    if start >= 0 and not _may_be_secret(content, start, stop):
        start = -1
    return first, last, start, stop


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _spaces(content, at, end):  # type: ignore[no-untyped-def]  # pragma: no cover
    most = min(end, at + 40)
    while at < most and _K[content[at]] & _SPACE:
        at += 1
    return at


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _value(content, begin, first, last, end):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return start and end of the value that stands after a name; (-1, -1) where there is none."""
    at = last
    quoted_name = False
    if at < end and content[at] == 92:  # \" in a string
        at += 1
    if at < end and _K[content[at]] & _QUOTE:
        quoted_name = True
        at += 1
    after_name = at
    at = _spaces(content, at, end)
    if at < end and content[at] == 93:  # ["name"]
        at = _spaces(content, at + 1, end)
    if at < end and content[at] == 63:  # name?: and name ?=
        at += 1
    if at + 1 >= end:
        return -1, -1
    byte = content[at]
    if (byte == 124 and content[at + 1] == 124) or (byte == 63 and content[at - 1] == 63):  # NAME || "v", NAME ?? "v"
        return _quoted(content, _spaces(content, at + 2 if byte == 124 else at + 1, end), end)
    if byte == 124:  # | name | v |
        at = _spaces(content, at + 1, end)
        start, stop = _quoted(content, at, end)
        return (start, stop) if start >= 0 else _bare(content, at, end, np.uint8(124))
    if byte == 62 and first > begin and content[first - 1] == 60:  # <name>
        return _bare(content, at + 1, end, np.uint8(62))
    if byte == 44 and quoted_name:  # 'NAME', 'v'
        start, stop = _quoted(content, _spaces(content, at + 1, end), end)
        return (start, stop) if start >= 0 else _default(content, at + 1, end)
    if byte == 58 and content[at + 1] == 45 and first > begin and content[first - 1] == 123:  # ${NAME:-v}
        return _bare(content, at + 2, end, np.uint8(123))
    if byte == 40 and at == last:  # name("v")
        return _quoted(content, at + 1, end)
    if byte != 61 and byte != 58:
        if at > after_name and not quoted_name:  # NAME "v"
            return _quoted(content, at, end)
        if at > after_name and _is_value_attribute(content, at, end):  # "name" value="v"
            return _quoted(content, at + 6, end)
        return -1, -1
    return _assigned(content, at, after_name, end)


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _default(content, at, end):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return the value of the argument `default` further on in the same call; (-1, -1) where there is none."""
    for place in range(at, min(end - 9, at + _MOST_GAP)):
        byte = content[place]
        if byte == 41 or byte == 59 or (byte == 10 and place > at + 2 and content[place - 1] != 44):
            return -1, -1
        if (
            byte == 100 and content[place + 1] == 101 and content[place + 2] == 102 and content[place + 3] == 97
            and content[place + 4] == 117 and content[place + 5] == 108 and content[place + 6] == 116
        ):  # fmt: skip
            place = _spaces(content, place + 7, end)
            if place + 1 < end and (content[place] == 61 or content[place] == 58):
                return _quoted(content, _spaces(content, place + 1, end), end)
            return -1, -1
    return -1, -1


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _is_value_attribute(content, at, end):  # type: ignore[no-untyped-def]  # pragma: no cover
    return (
        at + 7 < end and content[at] == 118 and content[at + 1] == 97 and content[at + 2] == 108 and content[at + 3] == 117
        and content[at + 4] == 101 and content[at + 5] == 61
    )  # fmt: skip


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _assigned(content, at, after_name, end):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return the value after = or : and what may follow them; `: Type =` is stepped over."""
    operator = content[at]
    spaced = at > after_name
    at += 1
    compared = operator == 61 and at < end and content[at] == 61
    while at < end and (content[at] == 61 or content[at] == 62 or content[at] == 58):  # ==, =>, :=, ::
        operator = np.uint8(61) if content[at] != 58 else operator
        at += 1
    before = at
    at = _spaces(content, at, end)
    spaced = spaced or at > before
    if operator == 58:
        at = _after_tags(content, at, end)
    start, stop = _quoted(content, at, end)
    if start >= 0 or compared:  # what a name is compared with is a variable, unless it is quoted
        return start, stop
    if at < end and content[at] == 37:  # %q(v)
        return _percent(content, at, end)
    below = _on_next_line(content, at, end)
    if below >= 0:
        start, stop = _quoted(content, below, end)
        if start >= 0 or operator != 58:
            return start, stop
        return _bare(content, below, end, np.uint8(58))
    if operator == 58:
        type_end = at
        while (
            type_end < end
            and type_end - at < 40
            and (_K[content[type_end]] & _WORD or content[type_end] in (38, 42, 63, 91, 93, 124, 32))
        ):
            type_end += 1
        if type_end > at and type_end + 1 < end and content[type_end] == 61:
            return _quoted(content, _spaces(content, type_end + 1, end), end)
    return _bare(content, at, end, np.uint8(58) if operator == 58 else np.uint8(32) if spaced else np.uint8(61))


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _after_tags(content, at, end):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Step over YAML's `!!str ` and `&anchor `."""
    while at + 2 < end and ((content[at] == 33 and content[at + 1] == 33) or content[at] == 38):
        place = at + 1 if content[at] == 38 else at + 2
        first = place
        while place < end and place - at < 40 and _K[content[place]] & _WORD:
            place += 1
        if place == first or place >= end or not _K[content[place]] & _SPACE:
            return at
        place = _spaces(content, place, end)
        if place < end and content[place] == 61:  # name: &str = "v" is Rust
            return at
        at = place
    return at


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _on_next_line(content, at, end):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return where a deeper next line begins when nothing but ( or a mark of continuation stands here; -1 otherwise."""
    marks = 0
    while at < end and marks < 2 and (content[at] == 92 or content[at] == 40 or content[at] == 124 or content[at] == 62 or content[at] == 45):
        at = _spaces(content, at + 1, end)
        marks += 1
    if at < end and content[at] == 13:
        at += 1
    if at >= end or (content[at] != 10 and content[at - 1] != 13):
        return -1
    first = at + 1 if content[at] == 10 else at
    at = _spaces(content, first, end)
    return at if at > first else -1


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _percent(content, at, end):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return what stands in Ruby's %q(v), %Q[v] and %{v}."""
    at += 1
    if at < end and (content[at] | 32) == 113:
        at += 1
    if at + 2 >= end or content[at] not in (40, 91, 123, 60, 124, 33):
        return -1, -1
    close = content[at]
    close = close + 1 if close == 40 else close + 2 if close in (91, 123, 60) else close
    start = at + 1
    stop, most = start, min(end, start + _MOST_VALUE)
    while stop < most and content[stop] != close and content[stop] > 32:
        stop += 1
    return (start, stop) if stop < most and content[stop] == close else (-1, -1)


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _quoted(content, at, end):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return what stands between quotes here, on one line; with white space two digits too. Prefixes such as b and []byte( pass."""
    most = min(end, at + 14)
    place = at
    while place < most and not _K[content[place]] & _QUOTE:
        byte = content[place]
        letter = (byte | 32) - 97 < 26 and byte >= 65
        if not (letter or byte == 91 or byte == 93 or byte == 40 or byte == 58 or byte == 92 or byte == 64):
            return -1, -1
        place += 1
    if place >= most:
        return -1, -1
    if place - at > 1 and not _is_wrapper(content, at, place):
        return -1, -1
    quote, escaped = content[place], place > at and content[place - 1] == 92
    start = place + 1
    if start + 1 < end and content[start] == quote and content[start + 1] == quote:  # triple quotes
        start += 2
    stop, most = start, min(end, start + _MOST_VALUE)
    spaces, digits = 0, 0
    while stop < most:
        byte = content[stop]
        if byte == quote or byte == 10 or byte == 13:
            break
        if byte == 92:
            if escaped and stop + 1 < end and content[stop + 1] == quote:
                return start, stop
            stop += 1
        elif _K[byte] & _SPACE:
            spaces += 1
            if spaces > _MOST_SPACES:
                return -1, -1
        elif 48 <= byte <= 57:
            digits += 1
        stop += 1
    if stop >= most or content[stop] != quote or (spaces and (digits < 2 or content[start] == 32)):
        return -1, -1
    return start, stop


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _is_wrapper(content, at, place):  # type: ignore[no-untyped-def]  # pragma: no cover
    r"""Tell whether `[]byte(`, `String::from(`, `SecretStr(` or `\` (an escaped quote) with a letter stands here."""
    if content[place - 1] != 40:
        return place - at == 2
    if place - at < 5:
        return False
    byte = content[at]
    return (byte == 91 and content[at + 1] == 93) or byte == 83  # [], S


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _bare(content, at, end, how):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return a value without quotes. how: what stood before it: = : > | { or a space for an = with spaces around it."""
    stop, most = at, min(end, at + _MOST_VALUE)
    while stop < most and not _K[content[stop]] & _STOP:
        stop += 1
    if stop - at < _LEAST_VALUE:
        return -1, -1
    if how == 62:  # up to the closing tag
        return (at, stop) if stop + 1 < end and content[stop] == 60 and content[stop + 1] == 47 else (-1, -1)
    if stop >= most:
        return (at, stop) if stop == end else (-1, -1)
    byte = content[stop]
    if how == 124:  # up to the next cell
        after = _spaces(content, stop, end)
        return (at, stop) if after < end and content[after] == 124 else (-1, -1)
    if how == 123:
        return (at, stop) if byte == 125 else (-1, -1)
    if byte == 10 or byte == 13 or _K[byte] & _QUOTE or byte == 92:
        return at, stop
    if byte == 59 or byte == 38 or byte == 60:
        return at, stop
    if _K[byte] & _SPACE:
        after = _spaces(content, stop, end)
        if after >= end or content[after] == 10 or content[after] == 13 or content[after] == 35 or how == 61:
            return at, stop
    return -1, -1


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _may_be_secret(content, start, stop):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Tell whether a value has a letter, and a digit or a sign that identifiers have not."""
    if stop - start < _LEAST_VALUE:
        return False
    joined = np.uint8(0)
    for place in range(start, stop):
        joined |= _K[content[place]]
    return joined & _LETTER and joined & _OTHER
