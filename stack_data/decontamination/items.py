"""The items of benchmarks: the shipped ones, and files of one's own as JSON lines.

Reads stack_data/tables/benchmarks/humaneval.jsonl.gz and files the configuration names (plain or .gz). One item has up to four
parts that are looked for: prompt, docstring, solution, question. The docstring of a Python prompt is taken out of it; so is
its text before the examples, because copies often change those. A line that cannot be used stops the load, named: an item that
were left out silently would stay in the corpus.

HumanEval infilling cuts HumanEval's solutions into pieces, so its pieces are cut here (`infilling`). Its random spans lie inside
lines and are looked for as the lines that hold them. Not covered: tests of tasks, which are no part of what a model is shown.
"""

from __future__ import annotations

import ast
import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from stack_data.errors import InputError
from stack_data.languages import nearest_language
from stack_data.languages.language import by_alias

PARTS = ("prompt", "docstring", "solution", "question")
_NAMES = {
    "prompt": "prompt", "docstring": "docstring", "solution": "solution", "canonical_solution": "solution",
    "question": "question",
}  # fmt: skip
_EXAMPLES = re.compile(r">>>|\b(?:for )?examples?\b", re.I)
_IDS = ("task_id", "id", "name")


@dataclass(frozen=True, slots=True)
class Item:
    """One task of a benchmark. parts: (name of PARTS, text) pairs; language: Linguist's name, of its solution."""

    benchmark: str
    item: str
    language: str
    parts: tuple[tuple[str, str], ...]


def shipped_humaneval() -> list[Item]:
    """Return the 164 tasks of HumanEval."""
    file = resources.files("stack_data").joinpath("tables", "benchmarks", "humaneval.jsonl.gz")
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    return [item_of(json.loads(line), "humaneval", "Python", "humaneval.jsonl.gz") for line in lines]


def infilling(items: Iterable[Item]) -> list[Item]:
    """Return every run of whole lines of each solution, but the whole of it, as an item of HumanEval infilling."""
    cut = []
    for item in items:
        lines = dict(item.parts)["solution"].split("\n")
        written = [number for number, line in enumerate(lines) if line.strip()]
        for first in written:
            for last in (number for number in written if number >= first):
                if (first, last) != (written[0], written[-1]):
                    piece = (("solution", "\n".join(lines[first : last + 1])),)
                    name = f"MultiLineInfilling/{item.item}/L{first}_L{last}"
                    cut.append(Item("humaneval-infilling", name, item.language, piece))
    return cut


def read_items(path: Path) -> list[Item]:
    """Return the items of a JSON lines file (docs/decontamination.md has the fields); InputError names the line."""
    items: list[Item] = []
    lines: dict[tuple[str, str], int] = {}
    for number, row in _rows(path):
        item = item_of(row, str(row.get("benchmark") or path.name.split(".")[0]), "Python", f"{path}:{number}")
        before = lines.setdefault((item.benchmark, item.item), number)
        if before != number:
            raise InputError(
                f"{path}:{number}: task_id {item.item!r:.60} stood on line {before} already; names are unique"
            )
        items.append(item)
    return items


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    found = False
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{path}:{number}: this line is not JSON ({error}); write one JSON object per line"
            ) from error
        if not isinstance(row, dict):
            raise InputError(f"{path}:{number}: this line is {type(row).__name__}, not a JSON object with fields")
        found = True
        yield number, row
    if not found:
        raise InputError(f"{path}: the benchmark file has no items; write one JSON object per line")


def _lines(path: Path) -> list[str]:
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
        if path.suffix == ".gz" and raw[:2] != b"\x1f\x8b":
            raise InputError(f"{path}: the benchmark file is named .gz and is no gzip file")
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: the benchmark file cannot be read ({error}); see decontamination.files") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(f"{path}:{line}: the benchmark file is not UTF-8 ({error.reason})") from error
    return text.split("\n")


def item_of(row: Mapping[str, Any], benchmark: str, language: str, place: str) -> Item:
    """Return the item that a row describes; InputError, naming `place`, for one that has no name or nothing to look for."""
    name = next((row[key] for key in _IDS if row.get(key) is not None), None)
    if isinstance(name, bool) or not isinstance(name, (str, int)) or name == "":
        raise InputError(f'{place}: "task_id" is missing or no name (seen: {name!r:.60}); give each item a name')
    language = _language(_text(row, "language", place), place) or language
    parts: dict[str, list[str]] = {}
    for field, part in _NAMES.items():
        text = _text(row, field, place)
        if text.strip():
            parts.setdefault(part, []).append(text)
    if not parts:
        raise InputError(
            f"{place}: item {name!r:.60} has none of the fields {', '.join(_NAMES)}; one of them must hold text"
        )
    if language == "Python" and "docstring" not in parts:
        parts["docstring"] = [text for prompt in parts.get("prompt", []) for text in docstrings(prompt)]
    pairs = tuple((part, text) for part in PARTS for text in parts.get(part, []))
    return Item(benchmark, str(name), language, pairs)


def _language(stated: str, place: str) -> str:
    """Return Linguist's name of a language; InputError for a name that it does not know."""
    if stated and stated.lower() not in by_alias():
        raise InputError(f'{place}: "language" {stated!r:.60} is no Linguist language{nearest_language(stated)}')
    return by_alias()[stated.lower()] if stated else ""


def _text(row: Mapping[str, Any], field: str, place: str) -> str:
    value = row.get(field)
    if value is not None and not isinstance(value, str):
        raise InputError(f'{place}: "{field}" is {type(value).__name__}, not text (seen: {value!r:.60})')
    try:
        (value or "").encode()
    except UnicodeEncodeError as error:
        raise InputError(f'{place}: "{field}" holds half of a surrogate pair, which no text can hold') from error
    return value or ""


def docstrings(prompt: str) -> list[str]:
    """Return the docstring of the last function of a Python prompt, whole and up to its examples; empty without one."""
    try:
        tree = ast.parse(prompt + "\n")
    except (SyntaxError, ValueError, RecursionError):
        try:
            tree = ast.parse(prompt + "\n    pass\n")
        except (SyntaxError, ValueError, RecursionError):
            return []
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    text = _first_string(functions[-1]) if functions else ""
    if not text.strip():
        return []
    description = _EXAMPLES.split(text, maxsplit=1)[0]
    return [text] if description.strip() in ("", text.strip()) else [text, description]


def _first_string(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """Return the first string that is a statement of a function; one task of HumanEval has an import before it."""
    for node in function.body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return node.value.value
    return ""
