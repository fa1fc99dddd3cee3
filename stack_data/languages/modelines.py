"""What a file says of its own language: editor modelines and the interpreter behind `#!`.

Emacs writes `-*- mode: c++ -*-` or `-*- C++ -*-`, Vim writes `vim: ft=cpp` or `vim: set ft=cpp:`, in the first or
last five lines. Two RE2 passes over short slices find the few files that could say something; only those are parsed.

Given up: a modeline further than HEAD_BYTES from the start or TAIL_BYTES from the end of a file with very long lines.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stack_data.languages.columns import Numbers, as_mask, heads, matches, rows_where, tails
from stack_data.languages.language import by_alias, languages

HEAD_BYTES = 2048
TAIL_BYTES = 1024
SCOPE_LINES = 5

_HINT = r"-\*-|(?:^|[ \t\r\n])(?:vi|vim|Vim|ex)(?:[<=>]?[0-9]+)?:"
_EMACS = re.compile(rb"-\*-(.*?)-\*-")
_EMACS_MODE = re.compile(rb"(?:^|;)\s*mode\s*:\s*([^\s;]+)", re.I)
_VIM = re.compile(rb"(?:(?:^|[ \t])(?:vi|Vi(?=m))(?:m?[<=>]?[0-9]+|m)?|[ \t]ex):(.*)")
_VIM_SET = re.compile(rb"[ \t]*set?[ \t](.*?)(?<!\\):")
_VIM_TYPE = re.compile(rb"(?:^|[ \t:])(?:filetype|ft|syntax)[ \t]*=(\w+)(?=$|[\s:])")

_SHEBANG = r"\A#![ \t]*(?P<line>[^\r\n]{0,250})"
_EXEC = re.compile(rb"exec (\w+).+\$0.+\$@")


def emacs_mode(line: bytes) -> bytes | None:
    """Return the mode that an Emacs modeline names, if the line holds one."""
    found = _EMACS.search(line)
    if not found:
        return None
    variables = found[1].strip()
    mode = _EMACS_MODE.search(variables)
    if mode:
        return mode[1]
    return None if b":" in variables else variables.rstrip(b"; ") or None


def vim_type(line: bytes) -> bytes | None:
    """Return the file type that a Vim modeline sets, if the line holds one."""
    found = _VIM.search(line)
    if not found:
        return None
    options = found[1]
    if re.match(rb"[ \t]*set?[ \t]", options):
        terminated = _VIM_SET.match(options)
        if not terminated:
            return None
        options = terminated[1]
    kind = _VIM_TYPE.search(options)
    return kind[1] if kind else None


def modeline_language(head: bytes, tail: bytes, num_bytes: int) -> str | None:
    """Return the language named by the first modeline in a file's first or last lines.

    `head` and `tail` are slices of a file of `num_bytes` bytes; they may overlap.
    """
    first = head.split(b"\n", SCOPE_LINES)[:SCOPE_LINES]
    last = tail.rstrip(b"\n").rsplit(b"\n", SCOPE_LINES)[-SCOPE_LINES:]
    for line in (*first, *last):
        mode = emacs_mode(line) or vim_type(line)
        name = mode and by_alias().get(mode.decode("latin-1").lower())
        if name:
            return name
    return None


def modeline_languages(texts: pa.Array) -> Numbers:
    """Return for each text the number of the language that its modeline names, or -1."""
    head, tail = heads(texts, HEAD_BYTES), tails(texts, TAIL_BYTES)
    rows = rows_where(matches(head, _HINT) | matches(tail, _HINT))
    codes = np.full(len(texts), -1, dtype=np.int64)
    numbers = _numbers()
    lengths = pc.binary_length(texts)
    for row in rows.tolist():
        name = modeline_language(head[row].as_py(), tail[row].as_py(), lengths[row].as_py())
        codes[row] = numbers[name] if name else -1
    return codes


@cache
def _numbers() -> dict[str, int]:
    return {name: number for number, name in enumerate(languages())}


@cache
def by_interpreter() -> dict[str, tuple[str, ...]]:
    """Return the languages that an interpreter runs."""
    found: dict[str, list[str]] = {}
    for name, language in languages().items():
        for interpreter in language.interpreters:
            found.setdefault(interpreter, []).append(name)
    return {interpreter: tuple(names) for interpreter, names in found.items()}


def interpreter(line: bytes, head: bytes = b"") -> str | None:
    """Return the program that runs a script, from its first line without `#!` and its first lines.

    `env` is looked through, with its options and assignments; a minor version is cut ("python2.7" is "python2");
    a shell script that only re-executes itself with another program is that program's.
    """
    words = line.decode("latin-1").split()
    if not words:
        return None
    program, rest = words[0].rsplit("/", 1)[-1], words[1:]
    if program == "env":
        while rest and ("=" in rest[0] or rest[0].startswith("-")):
            rest = rest[1:]
        if not rest:
            return None
        program, rest = rest[0].rsplit("/", 1)[-1], rest[1:]
    program = re.sub(r"\.\d+$", "", program)
    if program == "sh":
        executed = next(filter(None, map(_EXEC.search, head.split(b"\n", SCOPE_LINES)[:SCOPE_LINES])), None)
        program = executed[1].decode("latin-1") if executed else program
    if program == "osascript" and any(word.startswith("-l") for word in rest):
        return None
    return program


def interpreters(texts: pa.Array) -> tuple[Numbers, list[str]]:
    """Return for each text the number of the program behind `#!`, or -1, and the programs by number."""
    head = heads(texts, HEAD_BYTES)
    rows = rows_where(as_mask(pc.starts_with(head, "#!")))
    scripts = head.take(pa.array(rows))
    lines = pc.struct_field(pc.extract_regex(scripts, _SHEBANG), "line").dictionary_encode()
    programs = [interpreter(line) for line in lines.dictionary.to_pylist()]
    found = [programs[number] for number in lines.indices.to_pylist()]
    for script in rows_where(matches(scripts, _EXEC.pattern.decode())).tolist():
        found[script] = interpreter(lines[script].as_py(), scripts[script].as_py())
    names = sorted({program for program in found if program})
    numbers = {program: number for number, program in enumerate(names)}
    codes = np.full(len(texts), -1, dtype=np.int64)
    codes[rows] = [numbers.get(program or "", -1) for program in found]
    return codes, names
