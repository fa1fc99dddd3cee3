"""Kernels of fill in the middle: a text that is given as tokens is cut at characters, and only what stands near the cuts is encoded anew.

A string's tokens are those of its words, and where words part is decided by the bytes near by. So the tokens of prefix, middle and
suffix are the text's own tokens, but for what stands between a cut and the next certain boundary between words on either side. The
result equals encoding the three strings, token for token (tests/model/fim/test_transform.py). numba, without the GIL.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from model.fim.draws import FIRST_CUT, IS_SPM, SECOND_CUT, below, chance
from model.tokenizer.bpe_kernels import encode_into, is_boundary
from model.tokenizer.split_kernels import REACH


@njit(cache=True, nogil=True)  # type: ignore[misc]
def decode_into(tables, tokens, data, offsets):  # type: ignore[no-untyped-def]
    """Write the bytes of N tokens to data and where each begins to offsets, int64[N + 1]. Returns how many bytes there are."""
    source, bounds = tables.token_data, tables.token_bounds
    at = np.int64(0)
    for number in range(len(tokens)):
        offsets[number] = at
        for byte in range(bounds[tokens[number]], bounds[tokens[number] + 1]):
            data[at] = source[byte]
            at += 1
    offsets[len(tokens)] = at
    return at


@njit(cache=True, nogil=True)  # type: ignore[misc]
def num_bytes(tables, tokens):  # type: ignore[no-untyped-def]
    """Return how many bytes some tokens stand for."""
    total = np.int64(0)
    for token in tokens:
        total += tables.token_bounds[token + 1] - tables.token_bounds[token]
    return total


@njit(cache=True, nogil=True)  # type: ignore[misc]
def num_characters(data, end):  # type: ignore[no-untyped-def]
    """Return how many characters data[:end] has: bytes that continue none begin one, and so does the first."""
    count = 1 if end > 0 and data[0] & 0xC0 == 0x80 else 0
    for at in range(end):
        count += data[at] & 0xC0 != 0x80
    return count


@njit(cache=True, nogil=True)  # type: ignore[misc]
def character_offset(data, end, wanted):  # type: ignore[no-untyped-def]
    """Return where character number `wanted` of data[:end] begins; the end for the one after the last."""
    if wanted == 0:
        return 0
    count = 1 if data[0] & 0xC0 == 0x80 else 0
    for at in range(end):
        if data[at] & 0xC0 != 0x80:
            if count == wanted:
                return at
            count += 1
    return end


@njit(cache=True, nogil=True)  # type: ignore[misc]
def random_cuts(key, data, end):  # type: ignore[no-untyped-def]
    """Return two places in data[:end], in order, each drawn from all places between characters, both ends included."""
    count = num_characters(data, end)
    first, second = below(key, FIRST_CUT, count + 1), below(key, SECOND_CUT, count + 1)
    if count == end:  # one byte each
        return min(first, second), max(first, second)
    return character_offset(data, end, min(first, second)), character_offset(data, end, max(first, second))


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _parts_words(tables, data, end, at, is_first, is_last):  # type: ignore[no-untyped-def]
    """Tell whether words part at a place of the text that data[:end] is a chunk of, whatever the chunks beside it hold."""
    if (not is_first and at < REACH) or (not is_last and at > end - REACH):
        return False
    return is_boundary(tables, data, 0, end, at)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _first_at(offsets, place):  # type: ignore[no-untyped-def]
    """Return the first token that begins at or after a place."""
    return np.searchsorted(offsets, place)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def snapped(tables, data, offsets, cut, is_first, is_last):  # type: ignore[no-untyped-def]
    """Return the nearest place at or before a cut where words part, or the start: a cut there adds no token."""
    end = offsets[-1]
    token = _first_at(offsets, cut)
    if offsets[token] > cut:
        token -= 1
    while token > 0 and not _parts_words(tables, data, end, offsets[token], is_first, is_last):
        token -= 1
    return offsets[token]


@njit(cache=True, nogil=True)  # type: ignore[misc]
def piece_into(tables, tokens, data, offsets, begin, end, is_first, is_last, out, at):  # type: ignore[no-untyped-def]
    """Write the tokens of the piece data[begin:end] of a text to out from `at` on; return where they end.

    tokens: [N], the text's own; offsets: int64[N + 1], where they begin. At most end - begin tokens are written.
    """
    size = offsets[-1]
    left, right = _first_at(offsets, begin), _first_at(offsets, end)
    if offsets[right] > end:
        right -= 1
    # The last place that keeps its tokens, then the first.
    if end < size:
        while right > 0 and offsets[right] > begin and not (
            _parts_words(tables, data, size, offsets[right], is_first, is_last) and is_boundary(tables, data, begin, end, offsets[right])
        ):  # fmt: skip
            right -= 1
    if begin > 0:
        while left < right and not (
            _parts_words(tables, data, size, offsets[left], is_first, is_last)
            and is_boundary(tables, data, begin, end, offsets[left])
        ):
            left += 1
    if left >= right:
        return encode_into(tables, data, begin, end, out, at)
    if offsets[left] > begin:
        at = encode_into(tables, data, begin, offsets[left], out, at)
    for number in range(left, right):
        out[at] = tokens[number]
        at += 1
    if offsets[right] < end:
        at = encode_into(tables, data, offsets[right], end, out, at)
    return at


@njit(cache=True, nogil=True)  # type: ignore[misc]
def put_together(tables, tokens, data, offsets, cuts, is_spm, is_first, is_last, names, lead, out, at):  # type: ignore[no-untyped-def]
    """Write a text cut at two places in the order of training; return where it ends.

    names: ids of (fim_prefix, fim_suffix, fim_middle); lead: tokens that stand before the prefix's text, [L].
    PSM: PRE prefix SUF suffix MID middle; SPM: PRE SUF suffix MID prefix middle.
    """
    end = offsets[-1]
    out[at] = names[0]
    at += 1
    if is_spm:
        out[at] = names[1]
        at = piece_into(tables, tokens, data, offsets, cuts[1], end, is_first, is_last, out, at + 1)
        out[at] = names[2]
        at += 1
    at = copied(lead, out, at)
    at = piece_into(tables, tokens, data, offsets, 0, cuts[0], is_first, is_last, out, at)
    if not is_spm:
        out[at] = names[1]
        at = piece_into(tables, tokens, data, offsets, cuts[1], end, is_first, is_last, out, at + 1)
        out[at] = names[2]
        at += 1
    return piece_into(tables, tokens, data, offsets, cuts[0], cuts[1], is_first, is_last, out, at)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def copied(source, out, at):  # type: ignore[no-untyped-def]
    """Write tokens to out from `at` on; return where they end."""
    for token in source:
        out[at] = token
        at += 1
    return at


@njit(cache=True, nogil=True)  # type: ignore[misc]
def fim_into(tables, tokens, key, cuts, spm_rate, is_first, is_last, names, lead, room, data, offsets, out, at):  # type: ignore[no-untyped-def]
    """Write a text, cut and put together, to out from `at` on; return where it ends.

    tokens: [N], a document or the chunk of one that is_first, is_last; cuts: (int64, int64) bytes, or -1 to draw them; room: most
    tokens that may be written, at least N + 3 + len(lead); data uint8[B], offsets int64[N + 1]: scratch; out needs B + 3 + len(lead).
    Where the cuts would add more tokens than there is room for, they move to where words part: first one, then both.
    """
    end = decode_into(tables, tokens, data, offsets)
    offsets = offsets[: len(tokens) + 1]
    if cuts[0] < 0:
        cuts = random_cuts(key, data, end)
    is_spm = chance(key, IS_SPM, spm_rate)
    for attempt in range(3):
        if attempt == 1:
            cuts = (snapped(tables, data, offsets, cuts[0], is_first, is_last), cuts[1])
        if attempt == 2:
            cuts = (cuts[0], snapped(tables, data, offsets, cuts[1], is_first, is_last))
        stop = put_together(tables, tokens, data, offsets, cuts, is_spm, is_first, is_last, names, lead, out, at)
        if stop - at <= room:
            break
    return stop
