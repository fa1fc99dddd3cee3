"""How much of an HTML document a reader sees: the characters of its text nodes, those of scripts and styles left out.

This is the length of BeautifulSoup's get_text() after its `script` and `style` elements are taken out (it leaves out
`template`, `rt` and `rp` by itself), which is what StarCoder's filter measures: tags, comments, declarations and
processing instructions do not count; a character reference counts as one, as does white space alone between two tags
outside of `pre`. One numba pass over the bytes.
Not covered: white space written as a reference (`&#13;`) counts for itself, references to characters that no HTML version
names count as one too, and frames are not looked into.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

RULE_VERSION = 1
_LONGEST_REFERENCE = 32
_HIDDEN = ("script", "style", "template", "rt", "rp")
_NESTING = 2  # scripts and styles hold no elements


def _hidden_names() -> npt.NDArray[np.uint8]:
    """Return the names of elements that are not shown, padded with zeros: uint8[N, 8]."""
    names = np.zeros((len(_HIDDEN), max(map(len, _HIDDEN))), np.uint8)
    for row, name in enumerate(_HIDDEN):
        names[row, : len(name)] = list(name.encode())
    return names


def visible_chars(texts: pa.LargeStringArray) -> npt.NDArray[np.int64]:
    """Return the visible characters of N documents without nulls: int64[N]."""
    offsets = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]
    data = texts.buffers()[2]
    content = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)
    return np.asarray(_visible(content, offsets, _hidden_names()))


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _visible(content, offsets, hidden):  # type: ignore[no-untyped-def]  # pragma: no cover
    counts = np.zeros(len(offsets) - 1, np.int64)
    for row in range(len(counts)):
        at, end = offsets[row], offsets[row + 1]
        chars, is_blank, preformatted = 0, True, 0
        while at < end:
            byte = content[at]
            if byte == 60:  # <
                after = _past_markup(content, at, end)
                if after > at:
                    counts[row] += chars if preformatted or not is_blank else min(chars, 1)
                    chars, is_blank = 0, True
                    preformatted = max(preformatted + _opens_preformatted(content, at, end), 0)
                    at = _past_hidden(content, at, after, end, hidden)
                    continue
            elif byte == 38:  # &
                at = _past_reference(content, at, end)
                chars, is_blank = chars + 1, False
                continue
            chars += byte & 0xC0 != 0x80
            is_blank &= byte == 32 or 9 <= byte <= 13
            at += 1
        counts[row] += chars if preformatted or not is_blank else min(chars, 1)
    return counts


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _opens_preformatted(content, at, end):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return 1 for <pre>, -1 for </pre>, else 0."""
    closes = content[at + 1] == 47
    name = at + 2 if closes else at + 1
    if name + 3 >= end or content[name] | 32 != 112 or content[name + 1] | 32 != 114 or content[name + 2] | 32 != 101:
        return 0
    after = content[name + 3]
    return 0 if _is_letter(after) or after == 45 else -1 if closes else 1


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _is_letter(byte):  # type: ignore[no-untyped-def]  # pragma: no cover
    return (65 <= byte <= 90) or (97 <= byte <= 122)


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _past_markup(content, at, end):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return where the tag, comment or declaration that begins at `<` ends; `at` itself where none begins."""
    if at + 1 >= end:
        return at
    second = content[at + 1]
    if second == 33:  # !
        if at + 3 < end and content[at + 2] == 45 and content[at + 3] == 45:
            place = at + 4
            while place < end:
                if content[place] == 62 and content[place - 1] == 45 and content[place - 2] == 45:
                    return place + 1
                place += 1
            return end
        return _past(content, at, end, 62)
    if second == 63:  # ?
        return _past(content, at, end, 62)
    if not (_is_letter(second) or (second == 47 and at + 2 < end and _is_letter(content[at + 2]))):
        return at
    place, quote = at + 2, np.uint8(0)
    while place < end:
        byte = content[place]
        if quote:
            if byte == quote:
                quote = np.uint8(0)
        elif byte == 62:
            return place + 1
        elif (byte == 34 or byte == 39) and content[place - 1] == 61:  # a quote after =
            quote = byte
        place += 1
    return end


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _past(content, at, end, wanted):  # type: ignore[no-untyped-def]  # pragma: no cover
    while at < end:
        if content[at] == wanted:
            return at + 1
        at += 1
    return end


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _past_hidden(content, at, after, end, hidden):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return where the hidden element ends that the tag at `at` opens; the end of the tag where it opens none."""
    element = _element(content, at + 1, after, hidden)
    if element < 0 or content[after - 2] == 47:  # <script/>
        return after
    place, depth = after, 1
    while place + 1 < end:
        if content[place] == 60:
            if content[place + 1] == 47:
                depth -= _element(content, place + 2, end, hidden) == element
            elif element >= _NESTING:
                depth += _element(content, place + 1, end, hidden) == element
            if not depth:
                return _past(content, place, end, 62)
        place += 1
    return end


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _element(content, at, end, hidden):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return the row of `hidden` whose name, in any case, stands here and ends here; -1 where none does."""
    for row in range(len(hidden)):
        length = 0
        while length < hidden.shape[1] and hidden[row, length] and at + length < end:
            if content[at + length] | 32 != hidden[row, length]:
                break
            length += 1
        if (length == hidden.shape[1] or not hidden[row, length]) and at + length < end:
            after = content[at + length]
            if not (_is_letter(after) or 48 <= after <= 57 or after == 45):
                return row
    return -1


@numba.njit(nogil=True, cache=True)  # type: ignore[misc]
def _past_reference(content, at, end):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return where the character reference that begins at `&` ends; one byte further where it is none."""
    place = at + 1
    while place < end and place - at < _LONGEST_REFERENCE:
        byte = content[place]
        if byte == 59:
            return place + 1 if place > at + 1 else at + 1
        if not (_is_letter(byte) or 48 <= byte <= 57 or (byte == 35 and place == at + 1)):
            return at + 1
        place += 1
    return at + 1
