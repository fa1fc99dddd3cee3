"""Templates of licences, compiled into one small automaton program over word hashes.

Reads the nodes of tables/spdx_licenses.json.xz (dev/regenerate_licenses.py describes them). Each template
becomes a run of instructions that stack_data/licenses/automaton.py executes:
  WORD h     the next word must be h             MAYBE h   h, or nothing
  SPLIT x    go on here and at x                 JUMP x    go on at x
  SLOT n     up to n words without legal effect  ITEM n    up to n numbers or letters that number a clause
  ACCEPT     the template ends here
A template is entered through the hash of its first one to three words, so nothing is compared unless it
begins like a template. Titles, copyright lines and other leading parts that may be absent are cut off:
stack_data/licenses/gaps.py explains them wherever they stand. The price is that a text without any
mandatory beginning would be unreachable; there is none.

A slot (copyright holder, organisation) is where altered clauses hide: it never swallows an OPERATIVE word
that the template's own original text does not have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack_data.licenses.tokens import OPERATIVE, SKIP, URL, Spelling, Words, tokenize, word_hash

WORD, MAYBE, SPLIT, JUMP, SLOT, ACCEPT, ITEM = range(7)
ENTRY_WORDS = 3
ITEM_WORDS = 5
TEXT_KINDS = frozenset({"license", "exception", "notice", "preamble", "part"})
ELLIPSIS = "\u2026"
LINE = word_hash("zzline")  # stands for a line end between words; may be left out when a phrase does not ask for it
_CHOICE_SLOT = 40  # most words in the open part of a choice
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)

Node = Any  # see dev/regenerate_licenses.py


@dataclass(frozen=True, slots=True)
class Template:
    """A text to recognise: its identifiers, what it is, and its nodes."""

    ids: tuple[str, ...]
    kind: str
    nodes: Sequence[Node]


@dataclass(frozen=True, slots=True)
class Program:
    """Instructions of many templates; `entry_*` is a hash table from first words to templates (CSR)."""

    op: NDArray[np.uint8]
    argument: NDArray[np.uint64]
    target: NDArray[np.int32]
    own_from: NDArray[np.int32]
    own: NDArray[np.uint64]
    begin: NDArray[np.int32]
    entry_key: NDArray[np.uint64]
    entry_from: NDArray[np.int32]
    entry_template: NDArray[np.int32]


@dataclass(slots=True)
class _Compiler:
    """Instructions while they are written; chunks of arrays are joined once at the end."""

    words: dict[int, Words]
    op: list[NDArray[np.uint8]] = field(default_factory=list)
    argument: list[NDArray[np.uint64]] = field(default_factory=list)
    target: list[NDArray[np.int32]] = field(default_factory=list)
    own_from: list[int] = field(default_factory=lambda: [0])
    own: list[int] = field(default_factory=list)
    size: int = 0
    optional: int = 0  # flags of literal words that may be absent

    def emit(self, op: int, argument: int = 0, target: int = 0) -> NDArray[np.int32]:
        """Append one instruction; the returned array lets its target be set later."""
        here = np.array([target], np.int32)
        self.op.append(np.array([op], np.uint8))
        self.argument.append(np.array([argument], np.uint64))
        self.target.append(here)
        self.size += 1
        return here

    def literal(self, text: str) -> None:
        words = self.words[id(text)]
        optional = (words.flags & self.optional) != 0
        self.op.append(np.where(optional, MAYBE, WORD).astype(np.uint8))
        self.argument.append(words.hash)
        self.target.append(np.zeros(len(words), np.int32))
        self.size += len(words)

    def slot(self, original: str, limit: int) -> None:
        words = self.words[id(original)]
        numbers = limit == ITEM_WORDS
        self.own.extend(words.hash[numbers | ((words.flags & OPERATIVE) != 0)].tolist())
        self.own_from.append(len(self.own))
        self.emit(ITEM if numbers else SLOT, limit, len(self.own_from) - 2)

    def nodes(self, nodes: Iterable[Node]) -> None:
        for node in nodes:
            if isinstance(node, str):
                self.literal(node)
            elif node[0] == "?":
                fork = self.emit(SPLIT)
                self.nodes(node[1])
                fork[0] = self.size
            elif node[0] == "*":
                self.slot(node[1], slot_words(node[2]))
            else:
                self.choice(node[1], node[2])

    def choice(self, original: str, choices: Sequence[Sequence[Node]]) -> None:
        ends = []
        for nodes in choices:
            fork = self.emit(SPLIT)
            self.nodes(nodes)
            ends.append(self.emit(JUMP))
            fork[0] = self.size
        self.emit(WORD, 0)  # hash 0 is no word: the last fork leads nowhere
        for end in ends:
            end[0] = self.size


def slot_words(characters: int) -> int:
    """Return how many words a slot of so many characters may take."""
    return ITEM_WORDS if 0 < characters <= 20 else min(900, 10 + characters // 10)


def compile_templates(templates: Sequence[Template], spelling: Spelling) -> Program:
    """Compile templates; instruction addresses are absolute, template numbers follow the sequence."""
    bodies = [_body(template) for template in templates]
    compiler = _Compiler(_tokenize_all(bodies, spelling))
    begins: list[int] = []
    entries: list[tuple[int, int]] = []
    for template, body in zip(templates, bodies, strict=True):
        compiler.optional = SKIP | URL if template.kind in TEXT_KINDS else 0
        begins.append(compiler.size)
        compiler.nodes(body)
        compiler.emit(ACCEPT)
    begins.append(compiler.size)
    op, argument = np.concatenate(compiler.op), np.concatenate(compiler.argument)
    target = np.concatenate(compiler.target)
    for number, begin in enumerate(begins[:-1]):
        entries.extend((key, number) for key in sorted(_entry_keys(op, argument, target, begin)))
    return Program(
        op,
        argument,
        target,
        np.array(compiler.own_from, np.int32),
        np.array(compiler.own, np.uint64),
        np.array(begins, np.int32),
        *_entry_table(entries),
    )


def _body(template: Template) -> list[Node]:
    nodes = [_with_choices(node) for node in template.nodes]
    return trim(nodes) if template.kind in TEXT_KINDS else nodes


def _with_choices(node: Node) -> Node:
    """Turn the choices of a node from texts with ellipses into nodes."""
    if isinstance(node, str) or node[0] == "*":
        return node
    if node[0] == "?":
        return ["?", [_with_choices(inner) for inner in node[1]]]
    return ["|", node[1], [_choice_nodes(choice, node[1]) for choice in node[2]]]


def _choice_nodes(choice: str, original: str) -> list[Node]:
    nodes: list[Node] = []
    for position, piece in enumerate(choice.split(ELLIPSIS)):
        if position:
            nodes.append(["*", original, 10 * _CHOICE_SLOT - 100])
        nodes.append(str(piece))
    return nodes


def trim(nodes: list[Node]) -> list[Node]:
    """Drop leading parts that may be absent and slots at the end, where they would swallow what follows."""
    first = next((at for at, node in enumerate(nodes) if isinstance(node, str) and _has_word(node)), None)
    if first is None:
        first = next((at for at, node in enumerate(nodes) if not isinstance(node, str) and node[0] == "|"), 0)
    if (
        first
        and not isinstance(nodes[first - 1], str)
        and nodes[first - 1][0] == "|"
        and [""] not in nodes[first - 1][2]
    ):
        first -= 1
    nodes = nodes[first:]
    if len(nodes) > 2 and isinstance(nodes[0], str) and nodes[0].split() == ["Copyright"]:
        nodes = nodes[2:]  # a notice that starts with its copyright line: the holder's slot goes as well
    while nodes and not isinstance(nodes[-1], str):
        if nodes[-1][0] != "*" and not (nodes[-1][0] == "?" and any(map(_is_holder, nodes[-1][1]))):
            break
        nodes = nodes[:-1]
    return nodes


def _is_holder(node: Node) -> bool:
    """Tell whether a node is a slot for a name: such a slot near the end of a text is a gap, explained as one."""
    return not isinstance(node, str) and node[0] == "*" and node[2] > 20


def trailing(nodes: Sequence[Node]) -> list[str]:
    """Return the texts of a last optional part that `trim` cuts off: an appendix, split at its slots."""
    last = nodes[-1]
    if isinstance(last, str) or last[0] != "?" or not any(_is_holder(node) for node in last[1]):
        return []
    pieces = [node for node in last[1] if isinstance(node, str)]
    return [re.sub(r"\bCopyright\s*$", "", piece) for piece in pieces]


def _has_word(text: str) -> bool:
    return any(character.isalpha() for character in text)


def leading(nodes: Sequence[Node]) -> list[str]:
    """Return the texts of the optional parts that `trim` cuts off at the beginning: titles, mostly."""
    titles = []
    for node in nodes:
        if isinstance(node, str):
            if _has_word(node):
                break
        elif node[0] == "?":
            titles.append(plain(node[1]))
        elif node[0] == "|":
            titles.extend(choice for choice in node[2] if ELLIPSIS not in choice)
    return [title for title in titles if _has_word(title)]


def plain(nodes: Sequence[Node]) -> str:
    """Return the text of nodes with every variable part as in the original."""
    pieces = [node if isinstance(node, str) else plain(node[1]) if node[0] == "?" else node[1] for node in nodes]
    return " ".join(pieces)


def _strings(nodes: Iterable[Node]) -> Iterable[str]:
    """Yield every string object that the compiler looks up, in order."""
    for node in nodes:
        if isinstance(node, str):
            yield node
        elif node[0] == "?":
            yield from _strings(node[1])
        else:
            yield node[1]
            for choice in node[2] if node[0] == "|" else ():
                yield from _strings(choice)


def _tokenize_all(bodies: Sequence[Sequence[Node]], spelling: Spelling) -> dict[int, Words]:
    """Tokenise all strings in one pass of the kernel; returns the words of each by its identity."""
    strings = [text for body in bodies for text in _strings(body)]
    starts = np.cumsum([0, *(len(text) + 2 for text in strings)])
    words = tokenize("\n\n".join(strings), spelling)
    bounds = np.searchsorted(words.start, starts)
    found = {}
    for text, begin, end in zip(strings, bounds[:-1], bounds[1:], strict=True):
        found[id(text)] = Words(
            words.hash[begin:end], words.start[begin:end], words.end[begin:end], words.flags[begin:end]
        )
    return found


def combine(key: int, word: int) -> int:
    """Extend the key of a word sequence by one word; the automaton computes the same."""
    return ((key ^ word) * int(_MULTIPLIER)) & ((1 << 64) - 1)


def _entry_keys(op: NDArray[np.uint8], argument: NDArray[np.uint64], target: NDArray[np.int32], begin: int) -> set[int]:
    """Return the keys of all ways to begin a template, of three words or as many as come before a slot."""
    keys: set[int] = set()
    pending = [(begin, 0, 0)]
    while pending:
        at, depth, key = pending.pop()
        kind = op[at]
        if depth == ENTRY_WORDS or (depth and (kind in (SLOT, ITEM, ACCEPT) or argument[at] == LINE)):
            keys.add(key)
        elif kind == SPLIT:
            pending += [(at + 1, depth, key), (int(target[at]), depth, key)]
        elif kind == JUMP:
            pending.append((int(target[at]), depth, key))
        elif kind in (SLOT, ITEM):
            pending.append((at + 1, depth, key))
        elif kind in (WORD, MAYBE) and argument[at]:
            pending.append((at + 1, depth + 1, combine(key, int(argument[at]))))
            if kind == MAYBE:
                pending.append((at + 1, depth, key))
    return keys


def _entry_table(
    entries: list[tuple[int, int]],
) -> tuple[NDArray[np.uint64], NDArray[np.int32], NDArray[np.int32]]:
    """Build the open-addressed table: key, CSR offsets (two per slot), template numbers."""
    by_key: dict[int, list[int]] = {}
    for key, number in entries:
        by_key.setdefault(key, []).append(number)
    size = 1 << max(4, (3 * len(by_key)).bit_length())
    keys, bounds, templates = [0] * size, [0] * (2 * size), list[int]()
    for key, numbers in by_key.items():
        slot = key & (size - 1)
        while keys[slot]:
            slot = (slot + 1) & (size - 1)
        keys[slot] = key
        bounds[2 * slot] = len(templates)
        templates.extend(numbers)
        bounds[2 * slot + 1] = len(templates)
    return np.array(keys, np.uint64), np.array(bounds, np.int32), np.array(templates, np.int32)
