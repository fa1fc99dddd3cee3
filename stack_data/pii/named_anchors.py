"""Values that are assigned to names of secrets, as kernels for the prefilter: the name, then the value, in any notation.

`NAME = "v"`, `"name": "v"`, `name => 'v'`, `name := v`, `name: str = "v"`, `d["name"] = "v"`, `#define NAME "v"`, `set_name("v")`,
`define('NAME', 'v')`, `("--name", default="v")`, `<name>v</name>`, `key="name" value="v"`, `NAME=v`, `name: v`, `name: !!str v`,
`...;Name=v;`, `?name=v&`, `--name=v`, `${NAME:-v}`, `NAME || "v"`, `| name | v |`, `name = %q(v)`, and the value on the line after its
name. Names are judged by whether a word of secrets occurs in them; what the words around it say is judged in Python (named.py). What
a value looks like is in value_anchors.py.
"""

from __future__ import annotations

import numba
import numpy as np

from stack_data.pii.value_anchors import BYTES, QUOTE, SPACE, WORD, bare, may_be_secret, percent, quoted, spaces

_MOST_NAME, _MOST_GAP = 64, 160


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
    while first > begin and at - first < _MOST_NAME and BYTES[content[first - 1]] & WORD:
        first -= 1
    while last < end and last - at < _MOST_NAME and BYTES[content[last]] & WORD:
        last += 1
    start, stop = _value(content, begin, first, last, end)
    if start >= 0 and not may_be_secret(content, start, stop):
        start = -1
    return first, last, start, stop


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _value(content, begin, first, last, end):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return start and end of the value that stands after a name; (-1, -1) where there is none."""
    at = last
    quoted_name = False
    if at < end and content[at] == 92:  # \" in a string
        at += 1
    if at < end and BYTES[content[at]] & QUOTE:
        quoted_name = True
        at += 1
    after_name = at
    at = spaces(content, at, end)
    if at < end and content[at] == 93:  # ["name"]
        at = spaces(content, at + 1, end)
    if at < end and content[at] == 63:  # name?: and name ?=
        at += 1
    if at + 1 >= end:
        return -1, -1
    byte = content[at]
    if (byte == 124 and content[at + 1] == 124) or (byte == 63 and content[at - 1] == 63):  # NAME || "v", NAME ?? "v"
        return quoted(content, spaces(content, at + 2 if byte == 124 else at + 1, end), end)
    if byte == 124:  # | name | v |
        at = spaces(content, at + 1, end)
        start, stop = quoted(content, at, end)
        return (start, stop) if start >= 0 else bare(content, at, end, np.uint8(124))
    if byte == 62 and first > begin and content[first - 1] == 60:  # <name>
        return bare(content, at + 1, end, np.uint8(62))
    if byte == 44 and quoted_name:  # 'NAME', 'v'
        start, stop = quoted(content, spaces(content, at + 1, end), end)
        return (start, stop) if start >= 0 else _default(content, at + 1, end)
    if byte == 58 and content[at + 1] == 45 and first > begin and content[first - 1] == 123:  # ${NAME:-v}
        return bare(content, at + 2, end, np.uint8(123))
    if byte == 40 and at == last:  # name("v")
        return quoted(content, at + 1, end)
    if byte != 61 and byte != 58:
        if at > after_name and not quoted_name:  # NAME "v"
            return quoted(content, at, end)
        if at > after_name and _is_value_attribute(content, at, end):  # "name" value="v"
            return quoted(content, at + 6, end)
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
            place = spaces(content, place + 7, end)
            if place + 1 < end and (content[place] == 61 or content[place] == 58):
                return quoted(content, spaces(content, place + 1, end), end)
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
    at = spaces(content, at, end)
    spaced = spaced or at > before
    if operator == 58:
        at = _after_tags(content, at, end)
    start, stop = quoted(content, at, end)
    if start >= 0 or compared:  # what a name is compared with is a variable, unless it is quoted
        return start, stop
    if at < end and content[at] == 37:  # %q(v)
        return percent(content, at, end)
    below = _on_next_line(content, at, end)
    if below >= 0:
        start, stop = quoted(content, below, end)
        if start >= 0 or operator != 58:
            return start, stop
        return bare(content, below, end, np.uint8(58))
    if operator == 58:
        type_end = at
        while (
            type_end < end
            and type_end - at < 40
            and (BYTES[content[type_end]] & WORD or content[type_end] in (38, 42, 63, 91, 93, 124, 32))
        ):
            type_end += 1
        if type_end > at and type_end + 1 < end and content[type_end] == 61:
            return quoted(content, spaces(content, type_end + 1, end), end)
    return bare(content, at, end, np.uint8(58) if operator == 58 else np.uint8(32) if spaced else np.uint8(61))


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _after_tags(content, at, end):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Step over YAML's `!!str ` and `&anchor `."""
    while at + 2 < end and ((content[at] == 33 and content[at + 1] == 33) or content[at] == 38):
        place = at + 1 if content[at] == 38 else at + 2
        first = place
        while place < end and place - at < 40 and BYTES[content[place]] & WORD:
            place += 1
        if place == first or place >= end or not BYTES[content[place]] & SPACE:
            return at
        place = spaces(content, place, end)
        if place < end and content[place] == 61:  # name: &str = "v" is Rust
            return at
        at = place
    return at


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _on_next_line(content, at, end):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return where a deeper next line begins when nothing but ( or a mark of continuation stands here; -1 otherwise."""
    marks = 0
    while (
        at < end
        and marks < 2
        and (content[at] == 92 or content[at] == 40 or content[at] == 124 or content[at] == 62 or content[at] == 45)
    ):
        at = spaces(content, at + 1, end)
        marks += 1
    if at < end and content[at] == 13:
        at += 1
    if at >= end or (content[at] != 10 and content[at - 1] != 13):
        return -1
    first = at + 1 if content[at] == 10 else at
    at = spaces(content, first, end)
    return at if at > first else -1
