"""`.gitattributes`: which paths of a repository have an attribute that says no to training.

Pure functions over the texts of all such files. The rules are git's own (gitattributes, git 2.39): later lines win, the file
nearest to a path wins over those above it, `!name` leaves an attribute unspecified and ends the search, macros are defined
in the root alone, a line with a malformed attribute, a negative pattern or 2,048 bytes is ignored. Every attribute that is
about training is looked up apart, and one that says no is enough.

What git reads besides (info/attributes, a user's own file) is not part of a repository. Case counts.
"""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stack_data.signals.tree import TooMuchWork, Tree
from stack_data.signals.wildmatch import Pattern, compile_pattern
from stack_data.signals.words import head, shown, words

NAME = ".gitattributes"
_BLANK = b" \t\r\n"
_MAX_LINE = 2048
_MAX_NAMES = 256
"""Attributes and macros of a repository that may matter; each takes a byte per path."""
_ATTRIBUTE = re.compile(rb"([-!]?)([A-Za-z0-9_.][-A-Za-z0-9_.]*)(=.*)?", re.S)
_QUOTED = re.compile(rb'"((?:[^"\\]|\\(?:[abfnrtv"\\]|[0-3][0-7][0-7]))*)"')
_ESCAPE = re.compile(rb"\\(?:([0-3][0-7][0-7])|(.))", re.S)
_ESCAPED = dict(zip(b'abfnrtv"\\', b'\a\b\f\n\r\t\v"\\', strict=True))
_SET = b"=set"
"""State of an attribute that is set; values are never written so."""


class Assignment(NamedTuple):
    """One attribute of a line. state: _SET, b"-", b"!" or b"=" and its value."""

    name: bytes
    state: bytes


class Line(NamedTuple):
    """A pattern, or the name of a macro, and the attributes it gives, in order."""

    pattern: bytes
    is_macro: bool
    assignments: tuple[Assignment, ...]


def lines_of(text: str, is_root: bool) -> Iterator[Line]:
    """Yield the lines of a .gitattributes file that git takes."""
    for content in head(text).split(b"\n"):
        line = _line(content.split(b"\0")[0], is_root)
        if line is not None:
            yield line


def _line(content: bytes, is_root: bool) -> Line | None:
    content = content.removesuffix(b"\r")
    if len(content) >= _MAX_LINE:
        return None
    content = content.lstrip(_BLANK)
    if not content or content.startswith(b"#"):
        return None
    quoted = _QUOTED.match(content)
    if quoted:
        pattern, states = _ESCAPE.sub(_unescaped, quoted[1]).split(b"\0")[0], content[quoted.end() :]
    else:
        pattern = re.split(rb"[ \t\r\n]", content, maxsplit=1)[0]
        states = content[len(pattern) :]
    is_macro = pattern.startswith(b"[attr]") and len(pattern) > len(b"[attr]")
    if is_macro:
        words_of_name = re.split(rb"[ \t\r\n]", pattern.removeprefix(b"[attr]").lstrip(_BLANK), maxsplit=1)
        pattern = words_of_name[0]
        if not is_root or not _ATTRIBUTE.fullmatch(pattern) or pattern[:1] in b"-!":
            return None
    elif pattern.startswith(b"!"):
        return None
    assignments = _assignments(states)
    return None if assignments is None else Line(pattern, is_macro, assignments)


def _unescaped(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 8) if found[1] else _ESCAPED[found[2][0]]])


def _assignments(states: bytes) -> tuple[Assignment, ...] | None:
    """Return the attributes of a line; None when one is malformed, and the line with it."""
    found = []
    for word in states.replace(b"\t", b" ").replace(b"\r", b" ").split(b" "):
        if not word:
            continue
        match = _ATTRIBUTE.fullmatch(word)
        if not match:
            return None
        state = match[1] or (_SET if match[3] is None else b"=" + match[3])
        found.append(Assignment(match[2], state))
    return tuple(found)


def _says_no(assignment: Assignment) -> bool:
    name, state = assignment.name.decode().lower(), assignment.state
    value = state[2:].decode("utf-8", "replace").lower() if state.startswith(b"==") else None
    if name in words().permissions:
        return state == b"-" or value in words().no
    return state == _SET or (value is not None and value not in words().no)


@functools.cache
def _mentions() -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, sorted(words().permissions | words().refusals))), re.IGNORECASE)


def _is_about_training(name: bytes) -> bool:
    return name.decode().lower() in words().permissions | words().refusals


class Attributes:
    """The rules of all .gitattributes files of a repository."""

    def __init__(self, files: Mapping[str, str]) -> None:
        """Read {path of a .gitattributes file: its text}; all others are left alone."""
        files = {path: text for path, text in files.items() if path == NAME or path.endswith("/" + NAME)}
        if not any(_mentions().search(text) for text in files.values()):
            files = {}
        lines = {path: list(lines_of(text, path == NAME)) for path, text in files.items()}
        self._macros = {line.pattern: line.assignments for line in lines.get(NAME, ()) if line.is_macro}
        self._relevant = self._names_that_matter(lines)
        # Nearest to a path first: what is decided there stays.
        rules = ((path, self._rules(lines[path])) for path in sorted(lines, key=_depth, reverse=True))
        self._files = [(path, found) for path, found in rules if found]

    def __bool__(self) -> bool:
        return bool(self._files)

    def _names_that_matter(self, lines: Mapping[str, Sequence[Line]]) -> set[bytes]:
        """Return the attributes about training, and the macros that lead to one."""
        led_to_by: dict[bytes, list[bytes]] = defaultdict(list)
        named = {one.name for found in lines.values() for line in found for one in line.assignments}
        for macro, assignments in self._macros.items():
            for one in assignments:
                led_to_by[one.name].append(macro)
        pending = [name for name in named if _is_about_training(name)]
        matter: set[bytes] = set()
        while pending:
            name = pending.pop()
            if name not in matter:
                matter.add(name)
                pending += led_to_by[name]
        return matter

    def _rules(self, lines: Sequence[Line]) -> list[tuple[Pattern, tuple[Assignment, ...]]]:
        """Return the lines that matter, last first, each once: what it decides a second time is decided."""
        matter = (
            (line.pattern, tuple(one for one in line.assignments if one.name in self._relevant))
            for line in reversed(lines)
            if not line.is_macro
        )
        compiled = ((compile_pattern(pattern), found) for pattern, found in dict.fromkeys(matter) if found)
        return [(pattern, found) for pattern, found in compiled if pattern is not None]

    def decide(self, tree: Tree) -> tuple[npt.NDArray[np.int32], list[str]]:
        """Return for each row of the tree the index of what reserves it, -1 without; and the details.

        Raises TooMuchWork.
        """
        if len(self._relevant) > _MAX_NAMES:
            raise TooMuchWork
        state = _State(len(tree), self._macros, self._relevant)
        for path, rules in self._files:
            folder = path.encode("utf-8", "backslashreplace").removesuffix(NAME.encode())
            for pattern, assignments in rules:
                rows, mask = tree.matching(pattern, folder)
                if rows.start < rows.stop and (mask is None or mask.any()):
                    state.assign(path, rows, mask, assignments)
        return state.reserved, state.details


class _State:
    """What is decided so far for every path: one array of truths per attribute."""

    def __init__(self, num_paths: int, macros: Mapping[bytes, tuple[Assignment, ...]], relevant: set[bytes]) -> None:
        self._macros, self._relevant = macros, relevant
        self._decided: dict[bytes, npt.NDArray[np.bool_]] = defaultdict(lambda: np.zeros(num_paths, bool))
        self._codes: dict[str, int] = {}
        self.reserved = np.full(num_paths, -1, np.int32)

    @property
    def details(self) -> list[str]:
        return list(self._codes)

    def assign(
        self, path: str, rows: slice, mask: npt.NDArray[np.bool_] | None, assignments: Sequence[Assignment]
    ) -> None:
        """Give the attributes, last first, to those of the rows that have no earlier word on them."""
        for one in reversed(assignments):
            if one.name not in self._relevant:
                continue
            decided = self._decided[one.name][rows]
            new = ~decided if mask is None else mask & ~decided
            if not new.any():
                continue
            decided |= new
            if _is_about_training(one.name) and _says_no(one):
                code = self._codes.setdefault(f"{shown(path)}: {_told(one)}", len(self._codes))
                reserved = self.reserved[rows]
                reserved[new & (reserved < 0)] = code
            if one.state == _SET and one.name in self._macros:
                self.assign(path, rows, new, self._macros[one.name])


def _told(assignment: Assignment) -> str:
    """Return an assignment as it was written; values that are no known word are not repeated."""
    name, state = assignment.name.decode(), assignment.state
    value = state[2:].decode("utf-8", "replace").lower() if state.startswith(b"==") else ""
    if state == b"-":
        return f"-{name}"
    return f"{name}={value}" if value in words().no | words().yes else name


def _depth(path: str) -> tuple[int, str]:
    return path.count("/"), path
