"""Runs a program of templates over the words of a text and reports every place where one matches, or how far.

Pure numba kernels over arrays; no state between calls. For each word that begins like a template the
template's instructions are simulated as a set of threads (Thompson's construction, longest match), so the
cost is the number of words compared times the few threads alive, whatever optional parts a template has.

A thread in a slot takes words without legal effect, at most the slot's number, foreign words counting four
times. Numbering (SKIP) may stand anywhere in the text. Nothing else is forgiven: a word added, changed or
missing ends the thread, and the furthest word reached is returned for the explanation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stack_data.licenses.templates import ACCEPT, ITEM, JUMP, MAYBE, SLOT, SPLIT, Program
from stack_data.licenses.tokens import (
    COVERED,
    FOREIGN,
    LINE_END,
    NUMBERING,
    OPERATIVE,
    PERSONAL,
    SKIP,
    URL,
    Words,
)

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_MOST = 1 << 17  # entries tried in one text; the bundle of a large JavaScript package has 20,000
_WORDS = 1 << 20  # words compared from one entry on


@dataclass(frozen=True, slots=True)
class Trials:
    """What became of each entry: template number, first word, word after the match (or -1), furthest word and address."""

    template: NDArray[np.int32]
    begin: NDArray[np.int32]
    end: NDArray[np.int32]
    furthest: NDArray[np.int32]
    address: NDArray[np.int32]


def run(program: Program, words: Words) -> Trials:
    """Try every template at every word of `words` where it may begin."""
    return Trials(
        *_run(
            program.op,
            program.argument,
            program.target,
            program.own_from,
            program.own,
            program.begin,
            program.entry_key,
            program.entry_from,
            program.entry_template,
            words.hash,
            words.flags,
        )
    )


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _run(  # type: ignore[no-untyped-def]
    op, argument, target, own_from, own, begin, entry_key, entry_from, entry_template, hashes, flags
):
    size = len(hashes)
    out = np.empty((5, 64), np.int32)
    count = 0
    marks = np.zeros(0, np.int32)
    for position in range(size):
        if flags[position] & (SKIP | COVERED):
            continue
        key = np.uint64(0)
        at = position
        for _ in range(3):
            while at < size and flags[at] & (SKIP | LINE_END) and at > position:
                at += 1
            if at == size:
                break
            key = (key ^ hashes[at]) * _MULTIPLIER
            at += 1
            slot = _find(entry_key, key)
            if slot < 0:
                continue
            for index in range(entry_from[2 * slot], entry_from[2 * slot + 1]):
                if count == _MOST:
                    return out[:, :count].copy()
                if len(marks) == 0:
                    marks = np.zeros(len(op), np.int32)
                if count == out.shape[1]:
                    wider = np.empty((5, 4 * count), np.int32)
                    wider[:, :count] = out
                    out = wider
                template = entry_template[index]
                if marks[begin[template]] >> 10 > _WORDS:
                    marks[:] = 0  # generations of this template would not fit beside another full comparison
                end, furthest, address = _match(
                    op, argument, target, own_from, own, begin[template], hashes, flags, position, marks
                )
                out[0, count] = template
                out[1, count] = position
                out[2, count] = end
                out[3, count] = furthest
                out[4, count] = address
                count += 1
    return out[:, :count].copy()


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _find(keys, key):  # type: ignore[no-untyped-def]
    slot = key & np.uint64(len(keys) - 1)
    while keys[slot] != 0:
        if keys[slot] == key:
            return np.int64(slot)
        slot = (slot + np.uint64(1)) & np.uint64(len(keys) - 1)
    return np.int64(-1)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _match(op, argument, target, own_from, own, start, hashes, flags, position, marks):  # type: ignore[no-untyped-def]
    """Return (word after the longest match or -1, furthest word compared, instruction reached there).

    `marks` has one cell per instruction: generation * 1024 + words taken in its slot.
    """
    most = 256
    now = np.empty(most, np.int32)
    then = np.empty(most, np.int32)
    stack = np.empty(most, np.int32)
    generation = np.int32(marks[start] >> 10)
    # The first instruction holds the newest generation of its template, whose cells no other template uses.
    generation += 1
    count, accepted = _add(op, target, marks, generation, now, 0, start, 0, stack)
    marks[start] = max(marks[start], generation << 10)
    end = -1
    furthest, address = position, start
    at = position
    size = min(len(hashes), position + _WORDS)
    while count and at < size:
        flag = flags[at]
        word = hashes[at]
        generation += 1
        fresh = 0
        reached = False
        accepted = False
        if flag & COVERED:
            break
        for index in range(count):
            here = now[index]
            kind = op[here]
            if kind in (SLOT, ITEM):
                taken = (marks[here] & 1023) + (4 if flag & FOREIGN else 1)
                if flag & (SKIP | LINE_END):
                    taken = marks[here] & 1023
                if taken <= argument[here] and _slot_takes(kind, own_from, own, target[here], word, flag):
                    fresh, done = _add(op, target, marks, generation, then, fresh, here, taken, stack)
                    accepted |= done
                continue
            if argument[here] == word:
                fresh, done = _add(op, target, marks, generation, then, fresh, here + 1, 0, stack)
                accepted |= done
                reached = True
                address = here + 1
            if flag & (SKIP | LINE_END):
                fresh, done = _add(op, target, marks, generation, then, fresh, here, 0, stack)
                accepted |= done
        at += 1
        if reached:
            furthest = at
        if accepted and (reached or not (flag & (SKIP | LINE_END))):
            end = at
        now, then = then, now
        count = fresh
    marks[start] = generation << 10
    return end, furthest, address


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _slot_takes(kind, own_from, own, slot, word, flag):  # type: ignore[no-untyped-def]
    """Tell whether a slot may swallow a word: one without legal effect, or one that its original has."""
    if flag & (SKIP | LINE_END):
        return True
    if kind == ITEM:
        takes = (flag & NUMBERING) != 0 and not (flag & OPERATIVE)
    else:
        takes = not (flag & OPERATIVE) or (flag & (URL | PERSONAL)) != 0
    for index in range(own_from[slot], own_from[slot + 1]):
        takes = takes or own[index] == word
    return takes


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _add(op, target, marks, generation, threads, count, here, taken, stack):  # type: ignore[no-untyped-def]
    """Add an instruction and all it reaches without a word; return (threads, whether the end was reached)."""
    accepted = False
    depth = 1
    stack[0] = here
    first = True
    while depth:
        depth -= 1
        here = stack[depth]
        words = taken if first else 0
        first = False
        seen = (marks[here] >> 10) == generation
        if seen and (marks[here] & 1023) <= words:
            continue
        marks[here] = (generation << 10) | words
        kind = op[here]
        if kind == ACCEPT:
            accepted = True
            continue
        if kind == JUMP:
            stack[depth] = target[here]
            depth += 1
            continue
        if kind == SPLIT:
            stack[depth] = target[here]
            stack[depth + 1] = here + 1
            depth += 2
            continue
        if not seen and count < len(threads):
            threads[count] = here
            count += 1
        if kind in (MAYBE, SLOT, ITEM):
            stack[depth] = here + 1
            depth += 1
    return count, accepted
