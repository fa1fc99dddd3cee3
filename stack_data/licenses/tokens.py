"""Turns text into words with code-point spans, so that layout, case and punctuation never decide a comparison.

Reads a string, gives `Words`: one 64-bit hash per word (FNV-1a over folded characters) with start, end and
flags. Spelling variants (licence, sub-license, noninfringement) are folded through `Spelling`; numbering at
line starts and letters in parentheses are flagged SKIP, parts of web addresses URL, words with legal effect
OPERATIVE. Comment markers, bullets, quotes and Markdown emphasis are punctuation and vanish by themselves;
HTML tags and entities, and comment words such as `dnl`, are blanked first without moving any span.

Choice: hashes instead of a vocabulary, so that text and templates need no shared numbering. Two different
words with one 64-bit hash would be taken as equal; at 10^5 distinct words that is a 3e-10 risk.
Not covered: PDF ligatures; letters outside the Basic Multilingual Plane count as separators.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

# Flags of words. PERSONAL: also a name (Will, Grant, May), without effect where written as one and inside slots.
OPERATIVE, SKIP, URL, FOREIGN, PERSONAL, COVERED, LINE_END, NUMBERING = 1, 2, 4, 8, 16, 32, 64, 128

_FNV_OFFSET, _FNV_PRIME, _MASK = 0xCBF29CE484222325, 0x100000001B3, (1 << 64) - 1
_IGNORABLE = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
_FIRST_FOREIGN = 0x370  # Greek; everything below is Latin with its accents


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one text: hash uint64, start and end int32 (code points), flags uint8, all of equal length."""

    hash: NDArray[np.uint64]
    start: NDArray[np.int32]
    end: NDArray[np.int32]
    flags: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.hash)


@dataclass(frozen=True, slots=True)
class Spelling:
    """Open-addressed table: key -> one or two hashes that replace it (0: none), and its flags."""

    keys: NDArray[np.uint64]
    first: NDArray[np.uint64]
    second: NDArray[np.uint64]
    flags: NDArray[np.uint8]


def word_hash(word: str) -> int:
    """Return the hash that the kernel gives to a folded word."""
    value = _FNV_OFFSET
    for character in word:
        value = ((value ^ ord(character)) * _FNV_PRIME) & _MASK
    return value


def make_spelling(equal: dict[str, str], operative: set[str], personal: set[str]) -> Spelling:
    """Build the table: word -> replacement (one or two words), operative words, and those that are names too."""
    words = sorted(equal.keys() | operative)
    size = 1 << max(4, (2 * len(words)).bit_length())
    keys, first, second = (np.zeros(size, np.uint64) for _ in range(3))
    table = Spelling(keys, first, second, np.zeros(size, np.uint8))
    for word in words:
        parts = equal.get(word, word).split(" ")
        slot = word_hash(word) & (size - 1)
        while table.keys[slot]:
            slot = (slot + 1) & (size - 1)
        table.keys[slot] = word_hash(word)
        table.first[slot] = word_hash(parts[0])
        table.second[slot] = word_hash(parts[1]) if len(parts) > 1 else 0
        table.flags[slot] = OPERATIVE if operative.intersection((word, *parts)) else 0
        table.flags[slot] |= PERSONAL if word in personal else 0
    return table


def tokenize(text: str, spelling: Spelling) -> Words:
    """Return the words of `text`; O(length)."""
    codes = np.frombuffer(blank_markup(text).encode("utf-32-le", "surrogatepass"), np.uint32)
    return Words(*_tokenize(codes, _folds(), spelling.keys, spelling.first, spelling.second, spelling.flags))


# The guidelines make "copyright owner" and "copyright holder" equal; the only pair that needs its neighbour.
_COPYRIGHT, _OWNER, _OWNERS, _HOLDER, _HOLDERS = (
    np.uint64(word_hash(word)) for word in ("copyright", "owner", "owners", "holder", "holders")
)
# "All rights reserved" says nothing and may stand in any slot.
_ALL, _RIGHTS, _RESERVED = (np.uint64(word_hash(word)) for word in ("all", "rights", "reserved"))

_HTML = re.compile(
    r"</?(?:a|abbr|address|b|blockquote|body|br|center|code|dd|div|dl|dt|em|font|h[1-6]|head|header|hr|html|i"
    r"|img|li|link|main|meta|ol|p|pre|section|small|span|strong|style|sub|sup|table|tbody|td|th|thead|title|tr"
    r"|tt|u|ul|var)(?:\s[^<>]*)?/?>|<!DOCTYPE[^>]*>|<!--|-->|<style\b.*?</style>|&(?:[a-z]{2,8}|#\d{1,5}|#x[0-9a-f]{1,4});",
    re.I | re.S,
)
_COMMENT_WORD = re.compile(r"^[^\S\n]*(?:dnl|@?rem|@c|\.\\\"|c(?=[^\S\n]{2}))(?=\s)", re.I | re.M)


def blank_markup(text: str) -> str:
    """Replace HTML tags, entities and comment words by blanks of equal length."""
    if "<" in text or "&" in text:
        text = _HTML.sub(_blanks, text)
    return _COMMENT_WORD.sub(_blanks, text)


def _blanks(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


@lru_cache(maxsize=1)
def _folds() -> NDArray[np.uint32]:
    """For each code point of the BMP: 0 separator, 1 nothing at all, else the folded base character."""
    table = np.zeros(0x10000, np.uint32)
    for code in range(0x10000):
        character = chr(code)
        if character in _IGNORABLE:
            table[code] = 1
        elif character.isalnum():
            base = unicodedata.normalize("NFKD", character).lower()[:1]
            table[code] = ord(base) if base.isalnum() else code
    return table


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _tokenize(codes, folds, keys, first, second, key_flags):  # type: ignore[no-untyped-def]
    size = len(codes)
    most = size + 2  # a word of one letter and a separator may still expand into two
    hashes = np.empty(most, np.uint64)
    starts = np.empty(most, np.int32)
    ends = np.empty(most, np.int32)
    flags = np.empty(most, np.uint8)
    count = 0
    position = 0
    fresh_line = True
    in_url = False
    holders = False  # in a line of copyright, where personal words are names in any case
    while position < size:
        code = codes[position]
        folded = folds[code] if code < 0x10000 else np.uint32(0)
        if folded <= 1:
            if code == 10 or code == 13:
                fresh_line = True
                holders = False
            if code <= 32 or code == 60 or code == 62 or code == 34:
                in_url = False
            position += 1
            continue
        begin = position
        value, position, foreign = _word(codes, folds, position)
        flag = np.uint8(0)
        if foreign:
            flag |= FOREIGN
            if position - begin > 8:
                flag |= OPERATIVE
        if _starts_url(codes, begin, position):
            in_url = True
        if in_url or _is_dotted(codes, folds, begin, position) or _is_in_path(codes, begin, position):
            flag |= URL
        if position - begin <= 2 or 48 <= codes[begin] <= 57:
            flag |= NUMBERING
        if _is_number(codes, folds, begin, position, fresh_line):
            flag |= SKIP
        fresh_line = fresh_line and (flag & SKIP) != 0
        extra = np.uint64(0)
        slot = value & np.uint64(len(keys) - 1)
        while keys[slot] != 0:
            if keys[slot] == value:
                value = first[slot]
                extra = second[slot]
                flag |= _effect(key_flags[slot], codes, begin, position, holders)
                break
            slot = (slot + np.uint64(1)) & np.uint64(len(keys) - 1)
        if value in (_OWNER, _OWNERS) and count > 0 and hashes[count - 1] == _COPYRIGHT:
            value = _HOLDER if value == _OWNER else _HOLDERS
        if value == _RESERVED and count > 1 and hashes[count - 1] == _RIGHTS and hashes[count - 2] == _ALL:
            flag = np.uint8(flag & ~OPERATIVE) | SKIP
            for before in (count - 2, count - 1):
                flags[before] = np.uint8(flags[before] & ~OPERATIVE) | SKIP
        holders = holders or value == _COPYRIGHT or (begin > 0 and codes[begin - 1] == 169)
        hashes[count] = value
        starts[count] = begin
        ends[count] = position
        flags[count] = flag
        count += 1
        if extra != 0:
            hashes[count] = extra
            starts[count] = begin
            ends[count] = position
            flags[count] = flag
            count += 1
    return hashes[:count].copy(), starts[:count].copy(), ends[:count].copy(), flags[:count].copy()


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _effect(flags, codes, begin, end, holders):  # type: ignore[no-untyped-def]
    """Return a word's flags; a word that is a personal name too loses its effect when written like one."""
    if flags & PERSONAL and end - begin > 1 and 65 <= codes[begin] <= 90 and (holders or codes[begin + 1] >= 97):
        return np.uint8(PERSONAL)
    return np.uint8(flags)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _word(codes, folds, position):  # type: ignore[no-untyped-def]
    """Hash one word from `position`; a word broken by a hyphen at a line end goes on in the next line."""
    value = np.uint64(_FNV_OFFSET)
    foreign = False
    size = len(codes)
    while position < size:
        code = codes[position]
        folded = folds[code] if code < 0x10000 else np.uint32(0)
        if folded > 1:
            value = (value ^ np.uint64(folded)) * np.uint64(_FNV_PRIME)
            foreign = foreign or code >= _FIRST_FOREIGN
            position += 1
        elif folded == 1:
            position += 1
        elif code == 45 or code == 0x2010:
            onward = _after_break(codes, folds, position + 1, position > 0 and 65 <= codes[position - 1] <= 90)
            if onward < 0:
                break
            position = onward
        else:
            break
    return value, position, foreign


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _after_break(codes, folds, position, upper):  # type: ignore[no-untyped-def]
    """Return where a hyphenated word goes on after a line break, or -1."""
    size = len(codes)
    broken = False
    while position < size:
        code = codes[position]
        if code == 10:
            if broken:
                return -1
            broken = True
        elif (
            code == 32 or code == 9 or code == 13 or (broken and (code == 42 or code == 35 or code == 47 or code == 59))
        ):
            pass
        else:
            break
        position += 1
    if broken and position < size and (97 <= codes[position] <= 122 or (upper and 65 <= codes[position] <= 90)):
        return position
    return -1


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _starts_url(codes, begin, end):  # type: ignore[no-untyped-def]
    """Tell whether a word is a scheme before `://`, or `www` before a full stop."""
    size = len(codes)
    if end + 2 < size and codes[end] == 58 and codes[end + 1] == 47 and codes[end + 2] == 47:
        return True
    return (
        end - begin == 3
        and end < size
        and codes[end] == 46
        and (codes[begin] | 32) == 119
        and (codes[end - 1] | 32) == 119
    )


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _is_dotted(codes, folds, begin, end):  # type: ignore[no-untyped-def]
    """Tell whether a word is glued to its neighbour by a full stop, `@` or `_`, as in file names and addresses."""
    size = len(codes)
    if end + 1 < size and _glues(codes[end], codes[end - 1], codes[end + 1], folds):
        return True
    return begin > 1 and _glues(codes[begin - 1], codes[begin - 2], codes[begin], folds)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _is_in_path(codes, begin, end):  # type: ignore[no-untyped-def]
    """Tell whether a word is part of a path: a run without blanks that has two slashes, or one and a dot or `_`."""
    size = len(codes)
    if not ((begin > 0 and codes[begin - 1] == 47) or (end < size and codes[end] == 47)):
        return False
    slashes = 0
    marks = 0
    left = begin
    while left > 0 and codes[left - 1] > 32 and begin - left < 120:
        left -= 1
    while left < size and codes[left] > 32 and left - begin < 120:
        slashes += codes[left] == 47
        marks += (codes[left] == 46 or codes[left] == 95) and left + 1 < size and codes[left + 1] > 32
        left += 1
    return slashes > 1 or (slashes > 0 and marks > 0)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _glues(mark, left, right, folds):  # type: ignore[no-untyped-def]
    if mark != 46 and mark != 64 and mark != 95:
        return False
    if left >= 0x10000 or right >= 0x10000 or folds[left] <= 1 or folds[right] <= 1:
        return False
    if mark != 46:
        return True
    sentence = 97 <= left <= 122 and 65 <= right <= 90  # "end.Next" is a sentence boundary
    return not sentence and (48 <= left <= 57) == (48 <= right <= 57)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _is_number(codes, folds, begin, end, fresh_line):  # type: ignore[no-untyped-def]
    """Tell whether a word numbers a clause: `1.`, `b)`, `iv:` at a line start, `(c)` or `[2]` anywhere."""
    if end - begin > 4:
        return False
    size = len(codes)
    after = codes[end] if end < size else np.uint32(32)
    before = codes[begin - 1] if begin > 0 else np.uint32(32)
    roman = True
    digits = True
    for position in range(begin, end):
        lower = codes[position] | 32
        roman = roman and (lower == 105 or lower == 118 or lower == 120)
        digits = digits and 48 <= codes[position] <= 57
    if not (roman or (digits and end - begin <= 2) or end - begin == 1):
        return False
    if (before == 40 and after == 41) or (before == 91 and after == 93):
        return True
    return fresh_line and (after == 46 or after == 41 or after == 58 or after == 93)
